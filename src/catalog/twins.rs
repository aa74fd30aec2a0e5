//! A name that is new but whose file is not: another name of a known inode, the `.gz` of a plain file, the copy that
//! copytruncate made, a rotated file of an earlier life that no pattern names.

use super::disk::{Content, Stat};
use super::entry::{DirKind, Entry, Key, Loc, Trail};
use super::files::Named;
use super::shelf::Source;
use super::shown::Shown;
use super::stock::Stock;
use super::{gz, identity};
use crate::seeded::{Bug, seeded};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// A `.gz` beside its plain file that was written to so lately may still be in the making.
const MAKING_NS: i64 = 60_000_000_000;

impl Stock {
    /// The inode is one we know: a second input's match, a further link, or a file that moved here.
    pub fn is_known_by_inode(
        &mut self,
        dir: Key,
        s: &Shown,
        loc: &Loc,
        source: &Source,
        stat: Stat,
        missing: &BTreeSet<Named>,
    ) -> bool {
        let Some(file) = self.by_inode.get(&loc.inode).copied() else { return false };
        let Some(e) = self.entries.get(&file) else { return false };
        // What was deleted or let go does not come back.
        if e.loc().is_none() && !matches!(e.trail, Trail::Missing(_) | Trail::Elsewhere) {
            return false;
        }
        let gz = e.gz.as_ref().is_some_and(|l| l.inode == loc.inode);
        let held = e.source.as_ref().is_some_and(|h| h.gz == gz);
        // Each restart of a container has files of its own; their first bytes may be alike for a moment.
        let elsewhere = self.kubernetes(e.input) && !self.same_run(e, dir, &s.name);
        let same = || {
            let grown = gz || stat.size >= e.size;
            let alike = || identity::first_bytes(source).is_ok_and(|b| identity::begins_with(&b, e.head));
            grown && alike() && identity::proves(source, e.proof)
        };
        // While we hold it nobody else gets its inode; else only the head tells.
        if !held && (elsewhere || !same()) && !seeded(Bug::InodeTrustedAlone) {
            return false;
        }
        let input = self.dirs.get(&dir).map_or(e.input, |d| d.input);
        let named = if gz { e.gz.is_some() } else { e.plain.is_some() };
        let still_there = named && !missing.contains(&(file, gz));
        let same_path = self.path_of(e) == Some(self.absolute(input, &self.path_in(dir, &s.name)));
        let elsewhere_too =
            still_there && (same_path || s.link || stat.links > 1 || e.plain.as_ref().is_some_and(|p| p.link));
        if elsewhere_too {
            self.join(file, input);
            self.skip(dir, s);
        } else {
            self.relocate(file, gz, dir, s, loc);
        }
        true
    }

    /// Whether this name may be one of the file's: of the same container and restart.
    pub fn same_run(&self, e: &Entry, dir: Key, name: &OsStr) -> bool {
        let Some(dir) = self.dirs.get(&dir) else { return false };
        let chain = match &dir.kind {
            DirKind::Container(pod, container) => identity::chain(&[pod.uid().as_bytes(), container.as_bytes()]),
            DirKind::Root | DirKind::Pod(_) | DirKind::Glob(_) => return false,
        };
        chain == e.group && dir.parse(name).is_some_and(|n| n.restart == e.restart)
    }

    /// A further input matches the file: it is offered once, to lanes of either.
    fn join(&mut self, file: Key, input: usize) {
        let Some(e) = self.entries.get_mut(&file) else { return };
        if e.input != input && !e.also.contains(&input) && e.offered.is_none() {
            e.also = e.also.iter().copied().chain([input]).collect();
        }
    }

    /// It moved here, or turned up again.
    fn relocate(&mut self, file: Key, gz: bool, dir: Key, s: &Shown, loc: &Loc) {
        let Some(e) = self.entries.get_mut(&file) else { return };
        if e.dir != dir {
            let from = std::mem::replace(&mut e.dir, dir);
            // Its other name, if it has one, stays behind and is found there as a file of its own.
            if gz {
                e.plain = None
            } else {
                e.gz = None
            }
            if let Some(from) = self.dirs.get_mut(&from) {
                from.entries.retain(|k| *k != file);
            }
            if let Some(to) = self.dirs.get_mut(&dir) {
                to.entries.push(file);
            }
        }
        let Some(e) = self.entries.get_mut(&file) else { return };
        if gz {
            e.gz = Some(Box::new(loc.clone()))
        } else {
            e.plain = Some(loc.clone())
        }
        e.trail = Trail::Named;
        self.found(file);
        self.rename(file, gz, dir, s);
    }

    /// A new `.gz`: is it what became of a plain file? True also when that cannot be told yet.
    pub fn twin(
        &mut self,
        dir: Key,
        chain: u64,
        loc: &Loc,
        source: &Source,
        stat: Stat,
        missing: &BTreeSet<Named>,
    ) -> bool {
        if seeded(Bug::GzReadTwice) {
            return false;
        }
        let plain_name = loc.name.as_bytes().strip_suffix(b".gz").map(OsStr::from_bytes);
        let named = |e: &Entry| e.plain.as_ref().is_some_and(|p| Some(&*p.name) == plain_name);
        let Some(group) = self.groups.get(&chain) else { return false };
        let mut candidates: Vec<(bool, bool, Key)> = Vec::new();
        for key in &group.entries {
            let Some(e) = self.entries.get(key).filter(|e| e.gz.is_none() && e.dir == dir) else { continue };
            let there = e.plain.is_some() && !missing.contains(&(*key, false));
            if named(e) || !there {
                candidates.push((!named(e), there, *key));
            }
        }
        candidates.sort_unstable();
        let Ok(bytes) = identity::first_bytes(source) else { return false };
        let trailer = gz::trailer_size(source.content.as_ref()).ok().flatten();
        let mut grown = None;
        for (other_name, there, key) in candidates {
            let Some(e) = self.entries.get(&key) else { continue };
            let begins = begins_alike(e, &bytes);
            let held = e.source.as_ref().filter(|h| !h.gz);
            let size = held.and_then(|h| h.content.stat().ok()).map_or(e.size, |s| s.size);
            let agrees = begins && trailer == Some(size as u32);
            if agrees || (begins && !other_name && !there) {
                self.attach(key, loc.clone(), source, agrees);
                return true;
            }
            if !other_name && there && self.now.unix_ns.saturating_sub(stat.mtime_ns) < MAKING_NS {
                // gzip is still at it, and removes the plain file when it is done.
                self.later.insert(dir);
                return true;
            }
            // Closed, perhaps written to since, renamed and compressed before we looked again.
            let longer = trailer.is_some_and(|t| u64::from(t) >= e.size);
            if begins && !there && held.is_none() && longer && e.trail != Trail::Kept {
                grown.get_or_insert(key);
            }
        }
        if let Some(key) = grown {
            self.attach(key, loc.clone(), source, false);
        }
        grown.is_some()
    }

    fn attach(&mut self, key: Key, loc: Loc, source: &Source, agrees: bool) {
        self.by_inode.insert(loc.inode, key);
        let Some(e) = self.entries.get_mut(&key) else { return };
        e.gz = Some(Box::new(loc));
        e.trail = Trail::Named;
        let (chain, only) = (e.group, e.source.as_ref().is_none_or(|h| h.gz));
        self.found(key);
        if !agrees && only {
            self.measure_again(key, source);
        }
        self.shelve(key);
        self.save(key);
        self.active.insert(key);
        self.touch_group(chain);
    }

    /// A new plain file that begins as one that was just truncated in place, and is as long: its former generation.
    pub fn adopt_copy(&mut self, dir: Key, chain: u64, loc: &Loc, source: &Source, size: u64) -> bool {
        let Some(group) = self.groups.get(&chain) else { return false };
        let displaced = |key: &&Key| {
            let Some(e) = self.entries.get(key).filter(|e| size >= e.size) else { return false };
            let here = !self.kubernetes(e.input) || self.same_run(e, dir, &loc.name);
            // A deleted file that has a copy: only if it is that very file again, to its end.
            let again = e.trail == Trail::Kept && e.proof.at == e.size;
            here && (again || matches!(e.trail, Trail::Displaced(_)))
        };
        let candidates: Vec<Key> = group.entries.iter().filter(displaced).copied().collect();
        if candidates.is_empty() {
            return false;
        }
        let Ok(bytes) = identity::first_bytes(source) else { return false };
        let Some(key) = candidates.into_iter().find(|key| {
            let alike = |e: &Entry| identity::begins_with(&bytes, e.head) && identity::proves(source, e.proof);
            self.entries.get(key).is_some_and(|e| alike(e))
        }) else {
            return false;
        };
        self.by_inode.insert(loc.inode, key);
        let now = self.now.mono;
        let Some(e) = self.entries.get_mut(&key) else { return false };
        e.plain = Some(loc.clone());
        e.trail = Trail::Named;
        e.live = false;
        e.moved = now;
        let from = std::mem::replace(&mut e.dir, dir);
        if from != dir {
            if let Some(from) = self.dirs.get_mut(&from) {
                from.entries.retain(|k| *k != key);
            }
            if let Some(to) = self.dirs.get_mut(&dir) {
                to.entries.push(key);
            }
        }
        self.found(key);
        self.hold(key, source.clone());
        self.save(key);
        self.heat(key);
        self.touch_group(chain);
        true
    }

    /// A file that no pattern names but that an earlier life read.
    pub fn known_outside(&self, chain: u64, loc: &Loc, source: &Source) -> io::Result<bool> {
        let mut ids = self.known.with_inode(loc.inode.0);
        ids.extend(self.known.with_chain(chain));
        if ids.is_empty() {
            return Ok(false);
        }
        let bytes = identity::first_bytes(source)?;
        let mut files = ids.into_iter().filter_map(|id| self.known.get(id));
        Ok(files.any(|(file, _)| identity::begins_with(&bytes, file.head)))
    }

    /// Whether this file looks like a copy of a sibling that is still being written: the same bytes as far as it goes.
    pub fn looks_copied(&self, key: Key, bytes: &[u8]) -> bool {
        let Some(e) = self.entries.get(&key).filter(|e| !e.live && e.size > 0) else { return false };
        let (Some(group), Some(source)) = (self.groups.get(&e.group), &e.source) else { return false };
        let mut mine = [0; 256];
        let from = e.size.saturating_sub(mine.len() as u64);
        let Ok(got) = super::disk::read_full(source.content.as_ref(), from, &mut mine) else { return false };
        group.entries.iter().filter(|k| **k != key).filter_map(|k| self.entries.get(k)).any(|other| {
            if !(other.live && other.size >= e.size && identity::begins_with(bytes, other.head)) {
                return false;
            }
            let Some(theirs) = self.content_of(other) else { return false };
            // Cut already, and not seen by us yet: all the more a copy.
            theirs.stat().is_ok_and(|stat| stat.size < other.size) || {
                let mut tail = [0; 256];
                let read = super::disk::read_full(theirs.as_ref(), from, &mut tail).ok();
                read == Some(got) && mine.get(..got) == tail.get(..got)
            }
        })
    }

    /// Its plain content, opened for this once if it is closed.
    fn content_of(&self, e: &Entry) -> Option<Arc<dyn Content>> {
        if let Some(source) = e.source.as_ref().filter(|s| !s.gz) {
            return Some(source.content.clone());
        }
        let loc = e.plain.as_ref()?;
        self.disk.open(&self.base(e.input), &self.path_in(e.dir, &loc.name)).ok()
    }
}

fn begins_alike(e: &Entry, bytes: &[u8]) -> bool {
    match (e.id, &e.source) {
        (Some(_), _) | (None, None) => identity::begins_with(bytes, e.head),
        (None, Some(source)) => !bytes.is_empty() && identity::first_bytes(source).is_ok_and(|b| b == bytes),
    }
}
