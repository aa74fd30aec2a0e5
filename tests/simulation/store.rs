//! The store's thread as a world sees it: records wait in its queue, it writes them in one go, syncs at most once a
//! second and when somebody waits, and tries again after a failure. The store below is the real one.

use std::time::Duration;
use tailrace::lane::batch::Ticket;
use tailrace::record::Now;
use tailrace::store::balance::{self, Balance};
use tailrace::store::file::Store;
use tailrace::store::memory::{Faults, MemoryStorage};
use tailrace::store::saved::{Saved, State};
use tailrace::store::storage::Storage;

#[derive(Clone, Copy, Debug)]
pub enum ReplyTo {
    Lane(usize, Ticket),
    Catalog,
}

pub struct SimStore {
    pub disk: MemoryStorage,
    store: Store,
    queue: Vec<(Vec<Saved>, bool, Option<ReplyTo>)>,
    retry_at: Option<Duration>,
    sync_at: Option<Duration>,
}

impl SimStore {
    pub fn new(now: Now) -> SimStore {
        let disk = MemoryStorage::default();
        let (store, _, _) = Store::open_in(Box::new(disk.clone()), now).expect("a directory");
        SimStore { disk, store, queue: Vec::new(), retry_at: None, sync_at: None }
    }
    pub fn append(&mut self, records: Vec<Saved>, sync: bool, then: Option<ReplyTo>) {
        self.queue.push((records, sync, then));
    }
    pub fn next_due(&self) -> Option<Duration> {
        if self.queue.is_empty() { self.retry_at.or(self.sync_at) } else { Some(Duration::ZERO) }
    }
    /// What the thread does when it wakes; whom it answers.
    pub fn turn(&mut self, now: Now, stopping: bool) -> Vec<(ReplyTo, bool)> {
        let (mut written, mut synced, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        for (records, sync, then) in std::mem::take(&mut self.queue) {
            self.store.note(records, now).expect("records of a small world fit");
            if sync { synced.extend(then) } else { written.extend(then) }
        }
        let resting = self.retry_at.is_some_and(|at| now.mono < at) && !stopping;
        let mut good = !resting && self.store.flush(now).is_ok();
        replies.extend(written.into_iter().map(|to| (to, good)));
        let due = stopping || !synced.is_empty() || self.sync_at.is_some_and(|at| at <= now.mono);
        if good && due && self.store.dirty() {
            good = self.store.sync(now).is_ok();
        }
        replies.extend(synced.into_iter().map(|to| (to, good)));
        if good {
            self.retry_at = None;
            let next = now.mono + Duration::from_secs(1);
            self.sync_at = self.store.dirty().then(|| self.sync_at.filter(|at| *at > now.mono).unwrap_or(next));
        } else if !resting {
            self.retry_at = Some(now.mono + Duration::from_millis(500));
            self.sync_at = Some(now.mono);
        }
        replies
    }
    /// The process dies; of what waits, so many bytes were written (`None`: nothing was begun).
    pub fn die(&mut self, torn: Option<u64>, now: Now) {
        if let Some(room) = torn {
            let room = Some(room);
            self.disk.set_faults(Faults { room, ..Faults::default() });
            self.turn(now, false);
            self.disk.set_faults(Faults::default());
        }
        self.queue.clear();
    }
    /// The directory is gone, with all in it.
    pub fn lose_all(&mut self) {
        self.disk.set_faults(Faults::default());
        let gone: Vec<String> = self.disk.names();
        gone.iter().for_each(|name| self.disk.remove(name).expect("it was there"));
    }
    /// The next process reads what is there.
    pub fn reopen(&mut self, now: Now) -> State {
        let (store, mut state, _) = Store::open_in(Box::new(self.disk.clone()), now).expect("a directory");
        // Wherever the log was cut off: each settled byte has one fate.
        for (lane, known) in &state.lanes {
            let balance = Balance::of(known);
            assert_eq!(balance.off(), 0, "{}: {balance:?} {:?}", lane.0, known.sums);
        }
        let notes = balance::at_start(&mut state);
        *self = SimStore { disk: self.disk.clone(), store, queue: Vec::new(), retry_at: None, sync_at: None };
        self.append(notes, false, None);
        state
    }
}
