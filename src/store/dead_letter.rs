//! Dead letters: records that a service will never take, one JSON line each, in `DIR/<lane>.jsonl`.
//!
//! `append` returns when they are durable, so the lane may settle them. The directory has a cap; full is an error on
//! which the lane holds: nothing is dropped to make room. No handle is kept: whoever reads the files may move or
//! delete them at any time, and that makes room again (holding [`lock`] while doing so, nothing is half written). What
//! `replay` has taken and not sent yet counts as well. What the lines say is the lane's business.

use super::storage::{OsStorage, Storage};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Where `replay` keeps what it has taken, inside of the directory.
pub const REPLAY: &str = "replay";

/// One lane's dead-letter file.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    dir: PathBuf,
    name: String,
    max_bytes: u64,
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum NotAppended {
    /// The directory's cap. `used` is what is in it.
    #[error(
        "dead letters are full: {used} of {max} bytes, and the next do not fit; send them with `tailrace replay`, or \
         raise dead_letter.max_bytes"
    )]
    Full { used: u64, max: u64 },
    /// The directory or file cannot be written.
    #[error("dead letters cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl DeadLetters {
    /// Touches nothing: the directory is made with the first line. Lanes may share `dir`, and then share the cap
    /// (two that append in one moment may pass it by one append each).
    pub fn open(dir: &Path, lane: &str, max_bytes: u64) -> DeadLetters {
        DeadLetters::at(dir, file_name(lane), max_bytes)
    }

    /// The same by the name of the file.
    pub fn at(dir: &Path, name: String, max_bytes: u64) -> DeadLetters {
        DeadLetters { dir: dir.to_owned(), name, max_bytes }
    }

    /// The lane's file, for messages.
    pub fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    /// Appends whole lines, each with its newline (a missing last one is added), and waits until they are durable.
    /// All or nothing: what an error or a crash leaves of them is cut off by the next call.
    pub fn append(&self, lines: &[u8]) -> Result<(), NotAppended> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut storage = OsStorage::new(&self.dir);
        storage.prepare()?;
        let Some(_held) = lock(&self.path(), true)? else {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process holds the file").into());
        };
        let taken = match used(&mut OsStorage::new(&self.dir.join(REPLAY))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            taken => taken?,
        };
        self.append_beside(&mut storage, taken, lines)
    }

    /// The same over any storage.
    pub fn append_in(&self, storage: &mut dyn Storage, lines: &[u8]) -> Result<(), NotAppended> {
        if lines.is_empty() {
            return Ok(());
        }
        storage.prepare()?;
        self.append_beside(storage, 0, lines)
    }

    /// `taken` bytes lie elsewhere and count.
    fn append_beside(&self, storage: &mut dyn Storage, taken: u64, lines: &[u8]) -> Result<(), NotAppended> {
        // Before anything is counted: what a crash left of a line must not keep its room for ever.
        let whole = match cut_torn_line(storage, &self.name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                storage.create(&self.name)?;
                0
            }
            whole => whole?,
        };
        if whole == 0 {
            storage.sync_dir()?;
        }
        // A process that was killed before it could note that they are here brings them again: they need no more room.
        if ends_with(storage, &self.name, whole, lines)? {
            return Ok(storage.sync(&self.name)?);
        }
        let used = used(storage)?.saturating_add(taken);
        if used.saturating_add(lines.len() as u64) > self.max_bytes {
            return Err(NotAppended::Full { used, max: self.max_bytes });
        }
        if let Err(error) = write_durably(storage, &self.name, lines) {
            storage.truncate(&self.name, whole)?;
            return Err(error.into());
        }
        Ok(())
    }
}

/// Opens a file of dead letters that nobody else appends to or takes away until it is closed. `None`: somebody does.
pub fn lock(path: &Path, create: bool) -> io::Result<Option<File>> {
    // Bounded: each further round means that the file was moved between two system calls.
    for _ in 0..8 {
        let file = OpenOptions::new().read(true).append(true).create(create).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let same = |there: std::fs::Metadata| file.metadata().is_ok_and(|ours| ours.ino() == there.ino());
        if std::fs::metadata(path).is_ok_and(same) {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

fn used(storage: &mut dyn Storage) -> io::Result<u64> {
    // A file that goes away while we look counts nothing.
    let names = storage.list()?;
    Ok(names.iter().fold(0, |used, name| used.saturating_add(storage.len(name).unwrap_or(0))))
}

/// Whether a file of this length ends with these lines, which say whose they are: no two records make the same line.
fn ends_with(storage: &mut dyn Storage, name: &str, len: u64, lines: &[u8]) -> io::Result<bool> {
    let Some(mut at) = len.checked_sub(lines.len() as u64) else { return Ok(false) };
    let mut block = [0u8; 4096];
    for piece in lines.chunks(block.len()) {
        let there = block.get_mut(..piece.len()).unwrap_or_default();
        let got = storage.read_at(name, at, there)?;
        if got < piece.len() || there != piece {
            return Ok(false);
        }
        at += got as u64;
    }
    Ok(true)
}

fn write_durably(storage: &mut dyn Storage, name: &str, lines: &[u8]) -> io::Result<()> {
    storage.append(name, lines)?;
    if lines.last() != Some(&b'\n') {
        storage.append(name, b"\n")?;
    }
    storage.sync(name)
}

/// Cuts the file behind its last newline: what follows is of an append that never returned. Gives the length left.
fn cut_torn_line(storage: &mut dyn Storage, name: &str) -> io::Result<u64> {
    let size = storage.len(name)?;
    let mut end = size;
    let mut block = [0u8; 4096];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let part = block.get_mut(..(end - start) as usize).unwrap_or_default();
        let got = storage.read_at(name, start, part)?;
        if let Some(newline) = memchr::memrchr(b'\n', part.get(..got).unwrap_or_default()) {
            end = start + newline as u64 + 1;
            break;
        }
        end = start;
    }
    if end < size {
        tracing::warn!(cut = size - end, "a torn dead letter is cut off; its record was not settled");
        storage.truncate(name, end)?;
    }
    Ok(end)
}

/// A lane's id as a file name: what is not `[A-Za-z0-9_-]` (and a dot inside) is written `%XX`; cut at 200 characters.
pub fn file_name(lane: &str) -> String {
    let mut name = String::new();
    for (at, byte) in lane.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && at > 0);
        if plain { name.push(char::from(byte)) } else { name.push_str(&format!("%{byte:02X}")) }
    }
    if name.len() > 200 {
        // Two long ids must not share a file.
        name.truncate(190);
        name.push_str(&format!("~{:08x}", crc32c::crc32c(lane.as_bytes())));
    }
    name.push_str(".jsonl");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(letters: &DeadLetters) -> String {
        std::fs::read_to_string(letters.path()).unwrap()
    }

    #[test]
    fn lines_are_appended_and_end_with_a_newline() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(&dir.path().join("new"), "s3", 1000);
        letters.append(b"{\"a\":1}\n{\"a\":2}\n").unwrap();
        letters.append(b"{\"a\":3}").unwrap();
        letters.append(b"").unwrap();
        assert_eq!(text(&letters), "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    }

    #[test]
    fn the_cap_counts_every_file_of_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let one = DeadLetters::open(dir.path(), "one", 20);
        let two = DeadLetters::open(dir.path(), "two", 20);
        one.append(b"123456789\n").unwrap();
        two.append(b"12345678\n").unwrap();
        let Err(NotAppended::Full { used: 19, max: 20 }) = two.append(b"1\n") else { panic!("not full") };
        assert_eq!(text(&two), "12345678\n");
        std::fs::remove_file(one.path()).unwrap();
        two.append(b"1\n").unwrap();
        assert_eq!(text(&two), "12345678\n1\n");
    }

    #[test]
    fn a_torn_last_line_is_cut_before_the_next_one() {
        for torn in [5usize, 4095, 4096, 4097, 9000] {
            let dir = tempfile::tempdir().unwrap();
            let letters = DeadLetters::open(dir.path(), "x", 100_000);
            std::fs::write(letters.path(), [b"whole\n".as_slice(), &vec![b't'; torn]].concat()).unwrap();
            letters.append(b"next\n").unwrap();
            assert_eq!(text(&letters), "whole\nnext\n", "{torn}");
            std::fs::write(letters.path(), vec![b't'; torn]).unwrap();
            letters.append(b"next\n").unwrap();
            assert_eq!(text(&letters), "next\n", "{torn}");
        }
    }

    #[test]
    fn what_a_killed_process_wrote_and_did_not_note_needs_no_room_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(dir.path(), "x", 5_015);
        letters.append(b"before\n").unwrap();
        let lines = [vec![b'a'; 5_000], b"\nlast\n".to_vec()].concat();
        for _ in 0..3 {
            letters.append(&lines).unwrap();
        }
        assert_eq!(text(&letters).len(), 7 + lines.len());
        let Err(NotAppended::Full { .. }) = letters.append(b"other\n") else { panic!("not full") };
    }

    #[test]
    fn a_torn_last_line_takes_no_room_from_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(dir.path(), "x", 20);
        std::fs::write(letters.path(), b"whole\ntorn by a crash").unwrap();
        letters.append(b"123456789012\n").unwrap();
        assert_eq!(text(&letters), "whole\n123456789012\n");
        let Err(NotAppended::Full { used: 19, max: 20 }) = letters.append(b"1\n") else { panic!("not full") };
    }

    #[test]
    fn what_a_replay_has_taken_counts_until_it_is_sent() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(dir.path(), "x", 20);
        letters.append(b"1234567890\n").unwrap();
        std::fs::create_dir(dir.path().join(REPLAY)).unwrap();
        std::fs::rename(letters.path(), dir.path().join(REPLAY).join("x")).unwrap();
        let Err(NotAppended::Full { used: 11, max: 20 }) = letters.append(b"1234567890\n") else { panic!("not full") };
    }

    #[test]
    fn a_file_that_somebody_takes_away_is_not_appended_to_and_then_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(dir.path(), "x", 100);
        letters.append(b"1\n").unwrap();
        let taker = lock(&letters.path(), false).unwrap().unwrap();
        assert!(matches!(letters.append(b"2\n"), Err(NotAppended::Io(e)) if e.kind() == io::ErrorKind::WouldBlock));
        std::fs::rename(letters.path(), dir.path().join("taken")).unwrap();
        letters.append(b"2\n").unwrap();
        drop(taker);
        assert_eq!((text(&letters), std::fs::read(dir.path().join("taken")).unwrap()), ("2\n".into(), b"1\n".to_vec()));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(DeadLetters::open(&file, "x", 10).append(b"1\n"), Err(NotAppended::Io(_))));
    }

    #[test]
    fn no_lane_id_leaves_the_directory_or_meets_another() {
        for (lane, name) in [
            ("cloudwatch", "cloudwatch.jsonl"),
            ("a.b-c_d", "a.b-c_d.jsonl"),
            ("..", "%2E..jsonl"),
            ("../x", "%2E.%2Fx.jsonl"),
            ("a b", "a%20b.jsonl"),
            ("", ".jsonl"),
            ("é", "%C3%A9.jsonl"),
        ] {
            assert_eq!(file_name(lane), name);
        }
        let long = |last: char| file_name(&format!("{}{last}", "x".repeat(300)));
        assert!(long('a').len() < 255);
        assert_ne!(long('a'), long('b'));
    }
}
