//! The vocabulary of the path of a record: time, file identity, spans, marks, lines' fields.
//!
//! Everything here is plain data without I/O; every other module speaks in these types.
//! Offsets always count *plain* bytes: a `.gz` sibling has the offsets of what it inflates to.

use std::fmt;
use std::time::Duration;

/// The only clock there is: handed in at the edge, invented by tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since some fixed point of this process; never goes back.
    pub mono: Duration,
    /// Wall clock, nanoseconds since 1970-01-01T00:00:00Z.
    pub unix_ns: i64,
}

/// One append-only run of bytes, for ever; rotated and gzipped siblings keep it.
/// For pod logs it is derived (a lost `data_dir` gives the same), else random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u128);

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Plain bytes `start..end` of one file: the unit of settling, retrying and replaying. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Which file.
    pub file: FileId,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl Span {
    /// Bytes covered.
    pub fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
    /// True for a span that covers nothing; such a span is never stored.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

/// CRC-32C of the `len` bytes (1 to 256) that end at `at`: proves that a file is still the one a position speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Offset one past the last byte covered.
    pub at: u64,
    /// Bytes covered; 0 means no proof (offset 0).
    pub len: u16,
    /// CRC-32C of them.
    pub crc: u32,
}

impl Mark {
    /// At most this many bytes below an offset are covered.
    pub const MAX: usize = 256;
    /// The mark that needs no proof: nothing was read.
    pub const NONE: Mark = Mark { at: 0, len: 0, crc: 0 };

    /// The mark at `at`, from bytes that end there (only the last [`Mark::MAX`] count).
    pub fn of(at: u64, tail: &[u8]) -> Mark {
        let tail = &tail[tail.len().saturating_sub(Self::MAX)..];
        Mark { at, len: tail.len() as u16, crc: crc32c::crc32c(tail) }
    }
    /// Whether these bytes, which end at `at`, are what the mark was made of.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        bytes.len() == usize::from(self.len) && crc32c::crc32c(bytes) == self.crc
    }
}

/// How the lines of a file are to be read; told once per file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grammar {
    /// `STAMP stdout|stderr F|P[:TAGS] BODY`
    Cri,
    /// Docker json-file: `{"log":"..\n","stream":"..","time":".."}`
    Docker,
    /// A line is a body; its time is when its bytes were first seen.
    Plain,
    /// A line of a dead-letter file: the record that it was.
    Letter,
}

/// What CRI calls the stream of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Channel {
    /// As the document says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Stdout => "stdout",
            Channel::Stderr => "stderr",
        }
    }
}

/// Nanoseconds, and the RFC 3339 text they came from: most formats pass the text through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Since 1970-01-01T00:00:00Z.
    pub unix_ns: i64,
    /// RFC 3339, as read; never needs escaping (digits, `-:.+TZ`). Empty when the line carried none.
    pub text: &'a [u8],
}

/// A record's identity: its file, first start and last end. Another cut gives another id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordId {
    /// File of the first part.
    pub file: FileId,
    /// First byte of the first part.
    pub start: u64,
    /// One past the last byte of the last part (perhaps in the next sibling).
    pub end: u64,
    /// Which piece of a record longer than `max_record`; 0 for the first or only one.
    pub piece: u32,
}

/// What the decoder yields; borrows the block, or the joiner's scratch for a record made of parts.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Who it is.
    pub id: RecordId,
    /// When it was written.
    pub time: Stamp<'a>,
    /// Standard output or error, where the grammar says.
    pub channel: Option<Channel>,
    /// The line without its newline; any bytes.
    pub body: &'a [u8],
    /// The body is a piece of a longer line that was cut at `max_record`.
    pub cut: bool,
    /// JSON object text found in the body by `merge_json`, valid JSON, to go under `log_processed`.
    pub processed: Option<&'a [u8]>,
}
