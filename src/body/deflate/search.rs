//! Repeats in a window, by hash tables of the last places of eight bytes, and of five.
//!
//! Greedy, with two looks further: a short repeat gives way to a long one that begins a little later, and what a
//! repeat left in front of it is taken back. Eight bytes are what it takes to tell the separators in a line of JSON
//! apart (`\",\"user`); the fewer, cheaper matches make up for the short ones that are missed. Repeats of any length
//! stay whole, and nothing inside of them but their first bytes is remembered, so the metadata of a record costs one
//! comparison. The work for a byte is bounded: at most two places are looked at from each.

use super::bits::boxed;
use super::tokens::{LEAST, Tokens};
use super::window::{HISTORY, Window};

/// Places of a table: few enough for the first level of the cache, and more than 32 KiB of log lines need.
const TABLE: usize = 8 * 1024;
/// After so many bytes without a repeat only every second place is looked at, after as many more every third, ..
const HASTE: usize = 64;
/// .. but no fewer than these.
const WIDEST: usize = 4;
/// Places behind the beginning of a repeat that are remembered too: the next one may begin a little later.
const NEXT: usize = 5;
/// Odd, and no pattern in its bits: 2^64 by the golden ratio.
const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;

/// What was seen where.
pub(super) struct Search {
    /// Of the hash of five bytes the last place, modulo 2^16.
    short: Box<[u16; TABLE]>,
    /// The same for eight bytes.
    long: Box<[u16; TABLE]>,
    /// Distance of the last match.
    last: usize,
    /// That match went to the end of what was searched, and may go on.
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
        // Few repeats are as long, and those are very long.
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

    /// Searches all of the range; `SHORT` looks for repeats of five bytes too.
    pub(super) fn run<const SHORT: bool>(&mut self, window: &Window, range: Range, tokens: &mut Tokens) {
        let Range { start, at: mut first, end } = range;
        if self.going && first < end {
            let len = same(window, first, first - self.last, end - first);
            if len >= LEAST {
                tokens.push_match(len, self.last);
                first += len;
            }
        }
        while let Some((at, distance)) = self.find::<SHORT>(window, range, first) {
            // Up to eight bytes before it may be the same, and were left for literals.
            let differ = window.word(at - 8) ^ window.word(at - distance - 8);
            let back = (differ.leading_zeros() as usize / 8).min(at - first).min(at - distance - start);
            let len = same(window, at, at - distance, end - at);
            tokens.push_literals(window, first, at - back);
            tokens.push_match(len + back, distance);
            for next in 1..=NEXT {
                self.insert::<SHORT>(window, at + next);
            }
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
        let (mut at, mut step) = (first, 1);
        while at < stop {
            let wider = stop.min(at + HASTE);
            while at < wider {
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
                at += step;
            }
            step = WIDEST.min(step + 1);
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
