//! Sizes: hot files are looked at each 100 ms, cold ones have a watch that tells; growth is dated; a shrunken file is
//! a new generation.

use super::disk::Stat;
use super::entry::{Entry, Heat, Key, Trail};
use super::keep::cache_outstanding;
use super::shelf::Source;
use super::stock::Stock;
use super::view::Life;
use super::{WatchChange, ages, identity};
use crate::origin::Meta;
use crate::record::Mark;
use crate::seeded::{Bug, seeded};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Without growth for so long a file is cold.
const COLD: Duration = Duration::from_secs(5);
/// Cold files are looked at at least so often.
const RECONCILE_NS: i64 = 60_000_000_000;
/// More steps than this: what is settled is taken from them, else nobody asks the lanes.
const STEPS: usize = 8;

/// Another file stands where one was.
struct Replaced;

impl Stock {
    /// Each 100 ms, once for all lanes.
    pub fn look_at_hot(&mut self) {
        let hot: Vec<Key> = self.hot.iter().copied().collect();
        for key in hot {
            if self.once {
                self.cool(key);
                self.touch(key);
            } else {
                self.look(key);
            }
        }
    }

    fn look(&mut self, key: Key) {
        let Some(e) = self.entries.get(&key) else { return };
        if e.plain.is_none() && e.source.as_ref().is_none_or(|s| s.gz) {
            return self.rest(key);
        }
        let stat = match self.stat(e) {
            Ok(stat) => stat,
            Err(error) => {
                let (path, dir) = (self.path_of(e), e.dir);
                if error.kind() != io::ErrorKind::NotFound
                    && let Some(path) = path
                {
                    self.refuse(path, &error);
                }
                self.again.insert(dir);
                return;
            }
        };
        if stat.size < e.size {
            return self.truncated(key, stat);
        }
        let dir = e.dir;
        if stat.links == 0 && e.trail == Trail::Named {
            self.again.insert(dir);
        }
        let (heat, grown, now) = (e.heat, stat.size > e.size, self.now);
        let quiet = now.mono.saturating_sub(e.grew.max(e.moved));
        if grown {
            if !self.grow_or_replace(key, stat) {
                return;
            }
        } else if heat == Heat::Arming {
            self.rest(key);
        } else if quiet >= COLD {
            self.arm(key);
        }
        if let Some(e) = self.entries.get_mut(&key) {
            e.looked_ns = now.unix_ns;
        }
    }

    /// It is larger; false: because it is another one.
    pub fn grow_or_replace(&mut self, key: Key, stat: Stat) -> bool {
        let Ok(proof) = self.proof_of_growth(key, stat.size) else {
            self.replaced(key, stat);
            return false;
        };
        // First the proof: what is saved of it has both.
        if let Some(e) = self.entries.get_mut(&key) {
            e.proof = proof.unwrap_or(e.proof);
        }
        self.grown(key, stat.size);
        true
    }

    /// What it was before is still there below what is new; an error: it is not, whoever wrote this in its place. Within
    /// a look a file may be cut and outgrow its old size, and behind a name may be another file with the same inode.
    fn proof_of_growth(&self, key: Key, size: u64) -> Result<Option<Mark>, Replaced> {
        let Some(e) = self.entries.get(&key).filter(|e| e.id.is_some()) else { return Ok(None) };
        let source = match e.source.clone().filter(|s| !s.gz) {
            // kubelet and the runtimes never cut a file.
            Some(_) if self.kubernetes(e.input) => return Ok(None),
            Some(source) => source,
            None => match e.loc().and_then(|loc| self.open_proven(e, &self.path_in(e.dir, &loc.name))) {
                Some(source) => source,
                None => return Err(Replaced),
            },
        };
        // The new proof first: if it is cut between the two, the old one does not hold any more.
        let proof = identity::proof_at(source.content.as_ref(), size);
        if identity::proves(&source, e.proof) { Ok(proof) } else { Err(Replaced) }
    }

    /// The file that stands at its name is another one, though name and inode are the same.
    fn replaced(&mut self, key: Key, stat: Stat) {
        let Some(e) = self.entries.get(&key) else { return };
        if !self.kubernetes(e.input) {
            // Cut in place: a copy of it may turn up.
            return self.truncated(key, stat);
        }
        let (dir, name) = (e.dir, e.loc().map(|loc| loc.name.to_os_string()));
        if let Some(d) = self.dirs.get_mut(&dir) {
            d.odd().doubt.extend(name);
        }
        self.again.insert(dir);
    }

    /// A lane could not open it by its name: perhaps something else stands there.
    pub fn recheck(&mut self, key: Key) {
        let Some(e) = self.entries.get(&key).filter(|e| e.source.is_none() && e.id.is_some()) else { return };
        let Some(loc) = &e.plain else { return };
        let (path, Ok(stat)) = (self.path_in(e.dir, &loc.name), self.stat(e)) else { return };
        if stat.size < e.size || self.open_proven(e, &path).is_none() {
            self.replaced(key, stat);
        }
    }

    /// It will not be looked at again: true if it grew or was cut since the last time.
    pub fn last_look(&mut self, key: Key) -> bool {
        let Some(e) = self.entries.get(&key).filter(|_| !self.once) else { return false };
        let (size, trail) = (e.size, e.trail);
        let held = e.source.as_ref().is_some_and(|s| !s.gz);
        if !(held || e.plain.is_some()) || !self.stat(e).is_ok_and(|stat| stat.size != size) {
            return false;
        }
        self.look(key);
        self.entries.get(&key).is_none_or(|e| e.size != size || e.trail != trail)
    }

    /// Through the handle, else by name: then it must be the same inode.
    fn stat(&self, e: &Entry) -> io::Result<Stat> {
        if let Some(source) = e.source.as_ref().filter(|s| !s.gz) {
            return source.content.stat();
        }
        let Some(loc) = &e.plain else { return Err(io::ErrorKind::NotFound.into()) };
        let stat = self.disk.peek(&self.base(e.input), &self.path_in(e.dir, &loc.name))?;
        if (stat.inode, stat.dev) == loc.inode { Ok(stat) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    pub fn grown(&mut self, key: Key, size: u64) {
        let Some(e) = self.entries.get(&key) else { return };
        if !e.live && seeded(Bug::LateGrowthIgnored) {
            return;
        }
        let settled = if e.ages.0.len() > STEPS { self.settled(e) } else { 0 };
        let (now, kubernetes) = (self.now, self.kubernetes(e.input));
        let Some(e) = self.entries.get_mut(&key) else { return };
        let settled = if settled == u64::MAX { 0 } else { settled };
        let began = ages::push(&mut e.ages, size, e.looked_ns, settled);
        let more = size.saturating_sub(std::mem::replace(&mut e.size, size));
        e.grew = now.mono;
        e.told = false;
        let (input, identified) = (e.input, e.id.is_some());
        // The rest of what is looked after in it depends on time, and has its turn each second.
        let plain = e.offered.is_some() && e.trail == Trail::Named && e.life == Life::Growing && !e.danger;
        if let Some(c) = self.counts.get_mut(input) {
            c.bytes = c.bytes.saturating_add(more);
        }
        self.count_left_out(key, more);
        self.heat(key);
        if plain {
            self.tell(key)
        } else {
            self.touch(key)
        }
        if began && !kubernetes && identified {
            self.save(key);
        } else {
            self.unsaved(key);
        }
    }

    /// Asks for a watch of the next write; it is looked at once more, then it is cold.
    pub fn arm(&mut self, key: Key) {
        let Some(e) = self.entries.get(&key) else { return };
        match self.path_of(e).filter(|_| !e.complete() && e.plain.is_some()) {
            Some(path) => {
                self.out.watch.push(WatchChange::File(key, path));
                if let Some(e) = self.entries.get_mut(&key) {
                    e.heat = Heat::Arming;
                }
            }
            // Nothing can be watched while it has no name; silence makes it final soon.
            None if !e.complete() && e.loc().is_none() => {}
            None => self.rest(key),
        }
    }

    /// Cold from now on.
    fn rest(&mut self, key: Key) {
        self.cool(key);
        self.touch(key);
        self.active.insert(key);
        self.drop_rendered(key);
    }

    /// What was rendered of a cold file's metadata goes: nobody reads it for now.
    pub fn drop_rendered(&mut self, key: Key) {
        let Some(e) = self.entries.get(&key).filter(|e| e.heat == Heat::Cold) else { return };
        let Some(file) = e.offered.as_ref().filter(|file| file.origin.meta.load().is_rendered()) else { return };
        let fields = file.origin.meta.load().fields().clone();
        let of_run = |s: &&Entry| s.restart == e.restart && s.offered.is_some();
        let siblings = self.groups.get(&e.group).map(|g| g.entries.as_slice()).unwrap_or_default();
        let siblings = siblings.iter().filter_map(|k| self.entries.get(k)).map(AsRef::as_ref).filter(of_run);
        let all_cold = siblings.clone().all(|s| s.heat == Heat::Cold);
        let facts = self.groups.get(&e.group).and_then(|g| g.run(e.restart)).and_then(|r| r.facts.as_ref());
        let shared = facts.filter(|facts| Arc::ptr_eq(facts.meta.fields(), &fields)).map(|facts| facts.meta.clone());
        // One for all siblings: as long as one of them is read, what is rendered serves the others too.
        let meta = match shared {
            Some(meta) if !all_cold || !meta.is_rendered() => meta,
            Some(_) | None => Arc::new(Meta::new(fields.clone())),
        };
        for file in siblings.filter_map(|s| s.offered.as_ref()) {
            if Arc::ptr_eq(file.origin.meta.load().fields(), &fields) {
                file.origin.meta.store(meta.clone());
            }
        }
        let (chain, restart) = (e.group, e.restart);
        let facts = self.groups.get_mut(&chain).and_then(|g| g.run_mut(restart).facts.as_mut());
        if let Some(facts) = facts.filter(|f| Arc::ptr_eq(&f.fields, &fields)) {
            facts.meta = meta;
        }
    }

    /// The same for all that is settled: of a file that was cold when it was found nobody says when that is.
    pub fn drop_all_rendered(&mut self) {
        let rendered = |e: &Entry| e.offered.as_ref().is_some_and(|file| file.origin.meta.load().is_rendered());
        let needless = |e: &Entry| e.heat == Heat::Cold && rendered(e) && self.settled(e) >= e.size;
        let keys: Vec<Key> = self.entries.iter().filter(|(_, e)| needless(e)).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.drop_rendered(key));
    }

    /// A watch saw a write.
    pub fn written(&mut self, key: Key) {
        let now_ns = self.now.unix_ns;
        if let Some(e) = self.entries.get_mut(&key).filter(|e| e.heat != Heat::Hot) {
            // It was looked at hours ago, perhaps; but the watch would have told.
            e.looked_ns = now_ns;
            self.heat(key);
            self.look(key);
        }
    }

    /// Closes it, unless a last look shows more bytes.
    pub fn look_and_close(&mut self, key: Key) {
        let Some(e) = self.entries.get(&key) else { return };
        let stat = e.source.as_ref().filter(|s| !s.gz && !self.once).and_then(|s| s.content.stat().ok());
        if stat.is_some_and(|stat| stat.size != e.size) {
            self.written(key);
        } else {
            self.close(key);
        }
    }

    /// All that is cold and may have grown without our hearing of it; or but for what pods write under a watch.
    pub fn look_at_cold(&mut self, pods_too: bool) {
        if self.once {
            return;
        }
        let (now_ns, mut changed, mut read) = (self.now.unix_ns, Vec::new(), Vec::new());
        for (key, e) in &self.entries {
            // Nobody tells us when a lane has read what stood in a file that does not grow.
            if e.heat == Heat::Cold && e.advised < e.size && cache_outstanding(e, self.settled(e)) {
                read.push(*key);
            }
            // Also what is final: a writer that slept for longer than we waited loses nothing by it.
            if e.heat != Heat::Cold || e.measure.is_some() || (self.kubernetes(e.input) && !pods_too && !e.complete()) {
                continue;
            }
            if let Ok(stat) = self.stat(e)
                && (stat.size != e.size || (e.source.is_none() && stat.mtime_ns != e.mtime_ns))
            {
                changed.push((*key, stat));
            }
        }
        self.active.extend(read);
        for key in self.packed_and_changed() {
            if let Some(source) = self.entries.get(&key).and_then(|e| e.source.clone()) {
                self.measure_again(key, &source);
            }
        }
        for (key, stat) in changed {
            self.heat(key);
            if let Some(e) = self.entries.get_mut(&key) {
                e.mtime_ns = stat.mtime_ns;
                // It was looked at hours ago, perhaps; but the watch would have told.
                e.looked_ns = e.looked_ns.max(now_ns - RECONCILE_NS);
            }
        }
    }

    /// Files of which only a `.gz` is held, and somebody still writes to it.
    fn packed_and_changed(&mut self) -> Vec<Key> {
        let mut changed = Vec::new();
        for (key, e) in &mut self.entries {
            let named = e.plain.is_none() && e.trail == Trail::Named;
            let packed = e.source.as_ref().filter(|s| s.gz && named && e.measure.is_none());
            let Some(Ok(stat)) = packed.map(|s| s.content.stat()) else { continue };
            if std::mem::replace(&mut e.mtime_ns, stat.mtime_ns) != stat.mtime_ns {
                changed.push(*key);
            }
        }
        changed
    }

    /// Bytes that were there are not there any more: what was read so far is a file of its own, which a copy may
    /// turn up of; what stands at the path now is the next generation.
    pub fn truncated(&mut self, key: Key, stat: Stat) {
        let now = self.now;
        let Some(e) = self.entries.get_mut(&key) else { return };
        if e.id.is_none() {
            e.size = stat.size;
            e.ages = ages::none();
            e.grew = now.mono;
            return self.touch(key);
        }
        let (source, loc) = (e.source.take(), e.plain.take());
        e.trail = Trail::Displaced(now.mono);
        e.live = false;
        let (dir, chain, restart, generation, id) = (e.dir, e.group, e.restart, e.generation, e.id);
        self.open = self.open.saturating_sub(usize::from(source.is_some()));
        self.cool(key);
        self.active.insert(key);
        if let Some(id) = id {
            self.shelf.remove(id);
        }
        // Cut and deleted: nothing follows at its name.
        let Some(loc) = loc else {
            self.adopt_suspect(key);
            return self.touch_group(chain);
        };
        self.unmap(loc.inode, key);
        let path = self.path_in(dir, &loc.name);
        let base = self.dirs.get(&dir).map(|d| self.base(d.input));
        let opened = source.or_else(|| {
            let content = self.disk.open(base.as_deref()?, &path).ok()?;
            Some(Source { content, gz: false })
        });
        if let Some(source) = opened {
            let next = self.add_file(dir, chain, restart, loc, source, stat);
            if let Some(e) = self.entries.get_mut(&next) {
                e.generation = generation.saturating_add(1);
            }
            self.settle_in(vec![next]);
        }
        self.adopt_suspect(key);
        if let Some(dir) = self.dirs.get_mut(&dir) {
            dir.skip_nothing();
        }
        self.again.insert(dir);
        self.touch_group(chain);
    }

    /// The copy was found before the truncation.
    fn adopt_suspect(&mut self, displaced: Key) {
        let Some(e) = self.entries.get(&displaced) else { return };
        let (head, size, chain) = (e.head, e.size, e.group);
        let Some(group) = self.groups.get(&chain) else { return };
        let copy = group.entries.iter().copied().find(|k| {
            let Some(c) = self.entries.get(k).filter(|c| !c.live && c.id.is_none()) else { return false };
            let now = c.source.as_ref().and_then(|s| s.content.stat().ok()).map_or(c.size, |s| s.size);
            let bytes = c.source.as_ref().and_then(|s| identity::first_bytes(s).ok()).unwrap_or_default();
            now >= size && identity::begins_with(&bytes, head)
        });
        let Some(c) = copy.and_then(|k| self.entries.get_mut(&k)) else { return };
        let (Some(loc), Some(source), dir) = (c.plain.take(), c.source.take(), c.dir) else { return };
        self.open = self.open.saturating_sub(1);
        if let Some(copy) = copy {
            self.unmap(loc.inode, copy);
            self.forget(copy);
        }
        self.adopt_copy(dir, chain, &loc, &source, u64::MAX);
    }
}
