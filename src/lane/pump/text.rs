//! From blocks to records: lines, pieces of lines that are too long, the proofs at their ends.

use super::{Cursor, Env, Pump, Source};
use crate::catalog::view::Life;
use crate::decode::letter;
use crate::decode::line::{self, Line};
use crate::lane::files::{End, Long};
use crate::lane::format::Format;
use crate::lane::sink::From;
use crate::record::{Grammar, Mark, Span};

impl Pump {
    /// Takes in what was read at the place `next` named.
    pub fn block<F: Format>(&mut self, format: &mut F, env: &Env<'_>, bytes: &[u8]) {
        let Some(mut cursor) = self.cursor.take() else { return };
        if bytes.is_empty() {
            // The file is shorter than we were told: the catalog will say what became of it.
            self.interrupted |= env.files.get(&cursor.file).is_some_and(|f| f.view.life != Life::Gone);
            self.sink.file_done = true;
            self.cursor = Some(cursor);
            return;
        }
        let base = cursor.at;
        if !cursor.passing {
            self.raw += bytes.len() as u64;
        }
        let mut from = 0;
        while let Some((line, next)) = crate::decode::lines::next_line(bytes, from) {
            let end = base + next as u64;
            let text = bytes.get(line).unwrap_or(&[]);
            let start = base + from as u64 - cursor.carry.len() as u64;
            if cursor.carry.is_empty() {
                self.whole_line(format, env, &mut cursor, bytes, text, (start, end));
            } else {
                let mut carry = std::mem::take(&mut cursor.carry);
                carry.extend_from_slice(text);
                self.whole_line(format, env, &mut cursor, bytes, &carry, (start, end));
            }
            from = next;
            if self.sink.stopped() || self.looked_enough(&cursor) {
                break;
            }
        }
        self.rest(format, env, &mut cursor, bytes, from);
        self.cursor = Some(cursor);
    }

    /// What follows the last newline of a block.
    fn rest<F: Format>(&mut self, format: &mut F, env: &Env<'_>, cursor: &mut Cursor, bytes: &[u8], from: usize) {
        let base = cursor.at;
        let rest = bytes.get(from..).unwrap_or(&[]);
        let block_end = base + bytes.len() as u64;
        if self.sink.stopped() || self.looked_enough(cursor) {
            return;
        }
        let ends_here = block_end >= cursor.end;
        // A line that does not fit into one block is carried; otherwise the next read begins at its first byte.
        if !ends_here && from > 0 {
            keep_tail(cursor, bytes.get(..from).unwrap_or(bytes));
            cursor.at = base + from as u64;
            return;
        }
        if cursor.upto >= cursor.at {
            remember_mark(cursor, bytes, cursor.upto);
        }
        let start = block_end - rest.len() as u64 - cursor.carry.len() as u64;
        let mut carry = std::mem::take(&mut cursor.carry);
        carry.extend_from_slice(rest);
        if ends_here && !carry.is_empty() && self.takes_unfinished(env, cursor) {
            let taken = self.sink.taken.0;
            self.whole_line(format, env, cursor, bytes, &carry, (start, block_end));
            let goes_on = self.joiner.open_spans().any(|s| (s.file, s.end) == (cursor.file, block_end));
            if cursor.at_end && !cursor.passing && self.sink.taken.0 > taken && !goes_on {
                self.ended.push(Span { file: cursor.file, start, end: block_end });
            }
            carry.clear();
        } else {
            let done = self.pieces(format, env, cursor, bytes, &carry, start);
            carry.drain(..done);
        }
        keep_tail(cursor, bytes);
        cursor.carry = carry;
        cursor.at = block_end;
    }

    fn takes_unfinished(&self, env: &Env<'_>, cursor: &Cursor) -> bool {
        match self.source {
            Source::Spans(_) => true,
            Source::Files(_) if !cursor.at_end || cursor.ends_record => true,
            Source::Files(_) => match env.files.get(&cursor.file).map(|f| f.end(env.now)) {
                Some(End::Open) | None => false,
                Some(End::Sibling | End::LastSibling | End::Here) => true,
            },
        }
    }

    /// A line with its newline at `place.1 - 1`, or the unfinished end of a file.
    pub(super) fn whole_line<F: Format>(
        &mut self,
        format: &mut F,
        env: &Env<'_>,
        cursor: &mut Cursor,
        block: &[u8],
        text: &[u8],
        place: (u64, u64),
    ) {
        self.lines += u64::from(!cursor.passing);
        let done = self.pieces(format, env, cursor, block, text, place.0);
        if !self.sink.stopped() {
            let span = Span { file: cursor.file, start: place.0 + done as u64, end: place.1 };
            self.push(format, env, cursor, block, text.get(done..).unwrap_or(&[]), span);
        }
        cursor.long = None;
    }

    /// Cuts off pieces of `max_record` while more than that is there; returns the bytes cut off.
    fn pieces<F: Format>(
        &mut self,
        format: &mut F,
        env: &Env<'_>,
        cursor: &mut Cursor,
        block: &[u8],
        text: &[u8],
        start: u64,
    ) -> usize {
        let mut done = 0usize;
        if text.len() <= self.max_record {
            return 0;
        }
        let header = self.around_a_body(env, cursor, text);
        while !self.sink.stopped() {
            let longest = self.max_record.saturating_add(if cursor.long.is_none() { header } else { 0 });
            if text.len() - done <= longest {
                break;
            }
            let rest = text.get(done..).unwrap_or(&[]);
            let cut = floor_char(rest, longest).max(1);
            let span = Span { file: cursor.file, start: start + done as u64, end: start + (done + cut) as u64 };
            let piece = rest.get(..cut).unwrap_or(rest);
            let inherit = cursor.long.is_none().then(|| self.long(env, cursor, piece, span.start));
            if let Some(first) = &inherit {
                cursor.cutting = true;
                self.push(format, env, cursor, block, piece, span);
                cursor.long = Some(*first);
            } else {
                self.push(format, env, cursor, block, piece, span);
            }
            self.cuts.extend(cursor.long.map(|long| (cursor.file, span.end, long)));
            done += cut;
        }
        done
    }

    /// Bytes that a runtime wrote around the body of the line that begins here (and, in Docker's JSON, escapes of at most
    /// 16 KiB of it): a line is not too long for their sake.
    fn around_a_body(&mut self, env: &Env<'_>, cursor: &Cursor, text: &[u8]) -> usize {
        match env.files.get(&cursor.file).map_or(Grammar::Plain, |f| f.view.file.origin.grammar) {
            Grammar::Cri => {
                let line = line::parse(Grammar::Cri, text, &mut self.scratch, &mut self.dates);
                text.len() - line.body.len()
            }
            Grammar::Docker => 96 * 1024,
            Grammar::Plain | Grammar::Letter => 0,
        }
    }

    /// What the later pieces of a long line inherit from its first.
    fn long(&mut self, env: &Env<'_>, cursor: &Cursor, first: &[u8], start: u64) -> Long {
        let Some(file) = env.files.get(&cursor.file) else { return Long { unix_ns: 0, channel: None } };
        let head = line::parse(file.view.file.origin.grammar, first, &mut self.scratch, &mut self.dates);
        let seen = file.view.ages.at(start);
        Long { unix_ns: head.stamp.map_or(seen, |s| s.unix_ns), channel: head.channel }
    }

    /// One line, or one piece of a long one (`cut`), to the joiner and on to the sink.
    fn push<F: Format>(
        &mut self,
        format: &mut F,
        env: &Env<'_>,
        cursor: &mut Cursor,
        block: &[u8],
        text: &[u8],
        span: Span,
    ) {
        let Some(file) = env.files.get(&cursor.file) else { return };
        let (long, cut) = (cursor.long, cursor.cutting || cursor.long.is_some());
        cursor.cutting = false;
        let origin = &file.view.file.origin;
        let seen = long.map_or_else(|| file.view.ages.at(span.start), |l| l.unix_ns);
        let mut parsed = match long {
            Some(l) => Line { stamp: None, channel: l.channel, partial: false, body: text },
            None => line::parse(origin.grammar, text, &mut self.scratch, &mut self.dates),
        };
        // Nothing joins a piece: what follows may be read in another plan, which does not see where the line began.
        parsed.partial &= !cut;
        let (partial, holes) = (parsed.partial, self.sink.holes.len());
        let from = From {
            file: cursor.file,
            begin: cursor.begin,
            origin,
            filter: file.filter.as_deref(),
            earlier_marks: &self.earlier_marks,
            now: env.now,
        };
        let sink = &mut self.sink;
        if origin.grammar == Grammar::Letter
            && let Some(letter) = letter::parse(text)
        {
            sink.record(format, env.key, &from, &letter.record(), &[span]);
            cursor.upto = span.end;
            return;
        }
        if cursor.passing {
            self.joiner.pass(&parsed, &mut |record, spans| sink.record(format, env.key, &from, record, spans));
            cursor.upto = span.end;
            return;
        }
        self.joiner.push(span, &parsed, seen, &mut |record, spans| {
            let mut record = *record;
            record.cut |= cut;
            sink.record(format, env.key, &from, &record, spans);
        });
        if partial || self.sink.holes.len() != holes || self.sink.stopped() {
            remember_mark(cursor, block, span.start);
            remember_mark(cursor, block, span.end);
        }
        cursor.upto = span.end;
    }
}

/// Keeps the up to 256 bytes below the place where the next block begins; `part` ends there.
pub(super) fn keep_tail(cursor: &mut Cursor, part: &[u8]) {
    if part.len() < Mark::MAX {
        let keep = cursor.tail.len().min(Mark::MAX - part.len());
        cursor.tail.drain(..cursor.tail.len() - keep);
    } else {
        cursor.tail.clear();
    }
    cursor.tail.extend_from_slice(part.get(part.len().saturating_sub(Mark::MAX)..).unwrap_or(part));
}

/// Notes the proof at `at`, a place inside the current block or where it begins.
pub(super) fn remember_mark(cursor: &mut Cursor, block: &[u8], at: u64) {
    if cursor.marks.iter().any(|m| m.at == at) || at < cursor.at {
        return;
    }
    let inside = usize::try_from(at - cursor.at).unwrap_or(usize::MAX).min(block.len());
    if at - cursor.at != inside as u64 {
        return;
    }
    let mut bytes = cursor.tail.clone();
    bytes.extend_from_slice(block.get(inside.saturating_sub(Mark::MAX)..inside).unwrap_or(&[]));
    // Bytes below where this reading began are not at hand; the proof covers what is.
    let known = usize::try_from(at - cursor.begin).unwrap_or(usize::MAX).min(bytes.len());
    let tail = bytes.get(bytes.len() - known..).unwrap_or(&[]);
    if !tail.is_empty() {
        cursor.marks.push(Mark::of(at, tail));
    }
}

/// The longest cut at or below `most` that does not split a UTF-8 character.
fn floor_char(bytes: &[u8], most: usize) -> usize {
    let mut cut = most.min(bytes.len());
    for _ in 0..3 {
        match bytes.get(cut) {
            Some(b) if b & 0xC0 == 0x80 && cut > 1 => cut -= 1,
            Some(_) | None => break,
        }
    }
    cut
}
