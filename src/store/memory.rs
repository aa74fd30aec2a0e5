//! A directory in memory that fails as disks do: writes that stop half way, a full disk, a failing fsync, and a loss
//! of power after which unsynced bytes are there, torn, zero or gone. For tests and the simulation.
//!
//! Clones are handles to the same directory: keep one while the store has the other.

use super::storage::Storage;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

    fn writable(&self) -> io::Result<()> {
        if self.faults.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }
}

impl Storage for MemoryStorage {
    fn prepare(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let mut disk = self.disk();
        if disk.faults.unreadable {
            return Err(io::Error::other("input/output error"));
        }
        disk.content_mut(name).map(|content| content.bytes.clone())
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.writable()?;
        let at = disk.files.len();
        disk.files.push(Content::default());
        disk.names.insert(name.to_owned(), at);
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.disk();
        disk.writable()?;
        let room = disk.faults.room.map_or(bytes.len(), |room| bytes.len().min(usize::try_from(room).unwrap_or(0)));
        if let Some(left) = &mut disk.faults.room {
            *left = left.saturating_sub(room as u64);
        }
        let fits = bytes.get(..room).unwrap_or_default();
        disk.content_mut(name)?.bytes.extend_from_slice(fits);
        if room < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        let mut disk = self.disk();
        disk.writable()?;
        let content = disk.content_mut(name)?;
        content.bytes.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut disk = self.disk();
        let Faults { sync_fails, sync_lies, .. } = disk.faults;
        let content = disk.content_mut(name)?;
        if sync_fails {
            content.dropped = true;
            return Err(io::Error::other("input/output error"));
        }
        if !sync_lies && !content.dropped {
            content.durable = content.bytes.clone();
        }
        disk.syncs = disk.syncs.saturating_add(1);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        disk.writable()?;
        let at = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.to_owned(), at);
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.faults.sync_fails {
            return Err(io::Error::other("input/output error"));
        }
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
        disk.writable()?;
        disk.names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
