//! Files as they are offered, change and go: whose they are, where this lane stands in them, which key they feed.
//!
//! Promises: a file's key and lifted predicates are fixed at its first offer; what goes unread is counted by name.

use super::files::LaneFile;
use super::format::Format;
use super::keys::Key;
use super::ledger::Account;
use super::ruled::Filter;
use super::step::{Action, Lane};
use crate::catalog::view::{FileView, Life};
use crate::config::checked::Start;
use crate::record::FileId;
use crate::ruling;
use crate::seeded::{Bug, seeded};
use crate::store::saved::Saved;
use crate::transform::select::{Lifted, Predicate};
use std::collections::BTreeMap;
use std::time::Duration;

impl<F: Format> Lane<F> {
    pub(super) fn on_files(&mut self, views: Vec<FileView>) {
        for view in views {
            let id = view.file.id;
            if !self.files.contains_key(&id) && self.sleeps_on(&view) {
                continue;
            }
            if self.files.contains_key(&id) {
                self.update_file(view);
            } else {
                self.open_file(view);
            }
        }
    }
    /// A file's first offer: is it ours, where do we stand in it, which key does it feed?
    pub(super) fn open_file(&mut self, view: FileView) {
        let id = view.file.id;
        let Some((input, start)) = self.settings.input_of(&view.file.origin) else {
            return self.outbox.push_back(Action::Passed(vec![(id, u64::MAX)]));
        };
        let steps = self.ruled(&view);
        let until = ruling::until(&steps);
        // What is in flight, or was, is still to be answered for.
        if until == 0 && !self.saved_positions.contains_key(&id) && !self.ledger.speaks_of(id) {
            return self.outbox.push_back(Action::Passed(vec![(id, u64::MAX)]));
        }
        let late = self.settings.once.is_some() && view.file.at_scan.is_none();
        let mut rest: Vec<Predicate> = Vec::new();
        for predicate in &self.settings.select {
            match predicate.lift(&view.file.origin.fields) {
                Lifted::Keep => {}
                Lifted::Skip => return self.outbox.push_back(Action::Passed(vec![(id, u64::MAX)])),
                Lifted::PerRecord(p) => rest.push(p),
            }
        }
        // What was gone before this lane first started is nothing that it lost.
        let before = view.life == Life::Gone && self.first_start && !self.saved_positions.contains_key(&id);
        if late || before {
            return self.outbox.push_back(Action::Passed(vec![(id, u64::MAX)]));
        }
        let account = match (self.saved_positions.remove(&id), view.file.at_scan) {
            (Some(position), _) => Account::open(Some(&position)),
            (None, Some(size)) if self.first_start && start == Start::End => {
                self.dirty.insert(id);
                self.sums.skipped += size;
                Account::begin_at(size)
            }
            (None, _) => {
                // Also that nothing is settled is worth a note: should the file go while no agent runs, it is lost.
                self.dirty.insert(id);
                Account::default()
            }
        };
        self.ledger.open(id, account);
        self.ledger.retake(id);
        let key = self.key_of_file(&view);
        let cap = self.settings.once.and(view.file.at_scan);
        self.files.insert(
            id,
            LaneFile {
                view,
                input,
                filter: Filter::new(rest, steps),
                until,
                key,
                deferred: None,
                retry_at: Duration::ZERO,
                rests: Vec::new(),
                looked: Vec::new(),
                cap,
                all_here: false,
            },
        );
        self.let_pass(id);
        self.outbox.push_back(Action::Passed(vec![(id, self.passed(id))]));
        self.note_behind(id);
        self.look_again(id);
        self.lose_what_is_gone(id);
    }
    /// The key that a new file feeds.
    fn key_of_file(&mut self, view: &FileView) -> usize {
        let name = self.format.key(&view.file.origin);
        let key = match self.key_of.get(&name) {
            Some(key) => *key,
            None => {
                let key = self.keys.last_key_value().map_or(0, |(k, _)| k + 1);
                self.keys.insert(key, Key::new(name.clone(), self.now));
                self.key_of.insert(name, key);
                key
            }
        };
        if let Some(key) = self.keys.get_mut(&key) {
            key.files += 1;
        }
        key
    }
    pub(super) fn update_file(&mut self, view: FileView) {
        let id = view.file.id;
        self.rule_again(&view);
        if let Some(file) = self.files.get_mut(&id) {
            file.view = view;
        }
        self.let_pass(id);
        self.note_behind(id);
        self.look_again(id);
        self.lose_what_is_gone(id);
    }
    /// A file that came or grew may end a join that its siblings left open.
    fn look_again(&mut self, id: FileId) {
        let Some(file) = self.files.get(&id) else { return };
        let chain = file.view.file.place.chain;
        let Some(key) = self.keys.get(&file.key) else { return };
        for (_, sibling) in key.behind.of_chain(chain) {
            if let Some(file) = self.files.get_mut(sibling) {
                file.deferred = None;
            }
        }
    }
    /// Keeps `Key::behind` (files with unread bytes), `endangered` and `unsettled` true.
    pub(super) fn note_behind(&mut self, id: FileId) {
        let Some(file) = self.files.get(&id) else { return };
        let account = self.ledger.account(id);
        let unread = account.map_or(0, |a| a.unread(file.size()));
        if account.is_some_and(|a| a.unsettled(file.size()) > 0) {
            self.unsettled.insert(id);
        } else {
            self.unsettled.remove(&id);
        }
        if file.view.danger && unread > 0 {
            self.endangered.insert((file.key, id));
        } else {
            self.endangered.remove(&(file.key, id));
        }
        let (place, now) = (file.view.file.place, self.now.mono);
        let Some(key) = self.keys.get_mut(&file.key) else { return };
        key.disturb();
        if unread > 0 {
            if key.behind.is_empty() {
                (key.progress, key.tried) = (key.progress.max(now), None);
            }
            key.behind.insert((place, id));
        } else {
            key.behind.remove(&(place, id));
        }
    }
    /// A file that cannot be read any more: what is unread is lost, counted by name; then it is forgotten.
    pub(super) fn lose_what_is_gone(&mut self, id: FileId) {
        let Some(file) = self.files.get(&id) else { return };
        if file.view.life != Life::Gone {
            return;
        }
        let lost = self.ledger.give_up(id, file.size());
        if lost > 0 {
            self.lose(&BTreeMap::from([(id, lost)]));
            self.dirty.insert(id);
        }
        self.note_behind(id);
        if self.ledger.account(id).is_some_and(Account::idle) {
            self.look_no_more(id);
            self.forget_file(id);
        }
    }
    /// Counts what went unread, by name.
    pub(super) fn lose(&mut self, bytes: &BTreeMap<FileId, u64>) {
        for (id, lost) in bytes.iter().filter(|(_, lost)| **lost > 0) {
            self.sums.lost_bytes += if seeded(Bug::LossNotCounted) { 0 } else { *lost };
            by_name(&mut self.tally.lost, self.files.get(id), *lost);
        }
    }
    /// Counts what was never written, by name.
    pub(super) fn note_holes(&mut self, bytes: &BTreeMap<FileId, u64>) {
        for (id, skipped) in bytes {
            by_name(&mut self.tally.holes, self.files.get(id), *skipped);
        }
    }
    /// A join that was not looked for in all of a file that is gone now may have ended there.
    fn look_no_more(&mut self, gone: FileId) {
        let Some(file) = self.files.get(&gone) else { return };
        let (size, chain) = (file.size(), file.view.file.place.chain);
        for file in self.files.values_mut().filter(|f| f.view.file.place.chain == chain) {
            file.looked.retain(|(_, looked)| looked.file != gone || looked.at >= size);
        }
    }
    pub(super) fn forget_file(&mut self, id: FileId) {
        let last = self.ledger.account(id).map(|account| (account.settled(), account.position()));
        let (settled, position) = last.map_or((0, None), |(settled, position)| (settled, Some(position)));
        if self.close_file(id).is_some() {
            // In one write: the position goes, what it said stays in the sums, once for all files that went together.
            self.sums.gone += settled;
            let lane = self.settings.id.clone();
            if let Some(position) = position.filter(|_| self.dirty.remove(&id)) {
                self.to_save.push(Saved::Position { lane: lane.clone(), file: id, position });
            }
            self.to_save.push(Saved::Left { lane, file: id });
            self.sums_moved = true;
            self.outbox.push_back(Action::Passed(vec![(id, u64::MAX)]));
        }
    }
    /// Removes it from everywhere but the store.
    pub(super) fn close_file(&mut self, id: FileId) -> Option<LaneFile> {
        let file = self.files.remove(&id)?;
        self.unsettled.remove(&id);
        self.endangered.remove(&(file.key, id));
        self.ledger.close(id);
        if let Some(key) = self.keys.get_mut(&file.key) {
            key.files -= 1;
            key.behind.remove(&(file.view.file.place, id));
        }
        self.drop_idle_key(file.key);
        Some(file)
    }
    /// A key without files, flights and objects is forgotten.
    pub(super) fn drop_idle_key(&mut self, key: usize) {
        let idle = self.keys.get(&key).is_some_and(|k| k.files == 0 && k.out == 0 && k.objects.is_empty());
        if idle && let Some(key) = self.keys.remove(&key) {
            self.key_of.remove(&key.name);
        }
    }
    /// Parked keys and the lane are tried again at once.
    pub(super) fn wake_keys(&mut self) {
        for key in self.keys.values_mut() {
            if let Some(p) = &mut key.parked {
                p.until = p.until.min(self.now.mono);
            }
        }
        for d in &mut self.decided {
            if let Some(p) = &mut d.parked {
                p.until = p.until.min(self.now.mono);
            }
        }
        if let Some(p) = &mut self.parked {
            p.until = p.until.min(self.now.mono);
        }
    }
}

fn by_name(names: &mut BTreeMap<String, u64>, file: Option<&LaneFile>, bytes: u64) {
    // Only of a file that went in an earlier life the name is not known.
    let who = file.map_or_else(|| "unknown".to_owned(), |file| file.view.file.origin.who());
    let room = names.len() < 1_000 || names.contains_key(&who);
    *names.entry(if room { who } else { "other".into() }).or_default() += bytes;
}
