//! Raw deflate (RFC 1951) for what this program sends: lines whose longer half was sent a line before.
//!
//! Promises: any inflater reads it; the same calls give the same bytes; what does not compress grows by less than one
//! byte in a thousand; memory is 0.24 MiB, made once. Pure: bytes in, bytes out. What was taken in is found again
//! across calls, up to 32 KiB later.
//! It is our own because no library does this work at this price: a record of 1.2 to 1.4 KB takes 0.7 of the time of
//! zlib-rs at level 1, and about the bytes of zlib-rs at level 6, which takes four times as long (`benches/stages`,
//! `gzip body, ..`).

mod bits;
mod block;
mod header;
mod huffman;
mod search;
mod tokens;
mod window;

use super::coder::Until;
use bits::Bits;
use search::{Range, Search};
use tokens::Tokens;
use window::{HISTORY, Window};

/// So much is searched at once.
const PIECE: usize = HISTORY / 2;

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Repeats of eight bytes and more.
    Speed,
    /// Of five bytes and more: a fifth more time; of log lines 1 %, of prose a tenth fewer bytes.
    Size,
}

/// One stream after the other.
pub(super) struct Deflate {
    aim: Aim,
    window: Window,
    /// Places in the window: the first byte of this stream, of no block yet, not searched yet, not there yet.
    start: usize,
    block: usize,
    next: usize,
    end: usize,
    search: Search,
    tokens: Tokens,
    bits: Bits,
}

impl Deflate {
    pub(super) fn new(aim: Aim) -> Self {
        let (start, block, next, end) = (HISTORY, HISTORY, HISTORY, HISTORY);
        let (window, search, tokens, bits) = (Window::new(), Search::new(), Tokens::new(), Bits::new());
        Deflate { aim, window, start, block, next, end, search, tokens, bits }
    }

    /// Forgets the open stream.
    pub(super) fn reset(&mut self) {
        (self.start, self.block, self.next, self.end) = (HISTORY, HISTORY, HISTORY, HISTORY);
        self.search.clear();
        self.tokens.clear();
        self.bits.clear();
    }

    /// Takes all of `input`, and gives out what is compressed.
    pub(super) fn code(&mut self, mut input: &[u8], until: Until, out: &mut dyn FnMut(&[u8])) {
        while !input.is_empty() {
            let room = PIECE - (self.end - self.next);
            let (now, later) = input.split_at(input.len().min(room));
            self.window.write(self.end, now);
            self.end += now.len();
            input = later;
            if self.end - self.next == PIECE {
                self.search(out);
            }
        }
        match until {
            Until::Taken => {}
            Until::Flushed => {
                self.search(out);
                if !self.tokens.is_empty() {
                    self.block(false, out);
                }
                if !self.bits.is_aligned() {
                    block::stored([&[], &[]], false, &mut self.bits);
                    self.bits.drain(out);
                }
            }
            Until::Ended => {
                self.search(out);
                self.block(true, out);
                self.bits.align();
                self.bits.drain(out);
                self.reset();
            }
        }
    }

    /// Searches what waits.
    fn search(&mut self, out: &mut dyn FnMut(&[u8])) {
        let range = Range { start: self.start, at: self.next, end: self.end };
        match self.aim {
            Aim::Speed => self.search.run::<false>(&self.window, range, &mut self.tokens),
            Aim::Size => self.search.run::<true>(&self.window, range, &mut self.tokens),
        }
        self.next = self.end;
        if self.tokens.full() {
            self.block(false, out);
        }
    }

    /// Writes what was found so far.
    fn block(&mut self, last: bool, out: &mut dyn FnMut(&[u8])) {
        let len = self.next - self.block;
        let plain = (len <= HISTORY).then(|| self.window.read(self.block, len));
        block::write(&self.tokens, plain, last, &mut self.bits);
        self.bits.drain(out);
        self.tokens.clear();
        self.block = self.next;
    }
}

#[cfg(test)]
mod tests;
