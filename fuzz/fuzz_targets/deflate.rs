//! What our deflate writes, zlib-rs and our own reader of gzip files read; a flush costs little, noise hardly grows.
#![no_main]

use flate2::bufread::GzDecoder;
use libfuzzer_sys::fuzz_target;
use std::io::Read;
use tailrace::body::chunks::Pool;
use tailrace::body::gunzip::{GzCursor, Inflated};
use tailrace::body::{Aim, Body, Codec};

/// Most plain bytes of a member.
const MOST: usize = 1 << 20;
/// Bits of a flush, and of a stored block at least every 16 KiB.
const OVERHEAD: usize = 16;

// The first byte says which aim; then steps of four: what, and two numbers for it, and as many bytes as it takes.
fuzz_target!(|data: &[u8]| {
    let Some((aim, mut rest)) = data.split_first() else { return };
    let aim = if aim % 2 == 0 { Aim::Speed } else { Aim::Size };
    let mut body = Body::new(Codec::Gzip(aim), Pool::new(1 << 20));
    let (mut want, mut blocks) = (Vec::new(), 1);
    while let Some(([what, a, b, c], later)) = rest.split_first_chunk() {
        rest = later;
        let (n, m) = (usize::from(u16::from_le_bytes([*a, *b])), usize::from(*c) * 8);
        let from = want.len();
        match what % 8 {
            // New bytes.
            0 | 1 => {
                let (now, later) = rest.split_at(usize::from(*c).min(rest.len()));
                want.extend_from_slice(now);
                rest = later;
            }
            // What was there before.
            2 | 3 => {
                let start = want.len().saturating_sub(n);
                want.extend_from_within(start..want.len().min(start + m));
            }
            // A run.
            4 => want.resize(want.len() + m, *b),
            // Noise.
            5 => want.extend(noise(u64::from(*b), n)),
            6 => {
                body.flush_block();
                blocks += 1;
            }
            _ if *c < 64 => {
                body.clear();
                want.clear();
                blocks = 1;
                continue;
            }
            _ => {
                whole(&mut body, &want, blocks);
                want.clear();
                blocks = 1;
                continue;
            }
        }
        if want.len() > MOST {
            return;
        }
        if what & 8 == 0 {
            body.plain().extend_from_slice(&want[from..]);
            body.settle();
        } else {
            body.text(&want[from..]);
        }
        assert_eq!(body.plain_len(), want.len());
    }
    whole(&mut body, &want, blocks);
});

fn noise(seed: u64, n: usize) -> impl Iterator<Item = u8> {
    let mut x = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::iter::repeat_with(move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    })
    .take(n)
}

/// Ends the member and reads it back, twice.
fn whole(body: &mut Body, want: &[u8], blocks: usize) {
    let sealed = body.finish();
    let member = sealed.chunks.concat();
    assert_eq!((sealed.plain, sealed.len), (want.len(), member.len()));
    assert!(member.len() <= want.len() + 18 + OVERHEAD * (blocks + want.len() / (16 << 10)), "{}", member.len());
    let (mut left, mut plain) = (&member[..], Vec::new());
    GzDecoder::new(&mut left).read_to_end(&mut plain).expect("zlib-rs reads it");
    assert!(left.is_empty() && plain == want);
    let (mut cursor, mut out, mut plain) = (GzCursor::new(&member[..]), vec![0; 9999], Vec::new());
    while let Inflated::Bytes(n) = cursor.read(&mut out).expect("memory does not fail") {
        plain.extend_from_slice(&out[..n]);
    }
    assert!(plain == want);
}
