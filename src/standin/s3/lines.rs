//! From an object's bytes back to its lines: zstd frames or gzip members, one behind the other, or plain text.

use crate::standin::receipts::{Receipts, Taken};
use std::io::{BufRead, BufReader, Read};

/// Longest line that is looked at; a longer one makes the object unreadable.
const MOST_LINE: u64 = 32 << 20;
/// Lines handed to the receipts at a time.
const BATCH: usize = 1_000;

/// Receipts every line of `parts`, which together are the object.
pub(super) fn receipt(receipts: &Receipts, key: &str, parts: &[bytes::Bytes]) {
    let head: Vec<u8> = parts.iter().flat_map(|p| p.iter()).copied().take(4).collect();
    let chained = Chain { parts, at: 0 };
    let whole = match head.as_slice() {
        [0x1f, 0x8b, ..] => lines(receipts, key, flate2::read::MultiGzDecoder::new(chained)),
        [0x28, 0xb5, 0x2f, 0xfd] => match zstd::stream::read::Decoder::new(chained) {
            Ok(decoder) => lines(receipts, key, decoder),
            Err(_) => false,
        },
        _ => lines(receipts, key, chained),
    };
    if !whole {
        receipts.add(|t| t.unreadable += 1);
    }
}

/// How many lines these bytes have (a part that is compressed on its own is read on its own); `None`: unreadable.
pub(super) fn count(body: &[u8]) -> Option<u64> {
    match body {
        [0x1f, 0x8b, ..] => newlines(flate2::read::MultiGzDecoder::new(body)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => newlines(zstd::stream::read::Decoder::new(body).ok()?),
        _ => newlines(body),
    }
}

fn newlines(mut source: impl Read) -> Option<u64> {
    let (mut block, mut found) = (vec![0; 64 << 10], 0);
    loop {
        let n = source.read(&mut block).ok()?;
        let Some(read) = block.get(..n).filter(|read| !read.is_empty()) else { return Some(found) };
        found += memchr::memchr_iter(b'\n', read).count() as u64;
    }
}

/// False when the bytes broke off.
fn lines(receipts: &Receipts, key: &str, source: impl Read) -> bool {
    let mut source = BufReader::with_capacity(64 << 10, source);
    let (mut batch, mut plain, mut strange, mut whole) = (Vec::<Vec<u8>>::new(), 0, 0, true);
    loop {
        let mut line = Vec::new();
        match source.by_ref().take(MOST_LINE).read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(n) => plain += n as u64,
            Err(_) => {
                whole = false;
                break;
            }
        }
        let ended = line.pop_if(|b| *b == b'\n').is_some();
        whole &= ended || (line.len() as u64) < MOST_LINE;
        strange += u64::from(serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_err());
        batch.push(line);
        if batch.len() >= BATCH {
            give(receipts, key, &mut batch);
        }
    }
    give(receipts, key, &mut batch);
    receipts.add(|t| {
        t.plain_bytes += plain;
        t.unreadable += strange;
    });
    whole
}

fn give(receipts: &Receipts, key: &str, batch: &mut Vec<Vec<u8>>) {
    receipts.take(batch.iter().map(|text| Taken { place: key, name: "", time: 0, text }));
    batch.clear();
}

struct Chain<'a> {
    parts: &'a [bytes::Bytes],
    at: usize,
}

impl Read for Chain<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        while let Some((first, rest)) = self.parts.split_first() {
            let left = first.get(self.at..).unwrap_or_default();
            if left.is_empty() {
                self.parts = rest;
                self.at = 0;
                continue;
            }
            let n = left.len().min(buf.len());
            if let (Some(to), Some(from)) = (buf.get_mut(..n), left.get(..n)) {
                to.copy_from_slice(from);
            }
            self.at += n;
            return Ok(n);
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::count;
    use std::io::Write;

    #[test]
    fn lines_are_counted_in_plain_gzip_and_zstd_bodies_and_broken_ones_are_said() {
        let gzip = |text: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(count(b"one\ntwo\n"), Some(2));
        assert_eq!(count(&[gzip("one\n"), gzip("two\nthree\n")].concat()), Some(3));
        let zstd = [zstd::encode_all(&b"one\n"[..], 1).unwrap(), zstd::encode_all(&b"two\n"[..], 1).unwrap()].concat();
        assert_eq!(count(&zstd), Some(2));
        let whole = gzip(&"a line of some length\n".repeat(100));
        assert_eq!(count(whole.get(..whole.len() - 12).unwrap()), None);
    }
}
