//! A block (RFC 1951, section 3.2): tokens to bits, by codes of its own, by the fixed ones, or stored as it was,
//! whichever takes the fewest bits. Lengths and distances as in section 3.2.5.

use super::bits::{Bits, Bytes, End};
use super::header::Header;
use super::huffman::{Code, LONGEST, codes, lengths};
use super::tokens::Tokens;

/// Literals, the end of the block, lengths; the last two stand for nothing.
pub(super) const LITERAL_CODES: usize = 288;
pub(super) const DISTANCE_CODES: usize = 30;
const END_OF_BLOCK: usize = 256;

/// Code of a length less 3, and how many bits follow it.
const LENGTHS: [(u8, u8); 256] = {
    let mut table = [(0, 0); 256];
    let mut at = 0;
    while at < 256 {
        table[at] = if at < 8 {
            (at as u8, 0)
        } else {
            let extra = at.ilog2() - 2;
            ((4 * extra + (at >> extra) as u32) as u8, extra as u8)
        };
        at += 1;
    }
    // The longest has a code to itself.
    table[255] = (28, 0);
    table
};

/// Code of a distance less 1, and how many bits follow it.
#[inline(always)]
fn distance_code(distance: u16) -> (usize, u32) {
    let extra = (u32::from(distance) | 2).ilog2() - 1;
    (((2 * extra + (u32::from(distance) >> extra)) & 31) as usize, extra)
}

/// The lengths of both alphabets.
pub(super) struct Lengths {
    pub(super) literals: [u8; LITERAL_CODES],
    pub(super) distances: [u8; DISTANCE_CODES],
}

/// Section 3.2.6.
const FIXED: Lengths = {
    let mut literals = [8; LITERAL_CODES];
    let mut at = 144;
    while at < 280 {
        literals[at] = if at < 256 { 9 } else { 7 };
        at += 1;
    }
    Lengths { literals, distances: [5; DISTANCE_CODES] }
};

/// How often each symbol comes.
struct Counts {
    literals: [u32; LITERAL_CODES],
    distances: [u32; DISTANCE_CODES],
    /// Bits that follow codes.
    extra: u64,
}

impl Counts {
    fn of(tokens: &Tokens) -> Counts {
        // Four tables, so that equal bytes in a row do not wait for each other.
        let mut bytes = [[0u32; 256]; 4];
        let (pieces, rest) = tokens.literals().as_chunks::<4>();
        for piece in pieces {
            for (table, byte) in bytes.iter_mut().zip(piece) {
                table[usize::from(*byte)] += 1;
            }
        }
        for byte in rest {
            bytes[0][usize::from(*byte)] += 1;
        }
        let mut counts = Counts { literals: [0; LITERAL_CODES], distances: [0; DISTANCE_CODES], extra: 0 };
        for (at, to) in counts.literals.iter_mut().take(256).enumerate() {
            *to = bytes.iter().map(|table| table[at]).sum();
        }
        counts.literals[END_OF_BLOCK] = 1;
        let (mut lengths, mut distances) = ([0u32; 256], [0u32; 32]);
        for one in tokens.matches() {
            lengths[usize::from(one.length)] += 1;
            distances[distance_code(one.distance).0] += 1;
        }
        for (count, (code, extra)) in lengths.iter().zip(LENGTHS) {
            counts.literals[END_OF_BLOCK + 1 + usize::from(code)] += count;
            counts.extra += u64::from(*count) * u64::from(extra);
        }
        for (code, (to, count)) in counts.distances.iter_mut().zip(distances).enumerate() {
            *to = count;
            counts.extra += u64::from(count) * (code as u64 / 2).saturating_sub(1);
        }
        counts
    }

    /// Bits of the block by these codes, without its header.
    fn cost(&self, by: &Lengths) -> u64 {
        let sum = |counts: &[u32], lengths: &[u8]| {
            counts.iter().zip(lengths).map(|(count, len)| u64::from(*count) * u64::from(*len)).sum::<u64>()
        };
        sum(&self.literals, &by.literals) + sum(&self.distances, &by.distances) + self.extra
    }
}

/// Writes the tokens as one block. `plain` is what they stand for, if that is still at hand.
pub(super) fn write(tokens: &Tokens, plain: Option<[&[u8]; 2]>, last: bool, to: &mut Bits) {
    let counts = Counts::of(tokens);
    let own = Lengths { literals: lengths(&counts.literals, LONGEST), distances: lengths(&counts.distances, LONGEST) };
    let header = Header::new(&own);
    let (own_cost, fixed_cost) = (header.cost() + counts.cost(&own), counts.cost(&FIXED));
    let stored_cost = plain.map_or(u64::MAX, |plain| {
        let len = plain.iter().map(|part| part.len() as u64).sum::<u64>();
        8 * len + 40
    });
    let last = u64::from(last);
    if let Some(plain) = plain
        && stored_cost < own_cost.min(fixed_cost)
    {
        stored(plain, last == 1, to);
    } else if own_cost < fixed_cost {
        to.put(last | 2 << 1, 3);
        header.write(to);
        Codes::new(&own).write(tokens, to);
    } else {
        to.put(last | 1 << 1, 3);
        Codes::new(&FIXED).write(tokens, to);
    }
}

/// Fewer than 64 KiB as they are (section 3.2.4), ending with a whole byte; without bytes: what zlib calls a sync flush.
pub(super) fn stored(plain: [&[u8]; 2], last: bool, to: &mut Bits) {
    to.put(u64::from(last), 3);
    to.align();
    let len = plain.iter().map(|part| part.len() as u64).sum::<u64>();
    to.put(len | (!len & 0xffff) << 16, 32);
    plain.iter().for_each(|part| to.bytes(part));
}

/// The codes of all that a token can be.
struct Codes {
    literals: [Code; 256],
    /// Of a length less 3, with the bits that follow.
    lengths: [Code; 256],
    distances: [Code; 32],
    end: Code,
}

impl Codes {
    fn new(by: &Lengths) -> Codes {
        let (all, some) = (codes(&by.literals), codes(&by.distances));
        let mut here = Codes {
            literals: [Code::default(); 256],
            lengths: [Code::default(); 256],
            distances: [Code::default(); 32],
            end: all[END_OF_BLOCK],
        };
        here.literals.copy_from_slice(&all[..END_OF_BLOCK]);
        here.distances[..DISTANCE_CODES].copy_from_slice(&some);
        for (at, (to, (code, extra))) in here.lengths.iter_mut().zip(LENGTHS).enumerate() {
            let code = all[END_OF_BLOCK + 1 + usize::from(code)];
            let low = at as u32 & ((1 << extra) - 1);
            *to = Code { bits: code.bits | low << code.len, len: code.len + u32::from(extra) };
        }
        here
    }

    fn write(&self, tokens: &Tokens, to: &mut Bits) {
        let (mut end, bytes) = (to.end, &mut *to.bytes);
        let mut rest = tokens.literals();
        for one in tokens.matches() {
            let (now, later) = rest.split_at(usize::from(one.literals).min(rest.len()));
            rest = later;
            self.put_literals(now, &mut end, bytes);
            let length = self.lengths[usize::from(one.length)];
            let (code, extra) = distance_code(one.distance);
            // At most 14 + 5 + 14 + 13 bits.
            let distance = self.distances[code];
            let low = u64::from(one.distance) & ((1 << extra) - 1);
            end.put(u64::from(length.bits), length.len);
            end.put(u64::from(distance.bits) | low << distance.len, distance.len + extra);
            end.settle(bytes);
        }
        self.put_literals(rest, &mut end, bytes);
        end.put(u64::from(self.end.bits), self.end.len);
        end.settle(bytes);
        to.end = end;
    }

    #[inline(always)]
    fn put_literals(&self, literals: &[u8], end: &mut End, bytes: &mut Bytes) {
        let (fours, rest) = literals.as_chunks::<4>();
        for four in fours {
            for byte in four {
                let code = self.literals[usize::from(*byte)];
                end.put(u64::from(code.bits), code.len);
            }
            end.settle(bytes);
        }
        for byte in rest {
            let code = self.literals[usize::from(*byte)];
            end.put(u64::from(code.bits), code.len);
        }
        end.settle(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the tables of section 3.2.5 have it: the first length or distance of each code.
    fn bases(extra_from: usize, every: usize, count: usize, first: usize) -> Vec<(usize, usize)> {
        let extra = |code: usize| if code < extra_from { 0 } else { (code - extra_from) / every + 1 };
        let base = |code: usize| first + (0..code).map(|before| 1 << extra(before)).sum::<usize>();
        (0..count).map(|code| (base(code), extra(code))).collect()
    }

    #[test]
    fn lengths_and_distances_have_the_codes_of_the_tables() {
        let lengths = bases(8, 4, 28, 3);
        assert_eq!((lengths[8], lengths[20], lengths[27]), ((11, 1), (67, 4), (227, 5)));
        for length in 3..258 {
            let code = lengths.iter().rposition(|(base, _)| *base <= length).unwrap();
            assert_eq!(LENGTHS[length - 3], (code as u8, lengths[code].1 as u8), "{length}");
        }
        assert_eq!(LENGTHS[255], (28, 0));
        let distances = bases(4, 2, 30, 1);
        assert_eq!((distances[4], distances[29]), ((5, 1), (24_577, 13)));
        for distance in 1..=32_768 {
            let code = distances.iter().rposition(|(base, _)| *base <= distance).unwrap();
            assert_eq!(distance_code((distance - 1) as u16), (code, distances[code].1 as u32), "{distance}");
        }
    }
}
