//! A block (RFC 1951, section 3.2): tokens to bits, by codes of its own, by the fixed ones, or stored as it was,
//! whichever takes the fewest bits.

use super::bits::Bits;
use super::huffman::{Code, LONGEST, codes, lengths};
use super::tokens::Tokens;

/// Literals, the end of the block, lengths.
const LITERAL_CODES: usize = 288;
const DISTANCE_CODES: usize = 30;
const END: usize = 256;

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
struct Lengths {
    literals: [u8; LITERAL_CODES],
    distances: [u8; DISTANCE_CODES],
}

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
        // Two tables, so that runs of one byte do not wait for each other.
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
        counts.literals[END] = 1;
        let (mut lengths, mut distances) = ([0u32; 256], [0u32; 32]);
        for one in tokens.matches() {
            lengths[usize::from(one.length)] += 1;
            distances[distance_code(one.distance).0] += 1;
        }
        for (count, (code, extra)) in lengths.iter().zip(LENGTHS) {
            counts.literals[END + 1 + usize::from(code)] += count;
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
        coded(tokens, &own, to);
    } else {
        to.put(last | 1 << 1, 3);
        coded(tokens, &FIXED, to);
    }
}

/// Fewer than 64 KiB as they are (section 3.2.4), ending with a whole byte; without bytes: what zlib calls a sync flush.
pub(super) fn stored(plain: [&[u8]; 2], last: bool, to: &mut Bits) {
    to.put(u64::from(last), 3);
    to.align();
    let len = plain.iter().map(|part| part.len() as u64).sum::<u64>();
    to.put(len | (!len & 0xffff) << 16, 32);
    to.settle();
    plain.iter().for_each(|part| to.bytes(part));
}

fn coded(tokens: &Tokens, by: &Lengths, to: &mut Bits) {
    to.settle();
    let codes_of = codes(&by.literals);
    let distances = codes(&by.distances);
    let mut literals = [Code::default(); 256];
    literals.copy_from_slice(&codes_of[..256]);
    let mut matches = [Code::default(); 256];
    for (at, (to, (code, extra))) in matches.iter_mut().zip(LENGTHS).enumerate() {
        let code = codes_of[END + 1 + usize::from(code)];
        let low = at as u32 & ((1 << extra) - 1);
        *to = Code { bits: code.bits | low << code.len, len: code.len + u32::from(extra) };
    }
    let mut distance_codes = [Code::default(); 32];
    distance_codes[..DISTANCE_CODES].copy_from_slice(&distances);
    let mut rest = tokens.literals();
    for one in tokens.matches() {
        let (now, later) = rest.split_at(usize::from(one.literals).min(rest.len()));
        rest = later;
        put_literals(now, &literals, to);
        let length = matches[usize::from(one.length)];
        let (code, extra) = distance_code(one.distance);
        let distance = distance_codes[code];
        let low = u64::from(one.distance) & ((1 << extra) - 1);
        to.put(u64::from(length.bits), length.len);
        to.put(u64::from(distance.bits) | low << distance.len, distance.len + extra);
        to.settle();
    }
    put_literals(rest, &literals, to);
    let end = codes_of[END];
    to.put(u64::from(end.bits), end.len);
    to.settle();
}

#[inline(always)]
fn put_literals(bytes: &[u8], codes: &[Code; 256], to: &mut Bits) {
    let (fours, rest) = bytes.as_chunks::<4>();
    for four in fours {
        for byte in four {
            let code = codes[usize::from(*byte)];
            to.put(u64::from(code.bits), code.len);
        }
        to.settle();
    }
    for byte in rest {
        let code = codes[usize::from(*byte)];
        to.put(u64::from(code.bits), code.len);
    }
    to.settle();
}

/// Lengths of both alphabets, run-length coded (section 3.2.7).
struct Header {
    /// Symbol, and its extra bits.
    runs: [(u8, u8); LITERAL_CODES + DISTANCE_CODES],
    count: usize,
    lengths: [u8; 19],
    literals: usize,
    distances: usize,
    /// Lengths of run codes that are sent.
    sent: usize,
}

/// The order in which the lengths of the run codes are sent.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

fn run_extra(symbol: u8) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        0..=15 | 19.. => 0,
    }
}

impl Header {
    fn new(of: &Lengths) -> Header {
        let used = |lengths: &[u8], least: usize| {
            lengths.iter().rposition(|len| *len > 0).map_or(least, |last| (last + 1).max(least))
        };
        let (literals, distances) = (used(&of.literals, 257), used(&of.distances, 1));
        let mut all = [0; LITERAL_CODES + DISTANCE_CODES];
        all[..literals].copy_from_slice(&of.literals[..literals]);
        all[literals..literals + distances].copy_from_slice(&of.distances[..distances]);
        let mut header = Header {
            runs: [(0, 0); LITERAL_CODES + DISTANCE_CODES],
            count: 0,
            lengths: [0; 19],
            literals,
            distances,
            sent: 0,
        };
        let mut counts = [0; 19];
        let mut rest = &all[..literals + distances];
        while let Some(&len) = rest.first() {
            let run = rest.iter().take_while(|other| **other == len).count();
            let mut left = run;
            let mut push = |symbol: u8, extra: u8| {
                header.runs[header.count] = (symbol, extra);
                header.count += 1;
                counts[usize::from(symbol)] += 1;
            };
            if len > 0 {
                push(len, 0);
                left -= 1;
            }
            while left > 0 {
                let (symbol, least, most) = match (len, left) {
                    (0, 11..) => (18, 11, 138),
                    (0, 3..) => (17, 3, 10),
                    (1.., 3..) => (16, 3, 6),
                    (symbol, _) => (symbol, 1, 1),
                };
                let now = left.min(most);
                push(symbol, (now - least) as u8);
                left -= now;
            }
            rest = &rest[run..];
        }
        header.lengths = lengths(&counts, 7);
        header.sent = ORDER.iter().rposition(|symbol| header.lengths[*symbol] > 0).map_or(4, |last| (last + 1).max(4));
        header
    }

    /// Bits of it.
    fn cost(&self) -> u64 {
        let runs = self.runs[..self.count].iter();
        let bits =
            runs.map(|(symbol, _)| u32::from(self.lengths[usize::from(*symbol)]) + run_extra(*symbol)).sum::<u32>();
        u64::from(bits) + 14 + 3 * self.sent as u64
    }

    fn write(&self, to: &mut Bits) {
        to.put((self.literals - 257) as u64, 5);
        to.put((self.distances - 1) as u64, 5);
        to.put((self.sent - 4) as u64, 4);
        to.settle();
        for symbol in &ORDER[..self.sent] {
            to.put(u64::from(self.lengths[*symbol]), 3);
            to.settle();
        }
        let codes = codes(&self.lengths);
        for (symbol, extra) in &self.runs[..self.count] {
            let code = codes[usize::from(*symbol)];
            to.put(u64::from(code.bits) | u64::from(*extra) << code.len, code.len + run_extra(*symbol));
            to.settle();
        }
    }
}
