//! What a run finds in `data_dir`: the lock, the checkpoint store, lanes that left the configuration.

use super::Run;
use crate::record::{FileId, Mark};
use crate::store::file::{Notice, Store};
use crate::store::lock::{Lock, NoLock};
use crate::store::saved::{LaneId, LaneState, Saved, State};
use crate::store::thread::StoreHandle;
use crate::telemetry::report::Kept;
use std::collections::{BTreeSet, HashMap};
use std::io::ErrorKind;
use std::time::Duration;

/// The lock, or a `data_dir` in which none can be had: then we go on without (reading never needs a write).
pub struct Held(#[expect(dead_code, reason = "dropping it lets the next process in")] Option<Lock>);

/// Whose is `data_dir`?
pub enum Locked {
    /// Ours.
    Ours(Held),
    /// Another process's.
    Theirs {
        /// Its pid, host and since when.
        by: String,
    },
}

/// The store's thread, and what it knew.
pub struct Opened {
    /// Where notes go.
    pub store: StoreHandle,
    /// Files and lanes of earlier lives.
    pub state: State,
}

/// Tries the lock once.
pub fn lock(run: &Run) -> Result<Locked, String> {
    let dir = &run.config.data_dir;
    match Lock::try_take(dir, run.clock.now()) {
        Ok(lock) => Ok(Locked::Ours(Held(Some(lock)))),
        Err(NoLock::Held { by }) => Ok(Locked::Theirs { by }),
        Err(NoLock::Io(error)) if matches!(error.kind(), ErrorKind::NotADirectory | ErrorKind::AlreadyExists) => {
            Err(format!("data_dir {} is not a directory: {error}; name one that this user may write", dir.display()))
        }
        Err(NoLock::Io(error)) => {
            run.board.writes(Kept::Lock, Some(error.to_string()));
            tracing::error!(%error, data_dir = %dir.display(), "data_dir cannot be locked: going on without; nothing is remembered over a restart");
            Ok(Locked::Ours(Held(None)))
        }
    }
}

/// Opens the store and starts its thread.
pub fn open(run: &Run) -> Result<Opened, String> {
    let dir = &run.config.data_dir;
    let (store, mut state, notices) = Store::open(dir, run.clock.now())
        .map_err(|e| format!("{}: {e}; name a directory that this user may write", dir.display()))?;
    for notice in notices {
        match notice {
            Notice::Cut { .. } | Notice::Empty { .. } => tracing::info!("{notice}"),
            Notice::Skipped { .. } | Notice::Foreign { .. } | Notice::MovedAside { .. } | Notice::Unwritable { .. } => {
                tracing::error!("{notice}");
            }
        }
    }
    let clock = run.clock;
    let store = StoreHandle::start(store, move || clock.now()).map_err(|e| format!("no thread for the store: {e}"))?;
    let notes = lanes_that_came_and_went(run, &mut state);
    if !notes.is_empty() {
        store.append(notes);
    }
    Ok(Opened { store, state })
}

/// A lane that left the configuration is remembered for the longest `forget_after` there is, then forgotten.
fn lanes_that_came_and_went(run: &Run, state: &mut State) -> Vec<Saved> {
    let now = run.clock.now().unix_ns;
    let here: BTreeSet<LaneId> = run.config.outputs.iter().map(|o| LaneId(o.id.clone())).collect();
    let longest = run.config.outputs.iter().map(|o| o.forget_after).max().unwrap_or(Duration::from_secs(86_400));
    let mut notes = Vec::new();
    state.lanes.retain(|lane, known| {
        if here.contains(lane) {
            if known.absent_since.take().is_some() {
                notes.push(Saved::Absent { lane: lane.clone(), since: None });
            }
            return true;
        }
        let since = known.absent_since.unwrap_or(now);
        let gone = u64::try_from(now.saturating_sub(since)).map_or(Duration::ZERO, Duration::from_nanos);
        if gone >= longest {
            tracing::info!(output = %lane.0, "forgotten: it left the configuration");
            notes.push(Saved::Forgotten { lane: lane.clone() });
        } else if known.absent_since.is_none() {
            notes.push(Saved::Absent { lane: lane.clone(), since: Some(now) });
        }
        gone < longest
    });
    notes
}

/// All proofs of all lanes' positions, for the catalog to recognise files by; at least one a lane that wants the file.
pub fn marks(lanes: &HashMap<LaneId, LaneState>) -> HashMap<FileId, Vec<Mark>> {
    let mut marks: HashMap<FileId, Vec<Mark>> = HashMap::new();
    for (file, position) in lanes.values().flat_map(|lane| &lane.positions) {
        let of_file = marks.entry(*file).or_default();
        // Also where nothing is proven: how far each lane is tells what is lost with a file.
        let unproven = Mark { at: position.low, ..Mark::NONE };
        let low = if position.low_mark.at == position.low { position.low_mark } else { unproven };
        for mark in [Some(low), Some(position.high_mark).filter(|mark| mark.len > 0)].into_iter().flatten() {
            if !of_file.contains(&mark) {
                of_file.push(mark);
            }
        }
    }
    marks
}
