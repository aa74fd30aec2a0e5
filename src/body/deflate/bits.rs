//! Bits in the order of RFC 1951, section 3.1.1: the first one in the lowest bit of the first byte.
//!
//! One block at a time fits in; whole bytes are taken out between blocks.

/// Most bytes that are inside at once; more than a block ever has.
const SIZE: usize = 64 * 1024;

/// Bits that are not given out yet.
pub(super) struct Bits {
    /// Whole bytes, and room for one more word behind the last index.
    bytes: Box<[u8; SIZE + 8]>,
    len: usize,
    /// The next bits, fewer than eight after each [`Bits::settle`].
    word: u64,
    count: u32,
}

impl Bits {
    pub(super) fn new() -> Self {
        Bits { bytes: boxed(), len: 0, word: 0, count: 0 }
    }

    /// Appends `count` bits. Up to 56 of them fit in between two calls of [`Bits::settle`].
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.word |= bits << self.count;
        self.count += count;
    }

    /// Moves whole bytes out of the word.
    #[inline(always)]
    pub(super) fn settle(&mut self) {
        let at = self.len & (SIZE - 1);
        self.bytes[at..at + 8].copy_from_slice(&self.word.to_le_bytes());
        self.len += (self.count >> 3) as usize;
        self.word >>= self.count & 56;
        self.count &= 7;
    }

    /// Zeros up to the next whole byte.
    pub(super) fn align(&mut self) {
        self.count = (self.count + 7) & !7;
        self.settle();
    }

    /// Appends bytes as they are, after whole ones.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        let at = self.len & (SIZE - 1);
        let n = bytes.len().min(SIZE - at);
        self.bytes[at..at + n].copy_from_slice(&bytes[..n]);
        self.len += n;
    }

    /// Gives out all whole bytes.
    pub(super) fn drain(&mut self, out: &mut dyn FnMut(&[u8])) {
        self.settle();
        out(self.bytes.get(..self.len).unwrap_or_default());
        self.len = 0;
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        (self.len, self.word, self.count) = (0, 0, 0);
    }
}

/// Zeros on the heap without a way over the stack.
pub(super) fn boxed<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    let zeros = vec![T::default(); N].into_boxed_slice();
    zeros.try_into().unwrap_or_else(|_| Box::new([T::default(); N]))
}
