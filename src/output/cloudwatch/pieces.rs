//! How a record that is too long for one event is cut into several.
//!
//! The cut counts the text as the service will (escaped once, for a document) and falls neither inside a character nor
//! inside an escape, so that the pieces put together are the record. Documents carry the metadata and `"part":n` each,
//! from 1; text is just cut.

use super::limits::MESSAGE_BYTES;
use crate::body::escape::escape;
use crate::origin::Meta;
use crate::output::document::{self, Depth, Lead};
use crate::record::Record;

/// Metadata longer than this leaves no room for the body: the pieces go without it.
const LARGEST_META: usize = 400_000;

/// Longer than any character or escape.
const LEAST_ROOM: usize = 64;

/// One oversized record, ready to be cut.
pub(super) struct Cutter<'a> {
    text: bool,
    meta: Option<&'a Meta>,
    record: &'a Record<'a>,
    /// The body as the service will see it inside the message.
    body: Vec<u8>,
    /// Bytes of a message around its piece of the body, but for the digits of the part.
    around: usize,
}

impl<'a> Cutter<'a> {
    /// `scratch` lends its capacity.
    pub(super) fn new(mut scratch: Vec<u8>, text: bool, meta: &'a Meta, record: &'a Record<'a>) -> Cutter<'a> {
        scratch.clear();
        let meta = (meta.plain().len() <= LARGEST_META).then_some(meta);
        if text {
            lossy(record.body, &mut scratch);
            return Cutter { text, meta, record, body: scratch, around: 0 };
        }
        document::open(&mut scratch, Depth::Plain, Lead::None, record);
        document::close(&mut scratch, Depth::Plain, meta.map_or(&[], Meta::plain), record, None, Some(0));
        let around = scratch.len() - 1;
        scratch.clear();
        escape(record.body, &mut scratch);
        Cutter { text, meta, record, body: scratch, around }
    }

    /// Part numbers and pieces, in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut rest = self.body.as_slice();
        let mut number = 0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            number += 1;
            // A stamp is short and the metadata bounded; the least room keeps any input going.
            let room = MESSAGE_BYTES.saturating_sub(self.around + digits(number)).max(LEAST_ROOM);
            let at = if self.text { char_cut(rest, room) } else { escaped_cut(rest, room) };
            let (piece, after) = rest.split_at_checked(at).unwrap_or((rest, &[]));
            rest = after;
            Some((number, piece))
        })
    }

    /// Bytes of a piece's message as the service counts them.
    pub(super) fn message_len(&self, number: u32, piece: &[u8]) -> usize {
        if self.text { piece.len() } else { self.around + digits(number) + piece.len() }
    }

    /// Appends a piece's message, escaped for the string that it stands in.
    pub(super) fn write(&self, out: &mut Vec<u8>, number: u32, piece: &[u8]) {
        if self.text {
            escape(piece, out);
            return;
        }
        document::open(out, Depth::InString, Lead::None, self.record);
        escape(piece, out);
        let meta = self.meta.map_or(&[][..], Meta::escaped);
        document::close(out, Depth::InString, meta, self.record, None, Some(number));
    }

    pub(super) fn into_scratch(self) -> Vec<u8> {
        self.body
    }
}

/// Decimal digits of a number.
fn digits(number: u32) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Appends text with what is not UTF-8 replaced, as `escape` does.
fn lossy(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Bytes of text once what is not UTF-8 is replaced.
pub(super) fn lossy_len(text: &[u8]) -> usize {
    if simdutf8::basic::from_utf8(text).is_ok() {
        return text.len();
    }
    let replaced = |invalid: &[u8]| if invalid.is_empty() { 0 } else { '\u{fffd}'.len_utf8() };
    text.utf8_chunks().map(|chunk| chunk.valid().len() + replaced(chunk.invalid())).sum()
}

/// The longest prefix of valid UTF-8 that ends at a character's end, at most `room` bytes (at least 4) long.
fn char_cut(text: &[u8], room: usize) -> usize {
    if text.len() <= room {
        return text.len();
    }
    let inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (room.saturating_sub(3)..=room).rev().find(|at| !inside(*at)).unwrap_or(room)
}

/// As [`char_cut`], of text with JSON escapes: also not inside an escape, `room` at least 6.
fn escaped_cut(text: &[u8], room: usize) -> usize {
    if text.len() <= room {
        return text.len();
    }
    let mut whole = 0;
    while let Some(next) = text.get(whole..room).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let at = whole + next;
        let length = if text.get(at + 1) == Some(&b'u') { 6 } else { 2 };
        if at + length > room {
            return at;
        }
        whole = at + length;
    }
    char_cut(text, room).max(whole)
}

#[cfg(test)]
mod tests;
