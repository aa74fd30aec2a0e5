//! Verdicts that are not about a batch as a whole: items one by one, records that are refused, and their burial.
//!
//! Promises: each record of a judged batch is settled, read again, buried or counted as dropped; never two of these.

use super::answer::count;
use super::batch::{Code, ItemVerdict, Reason, Ticket};
use super::flight::{Flight, Kind};
use super::format::Format;
use super::step::Lane;
use crate::record::Span;
use crate::seeded::{Bug, seeded};
use std::collections::BTreeMap;
use std::time::Duration;

impl<F: Format> Lane<F> {
    /// The batch cannot be taken as it is: half of it next time; a single record goes to the dead-letter file.
    pub(super) fn refuse(&mut self, flight: Flight, code: Code, say: String) {
        match &flight.kind {
            Kind::Plain => {}
            Kind::Part { .. } | Kind::Object { .. } | Kind::Again { .. } | Kind::Abandon { .. } => {
                // Objects are never split or thrown away: their spans are decided.
                count(&mut self.tally.retries, &code);
                return self.put_down(flight, (code, say), None);
            }
        }
        if flight.taken.0 > 1 {
            count(&mut self.tally.retries, &code);
            self.give_back(flight.batch.ticket);
            if let Some(key) = flight.key.and_then(|k| self.keys.get_mut(&k)) {
                key.most_records = Some((flight.taken.0 / 2).max(1));
            }
        } else {
            count(&mut self.tally.rejected, &code);
            let spans = flight.items.spans(0);
            let files = self.book(flight.key, flight.batch.ticket, &spans, (0, 0), flight.drops);
            self.bury(flight.key, vec![spans], code, say);
            self.moved(&files);
        }
        self.landed(&flight);
    }
    /// Item by item: delivered ones settle, the others are read again, buried or counted.
    pub(super) fn judge(&mut self, flight: Flight, items: Vec<(u32, ItemVerdict)>) {
        let mut worst: BTreeMap<u32, ItemVerdict> = BTreeMap::new();
        for (at, verdict) in items {
            let record = flight.record_of(at);
            match worst.get(&record) {
                Some(known) if severity(known) >= severity(&verdict) => {}
                Some(_) | None => drop(worst.insert(record, verdict)),
            }
        }
        let (mut delivered, mut drops) = (flight.taken, flight.drops);
        let mut again: Vec<Span> = Vec::new();
        let mut rejects: BTreeMap<Code, (String, Vec<Vec<Span>>)> = BTreeMap::new();
        let (mut held, mut busy) = (None, None);
        for (record, verdict) in worst {
            let spans = flight.items.spans(record);
            let bytes: u64 = spans.iter().map(Span::len).sum();
            let mut not_delivered = || {
                delivered.0 = delivered.0.saturating_sub(1);
                delivered.1 = delivered.1.saturating_sub(bytes);
            };
            match verdict {
                ItemVerdict::Already => self.tally.already += 1,
                ItemVerdict::Retry(_) if seeded(Bug::PartialFailureIgnored) => {}
                ItemVerdict::Retry(code) => {
                    not_delivered();
                    count(&mut self.tally.retries, &code);
                    again.extend(spans);
                    busy = Some(code);
                }
                ItemVerdict::Hold(code) => {
                    not_delivered();
                    count(&mut self.tally.retries, &code);
                    again.extend(spans);
                    held = Some(code);
                }
                ItemVerdict::Reject { code, say } => {
                    not_delivered();
                    count(&mut self.tally.rejected, &code);
                    let entry = rejects.entry(code).or_insert_with(|| (say, Vec::new()));
                    entry.1.push(spans);
                }
                ItemVerdict::Dropped(reason) => {
                    not_delivered();
                    let at = Reason::ALL.iter().position(|r| *r == reason).unwrap_or(0);
                    if let Some(drop) = drops.get_mut(at) {
                        drop.0 += 1;
                        drop.1 += bytes;
                    }
                }
            }
        }
        if busy.is_some() {
            self.aimd.went_badly(self.now.mono);
        }
        let why = held.or(busy);
        if why.is_none() {
            self.went_well(&flight);
        }
        let mut except = again;
        except.extend(rejects.values().flat_map(|(_, records)| records.iter().flatten().copied()));
        let files = self.book(flight.key, flight.batch.ticket, &except, delivered, drops);
        for (code, (say, records)) in rejects {
            self.bury(flight.key, records, code, say);
        }
        self.moved(&files);
        if let (Some(key), Some(why)) = (flight.key, why) {
            self.park_key(key, (why, "some items of a batch were not taken".into()), None);
        }
        self.landed(&flight);
    }
    pub(super) fn on_buried(&mut self, ticket: Ticket, result: Result<(), String>) {
        let Some(at) = self.graves.iter().position(|g| g.ticket == ticket) else { return };
        match result {
            Ok(()) => {
                let Some(grave) = self.graves.remove(at) else { return };
                self.lose(&grave.missing);
                self.sums.dead_lettered.0 += grave.taken.0;
                self.sums.dead_lettered.1 += grave.taken.1;
                self.settle(grave.key, ticket, &[], (0, 0), Default::default());
            }
            Err(why) => {
                // A full dead-letter file holds: nothing is dropped for want of room there.
                if let Some(grave) = self.graves.get_mut(at) {
                    grave.out = false;
                    grave.retry_at = self.now.mono + Duration::from_secs(10);
                    if let Some(key) = grave.key {
                        self.park_key(key, (Code::new("dead_letter"), why), None);
                    }
                }
            }
        }
    }
}

/// Which of two verdicts on one record's items counts.
fn severity(verdict: &ItemVerdict) -> u8 {
    match verdict {
        ItemVerdict::Already => 0,
        ItemVerdict::Dropped(_) => 1,
        ItemVerdict::Reject { .. } => 2,
        ItemVerdict::Retry(_) => 3,
        ItemVerdict::Hold(_) => 4,
    }
}
