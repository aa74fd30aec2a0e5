//! Parts of a line to one record, per channel, over the end of a file into its next sibling.
//!
//! A join ends on a complete part; on `max_record` or [`MAX_PARTS`], where what follows is the next piece; on
//! [`GAP`] of *record* time, so that a replay cuts alike; and when its caller says so ([`Joiner::end`]). A complete
//! line that joins nothing is neither copied nor allocated for. Who reads on, and what a hole is, the lane knows.

use super::line::Line;
use crate::record::{Channel, FileId, Record, RecordId, Span, Stamp};
use std::time::Duration;

/// Two parts of one line are never so far apart.
pub const GAP: Duration = Duration::from_secs(60);
/// Most parts of a piece: bounds the spans of a program that writes a line byte by byte.
pub const MAX_PARTS: usize = 1024;

/// Bytes a join keeps room for between records.
const KEPT: usize = 256 * 1024;

/// Gives finished records away, with the spans of their parts.
pub type Emit<'e> = &'e mut dyn FnMut(&Record<'_>, &[Span]);

/// Open joins of one container's lines (or one file's): one per channel, and one for lines without channel.
#[derive(Debug)]
pub struct Joiner {
    max_record: usize,
    joins: [Join; 3],
}

/// The parts so far of one channel's line. Buffers are kept for the next one.
#[derive(Debug, Default)]
struct Join {
    channel: Option<Channel>,
    /// One a part; empty = nothing is open.
    spans: Vec<Span>,
    body: Vec<u8>,
    /// Of the first part of this piece, else of the piece before.
    stamp: Vec<u8>,
    unix_ns: i64,
    /// Of the last part that had a stamp.
    last_ns: Option<i64>,
    piece: u32,
}

impl Joiner {
    /// `max_record`: most bytes of a joined body; a single line may be longer.
    pub fn new(max_record: usize) -> Self {
        let join = |channel| Join { channel, ..Join::default() };
        Joiner { max_record, joins: [join(Some(Channel::Stdout)), join(Some(Channel::Stderr)), join(None)] }
    }

    /// Feeds one line, which covers `span`. `seen_ns` is its time when it has no stamp. Gives 0 to n records, in the
    /// order in which they ended.
    pub fn push(&mut self, span: Span, line: &Line<'_>, seen_ns: i64, emit: Emit<'_>) {
        if let Some(stamp) = line.stamp {
            self.end_stale(stamp.unix_ns, emit);
        }
        let [stdout, stderr, none] = &mut self.joins;
        let join = match line.channel {
            Some(Channel::Stdout) => stdout,
            Some(Channel::Stderr) => stderr,
            None => none,
        };
        let mut piece = 0;
        if join.is_open() {
            if join.has_room(line.body.len(), self.max_record) {
                join.add(span, line);
                if !line.partial {
                    join.finish(false, emit);
                }
                return;
            }
            piece = join.piece.saturating_add(1);
            join.finish(true, emit);
        }
        if line.partial {
            join.begin(span, line, seen_ns, piece);
        } else {
            let unstamped = match piece {
                0 => Stamp { unix_ns: seen_ns, text: b"" },
                _ => Stamp { unix_ns: join.unix_ns, text: &join.stamp },
            };
            whole(span, line, line.stamp.unwrap_or(unstamped), piece, emit);
            join.last_ns = None;
        }
    }

    /// A line that is somebody else's: what it would have been joined to ended before it.
    pub fn pass(&mut self, line: &Line<'_>, emit: Emit<'_>) {
        if let Some(stamp) = line.stamp {
            self.end_stale(stamp.unix_ns, emit);
        }
        if let Some(join) = self.joins.iter_mut().find(|j| j.channel == line.channel && j.is_open()) {
            join.finish(false, emit);
        }
    }

    /// An end rule struck (a later restart, the container ended, the file is gone, silence): what is open becomes
    /// records.
    pub fn end(&mut self, emit: Emit<'_>) {
        while let Some(join) = self.first_open(|_| true) {
            join.finish(false, emit);
        }
    }

    /// What is open and has its last part before `at` in `file` ended there.
    pub fn end_at(&mut self, file: FileId, at: u64, emit: Emit<'_>) {
        while let Some(join) = self.first_open(|j| j.ends_at(file, at)) {
            join.finish(false, emit);
        }
    }

    /// Something waits for its next part.
    pub fn is_open(&self) -> bool {
        self.joins.iter().any(Join::is_open)
    }

    /// The file in which the oldest open join began.
    pub fn open_since_file(&self) -> Option<FileId> {
        self.joins
            .iter()
            .filter(|j| j.is_open())
            .min_by_key(|j| j.since())
            .and_then(|j| j.spans.first())
            .map(|s| s.file)
    }

    /// Where each open join begins: its first part.
    pub fn open_starts(&self) -> impl Iterator<Item = Span> {
        self.joins.iter().filter_map(|j| j.spans.first().copied())
    }

    /// Spans of all open parts, by channel.
    pub fn open_spans(&self) -> impl Iterator<Item = Span> {
        self.joins.iter().flat_map(|j| j.spans.iter().copied())
    }

    /// Forgets what is open: it will be read again.
    pub fn clear(&mut self) {
        self.joins.iter_mut().for_each(Join::clear);
    }

    /// Ends, oldest first, each join whose last part is [`GAP`] or more before `now_ns`: also on other channels
    /// (a prompt without newline on one must not stay open for as long as the other writes).
    fn end_stale(&mut self, now_ns: i64, emit: Emit<'_>) {
        while let Some(join) = self.first_open(|j| j.is_stale(now_ns)) {
            join.finish(false, emit);
        }
    }

    fn first_open(&mut self, wanted: impl Fn(&Join) -> bool) -> Option<&mut Join> {
        self.joins.iter_mut().filter(|j| j.is_open() && wanted(j)).min_by_key(|j| j.since())
    }
}

impl Join {
    fn is_open(&self) -> bool {
        !self.spans.is_empty()
    }
    fn ends_at(&self, file: FileId, at: u64) -> bool {
        self.spans.last().is_some_and(|last| last.file == file && last.end == at)
    }
    /// Orders joins by record time of their first part.
    fn since(&self) -> i64 {
        self.unix_ns
    }
    fn is_stale(&self, now_ns: i64) -> bool {
        self.last_ns.is_some_and(|last| now_ns.saturating_sub(last) >= GAP.as_nanos() as i64)
    }
    fn has_room(&self, more: usize, max_record: usize) -> bool {
        self.spans.len() < MAX_PARTS && self.body.len().saturating_add(more) <= max_record
    }
    /// After a cut a part without a stamp keeps the time of the piece before.
    fn begin(&mut self, span: Span, line: &Line<'_>, seen_ns: i64, piece: u32) {
        self.piece = piece;
        match line.stamp {
            Some(stamp) => {
                self.unix_ns = stamp.unix_ns;
                self.stamp.clear();
                self.stamp.extend_from_slice(stamp.text);
            }
            None if piece == 0 => {
                self.unix_ns = seen_ns;
                self.stamp.clear();
            }
            None => {}
        }
        self.add(span, line);
    }
    fn add(&mut self, span: Span, line: &Line<'_>) {
        self.spans.push(span);
        self.body.extend_from_slice(line.body);
        self.last_ns = line.stamp.map(|s| s.unix_ns).or(self.last_ns);
    }
    /// Gives the piece away and closes. `more`: another piece follows. Stamp and time stay for it.
    fn finish(&mut self, more: bool, emit: Emit<'_>) {
        if let (Some(first), Some(last)) = (self.spans.first(), self.spans.last()) {
            let id = RecordId { file: first.file, start: first.start, end: last.end, piece: self.piece };
            let time = Stamp { unix_ns: self.unix_ns, text: &self.stamp };
            let cut = more || self.piece > 0;
            emit(&Record { id, time, channel: self.channel, body: &self.body, cut, processed: None }, &self.spans);
        }
        self.spans.clear();
        self.body.clear();
        if !more {
            self.clear();
        }
    }
    fn clear(&mut self) {
        self.spans.clear();
        self.body.clear();
        self.body.shrink_to(KEPT);
        self.last_ns = None;
    }
}

/// Gives a complete line away as it is.
fn whole(span: Span, line: &Line<'_>, time: Stamp<'_>, piece: u32, emit: Emit<'_>) {
    let id = RecordId { file: span.file, start: span.start, end: span.end, piece };
    emit(&Record { id, time, channel: line.channel, body: line.body, cut: piece > 0, processed: None }, &[span]);
}

#[cfg(test)]
mod tests;
