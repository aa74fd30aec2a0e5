//! Damaged gzip never hangs and reads alike in any steps; what a body sealed, a cursor gives back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailrace::body::chunks::Pool;
use tailrace::body::gunzip::{GzCursor, Inflated};
use tailrace::body::{Aim, Body, Codec};

/// A few bytes can inflate to very many.
const MOST: usize = 1 << 20;

fn read(file: &[u8], step: usize) -> (Vec<u8>, Inflated) {
    let (mut cursor, mut plain, mut out) = (GzCursor::new(file), Vec::new(), vec![0; step]);
    loop {
        match cursor.read(&mut out).expect("memory does not fail") {
            Inflated::Bytes(n) if plain.len() < MOST => plain.extend_from_slice(&out[..n]),
            Inflated::Bytes(_) => return (plain[..MOST].to_vec(), Inflated::Bytes(0)),
            end => return (plain, end),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    assert_eq!(read(data, 4096), read(data, 777));
    let mut body = Body::new(Codec::Gzip(Aim::Speed), Pool::new(1 << 20));
    let mut want = Vec::new();
    for step in data.chunks(64) {
        let (what, bytes) = step.split_at(1);
        // Long enough, often, that settling compresses.
        let times = if what[0] & 0x80 == 0 { 1 } else { 2_000 };
        for _ in 0..times {
            body.plain().extend_from_slice(bytes);
            body.settle();
            want.extend_from_slice(bytes);
        }
        match what[0] & 7 {
            0 => {
                body.clear();
                want.clear();
            }
            1 => body.flush_block(),
            2 => {
                let sealed = body.finish();
                assert_eq!((sealed.plain, sealed.len), (want.len(), sealed.chunks.iter().map(|c| c.len()).sum()));
                whole(&sealed.chunks.concat(), &want);
                want.clear();
            }
            _ => {}
        }
        assert_eq!(body.plain_len(), want.len());
    }
    whole(&body.finish().chunks.concat(), &want);
});

fn whole(file: &[u8], want: &[u8]) {
    let (plain, end) = read(file, 4096);
    assert!(plain == want[..want.len().min(MOST)]);
    assert!(end == Inflated::End || want.len() > MOST - 4096);
}
