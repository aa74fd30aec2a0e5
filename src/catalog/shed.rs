//! The limits of what is kept of deleted files: handles and copies together stay below `retain.max_bytes`, and leave
//! some of the disk free. Past either, the pod that holds most goes first, its oldest file first; what no lane had
//! read of it is lost, and counted by its name.
//!
//! `retain.min_free` is for copies: they are ours to make. What is held is given up for want of space only below a
//! quarter of it: on a disk that others filled, giving it up would buy them nothing.

use super::entry::{Entry, Key, Trail};
use super::retain::Copy;
use super::shelf::Source;
use super::spec::SpecKind;
use super::stock::Stock;
use super::view::Place;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// The file system is asked for its free space so often, while anything is kept.
const ASK_FREE: Duration = Duration::from_secs(10);
/// Part of `min_free` below which even what is held goes.
const SHORT: u8 = 4;

/// What the disk said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Space {
    at: Duration,
    /// Copies may be made.
    ample: bool,
    /// Even what is held must go; false again once something went, until the disk is asked again.
    short: bool,
}

/// Everything that could be given up, by pod.
#[derive(Default)]
struct Held(BTreeMap<String, OfPod>);

#[derive(Default)]
struct OfPod {
    bytes: u64,
    /// Oldest first.
    files: BTreeSet<(Place, Key, u64)>,
}

impl Held {
    /// The oldest of the pod that holds most.
    fn next(&mut self) -> Option<(String, Key, u64)> {
        let (who, most) = self.0.iter_mut().max_by_key(|(_, of)| of.bytes)?;
        let (_, key, bytes) = most.files.pop_first()?;
        most.bytes = most.bytes.saturating_sub(bytes);
        let who = who.clone();
        if most.files.is_empty() {
            self.0.remove(&who);
        }
        Some((who, key, bytes))
    }
}

impl Stock {
    /// Each second: past the limits something goes.
    pub fn shed(&mut self) {
        self.count_held();
        if self.held_bytes() == 0 {
            self.space = None;
            return;
        }
        if self.held_bytes() > self.retain_max || self.space_is_short() {
            self.let_go_down_to(self.retain_max);
        }
    }

    /// Handles and copies, and what is promised to copies being made.
    pub fn held_bytes(&self) -> u64 {
        self.held.1 + self.retained.there().1 + self.retained.promised()
    }

    /// Room for a copy, if need be in place of something older; false: it would take more than there is.
    pub fn make_room_for(&mut self, bytes: u64) -> bool {
        let Some(most) = self.retain_max.checked_sub(bytes) else { return false };
        self.count_held();
        if self.held_bytes() > most {
            self.let_go_down_to(most);
        }
        self.held_bytes() <= most
    }

    fn count_held(&mut self) {
        let handles = self.active.iter().filter_map(|key| self.handle_bytes(self.entries.get(key)?));
        self.held = handles.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
    }

    /// Bytes of a deleted file that only our handle keeps on the disk.
    fn handle_bytes(&self, e: &Entry) -> Option<u64> {
        if !(e.held_deleted() || e.holds_deleted_plain()) {
            return None;
        }
        // Of a sparse file that is little, whatever its size says.
        let taken = |s: &Source| s.content.stat().ok().map(|stat| stat.size.min(stat.taken));
        Some(e.source.as_ref().and_then(taken).unwrap_or(e.size))
    }

    fn let_go_down_to(&mut self, most: u64) {
        self.let_go_doubles();
        let mut held = self.held_by_pod();
        while (self.held_bytes() > most || self.space_is_short())
            && let Some((who, key, bytes)) = held.next()
        {
            self.let_go(key, bytes, &who);
            // Whether that helped the file system is seen at the next question.
            if let Some(space) = &mut self.space {
                space.short = false;
            }
            self.count_held();
        }
    }

    /// Plain bytes of which the `.gz` is there cost nobody anything.
    fn let_go_doubles(&mut self) {
        let double = |key: &&Key| self.entries.get(key).is_some_and(|e| e.holds_deleted_plain());
        let doubles: Vec<Key> = self.active.iter().filter(double).copied().collect();
        doubles.into_iter().for_each(|key| self.close(key));
        self.count_held();
    }

    fn held_by_pod(&self) -> Held {
        let mut held = Held::default();
        let copied = self.retained.copies.iter().filter_map(|(key, copy)| match copy {
            Copy::There { kept, .. } => Some((*key, kept.end.at)),
            Copy::Wanted { .. } | Copy::Asked { .. } => None,
        });
        let handles = self.active.iter().filter_map(|key| Some((*key, self.handle_bytes(self.entries.get(key)?)?)));
        for (key, bytes) in copied.chain(handles) {
            let Some(e) = self.entries.get(&key).filter(|_| !self.retained.is_asked(key)) else { continue };
            let of_pod = held.0.entry(self.who(e)).or_default();
            of_pod.bytes += bytes;
            of_pod.files.insert((e.place(), key, bytes));
        }
        held
    }

    fn let_go(&mut self, key: Key, bytes: u64, who: &str) {
        let Some(e) = self.entries.get(&key) else { return };
        if e.held_deleted() || e.trail == Trail::Kept {
            tracing::warn!(%who, bytes, "deleted log file is let go before all outputs have read it: retain limits reached");
            return self.gone(key);
        }
        // The file itself is still there.
        self.drop_copy(key);
        let (since, not_before) = (self.now.mono, self.now.mono + ASK_FREE);
        self.retained.copies.insert(key, Copy::Wanted { since, not_before, larger: false });
    }

    /// Copies may be made.
    pub fn space_for_copies(&mut self) -> bool {
        self.space().ample
    }

    fn space_is_short(&mut self) -> bool {
        self.space().short
    }

    fn space(&mut self) -> Space {
        let now = self.now.mono;
        if let Some(space) = self.space.filter(|space| now.saturating_sub(space.at) < ASK_FREE) {
            return space;
        }
        let free = |path: &Path| self.disk.free_percent(path).unwrap_or(100);
        let kubernetes = |kind: &SpecKind| matches!(kind, SpecKind::Kubernetes { .. });
        let roots: Vec<_> = self.inputs.iter().filter(|i| kubernetes(&i.kind)).map(|i| i.base.root.clone()).collect();
        let files = self.entries.values().filter(|e| e.held_deleted() && !self.kubernetes(e.input));
        let tops = files.filter_map(|e| self.dirs.get(&e.dir)).map(|d| self.absolute(d.input, &d.path));
        // The directory of copies may not be there yet; `data_dir` is.
        let copies = free(self.retained.base.root.parent().unwrap_or(Path::new("/")));
        let least = roots.into_iter().chain(tops).map(|root| free(&root)).min().unwrap_or(100).min(copies);
        let min = self.min_free_percent;
        let space = Space { at: now, ample: copies >= min, short: least < min / SHORT };
        self.space = Some(space);
        space
    }
}

impl Entry {
    /// Its plain bytes are deleted and held, though the `.gz` has them.
    pub fn holds_deleted_plain(&self) -> bool {
        let plain = self.source.as_ref().is_some_and(|s| !s.gz);
        plain && self.plain.is_none() && self.gz.is_some() && self.trail == Trail::Named
    }
}
