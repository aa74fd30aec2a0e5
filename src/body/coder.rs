//! The compressors behind [`super::Body`], driven alike: take all input, fill chunk after chunk.

use super::chunks::CHUNK;
use super::{Codec, Sent};
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress, Status};
use std::fmt;
use zstd::stream::raw::{Encoder, InBuffer, Operation, OutBuffer};

/// How far to go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// All input is inside; output comes when it comes.
    Taken,
    /// All output of it has come.
    Flushed,
    /// The member or frame is closed; the next input begins another.
    Ended,
}

/// A compressor between two bodies or inside one.
pub(super) enum Coder {
    Gzip(Gzip),
    Zstd(Encoder<'static>),
    Plain,
}

impl Coder {
    pub(super) fn new(codec: Codec) -> Self {
        match codec {
            Codec::Gzip(level) => Coder::Gzip(Gzip::new(level)),
            Codec::Zstd(level) => Coder::Zstd(Encoder::new(level).unwrap_or_else(|e| give_up(&e))),
            Codec::Plain => Coder::Plain,
        }
    }

    pub(super) fn code(&mut self, input: &[u8], until: Until, to: &mut Sent) {
        match self {
            Coder::Gzip(gzip) => gzip.code(input, until, to),
            Coder::Zstd(encoder) => zstd(encoder, input, until, to),
            Coder::Plain => plain(input, to),
        }
    }

    /// Forgets the open member or frame.
    pub(super) fn reset(&mut self) {
        match self {
            // Not `reset`: zlib-rs 0.6 at level 1 remembers that a block was open and goes on inside it.
            Coder::Gzip(gzip) => *gzip = Gzip::new(gzip.level),
            Coder::Zstd(encoder) => encoder.reinit().unwrap_or_else(|e| give_up(&e)),
            Coder::Plain => {}
        }
    }
}

/// A gzip member (RFC 1952) around raw deflate. Header, checksum and trailer are ours because zlib-rs takes nine
/// times as long for the checksum as crc32fast: a third of the whole (measured, 0.36 against 0.04 us a record).
pub(super) struct Gzip {
    level: u32,
    deflate: Compress,
    crc: Hasher,
    /// The header is written.
    open: bool,
}

impl Gzip {
    fn new(level: u32) -> Self {
        let level = level.min(9);
        Gzip { level, deflate: Compress::new(Compression::new(level), false), crc: Hasher::new(), open: false }
    }

    fn code(&mut self, input: &[u8], until: Until, to: &mut Sent) {
        if !self.open {
            // Deflate; no name, no time; "extra flags" 4 = fastest; operating system unknown.
            let extra = if self.level == 1 { 4 } else { 0 };
            plain(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, extra, 255], to);
            self.open = true;
        }
        self.crc.update(input);
        self.deflate(input, until, to);
        if until == Until::Ended {
            let size = self.deflate.total_in() as u32;
            plain(&std::mem::take(&mut self.crc).finalize().to_le_bytes(), to);
            plain(&size.to_le_bytes(), to);
            self.deflate.reset();
            self.open = false;
        }
    }

    fn deflate(&mut self, mut input: &[u8], until: Until, to: &mut Sent) {
        let flush = match until {
            Until::Taken => FlushCompress::None,
            Until::Flushed => FlushCompress::Sync,
            Until::Ended => FlushCompress::Finish,
        };
        loop {
            let out = to.room();
            let (in_before, out_before) = (self.deflate.total_in(), out.len());
            let status = self.deflate.compress_vec(input, out, flush).unwrap_or_else(|e| give_up(&e));
            let (taken, given) = ((self.deflate.total_in() - in_before) as usize, out.len() - out_before);
            // Zlib's rule: a flush is over when there is room left after it.
            let room_left = out.len() < CHUNK;
            to.len += given;
            input = input.get(taken..).unwrap_or_default();
            let done = match until {
                Until::Taken => input.is_empty(),
                Until::Flushed => input.is_empty() && room_left,
                Until::Ended => matches!(status, Status::StreamEnd),
            };
            if done {
                break;
            }
            if taken == 0 && given == 0 {
                give_up(&"no progress");
            }
        }
    }
}

fn zstd(encoder: &mut Encoder<'static>, input: &[u8], until: Until, to: &mut Sent) {
    let mut from = InBuffer::around(input);
    while from.pos() < input.len() {
        step(to, |out| encoder.run(&mut from, out));
    }
    let left = |to: &mut Sent, encoder: &mut Encoder<'static>| match until {
        Until::Taken => 0,
        Until::Flushed => step(to, |out| encoder.flush(out)),
        Until::Ended => step(to, |out| encoder.finish(out, true)),
    };
    while left(to, encoder) > 0 {}
}

/// One call into zstd with the room of one chunk; what it says is left.
fn step(to: &mut Sent, call: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> std::io::Result<usize>) -> usize {
    let out = to.room();
    let before = out.len();
    let left = call(&mut OutBuffer::around_pos(out, before)).unwrap_or_else(|e| give_up(&e));
    let given = out.len() - before;
    to.len += given;
    left
}

fn plain(mut input: &[u8], to: &mut Sent) {
    while !input.is_empty() {
        let out = to.room();
        let (now, later) = input.split_at(input.len().min(CHUNK - out.len()));
        out.extend_from_slice(now);
        to.len += now.len();
        input = later;
    }
}

/// A compressor that is used as these are can fail only for want of memory. Rust aborts then, and so do we: a
/// restart loses nothing, a damaged body would.
fn give_up(why: &dyn fmt::Display) -> ! {
    tracing::error!(%why, "compressor failed; likely out of memory");
    std::process::abort()
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Coder::Gzip(_) => "gzip",
            Coder::Zstd(_) => "zstd",
            Coder::Plain => "plain",
        })
    }
}
