//! A sealed batch from its sealing to its last answer.

use super::batch::{Batch, Reason, Ticket};
use super::bury::Burial;
use super::items::Items;
use super::object::Found;
use super::sink::Count;
use crate::record::{FileId, Span};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Where a flight stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its intent or attempt note is on the way to the store.
    Saving,
    /// Ready; not before this time (monotonic).
    Waiting(Duration),
    /// Handed to the service.
    Sent(Duration),
}

/// What the flight is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One request settles it (CloudWatch, OpenSearch).
    Plain,
    /// A part of the open object of this name.
    Part { name: Arc<str> },
    /// The attempt of the decided object of this name: put or complete.
    Object { name: Arc<str> },
    /// A part of a decided object that is sent again; `found` of its spans.
    Again { name: Arc<str>, spans: Vec<Span>, found: Found },
    /// Forget an upload.
    Abandon { name: Arc<str> },
}

/// A sealed batch on its way.
#[derive(Debug)]
pub struct Flight {
    /// Its key; `None` for objects found at the start, whose key need not exist any more.
    pub key: Option<usize>,
    /// What is sent; bodies are shared with the service.
    pub batch: Batch,
    /// What it is.
    pub kind: Kind,
    /// Spans of its records, where the service judges item by item.
    pub items: Items,
    /// Record number of each item as sent; empty = one to one.
    pub record_of_item: Vec<u32>,
    /// Records and their source bytes.
    pub taken: Count,
    /// Dropped records that settle with it.
    pub drops: [Count; Reason::ALL.len()],
    /// Attempts made.
    pub attempts: u32,
    /// First attempt (monotonic).
    pub first: Option<Duration>,
    /// Where it stands.
    pub phase: Phase,
    /// Time of its oldest record (unix ns).
    pub oldest_ns: i64,
    /// The service wished to hear nothing of its key until then (monotonic).
    pub quiet: Duration,
    /// What has to be in the store before this attempt is there: its note, its intent, where its records were cut.
    pub noted: bool,
}

impl Flight {
    /// Bytes of its bodies.
    pub fn bytes(&self) -> u64 {
        self.batch.bodies.iter().map(|b| b.len as u64).sum()
    }
    /// Record number of item `at` as sent.
    pub fn record_of(&self, at: u32) -> u32 {
        self.record_of_item.get(at as usize).copied().unwrap_or(at)
    }
}

/// Records that wait to be written to the dead-letter file.
#[derive(Debug)]
pub struct Grave {
    /// Holds their runs.
    pub ticket: Ticket,
    /// Where they are, record by record.
    pub records: Vec<Vec<Span>>,
    /// Why.
    pub burial: Burial,
    /// Whose they were.
    pub key: Option<usize>,
    /// Bytes that could not be read any more, by file.
    pub missing: BTreeMap<FileId, u64>,
    /// Dug at (monotonic).
    pub since: Duration,
    /// Not before (monotonic): the last try failed.
    pub retry_at: Duration,
    /// Written, waiting for the disk's answer.
    pub out: bool,
    /// Records and source bytes written.
    pub taken: Count,
}
