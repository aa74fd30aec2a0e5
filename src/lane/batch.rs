//! What passes between a lane and its service: a batch out, a verdict back.
//!
//! A batch that vanishes means *not delivered*: the lane settles nothing without an answer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A key's file part: what facts fixed per file make of the destination's templates. Time is still a pattern:
/// `%Y %m %d %H %M %S` stand for the record's UTC time, `%%` for a percent sign.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey {
    /// Log group, object key prefix or index.
    pub place: Arc<str>,
    /// Log stream; empty for the others.
    pub stream: Arc<str>,
}

impl fmt::Display for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.stream.is_empty() { f.write_str(&self.place) } else { write!(f, "{} {}", self.place, self.stream) }
    }
}

/// Where a batch goes: the file part with the bucket's time filled in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Log group, object key prefix or index.
    pub place: Arc<str>,
    /// Log stream; empty for the others.
    pub stream: Arc<str>,
}

/// Encoded and compressed bytes of one request body, in pooled chunks that go back when the last clone drops.
#[derive(Clone, Debug, Default)]
pub struct Sealed {
    /// The bytes, in order.
    pub chunks: Vec<bytes::Bytes>,
    /// Their sum.
    pub len: usize,
    /// Bytes before compression.
    pub plain: usize,
}

/// A batch's name inside its lane; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What one attempt has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// CloudWatch and OpenSearch: send the bodies, in order.
    Send,
    /// S3: the whole object in one request, `If-None-Match: *`.
    Put { name: Arc<str> },
    /// S3: one part. Without an upload id one is created first, under `name`.
    Part { name: Arc<str>, upload: Option<Arc<str>>, number: u16 },
    /// S3: make the parts an object, `If-None-Match: *`. No body.
    Complete { name: Arc<str>, upload: Arc<str>, parts: Vec<PartTag> },
    /// S3: forget an upload of ours; without an id every open upload of exactly this name. No body.
    Abandon { name: Arc<str>, upload: Option<Arc<str>> },
}

/// An uploaded part, as Complete has to name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartTag {
    /// 1 to 10,000; gaps are fine.
    pub number: u16,
    /// As the service gave it, with its quotes.
    pub etag: Arc<str>,
    /// CRC-32C of the part, base64: Complete repeats it.
    pub crc32c: Arc<str>,
}

/// One attempt's input. Cheap to clone: bodies are shared.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The lane's name for it.
    pub ticket: Ticket,
    /// Destination.
    pub target: Target,
    /// What to do.
    pub job: Job,
    /// Request bodies; more than one only for a CloudWatch record that needs several events of their own.
    pub bodies: Vec<Sealed>,
    /// Items (events, documents, lines) in all bodies; of a Complete, in its parts (0 where they are of an earlier life).
    pub items: u32,
}

/// A short name of a cause, for metric labels and logs: the service's error code, or one of ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(Arc<str>);

impl Code {
    /// Cut to 64 characters of `[A-Za-z0-9_.-]`; anything else becomes `_`.
    pub fn new(text: &str) -> Code {
        let clean = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '_' };
        Code(text.chars().take(64).map(clean).collect::<String>().into())
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Is the trouble with this key alone, or with the whole destination?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One group, index, prefix: park the key.
    Key,
    /// Credentials, DNS, connect, TLS, 401, clock skew: park the lane; one probe at a time.
    Lane,
}

/// What the service said of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it is there. `already`: items that the service had before (409 on our `_id`, 412 on our object).
    Delivered { already: u32 },
    /// Item by item; items not named were delivered. Positions are those in the bodies as sent.
    Items(Vec<(u32, ItemVerdict)>),
    /// S3: the part is stored but not yet an object: settles nothing.
    Staged { upload: Arc<str>, tag: PartTag },
    /// The service is busy: back off, at least as long as it wishes.
    Retry { after: Option<Duration>, code: Code, scope: Scope, say: String },
    /// Wrong for the destination, not for the records: park, alert, never drop. `say` is for people here and below:
    /// what happened, what to do.
    Hold { code: Code, scope: Scope, say: String },
    /// The records are bad; of several the service did not say which.
    Reject { code: Code, say: String },
    /// Too large as one request.
    Split { code: Code },
    /// No answer came: perhaps it was done, perhaps not.
    Unknown { code: Code, scope: Scope, say: String },
    /// S3: the upload is unknown to the service (completed or aborted before).
    NoUpload,
}

/// What the service said of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemVerdict {
    /// It was there before.
    Already,
    /// Busy: again.
    Retry(Code),
    /// Wrong for the destination, not for the record.
    Hold(Code),
    /// This record is bad.
    Reject { code: Code, say: String },
    /// Outside what the service keeps, e.g. `too_old`.
    Dropped(Reason),
}

/// Why a record was dropped, counted; the only ways a record can end undelivered and not in the dead-letter file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Older than CloudWatch keeps (14 days, or the group's retention).
    TooOld,
    /// More than 2 hours ahead of the clock (CloudWatch).
    TooNew,
    /// CloudWatch refuses empty events (`format: text` only; a JSON document is never empty).
    Empty,
    /// `select` did not keep it.
    Filtered,
    /// Its stream, or its pod at the time, was left out.
    Excluded,
    /// Not a record: bytes that nobody wrote, a hole in a sparse file. Counted one a hole.
    Hole,
}

impl Reason {
    /// All of them, for metrics.
    pub const ALL: [Reason; 6] =
        [Reason::TooOld, Reason::TooNew, Reason::Empty, Reason::Filtered, Reason::Excluded, Reason::Hole];
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::TooOld => "too_old",
            Reason::TooNew => "too_new",
            Reason::Empty => "empty",
            Reason::Filtered => "filtered",
            Reason::Excluded => "excluded",
            Reason::Hole => "hole",
        }
    }
}
