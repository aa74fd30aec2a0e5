//! Request bodies: what an output has written, compressed as it grows, in pooled chunks.
//!
//! [`Body`] is the one seam to the compressors: callers append plain bytes and ask for sizes. One body yields one
//! gzip member or one zstd frame. Compressor and buffers are used for every body of a lane, until it rests.
//! Beside it: [`escape`] for JSON strings, [`gunzip`] for reading rotated files, [`packed`] for keeping copies of them,
//! [`chunks`] for the memory.

pub mod chunks;
mod coder;
mod deflate;
pub mod escape;
pub mod gunzip;
pub mod packed;

pub use deflate::Aim;

use crate::lane::batch::Sealed;
use chunks::{Chunk, Pool};
use coder::{Coder, Until};
use std::sync::Arc;

/// Plain bytes are compressed when so many have gathered: one call for some fifty records, and still in the L2 cache.
pub const BLOCK: usize = 64 * 1024;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// By our own deflate.
    Gzip(Aim),
    /// Near its fastest level.
    Zstd,
    /// Not at all.
    Plain,
}

/// An open body.
#[derive(Debug)]
pub struct Body {
    codec: Codec,
    /// Made when it is needed (0.24 MiB for gzip, about 1 MiB for zstd).
    coder: Option<Coder>,
    /// Appended, not compressed yet.
    plain: Vec<u8>,
    /// Bytes compressed so far.
    coded: usize,
    sent: Sent,
}

/// Compressed bytes so far.
#[derive(Debug)]
struct Sent {
    pool: Arc<Pool>,
    /// All but the last one are full.
    chunks: Vec<Chunk>,
    len: usize,
}

impl Body {
    /// An empty body.
    pub fn new(codec: Codec, pool: Arc<Pool>) -> Self {
        let sent = Sent { pool, chunks: Vec::new(), len: 0 };
        Body { codec, coder: None, plain: Vec::with_capacity(2 * BLOCK), coded: 0, sent }
    }

    /// Where to append plain bytes. Call [`Body::settle`] after each record.
    pub fn plain(&mut self) -> &mut Vec<u8> {
        &mut self.plain
    }

    /// Appends and compresses bytes that lie elsewhere, many at once: no copy.
    pub fn text(&mut self, bytes: &[u8]) {
        if !self.plain.is_empty() {
            self.code(Until::Taken);
        }
        self.coder.get_or_insert_with(|| Coder::new(self.codec)).code(bytes, Until::Taken, &mut self.sent);
        self.coded += bytes.len();
    }

    /// Compresses what was appended once it is a [`BLOCK`].
    pub fn settle(&mut self) {
        if self.plain.len() >= BLOCK {
            self.code(Until::Taken);
        }
    }

    /// Compresses all that was appended and makes the compressor give out what it holds back, so that
    /// [`Body::sent_len`] is exact. Costs a few bytes each time: for when a limit is near.
    pub fn flush_block(&mut self) {
        if !self.plain.is_empty() || self.coded > 0 {
            self.code(Until::Flushed);
        }
    }

    /// Compressed bytes so far, without what waits here (up to a [`BLOCK`] plain) and inside the compressor.
    pub fn sent_len(&self) -> usize {
        self.sent.len
    }

    /// Plain bytes so far.
    pub fn plain_len(&self) -> usize {
        self.coded + self.plain.len()
    }

    /// Ends the member or frame and leaves an empty body. Of an empty body it is a valid, empty one (`Plain`: no
    /// bytes).
    pub fn finish(&mut self) -> Sealed {
        self.code(Until::Ended);
        let chunks = self.sent.chunks.drain(..).map(Chunk::into_bytes).collect();
        let sealed = Sealed { chunks, len: self.sent.len, plain: self.coded };
        self.empty();
        sealed
    }

    /// Throws everything away.
    pub fn clear(&mut self) {
        self.coder.iter_mut().for_each(Coder::reset);
        self.sent.chunks.clear();
        self.empty();
    }

    /// Throws everything away, and gives back what it takes to fill a body.
    pub fn rest(&mut self) {
        self.coder = None;
        self.sent.chunks = Vec::new();
        self.plain = Vec::new();
        self.empty();
    }

    fn code(&mut self, until: Until) {
        self.coder.get_or_insert_with(|| Coder::new(self.codec)).code(&self.plain, until, &mut self.sent);
        self.coded += self.plain.len();
        self.plain.clear();
    }

    fn empty(&mut self) {
        self.plain.clear();
        // One record of some MiB must not be paid for ever after.
        self.plain.shrink_to(2 * BLOCK);
        self.coded = 0;
        self.sent.len = 0;
    }
}

impl Sent {
    /// The last chunk, or a new one, with at least a byte of room.
    fn room(&mut self) -> &mut Vec<u8> {
        let full = self.chunks.last().is_none_or(|c| c.room() == 0);
        if full {
            self.chunks.push(self.pool.take());
        }
        let last = self.chunks.len() - 1;
        self.chunks[last].bytes()
    }
}

#[cfg(test)]
mod tests;
