//! PutLogEvents bodies: gzip of `{"logGroupName":..,"logStreamName":..,"logEvents":[{"timestamp":ms,"message":".."},..]}`.
//!
//! Promises every limit of the service: events in order of time, less than 24 h from first to last, at most 10,000,
//! messages of at most 1,000,000 bytes, a batch of at most 1,048,576 bytes counted as the service counts them (UTF-8 of
//! the messages before JSON escapes them, and 26 an event), no empty message, none outside the service's window.
//! An open body lies uncompressed until it ends, because only then the order is known. A record too long for one event
//! becomes several, with the same time and metadata, and is alone in its batch.

use super::keys::Keys;
use super::limits::{BATCH_BYTES, BATCH_EVENTS, BATCH_SPAN, EVENT_BYTES, MESSAGE_BYTES, outside};
use super::pieces::{Cutter, lossy_len};
use crate::body::chunks::Pool;
use crate::body::escape::escape;
use crate::body::{Aim, Body, Codec};
use crate::config::checked;
use crate::config::template::render;
use crate::lane::batch::{FileKey, Reason, Sealed};
use crate::lane::format::{Encoded, Finished, Format, Limits};
use crate::origin::{Meta, Origin};
use crate::output::bucket::Buckets;
use crate::output::document::{self, Depth, Lead};
use crate::record::{Now, Record};
use std::sync::Arc;

/// Gzip is most of the CPU, and the bytes that more of it saves are not paid for once they arrived.
const AIM: Aim = Aim::Speed;
/// Uncompressed bytes after which a body is full, whatever the service counts: JSON escapes can make a text six times
/// longer. Bounds the open buffer.
const OPEN_BYTES: usize = 3 << 20;

/// The pure half of the CloudWatch output.
pub struct CloudWatchFormat {
    keys: Keys,
    /// Of the stream's name: a group's holds no time.
    buckets: Buckets,
    text: bool,
    /// What becomes of events outside the service's window.
    outside: fn(Reason) -> Encoded,
    body: Body,
    /// The open body, uncompressed.
    plain: Vec<u8>,
    open: Open,
    /// Bodies of an oversized record that are complete.
    sealed: Vec<Sealed>,
    sealed_items: u32,
    /// The open batch holds one oversized record and nothing else.
    alone: bool,
    /// Kept for its capacity.
    scratch: Vec<u8>,
}

/// The body that is being filled.
#[derive(Debug, Default)]
struct Open {
    events: Vec<Event>,
    /// Bytes before the first event.
    head: usize,
    /// As the service counts.
    counted: usize,
    /// Earliest and latest event, in milliseconds.
    from: i64,
    to: i64,
    unordered: bool,
    /// The first event's bucket in the stream's name.
    bucket: i64,
}

/// One event in the open body: `{"timestamp":..}` at `start..end`.
#[derive(Clone, Copy, Debug)]
struct Event {
    ms: i64,
    start: usize,
    end: usize,
    record: u32,
}

impl CloudWatchFormat {
    /// An empty body for this output; sealed bodies lie in `pool`.
    pub fn new(output: &checked::CloudWatch, node: &Arc<str>, pool: Arc<Pool>) -> CloudWatchFormat {
        let outside = if output.dead_letter_out_of_window { Encoded::DeadLetter } else { Encoded::Drop };
        CloudWatchFormat {
            keys: Keys::new(output, node),
            buckets: output.log_stream.as_ref().map(Buckets::new).unwrap_or_default(),
            text: output.text,
            outside,
            body: Body::new(Codec::Gzip(AIM), pool),
            plain: Vec::new(),
            open: Open::default(),
            sealed: Vec::new(),
            sealed_items: 0,
            alone: false,
            scratch: Vec::new(),
        }
    }

    /// Writes what stands before the events.
    fn begin(&mut self, key: &FileKey, unix_ns: i64, ms: i64) {
        let out = &mut self.plain;
        out.extend_from_slice(br#"{"logGroupName":""#);
        escape(render(&key.place, unix_ns).as_bytes(), out);
        out.extend_from_slice(br#"","logStreamName":""#);
        escape(render(&key.stream, unix_ns).as_bytes(), out);
        out.extend_from_slice(br#"","logEvents":["#);
        self.open.head = out.len();
        (self.open.from, self.open.to) = (ms, ms);
        self.open.bucket = self.buckets.of(unix_ns);
    }

    /// Appends one event; what was there before it is at the returned offset.
    fn event_head(&mut self, ms: i64) -> usize {
        let first = self.open.events.is_empty();
        let out = &mut self.plain;
        let before = out.len();
        out.extend_from_slice(if first { br#"{"timestamp":"# } else { br#",{"timestamp":"# });
        document::number(out, ms.unsigned_abs());
        out.extend_from_slice(br#","message":""#);
        before
    }

    /// Ends the event that begins at `before` and counts it.
    fn event_tail(&mut self, ms: i64, before: usize, message: usize) {
        let comma = usize::from(!self.open.events.is_empty());
        let out = &mut self.plain;
        out.extend_from_slice(br#""}"#);
        let (open, end) = (&mut self.open, out.len());
        let record = if self.alone { 0 } else { open.events.len() as u32 };
        open.unordered |= ms < open.to;
        open.from = open.from.min(ms);
        open.to = open.to.max(ms);
        open.counted += message + EVENT_BYTES;
        open.events.push(Event { ms, start: before + comma, end, record });
    }

    /// Writes a record's message, and says how long the service will find it.
    fn message(&mut self, meta: &Meta, record: &Record<'_>) -> usize {
        let out = &mut self.plain;
        if self.text {
            escape(record.body, out);
            return lossy_len(record.body);
        }
        document::write_document(out, Depth::InString, Lead::None, meta, record)
    }

    /// Why a body that is not empty does not take this record, as far as that shows without writing it.
    fn refusal(&mut self, ms: i64, record: &Record<'_>) -> Option<Encoded> {
        let open = &self.open;
        if open.events.is_empty() {
            return None;
        }
        let spanned = open.to.max(ms).saturating_sub(open.from.min(ms));
        // Escaping only makes a body longer.
        let least = open.counted.saturating_add(record.body.len()).saturating_add(EVENT_BYTES);
        if self.alone || open.events.len() >= BATCH_EVENTS as usize {
            Some(Encoded::Full)
        } else if spanned >= BATCH_SPAN || self.buckets.of(record.time.unix_ns) != open.bucket {
            Some(Encoded::Stray)
        } else if least > BATCH_BYTES || self.plain.len() > OPEN_BYTES {
            Some(Encoded::Full)
        } else {
            None
        }
    }

    fn taken(&mut self, ms: i64, origin: &Origin, record: &Record<'_>) -> Encoded {
        let empty = self.open.events.is_empty();
        if empty {
            self.begin(&self.keys.of(origin), record.time.unix_ns, ms);
        }
        let meta = origin.meta.load();
        let before = self.event_head(ms);
        let at = self.plain.len();
        let mut message = self.message(&meta, record);
        if message > MESSAGE_BYTES && empty && record.processed.is_some() {
            // `log` holds all of it: the parsed copy is what can be left out.
            self.plain.truncate(at);
            message = self.message(&meta, &Record { processed: None, ..*record });
        }
        if message > MESSAGE_BYTES && empty {
            self.plain.truncate(self.open.head);
            return self.pieces(ms, origin, &meta, record);
        }
        if message > MESSAGE_BYTES || self.open.counted + message + EVENT_BYTES > BATCH_BYTES {
            self.plain.truncate(before);
            return Encoded::Full;
        }
        self.event_tail(ms, before, message);
        Encoded::Taken { items: 1 }
    }

    /// An oversized record: as many events as it takes, in as many bodies as they take.
    fn pieces(&mut self, ms: i64, origin: &Origin, meta: &Meta, record: &Record<'_>) -> Encoded {
        self.alone = true;
        let cutter = Cutter::new(std::mem::take(&mut self.scratch), self.text, meta, record);
        let mut items = 0;
        for (number, piece) in cutter.pieces() {
            let message = cutter.message_len(number, piece);
            if self.open.counted + message + EVENT_BYTES > BATCH_BYTES {
                let sealed = self.seal();
                self.sealed.push(sealed);
                self.reset();
                self.begin(&self.keys.of(origin), record.time.unix_ns, ms);
            }
            let before = self.event_head(ms);
            cutter.write(&mut self.plain, number, piece);
            self.event_tail(ms, before, message);
            items += 1;
        }
        self.scratch = cutter.into_scratch();
        Encoded::Taken { items }
    }

    /// Ends the open body: compresses it in order of time. Events of one millisecond stay in the order in which they came.
    fn seal(&mut self) -> Sealed {
        self.plain.extend_from_slice(b"]}");
        if self.open.unordered {
            self.open.events.sort_unstable_by_key(|event| (event.ms, event.record));
            self.body.text(self.plain.get(..self.open.head).unwrap_or_default());
            for (nth, event) in self.open.events.iter().enumerate() {
                let out = self.body.plain();
                out.extend_from_slice(if nth > 0 { b"," } else { b"" });
                out.extend_from_slice(self.plain.get(event.start..event.end).unwrap_or_default());
                self.body.settle();
            }
            self.body.text(b"]}");
        } else {
            self.body.text(&self.plain);
        }
        self.sealed_items += self.open.events.len() as u32;
        self.body.finish()
    }

    /// Forgets the open body.
    fn reset(&mut self) {
        let mut events = std::mem::take(&mut self.open.events);
        events.clear();
        self.open = Open { events, ..Open::default() };
        self.plain.clear();
        // A body of escapes must not be paid for ever after.
        self.plain.shrink_to(2 * OPEN_BYTES);
        self.scratch.clear();
        self.scratch.shrink_to(OPEN_BYTES);
    }
}

impl Format for CloudWatchFormat {
    fn limits(&self) -> Limits {
        Limits {
            // Never reached before the plain bytes are: gzip does not make JSON longer.
            sent_bytes: BATCH_BYTES,
            plain_bytes: BATCH_BYTES,
            items: BATCH_EVENTS,
            per_item: true,
            object_bytes: 0,
            note_attempts: true,
        }
    }

    fn key(&self, origin: &Origin) -> FileKey {
        self.keys.of(origin)
    }

    fn bucket(&self, _: &FileKey, unix_ns: i64) -> i64 {
        self.buckets.of(unix_ns)
    }

    fn encode(&mut self, now: Now, origin: &Origin, record: &Record<'_>) -> Encoded {
        let ms = record.time.unix_ns.div_euclid(1_000_000);
        if let Some(reason) = outside(now, ms) {
            return (self.outside)(reason);
        }
        if self.text && record.body.is_empty() {
            return Encoded::Drop(Reason::Empty);
        }
        if let Some(refused) = self.refusal(ms, record) {
            return refused;
        }
        self.taken(ms, origin, record)
    }

    fn sent_len(&self) -> usize {
        self.sealed.iter().map(|sealed| sealed.len).sum::<usize>() + self.body.sent_len()
    }

    fn plain_len(&self) -> usize {
        self.sealed.iter().map(|sealed| sealed.plain).sum::<usize>() + self.open.counted
    }

    fn finish(&mut self) -> Finished {
        if self.open.events.is_empty() {
            return Finished::default();
        }
        let last = self.seal();
        let record_of_item = if self.alone {
            vec![0; self.sealed_items as usize]
        } else if self.open.unordered {
            self.open.events.iter().map(|event| event.record).collect()
        } else {
            Vec::new()
        };
        let mut bodies = std::mem::take(&mut self.sealed);
        bodies.push(last);
        let items = self.sealed_items;
        self.clear();
        Finished { bodies, record_of_item, items }
    }

    fn clear(&mut self) {
        self.reset();
        self.sealed.clear();
        self.sealed_items = 0;
        self.alone = false;
    }

    fn rest(&mut self) {
        self.body.rest();
        (self.plain, self.scratch, self.open.events) = (Vec::new(), Vec::new(), Vec::new());
    }
}

#[cfg(test)]
mod tests;
