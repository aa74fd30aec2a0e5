//! The JSON document of a record, in the field names that Fluent Bit's users know:
//! `{"time":"..","stream":"stdout","log":"..","log_processed":{..},"kubernetes":{..}}`.
//!
//! Written once for all outputs, escaped as often as the destination needs. Promises valid JSON for any bytes and no
//! allocation but the buffer's own growth. A record without a stamp gets its time as text; a piece of a line that was
//! cut at `max_record` carries `"partial":true`. What may be sent, and how large, is the formats' business.

use crate::body::escape::{escape, escape_twice};
use crate::config::template::civil;
use crate::origin::Meta;
use crate::record::{Channel, Record, Stamp};

/// How often the document is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// JSON text: a line of an object, a document of a bulk.
    Plain,
    /// JSON text inside a JSON string: a CloudWatch message.
    InString,
}

/// What stands before `time`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Nothing.
    None,
    /// `"@timestamp"`, the same text as `time`: OpenSearch's dashboards look for it. Dots in label names are
    /// underscores there.
    Timestamp,
}

/// Appends the whole document. Returns its length to who reads the string that it stands in ([`Depth::InString`]).
pub fn write_document(out: &mut Vec<u8>, depth: Depth, lead: Lead, meta: &Meta, record: &Record<'_>) -> usize {
    let start = out.len();
    let mut undone = open(out, depth, lead, record);
    match depth {
        // As its reader finds it.
        Depth::Plain => _ = escape(record.body, out),
        Depth::InString => undone += escape_twice(record.body, out),
    }
    let (members, plain) = match (lead, depth) {
        (Lead::None, Depth::Plain) => (meta.plain(), meta.plain()),
        (Lead::None, Depth::InString) => (meta.escaped(), meta.plain()),
        (Lead::Timestamp, _) => (meta.dedotted(), meta.dedotted()),
    };
    undone += members.len() - plain.len();
    undone += close(out, depth, members, record, record.processed, None);
    out.len() - start - undone
}

/// Everything up to and including the opening quote of `log`. Returns how many bytes of it the outer string's reader
/// does not find.
pub(crate) fn open(out: &mut Vec<u8>, depth: Depth, lead: Lead, record: &Record<'_>) -> usize {
    let mut scratch = [0; TIME_LEN];
    let time = time_text(&record.time, &mut scratch);
    let mut undone = match lead {
        Lead::None => depth.word(out, |w| w.time_first),
        Lead::Timestamp => {
            let first = depth.word(out, |w| w.timestamp);
            out.extend_from_slice(time);
            first + depth.word(out, |w| w.time)
        }
    };
    out.extend_from_slice(time);
    undone += match record.channel {
        Some(Channel::Stdout) => depth.word(out, |w| w.stdout_log),
        Some(Channel::Stderr) => depth.word(out, |w| w.stderr_log),
        None => depth.word(out, |w| w.log),
    };
    undone
}

/// Everything from the closing quote of `log` on; returns the same. `part` numbers the documents of a record that
/// needs several.
pub(crate) fn close(
    out: &mut Vec<u8>,
    depth: Depth,
    meta: &[u8],
    record: &Record<'_>,
    processed: Option<&[u8]>,
    part: Option<u32>,
) -> usize {
    let mut undone = depth.word(out, |w| w.quote);
    if let Some(object) = processed {
        undone += depth.word(out, |w| w.processed);
        match depth {
            Depth::Plain => out.extend_from_slice(object),
            Depth::InString => undone += escape(object, out),
        }
    }
    if record.cut {
        undone += depth.word(out, |w| w.partial);
    }
    if let Some(part) = part {
        undone += depth.word(out, |w| w.part);
        number(out, u64::from(part));
    }
    out.extend_from_slice(meta);
    out.push(b'}');
    undone
}

/// The fixed text between values, at one depth.
struct Words {
    timestamp: &'static [u8],
    time: &'static [u8],
    time_first: &'static [u8],
    stdout_log: &'static [u8],
    stderr_log: &'static [u8],
    log: &'static [u8],
    quote: &'static [u8],
    processed: &'static [u8],
    partial: &'static [u8],
    part: &'static [u8],
}

const PLAIN: Words = Words {
    timestamp: br#"{"@timestamp":""#,
    time: br#"","time":""#,
    time_first: br#"{"time":""#,
    stdout_log: br#"","stream":"stdout","log":""#,
    stderr_log: br#"","stream":"stderr","log":""#,
    log: br#"","log":""#,
    quote: br#"""#,
    processed: br#","log_processed":"#,
    partial: br#","partial":true"#,
    part: br#","part":"#,
};

const IN_STRING: Words = Words {
    timestamp: br#"{\"@timestamp\":\""#,
    time: br#"\",\"time\":\""#,
    time_first: br#"{\"time\":\""#,
    stdout_log: br#"\",\"stream\":\"stdout\",\"log\":\""#,
    stderr_log: br#"\",\"stream\":\"stderr\",\"log\":\""#,
    log: br#"\",\"log\":\""#,
    quote: br#"\""#,
    processed: br#",\"log_processed\":"#,
    partial: br#",\"partial\":true"#,
    part: br#",\"part\":"#,
};

impl Depth {
    /// Appends one of the words; returns how many bytes longer than at [`Depth::Plain`] it is.
    #[inline(always)]
    fn word(self, out: &mut Vec<u8>, of: impl Fn(&Words) -> &'static [u8]) -> usize {
        match self {
            Depth::Plain => {
                out.extend_from_slice(of(&PLAIN));
                0
            }
            Depth::InString => {
                out.extend_from_slice(of(&IN_STRING));
                of(&IN_STRING).len() - of(&PLAIN).len()
            }
        }
    }
}

/// Bytes that [`time_text`] needs.
pub const TIME_LEN: usize = 30;

/// The stamp's own text, or its nanoseconds as `2026-11-22T10:15:00.123456789Z`.
pub fn time_text<'a>(stamp: &Stamp<'a>, scratch: &'a mut [u8; TIME_LEN]) -> &'a [u8] {
    if !stamp.text.is_empty() {
        return stamp.text;
    }
    let seconds = stamp.unix_ns.div_euclid(1_000_000_000);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    *scratch = *b"0000-00-00T00:00:00.000000000Z";
    digits(scratch, 0..4, year);
    digits(scratch, 5..7, month);
    digits(scratch, 8..10, day);
    digits(scratch, 11..13, of_day / 3_600);
    digits(scratch, 14..16, of_day / 60 % 60);
    digits(scratch, 17..19, of_day % 60);
    digits(scratch, 20..29, stamp.unix_ns.rem_euclid(1_000_000_000));
    scratch
}

/// Writes `value` right-aligned over the zeros of `at`.
fn digits(text: &mut [u8; TIME_LEN], at: std::ops::Range<usize>, value: i64) {
    let mut left = value.unsigned_abs();
    for place in text.get_mut(at).unwrap_or_default().iter_mut().rev() {
        *place = b'0' + (left % 10) as u8;
        left /= 10;
    }
}

/// Appends a number in decimal.
pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    let mut text = [0; 20];
    let mut at = text.len();
    let mut left = value;
    loop {
        at -= 1;
        text[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

#[cfg(test)]
mod tests;
