//! One container's files: what is written where, rotated, removed; kubelet's and the runtime's part of the plan.

use super::disk::Op;
use super::framing::{Line, frame, rotation_stamp};
use super::ledger::Ledger;
use super::{Options, body};
use crate::record::Now;
use crate::standin::rng::Rng;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

/// A file, from its creation to its removal.
#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    restart: u32,
    size: u64,
    lines: u64,
    ids: Vec<u64>,
    /// The end of a line whose beginning is written.
    rest: Vec<u8>,
    packed: bool,
}

/// A physical line that waits to be written.
#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    /// Ids of the record, with its last part.
    ids: Vec<u64>,
    error: bool,
    /// Not the only part of its line.
    part: bool,
}

/// Whether a file with these ids may be deleted now.
pub type MayGo<'a> = &'a dyn Fn(&[u64]) -> bool;

/// A container, over all its restarts.
#[derive(Debug)]
pub struct Container {
    /// Its name in the ledger.
    pub who: u16,
    dir: PathBuf,
    restart: u32,
    /// Oldest first; the last one is written into.
    files: Vec<LogFile>,
    queue: VecDeque<Waiting>,
    /// The file was renamed; the runtime opens a new one at this time.
    reopen_at: Option<Duration>,
    /// Files of dead restarts up to this one go at this time; one entry a restart.
    prune: VecDeque<(u32, Duration)>,
    stamp: i64,
    offset: i32,
}

impl Container {
    /// Its directory and first file.
    pub fn start(who: u16, dir: PathBuf, offset: i32, ops: &mut Vec<Op>) -> Container {
        ops.push(Op::MakeDir(dir.clone()));
        let (files, queue, prune) = (Vec::new(), VecDeque::new(), VecDeque::new());
        let mut new = Container { who, dir, restart: 0, files, queue, reopen_at: None, prune, stamp: 0, offset };
        new.open(ops);
        new
    }
    /// The file that is written into.
    pub fn path(&self) -> PathBuf {
        self.files.last().map(|f| f.path.clone()).unwrap_or_default()
    }
    fn name(&self) -> PathBuf {
        self.dir.join(format!("{}.log", self.restart))
    }
    fn open(&mut self, ops: &mut Vec<Op>) {
        let path = self.name();
        ops.push(Op::Create(path.clone()));
        self.files.push(LogFile {
            path,
            restart: self.restart,
            size: 0,
            lines: 0,
            ids: Vec::new(),
            rest: Vec::new(),
            packed: false,
        });
        self.reopen_at = None;
    }

    /// Another line in the queue.
    pub fn say(&mut self, now: Now, unfinished: bool, options: &Options, rng: &mut Rng, ledger: &mut Ledger) {
        let total: u64 = options.mix.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut at = rng.below(total);
        let shape = options.mix.iter().find(|(_, weight)| {
            let hit = at < u64::from(*weight);
            at = at.saturating_sub(u64::from(*weight));
            hit
        });
        let mut ids = Vec::new();
        let shape = shape.map_or(body::Shape::Text, |(shape, _)| *shape);
        let body = body::make(shape, rng, || {
            let id = ledger.next(self.who);
            ids.push(id);
            id
        });
        let error = rng.chance(0.1);
        let line = Line { body: &body, error, unfinished, offset: self.offset };
        let mut stamp = self.stamp.max(now.unix_ns);
        let parts = frame(options.runtime, &line, options.part_bytes, || {
            stamp += 1 + i64::try_from(rng.below(2_000)).unwrap_or(0);
            stamp
        });
        self.stamp = stamp;
        let count = parts.len();
        ledger.record(&ids, parts.iter().map(Vec::len).sum(), unfinished);
        for (i, bytes) in parts.into_iter().enumerate() {
            let ids = if i + 1 == count { std::mem::take(&mut ids) } else { Vec::new() };
            self.queue.push_back(Waiting { bytes, ids, error, part: count > 1 });
        }
        // A short line of the other stream gets in between the parts of a long one.
        if let [.., long, short] = self.queue.make_contiguous()
            && (long.part && !short.part && long.error != short.error)
        {
            std::mem::swap(long, short);
        }
    }

    /// Writes the queue, or with `torn` most of it: what is left may come after a rotation.
    pub fn flush(&mut self, torn: Option<&mut Rng>, ops: &mut Vec<Op>) {
        for file in self.files.iter_mut().filter(|f| !f.rest.is_empty()) {
            let rest = std::mem::take(&mut file.rest);
            file.size += rest.len() as u64;
            ops.push(Op::Append(file.path.clone(), rest));
        }
        let Some(file) = self.files.last_mut() else { return };
        let (mut keep, mut cut) = (0, 0);
        if let Some(rng) = torn {
            if rng.chance(0.2) {
                keep = usize::try_from(rng.below(3)).unwrap_or(0).min(self.queue.len());
            }
            if rng.chance(0.2) {
                cut = usize::try_from(rng.below(40)).unwrap_or(0);
            }
        }
        let mut bytes = Vec::new();
        while self.queue.len() > keep
            && let Some(waiting) = self.queue.pop_front()
        {
            bytes.extend_from_slice(&waiting.bytes);
            file.lines += 1;
            file.ids.extend_from_slice(&waiting.ids);
        }
        file.rest = bytes.split_off(bytes.len() - cut.min(bytes.len()));
        if !bytes.is_empty() {
            file.size += bytes.len() as u64;
            ops.push(Op::Append(file.path.clone(), bytes));
        }
    }

    /// What is due: the new file after a rename, dead restarts' files.
    pub fn tend(&mut self, now: Now, may_go: MayGo<'_>, ops: &mut Vec<Op>, ledger: &mut Ledger) {
        if self.reopen_at.is_some_and(|at| at <= now.mono) {
            self.open(ops);
        }
        let mut due = None;
        while let Some((last, _)) = self.prune.front().filter(|(_, at)| *at <= now.mono) {
            due = Some(*last);
            self.prune.pop_front();
        }
        if let Some(last) = due {
            self.remove(|f| f.restart <= last, may_go, ops, ledger);
            if self.files.iter().any(|f| f.restart <= last) {
                self.prune.push_front((last, now.mono));
            }
        }
    }

    /// kubelet's rotation; false when it is too early: the name has a second's precision.
    pub fn rotate(
        &mut self,
        now: Now,
        wait: Duration,
        max_files: usize,
        may_go: MayGo<'_>,
        ops: &mut Vec<Op>,
        ledger: &mut Ledger,
    ) -> bool {
        let target = self.dir.join(format!("{}.log.{}", self.restart, rotation_stamp(now.unix_ns)));
        let packed = |path: &PathBuf| PathBuf::from(format!("{}.gz", path.display()));
        if self.reopen_at.is_some() || self.files.iter().any(|f| f.path == target || f.path == packed(&target)) {
            return false;
        }
        ledger.turns.rotations += 1;
        let restart = self.restart;
        let rotated = self.files.iter().filter(|f| f.restart == restart).count().saturating_sub(1);
        let mut excess = rotated.saturating_sub(max_files.saturating_sub(2));
        self.remove(
            |f| {
                let goes = f.restart == restart && excess > 0;
                excess -= usize::from(goes);
                goes
            },
            may_go,
            ops,
            ledger,
        );
        let old = self.files.len().saturating_sub(1);
        for file in self.files.iter_mut().take(old).filter(|f| f.restart == restart && !f.packed) {
            if !file.rest.is_empty() {
                ops.push(Op::Append(file.path.clone(), std::mem::take(&mut file.rest)));
            }
            let temporary = PathBuf::from(format!("{}.tmp", file.path.display()));
            ops.push(Op::Gzip(file.path.clone(), temporary.clone()));
            ops.push(Op::Rename(temporary, packed(&file.path)));
            ops.push(Op::Remove(file.path.clone()));
            file.path = packed(&file.path);
            file.packed = true;
        }
        if let Some(file) = self.files.last_mut() {
            ops.push(Op::Rename(file.path.clone(), target.clone()));
            file.path = target;
        }
        self.reopen_at = Some(now.mono + wait);
        if wait.is_zero() {
            self.open(ops);
        }
        true
    }

    /// Bytes in the file that is written into; 0 while the runtime has not opened it.
    pub fn size(&self) -> u64 {
        if self.reopen_at.is_some() { 0 } else { self.files.last().map_or(0, |f| f.size) }
    }

    /// The process died; all it said is on disk, perhaps without the last newline. The next one writes into a file of its
    /// own.
    pub fn restart(&mut self, now: Now, unended: bool, options: &Options, ops: &mut Vec<Op>, ledger: &mut Ledger) {
        self.flush(None, ops);
        if unended
            && let Some(Op::Append(path, bytes)) = ops.last_mut()
            && self.files.last().is_some_and(|f| f.path == *path)
            && bytes.pop().is_some()
        {
            ledger.without_newline();
        }
        ledger.turns.restarts += 1;
        match self.files.last().map(|f| f.lines) {
            Some(0) => ledger.turns.empty += 1,
            Some(1) => ledger.turns.single += 1,
            Some(_) | None => {}
        }
        self.restart += 1;
        self.open(ops);
        let keep = u32::try_from(options.keep_restarts).unwrap_or(u32::MAX);
        if let Some(last) = self.restart.checked_sub(keep.saturating_add(1)) {
            self.prune.push_back((last, now.mono + options.remove_after));
        }
    }

    /// Writes everything that waits.
    pub fn finish(&mut self, ops: &mut Vec<Op>) {
        self.flush(None, ops);
    }

    /// Removes every file and the directory; false when a file may not go yet.
    pub fn vanish(&mut self, may_go: MayGo<'_>, ops: &mut Vec<Op>, ledger: &mut Ledger) -> bool {
        self.remove(|_| true, may_go, ops, ledger);
        if self.files.is_empty() {
            ops.push(Op::RemoveDir(self.dir.clone()));
        }
        self.files.is_empty()
    }

    /// Oldest first. A file also waits for the lines of the next one that may have begun in it.
    fn remove(
        &mut self,
        mut goes: impl FnMut(&LogFile) -> bool,
        may_go: MayGo<'_>,
        ops: &mut Vec<Op>,
        ledger: &mut Ledger,
    ) {
        /// Lines that may have begun in the file before: one a stream, and what got in between.
        const STRADDLE: usize = 8;
        let mut at = 0;
        while let Some(file) = self.files.get(at) {
            let next = self.files.get(at + 1).filter(|next| next.restart == file.restart);
            let begun: &[u64] = next.map_or(&[], |next| next.ids.get(..STRADDLE).unwrap_or(&next.ids));
            if !goes(file) {
                at += 1;
            } else if file.rest.is_empty() && may_go(&file.ids) && may_go(begun) {
                ops.push(Op::Remove(file.path.clone()));
                ledger.remove(&file.ids);
                self.files.remove(at);
            } else {
                at += 1;
            }
        }
    }
}
