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
use crate::catalog::view::Place;
use crate::record::{FileId, Now};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// Keys are due at whole multiples of this part of `max_age`: several leave at one waking.
const STEPS: u32 = 25;
/// A plan names so many chains, if there are as many, even when fewer have bytes enough: of one that is open, unreadable,
/// or goes on in another time bucket, it takes little.
const CHAINS: usize = 64;
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
    /// Unread bytes that can be read now, and the age stamp (unix ns) of the oldest. It looks no further than until it has
    /// found `enough`: a key may have thousands of files.
    pub fn waiting(&self, files: &BTreeMap<FileId, LaneFile>, ledger: &Ledger, now: Now, enough: u64) -> (u64, i64) {
        let (mut bytes, mut oldest) = (0u64, i64::MAX);
        for (_, id, file) in readable(self.behind.iter(), files, now) {
            let (more, age) = unread(id, file, ledger);
            (bytes, oldest) = (bytes.saturating_add(more), oldest.min(age));
            if bytes >= enough {
                break;
            }
        }
        (bytes, oldest)
    }
    /// Of these files, whose chains these are, those of which any byte can be read now.
    pub fn can_read<'a>(
        &'a self,
        chains: BTreeSet<u64>,
        of: impl Fn(FileId) -> bool + 'a,
        files: &'a BTreeMap<FileId, LaneFile>,
        ledger: &'a Ledger,
        now: Now,
    ) -> impl Iterator<Item = FileId> + 'a {
        let siblings = chains.into_iter().flat_map(|chain| self.behind.of_chain(chain));
        let can = move |(_, id, file): &(Place, FileId, &LaneFile)| of(*id) && unread(*id, file, ledger).0 > 0;
        readable(siblings, files, now).filter(can).map(|(_, id, _)| id)
    }
    /// Files to read, in order, until they have `enough` bytes and are of `CHAINS` chains: chains in turn, beginning
    /// behind the one served last; siblings oldest first.
    pub fn queue(&self, files: &BTreeMap<FileId, LaneFile>, ledger: &Ledger, now: Now, enough: u64) -> Queue {
        let mut queue = Queue::default();
        let (mut last, mut chains) = (None, 0);
        for (place, id, file) in readable(self.behind.turn(self.served), files, now) {
            // All of a chain, or what its last file leaves open would be looked for among files that are not read.
            if last != Some(place.chain) {
                if queue.bytes >= enough && chains >= CHAINS {
                    break;
                }
                chains += 1;
            }
            last = Some(place.chain);
            queue.push(id, unread(id, file, ledger));
        }
        queue
    }
    /// The same of these files in danger alone, what stands before them, and, of those behind, as much as ends a join that
    /// is open where a file in danger ends.
    pub fn queue_of(
        &self,
        in_danger: impl Iterator<Item = FileId>,
        files: &BTreeMap<FileId, LaneFile>,
        ledger: &Ledger,
        now: Now,
    ) -> Queue {
        let mut last: BTreeMap<(u64, u32), u64> = BTreeMap::new();
        for place in in_danger.filter_map(|id| files.get(&id)).map(|file| file.view.file.place) {
            let turn = last.entry((place.chain, place.restart)).or_default();
            *turn = place.turn.max(*turn);
        }
        let chains: BTreeSet<u64> = last.keys().map(|(chain, _)| *chain).collect();
        let next = self.served.map_or(0, |served| served.saturating_add(1));
        let in_turn = chains.range(next..).chain(chains.range(..next));
        let behind = in_turn.flat_map(|chain| self.behind.of_chain(*chain));
        let mut queue = Queue::default();
        for (place, id, file) in readable(behind, files, now) {
            let Some(turn) = last.get(&(place.chain, place.restart)) else { continue };
            if place.turn > *turn {
                queue.files.push_back(id);
                queue.for_joins.insert(id);
            } else {
                queue.push(id, unread(id, file, ledger));
            }
        }
        queue
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
    /// When this key should be sent; with `danger`, at once. A lane asks this of all its keys at every step: of one that
    /// is calm a look at the clock must do, and of one that is behind a look at as many files as make a batch.
    pub fn due(&self, files: &BTreeMap<FileId, LaneFile>, ledger: &Ledger, now: Now, rule: &Rule, danger: bool) -> Due {
        if danger {
            return Due::Danger;
        }
        match self.calm.get() {
            Some((at, until)) if now.mono < at.min(until) && !rule.all => return Due::At(at),
            Some(_) | None => self.disturb(),
        }
        let enough = if rule.all { 1 } else { self.target(rule) };
        let (bytes, mut oldest) = self.waiting(files, ledger, now, enough);
        for object in self.objects.iter().filter(|o| !o.closing) {
            oldest = oldest.min(object.oldest_seen);
        }
        if bytes == 0 && oldest == i64::MAX {
            return Due::Never;
        }
        if rule.all || bytes >= enough {
            return Due::Now;
        }
        let at = self.aged(oldest, now, rule.max_age);
        if at <= now.mono {
            return Due::Now;
        }
        self.calm.set(Some((at, now.mono.saturating_add(BELIEVED))));
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

/// What a plan reads.
#[derive(Debug, Default)]
pub struct Queue {
    /// In this order; siblings stand together.
    pub files: VecDeque<FileId>,
    /// Of these only as much as ends a join that is open.
    pub for_joins: BTreeSet<FileId>,
    /// Unread bytes of the others.
    pub bytes: u64,
    /// Age stamp (unix ns) of the oldest of them.
    pub oldest: Option<i64>,
}

impl Queue {
    fn push(&mut self, id: FileId, (bytes, oldest): (u64, i64)) {
        self.files.push_back(id);
        self.bytes = self.bytes.saturating_add(bytes);
        self.oldest = Some(self.oldest.map_or(oldest, |old| old.min(oldest)));
    }
}

/// Of these files, in their order, those that can be read now. One that waits (an open join, a failed read) holds up its
/// later siblings, nobody else.
fn readable<'a>(
    items: impl Iterator<Item = &'a (Place, FileId)>,
    files: &'a BTreeMap<FileId, LaneFile>,
    now: Now,
) -> impl Iterator<Item = (Place, FileId, &'a LaneFile)> {
    let mut held_chain = None;
    items.filter_map(move |(place, id)| {
        let file = files.get(id)?;
        if held_chain == Some(place.chain) || file.waits(now) {
            held_chain = Some(place.chain);
            return None;
        }
        Some((*place, *id, file))
    })
}

/// Unread bytes of a file, and the age stamp of the oldest.
fn unread(id: FileId, file: &LaneFile, ledger: &Ledger) -> (u64, i64) {
    let account = ledger.account(id).map(|account| (account, account.unread(file.size())));
    let Some((account, bytes)) = account.filter(|(_, bytes)| *bytes > 0) else { return (0, i64::MAX) };
    let first = account.gap(0, file.size()).map_or(account.low(), |(start, _)| start);
    (bytes, file.view.ages.at(first))
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
