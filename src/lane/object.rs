//! Objects that are filled in parts (S3): what is uploaded and not yet decided, and what is decided and not yet settled.
//!
//! Replay, do not look up: once decided, an object's name and spans never change, so an attempt whose answer never
//! came is run again under the same name; the first bytes that arrived stand.

use super::batch::{PartTag, Reason, Target, Ticket};
use super::retry::Parking;
use super::sink::Count;
use crate::record::{FileId, Span};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An object being filled.
#[derive(Debug)]
pub struct OpenObject {
    /// Holds the runs of all answered parts.
    pub ticket: Ticket,
    /// Full object name.
    pub name: Arc<str>,
    /// Where it goes.
    pub target: Target,
    /// Time bucket of its records.
    pub bucket: i64,
    /// Known after the first part's answer.
    pub upload: Option<Arc<str>>,
    /// Answered parts.
    pub parts: Vec<PartTag>,
    /// Parts sealed and not answered.
    pub parts_out: usize,
    /// Number of the next part.
    pub next_part: u16,
    /// Sent bytes of all parts.
    pub bytes: u64,
    /// First-seen time of its oldest byte (unix ns).
    pub oldest_seen: i64,
    /// Oldest record (unix ns).
    pub oldest_ns: i64,
    /// No more parts: complete when all are answered.
    pub closing: bool,
    /// Records and source bytes of answered parts.
    pub taken: Count,
    /// Dropped records among them.
    pub drops: [Count; Reason::ALL.len()],
}

/// An object that was decided: its intent is (being made) durable.
#[derive(Debug)]
pub struct Decided {
    /// Holds its runs.
    pub ticket: Ticket,
    /// Full object name.
    pub name: Arc<str>,
    /// Final spans.
    pub spans: Vec<Span>,
    /// Complete these parts, or (without) send the spans again under the name.
    pub upload: Option<(Arc<str>, Vec<PartTag>)>,
    /// An attempt is out or being sealed.
    pub busy: bool,
    /// Not before, and why.
    pub parked: Option<Parking>,
    /// Records and source bytes, as far as known (0 after a restart).
    pub taken: Count,
    /// Dropped records among them.
    pub drops: [Count; Reason::ALL.len()],
    /// Oldest record (unix ns); `i64::MAX` when not known.
    pub oldest_ns: i64,
    /// Monotonic time it was decided or found at the start.
    pub since: Duration,
    /// What the attempt now made holds, when the spans were read again for it.
    pub found: Option<Found>,
    /// The same of an attempt that got no answer, and may be what is there.
    pub unsure: Option<Found>,
    /// Sent again in parts: the new upload and its parts so far.
    pub redo: Option<Redo>,
}

/// What of an object's spans was still there when they were read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Records.
    pub records: u64,
    /// Dropped records.
    pub drops: [Count; Reason::ALL.len()],
    /// Source bytes that could not be read any more, by file.
    pub missing: BTreeMap<FileId, u64>,
}

impl Found {
    /// What of `total` source bytes went out, beside what was dropped and what was missing.
    pub fn taken(&self, total: u64) -> Count {
        let dropped: u64 = self.drops.iter().map(|(_, bytes)| bytes).sum();
        let missing: u64 = self.missing.values().sum();
        (self.records, total.saturating_sub(dropped).saturating_sub(missing))
    }
    /// One more part of the same attempt.
    pub fn add(&mut self, part: Found) {
        self.records += part.records;
        for (sum, drop) in self.drops.iter_mut().zip(part.drops) {
            *sum = (sum.0 + drop.0, sum.1 + drop.1);
        }
        for (file, bytes) in part.missing {
            *self.missing.entry(file).or_default() += bytes;
        }
    }
}

/// Sending a decided object again, larger than one request.
#[derive(Debug, Default)]
pub struct Redo {
    /// Known after the first part's answer.
    pub upload: Option<Arc<str>>,
    /// Answered parts.
    pub parts: Vec<PartTag>,
    /// Spans not yet read.
    pub rest: Vec<Span>,
}
