//! A directory in memory that fails as disks do: writes that stop half way, a full disk, a failing fsync, and a loss
//! of power after which unsynced bytes are there, torn, zero or gone. For tests and the simulation.
//!
//! Clones are handles to the same directory: keep one while the store has the other.

use super::storage::Storage;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The kinds of writes that a directory knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    Prepare,
    Create,
    Append,
    Truncate,
    Sync,
    Rename,
    SyncDir,
    Remove,
}

impl Write {
    /// All of them.
    pub const ALL: [Write; 8] = [
        Write::Prepare,
        Write::Create,
        Write::Append,
        Write::Truncate,
        Write::Sync,
        Write::Rename,
        Write::SyncDir,
        Write::Remove,
    ];
}

/// A handle to the directory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage(Arc<Mutex<Disk>>);

/// What goes wrong from now on; the default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Nothing can be written (EROFS).
    pub read_only: bool,
    /// So many more bytes can be written; the write that passes it is torn there (ENOSPC).
    pub room: Option<u64>,
    /// Each sync fails (EIO), and what it should have saved will never be durable.
    pub sync_fails: bool,
    /// Each sync says yes and does nothing.
    pub sync_lies: bool,
    /// Reading fails (EIO).
    pub unreadable: bool,
    /// Each write of this kind fails with this errno; half of what was to be appended is there all the same.
    pub fails: Option<(Write, i32)>,
}

/// See [`MemoryStorage::hang`].
pub struct Hang<'a>(#[expect(dead_code, reason = "dropping it is what ends the hang")] MutexGuard<'a, Disk>);

#[derive(Debug, Default)]
struct Disk {
    faults: Faults,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    files: Vec<Content>,
    syncs: u64,
}

#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// A sync failed: bytes written before are not written again by the next one.
    dropped: bool,
}

impl MemoryStorage {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.disk().faults = faults;
    }

    /// The disk answers nobody until the guard is dropped.
    pub fn hang(&self) -> Hang<'_> {
        Hang(self.disk())
    }

    /// A file's bytes, as a reader would see them.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.disk().content(name).map(|content| content.bytes.clone())
    }

    /// Puts a file there, durable.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut disk = self.disk();
        let at = disk.files.len();
        disk.files.push(Content { bytes: bytes.to_vec(), durable: bytes.to_vec(), dropped: false });
        disk.names.insert(name.to_owned(), at);
        disk.durable_names.insert(name.to_owned(), at);
    }

    /// Names that are there.
    pub fn names(&self) -> Vec<String> {
        self.disk().names.keys().cloned().collect()
    }

    /// Successful syncs of files so far.
    pub fn syncs(&self) -> u64 {
        self.disk().syncs
    }

    /// Loss of power. `choose(n)` gives a number of `0..=n`: it decides, file by file, how many of the bytes that
    /// were never durable survive, and what stands in place of the rest. A SIGKILL needs no call: all bytes stay.
    pub fn lose_power(&self, mut choose: impl FnMut(u64) -> u64) {
        let mut disk = self.disk();
        if choose(1) == 0 {
            disk.names = disk.durable_names.clone();
        }
        for content in &mut disk.files {
            content.lose_power(&mut choose);
        }
        disk.durable_names = disk.names.clone();
        disk.faults = Faults::default();
    }
}

impl Content {
    fn lose_power(&mut self, choose: &mut impl FnMut(u64) -> u64) {
        let whole = self.bytes.len();
        let safe = self.durable.len();
        if self.dropped || !self.bytes.starts_with(&self.durable) {
            self.bytes = self.durable.clone();
        } else {
            let more = usize::try_from(choose((whole - safe) as u64)).unwrap_or(0);
            self.bytes.truncate(safe.saturating_add(more));
            match choose(3) {
                // The file's length was written, its last bytes were not.
                0 => self.bytes.resize(whole, 0),
                // The last byte that made it is wrong.
                1 if self.bytes.len() > safe => {
                    if let Some(last) = self.bytes.last_mut() {
                        *last ^= 0x10;
                    }
                }
                _ => {}
            }
        }
        self.durable = self.bytes.clone();
        self.dropped = false;
    }
}

impl Disk {
    fn content(&self, name: &str) -> Option<&Content> {
        self.names.get(name).and_then(|at| self.files.get(*at))
    }

    fn content_mut(&mut self, name: &str) -> io::Result<&mut Content> {
        let at = self.names.get(name).copied().unwrap_or(usize::MAX);
        self.files.get_mut(at).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Whether a write of this kind goes well.
    fn may(&self, write: Write) -> io::Result<()> {
        let sync = matches!(write, Write::Sync | Write::SyncDir);
        match self.faults.fails {
            Some((kind, errno)) if kind == write => Err(io::Error::from_raw_os_error(errno)),
            _ if sync && self.faults.sync_fails => Err(io::Error::other("input/output error")),
            _ if self.faults.read_only && !sync && write != Write::Prepare => {
                Err(io::ErrorKind::ReadOnlyFilesystem.into())
            }
            _ => Ok(()),
        }
    }
}

impl Storage for MemoryStorage {
    fn prepare(&mut self) -> io::Result<()> {
        self.disk().may(Write::Prepare)
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let mut disk = self.disk();
        if disk.faults.unreadable {
            return Err(io::Error::other("input/output error"));
        }
        disk.content_mut(name).map(|content| content.bytes.clone())
    }

    fn read_at(&mut self, name: &str, at: u64, to: &mut [u8]) -> io::Result<usize> {
        let mut disk = self.disk();
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let rest = disk.content_mut(name)?.bytes.get(from..).unwrap_or_default();
        let n = rest.len().min(to.len());
        to.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        Ok(n)
    }

    fn len(&mut self, name: &str) -> io::Result<u64> {
        self.disk().content_mut(name).map(|content| content.bytes.len() as u64)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.may(Write::Create)?;
        let at = disk.files.len();
        disk.files.push(Content::default());
        disk.names.insert(name.to_owned(), at);
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        let fails = disk.may(Write::Append);
        if fails.is_err() && disk.faults.fails.is_none() {
            return fails;
        }
        let most = if fails.is_err() { bytes.len() / 2 } else { bytes.len() };
        let room = disk.faults.room.map_or(most, |room| most.min(usize::try_from(room).unwrap_or(0)));
        if let Some(left) = &mut disk.faults.room {
            *left = left.saturating_sub(room as u64);
        }
        let fits = bytes.get(..room).unwrap_or_default();
        disk.content_mut(name)?.bytes.extend_from_slice(fits);
        fails?;
        if room < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.may(Write::Truncate)?;
        let content = disk.content_mut(name)?;
        content.bytes.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        // What no sync will save is cut off.
        content.dropped &= content.bytes.len() > content.durable.len();
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        let (good, sync_lies) = (disk.may(Write::Sync), disk.faults.sync_lies);
        let content = disk.content_mut(name)?;
        if good.is_err() {
            content.dropped = true;
            return good;
        }
        if !sync_lies && !content.dropped {
            content.durable = content.bytes.clone();
        }
        disk.syncs = disk.syncs.saturating_add(1);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.may(Write::Rename)?;
        let at = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.to_owned(), at);
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        let mut disk = self.disk();
        disk.may(Write::SyncDir)?;
        if !disk.faults.sync_lies {
            disk.durable_names = disk.names.clone();
        }
        Ok(())
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.may(Write::Remove)?;
        disk.names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
