//! A disk in memory for tests: it rotates as kubelet does, compresses, truncates, gives the inode of a removed file
//! to the next one at once, and fails when told to. Usable from integration tests.
//!
//! It counts calls, so that a test can say that nothing idle costs anything. Paths are absolute.

mod disk;
mod world;

use super::disk::{Base, Follow};
use super::{Hint, WatchChange};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use world::{Item, World, lock};

/// Calls since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Directories listed.
    pub lists: u64,
    /// Files opened.
    pub opens: u64,
    /// Handles and names looked at.
    pub stats: u64,
    /// Reads.
    pub reads: u64,
    /// Handles that were ever open at once, when one was opened for reading.
    pub most_handles: u64,
}

/// The disk; clones are the same one.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<World>>);

impl Default for SimDisk {
    fn default() -> Self {
        let world = World { free_percent: 90, last: 10, ..World::default() };
        SimDisk(Arc::new(Mutex::new(world)))
    }
}

/// A file open for appending, as a runtime holds it: renames do not disturb it.
#[derive(Debug)]
pub struct SimWriter {
    world: Arc<Mutex<World>>,
    inode: u64,
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> SimDisk {
        SimDisk::default()
    }

    /// The clock for modification times.
    pub fn set_time(&self, unix_ns: i64) {
        lock(&self.0).now_ns = unix_ns;
    }

    /// Appends to the file at a path, made if need be with its directories.
    pub fn append(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let mut w = lock(&self.0);
        let inode = w.file(path.as_ref());
        w.append(inode, bytes);
    }

    /// Opens for appending.
    pub fn writer(&self, path: impl AsRef<Path>) -> SimWriter {
        let mut w = lock(&self.0);
        let inode = w.file(path.as_ref());
        if let Some(node) = w.nodes.get_mut(&inode) {
            node.handles += 1;
        }
        SimWriter { world: self.0.clone(), inode }
    }

    /// Makes a directory with its parents.
    pub fn mkdir(&self, path: impl AsRef<Path>) {
        lock(&self.0).parents(&path.as_ref().join("x"));
    }

    /// A FIFO.
    pub fn fifo(&self, path: impl AsRef<Path>) {
        let mut w = lock(&self.0);
        w.parents(path.as_ref());
        let inode = w.inode();
        w.names.insert(path.as_ref().to_path_buf(), Item::Fifo(inode));
        w.named(path.as_ref());
    }

    /// A symbolic link.
    pub fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) {
        let mut w = lock(&self.0);
        w.parents(path.as_ref());
        let inode = w.inode();
        w.names.insert(path.as_ref().to_path_buf(), Item::Link(inode, target.as_ref().to_path_buf()));
        w.named(path.as_ref());
    }

    /// A further name of a file.
    pub fn link(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        let mut w = lock(&self.0);
        if let Some(Item::File(inode)) = w.names.get(from.as_ref()).cloned() {
            w.names.insert(to.as_ref().to_path_buf(), Item::File(inode));
            if let Some(node) = w.nodes.get_mut(&inode) {
                node.links += 1;
            }
            w.named(to.as_ref());
        }
    }

    /// The next listing runs beside a rename to this name: it shows neither the old nor the new one.
    pub fn overlook(&self, path: impl AsRef<Path>) {
        lock(&self.0).unseen.insert(path.as_ref().to_path_buf());
    }

    /// Renames; what stood at `to` is removed.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        let mut w = lock(&self.0);
        if let Some(item) = w.names.remove(from.as_ref()) {
            w.unlink(to.as_ref());
            w.names.insert(to.as_ref().to_path_buf(), item);
            let below: Vec<PathBuf> = w.names.keys().filter(|p| p.starts_with(from.as_ref())).cloned().collect();
            for path in below {
                if let (Some(item), Ok(rest)) = (w.names.remove(&path), path.strip_prefix(from.as_ref())) {
                    w.names.insert(to.as_ref().join(rest), item);
                }
            }
            w.named(from.as_ref());
            w.named(to.as_ref());
        }
    }

    /// Removes a name; the inode is free at once unless somebody holds the file.
    pub fn remove(&self, path: impl AsRef<Path>) {
        lock(&self.0).unlink(path.as_ref());
    }

    /// Removes a directory with all in it.
    pub fn remove_tree(&self, path: impl AsRef<Path>) {
        let mut w = lock(&self.0);
        let below: Vec<PathBuf> = w.names.keys().filter(|p| p.starts_with(path.as_ref())).cloned().collect();
        below.iter().rev().for_each(|p| w.unlink(p));
    }

    /// Cuts a file in place.
    pub fn truncate(&self, path: impl AsRef<Path>, len: usize) {
        let mut w = lock(&self.0);
        let (inode, now) = (w.file(path.as_ref()), w.now_ns);
        if let Some(node) = w.nodes.get_mut(&inode) {
            node.data.truncate(len);
            node.mtime_ns = now;
        }
        w.modified(inode);
    }

    /// Sets and drops watches, as [`super::watch::Watch::apply`] does.
    pub fn watch(&self, changes: &[WatchChange]) -> Vec<Hint> {
        let mut w = lock(&self.0);
        let mut refused = Vec::new();
        for change in changes {
            match change {
                WatchChange::Dir(key, path) => {
                    let path: PathBuf = path.components().collect();
                    if matches!(w.names.get(&path), Some(Item::Dir(_))) {
                        w.dirs.insert(*key, path);
                    } else {
                        refused.push(Hint::Unwatched(*key));
                    }
                }
                WatchChange::File(key, path) => {
                    let base = Base { root: PathBuf::from("/"), follow: Follow::Any };
                    match w.resolve(&base, path) {
                        Ok(Item::File(inode)) => {
                            w.files.insert(*key, inode);
                        }
                        Ok(Item::Dir(_) | Item::Link(_, _) | Item::Fifo(_)) | Err(_) => {
                            refused.push(Hint::Unwatched(*key));
                        }
                    }
                }
                WatchChange::Drop(key) => {
                    w.dirs.remove(key);
                    w.files.remove(key);
                }
            }
        }
        refused
    }

    /// What the watches saw since the last call.
    pub fn hints(&self) -> Vec<Hint> {
        std::mem::take(&mut lock(&self.0).hints)
    }

    /// What a file holds.
    pub fn content(&self, path: impl AsRef<Path>) -> Vec<u8> {
        let w = lock(&self.0);
        match w.names.get(path.as_ref()) {
            Some(Item::File(inode)) => w.nodes.get(inode).map(|n| n.data.clone()).unwrap_or_default(),
            Some(Item::Dir(_) | Item::Link(_, _) | Item::Fifo(_)) | None => Vec::new(),
        }
    }

    /// A copy with an inode of its own.
    pub fn copy(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        let bytes = self.content(from);
        self.append(to, &bytes);
    }

    /// The inode at a path.
    pub fn inode(&self, path: impl AsRef<Path>) -> Option<u64> {
        match lock(&self.0).names.get(path.as_ref()) {
            Some(Item::File(inode) | Item::Dir(inode) | Item::Link(inode, _) | Item::Fifo(inode)) => Some(*inode),
            None => None,
        }
    }

    /// Names directly in a directory, sorted.
    pub fn names(&self, dir: impl AsRef<Path>) -> Vec<PathBuf> {
        let w = lock(&self.0);
        w.names.keys().filter(|p| p.parent() == Some(dir.as_ref())).cloned().collect()
    }

    /// First half of kubelet's compression: `X.tmp` is written and becomes `X.gz`; `X` is still there.
    pub fn compress(&self, path: impl AsRef<Path>) {
        let packed = gzip(&self.content(path.as_ref()));
        let named = |suffix: &str| {
            let mut name = path.as_ref().as_os_str().to_os_string();
            name.push(suffix);
            PathBuf::from(name)
        };
        self.append(named(".tmp"), &packed);
        self.rename(named(".tmp"), named(".gz"));
    }

    /// One rotation by kubelet of `live`: siblings past `keep` are removed, the others compressed, the live file is
    /// renamed, a new one made.
    pub fn rotate(&self, live: impl AsRef<Path>, stamp: &str, keep: usize) {
        let live = live.as_ref();
        let (Some(dir), Some(name)) = (live.parent(), live.file_name().and_then(OsStr::to_str)) else { return };
        let rotated =
            |p: &PathBuf| p.file_name().and_then(OsStr::to_str).is_some_and(|n| n.starts_with(&format!("{name}.")));
        let mut siblings: Vec<PathBuf> = self.names(dir).into_iter().filter(rotated).collect();
        while siblings.len() > keep {
            self.remove(siblings.remove(0));
        }
        for sibling in siblings.iter().filter(|p| p.extension() != Some(OsStr::new("gz"))) {
            self.compress(sibling);
            self.remove(sibling);
        }
        self.rename(live, dir.join(format!("{name}.{stamp}")));
        lock(&self.0).create(live);
    }

    /// Opening or listing this path fails with an errno, or (`None`) no more.
    pub fn refuse(&self, path: impl AsRef<Path>, errno: Option<i32>) {
        let mut w = lock(&self.0);
        match errno {
            Some(errno) => w.refused.insert(path.as_ref().to_path_buf(), errno),
            None => w.refused.remove(path.as_ref()),
        };
    }

    /// Reading this file fails with an errno, or (`None`) no more.
    pub fn break_reads(&self, path: impl AsRef<Path>, errno: Option<i32>) {
        let mut w = lock(&self.0);
        let inode = w.file(path.as_ref());
        if let Some(node) = w.nodes.get_mut(&inode) {
            node.fails = errno;
        }
    }

    /// Writing files of the agent's own fails with an errno (ENOSPC, EROFS, ...), or (`None`) no more.
    pub fn break_writes(&self, errno: Option<i32>) {
        lock(&self.0).writes_fail = errno;
    }

    /// What `Disk::free_percent` says.
    pub fn set_free_percent(&self, percent: u8) {
        lock(&self.0).free_percent = percent;
    }

    /// Calls since the start.
    pub fn calls(&self) -> Calls {
        lock(&self.0).calls
    }

    /// Bytes that the page cache was told to let go.
    pub fn advised(&self) -> u64 {
        lock(&self.0).advised
    }

    /// Bytes of which the page cache was told that nobody works on them.
    pub fn called_cold(&self) -> u64 {
        lock(&self.0).called_cold
    }

    /// Handles open on the file at a path, readers and writers; 0 where there is none.
    pub fn handles_at(&self, path: impl AsRef<Path>) -> u64 {
        let w = lock(&self.0);
        match w.names.get(path.as_ref()) {
            Some(Item::File(inode)) => w.nodes.get(inode).map_or(0, |n| n.handles),
            Some(Item::Dir(_) | Item::Link(_, _) | Item::Fifo(_)) | None => 0,
        }
    }

    /// Handles open, readers and writers.
    pub fn handles(&self) -> u64 {
        lock(&self.0).nodes.values().map(|n| n.handles).sum()
    }
}

/// Compresses as gzip does.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let written = out.write_all(bytes).and_then(|()| out.finish());
    written.unwrap_or_default()
}

impl SimWriter {
    /// Appends, whatever the file is called by now.
    pub fn append(&self, bytes: &[u8]) {
        lock(&self.world).append(self.inode, bytes);
    }
}
