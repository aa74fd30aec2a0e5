//! What a search found and no block holds yet: literals, and matches (RFC 1951, section 3.2.5) between them.

use super::bits::boxed;
use super::window::Window;

/// Room for literals, and for matches: a block that is not full yet and what one more search finds.
const LITERALS: usize = 32 * 1024;
const MATCHES: usize = 8 * 1024;
/// Bytes copied at once.
const PIECE: usize = 16;
/// The longest match of the format, and the shortest.
const MOST: usize = 258;
pub(super) const LEAST: usize = 3;

/// A match after so many literals.
#[derive(Clone, Copy, Default)]
pub(super) struct Match {
    pub(super) literals: u16,
    /// Length less 3.
    pub(super) length: u8,
    /// Distance less 1.
    pub(super) distance: u16,
}

/// One block to be.
pub(super) struct Tokens {
    literals: Box<[u8; LITERALS + PIECE]>,
    matches: Box<[Match; MATCHES]>,
    literal_count: usize,
    match_count: usize,
    /// Literals before the first, and after the last match.
    pending: usize,
}

impl Tokens {
    pub(super) fn new() -> Self {
        let (literals, matches) = (boxed(), boxed());
        Tokens { literals, matches, literal_count: 0, match_count: 0, pending: 0 }
    }

    pub(super) fn literals(&self) -> &[u8] {
        &self.literals[..self.literal_count.min(LITERALS)]
    }

    pub(super) fn matches(&self) -> &[Match] {
        &self.matches[..self.match_count.min(MATCHES)]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.literal_count == 0 && self.match_count == 0
    }

    pub(super) fn clear(&mut self) {
        (self.literal_count, self.match_count, self.pending) = (0, 0, 0);
    }

    /// Enough for a block.
    pub(super) fn full(&self) -> bool {
        self.literal_count >= LITERALS / 2 || self.match_count >= MATCHES / 2
    }

    /// Appends what is in the window there.
    #[inline(always)]
    pub(super) fn push_literals(&mut self, window: &Window, from: usize, to: usize) {
        let count = to - from;
        let mut done = 0;
        while done < count {
            let at = (self.literal_count + done) & (LITERALS - 1);
            self.literals[at..at + PIECE].copy_from_slice(window.bytes::<PIECE>(from + done));
            done += PIECE;
        }
        self.literal_count += count;
        self.pending += count;
    }

    /// Appends a match of any length.
    #[inline(always)]
    pub(super) fn push_match(&mut self, mut length: usize, distance: usize) {
        while length > MOST {
            // What is left must not be shorter than a match can be.
            let now = if length - MOST < LEAST { MOST - LEAST } else { MOST };
            self.push_one(now, distance);
            length -= now;
        }
        self.push_one(length, distance);
    }

    #[inline(always)]
    fn push_one(&mut self, length: usize, distance: usize) {
        let one =
            Match { literals: self.pending as u16, length: (length - LEAST) as u8, distance: (distance - 1) as u16 };
        self.matches[self.match_count & (MATCHES - 1)] = one;
        self.match_count += 1;
        self.pending = 0;
    }
}
