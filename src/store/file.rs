//! The checkpoint store over a directory: `checkpoints.log`, appended to, and rewritten when it grew too large.
//!
//! There is no store that was not read first: `open` replays what is there. What is appended is folded in memory at
//! once, whatever the disk says; bytes that could not be written wait, and go before the next ones, so an error never
//! needs a second `append`. After a failed write the log is cut back to its last good record. An fsync vouches only
//! for a file that this process wrote and never failed to sync (after a failure the kernel may have dropped the pages
//! and say yes the next time, also to the next process): any other is first replaced by a new one.
//! When to sync and when to try again is the caller's business (`thread`).

use super::aside;
use super::codec;

use super::log::{self, Problem, Torn};
use super::mirror::{Mirror, too_long};
use super::replay::{self, Found};
use super::saved::{LaneId, LaneState, Saved, State};
use super::storage::{OsStorage, Storage};
use crate::record::Now;
use crate::seeded::{Bug, seeded};
use std::io;
use std::path::Path;

/// The log's name inside `data_dir`.
pub const NAME: &str = "checkpoints.log";
const NEW: &str = "checkpoints.log.new";
/// A log below this is never rewritten for its size. (Tests meet the limits early.)
const REWRITE_MIN: u64 = if cfg!(test) { 2 << 10 } else { 4 << 20 };
/// A log is rewritten at this many times what it must hold.
const REWRITE_RATIO: u64 = 4;
/// More that could not be written than this is given up in favour of a rewrite: the state is in memory anyway.
const UNWRITTEN_MAX: usize = if cfg!(test) { 1 << 10 } else { 1 << 20 };
/// More than this should be written before more is noted.
const MUCH: usize = UNWRITTEN_MAX / 4;

/// The store cannot be had at all: `data_dir`, or something above it, is a file. A mistake of configuration;
/// everything else is a [`Notice`].
#[derive(Debug, thiserror::Error)]
#[error("data_dir is not a directory ({0})")]
pub struct OpenError(#[source] io::Error);

/// What opening found that somebody should know; each is for the log, at least as a warning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Notice {
    /// The end of the log was cut off: usual after a loss of power.
    #[error("{NAME}: {} at byte {}; the last {lost_bytes} bytes are cut off", torn.what, torn.offset)]
    Cut { torn: Torn, lost_bytes: u64 },
    /// A log cut to nothing: a file system that lost it, mostly.
    #[error("{NAME} is empty ({lost_bytes} bytes); files are read as if for the first time")]
    Empty { lost_bytes: u64 },
    /// Records in the middle were damaged.
    #[error("{NAME}: {records} damaged records skipped; is the disk failing?")]
    Skipped { records: u64 },
    /// Written by a newer version, mostly.
    #[error("{NAME}: {foreign} entries of kinds that this version does not know, {unreadable} that make no sense")]
    Foreign { foreign: u64, unreadable: u64 },
    /// The log could not be used at all; its bytes are kept under another name, and all positions begin anew.
    #[error("{NAME} cannot be used ({why}); kept as {to}; files are read as if for the first time")]
    MovedAside { to: String, why: String },
    /// `data_dir` cannot be written now: the agent goes on, at least once, and tries again.
    #[error("data_dir cannot be written ({why}); positions are kept in memory only until it can")]
    Unwritable { why: String },
}

/// The open store.
pub struct Store {
    storage: Box<dyn Storage>,
    mirror: Mirror,
    /// Good bytes of the log.
    len: u64,
    /// Whole records that belong behind them and are not written yet.
    unwritten: Vec<u8>,
    /// There may be bytes behind `len` that are no records.
    torn: bool,
    /// There is no file that could be appended to.
    must_rewrite: bool,
    /// A sync of the file would prove nothing.
    suspect: bool,
    /// What stands under the log's name is not ours to overwrite: move it here first.
    aside: Option<String>,
    /// Something was written since the last sync.
    unsynced: bool,
    /// A rename is not durable yet.
    dir_unsynced: bool,
    /// Rewrite when `len` passes this.
    rewrite_above: u64,
}

impl Store {
    /// Opens `dir` (made with mode 0700 if need be). The caller holds the lock.
    pub fn open(dir: &Path, now: Now) -> Result<(Store, State, Vec<Notice>), OpenError> {
        Store::open_in(Box::new(OsStorage::new(dir)), now)
    }

    /// The same over any storage.
    pub fn open_in(mut storage: Box<dyn Storage>, now: Now) -> Result<(Store, State, Vec<Notice>), OpenError> {
        let mut notices = Vec::new();
        match storage.prepare() {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists) => {
                return Err(OpenError(error));
            }
            // What cannot be made now is tried again, and told, when it is written.
            Ok(()) | Err(_) => {}
        }
        let mut store = Store {
            storage,
            mirror: Mirror::default(),
            len: 0,
            unwritten: Vec::new(),
            torn: false,
            must_rewrite: false,
            suspect: false,
            aside: None,
            unsynced: false,
            dir_unsynced: false,
            rewrite_above: REWRITE_MIN,
        };
        store.load(now, &mut notices);
        store.mirror.settle();
        if let Err(error) = store.mend(now) {
            notices.push(Notice::Unwritable { why: error.to_string() });
        }
        let state = store.mirror.state();
        Ok((store, state, notices))
    }

    fn load(&mut self, now: Now, notices: &mut Vec<Notice>) {
        let why = match self.storage.read(NAME) {
            Ok(bytes) => {
                let mirror = &mut self.mirror;
                match replay::each(&bytes, |saved| mirror.fold(saved)) {
                    Ok(found) => return self.loaded(found, bytes.len() as u64, notices),
                    Err(problem @ (Problem::NotALog | Problem::OtherVersion { .. })) => problem.to_string(),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.must_rewrite = true;
                return;
            }
            Err(error) => error.to_string(),
        };
        let names = self.storage.list().unwrap_or_default();
        let to = aside::free_name(NAME, now.unix_ns.div_euclid(1_000_000_000), &names);
        self.must_rewrite = true;
        self.aside = Some(to.clone());
        notices.push(Notice::MovedAside { to, why });
    }

    fn loaded(&mut self, found: Found, file_len: u64, notices: &mut Vec<Notice>) {
        let Found { end, foreign, unreadable } = found;
        self.len = end.valid_len;
        self.unsynced = true;
        self.suspect = true;
        self.torn = end.valid_len < file_len && !seeded(Bug::TornTailKept);
        self.must_rewrite = end.valid_len == 0;
        if end.valid_len == 0 {
            notices.push(Notice::Empty { lost_bytes: file_len });
        } else if let Some(torn) = end.torn {
            notices.push(Notice::Cut { torn, lost_bytes: file_len.saturating_sub(end.valid_len) });
        }
        if end.skipped > 0 {
            notices.push(Notice::Skipped { records: end.skipped });
        }
        if foreign > 0 || unreadable > 0 {
            notices.push(Notice::Foreign { foreign, unreadable });
        }
    }

    /// Brings the file into a state that can be appended to.
    fn mend(&mut self, now: Now) -> io::Result<()> {
        if self.must_rewrite {
            return self.rewrite(now);
        }
        if self.torn {
            self.storage.truncate(NAME, self.len)?;
            self.torn = false;
            self.unsynced = true;
        }
        Ok(())
    }

    /// Takes records in, in memory alone: those of one call are read back together or not at all (as far as they fit
    /// into one log record). An error means that a record is impossibly long; then none is taken.
    pub fn note(&mut self, records: Vec<Saved>, now: Now) -> io::Result<()> {
        let before = self.unwritten.len();
        if let Err(error) = self.encode(&records, now) {
            self.unwritten.truncate(before);
            return Err(error);
        }
        for saved in records {
            self.mirror.fold(saved);
        }
        if self.must_rewrite || self.unwritten.len() > UNWRITTEN_MAX {
            self.unwritten = Vec::new();
            self.must_rewrite = true;
        }
        Ok(())
    }

    fn encode(&mut self, records: &[Saved], now: Now) -> io::Result<()> {
        let mut payload = Vec::new();
        for saved in records {
            let before = payload.len();
            codec::encode(saved, &mut payload);
            if payload.len() > log::MAX_PAYLOAD && before > 0 {
                let last = payload.split_off(before);
                log::write_record(now.unix_ns, &payload, &mut self.unwritten).map_err(too_long)?;
                payload = last;
            }
        }
        if !payload.is_empty() {
            log::write_record(now.unix_ns, &payload, &mut self.unwritten).map_err(too_long)?;
        }
        Ok(())
    }

    /// Writes what is not written yet: it then survives the end of this process, not a loss of power.
    pub fn flush(&mut self, now: Now) -> io::Result<()> {
        self.mend(now)?;
        if self.unwritten.is_empty() {
            return Ok(());
        }
        self.unsynced = true;
        if let Err(error) = self.storage.append(NAME, &self.unwritten) {
            self.torn = true;
            return Err(error);
        }
        self.len = self.len.saturating_add(self.unwritten.len() as u64);
        self.unwritten.clear();
        self.unwritten.shrink_to(64 << 10);
        Ok(())
    }

    /// `note` and `flush`. After an error the records are not lost: they go with the next call.
    pub fn append(&mut self, records: &[Saved], now: Now) -> io::Result<()> {
        self.note(records.to_vec(), now)?;
        self.flush(now)
    }

    /// Makes all that was taken in durable. A log that grew too large is rewritten instead, which is as durable.
    pub fn sync(&mut self, now: Now) -> io::Result<()> {
        self.flush(now)?;
        if self.suspect {
            return self.rewrite(now);
        }
        if self.len > self.rewrite_above {
            match self.rewrite(now) {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%error, "{NAME} cannot be rewritten and grows on");
                    self.rewrite_above = self.len.saturating_add(REWRITE_MIN);
                }
            }
        }
        if self.unsynced {
            if let Err(error) = self.storage.sync(NAME) {
                self.suspect = true;
                return Err(error);
            }
            self.unsynced = false;
        }
        if self.dir_unsynced {
            self.storage.sync_dir()?;
            self.dir_unsynced = false;
        }
        Ok(())
    }

    /// Much waits to be written: call `flush` before more is noted.
    pub fn waits_for_flush(&self) -> bool {
        self.unwritten.len() > MUCH
    }

    /// Something is not written, or not durable.
    pub fn dirty(&self) -> bool {
        self.must_rewrite || self.torn || !self.unwritten.is_empty() || self.unsynced || self.dir_unsynced
    }

    /// Makes what is kept of quiet files small. Call it again at the time that it says (mono).
    pub fn rest(&mut self, now: Now) -> Option<std::time::Duration> {
        self.mirror.rest(now)
    }

    /// Good bytes of the log.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Nothing is on disk, not even a header.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The state as it is known here; what a reopening finds, if everything is written.
    pub fn state(&self) -> State {
        self.mirror.state()
    }

    /// Of that, what one lane would find at its start.
    pub fn lane(&self, lane: &LaneId) -> Option<LaneState> {
        self.mirror.lane(lane)
    }

    fn rewrite(&mut self, now: Now) -> io::Result<()> {
        self.storage.prepare()?;
        if let Some(to) = &self.aside {
            match self.storage.rename(NAME, to) {
                // Somebody took it away meanwhile.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => self.aside = None,
            }
            self.remove_oldest_aside();
        }
        let len = match self.write_new(now) {
            Ok(len) => len,
            Err(error) => {
                // It may have filled the disk.
                if let Err(error) = self.storage.remove(NEW) {
                    tracing::debug!(%error, "{NEW} stays behind");
                }
                return Err(error);
            }
        };
        self.len = len;
        self.unwritten = Vec::new();
        self.torn = false;
        self.must_rewrite = false;
        self.suspect = false;
        self.unsynced = false;
        self.dir_unsynced = true;
        self.rewrite_above = REWRITE_MIN.max(len.saturating_mul(REWRITE_RATIO));
        self.storage.sync_dir()?;
        self.dir_unsynced = false;
        Ok(())
    }

    /// What cannot be read is kept for people, and must not fill the disk.
    fn remove_oldest_aside(&mut self) {
        let names = self.storage.list().unwrap_or_default();
        for name in aside::too_many(NAME, &names) {
            match self.storage.remove(name) {
                Ok(()) => tracing::info!(name, "an old store that could not be read is removed: newer ones are kept"),
                Err(error) => tracing::warn!(%error, name, "an old store that could not be read stays"),
            }
        }
    }

    fn write_new(&mut self, now: Now) -> io::Result<u64> {
        let storage = &mut self.storage;
        storage.create(NEW)?;
        let len = self.mirror.write_log(now, &mut |piece| storage.append(NEW, piece))?;
        storage.sync(NEW)?;
        storage.rename(NEW, NAME)?;
        Ok(len)
    }
}

#[cfg(test)]
mod tests;
