//! A join over bytes that are not this plan's: settled ones, and ones in flight.
//!
//! A part that was left as a hole may have been ended by a line that was taken long ago: that line is read once more,
//! or the part would be joined with what a much later line holds. What a join has not seen is read here, without being
//! taken: between two gaps of a file, and in siblings of which nothing is left. How far that went is remembered per
//! join, so that each byte is looked at once.

use super::{Cursor, Env, Pump, Source, skip_chain};
use crate::lane::files::{End, LaneFile, Looked};
use crate::lane::format::Format;
use crate::record::{FileId, Span};

impl Pump {
    /// What lies between the place that an open join has seen and the next bytes of its file that are to be read.
    pub(super) fn between(&self, env: &Env<'_>) -> Option<Cursor> {
        let (file, at) = self.seen.filter(|_| self.joiner.is_open())?;
        let here = env.files.get(&file)?;
        let size = here.size();
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
        // What all joins have looked through before need not be looked at again.
        let before = |start: Span| match env.files.get(&start.file).and_then(|f| f.looked_at(start.start)) {
            Some(looked) if looked.turn > here.view.file.place.turn => u64::MAX,
            Some(looked) if looked.file == file => looked.at,
            Some(_) | None => 0,
        };
        let at = at.max(self.joiner.open_starts().map(before).min().unwrap_or(0));
        (at < to).then(|| Cursor { passing: true, ..Cursor::new(env, file, at, to) })
    }

    /// What others have taken was read for an open join's sake, and that has ended.
    pub(super) fn looked_enough(&self, cursor: &Cursor) -> bool {
        cursor.passing && !self.joiner.is_open()
    }

    /// An open join, and what is read next (`None`: nothing any more) lies in another file than the one it has seen.
    /// True when something changed: another look is due.
    pub(super) fn follow<F: Format>(&mut self, format: &mut F, env: &Env<'_>, next: Option<FileId>) -> bool {
        let Some((seen, at)) = self.seen.filter(|(seen, _)| self.joiner.is_open() && Some(*seen) != next) else {
            if self.joiner.is_open() && next.is_none() {
                self.leave_open(env, true);
            }
            return false;
        };
        let sibling = next_sibling(env, seen);
        let end = env.files.get(&seen).map_or(End::Open, |f| f.end(env.now));
        let ends = self.ends(env, seen, end);
        let Source::Files(files) = &mut self.source else {
            // Exact spans: only those of a sibling go on; see `next_span_is_a_stranger`.
            self.seen = sibling.map(|sibling| (sibling, 0));
            return self.seen.is_some();
        };
        let account = env.ledger.account(seen);
        let size = env.files.get(&seen).map_or(0, LaneFile::size);
        let through = account.is_none_or(|a| a.gap(at, size).is_none() && !a.span_full());
        match sibling {
            _ if !through => self.leave_open(env, false),
            _ if end == End::Open => {
                // It may still grow: what comes after it waits.
                let chain = |f: FileId| env.files.get(&f).map(|f| f.view.file.place.chain);
                if next.is_some_and(|next| chain(next) == chain(seen)) {
                    skip_chain(files, env);
                }
                self.leave_open(env, true);
            }
            _ if ends => {
                self.end_joins(format, env, &Cursor::new(env, seen, size, size), true);
                // What did not fit any more stays a hole.
                self.joiner.clear();
            }
            Some(sibling) => self.seen = Some((sibling, 0)),
            None => self.leave_open(env, true),
        }
        true
    }

    /// Whether joins that are open at the end of a file end there.
    pub(super) fn ends(&self, env: &Env<'_>, file: FileId, end: End) -> bool {
        let place = |file: FileId| env.files.get(&file).map(|f| f.view.file.place);
        match (end, place(file), next_sibling(env, file).and_then(place)) {
            (End::Here, _, _) => true,
            (End::Open, _, _) => false,
            // What stood between them is gone, and was not looked through while it was there: it may have ended them.
            (End::Sibling | End::LastSibling, Some(here), Some(next)) if !next.next_to(&here) => {
                let looked = |s: Span| env.files.get(&s.file).and_then(|f| f.looked_at(s.start));
                !self.joiner.open_starts().all(|start| looked(start).is_some_and(|l| l.turn > here.turn))
            }
            (End::Sibling, _, _) => false,
            (End::LastSibling, _, next) => next.is_none(),
        }
    }

    /// Such bytes are through, or the join was ended, or the plan is.
    pub(super) fn passed(&mut self, env: &Env<'_>, cursor: &Cursor) {
        let reached = cursor.at >= cursor.end && !self.sink.stopped();
        if reached || matches!(self.source, Source::Spans(_)) {
            self.seen = Some((cursor.file, cursor.end));
        } else if self.joiner.is_open()
            && let Source::Files(files) = &mut self.source
        {
            skip_chain(files, env);
            self.leave_open(env, false);
            self.from = 0;
        }
    }

    /// Open joins stay holes. `wait`: until something changes, there is nothing more to see.
    pub(super) fn leave_open(&mut self, env: &Env<'_>, wait: bool) {
        let turn = |file: FileId| env.files.get(&file).map_or(0, |f| f.view.file.place.turn);
        if let Some((file, at)) = self.seen.take() {
            let looked = Looked { turn: turn(file), file, at };
            self.looked.extend(self.joiner.open_starts().map(|start| (start, looked)));
        }
        if wait {
            for span in self.joiner.open_spans() {
                let size = env.files.get(&span.file).map_or(0, LaneFile::size);
                self.deferred.push((span.file, size));
            }
        }
        self.joiner.clear();
    }
}

/// The next file with bytes of the same restart.
fn next_sibling(env: &Env<'_>, file: FileId) -> Option<FileId> {
    let here = env.files.get(&file)?.view.file.place;
    let later = |f: &&LaneFile| {
        let place = f.view.file.place;
        (place.chain, place.restart) == (here.chain, here.restart) && place.turn > here.turn && f.size() > 0
    };
    env.files.values().filter(later).min_by_key(|f| f.view.file.place.turn).map(|f| f.view.file.id)
}
