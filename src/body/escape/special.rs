//! Which of 64 bytes a JSON string cannot hold as they are, as a mask of bits: the first byte's is the lowest.
//!
//! SSE2, which every x86-64 has, does sixteen of them in eight instructions; elsewhere a word is looked at after the
//! other. Both are tested against each other.

/// Bytes looked at together.
pub(super) const STEP: usize = 64;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Special {
    /// Quotes, backslashes and control characters. Perhaps others, but only right behind one of these.
    pub hits: u64,
    /// Not 0: there are bytes above 0x7f.
    pub high: u64,
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
#[expect(unsafe_code, reason = "what needs SSE2 cannot be called otherwise")]
pub(super) fn special(bytes: &[u8; STEP]) -> Special {
    // SAFETY: it needs SSE2 and nothing else, and this is compiled only where that is there (`cfg`).
    unsafe { by_sse2(bytes) }
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[target_feature(enable = "sse2")]
#[inline]
#[expect(unsafe_code, reason = "a load through a pointer: by halves it takes three instructions")]
fn by_sse2(bytes: &[u8; STEP]) -> Special {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    let mut found = Special::default();
    let (parts, _) = bytes.as_chunks::<16>();
    for (nth, part) in parts.iter().enumerate() {
        // SAFETY: reads the sixteen bytes that `part` refers to; they need no alignment.
        let all = unsafe { _mm_loadu_si128(part.as_ptr().cast()) };
        let control = _mm_cmpeq_epi8(_mm_min_epu8(all, _mm_set1_epi8(0x1f)), all);
        let quote = _mm_cmpeq_epi8(all, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(all, _mm_set1_epi8(b'\\' as i8));
        let hits = _mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash)));
        found.hits |= u64::from(hits as u16) << (16 * nth);
        found.high |= u64::from(_mm_movemask_epi8(all) as u16);
    }
    found
}

#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
#[inline(always)]
pub(super) fn special(bytes: &[u8; STEP]) -> Special {
    by_words(bytes)
}

#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
#[inline(always)]
fn by_words(bytes: &[u8; STEP]) -> Special {
    use crate::decode::json::{HIGH, special};
    let mut found = Special::default();
    let (words, _) = bytes.as_chunks::<8>();
    for (nth, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The highest bit of each byte, gathered in the highest byte by a multiplication.
        let hits = (special(word) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        found.hits |= hits << (8 * nth);
        found.high |= word & HIGH;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_judged_at_every_place_by_both_ways() {
        for byte in 0..=255_u8 {
            for at in 0..STEP {
                let mut bytes = [b'a'; STEP];
                bytes[at] = byte;
                let hit = matches!(byte, b'"' | b'\\' | 0..0x20);
                for Special { hits, high } in [special(&bytes), by_words(&bytes)] {
                    assert_eq!(hits, u64::from(hit) << at, "{byte:#x} at {at}");
                    assert_eq!(high != 0, byte > 0x7f, "{byte:#x} at {at}");
                }
            }
        }
    }
}
