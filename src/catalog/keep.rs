//! What is kept and for how long: handles within their limit, deleted files within theirs, the page cache as small as
//! reading leaves it, and what became of files that an earlier life knew.

use super::entry::{Entry, Heat, Key, Trail};
use super::spec::SpecKind;
use super::stock::Stock;
use crate::store::saved::Saved;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// The page cache is told per so many bytes.
const MIB: u64 = 1 << 20;
/// Younger pages are dirty: to drop them would mean to write them back early.
const WRITTEN_BACK: Duration = Duration::from_secs(60);
/// The file system is asked for its free space so often, while deleted files are held.
const ASK_FREE: Duration = Duration::from_secs(10);
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
            for key in active {
                self.advise(key);
            }
            self.shed();
        }
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
        let (size, at) = e.staged;
        let quiet = e.heat == Heat::Cold && now.saturating_sub(e.grew) >= WRITTEN_BACK;
        if now.saturating_sub(at) < WRITTEN_BACK && !quiet {
            return;
        }
        let to = if quiet { e.size.min(settled) } else { size.min(settled) };
        if to.saturating_sub(e.advised) >= MIB || quiet {
            if let Some(source) = &e.source {
                source.content.advise_done(e.advised, to);
            }
            e.advised = to;
        }
        e.staged = (e.size, now);
    }

    /// Deleted files whose bytes some lane still needs: past the limits the pod that holds most goes first.
    fn shed(&mut self) {
        let held: Vec<(Key, u64)> = self
            .active
            .iter()
            .filter_map(|key| Some((*key, self.entries.get(key)?)))
            .filter(|(_, e)| e.held_deleted() || e.holds_deleted_plain())
            .map(|(key, e)| (key, e.source.as_ref().and_then(|s| s.content.stat().ok()).map_or(e.size, |s| s.size)))
            .collect();
        self.held = (held.len() as u64, held.iter().map(|(_, bytes)| bytes).sum());
        if held.is_empty() {
            self.free_checked = None;
            return;
        }
        while self.held.0 > 0 && (self.held.1 > self.retain_max || self.space_is_short()) {
            let mut by_who: BTreeMap<String, u64> = BTreeMap::new();
            for (key, bytes) in held.iter().filter(|(key, _)| self.still_held(*key)) {
                if let Some(e) = self.entries.get(key) {
                    *by_who.entry(self.who(e)).or_default() += bytes;
                }
            }
            let Some((most, _)) = by_who.into_iter().max_by_key(|(_, bytes)| *bytes) else { return };
            let oldest = held
                .iter()
                .filter(|(key, _)| self.still_held(*key))
                .filter_map(|(key, bytes)| Some((*key, *bytes, self.entries.get(key)?)))
                .filter(|(_, _, e)| self.who(e) == most)
                .min_by_key(|(_, _, e)| e.place())
                .map(|(key, bytes, _)| (key, bytes));
            let Some((key, bytes)) = oldest else { return };
            self.let_go(key, bytes, &most);
            // Whether that helped the file system is seen at the next question.
            if let Some((_, short)) = &mut self.free_checked {
                *short = false;
            }
        }
    }

    fn still_held(&self, key: Key) -> bool {
        self.entries.get(&key).is_some_and(|e| e.held_deleted() || e.holds_deleted_plain())
    }

    fn let_go(&mut self, key: Key, bytes: u64, who: &str) {
        self.held.0 = self.held.0.saturating_sub(1);
        self.held.1 = self.held.1.saturating_sub(bytes);
        if self.entries.get(&key).is_some_and(|e| e.holds_deleted_plain()) {
            // Its `.gz` has the same bytes.
            return self.close(key);
        }
        tracing::warn!(%who, bytes, "deleted log file is let go before all outputs have read it: retain limits reached");
        self.gone(key);
    }

    fn space_is_short(&mut self) -> bool {
        let now = self.now.mono;
        if let Some((_, short)) = self.free_checked.filter(|(at, _)| now.saturating_sub(*at) < ASK_FREE) {
            return short;
        }
        let min = self.min_free_percent;
        let short = |root: &std::path::Path| self.disk.free_percent(root).is_ok_and(|free| free < min);
        let kubernetes = |kind: &SpecKind| matches!(kind, SpecKind::Kubernetes { .. });
        let roots: Vec<_> = self.inputs.iter().filter(|i| kubernetes(&i.kind)).map(|i| i.base.root.clone()).collect();
        let files = self.entries.values().filter(|e| e.held_deleted() && !self.kubernetes(e.input));
        let tops = files.filter_map(|e| self.dirs.get(&e.dir)).map(|d| self.absolute(d.input, &d.path));
        let short = roots.into_iter().chain(tops).any(|root| short(&root));
        self.free_checked = Some((now, short));
        short
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
        for (id, error) in news.failed {
            let Some(e) = self.by_id.get(&id).and_then(|key| self.entries.get(key)) else { continue };
            let (dir, path) = (e.dir, self.path_of(e));
            self.due.insert(dir);
            if error.kind() != io::ErrorKind::NotFound
                && let Some(path) = path
            {
                self.refuse(path, &error);
            }
        }
    }

    /// Files of an earlier life that are not there any more: forgotten, their unsettled bytes counted as far as known.
    pub fn bury(&mut self) {
        let now_ns = self.now.unix_ns;
        let mut dead = Vec::new();
        for (id, (file, marks)) in self.known.rest() {
            let input = self.inputs.iter().position(|spec| spec.name == file.input);
            let gone = match input {
                // An input whose own directory is not there says nothing about its files.
                Some(input) => !self.later.iter().filter_map(|d| self.dirs.get(d)).any(|d| d.input == input),
                None => now_ns.saturating_sub(file.ages.last().map_or(now_ns, |(_, ns)| *ns)) > FORGET_NS,
            };
            if gone {
                // A lane may have settled more than was noted of the file's size.
                let size = marks.iter().map(|m| m.at).fold(file.size, u64::max);
                let low = marks.iter().map(|m| m.at).min().unwrap_or(size);
                let field = |name: &str| file.fields.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
                let pod = ["kubernetes.namespace_name", "kubernetes.pod_name", "kubernetes.container_name"].map(field);
                let who = match pod {
                    [Some(namespace), Some(pod), Some(container)] => format!("{namespace}/{pod}/{container}"),
                    [_, _, _] => file.path.to_string(),
                };
                dead.push((*id, who, size.saturating_sub(low)));
            }
        }
        // The store's records come in the same order from the same seed.
        dead.sort();
        for (id, who, bytes) in dead {
            if bytes > 0 {
                tracing::error!(%who, bytes, "log file was deleted while no agent ran: an output had not read it to its end");
            }
            self.known.claim(id);
            self.count_lost(who, bytes);
            self.out.saved.push(Saved::FileGone { id });
        }
        self.known.tidy();
    }
}

impl Entry {
    /// Its plain bytes are deleted and held, though the `.gz` has them.
    pub fn holds_deleted_plain(&self) -> bool {
        let plain = self.source.as_ref().is_some_and(|s| !s.gz);
        plain && self.plain.is_none() && self.gz.is_some() && self.trail == Trail::Named
    }
}
