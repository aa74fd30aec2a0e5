//! The pure half of an output, as a lane sees it. Implementations live in `output/*/format`.
//!
//! A format owns one open body and what it takes to fill it; it knows no async, file, network or clock.

use super::batch::{FileKey, Reason, Sealed, Target};
use crate::origin::Origin;
use crate::record::{Now, Record};

/// What a destination allows, and what a lane should aim at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Seal when a body has this many sent (compressed) bytes; the target of a plan. S3: the part size.
    pub sent_bytes: usize,
    /// Most plain bytes in one body; the target of a plan when it is reached first.
    pub plain_bytes: usize,
    /// Most items in one body.
    pub items: u32,
    /// The service answers item by item: the lane keeps spans per item.
    pub per_item: bool,
    /// Objects are staged in parts until this many sent bytes (S3); 0 = every batch is one request.
    pub object_bytes: u64,
    /// A crash between sending and the answer may have delivered: append the spans before each attempt (CloudWatch).
    pub note_attempts: bool,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// It is in the open body, as this many items (several for a record longer than the service's largest item).
    Taken { items: u32 },
    /// Does not fit any more: seal, then give it again. Never said by an empty body.
    Full,
    /// Its time does not go with the open body (another bucket, or CloudWatch's 24 hours): leave it unread for now.
    Stray,
    /// It cannot be sent; settles as dropped.
    Drop(Reason),
    /// It cannot be sent and the configuration wants it in the dead-letter file.
    DeadLetter(Reason),
}

/// A sealed batch: bodies, and how items in them map to records.
#[derive(Debug, Default)]
pub struct Finished {
    /// One, or several for an oversized record.
    pub bodies: Vec<Sealed>,
    /// For each item as sent, the number of the record (in order of `encode`) it came from; empty = one to one.
    pub record_of_item: Vec<u32>,
    /// Items in all bodies.
    pub items: u32,
}

/// The pure half of an output.
pub trait Format: Send + 'static {
    /// Constant for the life of the format.
    fn limits(&self) -> Limits;
    /// The file part of the key: from facts fixed per file only.
    fn key(&self, origin: &Origin) -> FileKey;
    /// Where a key's records of this time go: the file part with the time filled in.
    fn target(&self, key: &FileKey, unix_ns: i64) -> Target {
        let filled = |pattern: &str| crate::config::template::render(pattern, unix_ns).into();
        Target { place: filled(&key.place), stream: filled(&key.stream) }
    }
    /// Full name of a new object whose first record has this time; only asked where `Limits::object_bytes` > 0.
    fn object_name(&self, _target: &Target, _first_ns: i64, _random: u64) -> String {
        String::new()
    }
    /// Which time bucket a record falls into: equal numbers share a target. 0 where the key has no time.
    fn bucket(&self, key: &FileKey, unix_ns: i64) -> i64;
    /// Adds a record to the open body. `id` must not depend on anything but the record.
    fn encode(&mut self, now: Now, origin: &Origin, record: &Record<'_>) -> Encoded;
    /// Sent bytes so far, as far as known (compressors lag): at least what `finish` must still carry is not counted.
    fn sent_len(&self) -> usize;
    /// Plain bytes so far.
    fn plain_len(&self) -> usize;
    /// Ends the open body and leaves an empty one.
    fn finish(&mut self) -> Finished;
    /// Throws the open body away.
    fn clear(&mut self);
    /// No body is open, and none was for a while: what it takes to fill one can go, and is made again for the next.
    fn rest(&mut self) {}
}
