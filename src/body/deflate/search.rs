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

/// Bytes of a long repeat's hash: the usual separator with something of the name behind it, `\",\"user`.
const PRIME: u64 = 0x9e37_79b1_85eb_ca87;

#[inline(always)]
fn slot(bytes: u64) -> usize {
    (bytes.wrapping_mul(PRIME) >> (64 - TABLE.ilog2())) as usize
}

/// Bytes that are the same from `a` and `b` on, no more than `most`.
#[inline(always)]
fn same(window: &Window, a: usize, b: usize, most: usize) -> usize {
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

impl Range {
    /// How far back a place of a table lies from `at`; zero if it is too far, or not of this stream.
    #[inline(always)]
    fn distance(&self, at: usize, place: u16) -> usize {
        let distance = usize::from((at as u16).wrapping_sub(place));
        if distance.wrapping_sub(1) < (at - self.start).min(HISTORY - 1) { distance } else { 0 }
    }
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

    /// Searches all of the range.
    pub(super) fn run<const SHORT: bool>(&mut self, window: &Window, range: Range, tokens: &mut Tokens) {
        let Range { start, at: mut first, end } = range;
        if self.going && first < end {
            let len = same(window, first, first - self.last, end - first);
            if len > 3 {
                tokens.push_match(len, self.last);
                first += len;
            }
        }
        while let Some((at, distance)) = self.find::<SHORT>(window, range, first) {
            let differ = window.word(at.wrapping_sub(8)) ^ window.word(at.wrapping_sub(distance + 8));
            let back = (differ.leading_zeros() as usize / 8).min(at - first).min(at - distance - start);
            let len = same(window, at, at - distance, end - at);
            tokens.push_literals(window, first, at - back);
            tokens.push_match(len + back, distance);
            self.insert::<SHORT>(window, at + 1);
            self.last = distance;
            first = at + len;
        }
        self.going = first == end && first > range.at;
        tokens.push_literals(window, first, end);
    }

    /// The next repeat: where, and how far back.
    #[inline(always)]
    fn find<const SHORT: bool>(&mut self, window: &Window, range: Range, first: usize) -> Option<(usize, usize)> {
        let stop = range.end.saturating_sub(8);
        let mut at = first;
        while at < stop {
            let here = window.word(at);
            let (long, place) = self.long(window, at, here);
            let (short, near) = if SHORT { self.short(window, at, here) } else { (false, 0) };
            if long | short {
                let distance = if long { range.distance(at, place) } else { 0 };
                if distance > 0 {
                    return Some((at, distance));
                }
                let distance = if short { range.distance(at, near) } else { 0 };
                if distance > 0 {
                    return Some(self.later(window, range, at).unwrap_or((at, distance)));
                }
            }
            at += 1 + (at - first) / 64;
        }
        None
    }

    /// A long repeat that begins a little later than a short one.
    #[inline(always)]
    fn later(&mut self, window: &Window, range: Range, at: usize) -> Option<(usize, usize)> {
        (at + 1..at + 3).find_map(|at| {
            let (long, place) = self.long(window, at, window.word(at));
            let distance = range.distance(at, place);
            (long && distance > 0).then_some((at, distance))
        })
    }

    #[inline(always)]
    fn insert<const SHORT: bool>(&mut self, window: &Window, at: usize) {
        let here = window.word(at);
        self.long[slot(here)] = at as u16;
        if SHORT {
            self.short[slot(here << 24)] = at as u16;
        }
    }

    /// Where these eight bytes, or others of the same hash, were last, and if they are the same; from now on they are
    /// here.
    #[inline(always)]
    fn long(&mut self, window: &Window, at: usize, here: u64) -> (bool, u16) {
        let place = std::mem::replace(&mut self.long[slot(here)], at as u16);
        (here == window.word(usize::from(place)), place)
    }

    /// The same for five bytes.
    #[inline(always)]
    fn short(&mut self, window: &Window, at: usize, here: u64) -> (bool, u16) {
        let place = std::mem::replace(&mut self.short[slot(here << 24)], at as u16);
        ((here ^ window.word(usize::from(place))) << 24 == 0, place)
    }
}
