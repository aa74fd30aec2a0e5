//! What a command changes in the store's state: which output, which file, what is written. Pure.

use crate::record::{FileId, Mark};
use crate::store::balance;
use crate::store::saved::{LaneId, LaneState, Position, Saved, State};
use std::sync::Arc;

/// Names and ids of the outputs of a configuration; empty where there is none.
pub type Names = Vec<(Arc<str>, Arc<str>)>;

/// The output by its name or id; the error says which there are.
pub fn lane(state: &State, names: &Names, wanted: &str) -> Result<LaneId, String> {
    let named = names.iter().find(|(name, _)| **name == *wanted).map(|(_, id)| id.clone());
    let id = LaneId(named.unwrap_or_else(|| wanted.into()));
    if state.lanes.contains_key(&id) {
        return Ok(id);
    }
    if names.iter().any(|(name, id)| **name == *wanted || **id == *wanted) {
        return Err(format!("output {wanted} has no positions yet: no agent has run with it"));
    }
    let mut known: Vec<&str> = state.lanes.keys().map(|lane| &*lane.0).collect();
    known.sort_unstable();
    Err(format!("there is no output {wanted}; there are positions of: {}", known.join(", ")))
}

/// What an output is called.
pub fn name_of<'a>(names: &'a Names, lane: &'a LaneId) -> &'a str {
    names.iter().find(|(_, id)| *id == lane.0).map_or(&lane.0, |(name, _)| name)
}

/// The file by its path, or by its id or the beginning of that.
pub fn file(state: &State, lane: &LaneId, wanted: &str) -> Result<FileId, String> {
    let stands = state.lanes.get(lane).into_iter().flat_map(|l| l.positions.keys().copied());
    let mut ids: Vec<FileId> = state.files.keys().copied().chain(stands).collect();
    ids.sort_unstable();
    ids.dedup();
    let path = |id: &FileId| state.files.get(id).map_or("", |known| &known.path);
    let hex = wanted.len() >= 4 && wanted.bytes().all(|b| b.is_ascii_hexdigit());
    ids.retain(|id| path(id) == wanted || (hex && id.to_string().starts_with(&wanted.to_ascii_lowercase())));
    match ids.as_slice() {
        [one] => Ok(*one),
        [] => Err(format!("no file {wanted} is known; `tailrace positions list` shows those that are")),
        several => {
            let list: Vec<String> = several.iter().map(|id| format!("{id} {}", path(id))).collect();
            Err(format!("{wanted} stands for {} files; name one by its id:\n  {}", list.len(), list.join("\n  ")))
        }
    }
}

/// Puts a position at a place with its proof.
pub fn set(state: &State, lane: &LaneId, file: FileId, at: u64, mark: Mark) -> Result<Vec<Saved>, String> {
    let known = lane_of(state, lane, file)?;
    let before = known.positions.get(&file).map_or(0, Position::settled);
    let mut sums = known.sums.clone();
    sums.skipped = sums.skipped.saturating_add(at.saturating_sub(before));
    sums.again = sums.again.saturating_add(before.saturating_sub(at));
    let position = Position { low: at, low_mark: mark, above: Vec::new(), high_mark: Mark::NONE, cuts: Vec::new() };
    Ok(vec![Saved::Position { lane: lane.clone(), file, position }, Saved::Sums { lane: lane.clone(), sums }])
}

/// Takes a position away: the output reads the file as if it had never seen it.
pub fn forget(state: &State, lane: &LaneId, file: FileId) -> Result<Vec<Saved>, String> {
    let known = lane_of(state, lane, file)?;
    let Some(position) = known.positions.get(&file) else {
        return Err(format!("output {} has no position in this file", lane.0));
    };
    let mut sums = known.sums.clone();
    sums.again = sums.again.saturating_add(position.settled());
    Ok(vec![Saved::Left { lane: lane.clone(), file }, Saved::Sums { lane: lane.clone(), sums }])
}

fn lane_of<'a>(state: &'a State, lane: &LaneId, file: FileId) -> Result<&'a LaneState, String> {
    let known = state.lanes.get(lane).ok_or_else(|| format!("there is no output {}", lane.0))?;
    if balance::undecided(known).contains(&file) {
        return Err(format!(
            "output {} was sending an object with bytes of this file, and its outcome is not known yet: let the agent \
             run until that is settled, then try again",
            lane.0
        ));
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::view::Place;
    use crate::record::Span;
    use crate::store::balance::Balance;
    use crate::store::replay::fold;
    use crate::store::saved::{Intent, KnownFile, Sums};

    fn known(id: u128, path: &str) -> Saved {
        let place = Place { chain: 1, restart: 0, turn: 0 };
        let (input, path, ages, fields) = ("pods".into(), path.into(), Vec::new(), Vec::new());
        let id = FileId(id);
        Saved::File(KnownFile {
            rulings: Default::default(),
            id,
            input,
            path,
            inode: 1,
            head: (1, 1),
            place,
            generation: 0,
            size: 100,
            ages,
            fields,
            kept: None,
            proof: Mark::NONE,
        })
    }
    fn search() -> LaneId {
        LaneId("s".into())
    }
    fn state() -> State {
        let mut state = State::default();
        let position =
            Position { low: 60, low_mark: Mark::NONE, above: vec![(70, 80)], high_mark: Mark::NONE, cuts: Vec::new() };
        let sums = Sums { delivered: (7, 70), ..Sums::default() };
        for saved in [
            known(0xabcd << 112, "/a/0.log"),
            known(0xabce << 112, "/b/0.log"),
            known(0x1111 << 112, "/b/0.log"),
            Saved::Position { lane: search(), file: FileId(0xabcd << 112), position },
            Saved::Sums { lane: search(), sums },
        ] {
            fold(&mut state, saved);
        }
        state
    }
    fn names() -> Names {
        vec![("search".into(), "s".into()), ("new".into(), "n".into())]
    }

    #[test]
    fn an_output_is_named_by_its_name_or_its_id_and_others_are_told_what_there_is() {
        assert_eq!(lane(&state(), &names(), "search"), Ok(search()));
        assert_eq!(lane(&state(), &Names::new(), "s"), Ok(search()));
        assert!(lane(&state(), &names(), "new").unwrap_err().contains("no agent has run"));
        assert!(lane(&state(), &names(), "x").unwrap_err().ends_with("positions of: s"));
        assert_eq!(name_of(&names(), &search()), "search");
    }

    #[test]
    fn a_file_is_named_by_its_path_or_the_beginning_of_its_id() {
        let of = |wanted: &str| file(&state(), &search(), wanted);
        assert_eq!(of("/a/0.log"), Ok(FileId(0xabcd << 112)));
        assert_eq!(of("ABCE"), Ok(FileId(0xabce << 112)));
        assert!(of("abc").unwrap_err().contains("no file abc"), "too short for an id");
        assert!(of("/b/0.log").unwrap_err().contains("stands for 2 files"));
        assert!(of("/c").unwrap_err().contains("positions list"));
    }

    #[test]
    fn whatever_is_set_or_forgotten_the_books_stay_in_balance() {
        let file = FileId(0xabcd << 112);
        for at in [0, 30, 60, 65, 75, 100] {
            let mut state = state();
            for saved in set(&state, &search(), file, at, Mark::NONE).unwrap() {
                fold(&mut state, saved);
            }
            let lane = &state.lanes[&search()];
            assert_eq!((Balance::of(lane).off(), lane.positions[&file].low), (0, at));
        }
        let mut state = state();
        for saved in forget(&state, &search(), file).unwrap() {
            fold(&mut state, saved);
        }
        assert_eq!(Balance::of(&state.lanes[&search()]).off(), 0);
        assert!(state.lanes[&search()].positions.is_empty());
        assert!(forget(&state, &search(), file).is_err());
    }

    #[test]
    fn a_file_of_an_object_whose_outcome_is_not_known_is_left_alone() {
        let mut state = state();
        let file = FileId(0xabcd << 112);
        let spans = vec![Span { file, start: 80, end: 90 }];
        let intent = Intent { name: "o".into(), spans, upload: None };
        fold(&mut state, Saved::Intent { lane: search(), intent });
        assert!(set(&state, &search(), file, 0, Mark::NONE).unwrap_err().contains("outcome is not known"));
        assert!(forget(&state, &search(), file).is_err());
    }
}
