//! The state machine of one output: `step(now, event) -> action`, without I/O.
//!
//! Promises: positions move only over settled bytes; memory is one open body plus the sealed ones within the budget;
//! nothing is read that could not be sent. Parts: `plan` opens and seals batches, `answer` judges verdicts, `intent`
//! keeps S3 objects, `account` reports. The thread around it (`thread`) is the only I/O.

use super::batch::{Batch, Code, FileKey, Ticket, Verdict};
use super::files::LaneFile;
use super::flight::{Flight, Grave};
use super::format::{Format, Limits};
use super::keys::{Key, Rule};
use super::ledger::Ledger;
use super::object::Decided;
use super::plan::Open;
use super::pump::Next;
use super::retry::{Aimd, Parking, Rng};
use super::sleep::Dormitory;
use crate::body::chunks::Pool;
use crate::catalog::view::{FileView, Found};
use crate::config::checked::{CatchUp, Start};
use crate::origin::Origin;
use crate::record::{FileId, Now};
use crate::store::saved::{LaneId, LaneState, Position, Saved, Sums};
use crate::telemetry::latency::Latency;
use crate::telemetry::report::Read;
use crate::transform::select::Predicate;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// The longest time for which news of growth waits for more of it.
const COMPANY: Duration = Duration::from_millis(500);

/// What a lane is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Output name.
    pub output: Arc<str>,
    /// Names the lane in the store.
    pub id: LaneId,
    /// Kind of output, for reports.
    pub kind: &'static str,
    /// Inputs it reads: where files begin at the lane's first start, and the longest record.
    pub inputs: BTreeMap<Arc<str>, (Start, usize)>,
    /// Oldest unsent byte.
    pub max_age: Duration,
    /// All must hold.
    pub select: Vec<Predicate>,
    /// JSON bodies go under `log_processed` too.
    pub merge_json: bool,
    /// Most requests in flight.
    pub concurrency: usize,
    /// More than 60 s behind.
    pub catch_up: CatchUp,
    /// Behind and nothing settled for so long is stalled.
    pub stall_after: Duration,
    /// `--once`, and how long a key may settle nothing before it is given up.
    pub once: Option<Duration>,
    /// For jitter and object names.
    pub seed: u64,
}

impl Settings {
    /// The input by which the lane reads a file: the one that found it, or a further one that lists it too.
    pub(super) fn input_of(&self, origin: &Origin) -> Option<(Arc<str>, Start)> {
        let first = self.inputs.get_key_value(&origin.input);
        let (name, (start, _)) = first.or_else(|| self.inputs.iter().find(|(name, _)| origin.listed_by(name)))?;
        Some((name.clone(), *start))
    }
}

/// Everything a lane can be told.
#[derive(Debug)]
pub enum Event {
    /// Time passed.
    Tick,
    /// Files appeared or changed.
    Files(Vec<FileView>),
    /// The catalog's first scan is complete.
    Scanned,
    /// What a `Read` found; no bytes = nothing is there any more.
    Block(Vec<u8>, std::io::Result<Found>),
    /// A service's verdict; of a batch that vanished, `Unknown`.
    Answer(Ticket, Verdict),
    /// The store has it (`false`: it could not be written; the lane goes on, at least once).
    Saved(Ticket, bool),
    /// The dead-letter file has it, or why not.
    Buried(Ticket, Result<(), String>),
    /// Send everything by then (monotonic).
    Drain { by: Duration },
}

/// What was told of files while a plan was being read: of each file the newest.
#[derive(Debug, Default)]
pub(super) struct ForLater {
    views: BTreeMap<FileId, FileView>,
    scanned: bool,
}

/// Everything a lane can ask for.
#[derive(Debug)]
pub enum Action {
    /// Read up to `len` bytes at `at` into the buffer and answer with `Block`.
    Read { file: FileId, at: u64, len: usize, buffer: Vec<u8> },
    /// Make one attempt and answer with `Answer`.
    Send(Batch),
    /// Append to the store; with a ticket, answer with `Saved` (after fsync when `sync`).
    Save { records: Vec<Saved>, sync: bool, then: Option<Ticket> },
    /// Append these lines to the dead-letter file, fsync, and answer with `Buried`.
    Bury { ticket: Ticket, lines: Vec<u8> },
    /// Tell the catalog how far this lane is: everything below is settled (`u64::MAX`: not this lane's file).
    Passed(Vec<(FileId, u64)>),
    /// Nothing to do before this time (monotonic), unless something happens.
    Sleep(Duration),
    /// Drained, or `--once` is through.
    Done,
}

/// One output's state machine.
pub struct Lane<F: Format> {
    pub(super) format: F,
    pub(super) settings: Settings,
    pub(super) limits: Limits,
    pub(super) pool: Arc<Pool>,
    pub(super) files: BTreeMap<FileId, LaneFile>,
    pub(super) keys: BTreeMap<usize, Key>,
    pub(super) key_of: BTreeMap<FileKey, usize>,
    pub(super) ledger: Ledger,
    pub(super) flights: BTreeMap<Ticket, Flight>,
    pub(super) decided: Vec<Decided>,
    pub(super) graves: VecDeque<Grave>,
    pub(super) open: Option<Open>,
    /// A plan goes by the sizes and ends that it began with.
    pub(super) for_later: ForLater,
    pub(super) outbox: VecDeque<Action>,
    /// Files that will be deleted soon, by key.
    pub(super) endangered: BTreeSet<(usize, FileId)>,
    /// Files with bytes that are not settled.
    pub(super) unsettled: BTreeSet<FileId>,
    pub(super) dirty: BTreeSet<FileId>,
    pub(super) to_save: Vec<Saved>,
    /// The sums go with what is to be saved.
    pub(super) sums_moved: bool,
    pub(super) parked: Option<Parking>,
    pub(super) aimd: Aimd,
    pub(super) rng: Rng,
    pub(super) now: Now,
    pub(super) next_ticket: u64,
    pub(super) next_plan: u64,
    /// The last plan was one of a key that fails.
    pub(super) probed: bool,
    /// The last plan was for files in danger alone.
    pub(super) hurried: bool,
    pub(super) buffer: Vec<u8>,
    /// What is read again or buried has no key that counts.
    pub(super) nowhere: FileKey,
    pub(super) drain: Option<Duration>,
    pub(super) scanned: Option<Duration>,
    pub(super) first_start: bool,
    pub(super) saved_positions: HashMap<FileId, Position>,
    /// Siblings together.
    pub(super) asleep: Dormitory,
    pub(super) look_for_sleepers: Duration,
    pub(super) rest_until: Duration,
    pub(super) plan_began: Duration,
    pub(super) sums: Sums,
    /// A last time, at the end.
    pub(super) sums_saved: bool,
    pub(super) tally: Tally,
}

/// This process's counters, beside the sums that are saved.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub read: BTreeMap<Arc<str>, Read>,
    pub bytes_sent: u64,
    pub requests: u64,
    pub already: u64,
    pub rejected: BTreeMap<Code, u64>,
    pub retries: BTreeMap<Code, u64>,
    pub lost: BTreeMap<String, u64>,
    pub holes: BTreeMap<String, u64>,
    pub last_settled: i64,
    pub behind_since: Option<Duration>,
    pub request: Latency,
    pub delivery: Latency,
}

impl<F: Format> Lane<F> {
    /// A lane from what its last life left. `pool` is its byte budget for sealed bodies.
    pub fn new(format: F, settings: Settings, pool: Arc<Pool>, saved: Option<LaneState>, now: Now) -> Lane<F> {
        let first_start = saved.is_none();
        let saved = saved.unwrap_or_default();
        let mut lane = Lane {
            // From the start, so that an input nothing came from shows as 0.
            tally: Tally {
                read: settings.inputs.keys().map(|name| (name.clone(), Read::default())).collect(),
                ..Tally::default()
            },
            limits: format.limits(),
            aimd: Aimd::new(settings.concurrency),
            rng: Rng::new(settings.seed),
            format,
            settings,
            pool,
            files: BTreeMap::new(),
            keys: BTreeMap::new(),
            key_of: BTreeMap::new(),
            ledger: Ledger::default(),
            flights: BTreeMap::new(),
            decided: Vec::new(),
            graves: VecDeque::new(),
            open: None,
            for_later: ForLater::default(),
            outbox: VecDeque::new(),
            endangered: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            dirty: BTreeSet::new(),
            to_save: Vec::new(),
            sums_moved: false,
            parked: None,
            now,
            next_ticket: 1,
            next_plan: 1,
            probed: false,
            hurried: false,
            buffer: Vec::new(),
            nowhere: FileKey { place: "".into(), stream: "".into() },
            drain: None,
            scanned: None,
            first_start,
            saved_positions: saved.positions,
            asleep: Dormitory::default(),
            look_for_sleepers: Duration::ZERO,
            rest_until: Duration::ZERO,
            plan_began: Duration::ZERO,
            sums: saved.sums,
            sums_saved: false,
        };
        lane.resume(saved.attempts, saved.uploads, saved.intents);
        lane
    }

    /// Takes one event in and says the next thing to do. Call again with `Tick` until it says `Sleep` or `Done`.
    pub fn step(&mut self, now: Now, event: Event) -> Action {
        self.now = now;
        self.take_in(event);
        self.next_action()
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Tick => {}
            Event::Files(views) if self.open.is_some() => {
                self.for_later.views.extend(views.into_iter().map(|view| (view.file.id, view)));
            }
            Event::Scanned if self.open.is_some() => self.for_later.scanned = true,
            Event::Files(views) => self.on_files(views),
            Event::Scanned => {
                self.scanned = Some(self.now.mono);
                let once = self.settings.once.is_some();
                self.files.values_mut().for_each(|f| f.all_here = once);
            }
            Event::Block(buffer, read) => self.on_block(buffer, read),
            Event::Answer(ticket, verdict) => self.on_answer(ticket, verdict),
            Event::Saved(ticket, durable) => self.on_saved(ticket, durable),
            Event::Buried(ticket, result) => self.on_buried(ticket, result),
            Event::Drain { by } => {
                self.drain = Some(self.drain.map_or(by, |d| d.min(by)));
                self.wake_keys();
            }
        }
    }

    fn take_in_what_waited(&mut self) {
        let ForLater { views, scanned } = std::mem::take(&mut self.for_later);
        if !views.is_empty() {
            self.take_in(Event::Files(views.into_values().collect()));
        }
        // Only after the files that it speaks of.
        if scanned {
            self.take_in(Event::Scanned);
        }
    }

    /// That files grew can be told this much later, together: their bytes carry their age, and are due much later still.
    pub fn company(&self) -> Duration {
        let hurried = self.drain.is_some() || self.settings.once.is_some();
        if hurried { Duration::ZERO } else { (self.settings.max_age / 10).min(COMPANY) }
    }

    pub(super) fn next_action(&mut self) -> Action {
        // Bounded: each round hands out an action, opens or ends a plan, or finds nothing to do.
        loop {
            if self.open.is_none() {
                self.take_in_what_waited();
            }
            self.save_what_moved();
            if let Some(action) = self.outbox.pop_front() {
                return action;
            }
            if let Some(action) = self.send_ready() {
                return action;
            }
            if self.open.is_some() {
                match self.pump_next() {
                    Next::Read { file, at, len } => {
                        return Action::Read { file, at, len, buffer: std::mem::take(&mut self.buffer) };
                    }
                    Next::Done => self.seal(),
                }
                continue;
            }
            if self.open_plan() {
                continue;
            }
            if self.is_done() {
                return self.last_save();
            }
            self.put_to_sleep();
            self.rest();
            return Action::Sleep(self.wake_at());
        }
    }

    /// Settled positions and other notes go to the store; the catalog hears how far we are.
    pub(super) fn save_what_moved(&mut self) {
        if self.dirty.is_empty() && self.to_save.is_empty() {
            return;
        }
        let (dirty, notes) = (std::mem::take(&mut self.dirty), std::mem::take(&mut self.to_save));
        let mut passed = Vec::new();
        // Positions first: a torn tail may then cost a note twice, never a position.
        let mut records = Vec::with_capacity(dirty.len() + notes.len() + 1);
        let mut moved = std::mem::take(&mut self.sums_moved);
        for file in dirty {
            if let Some(account) = self.ledger.account(file) {
                let lane = self.settings.id.clone();
                records.push(Saved::Position { lane, file, position: account.position() });
                passed.push((file, self.passed(file)));
                moved = true;
            }
        }
        records.extend(notes);
        // In one write with what they count: after a crash neither says more than the other.
        if moved {
            records.push(Saved::Sums { lane: self.settings.id.clone(), sums: self.sums.clone() });
        }
        self.outbox.push_back(Action::Save { records, sync: false, then: None });
        if !passed.is_empty() {
            self.outbox.push_back(Action::Passed(passed));
        }
    }
    pub(super) fn last_save(&mut self) -> Action {
        if !self.sums_saved {
            self.sums_saved = true;
            let sums = Saved::Sums { lane: self.settings.id.clone(), sums: self.sums.clone() };
            return Action::Save { records: vec![sums], sync: false, then: None };
        }
        Action::Done
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }
    pub(super) fn rule(&self) -> Rule {
        // A part that ends just short of its size would be an object of its own: aim past it, the body ends it in time.
        let margin = if self.limits.object_bytes > 0 { self.limits.sent_bytes / 4 } else { 0 };
        Rule {
            max_age: self.settings.max_age,
            sent_bytes: self.limits.sent_bytes + margin,
            plain_bytes: self.limits.plain_bytes,
            all: self.drain.is_some() || self.settings.once.is_some(),
        }
    }
}
