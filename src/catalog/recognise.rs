//! Who a file is: one known from an earlier life, or a new one with an id of its own.
//!
//! After a restart: inode and head, else chain and head; all marks must hold and nothing may have shrunk. Else it is
//! a new generation. The path is never identity.

use super::entry::{Key, Trail, Who};
use super::identity::{self, Head};
use super::measure::Measure;
use super::stock::Stock;
use super::{ages, gz, order};
use crate::decode::line::detect;
use crate::origin::Fields;
use crate::record::{FileId, Grammar, Mark};
use crate::seeded::{Bug, seeded};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A file without a complete first line gets its id after this silence.
const SILENT: Duration = Duration::from_secs(60);
/// A file that looks like a copy of a sibling waits so long for the sibling's truncation.
const SUSPECT: Duration = Duration::from_secs(60);
/// Generations tried for an id that is not taken.
const GENERATIONS: u32 = 1000;

impl Stock {
    /// New files of one directory: recognised, put in order, dated.
    pub fn settle_in(&mut self, fresh: Vec<Key>) {
        for by_inode in [true, false] {
            for key in &fresh {
                self.recognise(*key, by_inode);
            }
        }
        let mut runs = BTreeSet::new();
        for key in fresh {
            let Some(e) = self.entries.get(&key) else { continue };
            if e.outside && e.id.is_none() && e.measure.is_none() {
                self.forget(key);
                continue;
            }
            runs.insert((e.group, e.restart));
            if e.measure.is_none() {
                self.date(key);
            }
        }
        for (group, restart) in runs {
            self.give_turns(group, restart);
        }
    }

    fn recognise(&mut self, key: Key, by_inode: bool) {
        let Some(e) = self.entries.get(&key).filter(|e| e.id.is_none() && e.measure.is_none()) else { return };
        let Some(loc) = e.loc() else { return };
        let found = if e.plain.is_none() {
            // Inode and chain are looked at together when its size is known.
            if by_inode { self.recognise_gz(key, loc.inode.0) } else { Ok(()) }
        } else {
            let ids = if by_inode { self.known.with_inode(loc.inode.0) } else { self.known.with_chain(e.group) };
            if ids.is_empty() { Ok(()) } else { self.find_known(key, ids, by_inode) }
        };
        if let Err(error) = found {
            self.meet_again(key, &error);
        }
    }

    /// Which of these ids it is; an error is no answer to that.
    fn find_known(&mut self, key: Key, ids: Vec<FileId>, by_inode: bool) -> io::Result<()> {
        let source = self.reopen(key)?;
        let bytes = identity::first_bytes(&source)?;
        let Some(e) = self.entries.get(&key) else { return Ok(()) };
        let size = e.size;
        let (mut found, mut generation) = (None, e.generation);
        let trusted = by_inode && seeded(Bug::InodeTrustedAlone);
        for id in if trusted { ids } else { self.eligible(key, ids, &bytes) } {
            let Some((file, marks)) = self.known.get(id) else { continue };
            let proven = || -> io::Result<bool> {
                Ok(identity::marks_hold(&source, marks)? && identity::marks_hold(&source, &[file.proof])?)
            };
            if trusted || (file.size <= size && (seeded(Bug::MarkNotChecked) || proven()?)) {
                found = Some(id);
                break;
            }
            generation = generation.max(file.generation.saturating_add(1));
        }
        if let Some(e) = self.entries.get_mut(&key) {
            e.generation = generation;
        }
        if let Some(id) = found {
            self.claim(key, id, &bytes);
        }
        Ok(())
    }

    /// Known files that this one may be by its head and its place.
    fn eligible(&self, key: Key, ids: Vec<FileId>, bytes: &[u8]) -> Vec<FileId> {
        let Some(e) = self.entries.get(&key) else { return Vec::new() };
        let pods = self.kubernetes(e.input);
        let of_pods = |input: &str| {
            let at = self.inputs.iter().position(|spec| *spec.name == *input);
            at.is_none_or(|at| self.kubernetes(at))
        };
        let fits = |id: &FileId| {
            self.known.get(*id).is_some_and(|(file, _)| {
                let place = file.place.chain == e.group && file.place.restart == e.restart;
                (place || (!pods && !of_pods(&file.input))) && identity::begins_with(bytes, file.head)
            })
        };
        ids.into_iter().filter(fits).collect()
    }

    /// As above: which known file it is, or what has to be inflated to tell; torn streams are no errors.
    fn recognise_gz(&mut self, key: Key, inode: u64) -> io::Result<()> {
        let source = self.reopen(key)?;
        let bytes = identity::first_bytes(&source)?;
        let Some(e) = self.entries.get(&key) else { return Ok(()) };
        let mut ids = self.known.with_inode(inode);
        ids.extend(self.known.with_chain(e.group));
        let mut seen = BTreeSet::new();
        ids.retain(|id| seen.insert(*id));
        let ids = self.eligible(key, ids, &bytes);
        let trailer = gz::trailer_size(source.content.as_ref())?;
        // It was this very `.gz` before, and nobody writes to those.
        let unchanged = ids.iter().copied().find_map(|id| {
            let (file, _) = self.known.get(id)?;
            let same = file.inode == inode && file.path.ends_with(".gz") && trailer == Some(file.size as u32);
            same.then_some((id, file.size))
        });
        if let Some((id, size)) = unchanged {
            if let Some(e) = self.entries.get_mut(&key) {
                e.size = size;
            }
            self.claim(key, id, &bytes);
            return Ok(());
        }
        let proofs = |id: &FileId| self.known.get(*id).map(|(file, marks)| [&marks[..], &[file.proof]].concat());
        let with_marks = |id: &FileId| (*id, proofs(id).unwrap_or_default());
        let candidates: Vec<(FileId, Vec<Mark>)> = ids.iter().map(with_marks).collect();
        if let Some(e) = self.entries.get_mut(&key) {
            e.measure = Some(Box::new(Measure::new(&source, candidates)));
            self.measuring.insert(key);
        }
        Ok(())
    }

    /// It is the file that was known by this id.
    pub(super) fn claim(&mut self, key: Key, id: FileId, bytes: &[u8]) {
        let read = self.known.get(id).and_then(|(_, marks)| marks.iter().map(|mark| mark.at).max());
        let Some(known) = self.known.claim(id) else { return };
        let kubernetes = self.entries.get(&key).is_some_and(|e| self.kubernetes(e.input));
        let path = self.entries.get(&key).and_then(|e| self.path_of(e));
        let Some(e) = self.entries.get_mut(&key) else { return };
        e.id = Some(id);
        e.head = known.head;
        e.proof = known.proof;
        e.generation = known.generation;
        e.turn = known.place.turn;
        e.ages = ages::restored(&known.ages);
        e.grammar = if kubernetes { detect(bytes) } else { Grammar::Plain };
        e.first_fields = fields(known.fields);
        e.rulings = known.rulings;
        // What an earlier life read may have left the page cache long ago: it is not read for a hint's sake.
        e.called_cold = read.unwrap_or(0);
        let same_inode = e.loc().is_some_and(|l| l.inode.0 == known.inode);
        let same_path = path.is_some_and(|p| p.to_string_lossy() == *known.path);
        self.by_id.insert(id, key);
        if let Some(source) = self.entries.get(&key).and_then(|e| e.source.clone()).filter(|s| !s.gz) {
            self.prove(key, &source);
        }
        self.claim_copy(key, id);
        self.shelve(key);
        if !(same_inode && same_path) {
            self.save(key);
        }
    }

    /// Ages and the size at the first scan of a file that was just found.
    pub(super) fn date(&mut self, key: Key) {
        let (now_ns, awake) = (self.now.unix_ns, self.known.awake_ns());
        let awake = if awake == 0 { now_ns } else { awake.min(now_ns) };
        let Some(e) = self.entries.get_mut(&key) else { return };
        let first = e.at_scan.is_some();
        if let Some(at) = &mut e.at_scan {
            *at = e.size;
        }
        let before = match e.ages.0.last() {
            Some((_, ns)) => awake.max(*ns),
            None => now_ns,
        };
        let known = e.ages.0.last().map_or(0, |(size, _)| *size);
        if e.size > known {
            ages::push(&mut e.ages, e.size, before, 0);
        }
        let (input, size) = (e.input, e.size);
        if !first && let Some(c) = self.counts.get_mut(input) {
            c.bytes = c.bytes.saturating_add(size);
        }
    }

    /// Places in the order of the siblings of one restart, for those that have none. While one of them is measured
    /// they wait: it may be known, and have a turn.
    pub fn give_turns(&mut self, chain: u64, restart: u32) {
        let Some(group) = self.groups.get_mut(&chain) else { return };
        let mut siblings: Vec<Key> = group.entries.clone();
        siblings.retain(|k| self.entries.get(k).is_some_and(|e| e.restart == restart && e.loc().is_some()));
        let others = group.entries.iter().filter_map(|k| self.entries.get(k));
        let others = others.filter(|e| e.restart == restart && e.loc().is_none());
        let nameless: Vec<u64> = others.map(|e| e.turn).collect();
        let unsure = |k: &Key| self.entries.get(k).is_some_and(|e| e.turn == 0 && e.measure.is_some());
        if siblings.iter().any(unsure) {
            return;
        }
        // Turns of files that are still to be found are not given again.
        let known = self.known.with_chain(chain).into_iter().filter_map(|id| self.known.get(id));
        let taken = known.filter(|(f, _)| f.place.restart == restart).map(|(f, _)| f.place.turn).max();
        let suffix = |k: &Key| {
            let e = self.entries.get(k)?;
            Some(self.dirs.get(&e.dir)?.parse(&e.loc()?.name)?.suffix)
        };
        siblings.sort_by(|a, b| match (suffix(a), suffix(b)) {
            (Some(a), Some(b)) => a.age_order(&b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        });
        let given: Vec<Option<u64>> =
            siblings.iter().map(|k| self.entries.get(k).map(|e| e.turn).filter(|t| *t > 0)).collect();
        let run = group.run_mut(restart);
        run.latest_turn = run.latest_turn.max(taken.unwrap_or(0));
        let turns = order::turns(&given, run.latest_turn, &nameless);
        run.latest_turn = turns.iter().fold(run.latest_turn, |a, b| a.max(*b));
        for (key, turn) in siblings.into_iter().zip(turns) {
            if let Some(e) = self.entries.get_mut(&key) {
                e.turn = turn;
            }
        }
    }

    /// Gives an id as soon as there is a head.
    pub fn identify(&mut self, key: Key) {
        let now = self.now.mono;
        let Some(e) = self.entries.get(&key).filter(|e| e.id.is_none() && e.measure.is_none() && e.size > 0) else {
            return;
        };
        let settled_down = self.once || e.gz.is_some() || e.trail == Trail::Deleted;
        // A later restart writes into files of its own, and kubelet removes this one soon.
        let over = self.groups.get(&e.group).is_some_and(|g| g.over || e.restart < g.newest);
        let quiet = now.saturating_sub(e.grew);
        let as_is = settled_down || quiet >= SILENT || (over && quiet >= order::OVER);
        let Some(bytes) = self.peep(key) else { return };
        let Some(head) = identity::cut(&bytes, as_is) else { return };
        let Some(e) = self.entries.get(&key) else { return };
        if !self.kubernetes(e.input) && !settled_down {
            let waits = e.suspect.is_none_or(|until| now < until) && self.looks_copied(key, &bytes);
            if waits {
                if let Some(e) = self.entries.get_mut(&key) {
                    e.suspect.get_or_insert(now + SUSPECT);
                    self.active.insert(key);
                }
                return;
            }
        }
        self.name(key, head);
    }

    /// The first bytes of a file that has no id yet.
    fn peep(&mut self, key: Key) -> Option<Vec<u8>> {
        let read = self.reopen(key).and_then(|source| identity::first_bytes(&source));
        match read {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                let path = self.path_of(self.entries.get(&key)?)?;
                self.refuse(path, &error);
                None
            }
        }
    }

    fn name(&mut self, key: Key, bytes: &[u8]) {
        let Some(e) = self.entries.get(&key) else { return };
        let (restart, mut generation) = (e.restart, e.generation);
        let head: Head = identity::head(bytes);
        let pod = match self.groups.get(&e.group).map(|g| &g.who) {
            Some(Who::Pod(pod, container)) => Some((pod.clone(), container.clone())),
            Some(Who::Path) | None => None,
        };
        let taken = |id: &FileId| self.by_id.contains_key(id) || self.known.get(*id).is_some();
        let id = match &pod {
            Some((pod, container)) => {
                let last = generation.saturating_add(GENERATIONS);
                loop {
                    let id = identity::derive(pod.uid(), container, restart, generation, bytes);
                    if !taken(&id) || generation >= last {
                        break id;
                    }
                    generation += 1;
                }
            }
            None => FileId((self.random)()),
        };
        let Some(e) = self.entries.get_mut(&key) else { return };
        e.id = Some(id);
        e.head = head;
        e.generation = generation;
        e.suspect = None;
        e.grammar = if pod.is_some() { detect(bytes) } else { Grammar::Plain };
        e.unsynced = pod.is_none();
        if e.unsynced {
            self.to_sync.push(key);
        }
        self.by_id.insert(id, key);
        if let Some(source) = e.source.clone().filter(|s| !s.gz) {
            self.prove(key, &source);
        }
        self.shelve(key);
        self.save(key);
        self.touch(key);
    }

    /// The oldest wish for durability is fulfilled.
    pub fn synced(&mut self) {
        for key in self.syncing.pop_front().unwrap_or_default() {
            if let Some(e) = self.entries.get_mut(&key) {
                e.unsynced = false;
                self.active.insert(key);
                self.touched.insert(key);
            }
        }
    }
}

/// Fields of a first offer as the store has them; `None`: it was not offered.
pub(super) fn fields(saved: Vec<(String, String)>) -> Option<Arc<Fields>> {
    let pairs: Vec<_> = saved.into_iter().map(|(k, v)| (Cow::Owned(k), v.into_boxed_str())).collect();
    (!pairs.is_empty()).then(|| Arc::new(Fields::new(pairs)))
}
