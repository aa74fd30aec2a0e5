//! The outside world of files, as the catalog and the lanes' readers see it: [`super::os::OsDisk`], and in tests
//! [`super::sim::SimDisk`], which also rotates, truncates and reuses inodes.
//!
//! A disk says what is there, and writes nothing but the copies that are ours. It decides nothing, but for one thing:
//! it opens regular files only, and follows links only as far as the input's [`Base`] allows.

use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How links are treated below an input's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Not at all (`kubernetes` inputs: a pod may write into /var/log).
    Never,
    /// Docker mode: the last component may be a link, followed once, into one of these directories. What Docker rotated
    /// behind such a link is shown, and opened, as if it lay beside it (see `docker`).
    Into(Vec<PathBuf>),
    /// As far as the system does (`file` inputs: the operator named the path).
    Any,
}

/// Where an input's files are, and how far links are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Paths handed to [`Disk`] are relative to it; it may be a link itself.
    pub root: PathBuf,
    /// Treatment of links below it.
    pub follow: Follow,
}

/// What a directory entry is, as far as the catalog cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A regular file.
    File,
    /// A symbolic link; what it points to is not looked at here.
    Link,
    /// FIFO, socket, device.
    Other,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name; any bytes but `/`.
    pub name: OsString,
    /// What it is.
    pub kind: Kind,
    /// As the directory says it; on some overlay file systems not what `stat` says.
    pub inode: u64,
}

/// What is known of an open file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Bytes as stored (of a `.gz`: compressed).
    pub size: u64,
    /// Bytes that it takes on the disk: less than `size` if it has holes.
    pub taken: u64,
    /// Inode number, unique only together with `dev`, and only while the file exists.
    pub inode: u64,
    /// Device; changes over a reboot.
    pub dev: u64,
    /// Names it has; 0 = deleted.
    pub links: u64,
    /// Last modification, nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// An open regular file.
pub trait Content: Send + Sync {
    /// Reads at a stored offset; 0 at the end. Does not move anything shared.
    fn read_at(&self, at: u64, to: &mut [u8]) -> io::Result<usize>;
    /// Its state now.
    fn stat(&self) -> io::Result<Stat>;
    /// The first hole at or above `from`: bytes that were never written and read as NUL. `None` where there is no other
    /// than the end, and where the file system does not say.
    fn hole(&self, from: u64) -> io::Result<Option<Range<u64>>>;
    /// These bytes are not needed in the page cache any more: a hint, its failure is of no consequence.
    fn advise_done(&self, from: u64, to: u64);
    /// These bytes were read by several and are still wanted, but nobody works on them: as good a hint.
    fn advise_cold(&self, from: u64, to: u64);
}

/// Directories and files. An error of `open` for something that is no regular file has
/// [`io::ErrorKind::InvalidInput`]; for a link that may not be followed, the system's own (ELOOP, EXDEV).
pub trait Disk: Send + Sync {
    /// The entries of a directory, in any order, without `.` and `..`.
    fn list(&self, base: &Base, dir: &Path) -> io::Result<Vec<Listed>>;
    /// Where the link at `path` leads, whatever is there.
    fn read_link(&self, base: &Base, path: &Path) -> io::Result<PathBuf>;
    /// Opens a regular file for reading.
    fn open(&self, base: &Base, path: &Path) -> io::Result<Arc<dyn Content>>;
    /// Looks without opening, following links as [`Follow::Any`] and [`Follow::Into`] allow.
    fn peek(&self, base: &Base, path: &Path) -> io::Result<Stat>;
    /// Free space of the file system that holds `path`, in per cent.
    fn free_percent(&self, path: &Path) -> io::Result<u8>;
    /// Writes a file of our own, in a directory of our own that is made if need be: durable and whole under its name,
    /// or (with an error, also one of `more`) not there at all. `more` fills its buffer anew at each call, with nothing
    /// when all was said.
    fn write_whole(&self, path: &Path, more: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()>;
    /// Removes a file of our own.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// Fills `to` from `at` as far as there are bytes.
pub fn read_full(content: &dyn Content, at: u64, to: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = to.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match content.read_at(at.saturating_add(got as u64), rest) {
            Ok(0) => break,
            Ok(n) => got += n.min(rest.len()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}
