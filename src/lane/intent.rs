//! S3 objects in a lane: filled in parts, decided by a durable intent, completed or sent again under the same name.
//!
//! Promises: an object's name and spans are durable before the attempt that creates it, and never change after; what
//! is in an answered part is not read again. Leaves requests to the service, spans to the ledger.

use super::batch::{Job, PartTag, Target, Ticket};
use super::flight::{Flight, Kind};
use super::format::Format;
use super::ledger::{Account, Run};
use super::object::{Decided, OpenObject};
use super::step::Lane;
use crate::record::{Mark, Span};
use crate::seeded::{Bug, seeded};
use crate::store::saved::{Intent, OpenUpload, Saved};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// S3 takes at most 10,000 parts.
const MAX_PARTS: u16 = 10_000;

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
    pub(super) fn is_settled(&self, spans: &[Span]) -> bool {
        spans.iter().all(|s| {
            let account = self.saved_positions.get(&s.file).map(|p| Account::open(Some(p)));
            account.is_some_and(|a| a.gap(s.start, s.end).is_none())
        })
    }
    pub(super) fn adopt(&mut self, intent: Intent) {
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
            name: if seeded(Bug::IntentRenamed) { format!("{}-2", intent.name).into() } else { intent.name },
            spans: intent.spans,
            upload: intent.upload,
            busy: false,
            parked: None,
            // How many records those bytes were is not known any more; the bytes are.
            taken: (0, bytes),
            drops: Default::default(),
            oldest_ns: i64::MAX,
            since: self.now.mono,
            found: None,
            unsure: None,
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
    pub(super) fn decide_put(&mut self, mut flight: Flight, name: Arc<str>) {
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
            found: None,
            unsure: None,
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
        if seeded(Bug::PartIsDelivered) {
            self.settle(flight.key, flight.batch.ticket, &[], (0, 0), Default::default());
        }
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
    pub(super) fn complete_closing(&mut self, id: usize) {
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
                found: None,
                unsure: None,
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
        // How many records they were is not known of a life before, unless they were read again.
        let known = done.taken.0.max(done.found.as_ref().map_or(0, |found| found.records));
        let (taken, drops) = match if already { done.unsure } else { done.found } {
            _ if already && seeded(Bug::ObjectThereIsLoss) => {
                self.sums.lost_bytes += done.taken.1;
                ((known, 0), done.drops)
            }
            None => ((known, done.taken.1), done.drops),
            Some(found) => {
                self.lose(&found.missing);
                (found.taken(done.spans.iter().map(Span::len).sum()), found.drops)
            }
        };
        if done.oldest_ns != i64::MAX {
            let latency = self.now.unix_ns.saturating_sub(done.oldest_ns);
            self.tally.delivery.record(self.now, Duration::from_nanos(u64::try_from(latency).unwrap_or(0)));
        }
        // Sent again it has no key of its own, but it proves that its key works.
        let key = self.key_of_spans(&done.spans);
        self.settle(key, done.ticket, &[], taken, drops);
        self.closed(name);
        // An attempt that was read again is nobody's flight: what parked the key with it is over all the same.
        if let Some(key) = key.and_then(|k| self.keys.get_mut(&k)) {
            (key.parked, key.failing) = (None, false);
        }
    }
    /// The key of a decided object: that of its files, as far as they are known yet.
    pub(super) fn key_of_spans(&self, spans: &[Span]) -> Option<usize> {
        spans.iter().find_map(|s| self.files.get(&s.file)).map(|file| file.key)
    }
    /// The same, by the object's name.
    pub(super) fn key_of_object(&self, name: &Arc<str>) -> Option<usize> {
        self.key_of_spans(&self.decided.iter().find(|d| d.name == *name)?.spans)
    }
    pub(super) fn closed(&mut self, name: &Arc<str>) {
        self.to_save.push(Saved::Closed { lane: self.settings.id.clone(), name: name.clone() });
    }
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
