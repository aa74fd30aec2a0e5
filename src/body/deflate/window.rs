//! The last 64 KiB in a ring: 32 KiB of history, and as much that is still to be searched.
//!
//! Places are counted from the beginning of the stream and on; their lowest 16 bits are the index, so that nothing is
//! ever moved and no index can be wrong. Behind the end the ring's beginning stands once more, for reads across it.

use super::bits::boxed;

/// Distances are less than this; no more bytes than this may wait to be searched.
pub(super) const HISTORY: usize = 32 * 1024;
const RING: usize = 64 * 1024;
/// Most bytes read at once.
const PIECE: usize = 32;

pub(super) struct Window {
    ring: Box<[u8; RING + PIECE]>,
}

impl Window {
    pub(super) fn new() -> Self {
        Window { ring: boxed() }
    }

    /// Writes up to 32 KiB, and zeros behind them, so that nothing depends on what was there before.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.put(at, bytes);
        self.put(at + bytes.len(), &[0; PIECE]);
        self.ring.copy_within(..PIECE, RING);
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let from = at % RING;
        let (now, later) = bytes.split_at(bytes.len().min(RING - from));
        self.ring[from..from + now.len()].copy_from_slice(now);
        self.ring[..later.len()].copy_from_slice(later);
    }

    /// Up to 32 KiB, in two parts where they lie around the end of the ring.
    pub(super) fn read(&self, at: usize, len: usize) -> [&[u8]; 2] {
        let from = at % RING;
        let now = len.min(RING - from);
        [&self.ring[from..from + now], &self.ring[..len - now]]
    }

    /// The eight bytes from there on, the first one lowest.
    #[inline(always)]
    pub(super) fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(*self.bytes(at))
    }

    /// The bytes from there on.
    #[inline(always)]
    pub(super) fn bytes<const N: usize>(&self, at: usize) -> &[u8; N] {
        const { assert!(N <= PIECE) }
        let at = usize::from(at as u16);
        self.ring[at..].first_chunk().unwrap_or(&[0; N])
    }
}
