//! The simulated disk as the catalog sees it.

use super::world::{Item, World, lock};
use super::{SimDisk, SimWriter};
use crate::catalog::disk::{Base, Content, Disk, Follow, Kind, Listed, Stat};
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What is written, or not, together.
const PAGE: usize = 4096;

struct SimContent {
    world: Arc<Mutex<World>>,
    inode: u64,
}

impl Drop for SimWriter {
    fn drop(&mut self) {
        let mut w = lock(&self.world);
        if let Some(node) = w.nodes.get_mut(&self.inode) {
            node.handles -= 1;
        }
        w.reap(self.inode);
    }
}

impl Drop for SimContent {
    fn drop(&mut self) {
        let mut w = lock(&self.world);
        if let Some(node) = w.nodes.get_mut(&self.inode) {
            node.handles -= 1;
        }
        w.reap(self.inode);
    }
}

impl Content for SimContent {
    fn read_at(&self, at: u64, to: &mut [u8]) -> io::Result<usize> {
        let mut w = lock(&self.world);
        w.calls.reads += 1;
        let Some(node) = w.nodes.get(&self.inode) else { return Ok(0) };
        if let Some(errno) = node.fails {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let rest = usize::try_from(at).ok().and_then(|at| node.data.get(at..)).unwrap_or_default();
        let got = rest.len().min(to.len());
        if let (Some(to), Some(from)) = (to.get_mut(..got), rest.get(..got)) {
            to.copy_from_slice(from);
        }
        Ok(got)
    }

    fn stat(&self) -> io::Result<Stat> {
        let mut w = lock(&self.world);
        w.calls.stats += 1;
        Ok(w.stat(self.inode))
    }

    fn hole(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let w = lock(&self.world);
        let data = w.nodes.get(&self.inode).map(|node| &*node.data).unwrap_or_default();
        // As if no page of nothing but NULs had ever been written.
        let pages: Vec<bool> = data.chunks(PAGE).map(|page| page.iter().all(|b| *b == 0)).collect();
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let empty = |page: usize| pages.get(page).copied().unwrap_or(false);
        let first = (from / PAGE..pages.len()).find(|page| empty(*page));
        let Some(first) = first.filter(|_| from < data.len()) else { return Ok(None) };
        let end = (first..pages.len()).find(|page| !empty(*page)).unwrap_or(pages.len());
        Ok(Some((first * PAGE).max(from) as u64..(end * PAGE).min(data.len()) as u64))
    }

    fn advise_done(&self, from: u64, to: u64) {
        lock(&self.world).advised += to.saturating_sub(from);
    }

    fn advise_cold(&self, from: u64, to: u64) {
        lock(&self.world).called_cold += to.saturating_sub(from);
    }
}

impl Disk for SimDisk {
    fn list(&self, base: &Base, dir: &Path) -> io::Result<Vec<Listed>> {
        let mut w = lock(&self.0);
        w.calls.lists += 1;
        let full = base.root.join(dir).components().collect::<PathBuf>();
        if let Some(errno) = w.refused.get(&full) {
            return Err(io::Error::from_raw_os_error(*errno));
        }
        match w.names.get(&full) {
            Some(Item::Dir(_)) => {}
            None if full == Path::new("/") => {}
            Some(Item::File(_) | Item::Link(_, _) | Item::Fifo(_)) => return Err(rustix::io::Errno::NOTDIR.into()),
            None => return Err(rustix::io::Errno::NOENT.into()),
        }
        let listed = |(path, item): (&PathBuf, &Item)| {
            let (kind, inode) = match item {
                Item::Dir(inode) => (Kind::Dir, *inode),
                Item::File(inode) => (Kind::File, *inode),
                Item::Link(inode, _) => (Kind::Link, *inode),
                Item::Fifo(inode) => (Kind::Other, *inode),
            };
            Listed { name: path.file_name().map(OsStr::to_os_string).unwrap_or_else(OsString::new), kind, inode }
        };
        let unseen = std::mem::take(&mut w.unseen);
        let (later, unseen) = unseen.into_iter().partition(|p| p.parent() != Some(&full));
        w.unseen = later;
        let here = w.names.iter().filter(|(p, _)| p.parent() == Some(&full) && !unseen.contains(*p));
        let mut out: Vec<Listed> = here.map(listed).collect();
        if let Follow::Into(_) = base.follow {
            w.behind_links(&full, &mut out);
        }
        Ok(out)
    }

    fn read_link(&self, base: &Base, path: &Path) -> io::Result<PathBuf> {
        match lock(&self.0).names.get(&base.root.join(path)) {
            Some(Item::Link(_, to)) => Ok(to.clone()),
            Some(Item::Dir(_) | Item::File(_) | Item::Fifo(_)) => Err(rustix::io::Errno::INVAL.into()),
            None => Err(rustix::io::Errno::NOENT.into()),
        }
    }

    fn open(&self, base: &Base, path: &Path) -> io::Result<Arc<dyn Content>> {
        let mut w = lock(&self.0);
        w.calls.opens += 1;
        match w.resolve(base, path)? {
            Item::File(inode) => {
                if let Some(node) = w.nodes.get_mut(&inode) {
                    node.handles += 1;
                }
                let open = w.nodes.values().map(|n| n.handles).sum();
                w.calls.most_handles = w.calls.most_handles.max(open);
                Ok(Arc::new(SimContent { world: self.0.clone(), inode }))
            }
            Item::Dir(_) | Item::Fifo(_) | Item::Link(_, _) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn peek(&self, base: &Base, path: &Path) -> io::Result<Stat> {
        let mut w = lock(&self.0);
        w.calls.stats += 1;
        match w.resolve(base, path)? {
            Item::File(inode) => Ok(w.stat(inode)),
            Item::Dir(_) | Item::Fifo(_) | Item::Link(_, _) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn free_percent(&self, _path: &Path) -> io::Result<u8> {
        Ok(lock(&self.0).free_percent)
    }

    fn write_whole(&self, path: &Path, more: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        let (mut whole, mut bytes) = (Vec::new(), Vec::new());
        loop {
            bytes.clear();
            more(&mut bytes)?;
            if bytes.is_empty() {
                break;
            }
            whole.extend_from_slice(&bytes);
            if let Some(errno) = lock(&self.0).writes_fail {
                return Err(io::Error::from_raw_os_error(errno));
            }
        }
        let mut w = lock(&self.0);
        w.unlink(path);
        let inode = w.create(path);
        w.append(inode, &whole);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut w = lock(&self.0);
        if !w.names.contains_key(path) {
            return Err(rustix::io::Errno::NOENT.into());
        }
        w.unlink(path);
        Ok(())
    }
}
