//! What a lane's positions and its sums say of each other: every settled byte has one fate. Pure.
//!
//! Positions say where bytes are settled, sums how; a lane writes both in one record, so this holds at every instant.

use super::saved::{LaneId, LaneState, Saved, State, Sums};
use crate::record::{FileId, Span};
use std::collections::BTreeSet;

/// One lane's two sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Bytes that positions call settled.
    pub settled: u64,
    /// The same of files that are forgotten.
    pub gone: u64,
    /// Bytes that have a fate.
    pub counted: u64,
}

impl Balance {
    /// Of one lane.
    pub fn of(lane: &LaneState) -> Balance {
        let settled = lane.positions.values().map(|p| p.settled()).fold(0, u64::saturating_add);
        Balance { settled, gone: lane.sums.gone, counted: lane.sums.counted() }
    }
    /// Settled bytes without a fate; below zero: fates of bytes that no position knows.
    pub fn off(&self) -> i128 {
        i128::from(self.settled) + i128::from(self.gone) - i128::from(self.counted)
    }
}

/// Brings the books in order before lanes start: positions in files that were gone before their lane heard of it are
/// taken into its sums, and what an older version did not count is taken as it stands.
pub fn at_start(state: &mut State) -> Vec<Saved> {
    let mut notes = Vec::new();
    let mut lanes: Vec<(&LaneId, &mut LaneState)> = state.lanes.iter_mut().collect();
    lanes.sort_unstable_by_key(|(id, _)| (*id).clone());
    for (id, lane) in lanes {
        let before = lane.sums.clone();
        if lane.sums.gone == Sums::UNKNOWN {
            let there = lane.positions.values().map(|p| p.settled()).fold(0, u64::saturating_add);
            lane.sums.gone = lane.sums.counted().saturating_sub(there);
        }
        // An object that is not settled yet still moves the positions of its files.
        let undecided = undecided(lane);
        for file in state.gone.iter().filter(|file| !undecided.contains(file)) {
            if let Some(position) = lane.positions.remove(file) {
                lane.sums.gone = lane.sums.gone.saturating_add(position.settled());
                notes.push(Saved::Left { lane: id.clone(), file: *file });
            }
        }
        if lane.sums != before {
            notes.push(Saved::Sums { lane: id.clone(), sums: lane.sums.clone() });
        }
    }
    state.gone.retain(|file| state.lanes.values().any(|lane| lane.positions.contains_key(file)));
    notes
}

/// Files of which a lane holds spans in objects whose outcome is not known.
pub fn undecided(lane: &LaneState) -> BTreeSet<FileId> {
    let parts = lane.uploads.values().flat_map(|open| open.parts.iter().flat_map(|(_, spans)| spans));
    let spans = lane.intents.iter().flat_map(|intent| &intent.spans).chain(parts);
    spans.map(|span: &Span| span.file).collect()
}

#[cfg(test)]
mod tests {
    use super::super::arbitrary::{lane, position_at};
    use super::super::{replay, saved::Intent};
    use super::*;

    fn state(records: Vec<Saved>) -> State {
        let mut state = State::default();
        records.into_iter().for_each(|saved| replay::fold(&mut state, saved));
        state
    }
    fn delivered(bytes: u64, gone: u64) -> Saved {
        Saved::Sums { lane: lane("a"), sums: Sums { delivered: (1, bytes), gone, ..Sums::default() } }
    }

    #[test]
    fn settled_bytes_without_a_fate_and_fates_without_bytes_are_seen() {
        for (bytes, off) in [(30, 0), (25, 5), (40, -10)] {
            let state = state(vec![position_at("a", 1, 20), position_at("a", 2, 10), delivered(bytes, 0)]);
            assert_eq!(Balance::of(&state.lanes[&lane("a")]).off(), off);
        }
    }

    #[test]
    fn a_file_that_was_gone_before_its_lane_heard_of_it_is_taken_into_the_sums_at_the_next_start() {
        let gone = Saved::FileGone { id: FileId(1) };
        let mut before = state(vec![position_at("a", 1, 20), position_at("a", 2, 10), delivered(35, 5), gone]);
        let notes = at_start(&mut before);
        assert_eq!(notes.len(), 2, "{notes:?}");
        let lane = &before.lanes[&lane("a")];
        assert_eq!((Balance::of(lane).off(), lane.sums.gone, lane.positions.len()), (0, 25, 1));
        assert!(before.gone.is_empty() && at_start(&mut before).is_empty());
    }

    #[test]
    fn a_gone_file_of_an_object_that_is_not_settled_keeps_its_position() {
        let spans = vec![Span { file: FileId(1), start: 20, end: 30 }];
        let intent = Saved::Intent { lane: lane("a"), intent: Intent { name: "o".into(), spans, upload: None } };
        let gone = Saved::FileGone { id: FileId(1) };
        let mut state = state(vec![position_at("a", 1, 20), delivered(20, 0), intent, gone]);
        assert!(at_start(&mut state).is_empty());
        assert_eq!(state.gone.len(), 1);
    }

    #[test]
    fn what_an_older_version_did_not_keep_is_taken_as_it_stands() {
        let mut state = state(vec![position_at("a", 1, 20), delivered(500, Sums::UNKNOWN)]);
        assert_eq!(at_start(&mut state).len(), 1);
        assert_eq!(Balance::of(&state.lanes[&lane("a")]).off(), 0);
    }
}
