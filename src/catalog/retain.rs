//! Which files are copied to `data_dir/retained`, and what becomes of the copies.
//!
//! A file in danger that some lane has not read is copied once it is complete, a few seconds after it came into danger:
//! lanes that keep up need none. Deleted files come first: they would not survive a restart. Once its names are gone a
//! copied file is read from its copy, without a handle. A copy that cannot be made is tried again a minute later; nobody
//! waits for it. When the last lane is through with a file, its copy goes. The limits are `shed`'s, a start `revive`'s.

use super::copy::{Copied, Done, Job, What, name_of};
use super::disk::Base;
use super::entry::{Entry, Key, Trail};
use super::shelf::{Closed, Source};
use super::stock::{Stock, code};
use crate::lane::batch::Code;
use crate::record::{FileId, Mark};
use crate::store::saved::Kept;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A lane that keeps up reads a file in danger within this time.
const GRACE: Duration = Duration::from_secs(3);
/// Jobs asked for and not answered.
const JOBS: usize = 16;
/// A copy that could not be made is tried again after this time.
const AGAIN: Duration = Duration::from_secs(60);
/// A copy goes so long after its file was forgotten: the store has it by then.
const LINGER: Duration = Duration::from_secs(3);
/// What could not be written is said at most so often.
const SAID: Duration = Duration::from_secs(300);

/// How far one file is.
#[derive(Debug)]
pub(super) enum Copy {
    /// In danger and behind since then; not before that time (mono); with what is said of its size so far known to be
    /// too small.
    Wanted { since: Duration, not_before: Duration, larger: bool },
    /// Being made; may take so many bytes.
    Asked { bytes: u64 },
    /// Made.
    There { kept: Kept, inode: (u64, u64) },
}

/// All copies.
pub(super) struct Retained {
    pub base: Arc<Base>,
    pub copies: BTreeMap<Key, Copy>,
    /// From an earlier life, of files that were not found yet.
    pub unclaimed: BTreeMap<FileId, Copied>,
    /// Jobs that are not answered.
    out: usize,
    /// An answer came: there may be room for more jobs.
    refill: bool,
    leaving: VecDeque<(Duration, Box<str>)>,
    /// Copies made, and their bytes.
    pub made: (u64, u64),
    /// Could not be made, by error.
    pub failed: BTreeMap<Code, u64>,
    said: Option<Duration>,
}

impl Retained {
    pub fn new(dir: &Path) -> Retained {
        Retained {
            base: Arc::new(Base { root: dir.to_path_buf(), follow: super::disk::Follow::Never }),
            copies: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            out: 0,
            refill: false,
            leaving: VecDeque::new(),
            made: (0, 0),
            failed: BTreeMap::new(),
            said: None,
        }
    }

    /// Copies that are there, and their bytes on disk.
    pub fn there(&self) -> (u64, u64) {
        let of_copies = self.copies.values().filter_map(|copy| match copy {
            Copy::There { kept, .. } => Some(kept.end.at),
            Copy::Wanted { .. } | Copy::Asked { .. } => None,
        });
        let all = of_copies.chain(self.unclaimed.values().map(|(kept, _)| kept.end.at));
        all.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes))
    }

    /// Bytes promised to copies that are being made.
    pub fn promised(&self) -> u64 {
        let promised = |copy: &Copy| if let Copy::Asked { bytes } = copy { *bytes } else { 0 };
        self.copies.values().map(promised).sum()
    }

    /// The copy of a file, if it was made.
    pub fn of(&self, key: Key) -> Option<(&Kept, (u64, u64))> {
        match self.copies.get(&key)? {
            Copy::There { kept, inode } => Some((kept, *inode)),
            Copy::Wanted { .. } | Copy::Asked { .. } => None,
        }
    }

    /// Is one being made?
    pub fn is_asked(&self, key: Key) -> bool {
        matches!(self.copies.get(&key), Some(Copy::Asked { .. }))
    }

    /// Something is to be done when a second has passed.
    pub fn is_busy(&self) -> bool {
        !(self.copies.is_empty() && self.leaving.is_empty())
    }

    /// More can be asked for at once.
    pub fn has_answers(&self) -> bool {
        self.refill
    }

    /// The copy, if there is one, goes soon.
    pub fn discard(&mut self, name: Box<str>, now: Duration) {
        self.leaving.push_back((now + LINGER, name));
    }
}

impl Stock {
    /// Each second, and when a job was answered: asks for copies that are wanted, lets those go that are not.
    pub fn keep_copies(&mut self, second: bool) {
        if second {
            self.drop_copies();
            self.want_copies();
        }
        if second || std::mem::take(&mut self.retained.refill) {
            self.remove_copies();
            self.ask_for_copies();
        }
    }

    /// Copies of files that are still there and read by all lanes, or that grew.
    fn drop_copies(&mut self) {
        let stale = |(key, copy): (&Key, &Copy)| {
            let e = self.entries.get(key)?;
            let through = self.settled(e) >= e.size;
            let stale = match copy {
                Copy::Wanted { .. } => !self.wants_copy(e),
                Copy::Asked { .. } => false,
                Copy::There { kept, .. } => e.trail != Trail::Kept && (through || e.size != kept.plain),
            };
            stale.then_some(*key)
        };
        let stale: Vec<Key> = self.retained.copies.iter().filter_map(stale).collect();
        for key in stale {
            self.drop_copy(key);
        }
    }

    /// The file itself is still to be had.
    pub(super) fn drop_copy(&mut self, key: Key) {
        let there = self.forget_copy(key);
        if there {
            self.save(key);
        }
    }

    /// No trace of it is left; true if there was one.
    pub fn forget_copy(&mut self, key: Key) -> bool {
        let Some(Copy::There { kept, .. }) = self.retained.copies.remove(&key) else { return false };
        if let Some(id) = self.entries.get(&key).and_then(|e| e.id) {
            self.retained.discard(name_of(id, kept.plain, kept.gz), self.now.mono);
        }
        true
    }

    /// It will be gone soon, or is but for our handle, and a lane has not read it.
    pub fn wants_copy(&self, e: &Entry) -> bool {
        let there = e.source.is_some() || e.loc().is_some();
        let asked = e.danger && there && e.offered.is_some() && e.measure.is_none() && e.trail != Trail::Kept;
        asked && !self.once && self.settled(e) < e.size
    }

    fn want_copies(&mut self) {
        let since = self.now.mono;
        let wanted = |key: &&Key| self.entries.get(key).is_some_and(|e| self.wants_copy(e));
        let wanted: Vec<Key> = self.active.iter().filter(wanted).copied().collect();
        for key in wanted {
            let new = Copy::Wanted { since, not_before: since + GRACE, larger: false };
            self.retained.copies.entry(key).or_insert(new);
        }
    }

    fn remove_copies(&mut self) {
        while self.retained.out < JOBS
            && let Some((_, name)) = self.retained.leaving.pop_front_if(|(at, _)| *at <= self.now.mono)
        {
            self.job(name, What::Remove);
        }
    }

    fn job(&mut self, name: Box<str>, what: What) {
        self.retained.out += 1;
        let (disk, base) = (self.disk.clone(), self.retained.base.clone());
        self.out.jobs.push(Job { disk, base, name, what });
    }

    fn ask_for_copies(&mut self) {
        let now = self.now.mono;
        let due = |(key, copy): (&Key, &Copy)| {
            let Copy::Wanted { not_before, .. } = copy else { return None };
            let e = self.entries.get(key).filter(|e| now >= *not_before && e.complete())?;
            Some((!e.held_deleted(), e.place(), *key))
        };
        let mut due: Vec<_> = self.retained.copies.iter().filter_map(due).collect();
        if due.is_empty() || !self.space_for_copies() {
            return;
        }
        due.sort_unstable();
        for (_, _, key) in due {
            if self.retained.out >= JOBS {
                return;
            }
            self.ask_for_copy(key);
        }
    }

    fn ask_for_copy(&mut self, key: Key) {
        let Some(Copy::Wanted { since, larger, .. }) = self.retained.copies.get(&key) else { return };
        let (since, larger) = (*since, *larger);
        let not_before = self.now.mono + AGAIN;
        // Unless all goes well.
        let later = Copy::Wanted { since, not_before, larger };
        let Some(e) = self.entries.get(&key) else { return };
        let (Some(id), Ok((from, stored))) = (e.id, self.to_be_copied(e)) else {
            self.retained.copies.insert(key, later);
            return;
        };
        let (plain, held) = (e.size, e.held_deleted());
        // Lines shrink to a tenth; nothing grows by more than a hundredth.
        let bytes = if from.gz {
            stored
        } else if larger {
            plain + plain / 100 + 1024
        } else {
            plain / 8 + 4096
        };
        // For a file that is held already nothing else is given up.
        let room = if held { self.held_bytes() + bytes <= self.retain_max } else { self.make_room_for(bytes) };
        if !room {
            self.retained.copies.insert(key, later);
            return;
        }
        self.retained.copies.insert(key, Copy::Asked { bytes });
        self.job(name_of(id, plain, from.gz), What::Copy { key, from, plain, most: bytes });
    }

    /// Its `.gz` if there is one; and the stored bytes.
    fn to_be_copied(&self, e: &Entry) -> io::Result<(Source, u64)> {
        let held = e.source.as_ref().filter(|s| s.gz == e.gz.is_some());
        let source = match (held, e.loc_of(e.gz.is_some())) {
            (Some(source), _) => source.clone(),
            (None, Some(loc)) => {
                let content = self.disk.open(&self.base(e.input), &self.path_in(e.dir, &loc.name))?;
                let stat = content.stat()?;
                let source = Source { content, gz: e.gz.is_some() };
                let known = super::identity::begins_with(&super::identity::first_bytes(&source)?, e.head);
                if (stat.inode, stat.dev) != loc.inode || !known {
                    return Err(io::ErrorKind::NotFound.into());
                }
                source
            }
            (None, None) => e.source.clone().ok_or(io::ErrorKind::NotFound)?,
        };
        let stored = source.content.stat()?.size;
        Ok((source, stored))
    }

    /// A job was answered.
    pub fn copied(&mut self, done: Done) {
        self.retained.out = self.retained.out.saturating_sub(1);
        self.retained.refill = true;
        let Some((key, made)) = done.made else { return };
        if !self.retained.is_asked(key) {
            // Forgotten meanwhile.
            if made.is_ok() {
                self.retained.discard(done.name, self.now.mono);
            }
            return;
        }
        match made {
            Ok((kept, inode)) => {
                self.retained.made.0 += 1;
                self.retained.made.1 += kept.end.at;
                self.retained.copies.insert(key, Copy::There { kept, inode });
                self.save(key);
            }
            Err(error) => self.not_copied(key, &error),
        }
        let nameless = |e: &Entry| match e.trail {
            Trail::Deleted => true,
            Trail::Missing(count) => e.source.is_none() && count >= 3,
            Trail::Named | Trail::Elsewhere | Trail::Displaced(_) | Trail::Kept | Trail::Gone => false,
        };
        if self.entries.get(&key).is_some_and(|e| nameless(e)) {
            self.read_from_copy(key);
        }
        self.active.insert(key);
    }

    fn not_copied(&mut self, key: Key, error: &io::Error) {
        let now = self.now.mono;
        let larger = error.kind() == io::ErrorKind::FileTooLarge;
        let not_before = if larger { now } else { now + AGAIN };
        self.retained.copies.insert(key, Copy::Wanted { since: now, not_before, larger });
        if larger {
            return;
        }
        *self.retained.failed.entry(code(error)).or_default() += 1;
        if self.retained.said.is_none_or(|at| now.saturating_sub(at) >= SAID) {
            self.retained.said = Some(now);
            let dir = self.retained.base.root.display();
            tracing::warn!(%dir, %error, "log files that will be deleted soon cannot be copied: reading goes on, a restart may lose what is only held open");
        }
    }

    /// Its names are gone: from now on its copy is read, if there is one and it is whole.
    pub fn read_from_copy(&mut self, key: Key) {
        let Some(plain) = self.retained.of(key).map(|(kept, _)| kept.plain) else {
            let lost = self.entries.get(&key).is_some_and(|e| e.source.is_none());
            if lost && !self.retained.is_asked(key) {
                self.gone(key);
            }
            return;
        };
        let Some(e) = self.entries.get_mut(&key) else { return };
        // A last look: only here can more be had.
        let held = e.source.as_ref().filter(|s| !s.gz).and_then(|s| s.content.stat().ok());
        let size = held.map_or(e.size, |stat| stat.size);
        if size > plain && e.source.is_some() {
            return self.drop_copy(key);
        }
        if let Some(source) = e.source.clone().filter(|s| !s.gz) {
            self.prove(key, &source);
        }
        let Some(e) = self.entries.get_mut(&key) else { return };
        if e.source.take().is_some() {
            self.open = self.open.saturating_sub(1);
        }
        e.trail = Trail::Kept;
        e.told = false;
        self.shelve(key);
        self.save(key);
    }

    /// How lanes open it.
    pub fn closed_copy(&self, key: Key, e: &Entry) -> Option<Closed> {
        let (kept, inode) = self.retained.of(key)?;
        Some(Closed {
            base: self.retained.base.clone(),
            dir: Path::new("").into(),
            name: Path::new(&*name_of(e.id?, kept.plain, kept.gz)).as_os_str().into(),
            inode,
            head: e.head,
            proof: Mark::NONE,
            gz: true,
        })
    }
}
