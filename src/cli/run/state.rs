//! What a run finds in `data_dir`: the lock, the checkpoint store, lanes that left the configuration.

use super::Run;
use crate::config::checked::Output;
use crate::store::balance;
use crate::store::file::{Notice, Store};
use crate::store::lock::{Lock, NoLock};
use crate::store::saved::{LaneId, LaneState, Saved, State};
use crate::store::thread::StoreHandle;
use crate::telemetry::report::{StoreReport, Written};
use std::collections::{BTreeMap, HashMap};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// How long a lane that left is remembered when nobody said: it left while an older version ran.
const KEEP: Duration = Duration::from_secs(86_400);
/// The store's thread answers at once, unless its disk hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Copies of log files that may be deleted before they are read, in `data_dir`.
pub const RETAINED: &str = "retained";

/// The lock, or a `data_dir` in which none can be had: then we go on without (reading never needs a write).
pub struct Held(Option<Lock>);

impl Held {
    /// Without a lock, or with one whose file somebody deleted: tries once more. The error names the process that has it
    /// by now.
    pub fn try_again(&mut self, run: &Run) -> Result<(), String> {
        if self.0.as_ref().is_some_and(|lock| !lock.is_void()) {
            return Ok(());
        }
        let deleted = self.0.take().is_some();
        let data_dir = run.config.data_dir.display();
        match Lock::try_take(&run.config.data_dir, run.clock.now()) {
            Ok(lock) => {
                if deleted {
                    tracing::error!(%data_dir, "the lock in data_dir was deleted while in use: taken again");
                } else {
                    tracing::info!("data_dir is locked now");
                }
                run.board.writes(Written::Lock, None);
                self.0 = Some(lock);
                Ok(())
            }
            Err(NoLock::Held { by }) => Err(by),
            Err(NoLock::Io(error)) => {
                if deleted {
                    tracing::error!(
                        %error, %data_dir,
                        "the lock in data_dir was deleted while in use and cannot be taken again: going on without; a \
                         data_dir that was made anew needs a restart where Landlock is on"
                    );
                }
                run.board.writes(Written::Lock, Some(error.to_string()));
                Ok(())
            }
        }
    }
}

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
            run.board.writes(Written::Lock, Some(error.to_string()));
            tracing::error!(%error, data_dir = %dir.display(), "data_dir cannot be locked: going on without; nothing is remembered over a restart");
            Ok(Locked::Ours(Held(None)))
        }
    }
}

/// Opens the store and starts its thread.
pub fn open(run: &Run) -> Result<Opened, String> {
    let dir = &run.config.data_dir;
    let (store, state, notices) = Store::open(dir, run.clock.now())
        .map_err(|e| format!("{}: {e}; name a directory that this user may write", dir.display()))?;
    let mut report = StoreReport::default();
    let anew = notices.iter().any(|n| matches!(n, Notice::MovedAside { .. } | Notice::Empty { .. }));
    for notice in notices {
        match &notice {
            Notice::Cut { .. } | Notice::Empty { .. } => tracing::info!("{notice}"),
            Notice::Skipped { .. } | Notice::Foreign { .. } | Notice::MovedAside { .. } | Notice::Unwritable { .. } => {
                tracing::error!("{notice}");
            }
        }
        match notice {
            Notice::Skipped { records } => report.passed_over += records,
            Notice::Foreign { foreign, unreadable } => report.passed_over += foreign + unreadable,
            Notice::MovedAside { .. } => report.moved_aside = true,
            Notice::Cut { .. } | Notice::Empty { .. } | Notice::Unwritable { .. } => {}
        }
    }
    if anew {
        set_copies_aside(dir, run.clock.now().unix_ns / 1_000_000_000);
    }
    run.board.store(report);
    let clock = run.clock;
    let store = StoreHandle::start(store, move || clock.now()).map_err(|e| format!("no thread for the store: {e}"))?;
    Ok(in_order(store, state))
}

/// Copies of deleted log files, of which no store tells any more whose they are: nobody can send them, and the catalog
/// would remove them as not needed. They may be all that is left of their files.
fn set_copies_aside(dir: &Path, seconds: i64) {
    let (from, to) = (dir.join(RETAINED), dir.join(format!("{RETAINED}.bad-{seconds}")));
    let copies = std::fs::read_dir(&from).map_or(0, Iterator::count);
    if copies == 0 {
        return;
    }
    match std::fs::rename(&from, &to) {
        Ok(()) => tracing::error!(
            copies, to = %to.display(),
            "copies of log files that were deleted belong to no known file now, and may not have been delivered; they are \
             kept (zstdcat shows them): delete them when you need them no more"
        ),
        Err(error) => tracing::error!(%error, copies, "copies of deleted log files cannot be moved aside"),
    }
}

/// Lanes find their books in order.
fn in_order(store: StoreHandle, mut state: State) -> Opened {
    let notes = balance::at_start(&mut state);
    if !notes.is_empty() {
        store.append(notes);
    }
    Opened { store, state }
}

/// What a store that goes on knows now.
pub async fn reopen(store: StoreHandle) -> Result<Opened, String> {
    let (answer, state) = tokio::sync::oneshot::channel();
    // If nobody listens any more, nobody needs it.
    store.ask(Box::new(move |store| drop(answer.send(store.state()))));
    match tokio::time::timeout(ANSWER_WITHIN, state).await {
        Ok(Ok(state)) => Ok(in_order(store, state)),
        Ok(Err(_)) | Err(_) => Err("data_dir does not answer: its disk hangs, or the store's thread failed".to_owned()),
    }
}

/// Whether a lane is there, as the store knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    since: Option<i64>,
    keep: Option<Duration>,
}

/// Of all lanes that the store knows.
pub fn presence(lanes: &HashMap<LaneId, LaneState>) -> BTreeMap<LaneId, Presence> {
    let of = |state: &LaneState| Presence { since: state.absent_since, keep: state.keep };
    lanes.iter().map(|(lane, state)| (lane.clone(), of(state))).collect()
}

/// A lane that left the configuration is remembered for its `forget_after`, then forgotten; one that is back goes on.
/// Gives what the store must know.
pub fn lanes_that_came_and_went(
    outputs: &[Output],
    lanes: &mut BTreeMap<LaneId, Presence>,
    unix_ns: i64,
) -> Vec<Saved> {
    let mut notes = Vec::new();
    for output in outputs {
        let (lane, here) = (LaneId(output.id.clone()), Presence { since: None, keep: Some(output.forget_after) });
        if lanes.insert(lane.clone(), here) != Some(here) {
            notes.push(Saved::Absent { lane, since: None, keep: here.keep });
        }
    }
    lanes.retain(|lane, known| {
        if outputs.iter().any(|output| *output.id == *lane.0) {
            return true;
        }
        let Some(since) = known.since else {
            known.since = Some(unix_ns);
            notes.push(Saved::Absent { lane: lane.clone(), since: known.since, keep: None });
            return true;
        };
        let gone = u64::try_from(unix_ns.saturating_sub(since)).map_or(Duration::ZERO, Duration::from_nanos);
        let over = gone >= known.keep.unwrap_or(KEEP);
        if over {
            tracing::info!(output = %lane.0, "forgotten: it left the configuration");
            notes.push(Saved::Forgotten { lane: lane.clone() });
        }
        !over
    });
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(names: &[(&str, &str)]) -> Vec<Output> {
        if names.is_empty() {
            return Vec::new();
        }
        let mut text = "memory_limit: 100MiB\ninputs: {f: {type: file, include: [/f]}}\noutputs:\n".to_owned();
        for (name, keep) in names {
            text += &format!("  {name}: {{type: s3, inputs: [f], bucket: abc, key: k, forget_after: {keep}}}\n");
        }
        crate::config::load(&text, "f", &|name| (name == "NODE_NAME").then(|| "n".to_string())).unwrap().outputs
    }

    #[test]
    fn copies_of_which_no_store_tells_are_set_aside_and_an_empty_directory_is_left() {
        let dir = tempfile::tempdir().unwrap();
        set_copies_aside(dir.path(), 7);
        std::fs::create_dir(dir.path().join(RETAINED)).unwrap();
        set_copies_aside(dir.path(), 7);
        assert!(dir.path().join(RETAINED).is_dir());
        std::fs::write(dir.path().join("retained/0a.zst"), "x").unwrap();
        set_copies_aside(dir.path(), 7);
        assert!(!dir.path().join(RETAINED).exists());
        assert_eq!(std::fs::read(dir.path().join("retained.bad-7/0a.zst")).unwrap(), b"x");
    }

    /// Who is remembered after these notes, by the store as by us.
    fn noted(lanes: &mut HashMap<LaneId, LaneState>, names: &[(&str, &str)], seconds: i64) -> Vec<String> {
        let mut known = presence(lanes);
        let mut state = State { lanes: std::mem::take(lanes), ..State::default() };
        for note in lanes_that_came_and_went(&outputs(names), &mut known, seconds * 1_000_000_000) {
            crate::store::replay::fold(&mut state, note);
        }
        *lanes = state.lanes;
        assert_eq!(presence(lanes), known);
        known.into_keys().map(|lane| lane.0.to_string()).collect()
    }

    #[test]
    fn who_left_is_remembered_for_its_own_forget_after_and_who_is_back_in_time_goes_on() {
        let mut lanes = HashMap::new();
        let at = 1_700_000_000;
        assert_eq!(noted(&mut lanes, &[("a", "2h"), ("b", "10m"), ("c", "1m")], at), ["a", "b", "c"]);
        assert_eq!(noted(&mut lanes, &[("a", "2h")], at + 10), ["a", "b", "c"]);
        assert_eq!(noted(&mut lanes, &[("a", "2h")], at + 80), ["a", "b"], "c was remembered for a minute");
        assert_eq!(noted(&mut lanes, &[("a", "2h"), ("b", "10m")], at + 500), ["a", "b"]);
        assert_eq!(noted(&mut lanes, &[("a", "2h")], at + 700), ["a", "b"], "its time began anew");
        assert_eq!(noted(&mut lanes, &[("a", "2h")], at + 1_299), ["a", "b"]);
        assert_eq!(noted(&mut lanes, &[("a", "2h")], at + 1_300), ["a"]);
        // A clock that was set back is no reason to forget.
        assert_eq!(noted(&mut lanes, &[], at + 1_300), ["a"]);
        assert_eq!(noted(&mut lanes, &[], at - 1_000_000), ["a"]);
    }
}
