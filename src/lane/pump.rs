//! Reads what a plan names, as a state machine: `next` says what to read, `block` takes it in.
//!
//! Blocks become lines, lines become records, records go to the sink. Promises: what a record that is not finished
//! occupies stays a hole, unread; the runs it reports are exactly the bytes whose records were taken, dropped or
//! lie between them. Leaves planning to `plan`, encoding to the format, settling to the lane.

mod between;
mod hole;
mod text;

use super::batch::FileKey;
use super::files::{End, LaneFile, Long, Looked};
use super::format::Format;
use super::intake::Intake;
use super::ledger::{Ledger, Run};
use super::sink::{From, Sink};
use crate::decode::join::Joiner;
use crate::decode::stamp::DateCache;
use crate::record::{FileId, Mark, Now, Record, Span};
use crate::seeded::{Bug, seeded};
use crate::telemetry::report::Read;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use text::remember_mark;

/// Bytes read at once: stays in the L2 cache (64 KiB measured cheaper than 256 KiB).
pub const BLOCK: usize = 64 * 1024;

/// What a plan reads.
pub enum Source {
    /// Unread bytes of these files, in this order; siblings stand together, oldest first.
    Files(VecDeque<FileId>),
    /// Exactly these spans: an intent that is sent again, or records that are buried. With `true` a record ends there,
    /// whatever its last line says.
    Spans(VecDeque<(Span, bool)>),
}

/// What the pump wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read up to `len` plain bytes at `at`.
    Read { file: FileId, at: u64, len: usize },
    /// The plan is through, or the batch is full.
    Done,
}

/// What the pump may look at but not change.
pub struct Env<'a> {
    /// The lane's files.
    pub files: &'a BTreeMap<FileId, LaneFile>,
    /// What is settled and taken.
    pub ledger: &'a Ledger,
    /// The plan's key.
    pub key: &'a FileKey,
    /// The clock.
    pub now: Now,
}

struct Cursor {
    file: FileId,
    begin: u64,
    end: u64,
    /// `end` is the end of the file, not of a gap.
    at_end: bool,
    /// A record ends at `end`, whatever its last line says and whatever follows.
    ends_record: bool,
    /// Nothing is taken here: these bytes are settled or in flight, and are read for what they end.
    passing: bool,
    at: u64,
    upto: u64,
    carry: Vec<u8>,
    tail: Vec<u8>,
    marks: Vec<Mark>,
    long: Option<Long>,
    /// The next line pushed is the first piece of a long one.
    cutting: bool,
}

/// One plan being read.
pub struct Pump {
    /// Where records go.
    pub sink: Sink,
    source: Source,
    joiner: Joiner,
    dates: DateCache,
    scratch: Vec<u8>,
    cursor: Option<Cursor>,
    from: u64,
    runs: Vec<Run>,
    earlier_marks: Vec<(FileId, Mark)>,
    /// While a join is open: up to where it has seen what was written.
    seen: Option<(FileId, u64)>,
    /// Joins that stayed open: where each begins, and up to where what follows was looked through.
    pub looked: Vec<(Span, Looked)>,
    max_record: usize,
    target: u64,
    /// Plain bytes read.
    pub raw: u64,
    /// Instead of them, a block for each hole.
    over_holes: u64,
    /// Bytes that were never written, by file.
    pub holes: BTreeMap<FileId, u64>,
    lines: u64,
    /// Lines, records and bytes, by input.
    pub intake: Intake,
    left: Vec<Span>,
    /// Where lines were cut: file, place, what the rest inherits.
    pub cuts: Vec<(FileId, u64, Long)>,
    /// Bytes of exact spans that could not be read any more, by file.
    pub missing: BTreeMap<FileId, u64>,
    /// A file that is there could not be read just now.
    pub interrupted: bool,
    /// Files read to their end with something unfinished left: not due until they change.
    pub deferred: Vec<(FileId, u64)>,
    /// Files that are read only while a join is open.
    pub for_joins: BTreeSet<FileId>,
    /// Last parts of records that were taken and that something ended which is not in the bytes.
    pub ended: Vec<Span>,
}

impl Pump {
    /// A plan that stops after about `target` plain bytes.
    pub fn new(source: Source, sink: Sink, max_record: usize, target: u64) -> Pump {
        Pump {
            sink,
            source,
            joiner: Joiner::new(max_record),
            dates: DateCache::default(),
            scratch: Vec::new(),
            cursor: None,
            from: 0,
            runs: Vec::new(),
            earlier_marks: Vec::new(),
            seen: None,
            looked: Vec::new(),
            max_record,
            target,
            raw: 0,
            over_holes: 0,
            holes: BTreeMap::new(),
            lines: 0,
            intake: Intake::default(),
            left: Vec::new(),
            cuts: Vec::new(),
            missing: BTreeMap::new(),
            interrupted: false,
            deferred: Vec::new(),
            for_joins: BTreeSet::new(),
            ended: Vec::new(),
        }
    }
    /// What was taken: call when `next` said `Done`.
    pub fn take_runs(&mut self) -> Vec<Run> {
        let mut runs = std::mem::take(&mut self.runs);
        runs.append(&mut self.sink.earlier);
        runs
    }

    /// What to read next. `full` = the format's body has what it wants.
    pub fn next<F: Format>(&mut self, format: &mut F, env: &Env<'_>, full: bool) -> Next {
        // Bounded: each round reads, finishes a cursor, or takes a file off the queue.
        loop {
            // A target is no reason to stop inside a record: it would be read in vain, again and again.
            let inside = self.joiner.is_open() || self.cursor.as_ref().is_some_and(|c| !c.carry.is_empty());
            let enough = full || self.sink.full || (self.raw + self.over_holes >= self.target && !inside);
            let full = enough || self.sink.file_done;
            let over = |c: &Cursor| full || c.at >= c.end || self.looked_enough(c) || self.is_idle(c.file);
            if self.cursor.as_ref().is_some_and(over) {
                self.finish_cursor(format, env);
            }
            let Some(cursor) = &self.cursor else {
                if enough || !self.open_next(format, env) {
                    self.finish_plan(format, env);
                    return Next::Done;
                }
                continue;
            };
            let len = usize::try_from(cursor.end - cursor.at).unwrap_or(BLOCK).min(BLOCK);
            return Next::Read { file: cursor.file, at: cursor.at, len };
        }
    }
    /// Of exact spans: those that did not fit any more.
    pub fn take_left(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.left)
    }
    /// The file that is being read.
    pub fn reading(&self) -> Option<FileId> {
        self.cursor.as_ref().map(|c| c.file)
    }

    fn open_next<F: Format>(&mut self, format: &mut F, env: &Env<'_>) -> bool {
        self.sink.file_done = false;
        // Bounded: each round takes a file off the queue, or lets an open join look into one more sibling.
        loop {
            if let Some(cursor) = self.between(env) {
                self.cursor = Some(cursor);
                return true;
            }
            let (more, next) = match &self.source {
                Source::Spans(spans) => {
                    let next = spans.front().map(|(s, ends)| (s.file, s.start, s.end, *ends));
                    (next.is_some(), next)
                }
                Source::Files(files) => {
                    let gap = |file: &FileId| self.gap(env, *file).map(|(begin, end)| (*file, begin, end, false));
                    (!files.is_empty(), files.front().and_then(gap))
                }
            };
            match next {
                None if !more && matches!(self.source, Source::Spans(_)) => return false,
                None if !more && !self.follow(format, env, None) => return false,
                None if !more => {}
                Some((file, ..)) if self.follow(format, env, Some(file)) => {}
                Some((file, ..)) if self.is_idle(file) => self.next_file(),
                Some((file, begin, end, ends_record)) => {
                    let cursor = Cursor::new(env, file, begin, end);
                    if let Source::Spans(spans) = &mut self.source {
                        match spans.front_mut() {
                            Some((span, _)) if cursor.end < end => span.start = cursor.end,
                            Some(_) | None => drop(spans.pop_front()),
                        }
                    }
                    self.cursor = Some(Cursor { ends_record: cursor.ends_record || ends_record, ..cursor });
                    return true;
                }
                None => self.next_file(),
            }
        }
    }
    fn next_file(&mut self) {
        if let Source::Files(files) = &mut self.source {
            files.pop_front();
        }
        self.from = 0;
    }
    /// Nothing waits for this file.
    fn is_idle(&self, file: FileId) -> bool {
        !self.joiner.is_open() && self.for_joins.contains(&file)
    }
    /// What is to be read next of a file.
    fn gap(&self, env: &Env<'_>, file: FileId) -> Option<(u64, u64)> {
        let size = env.files.get(&file).map_or(0, |f| if env.now.mono < f.retry_at { 0 } else { f.size() });
        env.ledger.account(file)?.gap(self.from, size)
    }

    /// The current gap is through: what was taken of it becomes runs.
    fn finish_cursor<F: Format>(&mut self, format: &mut F, env: &Env<'_>) {
        let Some(mut cursor) = self.cursor.take() else { return };
        if cursor.passing {
            return self.passed(env, &cursor);
        }
        let end = env.files.get(&cursor.file).map_or(End::Open, |f| f.end(env.now));
        let reached = cursor.at >= cursor.end && !self.sink.stopped();
        // The last gap of a file is its end too, when all behind it is settled or in flight.
        let size = env.files.get(&cursor.file).map_or(0, LaneFile::size);
        let more = || env.ledger.account(cursor.file).and_then(|a| a.gap(cursor.end, size)).is_some();
        let last_gap = cursor.at_end || (!more() && !self.joiner.is_open());
        let at_file_end = reached && matches!(self.source, Source::Files(_)) && last_gap;
        let strangers = reached && self.next_span_is_a_stranger(env, cursor.file);
        // Exact spans that cannot be read any more may have held the end of what is open: nothing goes on behind them.
        let gone = matches!(self.source, Source::Spans(_)) && std::mem::take(&mut self.sink.file_done);
        // Only an open join has a use for the file's siblings, which are looked for among all files.
        let open = self.joiner.is_open();
        if open && ((at_file_end && self.ends(env, cursor.file, end)) || strangers || gone) {
            self.end_joins(format, env, &cursor, true);
        } else if open && reached && cursor.ends_record {
            self.end_joins(format, env, &cursor, false);
        }
        self.note_intake(env, cursor.file);
        for span in self.joiner.open_spans().filter(|s| s.file == cursor.file && !seeded(Bug::JoinForgotten)) {
            self.sink.holes.insert(span.start, span.end, Mark::NONE);
        }
        if at_file_end && cursor.upto < cursor.end {
            self.deferred.push((cursor.file, size));
        }
        let upto = cursor.upto;
        remember_mark(&mut cursor, &[], upto);
        let mut taken = super::spans::SpanSet::default();
        taken.insert(cursor.begin, cursor.upto, Mark::NONE);
        for hole in self.sink.holes.ranges() {
            taken.remove(hole.start, hole.end);
        }
        for r in taken.ranges() {
            let mark = cursor.marks.iter().rev().find(|m| m.at == r.end).copied().unwrap_or(Mark::NONE);
            self.runs.push(Run { span: Span { file: cursor.file, start: r.start, end: r.end }, mark });
        }
        for span in self.joiner.open_spans().filter(|s| s.file == cursor.file) {
            let mark = cursor.marks.iter().rev().find(|m| m.at == span.end).copied();
            self.earlier_marks.extend(mark.map(|m| (cursor.file, m)));
        }
        self.sink.holes = super::spans::SpanSet::default();
        if reached {
            self.from = cursor.end;
            self.seen = self.joiner.is_open().then_some((cursor.file, cursor.end));
        } else if let Source::Spans(_) = self.source {
            if gone {
                *self.missing.entry(cursor.file).or_default() += cursor.end - cursor.upto.min(cursor.end);
            } else if cursor.upto < cursor.end {
                self.left.push(Span { file: cursor.file, start: cursor.upto, end: cursor.end });
            }
        } else if let Source::Files(files) = &mut self.source {
            // Stopped inside a file: its later siblings wait, or lines would overtake each other.
            skip_chain(files, env);
            self.leave_open(env, false);
            self.from = 0;
        }
    }
    fn note_intake(&mut self, env: &Env<'_>, file: FileId) {
        if let Some(file) = env.files.get(&file) {
            let now = Read { lines: self.lines, records: self.sink.decoded, bytes: self.raw };
            self.intake.note(&file.input, now);
        }
    }
    /// Exact spans: the next one belongs to another container's run, so a join that is open was ended by a rule.
    fn next_span_is_a_stranger(&self, env: &Env<'_>, file: FileId) -> bool {
        let Source::Spans(spans) = &self.source else { return false };
        let place = |f: &FileId| env.files.get(f).map(|f| (f.view.file.place.chain, f.view.file.place.restart));
        spans.front().is_some_and(|(next, _)| next.file != file && place(&next.file) != place(&file))
    }
    /// Ends what is open: `all`, or what has its last part at the end of this cursor.
    fn end_joins<F: Format>(&mut self, format: &mut F, env: &Env<'_>, cursor: &Cursor, all: bool) {
        let Some(file) = env.files.get(&cursor.file) else { return };
        let from = From {
            file: cursor.file,
            begin: cursor.begin,
            origin: &file.view.file.origin,
            filter: file.filter.as_deref(),
            earlier_marks: &self.earlier_marks,
            now: env.now,
        };
        let (sink, ended) = (&mut self.sink, &mut self.ended);
        let mut emit = |record: &Record<'_>, spans: &[Span]| {
            let taken = sink.taken.0;
            sink.record(format, env.key, &from, record, spans);
            ended.extend(spans.last().filter(|_| sink.taken.0 > taken));
        };
        if all {
            self.joiner.end(&mut emit);
        } else {
            self.joiner.end_at(cursor.file, cursor.end, &mut emit);
        }
    }
    fn finish_plan<F: Format>(&mut self, format: &mut F, env: &Env<'_>) {
        // Exact spans hold complete records: a join still open was ended by a rule when they were first read.
        let last = self.joiner.open_spans().last().map(|s| s.file);
        if let Source::Spans(spans) = &mut self.source {
            self.left.append(&mut self.sink.left);
            self.left.extend(spans.drain(..).map(|(span, _)| span));
            if !self.left.is_empty() {
                let mut left: Vec<Span> = self.joiner.open_spans().collect();
                left.append(&mut self.left);
                self.left = left;
                return self.joiner.clear();
            }
        }
        if let (Source::Spans(_), Some(file)) = (&self.source, last) {
            self.end_joins(format, env, &Cursor::new(env, file, 0, 0), true);
            self.note_intake(env, file);
        }
        self.leave_open(env, false);
    }
}

impl Cursor {
    /// From `begin` to `end`, or to the first known end of a record before it.
    fn new(env: &Env<'_>, file: FileId, begin: u64, end: u64) -> Cursor {
        let account = env.ledger.account(file);
        let mark = account.map_or(Mark::NONE, |a| a.mark_at(begin));
        let cut = account.and_then(|a| a.cut_within(begin, end));
        let end = cut.unwrap_or(end);
        Cursor {
            file,
            begin,
            end,
            at_end: env.files.get(&file).is_none_or(|f| f.size() <= end),
            ends_record: cut.is_some(),
            passing: false,
            at: begin,
            upto: begin,
            carry: Vec::new(),
            tail: Vec::new(),
            marks: vec![Mark { at: begin, ..mark }],
            long: env.files.get(&file).and_then(|f| f.rest_at(begin)),
            cutting: false,
        }
    }
}

/// Takes the front file and all files of its chain that follow it off the queue.
fn skip_chain(files: &mut VecDeque<FileId>, env: &Env<'_>) {
    let chain = |f: &FileId| env.files.get(f).map(|f| f.view.file.place.chain);
    let Some(front) = files.pop_front() else { return };
    let left = chain(&front);
    while files.front().is_some_and(|f| chain(f) == left) {
        files.pop_front();
    }
}
