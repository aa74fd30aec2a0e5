//! What a lane says of itself: when to wake it, whether it is done, its report, what is left at a stop.

use super::batch::Code;
use super::flight::Phase;
use super::format::Format;
use super::keys::{Due, Key};
use super::step::Lane;
use crate::store::saved::Sums;
use crate::telemetry::report::{LaneReport, Parked};
use std::collections::BTreeMap;
use std::time::Duration;

/// Nothing is due: look at most this much later all the same while something is unread or in flight.
const BUSY_NAP: Duration = Duration::from_secs(1);
const IDLE_NAP: Duration = Duration::from_secs(60);
/// Something is due that could not be begun in this turn.
const SOON: Duration = Duration::from_millis(20);
/// A drain ends this much before its limit, so that the last notes reach the disk.
const LAST_SAVE: Duration = Duration::from_millis(500);

/// Something a lane could not settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Where it was to go.
    pub key: String,
    /// Whose lines they are, at most a few names.
    pub who: String,
    /// Source bytes.
    pub bytes: u64,
    /// Why, and what the service said of it, as far as known.
    pub why: Option<(Code, String)>,
}

impl<F: Format> Lane<F> {
    /// When to call `step` again if nothing happens (monotonic).
    pub(super) fn wake_at(&self) -> Duration {
        let now = self.now.mono;
        let rule = self.rule();
        let busy = !self.flights.is_empty() || !self.graves.is_empty() || !self.decided.is_empty();
        let mut wake = now + if busy || self.settings.once.is_some() { BUSY_NAP } else { IDLE_NAP };
        // A time that is past wakes nobody: what it stood for waits for something else now (a slot, an answer).
        let mut at = |t: Duration| {
            if t > now {
                wake = wake.min(t);
            }
        };
        let room = self.has_room();
        for (id, key) in self.keys.iter().filter(|(_, k)| !k.behind.is_empty() || !k.objects.is_empty()) {
            at(now + BUSY_NAP);
            let due = self.due(*id, key, &rule, true);
            match due {
                Due::At(t) => at(t),
                Due::Danger | Due::Now if room && key.out == 0 => match &key.parked {
                    Some(p) => at(p.until),
                    None if due == Due::Danger => at(now + SOON),
                    None => at(self.rest_until.max(now + SOON)),
                },
                Due::Danger | Due::Now | Due::Never => {}
            }
        }
        for flight in self.flights.values() {
            match flight.phase {
                Phase::Waiting(t) => at(t),
                Phase::Saving | Phase::Sent(_) => {}
            }
        }
        if let Some(p) = &self.parked {
            at(p.until);
        }
        if let Some(by) = self.drain {
            at(by.saturating_sub(LAST_SAVE));
            at(now + Duration::from_millis(100));
        }
        wake
    }

    /// Everything that will be settled is settled.
    pub(super) fn is_done(&mut self) -> bool {
        if let Some(by) = self.drain {
            let over = self.now.mono.saturating_add(LAST_SAVE) >= by;
            let closing = self.keys.values().any(|k| !k.objects.is_empty());
            // What waits for the rest of a line or a join does not hold up a stop: the next process reads it.
            let readable = |k: &Key| k.parked.is_none() && k.waiting(&self.files, &self.ledger, self.now, 1).0 > 0;
            let reading = !self.reading_stopped() && self.keys.values().any(readable);
            let sending = !self.flights.is_empty() || self.graves.iter().any(|g| g.out);
            return over || !(closing || reading || sending || self.undecided());
        }
        let Some(give_up) = self.settings.once else { return false };
        if self.scanned.is_none() {
            return false;
        }
        let now = self.now.mono;
        let from = self.scanned.unwrap_or(now);
        let stuck = |since: Duration| now.saturating_sub(since.max(from)) >= give_up;
        // A key that had no turn yet has not failed while the others get on.
        let lane = self.keys.values().map(|k| k.progress).max().unwrap_or_default();
        let works = |k: &super::keys::Key| !k.behind.is_empty() || k.out > 0 || !k.objects.is_empty();
        let keys = self.keys.values().filter(|k| works(k)).all(|k| stuck(k.tried.unwrap_or(lane)));
        let decided = self.decided.iter().all(|d| stuck(d.since));
        let graves = self.graves.iter().all(|g| stuck(g.since));
        let errands = self.flights.values().all(|f| f.key.is_some() || stuck(f.first.unwrap_or(lane)));
        keys && decided && graves && errands
    }
    fn undecided(&self) -> bool {
        self.decided.iter().any(|d| d.parked.is_none())
    }

    /// Fates over the lane's life.
    pub fn sums(&self) -> &Sums {
        &self.sums
    }

    /// What is not settled, by key: for the log at a stop and the exit of `--once`.
    pub fn left(&self) -> Vec<Left> {
        let mut left = Vec::new();
        for key in self.keys.values() {
            let files = self.files.iter().filter(|(_, f)| self.keys.get(&f.key).is_some_and(|k| k.name == key.name));
            let (mut bytes, mut who) = (0u64, Vec::new());
            for (id, file) in files {
                let unsettled = self.ledger.account(*id).map_or(0, |a| a.unsettled(file.size()));
                if unsettled > 0 {
                    bytes += unsettled;
                    let name = file.view.file.origin.who();
                    if who.len() < 5 && !who.contains(&name) {
                        who.push(name);
                    }
                }
            }
            if bytes > 0 {
                let parked = key.parked.as_ref().or(self.parked.as_ref());
                let why = parked.map(|p| (p.code.clone(), p.say.clone()));
                left.push(Left { key: key.name.to_string(), who: who.join(", "), bytes, why });
            }
        }
        left
    }

    /// A snapshot for metrics, `/api/lanes` and the status page.
    pub fn report(&mut self) -> LaneReport {
        let now = self.now;
        let (mut lag, mut oldest, mut files_behind, mut span_full) = (0u64, i64::MAX, 0u64, 0u64);
        let mut waiting: BTreeMap<usize, u64> = BTreeMap::new();
        for id in &self.unsettled {
            let (Some(file), Some(account)) = (self.files.get(id), self.ledger.account(*id)) else { continue };
            let unsettled = account.unsettled(file.size());
            if unsettled > 0 {
                *waiting.entry(file.key).or_default() += unsettled;
                lag += unsettled;
                files_behind += 1;
                oldest = oldest.min(file.view.ages.at(account.low()));
            }
            span_full += u64::from(account.span_full());
        }
        let age = (oldest != i64::MAX)
            .then(|| Duration::from_nanos(u64::try_from(now.unix_ns.saturating_sub(oldest)).unwrap_or(0)));
        self.tally.behind_since = if lag > 0 { self.tally.behind_since.or(Some(now.mono)) } else { None };
        let quiet = self.tally.last_settled.max(0);
        let settled_ago = Duration::from_nanos(u64::try_from(now.unix_ns.saturating_sub(quiet)).unwrap_or(0));
        let behind_for = self.tally.behind_since.map_or(Duration::ZERO, |s| now.mono.saturating_sub(s));
        let limit = self.settings.stall_after;
        let parked = self.keys.iter().filter_map(|(id, k)| {
            let p = k.parked.as_ref()?;
            // Also what is in a sealed body or a decided object: it waits as well.
            let waiting_bytes = waiting.get(id).copied().unwrap_or(0);
            let (code, say) = (p.code.clone(), p.say.clone());
            Some(Parked { key: k.name.to_string(), code, say, since: p.since, waiting_bytes })
        });
        LaneReport {
            output: self.settings.output.clone(),
            kind: self.settings.kind,
            to: "".into(),
            max_age: self.settings.max_age,
            read: self.tally.read.clone(),
            bytes_sent: self.tally.bytes_sent,
            requests: self.tally.requests,
            sums: self.sums.clone(),
            already: self.tally.already,
            rejected: self.tally.rejected.clone(),
            retries: self.tally.retries.clone(),
            lag_bytes: lag,
            oldest_unsettled: age,
            files_behind,
            files_span_full: span_full,
            parked: parked.collect(),
            lane_parked: self.parked.as_ref().map(|p| (p.code.clone(), p.say.clone())),
            lane_parked_since: self.parked.as_ref().map_or(0, |p| p.since),
            in_flight: (self.flights.values().filter(|f| matches!(f.phase, Phase::Sent(_))).count(), self.aimd.limit()),
            sealed_bytes: (self.pool.used() as u64, self.pool.budget() as u64),
            last_settled: self.tally.last_settled,
            stalled: behind_for >= limit && settled_ago >= limit.max(self.settings.max_age),
            request_seconds: self.tally.request.quantiles(now),
            delivery_seconds: self.tally.delivery.quantiles(now),
            lost: self.tally.lost.clone(),
            holes: self.tally.holes.clone(),
        }
    }
}
