//! Who a file is: its head, the id made of it, and the proof that a file is still the one a position speaks of.
//! Pure but for reading through [`Source`].
//!
//! A head is the first complete line, or the first 1 KiB, or (after silence) what is there. It never changes
//! once taken, so a file that grew still has it.

use super::disk::Content;
use super::shelf::Source;
use crate::record::{FileId, Mark};
use sha2::{Digest, Sha256};
use std::io;

/// Bytes of a head at most.
pub const HEAD_MAX: usize = 1024;

/// Length and CRC-32C of a head, as the store keeps it.
pub type Head = (u16, u32);

/// The head within a file's first bytes; with `as_is` also an unfinished line. `None`: not yet.
pub fn cut(bytes: &[u8], as_is: bool) -> Option<&[u8]> {
    let bytes = bytes.get(..HEAD_MAX).unwrap_or(bytes);
    match memchr::memchr(b'\n', bytes) {
        Some(at) => bytes.get(..=at),
        None if bytes.len() == HEAD_MAX || (as_is && !bytes.is_empty()) => Some(bytes),
        None => None,
    }
}

/// Length and check sum of a head.
pub fn head(bytes: &[u8]) -> Head {
    (bytes.len().min(HEAD_MAX) as u16, crc32c::crc32c(bytes))
}

/// Whether a file that begins with `bytes` has this head. A head of nothing fits nothing.
pub fn begins_with(bytes: &[u8], known: Head) -> bool {
    known.0 > 0 && bytes.get(..usize::from(known.0)).is_some_and(|head| crc32c::crc32c(head) == known.1)
}

/// The id of a pod's log, derived from what is fixed: a lost `data_dir` gives the same again.
pub fn derive(pod_uid: &str, container: &str, restart: u32, generation: u32, head: &[u8]) -> FileId {
    let mut sum = Sha256::new();
    for text in [pod_uid.as_bytes(), container.as_bytes()] {
        sum.update((text.len() as u64).to_le_bytes());
        sum.update(text);
    }
    sum.update(restart.to_le_bytes());
    sum.update(generation.to_le_bytes());
    sum.update(head);
    let digest: [u8; 32] = sum.finalize().into();
    FileId(first(&digest))
}

/// Names a chain: pod and container, or input and path. The text parts are told apart by their lengths.
pub fn chain(parts: &[&[u8]]) -> u64 {
    let mut sum = Sha256::new();
    for part in parts {
        sum.update((part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    let digest: [u8; 32] = sum.finalize().into();
    first(&digest) as u64
}

fn first(digest: &[u8; 32]) -> u128 {
    digest.iter().take(16).fold(0, |id, byte| (id << 8) | u128::from(*byte))
}

/// The file's first bytes, at most [`HEAD_MAX`].
pub fn first_bytes(source: &Source) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEAD_MAX];
    let got = source.first(&mut bytes)?;
    bytes.truncate(got);
    Ok(bytes)
}

/// The mark at `size`; `None`: it cannot be read, or is shorter by now.
pub fn proof_at(content: &dyn Content, size: u64) -> Option<Mark> {
    let mut bytes = [0; Mark::MAX];
    let len = usize::try_from(size).unwrap_or(Mark::MAX).min(Mark::MAX);
    let tail = bytes.get_mut(..len)?;
    let got = super::disk::read_full(content, size - len as u64, tail).ok()?;
    (got == len).then(|| Mark::of(size, tail))
}

/// Whether the file holds what was proven of it; a compressed one is not looked through for that.
pub fn proves(source: &Source, proof: Mark) -> bool {
    source.gz || marks_hold(source, &[proof]).unwrap_or(false)
}

/// Whether every mark holds in a plain file. A mark past its end does not.
pub fn marks_hold(source: &Source, marks: &[Mark]) -> io::Result<bool> {
    let mut bytes = [0; Mark::MAX];
    for mark in marks.iter().filter(|mark| mark.len > 0) {
        let len = usize::from(mark.len);
        let Some(at) = mark.at.checked_sub(len as u64) else { return Ok(false) };
        let Some(to) = bytes.get_mut(..len) else { return Ok(false) };
        let got = super::disk::read_full(source.content.as_ref(), at, to)?;
        if got < len || !mark.holds(to) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_a_line_or_a_kilobyte_or_after_silence_what_is_there() {
        let long = vec![b'x'; 3000];
        assert_eq!(cut(b"ab\ncd", false), Some(b"ab\n".as_slice()));
        assert_eq!(cut(b"ab", false), None);
        assert_eq!(cut(b"ab", true), Some(b"ab".as_slice()));
        assert_eq!(cut(b"", true), None);
        assert_eq!(cut(&long, false).map(<[u8]>::len), Some(HEAD_MAX));
        assert_eq!(cut(&long[..HEAD_MAX - 1], false), None);
    }

    #[test]
    fn a_grown_file_keeps_its_head_and_another_has_not_got_it() {
        let known = head(b"first\n");
        assert!(begins_with(b"first\nsecond\n", known));
        assert!(!begins_with(b"firsT\nsecond\n", known));
        assert!(!begins_with(b"fir", known));
        assert!(!begins_with(b"", known));
        assert!(!begins_with(b"anything", (0, 0)));
    }

    #[test]
    fn ids_differ_by_every_part_and_parts_do_not_run_together() {
        let ids = [
            derive("uid", "app", 0, 0, b"line\n"),
            derive("uida", "pp", 0, 0, b"line\n"),
            derive("uid", "app", 1, 0, b"line\n"),
            derive("uid", "app", 0, 1, b"line\n"),
            derive("uid", "app", 0, 0, b"line"),
        ];
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len());
        assert_eq!(ids[0], derive("uid", "app", 0, 0, b"line\n"));
        assert_ne!(chain(&[b"ab", b"c"]), chain(&[b"a", b"bc"]));
    }
}
