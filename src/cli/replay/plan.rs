//! Which output gets which run of letters, what an earlier replay settled of them, and what is left at the end. Pure.

use super::batch::{Batch, Group};
use crate::config::checked::Output;
use crate::lane::spans::SpanSet;
use crate::record::{FileId, Mark, Span};
use crate::store::balance;
use crate::store::dead_letter::file_name;
use crate::store::saved::{LaneId, LaneState, Position, State};
use std::collections::{BTreeMap, BTreeSet};

/// The output by its name, or by its id.
pub fn output(outputs: &[Output], wanted: &str) -> Option<usize> {
    let by_name = outputs.iter().position(|o| *o.name == *wanted);
    by_name.or_else(|| outputs.iter().position(|o| *o.id == *wanted))
}

/// The output to which letters go that this one refused, found in this file: one that was renamed is known by its file.
pub fn origin(outputs: &[Output], name: &str, file: &str) -> Option<usize> {
    output(outputs, name).or_else(|| outputs.iter().position(|o| file_name(&o.id) == *file))
}

/// What is settled of a run, whoever settled it.
pub fn settled(state: &State, run: FileId) -> SpanSet {
    let mut set = SpanSet::default();
    for position in state.lanes.values().filter_map(|lane| lane.positions.get(&run)) {
        set.insert(0, position.low, Mark::NONE);
        for (start, end) in &position.above {
            set.insert(*start, *end, Mark::NONE);
        }
    }
    set
}

/// Letters of a run that are not settled.
pub fn left<'a>(state: &State, group: &'a Group) -> impl Iterator<Item = Span> + 'a {
    let settled = settled(state, group.id);
    group.letters().filter(move |span| settled.covering(span.start).is_none_or(|end| end < span.end))
}

/// What a lane finds at its start: these runs as far as anybody settled them, and its own objects.
pub fn lane_state<'a>(state: &State, lane: &LaneId, runs: impl Iterator<Item = &'a Group>) -> LaneState {
    let before = state.lanes.get(lane).cloned().unwrap_or_default();
    let mut positions = before.positions;
    for run in runs {
        let ranges = settled(state, run.id);
        let mut above: Vec<(u64, u64)> = ranges.ranges().iter().map(|r| (r.start, r.end)).collect();
        let low = match above.first() {
            Some((0, end)) => *end,
            Some(_) | None => 0,
        };
        above.retain(|(start, _)| *start > low);
        positions
            .insert(run.id, Position { low, low_mark: Mark::NONE, above, high_mark: Mark::NONE, cuts: Vec::new() });
    }
    LaneState { positions, sums: Default::default(), ..before }
}

/// Lanes that hold objects of unknown outcome with letters of these batches, and which batches those are.
pub fn undecided(state: &State, batches: &[Batch]) -> BTreeMap<LaneId, BTreeSet<usize>> {
    let mut lanes: BTreeMap<LaneId, BTreeSet<usize>> = BTreeMap::new();
    for (id, lane) in &state.lanes {
        let files = balance::undecided(lane);
        for (at, _) in batches.iter().enumerate().filter(|(_, b)| b.groups.iter().any(|g| files.contains(&g.id))) {
            lanes.entry(id.clone()).or_default().insert(at);
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::super::batch;
    use super::*;
    use crate::store::replay::fold;
    use crate::store::saved::{Intent, Saved};
    use std::io::Write;

    fn batch() -> Batch {
        let mut file = tempfile::tempfile().unwrap();
        for start in [0, 10, 20] {
            let line = format!(
                "{{\"reason\":\"r\",\"output\":\"s\",\"spans\":[{{\"file\":\"0a\",\"start\":{start},\"end\":9}}],\
                 \"time\":\"2026-11-22T10:15:00Z\",\"log\":\"x\"}}\n"
            );
            file.write_all(line.as_bytes()).unwrap();
        }
        std::io::Seek::rewind(&mut file).unwrap();
        batch::load(&file, "b").unwrap()
    }
    fn position(lane: &str, file: FileId, low: u64, above: &[(u64, u64)]) -> Saved {
        let position =
            Position { low, low_mark: Mark::NONE, above: above.to_vec(), high_mark: Mark::NONE, cuts: Vec::new() };
        Saved::Position { lane: LaneId(lane.into()), file, position }
    }

    #[test]
    fn what_one_output_confirmed_no_other_gets_again() {
        let batch = batch();
        let group = &batch.groups[0];
        let spans: Vec<Span> = group.letters().collect();
        let mut state = State::default();
        assert_eq!(left(&state, group).count(), 3);
        fold(&mut state, position("a", group.id, spans[0].end, &[]));
        fold(&mut state, position("b", group.id, 0, &[(spans[2].start, spans[2].end)]));
        assert_eq!(left(&state, group).collect::<Vec<_>>(), [spans[1]]);
        let lane = lane_state(&state, &LaneId("c".into()), batch.groups.iter());
        let at = &lane.positions[&group.id];
        assert_eq!((at.low, at.above.as_slice()), (spans[0].end, &[(spans[2].start, spans[2].end)][..]));
    }

    #[test]
    fn half_a_letter_is_not_settled() {
        let batch = batch();
        let mut state = State::default();
        fold(&mut state, position("a", batch.groups[0].id, batch.groups[0].view.size - 1, &[]));
        assert_eq!(left(&state, &batch.groups[0]).count(), 1);
    }

    #[test]
    fn an_object_of_unknown_outcome_holds_its_batch() {
        let (one, mut state) = (batch(), State::default());
        let span = one.groups[0].letters().next().unwrap();
        let intent = Intent { name: "o".into(), spans: vec![span], upload: None };
        fold(&mut state, Saved::Intent { lane: LaneId("s3".into()), intent });
        let held = undecided(&state, &[Batch::default(), one]);
        assert_eq!(held, BTreeMap::from([(LaneId("s3".into()), BTreeSet::from([1]))]));
    }
}
