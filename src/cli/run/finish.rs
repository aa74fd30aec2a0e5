//! `exit_when`: for an agent whose files go when it does. When it ends, and how: everything is built anew as for `--once`,
//! so that the end of the files is the end, and the exit tells whether everything was delivered.
//!
//! Whoever supervises asks once a second. A stop from outside means the same end, within `shutdown_timeout`; without
//! one a destination gets [`GIVE_UP`] in which it settles nothing.

use super::Run;
use crate::config::checked::ExitWhen;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A destination may be away for so long before what waits for it is given up, unless `--give-up` says otherwise.
const GIVE_UP: Duration = Duration::from_secs(300);
/// What is not delivered so long before the end of `shutdown_timeout` is sealed, sent and saved as it is.
const CLOSING: Duration = Duration::from_secs(10);

/// How far the end is. Lives as long as the process.
#[derive(Default)]
pub struct Finish {
    /// What is there now is all there will be.
    pub begun: bool,
    /// A signal came.
    pub signalled: bool,
    /// Everything must be over then (mono).
    by: Option<Duration>,
    /// Bytes that inputs had seen, and since when no more.
    grew: Option<(u64, Duration)>,
    /// The file is there; looked up by a thread of its own: a disk may hang.
    there: Arc<AtomicBool>,
    looking: Arc<AtomicBool>,
}

impl Finish {
    /// Whether it is time to end, and why.
    pub fn due(&mut self, run: &Run) -> Option<String> {
        let ExitWhen { file, idle } = run.config.exit_when.as_ref()?;
        if let Some(path) = file {
            if self.there.load(Ordering::Relaxed) {
                return Some(format!("{} is there", path.display()));
            }
            self.look(path);
        }
        let (idle, now) = ((*idle)?, run.clock.now().mono);
        let inputs = &run.board.snapshot().catalog.inputs;
        let bytes = inputs.values().map(|input| input.bytes).sum();
        // Offered: a file with bytes in it, which it may have had before we looked.
        let begun = inputs.values().any(|input| input.offered > 0);
        let since = match self.grew {
            Some((seen, since)) if seen == bytes => since,
            Some(_) | None => now,
        };
        self.grew = Some((bytes, since));
        // Before the first byte nobody has begun.
        (begun && now.saturating_sub(since) >= idle).then(|| format!("nothing was written for {} s", idle.as_secs()))
    }

    /// From now on what is there is all there is. Within `limit`, if there is one.
    pub fn begin(&mut self, run: &mut Run, limit: Option<Duration>) {
        self.begun = true;
        run.once = Some(run.give_up.unwrap_or(GIVE_UP));
        let by = limit.map(|limit| run.clock.now().mono.saturating_add(limit));
        self.by = match (self.by, by) {
            (Some(first), Some(second)) => Some(first.min(second)),
            (first, second) => first.or(second),
        };
    }

    /// The time has come to send and save what is there, whatever it is: by when.
    pub fn closing(&self, run: &Run) -> Option<Duration> {
        let margin = CLOSING.min(run.config.shutdown_timeout / 2);
        self.by.filter(|by| run.clock.now().mono.saturating_add(margin) >= *by)
    }

    fn look(&self, path: &Path) {
        if self.looking.swap(true, Ordering::Relaxed) {
            return;
        }
        let (path, there, looking) = (path.to_owned(), self.there.clone(), self.looking.clone());
        drop(tokio::task::spawn_blocking(move || {
            there.store(std::fs::symlink_metadata(&path).is_ok(), Ordering::Relaxed);
            looking.store(false, Ordering::Relaxed);
        }));
    }
}
