//! Keys of a lane: what waits for each destination, when it is due, and whether it is parked.
//!
//! Promises: a key that fails does not hold up the others; quiet keys do not all move in step (due at 0.8 to 1.0 of
//! `max_age`, by hash). Leaves reading to `plan`, verdicts to `answer`.

use super::batch::FileKey;
use super::behind::Behind;
use super::files::LaneFile;
use super::ledger::Ledger;
use super::object::OpenObject;
use super::retry::Parking;
use crate::record::{FileId, Now};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// Keys are due at whole multiples of this part of `max_age`: several leave at one waking.
const STEPS: u32 = 25;
/// What the last look found is believed for so long at most: silence and failed reads end by themselves.
const BELIEVED: Duration = Duration::from_millis(500);

/// One destination of a lane, and the files that feed it.
#[derive(Debug)]
pub struct Key {
    /// Where it goes.
    pub name: FileKey,
    /// Files of this key with unread bytes, siblings together, oldest first.
    pub behind: Behind,
    /// All files of this key.
    pub files: usize,
    /// Sent bytes per plain source byte, moving; 1/64 to 64.
    pub sent_ratio: f64,
    /// Encoded bytes per plain source byte, moving; 1/64 to 64.
    pub plain_ratio: f64,
    /// Batches out, sealed or being sent.
    pub out: usize,
    /// Not before, and why.
    pub parked: Option<Parking>,
    /// The last verdict was not `delivered`: one batch at a time.
    pub failing: bool,
    /// After a split: at most this many records a batch.
    pub most_records: Option<u64>,
    /// Objects that are being filled (S3); more than one only while an older bucket is being closed.
    pub objects: Vec<OpenObject>,
    /// When it was last planned (a lane's running number): the longest waiting goes first.
    pub planned: u64,
    /// The chain served last: the next plan begins behind it.
    pub served: Option<u64>,
    /// Last time anything of it was settled, or it became behind (monotonic).
    pub progress: Duration,
    /// When it was first planned since then (monotonic): it has had its turn.
    pub tried: Option<Duration>,
    phase: f64,
    /// Found at the last look, and nothing has changed since: not due before this, and believed until then (monotonic).
    calm: Cell<Option<(Duration, Duration)>>,
}

/// Why a key should be sent now, most pressing first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Bytes that will be deleted soon.
    Danger,
    /// Full, old, or everything is due.
    Now,
    /// Not before this (monotonic).
    At(Duration),
    /// Nothing to send.
    Never,
}

/// What makes a key due.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Oldest unsent byte.
    pub max_age: Duration,
    /// Sent bytes of a full batch.
    pub sent_bytes: usize,
    /// Encoded bytes of a full batch.
    pub plain_bytes: usize,
    /// Everything is due (drain, `--once`).
    pub all: bool,
}

impl Key {
    /// A new key; ratios start where container logs usually are.
    pub fn new(name: FileKey, now: Now) -> Key {
        // FNV is stable over builds, so a key keeps its phase.
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        name.hash(&mut hash);
        let phase = 0.8 + 0.16 * ((hash.finish() >> 11) as f64 / (1u64 << 53) as f64);
        Key {
            name,
            behind: Behind::default(),
            files: 0,
            sent_ratio: 0.5,
            plain_ratio: 4.0,
            out: 0,
            parked: None,
            failing: false,
            most_records: None,
            objects: Vec::new(),
            planned: 0,
            served: None,
            progress: now.mono,
            tried: None,
            phase,
            calm: Cell::new(None),
        }
    }
    /// A batch showed what source bytes become.
    pub fn learn(&mut self, raw: u64, plain: usize, sent: usize) {
        if raw == 0 {
            return;
        }
        let moved = |old: f64, new: usize| (old * 0.7 + new as f64 / raw as f64 * 0.3).clamp(1.0 / 64.0, 64.0);
        self.sent_ratio = moved(self.sent_ratio, sent);
        self.plain_ratio = moved(self.plain_ratio, plain);
    }
    /// Plain source bytes that make a full batch: at most 64 MiB.
    pub fn target(&self, rule: &Rule) -> u64 {
        let by_sent = rule.sent_bytes as f64 / self.sent_ratio;
        let by_plain = rule.plain_bytes as f64 / self.plain_ratio;
        (by_sent.min(by_plain) as u64).clamp(16 * 1024, 64 << 20)
    }
    /// Unread bytes that can be read now, the age stamp (unix ns) of the oldest, and whether any is in danger.
    pub fn waiting(&self, files: &BTreeMap<FileId, LaneFile>, ledger: &Ledger, now: Now) -> (u64, i64, bool) {
        let (mut bytes, mut oldest, mut danger) = (0u64, i64::MAX, false);
        let mut held_chain = None;
        for (place, id) in self.behind.iter() {
            let (Some(file), Some(account)) = (files.get(id), ledger.account(*id)) else { continue };
            // A file that waits (an open join, a failed read) holds up its later siblings, nobody else.
            if held_chain == Some(place.chain) {
                continue;
            }
            if file.waits(now) {
                held_chain = Some(place.chain);
                continue;
            }
            let unread = account.unread(file.size());
            if unread > 0 {
                bytes += unread;
                let first = account.gap(0, file.size()).map_or(account.low(), |(start, _)| start);
                oldest = oldest.min(file.view.ages.at(first));
                danger |= file.view.danger;
            }
        }
        (bytes, oldest, danger)
    }
    /// Its files in the order to read them: chains in turn, beginning behind the one served last; siblings oldest first.
    /// With `danger` only the files in danger, what stands before them, and, of those behind, as much as ends a join that
    /// is open where a file in danger ends: these files are named once more.
    pub fn queue(
        &self,
        files: &BTreeMap<FileId, LaneFile>,
        now: Now,
        danger: bool,
    ) -> (VecDeque<FileId>, BTreeSet<FileId>) {
        let (mut behind, mut before, mut for_joins) = (VecDeque::new(), VecDeque::new(), BTreeSet::new());
        let in_danger = self.behind.iter().filter(|(_, id)| danger && files.get(id).is_some_and(|f| f.view.danger));
        let last: BTreeMap<(u64, u32), u64> = in_danger.map(|(p, _)| ((p.chain, p.restart), p.turn)).collect();
        let mut held_chain = None;
        for (place, id) in self.behind.iter() {
            let Some(file) = files.get(id) else { continue };
            if held_chain == Some(place.chain) || file.waits(now) {
                held_chain = Some(place.chain);
                continue;
            }
            match last.get(&(place.chain, place.restart)) {
                None if danger => continue,
                Some(turn) if place.turn > *turn => _ = for_joins.insert(*id),
                Some(_) | None => {}
            }
            let part = if self.served.is_some_and(|s| place.chain <= s) { &mut before } else { &mut behind };
            part.push_back(*id);
        }
        behind.append(&mut before);
        (behind, for_joins)
    }
    /// Newest first-seen time of its files (unix ns).
    pub fn newest(&self, files: &BTreeMap<FileId, LaneFile>) -> i64 {
        let last = |id: &FileId| files.get(id).map_or(0, |f| f.view.ages.at(u64::MAX));
        self.behind.iter().map(|(_, id)| last(id)).max().unwrap_or(0)
    }
    /// Something about its files changed: look again.
    pub fn disturb(&self) {
        self.calm.set(None);
    }
    /// When this key should be sent; without `hurry` as if none of its files were in danger. A lane asks this of all its
    /// keys at every step: of one that is calm a look at the clock must do.
    pub fn due(&self, files: &BTreeMap<FileId, LaneFile>, ledger: &Ledger, now: Now, rule: &Rule, hurry: bool) -> Due {
        match self.calm.get() {
            Some((at, until)) if now.mono < at.min(until) && !rule.all => return Due::At(at),
            Some(_) | None => self.disturb(),
        }
        let (bytes, mut oldest, danger) = self.waiting(files, ledger, now);
        for object in self.objects.iter().filter(|o| !o.closing) {
            oldest = oldest.min(object.oldest_seen);
        }
        if bytes == 0 && oldest == i64::MAX {
            return Due::Never;
        }
        if danger && hurry {
            return Due::Danger;
        }
        if rule.all || bytes >= self.target(rule) {
            return Due::Now;
        }
        let at = self.aged(oldest, now, rule.max_age);
        if at <= now.mono {
            return Due::Now;
        }
        if !danger {
            self.calm.set(Some((at, now.mono.saturating_add(BELIEVED))));
        }
        Due::At(at)
    }
    /// When bytes of this age stamp are due (monotonic).
    fn aged(&self, oldest: i64, now: Now, max_age: Duration) -> Duration {
        // Seen in the future: the wall clock was set back, and says nothing until it is there again.
        let age = match u64::try_from(now.unix_ns.saturating_sub(oldest)) {
            Ok(age) => Duration::from_nanos(age),
            Err(_) => now.mono.saturating_sub(self.progress),
        };
        let at = now.mono.saturating_add(max_age.mul_f64(self.phase)).saturating_sub(age);
        let step = (max_age / STEPS).as_nanos();
        let over = at.as_nanos().checked_rem(step).unwrap_or(0);
        let wait = if over == 0 { 0 } else { step.saturating_sub(over) };
        at.saturating_add(Duration::from_nanos(u64::try_from(wait).unwrap_or(0)))
    }
    /// Whether its retry rules let it be planned now.
    pub fn may_plan(&self, now: Now) -> bool {
        let woken = self.parked.as_ref().is_none_or(|p| now.mono >= p.until);
        let single = self.failing || self.parked.is_some();
        // The upload id of a new object comes with the answer to its first part.
        let opening = self.objects.iter().any(|o| !o.closing && o.upload.is_none() && o.parts_out > 0);
        woken && !opening && (!single || self.out == 0)
    }
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        // FNV's low bits are its best; spread them over the word.
        self.0 ^ self.0.rotate_left(32)
    }
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests;
