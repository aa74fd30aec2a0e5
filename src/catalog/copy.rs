//! Copies of files that will be gone before every lane has read them, in `data_dir/retained`: the work itself.
//!
//! The catalog says what is to be done ([`Job`]); whoever drives it lets another thread do it, in whatever time the
//! disk takes, and hands back what came of it ([`Done`]). A `.gz` is copied as it is, everything else is packed. A copy
//! is there whole and durable, or not at all.

use super::disk::{Base, Content, Disk, read_full};
use super::entry::Key;
use super::shelf::Source;
use crate::body::packed::Packer;
use crate::record::{FileId, Mark};
use crate::store::saved::Kept;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Read at once.
const BLOCK: usize = 64 << 10;

/// Something to be done to the copies.
pub struct Job {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) base: Arc<Base>,
    /// Of the copy, in its directory.
    pub(super) name: Box<str>,
    pub(super) what: What,
}

pub(super) enum What {
    /// Make it.
    Copy {
        key: Key,
        from: Source,
        /// Plain bytes to be in it.
        plain: u64,
        /// Stored bytes that it may have.
        most: u64,
    },
    /// It is not needed any more.
    Remove,
}

/// What came of a job.
pub struct Done {
    pub(super) name: Box<str>,
    pub(super) made: Option<(Key, io::Result<Copied>)>,
}

/// A copy, and its inode and device.
pub(super) type Copied = (Kept, (u64, u64));

/// The name of a file's copy. It says what the copy holds: the store may lose its word for that with a torn tail.
pub(super) fn name_of(id: FileId, plain: u64, gz: bool) -> Box<str> {
    format!("{id}-{plain}.{}", if gz { "gz" } else { "zst" }).into()
}

/// Whose copy has this name, with how many plain bytes, and whether it is kubelet's `.gz`.
pub(super) fn named(name: &str) -> Option<(FileId, u64, bool)> {
    let (stem, suffix) = name.split_once('.')?;
    let (id, plain) = stem.split_once('-')?;
    let (id, plain) = (FileId(u128::from_str_radix(id, 16).ok()?), plain.parse().ok()?);
    let gz = suffix == "gz";
    (*name == *name_of(id, plain, gz)).then_some((id, plain, gz))
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = if matches!(self.what, What::Remove) { "remove" } else { "make" };
        write!(f, "Job({what} {})", self.name)
    }
}

impl Job {
    /// Does it: takes as long as reading and writing the file takes.
    pub fn run(self) -> Done {
        let path = self.base.root.join(&*self.name);
        let made = match self.what {
            What::Remove => {
                // What stays is an orphan, and removed at the next start.
                self.disk.remove(&path).ok();
                None
            }
            What::Copy { key, from, plain, most } => {
                let copied = write(self.disk.as_ref(), &path, &from, plain, most).and_then(|kept| {
                    let stat = self.disk.peek(&self.base, Path::new(&*self.name))?;
                    Ok((kept, (stat.inode, stat.dev)))
                });
                Some((key, copied))
            }
        };
        Done { name: self.name, made }
    }
}

fn write(disk: &dyn Disk, path: &Path, from: &Source, plain: u64, most: u64) -> io::Result<Kept> {
    // A copy has no holes: lanes would take its NULs for lines, and a terabyte of them takes an hour to pack.
    if !from.gz && super::hole::has_any(from.content.as_ref())? {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "a sparse file is not copied"));
    }
    let mut reading = Reading { content: from.content.as_ref(), at: 0, block: vec![0; BLOCK] };
    let mut packer = if from.gz { None } else { Some(Packer::new()?) };
    let (gz, mut written, mut tail) = (from.gz, 0u64, Vec::new());
    disk.write_whole(path, &mut |to| {
        if gz {
            to.extend_from_slice(reading.next(u64::MAX)?);
        }
        while to.is_empty() && packer.is_some() {
            if reading.at < plain {
                let bytes = reading.next(plain)?;
                if bytes.is_empty() {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                packer.as_mut().map_or(Ok(()), |packer| packer.pack(bytes, to))?;
            } else if let Some(packer) = packer.take() {
                packer.finish(to)?;
            }
        }
        written += to.len() as u64;
        tail.extend_from_slice(to.get(to.len().saturating_sub(Mark::MAX)..).unwrap_or_default());
        tail.drain(..tail.len().saturating_sub(Mark::MAX));
        if written > most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
    })?;
    Ok(Kept { plain, gz, end: Mark::of(written, &tail) })
}

struct Reading<'a> {
    content: &'a dyn Content,
    at: u64,
    block: Vec<u8>,
}

impl Reading<'_> {
    /// The next stored bytes below `end`; nothing: there are no more.
    fn next(&mut self, end: u64) -> io::Result<&[u8]> {
        let want = usize::try_from(end.saturating_sub(self.at)).unwrap_or(BLOCK).min(BLOCK);
        let got = read_full(self.content, self.at, self.block.get_mut(..want).unwrap_or_default())?;
        self.at += got as u64;
        Ok(self.block.get(..got).unwrap_or_default())
    }
}
