//! Bits in the order of RFC 1951, section 3.1.1: the first one in the lowest bit of the first byte.
//!
//! What is written stays here until it is taken out between two blocks.

/// More bytes than a block ever has.
const SIZE: usize = 64 * 1024;

/// Where bits are gathered, and room for one more word behind it.
pub(super) type Bytes = [u8; SIZE + 8];

/// Bits that are not given out yet.
pub(super) struct Bits {
    pub(super) bytes: Box<Bytes>,
    pub(super) end: End,
}

/// Where the next bit goes. Apart from the bytes, so that a loop can keep it in registers.
#[derive(Clone, Copy, Default)]
pub(super) struct End {
    /// Whole bytes.
    len: usize,
    /// The bits behind them: fewer than eight after each [`End::settle`].
    word: u64,
    count: u32,
}

impl End {
    /// Appends `count` bits. Up to 56 of them fit in between two calls of [`End::settle`].
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.word |= bits << self.count;
        self.count += count;
    }

    /// Moves whole bytes out of the word.
    #[inline(always)]
    pub(super) fn settle(&mut self, bytes: &mut Bytes) {
        let at = self.len & (SIZE - 1);
        bytes[at..at + 8].copy_from_slice(&self.word.to_le_bytes());
        self.len += (self.count >> 3) as usize;
        self.word >>= self.count & 56;
        self.count &= 7;
    }
}

impl Bits {
    pub(super) fn new() -> Self {
        Bits { bytes: boxed(), end: End::default() }
    }

    /// Appends up to 56 bits.
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.end.put(bits, count);
        self.end.settle(&mut self.bytes);
    }

    /// Zeros up to the next whole byte.
    pub(super) fn align(&mut self) {
        self.put(0, self.end.count.wrapping_neg() & 7);
    }

    /// All bits are in whole bytes.
    pub(super) fn is_aligned(&self) -> bool {
        self.end.count == 0
    }

    /// Appends bytes as they are, after whole ones.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let at = self.end.len & (SIZE - 1);
        let n = bytes.len().min(SIZE - at);
        self.bytes[at..at + n].copy_from_slice(&bytes[..n]);
        self.end.len += n;
    }

    /// Gives out all whole bytes.
    pub(super) fn drain(&mut self, out: &mut dyn FnMut(&[u8])) {
        out(self.bytes.get(..self.end.len).unwrap_or_default());
        self.end.len = 0;
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.end = End::default();
    }
}

/// Zeros on the heap without a way over the stack.
pub(super) fn boxed<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    let zeros = vec![T::default(); N].into_boxed_slice();
    zeros.try_into().unwrap_or_else(|_| Box::new([T::default(); N]))
}
