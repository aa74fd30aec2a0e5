//! The node's file system: the catalog's simulated disk, inotify as the kernel does it, and which content stands where.
//!
//! Whoever writes, renames or removes does it here, so that watches fire and the truth knows what is still readable.

use crate::chance::Chance;
use crate::truth::Truth;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use tailrace::catalog::sim::{SimDisk, SimWriter, gzip};
use tailrace::catalog::{Hint, WatchChange};

/// A file open for appending, and what it holds.
pub struct Pen {
    writer: SimWriter,
    inode: u64,
    pub content: usize,
}

pub struct Fs {
    pub disk: SimDisk,
    pub watches: Watches,
    /// The agent may hold so few handles that it cannot keep what is deleted.
    pub tight: bool,
    places: BTreeMap<PathBuf, usize>,
}

impl Fs {
    pub fn new(tight: bool) -> Fs {
        Fs { disk: SimDisk::new(), watches: Watches::default(), tight, places: BTreeMap::new() }
    }
    pub fn content_at(&self, path: &Path) -> Option<usize> {
        self.places.get(path).copied()
    }
    pub fn exists(&self, path: &Path) -> bool {
        self.places.contains_key(path)
    }
    fn place(&mut self, path: &Path, content: usize, truth: &mut Truth) {
        self.places.insert(path.to_path_buf(), content);
        if let Some(content) = truth.contents.get_mut(content) {
            content.names += 1;
        }
    }
    fn unplace(&mut self, path: &Path, pens: u64, truth: &mut Truth) {
        let held = self.disk.handles_at(path) > pens && !self.tight;
        let Some(content) = self.places.remove(path).and_then(|c| truth.contents.get_mut(c)) else { return };
        content.names -= 1;
        // Without a handle of the agent's on its last name the bytes are gone for good.
        content.excused |= content.names == 0 && !held;
    }

    /// Creates a file, or opens one that is there.
    pub fn open(&mut self, path: &Path, content: usize, truth: &mut Truth) -> Pen {
        let new = !self.exists(path);
        let dirs: Vec<PathBuf> =
            path.ancestors().skip(1).filter(|d| self.disk.inode(d).is_none()).map(Path::to_path_buf).collect();
        let writer = self.disk.writer(path);
        for dir in dirs.iter().rev() {
            self.watches.named(dir);
        }
        if new {
            self.place(path, content, truth);
            self.watches.named(path);
        }
        Pen { writer, inode: self.disk.inode(path).unwrap_or(0), content }
    }
    pub fn append(&mut self, pen: &Pen, bytes: &[u8], truth: &mut Truth) {
        if let Some(content) = truth.contents.get_mut(pen.content) {
            content.bytes.extend_from_slice(bytes);
        }
        pen.writer.append(bytes);
        self.watches.wrote(pen.inode);
    }
    pub fn rename(&mut self, from: &Path, to: &Path, truth: &mut Truth) {
        if self.exists(to) {
            self.unplace(to, 0, truth);
            self.watches.removed(self.disk.inode(to));
        }
        if let Some(content) = self.places.remove(from) {
            self.places.insert(to.to_path_buf(), content);
        }
        self.disk.rename(from, to);
        self.watches.named(from);
        self.watches.named(to);
    }
    /// `pens`: handles on it that are not the agent's.
    pub fn remove(&mut self, path: &Path, pens: u64, truth: &mut Truth) {
        if self.exists(path) {
            self.unplace(path, pens, truth);
            self.watches.removed(self.disk.inode(path));
            self.disk.remove(path);
            self.watches.named(path);
        }
    }
    /// kubelet's compression of a file nobody writes to any more: first `X.tmp`, which may stay as it is for ever...
    pub fn pack(&mut self, path: &Path, part: bool) {
        let tmp = with_suffix(path, ".tmp");
        let packed = gzip(&self.disk.content(path));
        let end = if part { packed.len() / 2 } else { packed.len() };
        self.disk.remove(&tmp);
        self.disk.append(&tmp, packed.get(..end).unwrap_or_default());
        self.watches.named(&tmp);
    }
    /// ... which then becomes `X.gz`; `X` is still there.
    pub fn compress(&mut self, path: &Path, truth: &mut Truth) {
        let Some(content) = self.content_at(path) else { return };
        self.pack(path, false);
        let (tmp, gz) = (with_suffix(path, ".tmp"), with_suffix(path, ".gz"));
        self.disk.rename(&tmp, &gz);
        self.watches.named(&tmp);
        self.place(&gz, content, truth);
        self.watches.named(&gz);
    }
    /// First half of copytruncate.
    pub fn copy(&mut self, from: &Path, to: &Path, truth: &mut Truth) {
        let Some(content) = self.content_at(from) else { return };
        self.remove(to, 0, truth);
        self.disk.copy(from, to);
        self.place(to, content, truth);
        self.watches.named(to);
    }
    /// Cut to nothing in place: what is written from now on is another content.
    pub fn truncate(&mut self, path: &Path, pen: &mut Pen, next: usize, truth: &mut Truth) {
        if let Some(content) = self.places.insert(path.to_path_buf(), next).and_then(|c| truth.contents.get_mut(c)) {
            content.names -= 1;
            content.excused |= content.names == 0;
            content.unsteady = true;
        }
        if let Some(content) = truth.contents.get_mut(next) {
            content.names += 1;
            content.unsteady = true;
        }
        self.disk.truncate(path, 0);
        pen.content = next;
        self.watches.wrote(pen.inode);
    }
    pub fn remove_tree(&mut self, dir: &Path, truth: &mut Truth) {
        let below: Vec<PathBuf> = self.places.keys().filter(|p| p.starts_with(dir)).cloned().collect();
        for path in &below {
            self.remove(path, 0, truth);
        }
        let mut dirs: Vec<&Path> = below.iter().filter_map(|p| p.parent()).filter(|p| p.starts_with(dir)).collect();
        dirs.dedup();
        // What the truth does not know of: halves of compressed files.
        self.disk.remove_tree(dir);
        for gone in dirs.into_iter().chain([dir]) {
            self.watches.dir_gone(gone);
            self.watches.named(gone);
        }
    }
    /// The agent has ended: what it held is gone, and nobody's fault.
    pub fn agent_gone(&mut self, truth: &mut Truth) {
        self.watches = Watches::default();
        truth.contents.iter_mut().filter(|c| c.names == 0).for_each(|c| c.excused = true);
    }
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// inotify: directories by path, files by inode; a file's watch is spent with its first event.
#[derive(Default)]
pub struct Watches {
    dirs: BTreeMap<u64, PathBuf>,
    files: BTreeMap<u64, u64>,
    hints: Vec<Hint>,
}

impl Watches {
    pub fn set(&mut self, changes: &[WatchChange], disk: &SimDisk, chance: &mut Chance, refuse: bool) {
        for change in changes {
            match change {
                WatchChange::Dir(key, _) | WatchChange::File(key, _) if refuse && chance.one_in(4) => {
                    self.hints.push(Hint::Refused(*key));
                }
                WatchChange::Dir(key, path) if disk.inode(path).is_some() => {
                    self.dirs.insert(*key, path.components().collect());
                }
                WatchChange::File(key, path) if disk.inode(path).is_some() => {
                    self.files.insert(*key, disk.inode(path).unwrap_or(0));
                }
                WatchChange::Dir(key, _) | WatchChange::File(key, _) => self.hints.push(Hint::Unwatched(*key)),
                WatchChange::Drop(key) => {
                    self.dirs.remove(key);
                    self.files.remove(key);
                }
            }
        }
    }
    fn named(&mut self, path: &Path) {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return };
        let hints = self.dirs.iter().filter(|(_, at)| *at == dir).map(|(key, _)| Hint::Named(*key, own(name)));
        self.hints.extend(hints);
    }
    fn wrote(&mut self, inode: u64) {
        let spent: Vec<u64> = self.files.iter().filter(|(_, i)| **i == inode).map(|(key, _)| *key).collect();
        for key in spent {
            self.files.remove(&key);
            self.hints.push(Hint::Modified(key));
        }
    }
    fn removed(&mut self, inode: Option<u64>) {
        self.files.retain(|_, i| Some(*i) != inode);
    }
    fn dir_gone(&mut self, dir: &Path) {
        let gone: Vec<u64> = self.dirs.iter().filter(|(_, at)| *at == dir).map(|(key, _)| *key).collect();
        for key in gone {
            self.dirs.remove(&key);
            self.hints.push(Hint::Unwatched(key));
        }
    }
    pub fn any(&self) -> bool {
        !self.hints.is_empty()
    }
    /// What the catalog is told; sometimes the kernel's queue was too short.
    pub fn take(&mut self, overflow: bool) -> Vec<Hint> {
        let mut hints = std::mem::take(&mut self.hints);
        if overflow && !hints.is_empty() {
            hints.truncate(hints.len() / 2);
            hints.push(Hint::Overflow);
        }
        hints
    }
}

fn own(name: &OsStr) -> std::ffi::OsString {
    name.to_os_string()
}
