//! inotify: names that come to and go from directories, and the next write to a cold file. Linux.
//!
//! A directory's watch tells of create, move and delete only: a modify watch there would cost the application a
//! microsecond and a half for each line it writes. A file's watch is spent with its first event. What cannot be
//! watched is said once, as a [`Hint::Refused`].

use super::dense::DenseMap;
use super::{Hint, WatchChange};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Events read at once: about 200 with kubelet's names.
const BUFFER: usize = 16 << 10;
/// Hints handed on at once; the rest stays in the kernel's queue.
const HINTS_MAX: usize = 4096;

/// The watches. Two directories of two inputs may be the same one: they share a descriptor.
pub struct Watch {
    fd: OwnedFd,
    by_wd: DenseMap<i32, u64>,
    by_key: DenseMap<u64, i32>,
    /// Further keys of a descriptor.
    shared: BTreeMap<i32, Vec<u64>>,
}

impl Watch {
    /// None set.
    pub fn new() -> io::Result<Watch> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Watch { fd, by_wd: DenseMap::default(), by_key: DenseMap::default(), shared: BTreeMap::new() })
    }

    /// Ready to read when there are events.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Sets and drops watches; what could not be set.
    pub fn apply(&mut self, changes: &[WatchChange]) -> Vec<Hint> {
        let dir = WatchFlags::CREATE | WatchFlags::MOVE | WatchFlags::DELETE | WatchFlags::ONLYDIR;
        let file = WatchFlags::MODIFY | WatchFlags::ONESHOT;
        let mut refused = Vec::new();
        for change in changes {
            let set = match change {
                WatchChange::Dir(key, path) => (*key, self.add(*key, path, dir)),
                WatchChange::File(key, path) => (*key, self.add(*key, path, file)),
                WatchChange::Drop(key) => {
                    self.drop_key(*key);
                    continue;
                }
            };
            match set {
                (_, Ok(())) => {}
                // It is gone already: its directory says so, or a parent does.
                (key, Err(Errno::NOENT | Errno::NOTDIR)) => refused.push(Hint::Unwatched(key)),
                (key, Err(_)) => refused.push(Hint::Refused(key)),
            }
        }
        refused
    }

    fn add(&mut self, key: u64, path: &Path, flags: WatchFlags) -> Result<(), Errno> {
        let wd = inotify::add_watch(&self.fd, path, flags)?;
        if let Some(old) = self.by_key.insert(key, wd).filter(|old| *old != wd) {
            self.release(old, key);
        }
        match self.by_wd.get(&wd) {
            None => _ = self.by_wd.insert(wd, key),
            Some(first) if *first == key => {}
            Some(_) => {
                let further = self.shared.entry(wd).or_default();
                if !further.contains(&key) {
                    further.push(key);
                }
            }
        }
        Ok(())
    }

    fn drop_key(&mut self, key: u64) {
        if let Some(wd) = self.by_key.remove(&key) {
            self.release(wd, key);
        }
    }

    /// The key has no part in this descriptor any more; nobody's descriptor is removed.
    fn release(&mut self, wd: i32, key: u64) {
        if !self.by_wd.contains_key(&wd) {
            return;
        }
        let mut keys = self.forget(wd).into_iter().filter(|k| *k != key);
        match keys.next() {
            Some(first) => {
                self.by_wd.insert(wd, first);
                let further: Vec<u64> = keys.collect();
                if !further.is_empty() {
                    self.shared.insert(wd, further);
                }
            }
            // The kernel may have removed it before us.
            None => _ = inotify::remove_watch(&self.fd, wd).ok(),
        }
    }

    /// Takes the keys of a descriptor out.
    fn forget(&mut self, wd: i32) -> Vec<u64> {
        let first = self.by_wd.get(&wd).copied();
        let keys = first.into_iter().chain(self.shared.remove(&wd).unwrap_or_default()).collect();
        self.by_wd.remove(&wd);
        keys
    }

    /// What happened since the last call.
    pub fn read(&mut self) -> Vec<Hint> {
        let mut hints = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); BUFFER];
        let mut ended = Vec::new();
        let mut reader = inotify::Reader::new(&self.fd, &mut buffer);
        while hints.len() < HINTS_MAX || !reader.is_buffer_empty() {
            let Ok(event) = reader.next() else { break };
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                hints.push(Hint::Overflow);
                continue;
            }
            let keys = || {
                let first = self.by_wd.get(&event.wd());
                first.into_iter().chain(self.shared.get(&event.wd()).into_iter().flatten())
            };
            if flags.contains(ReadFlags::IGNORED) {
                ended.push(event.wd());
                hints.extend(keys().map(|key| Hint::Unwatched(*key)));
            } else if flags.contains(ReadFlags::MODIFY) {
                hints.extend(keys().map(|key| Hint::Modified(*key)));
            } else if let Some(name) = event.file_name() {
                let name = OsStr::from_bytes(name.to_bytes());
                hints.extend(keys().map(|key| Hint::Named(*key, name.to_os_string())));
            }
        }
        for wd in ended {
            for key in self.forget(wd) {
                if self.by_key.get(&key) == Some(&wd) {
                    self.by_key.remove(&key);
                }
            }
        }
        hints
    }
}

#[cfg(test)]
#[path = "tests/watch.rs"]
mod tests;
