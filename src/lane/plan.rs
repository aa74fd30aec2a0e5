//! What is read for the key that is due (`pick`), and how a filled batch is sealed.

use super::batch::{Code, Job, Reason, Ticket};
use super::bury::Burial;
use super::flight::{Flight, Grave, Kind, Phase};
use super::format::{Finished, Format};
use super::keys::Queue;
use super::ledger::Run;
use super::pump::{Env, Next, Pump, Source};
use super::sink::{Mode, Sink};
use super::step::{Action, Lane};
use crate::catalog::view::Found;
use crate::record::{FileId, Mark, Span};
use crate::seeded::{Bug, seeded};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Reading stops this long before the end of a drain: what is open is sealed, sent and saved.
const LAST_READ: Duration = Duration::from_secs(8);
/// A file that could not be read is left alone for so long: the catalog will say what became of it.
const READ_AGAIN: Duration = Duration::from_millis(500);
/// A lane with older unread bytes than this is catching up.
const BEHIND: i64 = 60 * 1_000_000_000;

/// What an open plan is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Unread bytes of a key.
    Deliver { key: usize },
    /// The decided object of this name, again.
    Again { name: Arc<str> },
    /// The records of the first grave.
    Bury { ticket: Ticket },
}

/// The plan that is being read.
pub(super) struct Open {
    pub purpose: Purpose,
    /// The files of a key that it reads.
    pub named: Vec<FileId>,
    pub pump: Pump,
    pub oldest_seen: i64,
    pub behind: bool,
}

impl<F: Format> Lane<F> {
    /// Opens the most pressing plan, if there is room for what it yields.
    pub(super) fn open_plan(&mut self) -> bool {
        if self.reading_stopped() || !self.has_room() {
            return false;
        }
        if self.open_grave() || self.open_again() {
            return true;
        }
        // What will be deleted soon does not wait for a catching-up lane's rest.
        let resting = self.now.mono < self.rest_until && self.drain.is_none();
        while let Some((key, danger)) = self.pick(resting) {
            if self.open_key(key, danger) {
                return true;
            }
        }
        false
    }
    pub(super) fn reading_stopped(&self) -> bool {
        self.drain.is_some_and(|by| self.now.mono.saturating_add(LAST_READ) >= by)
    }
    /// Room for one more body: a slot, and bytes for twice the usual one. One body is always allowed.
    pub(super) fn has_room(&self) -> bool {
        if let Some(p) = &self.parked
            && (self.now.mono < p.until || !self.flights.is_empty())
        {
            return false;
        }
        if self.flights.is_empty() {
            return true;
        }
        let usual = self.flights.values().map(Flight::bytes).max().unwrap_or(0).max(64 * 1024);
        let used = self.pool.used() as u64;
        self.flights.len() <= self.settings.concurrency && used + 2 * usual <= self.pool.budget() as u64
    }

    /// Opens a plan for this key, or closes its aged object; false when there was nothing to read after all.
    fn open_key(&mut self, id: usize, danger: bool) -> bool {
        self.next_plan += 1;
        let (rule, plan) = (self.rule(), self.next_plan);
        let Some(key) = self.keys.get_mut(&id) else { return false };
        key.planned = plan;
        self.probed = key.failing;
        key.tried.get_or_insert(self.now.mono);
        let Some(queue) = self.keys.get(&id).map(|key| self.queue(id, key, danger)) else { return false };
        if queue.bytes == 0 {
            return self.close_objects(id);
        }
        self.hurried = danger;
        let Queue { files: queue, for_joins, oldest, .. } = queue;
        let Some(key) = self.keys.get_mut(&id) else { return false };
        key.served = queue.front().and_then(|f| self.files.get(f)).map(|f| f.view.file.place.chain);
        let max_record = queue
            .front()
            .and_then(|f| self.files.get(f))
            .and_then(|f| self.settings.inputs.get(&f.input))
            .map_or(1 << 20, |(_, max)| *max);
        let sink = Sink::new(Mode::Deliver, self.limits.per_item, self.settings.merge_json);
        let target = key.target(&rule);
        let oldest = oldest.unwrap_or(i64::MAX);
        let behind = self.now.unix_ns.saturating_sub(oldest) > BEHIND;
        self.plan_began = self.now.mono;
        let named = queue.iter().copied().collect();
        let mut pump = Pump::new(Source::Files(queue), sink, max_record, target);
        pump.for_joins = for_joins;
        self.open = Some(Open { purpose: Purpose::Deliver { key: id }, named, pump, oldest_seen: oldest, behind });
        true
    }
    fn open_grave(&mut self) -> bool {
        let now = self.now.mono;
        let Some(grave) = self.graves.iter().find(|g| !g.out && now >= g.retry_at) else { return false };
        let sink = Sink::new(Mode::Bury(grave.burial.clone()), false, false);
        let of_record = |spans: &'_ Vec<Span>| {
            let last = spans.len().saturating_sub(1);
            spans.iter().copied().enumerate().map(move |(at, span)| (span, at == last)).collect::<Vec<_>>()
        };
        let spans: VecDeque<(Span, bool)> = grave.records.iter().flat_map(of_record).collect();
        self.open = Some(Open {
            purpose: Purpose::Bury { ticket: grave.ticket },
            named: Vec::new(),
            pump: Pump::new(Source::Spans(spans), sink, usize::MAX / 2, u64::MAX),
            oldest_seen: i64::MAX,
            behind: false,
        });
        true
    }

    /// What the open plan wants next.
    pub(super) fn pump_next(&mut self) -> Next {
        let Some(open) = &mut self.open else { return Next::Done };
        let most = match open.purpose {
            Purpose::Deliver { key } => self.keys.get(&key).and_then(|k| k.most_records),
            Purpose::Again { .. } | Purpose::Bury { .. } => None,
        };
        let body_full = self.format.sent_len() >= self.limits.sent_bytes
            || self.format.plain_len() >= self.limits.plain_bytes
            || open.pump.sink.taken.0 >= u64::from(self.limits.items);
        let full = match open.purpose {
            Purpose::Deliver { .. } | Purpose::Again { .. } => {
                body_full || most.is_some_and(|most| open.pump.sink.taken.0 >= most)
            }
            Purpose::Bury { .. } => false,
        };
        open.pump.sink.most_records = most;
        let key = match open.purpose {
            Purpose::Deliver { key } => self.keys.get(&key).map(|k| &k.name),
            Purpose::Again { .. } | Purpose::Bury { .. } => None,
        };
        let env = Env { files: &self.files, ledger: &self.ledger, key: key.unwrap_or(&self.nowhere), now: self.now };
        open.pump.next(&mut self.format, &env, full)
    }

    /// A block came.
    pub(super) fn on_block(&mut self, buffer: Vec<u8>, read: std::io::Result<Found>) {
        let Some(open) = &mut self.open else {
            self.buffer = buffer;
            return;
        };
        let key = match open.purpose {
            Purpose::Deliver { key } => self.keys.get(&key).map(|k| &k.name),
            Purpose::Again { .. } | Purpose::Bury { .. } => None,
        };
        let env = Env { files: &self.files, ledger: &self.ledger, key: key.unwrap_or(&self.nowhere), now: self.now };
        let file = open.pump.reading();
        match read {
            Ok(Found::Hole(to)) => open.pump.hole(&mut self.format, &env, to),
            Ok(Found::Bytes(n)) if n > 0 => {
                open.pump.block(&mut self.format, &env, buffer.get(..n).unwrap_or(&[]));
            }
            Ok(Found::Bytes(_)) | Err(_) => {
                open.pump.block(&mut self.format, &env, &[]);
                if let Some(file) = file.and_then(|f| self.files.get_mut(&f)) {
                    file.retry_at = self.now.mono + READ_AGAIN;
                }
            }
        }
        self.buffer = buffer;
    }

    /// The open plan is through: seal what it yielded.
    pub(super) fn seal(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        open.pump.intake.add_to(&mut self.tally.read);
        self.note_holes(&open.pump.holes);
        for (file, at, long) in std::mem::take(&mut open.pump.cuts) {
            if let Some(f) = self.files.get_mut(&file) {
                f.cut_at(at, long);
            }
        }
        for (start, looked) in std::mem::take(&mut open.pump.looked) {
            if let Some(f) = self.files.get_mut(&start.file) {
                f.look(start.start, looked);
            }
        }
        for (file, size) in std::mem::take(&mut open.pump.deferred) {
            if let Some(f) = self.files.get_mut(&file) {
                f.deferred = Some(size);
            }
        }
        match open.purpose.clone() {
            Purpose::Again { name } if open.pump.interrupted => self.again_later(&name),
            Purpose::Bury { ticket } if open.pump.interrupted => {
                if let Some(grave) = self.graves.iter_mut().find(|g| g.ticket == ticket) {
                    grave.retry_at = self.now.mono + READ_AGAIN;
                }
            }
            Purpose::Deliver { key } => self.seal_key(key, open),
            Purpose::Again { name } => self.seal_again(&name, open),
            Purpose::Bury { ticket } => self.seal_grave(ticket, open),
        }
    }

    fn seal_key(&mut self, id: usize, mut open: Open) {
        let runs = open.pump.take_runs();
        let sink = &mut open.pump.sink;
        let refused = std::mem::take(&mut sink.refused);
        let files: Vec<FileId> = runs.iter().map(|r| r.span.file).collect();
        if runs.is_empty() && refused.is_empty() {
            self.format.clear();
            return self.nothing_read(&open.named);
        }
        let mut graves: BTreeMap<Reason, Vec<Vec<Span>>> = BTreeMap::new();
        for (reason, spans) in refused {
            graves.entry(reason).or_default().push(spans);
        }
        for (reason, records) in graves {
            self.bury(Some(id), records, Code::new(reason.as_str()), String::new());
        }
        let ticket = self.ticket();
        self.ledger.take(ticket, runs);
        let mut noted = !self.limits.note_attempts || seeded(Bug::AttemptNotNoted);
        for end in std::mem::take(&mut open.pump.ended) {
            if self.ledger.cut(end.file, end.end) {
                self.dirty.insert(end.file);
                noted = false;
            }
        }
        if sink.taken.0 == 0 {
            self.format.clear();
            let drops = sink.drops;
            self.settle(Some(id), ticket, &[], (0, 0), drops);
        } else {
            let finished = self.format.finish();
            let (plain, sent) = finished.bodies.iter().fold((0, 0), |(p, s), b| (p + b.plain, s + b.len));
            if let Some(key) = self.keys.get_mut(&id) {
                key.learn(open.pump.raw, plain, sent);
            }
            self.launch(id, ticket, &mut open, finished, noted);
        }
        for file in files {
            self.note_behind(file);
        }
        if open.behind && self.drain.is_none() && self.settings.once.is_none() {
            let share = u32::from(self.settings.catch_up.share_percent.clamp(1, 100));
            let worked = self.now.mono.saturating_sub(self.plan_began).min(Duration::from_secs(1));
            self.rest_until = self.now.mono + worked * (100 - share) / share;
        }
    }

    /// A due key gave nothing: what the plan named changed under us; look there again a little later. Who was not named
    /// does not wait for that: the files in danger of one pod may be ones that nobody can read any more.
    fn nothing_read(&mut self, named: &[FileId]) {
        let later = self.now.mono + Duration::from_millis(200);
        for file in named {
            if let Some(file) = self.files.get_mut(file) {
                file.retry_at = file.retry_at.max(later);
            }
        }
    }

    /// A sealed body becomes a flight.
    fn launch(&mut self, id: usize, ticket: Ticket, open: &mut Open, finished: Finished, noted: bool) {
        let Some(key) = self.keys.get(&id) else { return };
        let sink = &mut open.pump.sink;
        let first_ns = sink.first_ns.unwrap_or(0);
        let target = self.format.target(&key.name, first_ns);
        let flight = Flight {
            key: Some(id),
            batch: super::batch::Batch {
                ticket,
                target,
                job: Job::Send,
                bodies: finished.bodies,
                items: finished.items,
            },
            kind: Kind::Plain,
            items: std::mem::take(&mut sink.items),
            record_of_item: finished.record_of_item,
            taken: sink.taken,
            drops: sink.drops,
            attempts: 0,
            first: None,
            phase: Phase::Waiting(self.now.mono),
            oldest_ns: sink.oldest_ns,
            quiet: Duration::ZERO,
            noted,
        };
        if self.limits.object_bytes > 0 {
            let bucket = sink.bucket.unwrap_or(0);
            return self.launch_object(id, flight, bucket, first_ns, open.oldest_seen);
        }
        self.add_flight(flight);
    }
    pub(super) fn add_flight(&mut self, flight: Flight) {
        if let Some(key) = flight.key.and_then(|k| self.keys.get_mut(&k)) {
            key.out += 1;
        }
        self.flights.insert(flight.batch.ticket, flight);
    }

    /// Records that go to the dead-letter file: their spans are taken until it has them.
    pub(super) fn bury(&mut self, key: Option<usize>, records: Vec<Vec<Span>>, code: Code, say: String) {
        if records.is_empty() {
            return;
        }
        let ticket = self.ticket();
        let runs = records.iter().flatten().map(|s| Run { span: *s, mark: Mark::NONE }).collect();
        self.ledger.take(ticket, runs);
        let destination = key.and_then(|k| self.keys.get(&k)).map_or(String::new(), |k| k.name.to_string());
        let burial = Burial { output: self.settings.output.to_string(), destination, code, say };
        let (since, retry_at) = (self.now.mono, self.now.mono);
        self.graves.push_back(Grave {
            ticket,
            records,
            burial,
            key,
            missing: BTreeMap::new(),
            since,
            retry_at,
            out: false,
            taken: (0, 0),
        });
    }
    fn seal_grave(&mut self, ticket: Ticket, mut open: Open) {
        let lines = std::mem::take(&mut open.pump.sink.buried);
        let Some(grave) = self.graves.iter_mut().find(|g| g.ticket == ticket) else { return };
        grave.out = true;
        grave.taken = open.pump.sink.taken;
        grave.missing = std::mem::take(&mut open.pump.missing);
        if lines.is_empty() {
            return self.on_buried(ticket, Ok(()));
        }
        self.outbox.push_back(Action::Bury { ticket, lines });
        if seeded(Bug::BuriedBeforeSync) {
            self.on_buried(ticket, Ok(()));
        }
    }
}
