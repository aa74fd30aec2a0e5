use super::super::arbitrary;
use super::*;
use crate::catalog::view::Place;
use crate::ruling::{Ruling, Rulings, Streams, Why};
use crate::store::saved::{Kept, KnownFile};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

fn bytes(saved: &Saved) -> Vec<u8> {
    let mut out = Vec::new();
    encode(saved, &mut out);
    out
}

fn all(payload: &[u8]) -> Vec<Entry> {
    decode(payload).collect()
}

/// One record of each kind and its bytes as version 0.1.0 wrote them. These lines never change: a new field or kind
/// adds lines.
fn written_once() -> Vec<(Saved, &'static str)> {
    let lane = || arbitrary::lane("s3");
    let name = || Arc::<str>::from("a/b");
    let id = FileId(0x0102);
    let span = Span { file: id, start: 300, end: 301 };
    let tag = || PartTag { number: 2, etag: "\"e\"".into(), crc32c: "c=".into() };
    let mark = |at| Mark { at, len: 256, crc: 0x0a0b_0c0d };
    let above = vec![(20, 30), (40, 1000)];
    let sums = Sums {
        delivered: (1, 2),
        dead_lettered: (3, 4),
        dropped: [(5, 6), (7, 8), (9, 10), (11, 12), (0, 0), (0, 0)],
        lost_bytes: 13,
        possible_duplicates: 14,
        skipped: 15,
        again: 16,
        gone: 17,
    };
    let excluded = Sums { dropped: [(5, 6), (7, 8), (9, 10), (11, 12), (1, 2), (0, 0)], ..sums.clone() };
    let hole = Sums { dropped: [(5, 6), (7, 8), (9, 10), (11, 12), (1, 2), (3, 4)], ..sums.clone() };
    let position = Position { low: 10, low_mark: mark(10), above, high_mark: mark(1000), cuts: Vec::new() };
    let cut = Position { cuts: vec![40, 300], ..position.clone() };
    let intent = |upload| Intent { name: name(), spans: vec![span], upload };
    vec![
        (Saved::FileGone { id }, "021002010000000000000000000000000000"),
        (
            Saved::Position { lane: lane(), file: id, position },
            "032a027333020100000000000000000000000000000a0a80020d0c0b0a02140a0ac007e80780020d0c0b0a00",
        ),
        (
            Saved::Position { lane: lane(), file: id, position: cut },
            "032d027333020100000000000000000000000000000a0a80020d0c0b0a02140a0ac007e80780020d0c0b0a02288402",
        ),
        (Saved::Sums { lane: lane(), sums: hole }, "0419027333010203040605060708090a0b0c010203040d0e0f1011"),
        (Saved::Sums { lane: lane(), sums: excluded }, "0417027333010203040505060708090a0b0c01020d0e0f1011"),
        (Saved::Sums { lane: lane(), sums }, "0415027333010203040405060708090a0b0c0d0e0f1011"),
        (Saved::Attempt { lane: lane(), ticket: 300, records: 4 }, "0506027333ac0204"),
        (Saved::Answered { lane: lane(), ticket: 300 }, "0605027333ac02"),
        (Saved::Upload { lane: lane(), name: name(), upload: None }, "070802733303612f6200"),
        (Saved::Upload { lane: lane(), name: name(), upload: Some("u".into()) }, "070a02733303612f62010175"),
        (
            Saved::Part { lane: lane(), name: name(), upload: "u".into(), tag: tag(), spans: vec![span] },
            "082502733303612f620175020322652202633d0102010000000000000000000000000000ac0201",
        ),
        (
            Saved::Intent { lane: lane(), intent: intent(None) },
            "091c02733303612f620102010000000000000000000000000000ac020100",
        ),
        (
            Saved::Intent { lane: lane(), intent: intent(Some(("u".into(), vec![tag()]))) },
            "092702733303612f620102010000000000000000000000000000ac020101017501020322652202633d",
        ),
        (Saved::Closed { lane: lane(), name: name() }, "0a0702733303612f62"),
    ]
}

/// The same of files.
fn files_written_once() -> Vec<(Saved, &'static str)> {
    let id = FileId(0x0102);
    let mark = |at| Mark { at, len: 256, crc: 0x0a0b_0c0d };
    let file = KnownFile {
        rulings: Default::default(),
        id,
        input: "pods".into(),
        path: "/x".into(),
        inode: 128,
        head: (5, 6),
        place: Place { chain: 7, restart: 8, turn: 9 },
        generation: 1,
        size: 10,
        ages: vec![(4, 1_000), (10, 1_001)],
        fields: vec![("k".into(), "v".into())],
        kept: None,
        proof: Mark::NONE,
    };
    let copied = KnownFile {
        kept: Some(Box::new(Kept { plain: 10, gz: true, end: mark(300) })),
        proof: mark(9),
        ..file.clone()
    };
    let out = Ruling { out: Streams::BOTH, why: Why::Labels, ..Ruling::default() };
    let ruled =
        KnownFile { rulings: Rulings::new(vec![("i".into(), vec![(0, Ruling::default()), (5, out)])]), ..file.clone() };
    vec![
        (
            Saved::File(ruled),
            "01450201000000000000000000000000000004706f6473022f788001050600000007000000000000000809010a0204e807060101016b0176000000000000000101690200000523",
        ),
        (
            Saved::File(file),
            "01360201000000000000000000000000000004706f6473022f788001050600000007000000000000000809010a0204e807060101016b0176",
        ),
        (
            Saved::File(copied),
            "01480201000000000000000000000000000004706f6473022f788001050600000007000000000000000809010a0204e807060101016b0176010a01ac0280020d0c0b0a0980020d0c0b0a",
        ),
    ]
}

/// The same of the records that say which lanes there are.
fn presence_written_once() -> Vec<(Saved, &'static str)> {
    let lane = || arbitrary::lane("s3");
    vec![
        (Saved::Absent { lane: lane(), since: Some(-1), keep: None }, "0b0c02733301ffffffffffffffff"),
        (Saved::Absent { lane: lane(), since: None, keep: None }, "0b0402733300"),
        (Saved::Absent { lane: lane(), since: None, keep: Some(Duration::from_secs(300)) }, "0b070273330001ac02"),
        (Saved::Forgotten { lane: lane() }, "0c03027333"),
        (Saved::Left { lane: lane(), file: FileId(0x0102) }, "0d1302733302010000000000000000000000000000"),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_kind_is_still_written_and_read_as_it_was() {
    for (saved, written) in written_once().into_iter().chain(files_written_once()).chain(presence_written_once()) {
        assert_eq!(hex(&bytes(&saved)), written, "{saved:?}");
        assert_eq!(all(&bytes(&saved)), [Entry::Known(saved)]);
    }
}

#[test]
fn a_position_of_version_0_1_has_no_cuts() {
    let first = written_once().into_iter().find(|(saved, _)| matches!(saved, Saved::Position { .. }));
    let (position, _) = first.unwrap();
    let mut old = bytes(&position);
    assert_eq!(old.pop(), Some(0));
    old[1] -= 1;
    assert_eq!(all(&old), [Entry::Known(position)]);
}

#[test]
fn a_kind_of_a_newer_version_is_passed_over() {
    let mut payload = vec![200, 3, 1, 2, 3];
    let saved = Saved::Forgotten { lane: arbitrary::lane("x") };
    encode(&saved, &mut payload);
    assert_eq!(all(&payload), [Entry::Foreign { kind: 200 }, Entry::Known(saved)]);
}

#[test]
fn a_body_that_grew_in_a_newer_version_is_read_without_what_follows() {
    for (saved, _) in written_once().into_iter().chain(files_written_once()).chain(presence_written_once()) {
        let short = bytes(&saved);
        let (_, body) = Cursor(&short).entry().unwrap();
        let grown = [body, b"more of it"].concat();
        let mut payload = vec![short[0]];
        crate::store::wire::put(grown.len() as u64, &mut payload);
        payload.extend_from_slice(&grown);
        assert_eq!(all(&payload), [Entry::Known(saved)]);
    }
}

#[test]
fn sums_with_more_or_fewer_reasons_give_those_that_both_know() {
    let mut body = Vec::new();
    put_text("s3", &mut body);
    for n in [1, 2, 3, 4] {
        put(n, &mut body);
    }
    for dropped in [vec![(5, 6)], vec![(5, 6); 9]] {
        let mut body = body.clone();
        put_list(&dropped, &mut body, |(a, b), out| {
            put(*a, out);
            put(*b, out);
        });
        put(7, &mut body);
        put(8, &mut body);
        let Some(Ok(Saved::Sums { sums, .. })) = Cursor(&body).saved(SUMS) else { panic!("not read") };
        let known = dropped.len().min(4);
        assert_eq!(sums.dropped[..known], dropped[..known]);
        assert_eq!((sums.lost_bytes, sums.possible_duplicates), (7, 8));
    }
}

#[test]
fn a_body_that_makes_no_sense_spoils_only_itself() {
    let mut payload = vec![FILE, 2, 0xff, 0xff];
    let saved = Saved::Forgotten { lane: arbitrary::lane("x") };
    encode(&saved, &mut payload);
    payload.extend_from_slice(&[CLOSED, 50]);
    let expected = [Entry::Unreadable { kind: FILE }, Entry::Known(saved), Entry::Broken];
    assert_eq!(all(&payload), expected);
}

#[test]
fn a_length_that_lies_allocates_nothing() {
    // A position with "2^60 settled spans".
    let mut body = Vec::new();
    put_text("l", &mut body);
    put_id(FileId(1), &mut body);
    put(0, &mut body);
    put_mark(&Mark::NONE, &mut body);
    put(1 << 60, &mut body);
    assert!(Cursor(&body).saved(POSITION).is_none());
}

#[test]
fn a_number_that_overflows_is_refused() {
    let top = [0xff; 9];
    assert_eq!(Cursor(&[&top[..], &[0x01]].concat()).number(), Some(u64::MAX));
    assert_eq!(Cursor(&[&top[..], &[0x02]].concat()).number(), None);
    assert_eq!(Cursor(&[&top[..], &[0x81, 0x00]].concat()).number(), None);
    assert_eq!(Cursor(&[0x80]).number(), None);
}

proptest! {
    #[test]
    fn any_record_comes_back(records in vec(arbitrary::saved(), 0..6)) {
        let payload = records.iter().flat_map(bytes).collect::<Vec<u8>>();
        let expected: Vec<Entry> = records.into_iter().map(Entry::Known).collect();
        prop_assert_eq!(all(&payload), expected);
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(payload in vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&payload).count() <= payload.len());
    }

    #[test]
    fn a_damaged_record_is_decoded_without_panic(
        saved in arbitrary::saved(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut payload = bytes(&saved);
        let at = at.index(payload.len());
        payload[at] = byte;
        payload.truncate(cut.index(payload.len() + 1));
        prop_assert!(decode(&payload).count() <= payload.len());
    }
}
