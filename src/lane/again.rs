//! Decided objects that are tried again: completed, or their spans read and sent under the same name.
//!
//! Promises: the name and the list of spans never change; what cannot be read any more is counted.

use super::answer::count;
use super::batch::{Code, Job, PartTag, Target};
use super::flight::{Flight, Kind, Phase};
use super::format::Format;
use super::object::{Decided, Found, Redo};
use super::plan::{Open, Purpose};
use super::pump::{Pump, Source};
use super::retry::Parking;
use super::sink::{Mode, Sink};
use super::spans::SpanSet;
use super::step::Lane;
use crate::record::{Mark, Span};
use crate::store::saved::{Intent, Saved};
use std::sync::Arc;
use std::time::Duration;

/// Files of an intent that were not offered for so long after the first scan are taken as gone.
const GONE_AFTER: Duration = Duration::from_secs(60);

impl<F: Format> Lane<F> {
    /// The upload is not there any more: it was completed (and the answer lost), or aborted. Send the spans again.
    pub(super) fn no_upload(&mut self, flight: Flight) {
        count(&mut self.tally.retries, &Code::new("no_upload"));
        match &flight.kind {
            Kind::Object { name } | Kind::Again { name, .. } => {
                let since = self.now.mono;
                if let Some(d) = self.decided.iter_mut().find(|d| d.name == *name) {
                    let rest = d.spans.clone();
                    (d.upload, d.busy, d.since, d.found) = (None, false, since, None);
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
    pub(super) fn lose_upload(&mut self, key: Option<usize>, name: &Arc<str>) {
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
        self.open =
            Some(Open { purpose: Purpose::Again { name }, named: Vec::new(), pump, oldest_seen, behind: false });
        true
    }
    /// A file of a decided object could not be read just now: what is there is not to be taken for lost.
    pub(super) fn again_later(&mut self, name: &Arc<str>) {
        self.format.clear();
        let now = self.now;
        let Some(d) = self.decided.iter_mut().find(|d| d.name == *name) else { return };
        let why = (Code::new("unreadable"), "a file of this object cannot be read now".to_owned());
        d.busy = false;
        d.parked = Some(Parking::again(d.parked.take(), now, why, None, &mut self.rng));
    }
    /// The spans of a decided object were read again: put them, or the next part of them.
    pub(super) fn seal_again(&mut self, name: &Arc<str>, mut open: Open) {
        let left = open.pump.take_left();
        let taken = open.pump.sink.taken.0;
        let finished = self.format.finish();
        let (ticket, now) = (self.ticket(), self.now.mono);
        let Some(d) = self.decided.iter_mut().find(|d| d.name == *name) else { return };
        let found = Found { records: taken, drops: open.pump.sink.drops, missing: open.pump.missing };
        let in_parts = d.redo.as_ref().is_some_and(|r| !r.parts.is_empty()) || !left.is_empty();
        if taken == 0 && !in_parts {
            // Nothing of it can be read any more.
            d.found = Some(found);
            return self.object_done(name, false);
        }
        let all: Vec<Span> = d.redo.as_ref().map_or_else(|| d.spans.clone(), |r| r.rest.clone());
        let (job, kind) = if in_parts {
            if d.redo.is_none() {
                d.found = None;
            }
            let redo = d.redo.get_or_insert_with(Redo::default);
            redo.rest = left;
            let number = redo.parts.len() as u16 + 1;
            let spans = minus(&all, &redo.rest);
            (
                Job::Part { name: name.clone(), upload: redo.upload.clone(), number },
                Kind::Again { name: name.clone(), spans, found },
            )
        } else {
            d.found = Some(found);
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
    pub(super) fn again_staged(&mut self, name: &Arc<str>, upload: Arc<str>, tag: PartTag, found: Found) {
        let Some(d) = self.decided.iter_mut().find(|d| d.name == *name) else { return };
        d.found.get_or_insert_default().add(found);
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
