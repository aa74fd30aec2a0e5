//! What is kept and for how long: handles and copies within their limits, the page cache as small as reading leaves it,
//! and what became of files that an earlier life knew.

use super::entry::{Entry, Heat, Key, Trail};
use super::stock::Stock;
use crate::store::saved::{KnownFile, Saved};
use std::io;
use std::time::Duration;

/// The page cache is told per so many bytes.
const PART: u64 = 256 << 10;
/// And per so many that nobody works on them.
const READ_TWICE: u64 = 64 << 10;
/// All files together so many in a second: this thread pays for each page. What is more in one file was not read just
/// now: it came by a jump over what nobody reads.
const READ_TWICE_MOST: u64 = 64 << 20;
/// Younger pages are dirty: to drop them would mean to write them back early.
const WRITTEN_BACK: Duration = Duration::from_secs(60);
/// A known file of an input that left the configuration is forgotten after this time.
const FORGET_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Whether settled bytes of it are still to be told to the page cache.
pub(super) fn cache_outstanding(e: &Entry, settled: u64) -> bool {
    settled != u64::MAX && e.source.as_ref().is_some_and(|s| !s.gz) && settled.min(e.size) > e.advised
}

impl Stock {
    /// Each second: page cache, deleted files. Always: the limit of handles.
    pub fn keep_within_limits(&mut self, second: bool) {
        if second {
            let active: Vec<Key> = self.active.iter().copied().collect();
            let mut share = READ_TWICE_MOST;
            for key in active {
                self.advise(key);
                share -= self.call_cold(key, share);
            }
            self.shed();
        }
        self.keep_copies(second);
        if self.open > self.max_handles {
            self.close_idlest();
        }
    }

    /// Behind the slowest lane, and only what was written back already.
    fn advise(&mut self, key: Key) {
        let Some(e) = self.entries.get(&key) else { return };
        let settled = self.settled(e);
        if !cache_outstanding(e, settled) {
            return;
        }
        let now = self.now.mono;
        let Some(e) = self.entries.get_mut(&key) else { return };
        let quiet = e.heat == Heat::Cold && now.saturating_sub(e.grew) >= WRITTEN_BACK;
        if quiet || now >= e.staged.1 {
            e.written_back = e.written_back.max(if quiet { e.size } else { e.staged.0 });
            e.staged = (e.size, now.saturating_add(WRITTEN_BACK));
        }
        let to = e.written_back.min(settled);
        if to >= e.advised.saturating_add(if quiet { 1 } else { PART }) {
            if let Some(source) = &e.source {
                source.content.advise_done(e.advised, to);
            }
            e.advised = to;
        }
    }

    /// Behind the second lane that read it: what is read twice counts as worked on, and here it stays until it was
    /// written back and the slowest lane has it too. Says how many bytes that were, at most its share.
    fn call_cold(&mut self, key: Key, share: u64) -> u64 {
        let Some(e) = self.entries.get_mut(&key) else { return 0 };
        let (Some(id), Some(source)) = (e.id, e.source.as_ref().filter(|source| !source.gz)) else { return 0 };
        let (from, to) = (e.called_cold.max(e.advised), self.progress.settled_by_two(id).min(e.size));
        if to > from.saturating_add(READ_TWICE_MOST) {
            e.called_cold = to;
            return 0;
        }
        let len = to.saturating_sub(from).min(share);
        if len < READ_TWICE {
            return 0;
        }
        source.content.advise_cold(from, from + len);
        e.called_cold = from + len;
        len
    }

    /// What lanes opened, and what they could not read.
    pub fn absorb_news(&mut self) {
        let news = self.shelf.take_news();
        for (id, source) in news.opened {
            let Some(key) = self.by_id.get(&id).copied() else { continue };
            if let Some(e) = self.entries.get_mut(&key).filter(|e| e.source.is_none()) {
                e.source = Some(source);
                self.open += 1;
                self.active.insert(key);
            }
        }
        let (mut lost, mut doubted) = (Vec::new(), Vec::new());
        for (id, error) in news.failed {
            let Some(e) = self.by_id.get(&id).and_then(|key| self.entries.get(key)) else { continue };
            let (dir, path) = (e.dir, self.path_of(e));
            if e.trail == Trail::Kept && error.kind() == io::ErrorKind::NotFound {
                lost.push(id);
                continue;
            }
            self.due.insert(dir);
            if error.kind() == io::ErrorKind::NotFound {
                doubted.push(id);
            }
            if error.kind() != io::ErrorKind::NotFound
                && let Some(path) = path
            {
                self.refuse(path, &error);
            }
        }
        for key in doubted.iter().filter_map(|id| self.by_id.get(id).copied()).collect::<Vec<_>>() {
            self.recheck(key);
        }
        // Somebody removed a copy.
        for key in lost.iter().filter_map(|id| self.by_id.get(id).copied()).collect::<Vec<_>>() {
            self.forget_copy(key);
            self.gone(key);
        }
    }

    /// Files of an earlier life that are not there any more: their unsettled bytes are counted as far as known. Those
    /// that lanes still have to hear of, to count for themselves, and are forgotten then.
    pub fn bury(&mut self) -> Vec<Key> {
        let now_ns = self.now.unix_ns;
        let doubt = self.doubt();
        let mut dead = Vec::new();
        for (id, (file, marks)) in self.known.rest() {
            let input = self.inputs.iter().position(|spec| spec.name == file.input);
            let gone = match input {
                // What has a copy is read from that as soon as it is gone.
                Some(input) => !(doubt.about(input, file) || self.retained.unclaimed.contains_key(id)),
                None => now_ns.saturating_sub(file.ages.last().map_or(now_ns, |(_, ns)| *ns)) > FORGET_NS,
            };
            if gone {
                // A lane may have settled more than was noted of the file's size.
                let size = marks.iter().map(|m| m.at).fold(file.size, u64::max);
                // No lane wanted it, or none was there.
                let low = marks.iter().map(|m| m.at).min().unwrap_or(size);
                dead.push((*id, size, size.saturating_sub(low), input));
            }
        }
        // The store's records come in the same order from the same seed.
        dead.sort();
        let mut told = Vec::new();
        for (id, size, bytes, input) in dead {
            let Some(file) = self.known.claim(id) else { continue };
            let Some(input) = input else {
                if let Some((kept, _)) = self.retained.unclaimed.remove(&id) {
                    self.retained.discard(super::copy::name_of(id, kept.plain, kept.gz), self.now.mono);
                }
                self.count_lost(file.path.to_string(), bytes);
                self.out.saved.push(Saved::FileGone { id });
                continue;
            };
            let key = self.revive_file(input, KnownFile { size, ..file }, None, Trail::Gone);
            if bytes > 0 {
                let who = self.entries.get(&key).map_or_else(String::new, |e| self.who(e));
                tracing::error!(%who, bytes, "log file was deleted while no agent ran: an output had not read it to its end");
                self.count_lost(who, bytes);
            }
            told.push(key);
        }
        self.known.tidy();
        told
    }
}
