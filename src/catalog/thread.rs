//! The loop around the catalog: it waits for watches, time or a call, ticks, and hands on what changed.
//!
//! It alone touches inotify. Copies are made by a second thread, which is there when the first one is wanted and does
//! one at a time, for as long as the disk takes. The catalog waits for nobody: lanes take views through closures that only queue them, and the
//! store answers in its own time. Views of files with new random ids come a tick after the store has answered, also
//! when it could not write: reading never needs a write.

use super::pods::Pods;
use super::view::FileView;
use super::watch::Watch;
use super::{Catalog, Done, Hint, Job};
use crate::record::Now;
use crate::store::saved::Saved;
use crate::telemetry::report::CatalogReport;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::OwnedFd;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Reports are made at most so often.
const REPORT: Duration = Duration::from_millis(500);
/// It beats at least so often (`/livez` allows 60 s).
const BEAT: Duration = Duration::from_secs(20);

/// Wakes the catalog's thread from anywhere.
#[derive(Clone)]
pub struct Caller(Arc<Called>);

struct Called {
    event: OwnedFd,
    stop: AtomicBool,
    synced: AtomicUsize,
    copied: Mutex<Vec<Done>>,
    orders: Mutex<Vec<Order>>,
}

impl Caller {
    /// One for each thread to be.
    pub fn new() -> io::Result<Caller> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let (stop, synced) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (copied, orders) = (Mutex::default(), Mutex::default());
        Ok(Caller(Arc::new(Called { event, stop, synced, copied, orders })))
    }

    /// Pods changed, or something else is worth a tick.
    pub fn wake(&self) {
        // Full only when it was called 2^64 times: then it wakes anyway.
        rustix::io::write(&self.0.event, &1u64.to_ne_bytes()).ok();
    }

    /// The thread saves what it knows and ends.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
        self.wake();
    }

    fn copied(&self, done: Done) {
        self.0.copied.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        self.wake();
    }

    /// A lane is told of every file there is, and from then on of each that changes. It has joined
    /// [`super::progress::Progress`] before.
    pub fn join(&self, lane: usize, sink: Sink) {
        self.order(Order::Join(lane, sink));
    }

    /// A lane hears nothing more.
    pub fn leave(&self, lane: usize) {
        self.order(Order::Leave(lane));
    }

    /// Other caps on what is kept of deleted files.
    pub fn retain(&self, max_bytes: u64, min_free_percent: u8) {
        self.order(Order::Retain { max_bytes, min_free_percent });
    }

    fn order(&self, order: Order) {
        self.0.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
        self.wake();
    }

    fn orders(&self) -> Vec<Order> {
        std::mem::take(&mut *self.0.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn synced(&self) {
        self.0.synced.fetch_add(1, Ordering::Release);
        self.wake();
    }
}

/// The store's answer to a wish for durability; dropped it says the same.
pub struct Durable(Caller);

impl Drop for Durable {
    fn drop(&mut self) {
        self.0.synced();
    }
}

/// What a lane hears of the catalog.
pub enum Told<'a> {
    /// Files that are new or changed; to a lane that joins, all there are.
    Files(&'a [FileView]),
    /// Everything that was there at the start has been looked at; once, after its files.
    Scanned,
}

/// A lane's inbox. It must not wait.
pub type Sink = Box<dyn Fn(Told<'_>) + Send>;

/// What others want of the thread.
enum Order {
    Join(usize, Sink),
    Leave(usize),
    Retain { max_bytes: u64, min_free_percent: u8 },
}

/// Everything around the catalog. No closure may wait.
pub struct Around {
    /// What time it is.
    pub clock: Box<dyn Fn() -> Now + Send>,
    /// The store; with a [`Durable`] the records must be on disk before it is dropped, or the disk cannot be written.
    pub save: Box<dyn FnMut(Vec<Saved>, Option<Durable>) + Send>,
    /// Where reports go.
    pub report: Box<dyn FnMut(CatalogReport) + Send>,
    /// Called at least every 20 s: the thread lives.
    pub beat: Box<dyn FnMut(Now) + Send>,
}

/// Runs until [`Caller::stop`].
pub fn run<P: Pods>(mut catalog: Catalog<P>, caller: &Caller, mut around: Around) {
    let mut watch = Watch::new().inspect_err(|e| tracing::warn!(error = %e, "inotify is not usable: polling")).ok();
    let mut hints: Vec<Hint> = Vec::new();
    let mut sinks: BTreeMap<usize, Sink> = BTreeMap::new();
    let (mut scanned, mut reported) = (false, None::<Duration>);
    let mut copies: Option<Sender<Job>> = None;
    while !caller.0.stop.load(Ordering::Acquire) {
        let now = (around.clock)();
        for order in caller.orders() {
            obey(order, &mut catalog, &mut sinks, scanned);
        }
        for _ in 0..caller.0.synced.swap(0, Ordering::AcqRel) {
            catalog.synced();
        }
        for done in std::mem::take(&mut *caller.0.copied.lock().unwrap_or_else(PoisonError::into_inner)) {
            catalog.copied(done);
        }
        let turn = catalog.tick(now, &std::mem::take(&mut hints));
        for job in turn.jobs {
            copies = copies.or_else(|| copier(caller));
            // Without a thread nothing is copied; what was asked for stays asked for.
            copies = copies.filter(|copies| copies.send(job).is_ok());
        }
        hints.extend(match &mut watch {
            Some(watch) => watch.apply(&turn.watch),
            None => turn.watch.iter().filter_map(refused).take(1).collect(),
        });
        if !turn.saved.is_empty() || turn.must_sync {
            (around.save)(turn.saved, turn.must_sync.then(|| Durable(caller.clone())));
        }
        if !turn.changed.is_empty() {
            sinks.values().for_each(|sink| sink(Told::Files(&turn.changed)));
        }
        if turn.first_scan_done && !std::mem::replace(&mut scanned, true) {
            sinks.values().for_each(|sink| sink(Told::Scanned));
        }
        (around.beat)(now);
        let unsaid = reported.map_or(Duration::ZERO, |at| (at + REPORT).saturating_sub(now.mono));
        if unsaid.is_zero() {
            reported = Some(now.mono);
            (around.report)(catalog.report());
        }
        // What could not be watched is said at once.
        let asleep =
            if hints.is_empty() { turn.wake.saturating_sub((around.clock)().mono).min(BEAT) } else { Duration::ZERO };
        // The last thing that happened is reported too, not only what happens next.
        let asleep = if unsaid.is_zero() { asleep } else { asleep.min(unsaid) };
        wait(watch.as_ref(), caller, asleep);
        if let Some(watch) = &mut watch {
            hints.extend(watch.read());
        }
    }
    (around.report)(catalog.report());
    (around.save)(catalog.last_words(), None);
}

/// The thread that makes copies; it ends when nobody can ask it any more. The catalog bounds what waits for it.
fn copier(caller: &Caller) -> Option<Sender<Job>> {
    let (sender, jobs) = channel::<Job>();
    let caller = caller.clone();
    let body = move || jobs.into_iter().for_each(|job| caller.copied(job.run()));
    let thread = std::thread::Builder::new().name("copies".into()).spawn(body);
    thread.inspect_err(|error| tracing::error!(%error, "no thread for copies of log files")).ok().map(|_| sender)
}

fn obey<P: Pods>(order: Order, catalog: &mut Catalog<P>, sinks: &mut BTreeMap<usize, Sink>, scanned: bool) {
    match order {
        Order::Join(lane, sink) => {
            sink(Told::Files(&catalog.offered()));
            if scanned {
                sink(Told::Scanned);
            }
            sinks.insert(lane, sink);
        }
        Order::Leave(lane) => drop(sinks.remove(&lane)),
        Order::Retain { max_bytes, min_free_percent } => catalog.retain(max_bytes, min_free_percent),
    }
}

fn refused(change: &super::WatchChange) -> Option<Hint> {
    match change {
        super::WatchChange::Dir(key, _) | super::WatchChange::File(key, _) => Some(Hint::Refused(*key)),
        super::WatchChange::Drop(_) => None,
    }
}

/// Until a watch or a caller has something, or the time is over.
fn wait(watch: Option<&Watch>, caller: &Caller, time: Duration) {
    let mut fds = vec![PollFd::new(&caller.0.event, PollFlags::IN)];
    let watch_fd = watch.map(Watch::fd);
    fds.extend(watch_fd.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
    let limit =
        Timespec { tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX), tv_nsec: i64::from(time.subsec_nanos()) };
    if poll(&mut fds, Some(&limit)).is_ok() {
        let mut count = [0u8; 8];
        rustix::io::read(&caller.0.event, &mut count).ok();
    }
}

#[cfg(test)]
#[path = "tests/thread.rs"]
mod tests;
