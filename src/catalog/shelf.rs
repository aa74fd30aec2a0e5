//! Where the bytes of each file are now: filled by the catalog, read by the lanes.
//!
//! A held handle is shared. A closed file is opened again on demand, and only if inode and head are still the ones of
//! its identity; the catalog hears of it and closes it again in time. No lock is held while a file is opened or read.

use super::dense::DenseMap;
use super::disk::{Base, Content, Disk, read_full};
use super::gz;
use super::identity::{self, Head};
use crate::record::{FileId, Mark};
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What waits for the catalog at most; more is found by its next reconcile.
const NEWS_MAX: usize = 4096;

/// An open file, plain or compressed.
#[derive(Clone)]
pub struct Source {
    /// The stored bytes.
    pub content: Arc<dyn Content>,
    /// They are gzip.
    pub gz: bool,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.gz { "Source(gz)" } else { "Source(plain)" })
    }
}

impl Source {
    /// The first plain bytes, as many as there are and fit.
    pub fn first(&self, to: &mut [u8]) -> io::Result<usize> {
        if self.gz { gz::first(&self.content, to) } else { read_full(self.content.as_ref(), 0, to) }
    }
}

/// How to open a closed file again, and how to know it.
#[derive(Debug)]
pub struct Closed {
    /// Root and treatment of links.
    pub base: Arc<Base>,
    /// Its directory, below the root.
    pub dir: Arc<Path>,
    /// Its name there.
    pub name: Arc<OsStr>,
    /// Inode and device as `stat` says them.
    pub inode: (u64, u64),
    /// First bytes.
    pub head: Head,
    /// Of bytes further on.
    pub proof: Mark,
    /// Compressed.
    pub gz: bool,
}

impl Closed {
    /// Opens it; [`io::ErrorKind::NotFound`] also when something else stands there now.
    pub fn open(&self, disk: &dyn Disk) -> io::Result<Source> {
        let source = Source { content: disk.open(&self.base, &self.dir.join(&*self.name))?, gz: self.gz };
        let stat = source.content.stat()?;
        let bytes = identity::first_bytes(&source)?;
        let same = identity::begins_with(&bytes, self.head) && identity::proves(&source, self.proof);
        if (stat.inode, stat.dev) != self.inode || !same {
            return Err(io::Error::new(io::ErrorKind::NotFound, "another file has taken its place"));
        }
        Ok(source)
    }
}

#[derive(Clone)]
enum Slot {
    Open(Source),
    Closed(Arc<Closed>),
}

/// What lanes did to the shelf since the catalog last asked.
#[derive(Default)]
pub struct News {
    /// Opened again by a lane.
    pub opened: Vec<(FileId, Source)>,
    /// Could not be opened or read.
    pub failed: Vec<(FileId, io::Error)>,
}

/// Shared by the catalog and all readers.
pub struct Shelf {
    disk: Arc<dyn Disk>,
    slots: RwLock<DenseMap<FileId, Slot>>,
    news: Mutex<News>,
    spare: usize,
}

impl Shelf {
    /// An empty one. Lanes may leave `spare` handles open until the catalog counts them; past that each read opens
    /// its file for itself.
    pub fn new(disk: Arc<dyn Disk>, spare: usize) -> Shelf {
        Shelf { disk, slots: RwLock::default(), news: Mutex::default(), spare }
    }

    /// The file's content, opened if need be. [`io::ErrorKind::NotFound`]: it cannot be read now; its view says
    /// whether that is for good.
    pub fn open(&self, id: FileId) -> io::Result<Source> {
        let slot = self.slots.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        let closed = match slot {
            Some(Slot::Open(source)) => return Ok(source),
            Some(Slot::Closed(closed)) => closed,
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        match closed.open(self.disk.as_ref()) {
            Ok(source) => Ok(self.keep(id, &closed, source)),
            Err(e) => {
                let copy = e.raw_os_error().map_or_else(|| io::Error::from(e.kind()), io::Error::from_raw_os_error);
                self.failed(id, copy);
                Err(e)
            }
        }
    }

    /// Puts the new handle on the shelf, unless the catalog or another lane was faster.
    fn keep(&self, id: FileId, closed: &Arc<Closed>, source: Source) -> Source {
        // Always in this order: slots, then news.
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        match slots.get_mut(&id) {
            Some(Slot::Open(other)) => return other.clone(),
            Some(slot @ Slot::Closed(_)) => {
                let same = matches!(slot, Slot::Closed(now) if Arc::ptr_eq(now, closed));
                if !same || news.opened.len() >= self.spare {
                    return source;
                }
                *slot = Slot::Open(source.clone());
            }
            None => return source,
        }
        news.opened.push((id, source.clone()));
        source
    }

    /// A lane could not read it: the catalog looks after it.
    pub fn failed(&self, id: FileId, error: io::Error) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if news.failed.len() < NEWS_MAX {
            news.failed.push((id, error));
        }
    }

    pub(super) fn put(&self, id: FileId, source: Source) {
        self.slots.write().unwrap_or_else(PoisonError::into_inner).insert(id, Slot::Open(source));
    }

    pub(super) fn close(&self, id: FileId, closed: Closed) {
        self.slots.write().unwrap_or_else(PoisonError::into_inner).insert(id, Slot::Closed(Arc::new(closed)));
    }

    pub(super) fn remove(&self, id: FileId) {
        self.slots.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(super) fn take_news(&self) -> News {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
