//! S3 objects in a lane: filled in parts, decided by a durable intent, completed or sent again under the same name.
//!
//! Promises: an object's name and spans are durable before the attempt that creates it, and never change after; what
//! is in an answered part is not read again. Leaves requests to the service, spans to the ledger.

use super::answer::count;
use super::batch::{Code, Job, PartTag, Target, Ticket};
use super::flight::{Flight, Kind, Phase};
use super::format::Format;
use super::ledger::{Account, Run};
use super::object::{Decided, OpenObject, Redo};
use super::plan::{Open, Purpose};
use super::pump::{Pump, Source};
use super::retry::Parking;
use super::sink::{Mode, Sink};
use super::spans::SpanSet;
use super::step::Lane;
use crate::record::{Mark, Span};
use crate::store::saved::{Intent, OpenUpload, Saved};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// S3 takes at most 10,000 parts.
const MAX_PARTS: u16 = 10_000;
/// Files of an intent that were not offered for so long after the first scan are taken as gone.
const GONE_AFTER: Duration = Duration::from_secs(60);

impl<F: Format> Lane<F> {
    /// What the last life left undone.
    pub(super) fn resume(
        &mut self,
        attempts: BTreeMap<u64, u32>,
        uploads: BTreeMap<Arc<str>, OpenUpload>,
        intents: Vec<Intent>,
    ) {
        let lane = self.settings.id.clone();
        for (ticket, records) in attempts {
            self.sums.possible_duplicates += u64::from(records);
            self.to_save.push(Saved::Answered { lane: lane.clone(), ticket });
            self.next_ticket = self.next_ticket.max(ticket);
        }
        self.to_save.push(Saved::Sums { lane: lane.clone(), sums: self.sums.clone() });
        for (name, mut open) in uploads {
            // They were noted as their answers came; Complete names them in order.
            open.parts.sort_by_key(|(tag, _)| tag.number);
            if intents.iter().any(|i| i.name == name) {
                continue;
            }
            match (open.upload, open.parts.is_empty()) {
                (Some(upload), false) => {
                    let spans = open.parts.iter().flat_map(|(_, spans)| spans.iter().copied()).collect();
                    let parts = open.parts.into_iter().map(|(tag, _)| tag).collect();
                    let intent = Intent { name, spans, upload: Some((upload, parts)) };
                    self.to_save.push(Saved::Intent { lane: lane.clone(), intent: intent.clone() });
                    self.adopt(intent);
                }
                (upload, _) => {
                    let job = Job::Abandon { name: name.clone(), upload };
                    self.errand(None, job, Kind::Abandon { name }, true);
                }
            }
        }
        for intent in intents {
            if self.is_settled(&intent.spans) {
                self.to_save.push(Saved::Closed { lane: lane.clone(), name: intent.name });
            } else {
                self.adopt(intent);
            }
        }
    }
    fn is_settled(&self, spans: &[Span]) -> bool {
        spans.iter().all(|s| {
            let account = self.saved_positions.get(&s.file).map(|p| Account::open(Some(p)));
            account.is_some_and(|a| a.gap(s.start, s.end).is_none())
        })
    }
    fn adopt(&mut self, intent: Intent) {
        let ticket = self.ticket();
        let runs = intent.spans.iter().map(|s| Run { span: *s, mark: Mark::NONE }).collect();
        for span in &intent.spans {
            // It may be completed before its files are offered: that must move their positions all the same.
            self.ledger.open(span.file, Account::open(self.saved_positions.get(&span.file)));
        }
        self.ledger.take(ticket, runs);
        let bytes = intent.spans.iter().map(Span::len).sum();
        self.decided.push(Decided {
            ticket,
            name: intent.name,
            spans: intent.spans,
            upload: intent.upload,
            busy: false,
            parked: None,
            // How many records those bytes were is not known any more; the bytes are.
            taken: (0, bytes),
            drops: Default::default(),
            oldest_ns: i64::MAX,
            since: self.now.mono,
            missing: 0,
            missing_unsure: 0,
            redo: None,
        });
    }
    /// As it goes to disk.
    pub(super) fn intent(&self, name: &Arc<str>) -> Option<Intent> {
        let d = self.decided.iter().find(|d| d.name == *name)?;
        Some(Intent { name: d.name.clone(), spans: d.spans.clone(), upload: d.upload.clone() })
    }

    /// A sealed body of an S3 key: an object of its own, or a part.
    pub(super) fn launch_object(&mut self, id: usize, mut flight: Flight, bucket: i64, first_ns: i64, seen: i64) {
        let full = flight.bytes() >= self.limits.sent_bytes as u64;
        let random = self.rng.bits();
        let name: Arc<str> = self.format.object_name(&flight.batch.target, first_ns, random).into();
        let ticket = self.ticket();
        let Some(key) = self.keys.get_mut(&id) else { return };
        for object in key.objects.iter_mut().filter(|o| o.bucket != bucket) {
            object.closing = true;
        }
        let open = key.objects.iter_mut().position(|o| !o.closing);
        if open.is_none() && !full {
            self.decide_put(flight, name);
            return self.complete_closing(id);
        }
        if open.is_none() {
            let target = flight.batch.target.clone();
            self.to_save.push(Saved::Upload { lane: self.settings.id.clone(), name: name.clone(), upload: None });
            key.objects.push(new_object(ticket, name, target, bucket, seen));
        }
        let Some(object) = key.objects.iter_mut().find(|o| !o.closing) else { return };
        let number = object.next_part;
        object.next_part += 1;
        object.parts_out += 1;
        object.bytes += flight.bytes();
        object.oldest_seen = object.oldest_seen.min(seen);
        object.closing = !full || object.bytes >= self.limits.object_bytes || object.next_part > MAX_PARTS;
        flight.batch.job = Job::Part { name: object.name.clone(), upload: object.upload.clone(), number };
        flight.kind = Kind::Part { name: object.name.clone() };
        flight.noted = true;
        self.add_flight(flight);
        self.complete_closing(id);
    }
    fn decide_put(&mut self, mut flight: Flight, name: Arc<str>) {
        let spans = self.ledger.runs(flight.batch.ticket).iter().map(|r| r.span).collect();
        self.decided.push(Decided {
            ticket: flight.batch.ticket,
            name: name.clone(),
            spans,
            upload: None,
            busy: true,
            parked: None,
            taken: flight.taken,
            drops: flight.drops,
            oldest_ns: flight.oldest_ns,
            since: self.now.mono,
            missing: 0,
            missing_unsure: 0,
            redo: None,
        });
        flight.batch.job = Job::Put { name: name.clone() };
        flight.kind = Kind::Object { name };
        flight.noted = false;
        self.add_flight(flight);
    }

    pub(super) fn part_staged(&mut self, flight: &Flight, name: &Arc<str>, upload: Arc<str>, tag: PartTag) {
        let lane = self.settings.id.clone();
        let Some(id) = flight.key else { return self.give_back(flight.batch.ticket) };
        let spans: Vec<Span> = self.ledger.runs(flight.batch.ticket).iter().map(|r| r.span).collect();
        let object = self.keys.get_mut(&id).and_then(|k| k.objects.iter_mut().find(|o| o.name == *name));
        let Some(object) = object else { return self.give_back(flight.batch.ticket) };
        if object.upload.is_none() {
            let upload = Some(upload.clone());
            self.to_save.push(Saved::Upload { lane: lane.clone(), name: name.clone(), upload });
        }
        object.upload = Some(upload.clone());
        object.parts_out = object.parts_out.saturating_sub(1);
        object.parts.push(tag.clone());
        object.taken = (object.taken.0 + flight.taken.0, object.taken.1 + flight.taken.1);
        for (sum, drop) in object.drops.iter_mut().zip(flight.drops) {
            *sum = (sum.0 + drop.0, sum.1 + drop.1);
        }
        object.oldest_ns = object.oldest_ns.min(flight.oldest_ns);
        let into = object.ticket;
        self.to_save.push(Saved::Part { lane, name: name.clone(), upload, tag, spans });
        self.ledger.merge(flight.batch.ticket, into);
        self.complete_closing(id);
    }
    /// A part was given back to unread; its number stays unused (numbers may have gaps).
    pub(super) fn part_failed(&mut self, key: Option<usize>, name: &Arc<str>) {
        let Some(id) = key else { return };
        if let Some(object) = self.keys.get_mut(&id).and_then(|k| k.objects.iter_mut().find(|o| o.name == *name)) {
            object.parts_out = object.parts_out.saturating_sub(1);
            // An upload that could not even be created is begun anew, under another name.
            object.closing |= object.parts.is_empty() && object.parts_out == 0;
        }
        self.complete_closing(id);
    }
    /// Aged objects of this key get no more parts. True when one was open.
    pub(super) fn close_objects(&mut self, id: usize) -> bool {
        let Some(key) = self.keys.get_mut(&id) else { return false };
        let mut any = false;
        for object in key.objects.iter_mut().filter(|o| !o.closing) {
            object.closing = true;
            any = true;
        }
        self.complete_closing(id);
        any
    }
    /// Closing objects whose parts are all answered become decided.
    fn complete_closing(&mut self, id: usize) {
        let Some(key) = self.keys.get_mut(&id) else { return };
        let (ready, rest) = std::mem::take(&mut key.objects).into_iter().partition(|o| o.closing && o.parts_out == 0);
        key.objects = rest;
        for mut object in Vec::<OpenObject>::from_iter(ready) {
            let (name, upload) = (object.name, object.upload);
            let Some(upload) = upload.clone().filter(|_| !object.parts.is_empty()) else {
                let job = Job::Abandon { name: name.clone(), upload };
                self.errand(None, job, Kind::Abandon { name }, true);
                continue;
            };
            object.parts.sort_by_key(|p| p.number);
            let spans = self.ledger.runs(object.ticket).iter().map(|r| r.span).collect();
            let job = Job::Complete { name: name.clone(), upload: upload.clone(), parts: object.parts.clone() };
            self.decided.push(Decided {
                ticket: object.ticket,
                name: name.clone(),
                spans,
                upload: Some((upload, object.parts)),
                busy: true,
                parked: None,
                taken: object.taken,
                drops: object.drops,
                oldest_ns: object.oldest_ns,
                since: self.now.mono,
                missing: 0,
                missing_unsure: 0,
                redo: None,
            });
            self.errand(Some(id), job, Kind::Object { name }, false);
        }
    }

    /// A decided object is there: settle its spans and forget it.
    /// `already`: by an earlier attempt, which had all of it, or what it had when no answer came.
    pub(super) fn object_done(&mut self, name: &Arc<str>, already: bool) {
        let Some(at) = self.decided.iter().position(|d| d.name == *name) else { return };
        let done = self.decided.swap_remove(at);
        let missing = if already { done.missing_unsure } else { done.missing };
        self.sums.lost_bytes += missing;
        let taken = (done.taken.0, done.taken.1.saturating_sub(missing));
        if done.oldest_ns != i64::MAX {
            let latency = self.now.unix_ns.saturating_sub(done.oldest_ns);
            self.tally.delivery.record(self.now, Duration::from_nanos(u64::try_from(latency).unwrap_or(0)));
        }
        // Sent again it has no key of its own, but it proves that its key works.
        let key = self.key_of_spans(&done.spans);
        self.settle(key, done.ticket, &[], taken, done.drops);
        self.closed(name);
        // An attempt that was read again is nobody's flight: what parked the key with it is over all the same.
        if let Some(key) = key.and_then(|k| self.keys.get_mut(&k)) {
            (key.parked, key.failing) = (None, false);
        }
    }
    /// The key of a decided object: that of its files, as far as they are known yet.
    fn key_of_spans(&self, spans: &[Span]) -> Option<usize> {
        spans.iter().find_map(|s| self.files.get(&s.file)).map(|file| file.key)
    }
    /// The same, by the object's name.
    pub(super) fn key_of_object(&self, name: &Arc<str>) -> Option<usize> {
        self.key_of_spans(&self.decided.iter().find(|d| d.name == *name)?.spans)
    }
    pub(super) fn closed(&mut self, name: &Arc<str>) {
        self.to_save.push(Saved::Closed { lane: self.settings.id.clone(), name: name.clone() });
    }
    /// The upload is not there any more: it was completed (and the answer lost), or aborted. Send the spans again.
    pub(super) fn no_upload(&mut self, flight: Flight) {
        count(&mut self.tally.retries, &Code::new("no_upload"));
        match &flight.kind {
            Kind::Object { name } | Kind::Again { name, .. } => {
                let since = self.now.mono;
                if let Some(d) = self.decided.iter_mut().find(|d| d.name == *name) {
                    let rest = d.spans.clone();
                    (d.upload, d.busy, d.since, d.missing) = (None, false, since, 0);
                    d.redo = Some(Redo { upload: None, parts: Vec::new(), rest });
                }
            }
            Kind::Part { name } => {
                // Aborted under us: what its parts held is unread again, under another name.
                let name = name.clone();
                self.give_back(flight.batch.ticket);
                self.lose_upload(flight.key, &name);
            }
            Kind::Plain => self.give_back(flight.batch.ticket),
            Kind::Abandon { name } => self.closed(&name.clone()),
        }
        self.landed(&flight);
    }
    fn lose_upload(&mut self, key: Option<usize>, name: &Arc<str>) {
        let Some(object) =
            key.and_then(|k| self.keys.get_mut(&k)).and_then(|k| k.objects.iter_mut().find(|o| o.name == *name))
        else {
            return;
        };
        let ticket = object.ticket;
        object.parts_out = object.parts_out.saturating_sub(1);
        object.parts.clear();
        object.closing = true;
        // The store must not take the parts for an intent after their spans are unread again.
        self.closed(name);
        self.give_back(ticket);
        if let Some(id) = key {
            self.complete_closing(id);
        }
    }

    /// A decided object's attempt failed: parked by itself; its name and spans stay.
    pub(super) fn park_object(
        &mut self,
        name: &Arc<str>,
        flight: &Flight,
        why: &(Code, String),
        wish: Option<Duration>,
    ) {
        let now = self.now;
        let Some(d) = self.decided.iter_mut().find(|d| d.name == *name) else { return };
        d.busy = false;
        d.parked = Some(Parking::again(d.parked.take(), now, why.clone(), wish, &mut self.rng));
        if let (Kind::Again { spans, .. }, Some(redo)) = (&flight.kind, &mut d.redo) {
            let mut rest = spans.clone();
            rest.append(&mut redo.rest);
            redo.rest = rest;
        }
    }
    /// Opens the next step of a decided object that waits for one.
    pub(super) fn open_again(&mut self) -> bool {
        let now = self.now.mono;
        let late = self.scanned.is_some_and(|s| now.saturating_sub(s) >= GONE_AFTER);
        let ready = |d: &Decided| {
            let there = || d.spans.iter().all(|s| self.files.contains_key(&s.file));
            !d.busy && d.parked.as_ref().is_none_or(|p| now >= p.until) && (d.upload.is_some() || late || there())
        };
        let Some(at) = self.decided.iter().position(ready) else { return false };
        let Some(d) = self.decided.get_mut(at) else { return false };
        d.busy = true;
        let (name, oldest_seen) = (d.name.clone(), i64::MAX);
        if let Some((upload, parts)) = d.upload.clone() {
            let job = Job::Complete { name: name.clone(), upload, parts };
            self.errand(None, job, Kind::Object { name }, true);
            return true;
        }
        // In the order in which lines were written: a joined record's parts follow each other again.
        let mut spans = d.redo.as_ref().map_or(&d.spans, |r| &r.rest).clone();
        spans.sort_by_key(|s| (self.files.get(&s.file).map(|f| f.view.file.place), s.start));
        let spans = spans.into_iter().map(|s| (s, false)).collect();
        let max = self.settings.inputs.values().map(|(_, max)| *max).max().unwrap_or(1 << 20);
        let sink = Sink::new(Mode::Replay, false, self.settings.merge_json);
        let pump = Pump::new(Source::Spans(spans), sink, max, u64::MAX);
        self.open = Some(Open { purpose: Purpose::Again { name }, pump, oldest_seen, behind: false });
        true
    }
    /// The spans of a decided object were read again: put them, or the next part of them.
    pub(super) fn seal_again(&mut self, name: &Arc<str>, mut open: Open) {
        let left = open.pump.take_left();
        let taken = open.pump.sink.taken.0;
        let finished = self.format.finish();
        let (ticket, now) = (self.ticket(), self.now.mono);
        let Some(d) = self.decided.iter_mut().find(|d| d.name == *name) else { return };
        let missing = open.pump.missing;
        d.taken.0 = d.taken.0.max(taken);
        let in_parts = d.redo.as_ref().is_some_and(|r| !r.parts.is_empty()) || !left.is_empty();
        if taken == 0 && !in_parts {
            // Nothing of it can be read any more.
            d.missing = missing;
            return self.object_done(name, false);
        }
        let all: Vec<Span> = d.redo.as_ref().map_or_else(|| d.spans.clone(), |r| r.rest.clone());
        let (job, kind) = if in_parts {
            let redo = d.redo.get_or_insert_with(Redo::default);
            redo.rest = left;
            let number = redo.parts.len() as u16 + 1;
            let spans = minus(&all, &redo.rest);
            (
                Job::Part { name: name.clone(), upload: redo.upload.clone(), number },
                Kind::Again { name: name.clone(), spans, missing },
            )
        } else {
            d.missing = missing;
            (Job::Put { name: name.clone() }, Kind::Object { name: name.clone() })
        };
        let nowhere = Target { place: "".into(), stream: "".into() };
        let batch =
            super::batch::Batch { ticket, target: nowhere, job, bodies: finished.bodies, items: finished.items };
        self.flights.insert(
            ticket,
            Flight {
                key: None,
                batch,
                kind,
                items: Default::default(),
                record_of_item: Vec::new(),
                taken: (taken, 0),
                drops: Default::default(),
                attempts: 0,
                first: None,
                phase: Phase::Waiting(now),
                oldest_ns: i64::MAX,
                noted: true,
                quiet: Duration::ZERO,
            },
        );
    }
    pub(super) fn again_staged(&mut self, name: &Arc<str>, upload: Arc<str>, tag: PartTag, missing: u64) {
        let Some(d) = self.decided.iter_mut().find(|d| d.name == *name) else { return };
        d.missing += missing;
        let Some(redo) = &mut d.redo else { return };
        redo.upload = Some(upload.clone());
        redo.parts.push(tag);
        d.busy = false;
        if redo.rest.is_empty() {
            d.upload = Some((upload, std::mem::take(&mut redo.parts)));
            d.redo = None;
            let lane = self.settings.id.clone();
            let intent = Intent { name: d.name.clone(), spans: d.spans.clone(), upload: d.upload.clone() };
            self.to_save.push(Saved::Intent { lane, intent });
        }
    }
}

/// The parts of `all` that `left` does not cover, in order.
fn minus(all: &[Span], left: &[Span]) -> Vec<Span> {
    let mut out = Vec::new();
    for span in all {
        let mut set = SpanSet::default();
        set.insert(span.start, span.end, Mark::NONE);
        for l in left.iter().filter(|l| l.file == span.file) {
            set.remove(l.start, l.end);
        }
        out.extend(set.ranges().iter().map(|r| Span { file: span.file, start: r.start, end: r.end }));
    }
    out
}

fn new_object(ticket: Ticket, name: Arc<str>, target: Target, bucket: i64, seen: i64) -> OpenObject {
    OpenObject {
        ticket,
        name,
        target,
        bucket,
        upload: None,
        parts: Vec::new(),
        parts_out: 0,
        next_part: 1,
        bytes: 0,
        oldest_seen: seen,
        oldest_ns: i64::MAX,
        closing: false,
        taken: (0, 0),
        drops: Default::default(),
    }
}
