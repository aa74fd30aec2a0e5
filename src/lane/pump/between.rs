//! A join over bytes that are not this plan's: settled ones, and ones in flight.
//!
//! A part that was left as a hole may have been ended by a line that was taken long ago: that line is read once more,
//! or the part would be joined with what a much later line holds. What a join has not seen is read here, without being
//! taken: between two gaps of a file, and in siblings of which nothing is left.

use super::{Cursor, Env, Pump, Source, skip_chain};
use crate::lane::files::{End, LaneFile};
use crate::lane::format::Format;
use crate::record::FileId;

impl Pump {
    /// What lies between the place that an open join has seen and the next bytes of its file that are to be read.
    pub(super) fn between(&self, env: &Env<'_>) -> Option<Cursor> {
        let (file, at) = self.seen.filter(|_| self.joiner.is_open())?;
        let size = env.files.get(&file)?.size();
        let to = match &self.source {
            Source::Files(_) => {
                let account = env.ledger.account(file)?;
                // Bytes past the last of too many spans are not settled, though no gap shows them.
                let hidden = account.span_full();
                account.gap(at, size).map_or(if hidden { at } else { size }, |(next, _)| next)
            }
            Source::Spans(spans) => match spans.front() {
                Some((next, _)) if next.file == file => next.start.min(size),
                Some(_) => size,
                None => at,
            },
        };
        (at < to).then(|| Cursor { passing: true, ..Cursor::new(env, file, at, to) })
    }

    /// An open join goes on in `next`, but has not seen the siblings before it, or its beginning: they come first.
    pub(super) fn sees_a_sibling_before(&mut self, env: &Env<'_>, next: FileId) -> bool {
        let Some((seen, _)) = self.seen.filter(|(seen, _)| self.joiner.is_open() && *seen != next) else {
            return false;
        };
        let Some(here) = env.files.get(&seen).map(|f| f.view.file.place) else { return false };
        let later = |f: &&LaneFile| {
            let place = f.view.file.place;
            (place.chain, place.restart) == (here.chain, here.restart) && place.turn > here.turn
        };
        let sibling = env.files.values().filter(later).min_by_key(|f| f.view.file.place.turn);
        let Some(sibling) = sibling else { return false };
        if env.files.get(&seen).is_some_and(|f| f.end(env.now) == End::Open)
            && let Source::Files(files) = &mut self.source
        {
            // It may still grow: what comes after it waits.
            skip_chain(files, env);
            self.joiner.clear();
            return true;
        }
        self.seen = Some((sibling.view.file.id, 0));
        true
    }

    /// Such bytes are through, or the join was ended, or the plan is.
    pub(super) fn passed<F: Format>(&mut self, format: &mut F, env: &Env<'_>, cursor: &Cursor) {
        if !self.joiner.is_open() {
            return;
        }
        let reached = cursor.at >= cursor.end && !self.sink.stopped();
        match &mut self.source {
            Source::Files(files) if !reached => {
                skip_chain(files, env);
                self.joiner.clear();
                self.from = 0;
            }
            Source::Files(_) => {
                self.seen = Some((cursor.file, cursor.end));
                let Some(file) = env.files.get(&cursor.file).filter(|f| f.size() <= cursor.end) else { return };
                if self.ends(env, cursor.file, file.end(env.now)) {
                    self.end_joins(format, env, cursor);
                } else {
                    self.deferred.push((cursor.file, file.size()));
                }
            }
            Source::Spans(_) => self.seen = Some((cursor.file, cursor.end)),
        }
    }
}
