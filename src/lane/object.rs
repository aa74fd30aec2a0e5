//! Objects that are filled in parts (S3): what is uploaded and not yet decided, and what is decided and not yet settled.
//!
//! Replay, do not look up: once decided, an object's name and spans never change, so an attempt whose answer never
//! came is run again under the same name; the first bytes that arrived stand.

use super::batch::{PartTag, Target, Ticket};
use super::retry::Parking;
use super::sink::Count;
use crate::record::Span;
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
    pub drops: [Count; crate::lane::batch::Reason::ALL.len()],
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
    pub drops: [Count; crate::lane::batch::Reason::ALL.len()],
    /// Oldest record (unix ns); `i64::MAX` when not known.
    pub oldest_ns: i64,
    /// Monotonic time it was decided or found at the start.
    pub since: Duration,
    /// Source bytes that the attempt now made lacks: they could not be read any more.
    pub missing: u64,
    /// Of an attempt that got no answer, and may be what is there.
    pub missing_unsure: u64,
    /// Sent again in parts: the new upload and its parts so far.
    pub redo: Option<Redo>,
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
