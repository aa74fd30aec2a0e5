//! Where decoded records go while a plan is pumped: filter, bucket, encode; what was taken and what was left as a hole.
//!
//! Promises: a record's spans are either in `items` (taken), counted as dropped, kept for burial, or left as holes;
//! never two of these. Leaves reading and offsets to `pump`, settling to the lane.

use super::batch::Reason;
use super::bury::Burial;
use super::format::{Encoded, Format};
use super::items::Items;
use super::ledger::Run;
use super::ruled::Filter;
use super::spans::SpanSet;
use crate::origin::Origin;
use crate::record::{FileId, Mark, Now, Record, Span};
use crate::transform::merge_json::{self, Merge};

/// More records than this that do not go with the open batch (another hour, another day) seal it.
pub const MAX_STRAYS: u32 = 64;

/// Records and source bytes.
pub type Count = (u64, u64);

/// What to do with a record.
pub enum Mode {
    /// Encode for the destination; `bucket` of the key is fixed by the first record.
    Deliver,
    /// Encode for the destination under a name that was decided before: buckets do not matter any more.
    Replay,
    /// Into the dead-letter file.
    Bury(Burial),
}

/// The open batch's account.
pub struct Sink {
    /// What this plan is for.
    pub mode: Mode,
    /// Spans of the records taken.
    pub items: Items,
    /// Keep spans per record.
    pub per_item: bool,
    /// Records taken, and their source bytes.
    pub taken: Count,
    /// Records decoded.
    pub decoded: u64,
    /// Records dropped, by reason.
    pub drops: [Count; Reason::ALL.len()],
    /// Records to be buried: why, and where they are.
    pub refused: Vec<(Reason, Vec<Span>)>,
    /// Left unread in the current file.
    pub holes: SpanSet,
    /// Of exact spans: records that did not fit any more, with all their parts.
    pub left: Vec<Span>,
    /// Parts in earlier gaps or files of records that were finished in the current one.
    pub earlier: Vec<Run>,
    /// The batch's time bucket.
    pub bucket: Option<i64>,
    /// Time of the first record taken, and of the oldest.
    pub first_ns: Option<i64>,
    /// Oldest record taken.
    pub oldest_ns: i64,
    /// The batch is full: nothing more is taken.
    pub full: bool,
    /// Nothing more is taken from the current file.
    pub file_done: bool,
    /// Lines of the dead-letter file (mode `Bury`).
    pub buried: Vec<u8>,
    /// After a split: no more records than this.
    pub most_records: Option<u64>,
    strays: u32,
    merge_json: bool,
    too_deep: u64,
}

/// What stays the same while one file is pumped.
pub struct From<'a> {
    /// The file.
    pub file: FileId,
    /// Where the gap that is being read begins: parts below it were left as holes when their gap was through.
    pub begin: u64,
    /// Its facts.
    pub origin: &'a Origin,
    /// What needs the record.
    pub filter: Option<&'a Filter>,
    /// Proofs at the ends of earlier siblings that a join came from.
    pub earlier_marks: &'a [(FileId, Mark)],
    /// The clock.
    pub now: Now,
}

impl From<'_> {
    fn is_current(&self, span: &Span) -> bool {
        span.file == self.file && span.start >= self.begin
    }
}

impl Sink {
    /// An empty account.
    pub fn new(mode: Mode, per_item: bool, merge_json: bool) -> Sink {
        Sink {
            mode,
            items: Items::default(),
            per_item,
            taken: (0, 0),
            decoded: 0,
            drops: Default::default(),
            refused: Vec::new(),
            holes: SpanSet::default(),
            left: Vec::new(),
            earlier: Vec::new(),
            bucket: None,
            first_ns: None,
            oldest_ns: i64::MAX,
            full: false,
            file_done: false,
            buried: Vec::new(),
            most_records: None,
            strays: 0,
            merge_json,
            too_deep: 0,
        }
    }
    /// Nothing more is wanted from the current file.
    pub fn stopped(&self) -> bool {
        self.full || self.file_done
    }
    /// JSON bodies that stayed text because they are too deep or too wide.
    pub fn too_deep(&self) -> u64 {
        self.too_deep
    }

    /// One decoded record.
    pub fn record<F: Format>(
        &mut self,
        format: &mut F,
        key: &super::batch::FileKey,
        from: &From<'_>,
        record: &Record<'_>,
        spans: &[Span],
    ) {
        if self.stopped() {
            return self.leave(from, spans);
        }
        self.decoded += 1;
        let mut merge_json = self.merge_json;
        if let Some(filter) = from.filter {
            match filter.judge(from, record, spans) {
                Ok(json) => merge_json |= json,
                Err(reason) => return self.drop_record(reason, from, spans),
            }
        }
        let mut record = *record;
        if merge_json {
            match merge_json::object(record.body) {
                Merge::Object(text) => record.processed = Some(text),
                Merge::NotObject => {}
                Merge::TooDeep => self.too_deep += 1,
            }
        }
        match &self.mode {
            Mode::Deliver => {
                let bucket = format.bucket(key, record.time.unix_ns);
                match self.bucket {
                    Some(open) if bucket > open => {
                        self.file_done = true;
                        return self.leave(from, spans);
                    }
                    Some(open) if bucket < open => return self.stray(from, spans),
                    Some(_) | None => {}
                }
                self.encode(format, from, &record, spans, Some(bucket));
            }
            Mode::Replay => self.encode(format, from, &record, spans, None),
            Mode::Bury(burial) => {
                burial.line(from.origin, &record, spans, &mut self.buried);
                self.take(from, spans, record.time.unix_ns);
            }
        }
    }

    fn encode<F: Format>(
        &mut self,
        format: &mut F,
        from: &From<'_>,
        record: &Record<'_>,
        spans: &[Span],
        bucket: Option<i64>,
    ) {
        match format.encode(from.now, from.origin, record) {
            Encoded::Taken { .. } => {
                self.bucket = self.bucket.or(bucket);
                self.take(from, spans, record.time.unix_ns);
            }
            Encoded::Full => {
                self.full = true;
                self.leave(from, spans);
            }
            Encoded::Stray => self.stray(from, spans),
            Encoded::Drop(reason) => self.drop_record(reason, from, spans),
            Encoded::DeadLetter(reason) => {
                self.refused.push((reason, spans.to_vec()));
                self.leave(from, spans);
            }
        }
    }
    fn take(&mut self, from: &From<'_>, spans: &[Span], unix_ns: i64) {
        if self.per_item {
            self.items.push(spans);
        }
        self.taken.0 += 1;
        self.taken.1 += spans.iter().map(Span::len).sum::<u64>();
        self.full |= self.most_records.is_some_and(|most| self.taken.0 >= most);
        self.first_ns.get_or_insert(unix_ns);
        self.oldest_ns = self.oldest_ns.min(unix_ns);
        self.take_earlier(from, spans);
    }
    fn drop_record(&mut self, reason: Reason, from: &From<'_>, spans: &[Span]) {
        self.count_drop(reason, spans.iter().map(Span::len).sum());
        self.take_earlier(from, spans);
    }
    /// Bytes that nobody wrote.
    pub fn drop_hole(&mut self, bytes: u64) {
        self.count_drop(Reason::Hole, bytes);
    }
    fn count_drop(&mut self, reason: Reason, bytes: u64) {
        let at = Reason::ALL.iter().position(|r| *r == reason).unwrap_or(0);
        if let Some(count) = self.drops.get_mut(at) {
            count.0 += 1;
            count.1 += bytes;
        }
    }
    fn take_earlier(&mut self, from: &From<'_>, spans: &[Span]) {
        for span in spans.iter().filter(|s| !from.is_current(s)) {
            let mark = from.earlier_marks.iter().find(|(f, m)| *f == span.file && m.at == span.end);
            self.earlier.push(Run { span: *span, mark: mark.map_or(Mark::NONE, |(_, m)| *m) });
        }
    }
    fn stray(&mut self, from: &From<'_>, spans: &[Span]) {
        self.strays += 1;
        self.full |= self.strays >= MAX_STRAYS;
        self.leave(from, spans);
    }
    fn leave(&mut self, from: &From<'_>, spans: &[Span]) {
        if matches!(self.mode, Mode::Replay) {
            self.left.extend_from_slice(spans);
        }
        for span in spans.iter().filter(|s| from.is_current(s)) {
            self.holes.insert(span.start, span.end, Mark::NONE);
        }
    }
}
