//! The compressors behind [`super::Body`], driven alike: take all input, fill chunk after chunk.

use super::chunks::CHUNK;
use super::deflate::{Aim, Deflate};
use super::{Codec, Sent};
use crc32fast::Hasher;
use std::fmt;
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

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
            Codec::Gzip(aim) => Coder::Gzip(Gzip::new(aim)),
            Codec::Zstd => Coder::Zstd(zstd_encoder().unwrap_or_else(|e| give_up(&e))),
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
            Coder::Gzip(gzip) => gzip.reset(),
            Coder::Zstd(encoder) => encoder.reinit().unwrap_or_else(|e| give_up(&e)),
            Coder::Plain => {}
        }
    }
}

/// A gzip member (RFC 1952) around raw deflate.
pub(super) struct Gzip {
    deflate: Deflate,
    crc: Hasher,
    /// Plain bytes so far, modulo 2^32.
    size: u32,
    /// The header is written.
    open: bool,
}

impl Gzip {
    fn new(aim: Aim) -> Self {
        Gzip { deflate: Deflate::new(aim), crc: Hasher::new(), size: 0, open: false }
    }

    fn code(&mut self, input: &[u8], until: Until, to: &mut Sent) {
        if !self.open {
            // Deflate; no name, no time, nothing about the compressor; operating system unknown.
            plain(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], to);
            self.open = true;
        }
        self.crc.update(input);
        self.size = self.size.wrapping_add(input.len() as u32);
        self.deflate.code(input, until, &mut |bytes| plain(bytes, to));
        if until == Until::Ended {
            plain(&std::mem::take(&mut self.crc).finalize().to_le_bytes(), to);
            plain(&self.size.to_le_bytes(), to);
            (self.size, self.open) = (0, false);
        }
    }

    fn reset(&mut self) {
        self.deflate.reset();
        self.crc.reset();
        (self.size, self.open) = (0, false);
    }
}

/// Level 1 with half its window, which then lies in the L2 cache: a quarter less time for no more bytes. At 17 it
/// would be less still, for a tenth more bytes.
fn zstd_encoder() -> std::io::Result<Encoder<'static>> {
    let mut encoder = Encoder::new(1)?;
    encoder.set_parameter(CParameter::WindowLog(18))?;
    Ok(encoder)
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
