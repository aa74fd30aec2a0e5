//! `Saved` to bytes and back: what the payload of a checkpoint record holds. Pure.
//!
//! A payload is a list of entries, each `kind u8, length varint, body`; entries in one payload are read back
//! together or not at all. How versions live side by side: a kind that is not known is passed over by its length; a
//! body may grow at its end (an older reader ignores what follows the fields it knows, a newer one takes a field that
//! is not there as its default); a known kind number never changes its meaning. Anything else needs another
//! [`super::log::VERSION`]. An older version that rewrites the log drops the kinds that it does not know.
//! Numbers are LEB128 varints, lists and texts carry their length first, ascending lists are stored as differences.

mod file;

use super::saved::{Intent, LaneId, Position, Saved, Sums};
use super::wire::{Cursor, put, put_list, put_option, put_pairs, put_text};
use crate::lane::batch::PartTag;
use crate::record::{FileId, Mark, Span};
use std::time::Duration;

const FILE: u8 = 1;
const FILE_GONE: u8 = 2;
const POSITION: u8 = 3;
const SUMS: u8 = 4;
const ATTEMPT: u8 = 5;
const ANSWERED: u8 = 6;
const UPLOAD: u8 = 7;
const PART: u8 = 8;
const INTENT: u8 = 9;
const CLOSED: u8 = 10;
const ABSENT: u8 = 11;
const FORGOTTEN: u8 = 12;
const LEFT: u8 = 13;

/// Adds one entry.
pub fn encode(saved: &Saved, out: &mut Vec<u8>) {
    let kind_at = out.len();
    out.push(0);
    let body_at = out.len();
    let kind = put_body(saved, out);
    if let Some(byte) = out.get_mut(kind_at) {
        *byte = kind;
    }
    let mut length = Vec::with_capacity(10);
    put(out.len().saturating_sub(body_at) as u64, &mut length);
    out.splice(body_at..body_at, length);
}

/// One entry of a payload.
#[expect(clippy::large_enum_variant, reason = "one at a time, taken apart at once")]
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Understood.
    Known(Saved),
    /// Of a kind that this version does not know; passed over.
    Foreign { kind: u8 },
    /// A known kind whose body makes no sense; passed over.
    Unreadable { kind: u8 },
    /// The entry's own frame makes no sense: nothing after it can be found. Always the last.
    Broken,
}

/// The entries of a payload, in order. Never fails, never panics, gives at most one entry per two bytes.
pub fn decode(payload: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    let mut rest = Cursor(payload);
    std::iter::from_fn(move || {
        if rest.0.is_empty() {
            return None;
        }
        let Some((kind, body)) = rest.entry() else {
            rest.0 = &[];
            return Some(Entry::Broken);
        };
        Some(match Cursor(body).saved(kind) {
            Some(Ok(saved)) => Entry::Known(saved),
            Some(Err(NotKnown)) => Entry::Foreign { kind },
            None => Entry::Unreadable { kind },
        })
    })
}

fn put_body(saved: &Saved, out: &mut Vec<u8>) -> u8 {
    match saved {
        Saved::File(file) => {
            file::put_known(file, out);
            FILE
        }
        Saved::FileGone { id } => {
            put_id(*id, out);
            FILE_GONE
        }
        Saved::Left { lane, file } => {
            put_text(&lane.0, out);
            put_id(*file, out);
            LEFT
        }
        Saved::Position { lane, file, position } => {
            put_text(&lane.0, out);
            put_id(*file, out);
            put_position(position, out);
            POSITION
        }
        Saved::Sums { lane, sums } => {
            put_text(&lane.0, out);
            put_sums(sums, out);
            SUMS
        }
        Saved::Attempt { lane, ticket, records } => {
            put_text(&lane.0, out);
            put(*ticket, out);
            put(u64::from(*records), out);
            ATTEMPT
        }
        Saved::Answered { lane, ticket } => {
            put_text(&lane.0, out);
            put(*ticket, out);
            ANSWERED
        }
        Saved::Upload { lane, name, upload } => {
            put_text(&lane.0, out);
            put_text(name, out);
            put_option(upload.as_ref(), out, |upload, out| put_text(upload, out));
            UPLOAD
        }
        Saved::Part { lane, name, upload, tag, spans } => {
            put_text(&lane.0, out);
            put_text(name, out);
            put_text(upload, out);
            put_tag(tag, out);
            put_spans(spans, out);
            PART
        }
        Saved::Intent { lane, intent } => {
            put_text(&lane.0, out);
            put_intent(intent, out);
            INTENT
        }
        Saved::Closed { lane, name } => {
            put_text(&lane.0, out);
            put_text(name, out);
            CLOSED
        }
        Saved::Absent { lane, since, keep } => {
            put_text(&lane.0, out);
            put_absence(*since, *keep, out);
            ABSENT
        }
        Saved::Forgotten { lane } => {
            put_text(&lane.0, out);
            FORGOTTEN
        }
    }
}

fn put_absence(since: Option<i64>, keep: Option<Duration>, out: &mut Vec<u8>) {
    put_option(since.as_ref(), out, |since, out| out.extend_from_slice(&since.to_le_bytes()));
    // Younger than the rest: left out where nobody said, as 0.1.0 wrote it.
    if let Some(keep) = keep {
        put_option(Some(&keep.as_secs()), out, |seconds, out| put(*seconds, out));
    }
}

fn put_id(id: FileId, out: &mut Vec<u8>) {
    out.extend_from_slice(&id.0.to_le_bytes());
}

fn put_mark(mark: &Mark, out: &mut Vec<u8>) {
    put(mark.at, out);
    put(u64::from(mark.len), out);
    out.extend_from_slice(&mark.crc.to_le_bytes());
}

fn put_position(position: &Position, out: &mut Vec<u8>) {
    put(position.low, out);
    put_mark(&position.low_mark, out);
    put_pairs(&position.above, out);
    put_mark(&position.high_mark, out);
    let mut last = 0u64;
    put_list(&position.cuts, out, |cut, out| put(cut.wrapping_sub(std::mem::replace(&mut last, *cut)), out));
}

fn put_sums(sums: &Sums, out: &mut Vec<u8>) {
    let both = |(records, bytes): &(u64, u64), out: &mut Vec<u8>| {
        put(*records, out);
        put(*bytes, out);
    };
    both(&sums.delivered, out);
    both(&sums.dead_lettered, out);
    // Reasons after the fourth came later: left out while they count nothing, as 0.1.0 wrote it.
    let known = sums.dropped.iter().rposition(|sum| *sum != (0, 0)).map_or(0, |last| last + 1).max(4);
    put_list(sums.dropped.get(..known).unwrap_or(&sums.dropped), out, both);
    put(sums.lost_bytes, out);
    put(sums.possible_duplicates, out);
    put(sums.skipped, out);
    put(sums.again, out);
    put(sums.gone, out);
}

fn put_spans(spans: &[Span], out: &mut Vec<u8>) {
    put_list(spans, out, |span, out| {
        put_id(span.file, out);
        put(span.start, out);
        put(span.end.wrapping_sub(span.start), out);
    });
}

fn put_tag(tag: &PartTag, out: &mut Vec<u8>) {
    put(u64::from(tag.number), out);
    put_text(&tag.etag, out);
    put_text(&tag.crc32c, out);
}

fn put_intent(intent: &Intent, out: &mut Vec<u8>) {
    put_text(&intent.name, out);
    put_spans(&intent.spans, out);
    put_option(intent.upload.as_ref(), out, |(upload, tags), out| {
        put_text(upload, out);
        put_list(tags, out, put_tag);
    });
}

struct NotKnown;

impl<'a> Cursor<'a> {
    fn entry(&mut self) -> Option<(u8, &'a [u8])> {
        Some((self.byte()?, self.slice()?))
    }

    fn saved(&mut self, kind: u8) -> Option<Result<Saved, NotKnown>> {
        Some(Ok(match kind {
            FILE => Saved::File(self.file()?),
            FILE_GONE => Saved::FileGone { id: self.id()? },
            LEFT => Saved::Left { lane: self.lane()?, file: self.id()? },
            POSITION => Saved::Position { lane: self.lane()?, file: self.id()?, position: self.position()? },
            SUMS => Saved::Sums { lane: self.lane()?, sums: self.sums()? },
            ATTEMPT => Saved::Attempt { lane: self.lane()?, ticket: self.number()?, records: self.small()? },
            ANSWERED => Saved::Answered { lane: self.lane()?, ticket: self.number()? },
            UPLOAD => Saved::Upload { lane: self.lane()?, name: self.arc()?, upload: self.option(Self::arc)? },
            PART => Saved::Part {
                lane: self.lane()?,
                name: self.arc()?,
                upload: self.arc()?,
                tag: self.tag()?,
                spans: self.list(Self::span)?,
            },
            INTENT => Saved::Intent { lane: self.lane()?, intent: self.intent()? },
            CLOSED => Saved::Closed { lane: self.lane()?, name: self.arc()? },
            ABSENT => Saved::Absent {
                lane: self.lane()?,
                since: self.option(|c| Some(i64::from_le_bytes(c.fixed::<8>()?)))?,
                keep: self.option(Self::number).flatten().map(Duration::from_secs),
            },
            FORGOTTEN => Saved::Forgotten { lane: self.lane()? },
            _ => return Some(Err(NotKnown)),
        }))
    }

    fn lane(&mut self) -> Option<LaneId> {
        self.arc().map(LaneId)
    }

    fn id(&mut self) -> Option<FileId> {
        self.fixed::<16>().map(|bytes| FileId(u128::from_le_bytes(bytes)))
    }

    fn both(&mut self) -> Option<(u64, u64)> {
        Some((self.number()?, self.number()?))
    }

    fn mark(&mut self) -> Option<Mark> {
        Some(Mark { at: self.number()?, len: self.small()?, crc: u32::from_le_bytes(self.fixed()?) })
    }

    fn position(&mut self) -> Option<Position> {
        let low = self.number()?;
        let low_mark = self.mark()?;
        let mut last = 0u64;
        let above = self.list(|c| {
            let start = last.wrapping_add(c.number()?);
            last = start.wrapping_add(c.number()?);
            Some((start, last))
        })?;
        let high_mark = self.mark()?;
        let mut last = 0u64;
        let mut cut = |c: &mut Self| {
            last = last.wrapping_add(c.number()?);
            Some(last)
        };
        // Version 0.1 knew of no cuts.
        let cuts = if self.0.is_empty() { Vec::new() } else { self.list(&mut cut)? };
        Some(Position { low, low_mark, above, high_mark, cuts })
    }

    fn sums(&mut self) -> Option<Sums> {
        let mut sums = Sums { delivered: self.both()?, dead_lettered: self.both()?, ..Sums::default() };
        // A version with more reasons, or fewer: what both know is taken.
        for (ours, read) in sums.dropped.iter_mut().zip(self.list(Self::both)?) {
            *ours = read;
        }
        sums.lost_bytes = self.number()?;
        sums.possible_duplicates = self.number()?;
        // Of a version that did not keep these yet.
        (sums.skipped, sums.again, sums.gone) = match self.0.is_empty() {
            true => (0, 0, Sums::UNKNOWN),
            false => (self.number()?, self.number()?, self.number()?),
        };
        Some(sums)
    }

    fn span(&mut self) -> Option<Span> {
        let file = self.id()?;
        let start = self.number()?;
        Some(Span { file, start, end: start.wrapping_add(self.number()?) })
    }

    fn tag(&mut self) -> Option<PartTag> {
        Some(PartTag { number: self.small()?, etag: self.arc()?, crc32c: self.arc()? })
    }

    fn intent(&mut self) -> Option<Intent> {
        Some(Intent {
            name: self.arc()?,
            spans: self.list(Self::span)?,
            upload: self.option(|c| Some((c.arc()?, c.list(Self::tag)?)))?,
        })
    }
}

#[cfg(test)]
mod tests;
