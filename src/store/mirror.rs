//! The store's own copy of the state, so that a rewrite of the log needs nobody else. What it says of a file, of which
//! there can be tens of thousands, is kept as encoded entries, and compressed once nothing was heard of the file for a
//! while (`cold`).

use super::codec::{self, Entry};
use super::cold::Cold;
use super::log::{self, TooLong};
use super::replay;
use super::saved::{KnownFile, LaneId, LaneState, Position, Saved, State};
use crate::record::{FileId, Now};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::time::Duration;

#[derive(Default)]
pub(super) struct Mirror {
    /// Files of which something was heard lately.
    awake: HashMap<FileId, Cell>,
    /// All others.
    cold: Cold,
    /// But for the positions.
    lanes: HashMap<LaneId, LaneState>,
    gone: BTreeSet<FileId>,
    /// More files awake than this: those that were not touched since the last look are put away. `None`: never, a log is
    /// being read, which speaks of each file again and again.
    most_awake: Option<usize>,
    /// The next look (mono).
    look_at: Option<Duration>,
}

/// What the log says of a file.
#[derive(Clone, Debug, Default)]
struct Cell {
    /// Its entry.
    known: Option<Box<[u8]>>,
    /// Where lanes stand in it.
    positions: Vec<(LaneId, Position)>,
    /// Since the last look.
    touched: bool,
}

/// Log bytes are handed on in pieces of about this size.
const PIECE: usize = 256 << 10;
/// Fewer files awake than this are left alone until the next look.
const FEW_AWAKE: usize = if cfg!(test) { 2 } else { 1024 };
/// Between two looks for files of which nothing was heard.
const LOOK_EVERY: Duration = Duration::from_secs(10);

impl Cell {
    fn is_empty(&self) -> bool {
        self.known.is_none() && self.positions.is_empty()
    }

    /// Its entries, as the log has them.
    fn encode(&mut self, file: FileId) -> Vec<u8> {
        let mut out = self.known.as_deref().unwrap_or_default().to_vec();
        self.positions.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (lane, position) in &self.positions {
            codec::encode(&Saved::Position { lane: lane.clone(), file, position: position.clone() }, &mut out);
        }
        out
    }

    /// `own` gives a lane's id that all share.
    fn decode(entries: &[u8], own: impl Fn(LaneId) -> LaneId) -> Cell {
        let mut cell = Cell::default();
        for saved in saved(entries) {
            if let Saved::Position { lane, position, .. } = saved {
                cell.positions.push((own(lane), position));
            } else {
                let mut known = Vec::new();
                codec::encode(&saved, &mut known);
                cell.known = Some(known.into());
            }
        }
        cell
    }

    fn forget(&mut self, lane: &LaneId) {
        self.positions.retain(|(other, _)| other != lane);
    }
}

/// What was encoded here.
fn saved(entries: &[u8]) -> impl Iterator<Item = Saved> + '_ {
    codec::decode(entries).filter_map(|entry| match entry {
        Entry::Known(saved) => Some(saved),
        Entry::Foreign { .. } | Entry::Unreadable { .. } | Entry::Broken => None,
    })
}

impl Mirror {
    /// As `replay::fold` does it; files are cells here.
    pub(super) fn fold(&mut self, saved: Saved) {
        match saved {
            Saved::File(file) => self.known(file),
            Saved::FileGone { id } => {
                let cell = self.cell(id);
                cell.known = None;
                if cell.is_empty() {
                    self.awake.remove(&id);
                } else {
                    self.gone.insert(id);
                }
            }
            Saved::Left { lane, file } => {
                let cell = self.cell(file);
                cell.forget(&lane);
                let (left, empty) = (cell.positions.is_empty(), cell.is_empty());
                if left {
                    self.gone.remove(&file);
                }
                if empty {
                    self.awake.remove(&file);
                }
                self.lanes.entry(lane).or_default();
            }
            Saved::Position { lane, file, position } => {
                let cell = self.cell(file);
                match cell.positions.iter_mut().find(|(other, _)| *other == lane) {
                    Some((_, known)) => *known = position,
                    None => {
                        cell.positions.reserve_exact(1);
                        cell.positions.push((lane.clone(), position));
                    }
                }
                self.lanes.entry(lane).or_default();
            }
            Saved::Forgotten { lane } => self.forget(&lane),
            Saved::Sums { .. }
            | Saved::Attempt { .. }
            | Saved::Answered { .. }
            | Saved::Upload { .. }
            | Saved::Part { .. }
            | Saved::Intent { .. }
            | Saved::Closed { .. }
            | Saved::Absent { .. } => _ = replay::fold_lanes(&mut self.lanes, &mut self.gone, saved),
        }
        if self.most_awake.is_some_and(|most| self.awake.len() > most) {
            self.put_away();
        }
    }

    fn known(&mut self, file: KnownFile) {
        let id = file.id;
        let mut entry = Vec::new();
        codec::encode(&Saved::File(file), &mut entry);
        self.gone.remove(&id);
        self.cell(id).known = Some(entry.into());
    }

    fn forget(&mut self, lane: &LaneId) {
        self.lanes.remove(lane);
        self.awake.retain(|_, cell| {
            cell.forget(lane);
            !cell.is_empty()
        });
        let mut standing = BTreeSet::new();
        self.cold.change(|id, entries| {
            let mut cell = Cell::decode(entries, |lane| lane);
            cell.forget(lane);
            if !cell.positions.is_empty() {
                standing.insert(id);
            }
            (!cell.is_empty()).then(|| cell.encode(id))
        });
        let awake = &self.awake;
        let stands = |id: &FileId| awake.get(id).is_some_and(|cell| !cell.positions.is_empty());
        self.gone.retain(|id| standing.contains(id) || stands(id));
    }

    /// A file's cell, awake from now on.
    fn cell(&mut self, id: FileId) -> &mut Cell {
        let (cold, lanes) = (&mut self.cold, &self.lanes);
        let own = |lane: LaneId| lanes.get_key_value(&lane).map_or(lane, |(own, _)| own.clone());
        let cell = self
            .awake
            .entry(id)
            .or_insert_with(|| cold.take(id).map_or_else(Cell::default, |entries| Cell::decode(&entries, own)));
        cell.touched = true;
        cell
    }

    /// Puts files away of which nothing was heard between two looks. The next look shall be at this time (mono);
    /// `None`: there is nothing left to put away.
    pub(super) fn rest(&mut self, now: Now) -> Option<Duration> {
        let due = *self.look_at.get_or_insert(now.mono.saturating_add(LOOK_EVERY));
        if now.mono >= due {
            self.put_away();
            self.cold.rest();
            self.look_at = None;
        }
        if self.awake.is_empty() {
            self.cold.rest();
            self.look_at = None;
            return None;
        }
        Some(*self.look_at.get_or_insert(now.mono.saturating_add(LOOK_EVERY)))
    }

    fn put_away(&mut self) {
        let mut quiet = Vec::new();
        self.awake.retain(|id, cell| {
            let stays = std::mem::take(&mut cell.touched);
            if !stays {
                quiet.push((*id, cell.encode(*id)));
            }
            stays
        });
        quiet.sort_unstable_by_key(|(id, _)| *id);
        self.cold.add(quiet);
        let most = self.awake.len().saturating_mul(2).max(FEW_AWAKE);
        self.most_awake = Some(most);
        self.awake.shrink_to(most);
    }

    /// Puts all away: the log is read to its end.
    pub(super) fn settle(&mut self) {
        // What was touched stays awake the first time.
        self.put_away();
        self.put_away();
    }

    /// What is said of files, by file; the same state in the same order.
    fn files(&self) -> impl Iterator<Item = Saved> + '_ {
        let cold = self.cold.each().map(|(_, entries)| entries);
        let mut awake: Vec<(&FileId, &Cell)> = self.awake.iter().collect();
        awake.sort_unstable_by_key(|(id, _)| **id);
        let awake = awake.into_iter().map(|(id, cell)| cell.clone().encode(*id));
        cold.chain(awake).flat_map(|entries| saved(&entries).collect::<Vec<_>>())
    }

    pub(super) fn lane(&self, lane: &LaneId) -> Option<LaneState> {
        let mut state = self.lanes.get(lane)?.clone();
        for saved in self.files() {
            if let Saved::Position { lane: of, file, position } = saved
                && of == *lane
            {
                state.positions.insert(file, position);
            }
        }
        Some(state)
    }

    pub(super) fn state(&self) -> State {
        let mut state = State { files: HashMap::new(), lanes: self.lanes.clone(), gone: BTreeSet::new() };
        self.files().for_each(|saved| replay::fold(&mut state, saved));
        state.gone = self.gone.clone();
        state
    }

    /// A whole new log that holds this state, piece by piece, one entry a record; gives its length.
    pub(super) fn write_log(&self, now: Now, out: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
        let mut total = 0u64;
        let mut piece = Vec::with_capacity(PIECE);
        let mut payload = Vec::new();
        log::write_header(&mut piece);
        let mut flush = |piece: &mut Vec<u8>, at_least: usize| -> io::Result<()> {
            if piece.len() >= at_least {
                out(piece)?;
                total = total.saturating_add(piece.len() as u64);
                piece.clear();
            }
            Ok(())
        };
        for saved in self.files().chain(replay::snapshot_lanes(&self.lanes, &self.gone)) {
            payload.clear();
            codec::encode(&saved, &mut payload);
            log::write_record(now.unix_ns, &payload, &mut piece).map_err(too_long)?;
            flush(&mut piece, PIECE)?;
        }
        flush(&mut piece, 1)?;
        Ok(total)
    }
}

pub(super) fn too_long(error: TooLong) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

#[cfg(test)]
mod tests {
    use super::super::arbitrary;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_away_says_what_it_said_before(
            records in proptest::collection::vec((arbitrary::saved(), any::<bool>()), 0..40)
        ) {
            let (mut mirror, mut state) = (Mirror::default(), State::default());
            for (at, (saved, rest)) in records.into_iter().enumerate() {
                replay::fold(&mut state, saved.clone());
                mirror.fold(saved);
                if rest {
                    mirror.rest(arbitrary::at(at as u64 * 20));
                }
                prop_assert_eq!(&mirror.state(), &state);
                prop_assert!(state.lanes.iter().all(|(id, lane)| mirror.lane(id).as_ref() == Some(lane)));
            }
            let mut log = Vec::new();
            mirror.write_log(arbitrary::at(9), &mut |piece| {
                log.extend_from_slice(piece);
                Ok(())
            }).unwrap();
            prop_assert_eq!(replay::replay(&log).unwrap().0, state.clone());
            prop_assert_eq!(&mirror.state(), &state);
        }
    }

    #[test]
    fn a_file_of_which_nothing_is_heard_is_put_away_and_nobody_looks_again() {
        let mut mirror = Mirror::default();
        mirror.fold(arbitrary::position_at("s3", 1, 10));
        let first = mirror.rest(arbitrary::at(0)).unwrap();
        let then = Now { mono: first, unix_ns: 0 };
        let second = mirror.rest(then).unwrap();
        assert_eq!(mirror.rest(Now { mono: second, unix_ns: 0 }), None);
        assert!(mirror.awake.is_empty());
        assert_eq!(mirror.lane(&arbitrary::lane("s3")).unwrap().positions.len(), 1);
    }
}
