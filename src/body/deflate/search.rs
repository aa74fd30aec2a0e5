//! Repeats in a window, by two hash tables of the last places.

use super::bits::boxed;
use super::tokens::Tokens;
use super::window::{HISTORY, Window};

const TABLE: usize = 4 * 1024;

pub(super) struct Search {
    /// Of the hash of five bytes the last place, modulo 2^16.
    short: Box<[u16; TABLE]>,
    /// The same for twelve bytes.
    long: Box<[u16; TABLE]>,
    /// Distance of the last match.
    last: usize,
    /// That match went to the end of what was searched.
    going: bool,
}

/// What to search, in places of the window.
#[derive(Clone, Copy)]
pub(super) struct Range {
    /// First byte of the stream.
    pub(super) start: usize,
    pub(super) at: usize,
    pub(super) end: usize,
}

const PRIME: u64 = 0x9e37_79b1_85eb_ca87;

#[inline(always)]
fn short_hash(here: u64) -> usize {
    ((here << 24).wrapping_mul(PRIME) >> (64 - TABLE.ilog2())) as usize
}

/// Of the eight bytes here, and the eight four further.
#[inline(always)]
fn long_hash(here: u64, ahead: u64) -> usize {
    ((here ^ ahead.rotate_left(29)).wrapping_mul(PRIME) >> (64 - TABLE.ilog2())) as usize
}

/// Bytes that are the same from `a` and `b` on, no more than `most`.
#[inline(always)]
fn extend(window: &Window, a: usize, b: usize, most: usize) -> usize {
    let mut len = 0;
    while len < most {
        let differ = window.word(a + len) ^ window.word(b + len);
        if differ != 0 {
            len += differ.trailing_zeros() as usize / 8;
            break;
        }
        len += 8;
        if len >= 64 {
            while len < most && window.bytes::<32>(a + len) == window.bytes::<32>(b + len) {
                len += 32;
            }
        }
    }
    len.min(most)
}

impl Search {
    pub(super) fn new() -> Self {
        Search { short: boxed(), long: boxed(), last: 1, going: false }
    }

    pub(super) fn clear(&mut self) {
        self.short.fill(0);
        self.long.fill(0);
        self.going = false;
    }

    #[inline(always)]
    fn insert(&mut self, window: &Window, at: usize) {
        let here = window.word(at);
        self.short[short_hash(here)] = at as u16;
        self.long[long_hash(here, window.word(at + 4))] = at as u16;
    }

    /// Distance to the last place of the long hash, and where these eight bytes differ from those.
    #[inline(always)]
    fn longer(&mut self, window: &Window, at: usize, here: u64) -> (bool, u16) {
        let slot = &mut self.long[long_hash(here, window.word(at + 4))];
        let place = *slot;
        *slot = at as u16;
        (here == window.word(usize::from(place)), place)
    }

    #[inline(always)]
    fn shorter(&mut self, window: &Window, at: usize, here: u64) -> (bool, u16) {
        let slot = &mut self.short[short_hash(here)];
        let place = *slot;
        *slot = at as u16;
        ((here ^ window.word(usize::from(place))) << 24 == 0, place)
    }

    /// Searches all of the range.
    pub(super) fn run<const WAYS: usize>(&mut self, window: &Window, range: Range, tokens: &mut Tokens) {
        let Range { start, mut at, end } = range;
        let mut first = at;
        if self.going && at < end {
            let len = extend(window, at, at - self.last, end - at);
            if len > 3 {
                tokens.push_match(len, self.last);
                at += len;
                first = at;
            }
        }
        let stop = end.saturating_sub(15);
        while at < stop {
            let here = window.word(at);
            let (long, long_place) = self.longer(window, at, here);
            let (short, short_place) = self.shorter(window, at, here);
            if !(long | short) {
                at += 1 + (at - first) / 64;
                continue;
            }
            let reach = (at - start).min(HISTORY - 1);
            let distance_to = |at: usize, place: u16| {
                let distance = usize::from((at as u16).wrapping_sub(place));
                if distance.wrapping_sub(1) < reach { distance } else { 0 }
            };
            let mut distance = if long { distance_to(at, long_place) } else { 0 };
            if distance == 0 {
                distance = if short { distance_to(at, short_place) } else { 0 };
                if distance == 0 {
                    at += 1;
                    continue;
                }
                for later in 1..=WAYS {
                    let (found, place) = self.longer(window, at + later, window.word(at + later));
                    let there = distance_to(at + later, place);
                    if found && there != 0 {
                        distance = there;
                        at += later;
                        break;
                    }
                }
            }
            let differ = window.word(at.wrapping_sub(8)) ^ window.word(at.wrapping_sub(distance + 8));
            let back = (differ.leading_zeros() as usize / 8).min(at - first).min(at - distance - start);
            let len = extend(window, at, at - distance, end - at);
            tokens.push_literals(window, first, at - back);
            tokens.push_match(len + back, distance);
            self.insert(window, at + 1);
            at += len;
            self.insert(window, at - 2);
            self.last = distance;
            first = at;
        }
        self.going = first == end && first > range.at;
        tokens.push_literals(window, first, end);
    }
}
