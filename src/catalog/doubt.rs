//! What could not be opened, read or listed, and whose file it may be: a file that an earlier life knew and that may be
//! behind such a name is neither gone nor read from its copy. Nobody else is held up by it.

use super::disk::Base;
use super::entry::Key;
use super::shown::Shown;
use super::stock::Stock;
use crate::store::saved::KnownFile;
use rustix::io::Errno;
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// A name that could not be opened or read when its directory was last listed. Files of pods are known again by their
/// place, others also by their inode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unopened {
    pub inode: Option<u64>,
    pub chain: u64,
    pub restart: u32,
}

/// Whom all these names may be, made once for a look at many known files.
pub(super) struct Doubt {
    inodes: HashSet<u64>,
    places: HashSet<(u64, u32)>,
    /// Directories that could not be listed, or are to be listed again.
    dirs: HashSet<PathBuf>,
    /// Inputs of which nothing is known.
    inputs: HashSet<usize>,
}

impl Doubt {
    /// Whether a known file of this input may be there.
    pub fn about(&self, input: usize, file: &KnownFile) -> bool {
        let below = || Path::new(&*file.path).ancestors().skip(1).any(|dir| self.dirs.contains(dir));
        self.inputs.contains(&input)
            || self.places.contains(&(file.place.chain, file.place.restart))
            || self.inodes.contains(&file.inode)
            || (!self.dirs.is_empty() && below())
    }
}

impl Stock {
    /// As things are now. A root of pods that is not there says nothing about its files, wherever it was before.
    pub fn doubt(&self) -> Doubt {
        let mut doubt =
            Doubt { inodes: HashSet::new(), places: HashSet::new(), dirs: HashSet::new(), inputs: HashSet::new() };
        for dir in self.later.iter().filter_map(|key| self.dirs.get(key)) {
            if dir.top && self.kubernetes(dir.input) {
                doubt.inputs.insert(dir.input);
            } else {
                doubt.dirs.insert(self.absolute(dir.input, &dir.path));
            }
        }
        for name in self.unopened.values().flatten() {
            doubt.inodes.extend(name.inode);
            doubt.places.insert((name.chain, name.restart));
        }
        doubt
    }

    /// This name could not be opened or read. What is no file, or a link that may not be followed, is nobody's.
    pub fn not_opened(&mut self, dir: Key, s: &Shown, error: &io::Error) {
        let Some(input) = self.dirs.get(&dir).map(|d| d.input) else { return };
        let path = self.path_in(dir, &s.name);
        self.refuse(self.absolute(input, &path), error);
        if is_no_file(error) {
            return;
        }
        self.later_if_ours(dir, error);
        let Some(parsed) = self.dirs.get(&dir).and_then(|d| d.parse(&s.name)) else { return };
        let Some(chain) = self.chain_in(dir, parsed.stem) else { return };
        let inode = if s.link { self.inode_behind(&self.base(input), &path) } else { Some(s.inode) };
        let inode = inode.filter(|_| !self.kubernetes(input));
        let name = Unopened { inode, chain, restart: parsed.restart };
        self.unopened.entry(dir).or_default().push(name);
    }

    fn inode_behind(&self, base: &Base, path: &Path) -> Option<u64> {
        self.disk.peek(base, path).ok().map(|stat| stat.inode)
    }

    /// Who it is cannot be said now: as if it had not been opened. What is gone again is its directory's affair.
    pub fn meet_again(&mut self, key: Key, error: &io::Error) {
        let Some(e) = self.entries.get(&key).filter(|_| error.kind() != io::ErrorKind::NotFound) else { return };
        let (dir, path) = (e.dir, self.path_of(e));
        let inode = e.loc().map(|loc| loc.inode.0).filter(|_| !self.kubernetes(e.input));
        let name = Unopened { inode, chain: e.group, restart: e.restart };
        if let Some(path) = path {
            self.refuse(path, error);
        }
        self.later_if_ours(dir, error);
        self.unopened.entry(dir).or_default().push(name);
        self.forget(key);
    }

    /// Too many handles: that is ours to mend, soon.
    fn later_if_ours(&mut self, dir: Key, error: &io::Error) {
        if matches!(errno(error), Some(Errno::MFILE | Errno::NFILE)) {
            self.later.insert(dir);
        }
    }
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw_os_error)
}

/// It was seen what is there, and it is no log.
fn is_no_file(error: &io::Error) -> bool {
    match errno(error) {
        Some(errno) => matches!(errno, Errno::LOOP | Errno::XDEV | Errno::NXIO | Errno::NODEV | Errno::NOTDIR),
        None => error.kind() == io::ErrorKind::InvalidInput,
    }
}
