use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn log(records: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    write_header(&mut out);
    for (time, payload) in records {
        write_record(*time, payload, &mut out).unwrap();
    }
    out
}

fn read(bytes: &[u8]) -> (Vec<(i64, Vec<u8>)>, End) {
    let mut reader = Reader::new(bytes).unwrap();
    let records = reader.by_ref().map(|(time, payload)| (time, payload.to_vec())).collect();
    (records, reader.end())
}

#[test]
fn the_example_in_the_head_is_what_the_code_writes() {
    let source = include_str!("../log.rs");
    let example = source.split("```hex").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let words = example.split_whitespace().filter(|word| *word != "//!");
    let bytes: Vec<u8> = words.map(|word| u8::from_str_radix(word, 16).unwrap()).collect();
    assert_eq!(bytes, log(&[(1, b"abc".to_vec())]));
    assert_eq!(read(&bytes).0, [(1, b"abc".to_vec())]);
}

#[test]
fn the_numbers_in_the_head_are_those_of_the_code() {
    let source = include_str!("../log.rs");
    let table = source.split("```text").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let size = |line: &str| line.get(12..).and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
    let sizes: Vec<usize> = table.lines().filter_map(size).collect();
    let (header, frame) = sizes.split_at(2);
    assert_eq!(header.iter().sum::<usize>(), HEADER_LEN, "{sizes:?}");
    assert_eq!(frame.iter().sum::<usize>(), FRAME_LEN, "{sizes:?}");
    assert!(table.contains(&format!("at most {} MiB", MAX_PAYLOAD >> 20)));
}

#[test]
fn a_log_cut_anywhere_gives_exactly_its_whole_records() {
    let records = [(1, b"one".to_vec()), (2, Vec::new()), (-3, vec![0; 40])];
    let whole = log(&records);
    let ends: Vec<usize> = (0..=records.len()).map(|n| log(&records[..n]).len()).collect();
    for cut in 0..whole.len() {
        let (read, end) = read(&whole[..cut]);
        let n = ends.iter().filter(|len| **len <= cut).count();
        assert_eq!(read, records[..n.saturating_sub(1)], "{cut}");
        let valid = ends[..n].last().copied().unwrap_or(0);
        assert_eq!(end.valid_len, valid as u64, "{cut}");
        assert_eq!(end.torn.map(|torn| torn.offset), (valid < cut || n == 0).then_some(valid as u64), "{cut}");
    }
}

#[test]
fn a_payload_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let mut out = Vec::new();
    let len = MAX_PAYLOAD + 1;
    assert_eq!(write_record(0, &vec![7; len], &mut out), Err(TooLong { len }));
    assert!(out.is_empty());
    let whole = log(&[(9, vec![7; MAX_PAYLOAD])]);
    assert_eq!(read(&whole).1.records, 1);
}

#[test]
fn what_is_no_log_of_ours_is_refused() {
    assert_eq!(Reader::new(b"TAILRLOG\x01\x00").unwrap_err(), Problem::NotALog);
    assert_eq!(Reader::new(b"{\"a\"").unwrap_err(), Problem::NotALog);
    assert_eq!(Reader::new(b"tailrlog\x02").unwrap_err(), Problem::NotALog);
    assert_eq!(Reader::new(b"tailrlog\x02\x01").unwrap_err(), Problem::OtherVersion { found: 0x102, known: 1 });
}

#[test]
fn two_damaged_records_in_a_row_end_the_log() {
    let records: Vec<_> = (0..5).map(|n| (n, vec![n as u8; 10])).collect();
    let mut bytes = log(&records);
    let size = FRAME_LEN + 10;
    for n in [1, 2] {
        bytes[HEADER_LEN + n * size + FRAME_LEN] ^= 1;
    }
    let (read, end) = read(&bytes);
    assert_eq!(read, records[..1]);
    assert_eq!(end.torn, Some(Torn { offset: (HEADER_LEN + size) as u64, what: Damage::Checksum }));
    assert_eq!(end.skipped, 0);
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in vec((any::<i64>(), vec(any::<u8>(), 0..100)), 0..20)) {
        let bytes = log(&records);
        let (read, end) = read(&bytes);
        prop_assert_eq!(&read, &records);
        let n = records.len() as u64;
        prop_assert_eq!(end, End { valid_len: bytes.len() as u64, torn: None, records: n, skipped: 0 });
    }

    #[test]
    fn any_bytes_are_read_to_a_stated_end(
        records in vec((any::<i64>(), vec(any::<u8>(), 0..30)), 0..8),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = log(&records);
        bytes.extend_from_slice(&tail);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let Ok(reader) = Reader::new(&bytes) else { return Ok(()) };
        let end = reader.end();
        let valid = usize::try_from(end.valid_len).unwrap();
        prop_assert_eq!(end.torn.is_some(), valid < bytes.len());
        // Cut there, it is whole, and says the same.
        let (again, clean) = read(&bytes[..valid]);
        prop_assert_eq!(again.len() as u64, end.records);
        prop_assert_eq!(clean, End { torn: None, ..end });
    }
}
