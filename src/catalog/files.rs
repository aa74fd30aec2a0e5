//! Files of one directory: what a listing says came, moved and went, and what is made of it.
//!
//! Order matters: what stayed and moved first, then arrivals (a `.gz` needs its plain file's entry), then names are
//! taken from those that are missing, last the question what has no name any more.

use super::disk::{Listed, Stat};
use super::entry::{DirKind, Entry, Key, Loc};
use super::rotation::{self, Change, Had, Seen};
use super::shelf::Source;
use super::shown::{Shown, oldest_first};
use super::stock::Stock;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::io;

/// A file that was last written so long ago is not hot when it is found.
const IDLE_NS: i64 = 10_000_000_000;
/// And by then its pages are on disk.
const WRITTEN_BACK_NS: i64 = 60_000_000_000;

/// A file's name: plain (false) or compressed (true).
pub(super) type Named = (Key, bool);

impl Stock {
    pub fn scan_files(&mut self, key: Key, listed: &[Listed]) {
        let Some(dir) = self.dirs.get_mut(&key) else { return };
        if matches!(dir.kind, DirKind::Root | DirKind::Pod(_)) {
            dir.odd = None;
            return;
        }
        let doubt = dir.odd.as_mut().map_or_else(Vec::new, |odd| std::mem::take(&mut odd.doubt));
        let doubt: HashSet<OsString> = doubt.into_iter().collect();
        self.unopened.remove(&key);
        let had = self.names_in(key);
        let shown = self.shown(key, listed, &had);
        let seen: Vec<Seen> = shown.iter().map(|s| Seen { name: s.name.clone(), inode: s.inode }).collect();
        let of: Vec<Had<'_, Named>> =
            had.iter().map(|(file, loc)| Had { file: *file, name: &loc.name, inode: loc.listed }).collect();
        let (mut missing, mut new) = (BTreeSet::new(), Vec::new());
        for change in rotation::diff(&of, &seen) {
            match change {
                Change::Same(file, at) => {
                    let Some(s) = shown.get(at) else { continue };
                    if (doubt.contains(&s.name) || s.link) && !self.still_itself(file) {
                        missing.insert(file);
                        new.push(at);
                    }
                }
                Change::Moved(file, at) => {
                    if !shown.get(at).is_some_and(|s| self.moved(file, key, s)) {
                        missing.insert(file);
                        new.push(at);
                    }
                }
                Change::Missing(file) => {
                    missing.insert(file);
                }
                Change::New(at) => new.push(at),
            }
        }
        let mut fresh = Vec::new();
        for s in oldest_first(&shown, new) {
            fresh.extend(self.arrived(key, s, &missing));
        }
        for file in missing {
            self.unname(file);
        }
        self.settle_in(fresh);
        self.look_for_nameless(key);
        if let Some(dir) = self.dirs.get_mut(&key) {
            let shown = |name: &OsString, inode: u64| shown.iter().any(|s| s.name == *name && s.inode == inode);
            if let Some(odd) = &mut dir.odd {
                odd.skip.retain(|name, inode| shown(name, *inode));
            }
            dir.odd = dir.odd.take().filter(|odd| !(odd.skip.is_empty() && odd.doubt.is_empty()));
        }
    }

    /// Same name, same inode, but something happened to the name, or it is a link: is it still this file?
    fn still_itself(&mut self, (file, gz): Named) -> bool {
        let Some(e) = self.entries.get(&file) else { return false };
        let Some(loc) = e.loc_of(gz) else { return false };
        let (path, base, known) = (self.path_in(e.dir, &loc.name), self.base(e.input), loc.inode);
        if !loc.link && e.source.as_ref().is_some_and(|s| s.gz == gz) {
            // While we hold it nobody else gets its inode.
            return true;
        }
        match self.disk.peek(&base, &path) {
            Ok(stat) if (stat.inode, stat.dev) != known => false,
            Ok(_) if e.source.as_ref().is_some_and(|s| s.gz == gz) => true,
            Ok(_) if gz => true,
            // Closed while it was empty: nothing tells it from the next one.
            Ok(_) if e.head.0 == 0 => loc.link,
            // A new file may have got the inode: only the head tells.
            Ok(stat) => stat.size >= e.size && self.proven(file, &path),
            // It will be missing in the next listing.
            Err(_) => true,
        }
    }

    /// Its inode stands under another name: renamed, if that can be proven.
    fn moved(&mut self, (file, gz): Named, dir: Key, to: &Shown) -> bool {
        let Some(e) = self.entries.get(&file) else { return false };
        let held = e.source.as_ref().is_some_and(|s| s.gz == gz);
        let path = self.path_in(dir, &to.name);
        let elsewhere = self.kubernetes(e.input) && !self.same_run(e, dir, &to.name);
        let sure = if held && !to.link { true } else { !elsewhere && self.proven(file, &path) };
        if !sure {
            return false;
        }
        self.rename(file, gz, dir, to);
        true
    }

    pub(super) fn rename(&mut self, file: Key, gz: bool, dir: Key, to: &Shown) {
        let live = self.dirs.get(&dir).is_some_and(|d| d.is_live(&to.name));
        let now = self.now.mono;
        let Some(e) = self.entries.get_mut(&file) else { return };
        if let Some(loc) = if gz { e.gz.as_deref_mut() } else { e.plain.as_mut() } {
            loc.name = to.name.as_os_str().into();
            loc.listed = to.inode;
        }
        e.live = live && !gz;
        e.moved = now;
        let (chain, complete) = (e.group, e.complete() && !e.live);
        self.shelve(file);
        self.save(file);
        // The runtime may still drain into it; a file that took its live name back grows again.
        if !complete {
            self.heat(file);
        }
        self.touch_group(chain);
    }

    /// A name that nobody has. Returns a file that is new.
    fn arrived(&mut self, dir: Key, s: &Shown, missing: &BTreeSet<Named>) -> Option<Key> {
        let input = self.dirs.get(&dir)?.input;
        if self.dirs.get(&dir)?.odd.as_ref().and_then(|odd| odd.skip.get(&s.name)) == Some(&s.inode) {
            return None;
        }
        let path = self.path_in(dir, &s.name);
        self.make_room();
        let opened = self.disk.open(&self.base(input), &path);
        let (content, stat) = match opened.and_then(|content| content.stat().map(|stat| (content, stat))) {
            Ok(opened) => opened,
            Err(e) => {
                let nothing = e.kind() == io::ErrorKind::NotFound;
                if !nothing {
                    self.not_opened(dir, s, &e);
                } else if !s.link {
                    self.again.insert(dir);
                }
                // Nobody tells when a link leads somewhere again: the look of each minute does.
                return None;
            }
        };
        let parsed = self.dirs.get(&dir)?.parse(&s.name)?;
        let (gz, restart, stem) = (parsed.gz, parsed.restart, parsed.stem.to_vec());
        let source = Source { content, gz };
        let loc = Loc { name: s.name.as_os_str().into(), listed: s.inode, inode: (stat.inode, stat.dev), link: s.link };
        let chain = self.group_of(dir, &stem)?;
        if stat.links > 1 && self.kubernetes(input) && !self.is_of_chain(chain, loc.inode) {
            // Runtimes give a log one name. Another one is somebody's way to have a stranger's file read as this
            // container's log. What is known to be this container's goes on, whoever gives it a second name.
            self.refuse(self.absolute(input, &path), &rustix::io::Errno::MLINK.into());
            return None;
        }
        if self.is_known_by_inode(dir, s, &loc, &source, stat, missing)
            || (gz && self.twin(dir, chain, &loc, &source, stat, missing))
            || (!gz && self.adopt_copy(dir, chain, &loc, &source, stat.size))
        {
            return None;
        }
        // With `once` what comes later is not read.
        let late = self.once && self.scanned;
        match if s.outside && !late { self.known_outside(chain, &loc, &source) } else { Ok(!late) } {
            Ok(true) => {}
            Ok(false) => {
                self.skip(dir, s);
                return None;
            }
            Err(e) => {
                self.not_opened(dir, s, &e);
                return None;
            }
        }
        if stat.size == 0 && self.room_for_empty == 0 {
            self.overlooked += 1;
            self.room = self.room.saturating_sub(1);
            self.leave_if_empty(chain);
            self.skip(dir, s);
            return None;
        }
        let key = self.add_file(dir, chain, restart, loc, source, stat);
        if let Some(e) = self.entries.get_mut(&key) {
            e.outside = s.outside;
        }
        Some(key)
    }

    /// Whether the file with this inode is known, now or from an earlier life, and belongs to this chain.
    fn is_of_chain(&self, chain: u64, inode: (u64, u64)) -> bool {
        let now = self.by_inode.get(&inode).and_then(|key| self.entries.get(key));
        let before = || self.known.with_inode(inode.0).into_iter().filter_map(|id| self.known.get(id));
        now.is_some_and(|e| e.group == chain) || before().any(|(file, _)| file.place.chain == chain)
    }

    pub(super) fn skip(&mut self, dir: Key, s: &Shown) {
        if let Some(dir) = self.dirs.get_mut(&dir) {
            dir.odd().skip.insert(s.name.clone(), s.inode);
        }
    }

    pub(super) fn add_file(&mut self, dir: Key, chain: u64, restart: u32, loc: Loc, source: Source, stat: Stat) -> Key {
        let key = self.key();
        self.room = self.room.saturating_sub(1);
        self.room_for_empty = self.room_for_empty.saturating_sub(usize::from(stat.size == 0));
        let input = self.dirs.get(&dir).map_or(0, |d| d.input);
        let live = self.dirs.get(&dir).is_some_and(|d| d.is_live(&loc.name));
        let (gz, now) = (source.gz, self.now);
        let age = now.unix_ns.saturating_sub(stat.mtime_ns);
        self.by_inode.insert(loc.inode, key);
        let (plain, gz_loc) = if gz { (None, Some(loc)) } else { (Some(loc), None) };
        let entry = Entry {
            dir,
            plain,
            gz: gz_loc.map(Box::new),
            live,
            size: if gz { 0 } else { stat.size },
            mtime_ns: stat.mtime_ns,
            at_scan: (!self.scanned).then_some(0),
            written_back: if age > WRITTEN_BACK_NS && !gz && !self.once { stat.size } else { 0 },
            ..Entry::new(input, chain, restart, now)
        };
        self.entries.insert(key, Box::new(entry));
        self.hold(key, source);
        if let Some(dir) = self.dirs.get_mut(&dir) {
            // Most have one for ever.
            dir.entries.reserve_exact(usize::from(dir.entries.is_empty()));
            dir.entries.push(key);
        }
        if let Some(group) = self.groups.get_mut(&chain) {
            group.entries.push(key);
            group.newest = group.newest.max(restart);
        }
        if let Some(c) = self.counts.get_mut(input) {
            c.files += 1;
        }
        if !self.once {
            self.heat(key);
            // What is old is watched at once: thousands of idle files at a start are not polled first.
            if age > IDLE_NS {
                self.arm(key);
            }
        }
        self.touch_group(chain);
        key
    }
}
