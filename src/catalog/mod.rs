//! The catalog finds, identifies, watches and keeps files; knows every file's size; offers files to lanes.
//! It alone touches the directories of inputs. It knows nothing of outputs.
//!
//! It is one state machine over a [`disk::Disk`]: [`Catalog::tick`] is told the time and what the watches saw, and
//! says what changed. [`thread`] is the loop around it. Lanes read through a [`reader::Reader`] on the
//! [`shelf::Shelf`], and report how far they are through [`progress::Progress`].
//!
//! The pure rules: [`name`], [`glob`], [`ages`], [`order`] (turns, life, danger), [`rotation`], [`identity`].
//! What they work on: `stock`, which holds `entry`s (files, directories, groups of siblings) and `known` files, in maps of its own (`dense`).
//! The moves they decide, in the order of a file's life: `hints` and `scan` (directories), `shown` and `files` (what
//! came, moved, went), `twins` (another name of a known file), `recognise` (who it is), `measure` (sizes of `.gz`),
//! `rule` (whose are left out), `offer` (to lanes), `sizes` (growth and truncation), `judge` (life, danger), `nameless` (no name any more), `handles`
//! (their limit), `retain` and `copy` (copies of files in danger), `shed` (limits of what is kept), `keep` (page cache,
//! what an earlier life knew), `revive` (copies of an earlier life), `doubt` (what cannot be opened), `forget` (the end, and what the store is told).

pub mod ages;
mod copy;
mod dense;
pub mod disk;
mod docker;
mod doubt;
mod entry;
mod files;
mod forget;
pub mod glob;
pub mod gz;
mod handles;
mod hints;
pub mod hole;
pub mod identity;
mod judge;
mod keep;
mod known;
mod links;
mod measure;
pub mod name;
mod nameless;
mod offer;
pub mod order;
pub mod os;
pub mod pods;
pub mod progress;
pub mod reader;
mod recognise;
mod retain;
mod revive;
pub mod rotation;
mod rule;
mod scan;
mod shed;
pub mod shelf;
mod shown;
pub mod sim;
mod sizes;
pub mod spec;
mod stock;
pub mod thread;
mod twins;
pub mod view;
pub mod watch;

#[cfg(test)]
mod tests;

use crate::record::Now;
use crate::store::saved::Saved;
use crate::telemetry::report::{CatalogReport, InputReport};
pub use copy::{Done, Job};
use pods::Pods;
use progress::Progress;
use shelf::Shelf;
use spec::Setup;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stock::Stock;
use view::{File, FileView};

/// Hot files are looked at so often.
pub const POLL: Duration = Duration::from_millis(100);
/// Everything is looked at so often, whatever the watches say; where there is very much of it, more seldom.
pub const RECONCILE: Duration = Duration::from_secs(60);
/// What depends on time or on lanes is looked after so often, while there is any.
const SECOND: Duration = Duration::from_secs(1);
/// A listing beside a rename may miss a file, but not each of them for so long.
const BURY: Duration = Duration::from_secs(10);
/// After a change that may have had neighbours: look again.
const SOON: Duration = Duration::from_millis(20);

/// What a watch saw. Keys are those of [`WatchChange`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A name came to, or went from, a watched directory.
    Named(u64, OsString),
    /// A watched file was written to; its watch is used up.
    Modified(u64),
    /// The watch of a directory is no more: it was deleted, moved away or unmounted.
    Unwatched(u64),
    /// No watch could be had for this (none left, not allowed).
    Refused(u64),
    /// Events were lost.
    Overflow,
}

/// What shall be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchChange {
    /// Names that come to and go from a directory.
    Dir(u64, PathBuf),
    /// The next write to a file.
    File(u64, PathBuf),
    /// Not any more.
    Drop(u64),
}

/// What one tick found.
#[derive(Debug, Default)]
pub struct Turn {
    /// Files that are new to the lanes or changed, oldest sibling first.
    pub changed: Vec<FileView>,
    /// For the store, in order.
    pub saved: Vec<Saved>,
    /// `saved` names files with random ids, which are offered once that is durable: call [`Catalog::synced`] then,
    /// once for each such turn, in order.
    pub must_sync: bool,
    /// Watches to set and to drop, in order; before the next tick.
    pub watch: Vec<WatchChange>,
    /// Work for another thread; what came of each goes to [`Catalog::copied`].
    pub jobs: Vec<Job>,
    /// Pods (by UID or hash) that have no files any more; handed on to [`Pods::forget`] already.
    pub forgotten_pods: Vec<String>,
    /// Tick again at this time (mono) at the latest.
    pub wake: Duration,
    /// Everything that was there at the start has been looked at; with `once` also offered.
    pub first_scan_done: bool,
}

/// Finds and offers files. Owned by one thread.
pub struct Catalog<P: Pods> {
    stock: Stock,
    pods: P,
    next_poll: Duration,
    next_second: Duration,
    next_reconcile: Duration,
    /// What an earlier life knew and nobody found until then (mono) is gone.
    bury_at: Duration,
    begun: bool,
    /// `--once`: which inputs found nothing was said.
    said: bool,
}

impl<P: Pods> Catalog<P> {
    /// Nothing is read before the first tick.
    pub fn new(setup: Setup, disk: Arc<dyn disk::Disk>, pods: P) -> Self {
        let stock = Stock::new(setup, disk);
        let zero = Duration::ZERO;
        let (next_poll, next_second, next_reconcile) = (zero, zero, zero);
        Catalog { stock, pods, next_poll, next_second, next_reconcile, bury_at: zero, begun: false, said: false }
    }

    /// Where lanes find content.
    pub fn shelf(&self) -> Arc<Shelf> {
        self.stock.shelf.clone()
    }

    /// Where lanes report.
    pub fn progress(&self) -> Arc<Progress> {
        self.stock.progress.clone()
    }

    /// Does what is due, and says what changed.
    pub fn tick(&mut self, now: Now, hints: &[Hint]) -> Turn {
        let first = !std::mem::replace(&mut self.begun, true);
        let stock = &mut self.stock;
        stock.now = now;
        if first {
            stock.find_copies();
            self.bury_at = now.mono + BURY;
        }
        stock.due.append(&mut stock.again);
        stock.absorb(hints);
        let mut reconciled = false;
        let second = now.mono >= self.next_second;
        if second {
            stock.due.append(&mut stock.later);
            stock.poll_directories();
            stock.look_behind_links();
            self.next_second = now.mono + SECOND;
        }
        let told = std::mem::take(&mut stock.reconcile);
        if now.mono >= self.next_reconcile || told {
            stock.reconcile(first, first || told);
            stock.drop_all_rendered();
            self.next_reconcile = now.mono + RECONCILE;
            reconciled = !first;
        }
        stock.scan_due();
        let late = now.mono >= self.bury_at;
        // What is still to be listed may show them.
        let seen_all = stock.due.is_empty() && stock.measuring.is_empty();
        if (reconciled || late) && !(seen_all && stock.scanned) {
            self.bury_at = self.bury_at.min(now.mono);
        } else if reconciled || late {
            self.bury_at = Duration::MAX;
            for key in stock.bury() {
                stock.offer(key, &self.pods);
                stock.forget(key);
            }
        }
        stock.measure_some();
        if stock.measuring.is_empty() && stock.due.is_empty() {
            stock.revive();
        }
        if now.mono >= self.next_poll || first {
            stock.look_at_hot();
            self.next_poll = now.mono + POLL;
        }
        self.pods_changed();
        if second {
            self.stock.touch_active();
        }
        self.judge_touched();
        self.stock.keep_within_limits(second);
        self.stock.scanned |= self.stock.due.is_empty();
        self.finish()
    }

    /// What the oldest unanswered turn with `must_sync` saved is durable: its files can be offered.
    pub fn synced(&mut self) {
        self.stock.synced();
    }

    /// A job was done.
    pub fn copied(&mut self, done: Done) {
        self.stock.copied(done);
    }

    /// All files that are offered, for a lane that joins now: what is there was there at its start. What all others had
    /// read is looked after again: it may have to be kept for this one.
    pub fn offered(&mut self) -> Vec<FileView> {
        let stock = &mut self.stock;
        stock.active.extend(stock.entries.iter().filter(|(_, e)| e.offered.is_some()).map(|(key, _)| *key));
        let mut views: Vec<FileView> = stock.entries.values().filter_map(|e| e.view()).collect();
        for view in &mut views {
            stock.progress.begin(view.file.id);
            let File { id, place, origin, .. } = &*view.file;
            view.file = Arc::new(File { id: *id, place: *place, origin: origin.clone(), at_scan: Some(view.size) });
        }
        views.sort_by_key(|view| view.file.place);
        views
    }

    /// Other caps on what is kept of deleted files.
    pub fn retain(&mut self, max_bytes: u64, min_free_percent: u8) {
        (self.stock.retain_max, self.stock.min_free_percent) = (max_bytes, min_free_percent);
        self.stock.space = None;
    }

    /// At stop: what the store does not have yet.
    pub fn last_words(&mut self) -> Vec<Saved> {
        let mut unsaved: Vec<u64> =
            self.stock.entries.iter().filter(|(_, e)| e.unsaved.is_some()).map(|(key, _)| *key).collect();
        unsaved.sort_unstable();
        for key in unsaved {
            self.stock.save(key);
        }
        std::mem::take(&mut self.stock.out.saved)
    }

    fn pods_changed(&mut self) {
        for uid in self.pods.changed() {
            for group in self.stock.groups_of(&uid) {
                self.stock.refresh_facts(group, &self.pods);
                self.stock.rule_group(group, &self.pods);
                self.stock.touch_group(group);
            }
        }
    }

    fn finish(&mut self) -> Turn {
        let mut turn = std::mem::take(&mut self.stock.out);
        let to_sync = std::mem::take(&mut self.stock.to_sync);
        turn.must_sync = !to_sync.is_empty();
        if turn.must_sync {
            self.stock.syncing.push_back(to_sync);
        }
        for uid in &turn.forgotten_pods {
            self.pods.forget(uid);
        }
        turn.changed.sort_by_key(|view| view.file.place);
        let stock = &self.stock;
        turn.first_scan_done = stock.first_scan_done();
        if turn.first_scan_done && stock.once && !std::mem::replace(&mut self.said, true) {
            stock.say_inputs_without_files();
        }
        let mono = stock.now.mono;
        let mut wake = self.next_reconcile;
        if !(stock.measuring.is_empty() && stock.due.is_empty()) {
            wake = mono;
        }
        if !stock.again.is_empty() || stock.retained.has_answers() {
            wake = wake.min(mono + SOON);
        }
        if !stock.hot.is_empty() {
            wake = wake.min(self.next_poll);
        }
        if !stock.known.is_empty() {
            wake = wake.min(self.bury_at);
        }
        if stock.retained.is_busy() {
            wake = wake.min(self.next_second);
        }
        if !(stock.active.is_empty() && stock.later.is_empty()) || stock.polling() {
            wake = wake.min(self.next_second);
        }
        turn.wake = wake;
        turn
    }

    /// A snapshot of its counters.
    pub fn report(&self) -> CatalogReport {
        let stock = &self.stock;
        let inputs = stock.inputs.iter().zip(&stock.counts).map(|(input, c)| {
            let report =
                InputReport { files: c.files, hot: c.hot, bytes: c.bytes, offered: c.offered, left_out: c.left_out };
            (input.name.clone(), report)
        });
        let mut unreadable = std::collections::BTreeMap::new();
        for code in stock.refused.values() {
            *unreadable.entry(code.clone()).or_insert(0u64) += 1;
        }
        CatalogReport {
            inputs: inputs.collect(),
            open_files: stock.open as u64,
            held: stock.held,
            copies: stock.retained.there(),
            copied: stock.retained.made,
            not_copied: stock.retained.failed.clone(),
            overlooked: stock.overlooked,
            polling: stock.polling(),
            overflows: stock.overflows,
            unreadable,
            without_metadata: stock.without_metadata,
            lost: stock.lost.clone(),
            strange_parsers: (stock.strange_pods, stock.strange.clone()),
        }
    }
}
