//! Sending sealed batches and judging what the service said: the one place where retry is decided.

use super::batch::{Code, Job, PartTag, Reason, Scope, Ticket, Verdict};
use super::flight::{Flight, Kind, Phase};
use super::format::Format;
use super::retry::{KEEP_ATTEMPTS, KEEP_FOR, Parking, wait_after};
use super::sink::Count;
use super::step::{Action, Lane};
use crate::record::{FileId, Span};
use crate::seeded::{Bug, seeded};
use crate::store::saved::Saved;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Distinct codes kept in counters; further ones count as `other`.
const MAX_CODES: usize = 32;

impl<F: Format> Lane<F> {
    /// The next attempt that may leave, or the note that has to be on disk before it.
    pub(super) fn send_ready(&mut self) -> Option<Action> {
        let out = self.flights.values().filter(|f| matches!(f.phase, Phase::Sent(_))).count();
        let closed = self.parked.as_ref().is_some_and(|p| self.now.mono < p.until || out > 0);
        if closed || out >= self.aimd.limit() {
            return None;
        }
        let now = self.now.mono;
        let flight = self.flights.values_mut().find(|f| matches!(f.phase, Phase::Waiting(t) if t <= now))?;
        let ticket = flight.batch.ticket;
        let (noted, records) = (flight.noted, flight.taken.0 as u32);
        if !noted && !seeded(Bug::IntentAfterSend) {
            flight.phase = Phase::Saving;
            return Some(self.note(ticket, records));
        }
        flight.attempts += 1;
        flight.first.get_or_insert(now);
        flight.phase = Phase::Sent(now);
        self.tally.requests += 1;
        self.tally.bytes_sent += flight.bytes();
        let batch = flight.batch.clone();
        if !noted && seeded(Bug::IntentAfterSend) {
            let note = self.note(ticket, records);
            self.outbox.push_back(note);
        }
        if seeded(Bug::PositionBeforeAnswer) {
            let files = self.ledger.settle(ticket, &[]);
            self.moved(&files);
        }
        Some(Action::Send(batch))
    }
    pub(super) fn note(&self, ticket: Ticket, records: u32) -> Action {
        let lane = self.settings.id.clone();
        let kind = self.flights.get(&ticket).map(|f| &f.kind);
        let intent = match kind {
            Some(Kind::Object { name }) => self.intent(name),
            Some(Kind::Plain | Kind::Part { .. } | Kind::Again { .. } | Kind::Abandon { .. }) | None => None,
        };
        let sync = intent.is_some();
        let records = match intent {
            Some(intent) => vec![Saved::Intent { lane, intent }],
            None if self.limits.note_attempts => vec![Saved::Attempt { lane, ticket: ticket.0, records }],
            // Positions with new cuts were handed over before: this is answered when they are written.
            None => Vec::new(),
        };
        Action::Save { records, sync, then: Some(ticket) }
    }
    pub(super) fn on_saved(&mut self, ticket: Ticket, _durable: bool) {
        // Not durable: the store says so itself (log, metric); delivery goes on, at least once.
        if let Some(flight) = self.flights.get_mut(&ticket)
            && flight.phase == Phase::Saving
        {
            flight.noted = true;
            flight.phase = Phase::Waiting(self.now.mono);
        }
    }

    pub(super) fn on_answer(&mut self, ticket: Ticket, verdict: Verdict) {
        let Some(Phase::Sent(sent)) = self.flights.get(&ticket).map(|f| f.phase) else { return };
        let Some(mut flight) = self.flights.remove(&ticket) else { return };
        self.tally.request.record(self.now, self.now.mono.saturating_sub(sent));
        if self.limits.note_attempts && flight.kind == Kind::Plain {
            self.to_save.push(Saved::Answered { lane: self.settings.id.clone(), ticket: ticket.0 });
            flight.noted = false;
        }
        match verdict {
            Verdict::Delivered { already } => {
                self.tally.already += u64::from(already);
                self.went_well(&flight);
                self.delivered(flight, already);
            }
            Verdict::Items(items) => self.judge(flight, items),
            Verdict::Staged { upload, tag } => {
                self.went_well(&flight);
                self.staged(flight, upload, tag);
            }
            Verdict::Retry { after, code, scope, say } => self.trouble(flight, (code, say), scope, after),
            Verdict::Unknown { .. } if seeded(Bug::LostAnswerIsDelivered) => self.delivered(flight, 0),
            Verdict::Unknown { code, scope, say } => {
                if self.limits.note_attempts {
                    // With the answer in one write: a crash must not lose the count.
                    self.sums.possible_duplicates += flight.taken.0;
                    let (lane, sums) = (self.settings.id.clone(), self.sums.clone());
                    self.to_save.push(Saved::Sums { lane, sums });
                }
                if let Kind::Object { name } = &flight.kind
                    && let Some(d) = self.decided.iter_mut().find(|d| d.name == *name)
                {
                    d.unsure = d.found.clone();
                }
                self.trouble(flight, (code, say), scope, None);
            }
            Verdict::Hold { code, say, .. } if seeded(Bug::HoldIsReject) => self.refuse(flight, code, say),
            Verdict::Hold { code, say, .. } if seeded(Bug::KeyParksLane) => self.park_lane(flight, (code, say), None),
            Verdict::Hold { code, scope, say } => self.hold(flight, (code, say), scope),
            Verdict::Reject { code, say } => self.refuse(flight, code, say),
            Verdict::Split { code } => self.refuse(flight, code, "too large as one request".into()),
            Verdict::NoUpload => self.no_upload(flight),
        }
    }

    /// The destination and this key work.
    pub(super) fn went_well(&mut self, flight: &Flight) {
        self.aimd.went_well();
        if self.parked.take().is_some() {
            self.wake_keys();
            for flight in self.flights.values_mut() {
                if matches!(flight.phase, Phase::Waiting(_)) {
                    flight.phase = Phase::Waiting(self.now.mono.max(flight.quiet));
                }
            }
        }
        if let Some(key) = flight.key.and_then(|k| self.keys.get_mut(&k)) {
            key.parked = None;
            key.failing = false;
            (key.progress, key.tried) = (self.now.mono, None);
            key.most_records = key.most_records.map(|m| m.saturating_mul(2)).filter(|m| *m < 100_000);
        }
    }
    pub(super) fn delivered(&mut self, flight: Flight, already: u32) {
        let latency = self.now.unix_ns.saturating_sub(flight.oldest_ns);
        if flight.oldest_ns != i64::MAX {
            self.tally.delivery.record(self.now, Duration::from_nanos(u64::try_from(latency).unwrap_or(0)));
        }
        match &flight.kind {
            Kind::Object { name } => self.object_done(&name.clone(), already > 0),
            Kind::Abandon { name } => self.closed(&name.clone()),
            Kind::Plain | Kind::Part { .. } | Kind::Again { .. } => {
                self.settle(flight.key, flight.batch.ticket, &[], flight.taken, flight.drops);
            }
        }
        self.landed(&flight);
    }
    /// A flight is over, however it ended.
    pub(super) fn landed(&mut self, flight: &Flight) {
        if let Some(id) = flight.key {
            if let Some(key) = self.keys.get_mut(&id) {
                key.out = key.out.saturating_sub(1);
            }
            self.drop_idle_key(id);
        }
    }

    /// Ends a ticket: positions move, sums grow.
    pub(super) fn settle(
        &mut self,
        key: Option<usize>,
        ticket: Ticket,
        except: &[Span],
        delivered: Count,
        drops: [Count; Reason::ALL.len()],
    ) {
        let files = self.book(key, ticket, except, delivered, drops);
        self.moved(&files);
    }
    /// First half of `settle`: what is to be buried must be taken before anything unread of a lost file is given up.
    pub(super) fn book(
        &mut self,
        key: Option<usize>,
        ticket: Ticket,
        except: &[Span],
        delivered: Count,
        drops: [Count; Reason::ALL.len()],
    ) -> Vec<FileId> {
        let files = self.ledger.settle(ticket, except);
        self.sums.delivered.0 += delivered.0;
        self.sums.delivered.1 += delivered.1;
        for (sum, drop) in self.sums.dropped.iter_mut().zip(drops) {
            sum.0 += drop.0;
            sum.1 += drop.1;
        }
        self.tally.last_settled = self.now.unix_ns;
        if let Some(key) = key.and_then(|k| self.keys.get_mut(&k)) {
            (key.progress, key.tried) = (self.now.mono, None);
        }
        files
    }
    pub(super) fn moved(&mut self, files: &[FileId]) {
        // All of them before anything is saved: the sums count them all.
        self.dirty.extend(files);
        for file in files {
            self.note_behind(*file);
            self.lose_what_is_gone(*file);
        }
    }
    /// A ticket's bytes are unread again.
    pub(super) fn give_back(&mut self, ticket: Ticket) {
        for run in self.ledger.give_back(ticket) {
            if let Some(file) = self.files.get_mut(&run.span.file) {
                file.deferred = None;
            }
            self.note_behind(run.span.file);
            self.lose_what_is_gone(run.span.file);
        }
    }

    /// Busy, failing or silent: the same body again, then its key is parked.
    pub(super) fn trouble(&mut self, mut flight: Flight, why: (Code, String), scope: Scope, wish: Option<Duration>) {
        self.aimd.went_badly(self.now.mono);
        count(&mut self.tally.retries, &why.0);
        if let Some(wish) = wish {
            flight.quiet = self.now.mono.saturating_add(wish);
            self.keep_quiet(flight.key, flight.quiet);
        }
        if scope == Scope::Lane {
            return self.park_lane(flight, why, wish);
        }
        if let Some(key) = flight.key.and_then(|k| self.keys.get_mut(&k)) {
            key.failing = true;
        }
        let kept = flight.first.map_or(Duration::ZERO, |f| self.now.mono.saturating_sub(f));
        if flight.attempts < KEEP_ATTEMPTS && kept < KEEP_FOR {
            let wait = wait_after(flight.attempts, wish, &mut self.rng);
            flight.phase = Phase::Waiting(self.now.mono.saturating_add(wait));
            self.flights.insert(flight.batch.ticket, flight);
            return;
        }
        self.put_down(flight, why, wish);
    }
    /// What else is sealed for this key waits as long as the service wished.
    pub(super) fn keep_quiet(&mut self, key: Option<usize>, until: Duration) {
        for flight in self.flights.values_mut().filter(|f| key.is_some() && f.key == key) {
            flight.quiet = flight.quiet.max(until);
            if let Phase::Waiting(at) = flight.phase {
                flight.phase = Phase::Waiting(at.max(until));
            }
        }
    }
    /// Wrong for the destination, not for the records: parked at once, never dropped.
    pub(super) fn hold(&mut self, flight: Flight, why: (Code, String), scope: Scope) {
        count(&mut self.tally.retries, &why.0);
        match scope {
            Scope::Lane => self.park_lane(flight, why, None),
            Scope::Key => self.put_down(flight, why, None),
        }
    }
    /// Trouble with the whole destination: sealed bodies stay, one of them probes.
    pub(super) fn park_lane(&mut self, mut flight: Flight, why: (Code, String), wish: Option<Duration>) {
        let before = self.parked.take();
        let answers_late = before.as_ref().is_some_and(|p| self.now.mono < p.until);
        let parking = match before {
            Some(p) if answers_late => p,
            before => Parking::again(before, self.now, why, wish, &mut self.rng),
        };
        flight.phase = Phase::Waiting(parking.until);
        self.parked = Some(parking);
        self.flights.insert(flight.batch.ticket, flight);
    }
    /// Parks what the flight was for and lets go of its body.
    pub(super) fn put_down(&mut self, flight: Flight, why: (Code, String), wish: Option<Duration>) {
        let mut parks = flight.key;
        match &flight.kind {
            Kind::Object { name } | Kind::Again { name, .. } => {
                let name = name.clone();
                parks = parks.or_else(|| self.key_of_object(&name));
                self.park_object(&name, &flight, &why, wish);
            }
            Kind::Part { name } => {
                let name = name.clone();
                self.give_back(flight.batch.ticket);
                self.part_failed(flight.key, &name);
            }
            Kind::Plain => self.give_back(flight.batch.ticket),
            Kind::Abandon { name } => self.closed(&name.clone()),
        }
        if let Some(key) = parks {
            self.park_key(key, why, wish);
        }
        self.landed(&flight);
    }
    pub(super) fn park_key(&mut self, id: usize, why: (Code, String), wish: Option<Duration>) {
        let Some(key) = self.keys.get_mut(&id) else { return };
        let before = key.parked.take();
        let late = before.as_ref().is_some_and(|p| self.now.mono < p.until);
        key.parked = Some(match before {
            Some(p) if late => p,
            before => Parking::again(before, self.now, why, wish, &mut self.rng),
        });
        key.failing = true;
    }

    /// A flight without records or bodies: complete or abandon.
    pub(super) fn errand(&mut self, key: Option<usize>, job: Job, kind: Kind, noted: bool) {
        let ticket = self.ticket();
        let records = |name: &Arc<str>| self.decided.iter().find(|d| d.name == *name).map_or(0, |d| d.taken.0);
        // Of a life before it is not known how many; that it is there already must be told from that it is there now.
        let items = if let Kind::Object { name } = &kind { records(name).max(1) as u32 } else { 0 };
        let nowhere = super::batch::Target { place: "".into(), stream: "".into() };
        self.add_flight(Flight {
            key,
            batch: super::batch::Batch { ticket, target: nowhere, job, bodies: Vec::new(), items },
            kind,
            items: Default::default(),
            record_of_item: Vec::new(),
            taken: (0, 0),
            drops: Default::default(),
            attempts: 0,
            first: None,
            phase: Phase::Waiting(self.now.mono),
            oldest_ns: i64::MAX,
            quiet: Duration::ZERO,
            noted,
        });
    }
    /// An answered part.
    pub(super) fn staged(&mut self, flight: Flight, upload: Arc<str>, tag: PartTag) {
        match flight.kind.clone() {
            Kind::Part { name } => self.part_staged(&flight, &name, upload, tag),
            Kind::Again { name, found, .. } => self.again_staged(&name, upload, tag, found),
            Kind::Plain | Kind::Object { .. } | Kind::Abandon { .. } => self.give_back(flight.batch.ticket),
        }
        self.landed(&flight);
    }
}

/// Counts under a code, of a bounded number of codes.
pub(super) fn count(counts: &mut BTreeMap<Code, u64>, code: &Code) {
    let room = counts.len() < MAX_CODES || counts.contains_key(code);
    let code = if room { code.clone() } else { Code::new("other") };
    *counts.entry(code).or_default() += 1;
}
