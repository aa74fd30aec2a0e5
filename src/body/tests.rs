use super::gunzip::{GzCursor, Inflated};
use super::*;
use chunks::CHUNK;
use proptest::prelude::*;

const CODECS: [Codec; 4] = [Codec::Gzip(Aim::Speed), Codec::Gzip(Aim::Size), Codec::Zstd, Codec::Plain];

fn bytes(sealed: &Sealed) -> Vec<u8> {
    let bytes = sealed.chunks.concat();
    assert_eq!(bytes.len(), sealed.len);
    assert!(sealed.chunks.iter().rev().skip(1).all(|c| c.len() == CHUNK), "only the last chunk may be short");
    bytes
}

/// Decompresses exactly one member or frame.
fn open(codec: Codec, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match codec {
        Codec::Gzip(_) => {
            let mut rest = bytes;
            std::io::Read::read_to_end(&mut flate2::bufread::GzDecoder::new(&mut rest), &mut plain).unwrap();
            assert!(rest.is_empty(), "one member");
        }
        Codec::Zstd => {
            let size = zstd::zstd_safe::find_frame_compressed_size(bytes).unwrap();
            assert_eq!(size, bytes.len(), "one frame");
            plain = zstd::stream::decode_all(bytes).unwrap();
        }
        Codec::Plain => plain = bytes.to_vec(),
    }
    plain
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

fn write(body: &mut Body, record: &[u8]) {
    body.plain().extend_from_slice(record);
    body.settle();
}

#[test]
fn bodies_one_after_the_other_each_hold_what_was_written() {
    for codec in CODECS {
        let pool = Pool::new(64 * CHUNK);
        let mut body = Body::new(codec, Arc::clone(&pool));
        for (seed, records) in [(1, 1), (2, 700), (3, 0), (4, 90)] {
            let mut want = Vec::new();
            for i in 0..records {
                let record = [&noise(seed * 1000 + i, 300)[..], b"\n{\"kubernetes\":{}}"].concat();
                write(&mut body, &record);
                want.extend_from_slice(&record);
            }
            assert_eq!(body.plain_len(), want.len());
            let sealed = body.finish();
            assert_eq!(sealed.plain, want.len());
            assert!(open(codec, &bytes(&sealed)) == want, "{codec:?}");
            assert_eq!((body.plain_len(), body.sent_len()), (0, 0));
        }
        assert_eq!(pool.used(), 0, "all bodies were dropped");
    }
}

#[test]
fn sent_len_is_exact_after_a_flush_and_finish_adds_little() {
    for codec in CODECS {
        let mut body = Body::new(codec, Pool::new(64 * CHUNK));
        body.flush_block();
        assert_eq!(body.sent_len(), 0, "nothing was written");
        for i in 0..100 {
            write(&mut body, &noise(i, 1500));
        }
        body.flush_block();
        let sent = body.sent_len();
        assert!(sent >= 150_000, "{codec:?} {sent}");
        assert!(body.finish().len - sent < 64, "{codec:?}");
    }
}

#[test]
fn flushes_at_the_end_of_a_chunk_are_no_trouble() {
    for codec in CODECS {
        let mut body = Body::new(codec, Pool::new(64 * CHUNK));
        let mut want = Vec::new();
        for i in 0..3000 {
            let record = noise(i, 50);
            body.plain().extend_from_slice(&record);
            body.flush_block();
            want.extend_from_slice(&record);
        }
        assert!(open(codec, &bytes(&body.finish())) == want, "{codec:?}");
    }
}

#[test]
fn clear_leaves_nothing_behind() {
    for codec in CODECS {
        let pool = Pool::new(64 * CHUNK);
        let mut body = Body::new(codec, Arc::clone(&pool));
        write(&mut body, &noise(1, 300_000));
        body.plain().extend_from_slice(b"more");
        body.clear();
        assert_eq!((body.plain_len(), body.sent_len(), pool.used()), (0, 0, 0));
        write(&mut body, b"only this");
        assert_eq!(open(codec, &bytes(&body.finish())), b"only this");
    }
}

#[test]
fn a_huge_record_does_not_keep_its_memory() {
    let mut body = Body::new(Codec::Gzip(Aim::Speed), Pool::new(64 * CHUNK));
    write(&mut body, &vec![b'a'; 5 << 20]);
    assert_eq!(body.finish().plain, 5 << 20);
    assert!(body.plain().capacity() <= 4 * BLOCK);
}

#[test]
fn a_body_past_the_budget_is_whole_and_the_overdraft_is_counted() {
    let pool = Pool::new(CHUNK);
    let mut body = Body::new(Codec::Plain, Arc::clone(&pool));
    write(&mut body, &noise(1, 3 * CHUNK));
    let sealed = body.finish();
    assert_eq!((sealed.chunks.len(), pool.free(), pool.overdrawn()), (3, 0, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_mix_of_records_flushes_and_clears_round_trips(
        codec in proptest::sample::select(&CODECS[..]),
        steps in proptest::collection::vec((0usize..100_000, 0u8..10), 1..12),
    ) {
        let mut body = Body::new(codec, Pool::new(8 * CHUNK));
        let mut want = Vec::new();
        for (i, (size, what)) in steps.into_iter().enumerate() {
            let record = if size % 2 == 0 { noise(i as u64, size) } else { vec![b'x'; size] };
            write(&mut body, &record);
            want.extend_from_slice(&record);
            match what {
                0 => { body.clear(); want.clear(); }
                1..4 => body.flush_block(),
                _ => {}
            }
            prop_assert_eq!(body.plain_len(), want.len());
        }
        let sealed = body.finish();
        prop_assert!(open(codec, &bytes(&sealed)) == want);
        if matches!(codec, Codec::Gzip(_)) {
            let bytes = bytes(&sealed);
            let (mut cursor, mut out, mut plain) = (GzCursor::new(&bytes[..]), vec![0; 9999], Vec::new());
            while let Inflated::Bytes(n) = cursor.read(&mut out).unwrap() { plain.extend_from_slice(&out[..n]); }
            prop_assert!(plain == want);
        }
    }
}
