//! The outputs of the configuration, and how it changes: added, removed, back again, renamed, moved.
//!
//! A *slot* is a destination: two of each kind. An output writes to one slot at a time, under an id of its own.

use crate::chance::Chance;
use crate::truth::{SLOTS, Truth, kind};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tailrace::store::saved::{LaneId, Saved, State};

/// How long an output that left is remembered.
const FORGET_AFTER: Duration = Duration::from_secs(1_000);

#[derive(Clone, Debug)]
pub struct Output {
    pub id: Arc<str>,
    pub slot: usize,
    /// All it ever wrote to.
    pub slots: Vec<usize>,
    /// Contents that nobody could give it: they were gone when it came, or before it was back.
    pub blind: BTreeSet<usize>,
    /// The store was told to forget it.
    forgotten: bool,
}

#[derive(Debug)]
pub struct Outputs {
    pub here: Vec<Output>,
    gone: Vec<Output>,
    /// Somebody else wrote there before, or the same one from the beginning: repeats are nobody's fault.
    pub renewed: [bool; SLOTS],
    used: [bool; SLOTS],
    ids: u32,
}

impl Outputs {
    pub fn new() -> Outputs {
        let mut outputs =
            Outputs { here: Vec::new(), gone: Vec::new(), renewed: [false; SLOTS], used: [false; SLOTS], ids: 0 };
        for (slot, id) in ["cloudwatch", "s3", "opensearch"].into_iter().enumerate() {
            outputs.add(id.into(), slot, BTreeSet::new());
        }
        outputs
    }
    fn add(&mut self, id: Arc<str>, slot: usize, blind: BTreeSet<usize>) {
        self.take(slot);
        self.here.push(Output { id, slot, slots: vec![slot], blind, forgotten: false });
    }
    fn take(&mut self, slot: usize) {
        if let (Some(used), Some(renewed)) = (self.used.get_mut(slot), self.renewed.get_mut(slot)) {
            *renewed |= std::mem::replace(used, true);
        }
    }
    pub fn at(&self, slot: usize) -> Option<&Output> {
        self.here.iter().find(|o| o.slot == slot)
    }
    fn free(&self, chance: &mut Chance, of_kind: Option<usize>) -> Option<usize> {
        let fits = |slot: &usize| self.at(*slot).is_none() && of_kind.is_none_or(|k| kind(*slot) == k);
        chance.pick(&(0..SLOTS).filter(fits).collect::<Vec<_>>())
    }

    /// One change, between two lives of a process.
    pub fn change(&mut self, truth: &Truth, chance: &mut Chance) -> String {
        // Without a name nobody can open it.
        let lost = || truth.contents.iter().enumerate().filter(|(_, c)| c.names == 0).map(|(n, _)| n).collect();
        let at = chance.below(self.here.len() as u64) as usize;
        match chance.below(5) {
            0 => {
                let Some(slot) = self.free(chance, None) else { return "no change".into() };
                self.ids += 1;
                self.add(format!("more-{}", self.ids).into(), slot, lost());
                format!("output added at slot {slot}")
            }
            1 if self.here.len() > 1 => {
                let output = self.here.swap_remove(at);
                let said = format!("output {} removed", output.id);
                self.gone.push(output);
                said
            }
            2 => {
                let back = self.gone.iter().position(|o| self.at(o.slot).is_none());
                let Some(mut output) = back.map(|n| self.gone.swap_remove(n)) else {
                    return "no change".into();
                };
                let forgotten = std::mem::take(&mut output.forgotten);
                let said = format!("output {} is back, forgotten {forgotten}", output.id);
                output.blind.extend(lost());
                if forgotten {
                    self.take(output.slot);
                    output.slots = vec![output.slot];
                }
                self.here.push(output);
                said
            }
            3 => {
                let Some(output) = self.here.get(at).cloned() else { return "no change".into() };
                self.here.swap_remove(at);
                self.ids += 1;
                let id: Arc<str> = format!("renamed-{}", self.ids).into();
                let said = format!("output {} is called {id} now", output.id);
                self.add(id, output.slot, lost());
                said
            }
            _ => {
                let Some(old) = self.here.get(at).map(|o| o.slot) else { return "no change".into() };
                let Some(slot) = self.free(chance, Some(kind(old))) else { return "no change".into() };
                self.take(slot);
                let Some(output) = self.here.get_mut(at) else { return "no change".into() };
                output.slot = slot;
                output.slots.push(slot);
                // What only parts of an upload held, there.
                output.blind.extend(BTreeSet::<usize>::from_iter(lost()));
                format!("output {} is moved from slot {old} to {slot}", output.id)
            }
        }
    }

    /// As the agent's start does it: who left is noted, who left long ago forgotten.
    pub fn came_and_went(&mut self, state: &mut State, unix_ns: i64) -> Vec<Saved> {
        let mut notes = Vec::new();
        let here: BTreeSet<LaneId> = self.here.iter().map(|o| LaneId(o.id.clone())).collect();
        state.lanes.retain(|lane, known| {
            if here.contains(lane) {
                if known.absent_since.take().is_some() {
                    notes.push(Saved::Absent { lane: lane.clone(), since: None, keep: Some(FORGET_AFTER) });
                }
                return true;
            }
            let gone = unix_ns - known.absent_since.unwrap_or(unix_ns);
            if gone >= FORGET_AFTER.as_nanos() as i64 {
                notes.push(Saved::Forgotten { lane: lane.clone() });
                self.gone.iter_mut().filter(|o| o.id == lane.0).for_each(|o| o.forgotten = true);
                return false;
            }
            if known.absent_since.is_none() {
                notes.push(Saved::Absent { lane: lane.clone(), since: Some(unix_ns), keep: None });
            }
            true
        });
        notes
    }
}
