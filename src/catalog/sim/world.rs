//! What is on the simulated disk: names, nodes, free inode numbers, watches.

use super::Calls;
use crate::catalog::Hint;
use crate::catalog::disk::{Base, Follow, Kind, Listed, Stat};
use crate::catalog::docker;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Clone, Debug)]
pub(super) enum Item {
    Dir(u64),
    File(u64),
    Link(u64, PathBuf),
    Fifo(u64),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) data: Vec<u8>,
    pub(super) links: u64,
    pub(super) handles: u64,
    pub(super) mtime_ns: i64,
    pub(super) fails: Option<i32>,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) names: BTreeMap<PathBuf, Item>,
    pub(super) nodes: HashMap<u64, Node>,
    /// Free inode numbers, smallest first, as ext4 hands them out.
    pub(super) free: BTreeSet<u64>,
    pub(super) last: u64,
    pub(super) now_ns: i64,
    pub(super) refused: HashMap<PathBuf, i32>,
    /// Left out of the next listing.
    pub(super) unseen: BTreeSet<PathBuf>,
    pub(super) free_percent: u8,
    /// What writing a file of the agent's own fails with.
    pub(super) writes_fail: Option<i32>,
    pub(super) calls: Calls,
    pub(super) advised: u64,
    pub(super) called_cold: u64,
    /// As inotify has them: directories by path, files by inode.
    pub(super) dirs: BTreeMap<u64, PathBuf>,
    pub(super) files: BTreeMap<u64, u64>,
    pub(super) hints: Vec<Hint>,
}

pub(super) fn lock(world: &Arc<Mutex<World>>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(super) fn inode(&mut self) -> u64 {
        self.free.pop_first().unwrap_or_else(|| {
            self.last += 1;
            self.last
        })
    }

    pub(super) fn parents(&mut self, path: &Path) {
        let mut missing: Vec<PathBuf> = Vec::new();
        for dir in path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()) {
            if self.names.contains_key(dir) {
                break;
            }
            missing.push(dir.to_path_buf());
        }
        for dir in missing.into_iter().rev() {
            let inode = self.inode();
            self.names.insert(dir.clone(), Item::Dir(inode));
            self.named(&dir);
        }
    }

    /// A name came or went.
    pub(super) fn named(&mut self, path: &Path) {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return };
        let watching = self.dirs.iter().filter(|(_, at)| at.as_path() == dir).map(|(key, _)| *key);
        self.hints.extend(watching.map(|key| Hint::Named(key, name.to_os_string())));
    }

    pub(super) fn modified(&mut self, inode: u64) {
        let told: Vec<u64> = self.files.iter().filter(|(_, i)| **i == inode).map(|(key, _)| *key).collect();
        for key in told {
            self.files.remove(&key);
            self.hints.push(Hint::Modified(key));
        }
    }

    pub(super) fn create(&mut self, path: &Path) -> u64 {
        self.parents(path);
        let inode = self.inode();
        self.nodes.insert(inode, Node { links: 1, mtime_ns: self.now_ns, ..Node::default() });
        self.names.insert(path.to_path_buf(), Item::File(inode));
        self.named(path);
        inode
    }

    pub(super) fn file(&mut self, path: &Path) -> u64 {
        match self.names.get(path) {
            Some(Item::File(inode)) => *inode,
            Some(Item::Dir(_) | Item::Link(_, _) | Item::Fifo(_)) | None => self.create(path),
        }
    }

    pub(super) fn append(&mut self, inode: u64, bytes: &[u8]) {
        let now = self.now_ns;
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.data.extend_from_slice(bytes);
            node.mtime_ns = now;
        }
        if !bytes.is_empty() {
            self.modified(inode);
        }
    }

    pub(super) fn unlink(&mut self, path: &Path) {
        if self.names.contains_key(path) {
            self.named(path);
        }
        let lost: Vec<u64> = self.dirs.iter().filter(|(_, at)| at.as_path() == path).map(|(key, _)| *key).collect();
        for key in lost {
            self.dirs.remove(&key);
            self.hints.push(Hint::Unwatched(key));
        }
        match self.names.remove(path) {
            Some(Item::File(inode)) => {
                if let Some(node) = self.nodes.get_mut(&inode) {
                    node.links -= 1;
                }
                self.reap(inode);
            }
            Some(Item::Dir(inode) | Item::Link(inode, _) | Item::Fifo(inode)) => {
                self.free.insert(inode);
            }
            None => {}
        }
    }

    pub(super) fn reap(&mut self, inode: u64) {
        if self.nodes.get(&inode).is_some_and(|n| n.links == 0 && n.handles == 0) {
            self.nodes.remove(&inode);
            self.free.insert(inode);
            self.files.retain(|_, i| *i != inode);
        }
    }

    /// The item at a path whose last component, and with `any` all components, may be links.
    pub(super) fn resolve(&self, base: &Base, path: &Path) -> io::Result<Item> {
        if path.components().any(|c| matches!(c, Component::ParentDir)) {
            return Err(rustix::io::Errno::XDEV.into());
        }
        let full = base.root.join(path);
        if let Some(errno) = self.refused.get(&full) {
            return Err(io::Error::from_raw_os_error(*errno));
        }
        match (self.names.get(&full), &base.follow) {
            (None, Follow::Into(roots)) => self.behind(&full, roots),
            (None, _) => Err(rustix::io::Errno::NOENT.into()),
            (Some(Item::Link(_, _)), Follow::Never) => Err(rustix::io::Errno::LOOP.into()),
            (Some(Item::Link(_, to)), follow) => {
                let inside = match follow {
                    Follow::Into(roots) => roots.iter().any(|root| to.starts_with(root)),
                    Follow::Any | Follow::Never => true,
                };
                match self.names.get(to) {
                    _ if !inside => Err(rustix::io::Errno::XDEV.into()),
                    Some(Item::Link(_, _)) => Err(rustix::io::Errno::LOOP.into()),
                    Some(item) => Ok(item.clone()),
                    None => Err(rustix::io::Errno::NOENT.into()),
                }
            }
            (Some(item), _) => Ok(item.clone()),
        }
    }

    /// What Docker rotated behind a link.
    fn behind(&self, full: &Path, roots: &[PathBuf]) -> io::Result<Item> {
        let missing = || io::Error::from(rustix::io::Errno::NOENT);
        let (link, suffix) = full.file_name().and_then(docker::behind).ok_or_else(missing)?;
        let Some(Item::Link(_, to)) = self.names.get(&full.with_file_name(link)) else { return Err(missing()) };
        let mut file = to.clone();
        file.as_mut_os_string().push(suffix);
        let inside = roots.iter().any(|root| to.starts_with(root));
        self.names.get(&file).filter(|_| inside).cloned().ok_or_else(missing)
    }

    pub(super) fn behind_links(&self, dir: &Path, listed: &mut Vec<Listed>) {
        let links: Vec<OsString> = listed.iter().filter(|l| l.kind == Kind::Link).map(|l| l.name.clone()).collect();
        for link in links {
            let Some(Item::Link(_, to)) = self.names.get(&dir.join(&link)) else { continue };
            let Some(target) = to.file_name() else { continue };
            let beside = self.names.iter().filter(|(path, _)| path.parent() == to.parent());
            for (path, item) in beside {
                if let (Item::File(inode), Some(file)) = (item, path.file_name())
                    && let Some(name) = docker::shown(&link, target, file)
                {
                    listed.push(Listed { name, kind: Kind::File, inode: *inode });
                }
            }
        }
    }

    pub(super) fn stat(&self, inode: u64) -> Stat {
        let Some(node) = self.nodes.get(&inode) else { return Stat::default() };
        let size = node.data.len() as u64;
        Stat { size, taken: size, inode, dev: 1, links: node.links, mtime_ns: node.mtime_ns }
    }
}
