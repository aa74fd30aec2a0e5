use super::*;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use proptest::prelude::*;

const AIMS: [Aim; 2] = [Aim::Speed, Aim::Size];

/// What one call gives out.
fn code(deflate: &mut Deflate, input: &[u8], until: Until) -> Vec<u8> {
    let mut out = Vec::new();
    deflate.code(input, until, &mut |bytes| out.extend_from_slice(bytes));
    out
}

fn whole(aim: Aim, plain: &[u8]) -> Vec<u8> {
    code(&mut Deflate::new(aim), plain, Until::Ended)
}

/// By zlib-rs; exactly one stream.
fn inflated(bytes: &[u8], len: usize) -> Vec<u8> {
    let (mut inflate, mut plain) = (Decompress::new(false), Vec::with_capacity(len + 1));
    let status = inflate.decompress_vec(bytes, &mut plain, FlushDecompress::Finish).unwrap();
    assert_eq!((status, inflate.total_in()), (Status::StreamEnd, bytes.len() as u64));
    plain
}

fn check(aim: Aim, plain: &[u8]) -> usize {
    let bytes = whole(aim, plain);
    assert!(inflated(&bytes, plain.len()) == plain, "{aim:?} {} bytes", plain.len());
    bytes.len()
}

/// Bytes that do not compress.
fn noise(seed: u64, n: usize) -> Vec<u8> {
    let mut x = seed.wrapping_mul(2_685_821_657_736_338_717) | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    (0..n).map(|_| next()).collect()
}

/// A record of one of several files: some text of its own, and what all of its file have in common.
fn record(n: u64, file: u64) -> Vec<u8> {
    let id = noise(n, 8).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut text = format!(
        "{{\"log\":\"{{\\\"msg\\\":\\\"served\\\",\\\"id\\\":\\\"{id}\\\",\\\"user\\\":{n}}}\",\"kubernetes\":{{"
    );
    (0..25)
        .for_each(|label| text += &format!("\"app.kubernetes.io/label-{label}\":\"value-{}-{file}\",", label * 7919));
    (text + "\"last\":1}}\n").into_bytes()
}

fn zlib_at(level: u32, plain: &[u8]) -> usize {
    let (mut deflate, mut out) =
        (Compress::new(Compression::new(level), false), Vec::with_capacity(plain.len() + 1000));
    assert_eq!(deflate.compress_vec(plain, &mut out, FlushCompress::Finish).unwrap(), Status::StreamEnd);
    out.len()
}

#[test]
fn every_length_of_a_repeat_comes_back() {
    for aim in AIMS {
        for len in (0..540).chain((540..1100).step_by(37)).chain([16_383, 16_384, 16_385, 40_000]) {
            let start = noise(1, 300);
            let repeat = start.iter().cycle().take(len).copied();
            check(aim, &start.iter().copied().chain(repeat).chain([0, 1, 2]).collect::<Vec<_>>());
        }
    }
}

#[test]
fn every_distance_of_a_repeat_comes_back_and_the_far_ones_are_found() {
    for aim in AIMS {
        for distance in (1..300).chain((300..33_000).step_by(1709)).chain([32_766, 32_767, 32_768, 32_769]) {
            let start = noise(2, distance);
            let plain = [&start[..], &start[..distance.min(200)]].concat();
            let len = check(aim, &plain);
            if (200..HISTORY).contains(&distance) {
                assert!(len < distance + 120, "{aim:?} {distance} {len}");
            }
        }
    }
}

#[test]
fn equal_bytes_take_next_to_nothing_and_noise_grows_by_less_than_one_in_a_thousand() {
    for aim in AIMS {
        let len = 1 << 20;
        for byte in [0, b'a', 255] {
            let taken = check(aim, &vec![byte; len]);
            assert!(taken < len / 800, "{aim:?} {taken}");
        }
        let taken = check(aim, &noise(3, len));
        assert!(taken > len && taken < len + len / 1000, "{aim:?} {taken}");
    }
}

#[test]
fn short_and_empty_streams_are_short() {
    for aim in AIMS {
        assert_eq!(whole(aim, b"").len(), 2);
        assert!((1..40).all(|n| check(aim, &noise(4, n)) <= n + 6), "{aim:?}");
    }
}

#[test]
fn records_are_smaller_than_zlib_makes_them_in_one_file_and_in_fifty() {
    for (files, of_level_1) in [(1, 75), (50, 80)] {
        let plain = (0..1500).flat_map(|n| record(n, noise(n, 1)[0] as u64 % files)).collect::<Vec<_>>();
        let zlib = zlib_at(1, &plain);
        for aim in AIMS {
            let len = check(aim, &plain);
            assert!(len * 100 < zlib * of_level_1, "{aim:?} {files} files: {len}, zlib-rs {zlib}");
        }
    }
}

#[test]
fn what_was_taken_in_before_is_found_whatever_the_size_of_the_calls() {
    let records = (0..600).map(|n| record(n, 0)).collect::<Vec<_>>();
    for aim in AIMS {
        let at_once = check(aim, &records.concat());
        let mut deflate = Deflate::new(aim);
        let mut bytes = records.iter().flat_map(|r| code(&mut deflate, r, Until::Taken)).collect::<Vec<_>>();
        bytes.extend(code(&mut deflate, &[], Until::Ended));
        assert_eq!(bytes.len(), at_once, "nothing was flushed between them");
    }
}

#[test]
fn all_that_was_taken_in_is_readable_after_a_flush_and_costs_a_few_bytes() {
    for aim in AIMS {
        let (mut deflate, mut inflate) = (Deflate::new(aim), Decompress::new(false));
        for byte in noise(5, 9_000) {
            let bytes = code(&mut deflate, &[byte], Until::Flushed);
            assert!(bytes.len() <= 8, "{aim:?} {}", bytes.len());
            let mut plain = Vec::with_capacity(10);
            inflate.decompress_vec(&bytes, &mut plain, FlushDecompress::Sync).unwrap();
            assert_eq!(plain, [byte]);
        }
        assert_eq!(code(&mut deflate, &[], Until::Flushed), b"", "there was nothing to flush");
        assert!(code(&mut deflate, &[], Until::Ended).len() <= 2);
    }
}

#[test]
fn nothing_depends_on_what_was_compressed_before() {
    let plain = (0..200).flat_map(|n| record(n, n % 3)).collect::<Vec<_>>();
    for aim in AIMS {
        let mut used = Deflate::new(aim);
        code(&mut used, &record(1, 1).repeat(90), Until::Ended);
        code(&mut used, &noise(6, 200_000), Until::Taken);
        used.reset();
        assert!(code(&mut used, &plain, Until::Ended) == whole(aim, &plain), "{aim:?}");
    }
}

/// Pieces of what repeats, of what does not, and of what was there before.
fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (0usize..600, any::<u64>()).prop_map(|(n, seed)| (noise(seed, n), 0, 0)),
        ("[a-d\"\\\\]{0,80}", 1usize..40).prop_map(|(text, times)| (text.repeat(times).into_bytes(), 0, 0)),
        (0usize..40_000, 0usize..3000).prop_map(|(back, len)| (Vec::new(), back, len)),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| {
        pieces.into_iter().fold(Vec::new(), |mut text: Vec<u8>, (new, back, len)| {
            text.extend_from_slice(&new);
            let from = text.len().saturating_sub(back);
            text.extend_from_within(from..text.len().min(from + len));
            text
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_text_in_any_pieces_comes_back(
        aim in proptest::sample::select(&AIMS[..]),
        text in any_text(),
        pieces in proptest::collection::vec((0usize..30_000, 0u8..4), 0..20),
    ) {
        let (mut deflate, mut bytes, mut rest) = (Deflate::new(aim), Vec::new(), &text[..]);
        for (len, flush) in pieces {
            let (now, later) = rest.split_at(len.min(rest.len()));
            rest = later;
            bytes.extend(code(&mut deflate, now, if flush == 0 { Until::Flushed } else { Until::Taken }));
        }
        bytes.extend(code(&mut deflate, rest, Until::Ended));
        prop_assert!(inflated(&bytes, text.len()) == text);
    }
}
