//! One process per `data_dir`: an advisory lock (flock) on `data_dir/lock`, which names its holder for people.
//!
//! The kernel lets go of it when the process ends, however it ends; the file stays, and its text means nothing by
//! itself. Without the lock the process stands by; that, and asking again, is the caller's business.

use crate::record::Now;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// The file's name inside `data_dir`.
pub const NAME: &str = "lock";

/// Held as long as this value lives.
#[derive(Debug)]
pub struct Lock(File);

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum NoLock {
    /// Another process has it: stand by. `by` is for people: pid, host and since when.
    #[error("held by {by}")]
    Held { by: String },
    /// `data_dir` cannot be made or written, or its file system knows no locks.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Lock {
    /// Takes the lock if it is free; never waits. Makes `dir` (mode 0700) if it is not there.
    pub fn try_take(dir: &Path, now: Now) -> Result<Lock, NoLock> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join(NAME);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(NoLock::Io(error.into()));
            }
            return Err(NoLock::Held { by: holder(&mut file) });
        }
        // Only for people: a full disk must not cost us the lock.
        if let Err(error) = sign(&mut file, now) {
            tracing::warn!(%error, "cannot write our name into the lock file");
        }
        Ok(Lock(file))
    }

    /// Somebody deleted or replaced its file: it keeps nobody out any more. Asks about our handle, which no disk can delay.
    pub fn is_void(&self) -> bool {
        self.0.metadata().is_ok_and(|file| file.nlink() == 0)
    }
}

fn sign(file: &mut File, now: Now) -> io::Result<()> {
    let since = jiff::Timestamp::from_nanosecond(i128::from(now.unix_ns)).unwrap_or_default();
    // In containers every pid is 1: the host's name (a pod's own) tells them apart.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let text = format!("pid {} on {} since {since:.0}\n", std::process::id(), host.trim());
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(text.as_bytes())
}

fn holder(file: &mut File) -> String {
    let mut text = Vec::new();
    let read = file.take(256).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    match (read, text.trim()) {
        (Err(_), _) | (Ok(_), "") => "a process that left no name".to_owned(),
        (Ok(_), name) => name.chars().filter(|c| !c.is_control()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Now = Now { mono: Duration::ZERO, unix_ns: 1_795_342_500_123_456_789 };

    #[test]
    fn the_second_taker_is_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Lock::try_take(dir.path(), NOW).unwrap();
        let Err(NoLock::Held { by }) = Lock::try_take(dir.path(), NOW) else { panic!("taken twice") };
        assert!(by.starts_with(&format!("pid {} on ", std::process::id())), "{by}");
        assert!(by.ends_with(" since 2026-11-22T10:15:00Z"), "{by}");
    }

    #[test]
    fn a_dropped_lock_is_free_again() {
        let dir = tempfile::tempdir().unwrap();
        drop(Lock::try_take(dir.path(), NOW).unwrap());
        Lock::try_take(dir.path(), NOW).unwrap();
    }

    #[test]
    fn a_lock_whose_file_was_deleted_or_replaced_is_void() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::try_take(dir.path(), NOW).unwrap();
        assert!(!lock.is_void());
        std::fs::remove_file(dir.path().join(NAME)).unwrap();
        assert!(lock.is_void());
        let other = Lock::try_take(dir.path(), NOW).unwrap();
        assert!(lock.is_void() && !other.is_void());
        std::fs::write(dir.path().join("new"), "").unwrap();
        std::fs::rename(dir.path().join("new"), dir.path().join(NAME)).unwrap();
        assert!(other.is_void());
    }

    #[test]
    fn the_directory_is_made_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("state");
        let _lock = Lock::try_take(&inner, NOW).unwrap();
        assert_eq!(std::fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_and_not_a_holder() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(Lock::try_take(&file.join("state"), NOW), Err(NoLock::Io(_))));
    }

    #[test]
    fn a_lock_file_of_garbage_names_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let _lock = Lock::try_take(dir.path(), NOW).unwrap();
        std::fs::write(&path, " \n").unwrap();
        let Err(NoLock::Held { by }) = Lock::try_take(dir.path(), NOW) else { panic!("taken twice") };
        assert_eq!(by, "a process that left no name");
    }
}
