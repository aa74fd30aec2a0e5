//! What stands in front of a block with codes of its own: their lengths (RFC 1951, section 3.2.7).

use super::bits::Bits;
use super::block::{DISTANCE_CODES, LITERAL_CODES, Lengths};
use super::huffman::{codes, lengths};

/// Lengths of both alphabets, run-length coded.
pub(super) struct Header {
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
    pub(super) fn new(of: &Lengths) -> Header {
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
    pub(super) fn cost(&self) -> u64 {
        let runs = self.runs[..self.count].iter();
        let bits =
            runs.map(|(symbol, _)| u32::from(self.lengths[usize::from(*symbol)]) + run_extra(*symbol)).sum::<u32>();
        u64::from(bits) + 14 + 3 * self.sent as u64
    }

    pub(super) fn write(&self, to: &mut Bits) {
        to.put((self.literals - 257) as u64, 5);
        to.put((self.distances - 1) as u64, 5);
        to.put((self.sent - 4) as u64, 4);
        for symbol in &ORDER[..self.sent] {
            to.put(u64::from(self.lengths[*symbol]), 3);
        }
        let codes = codes(&self.lengths);
        for (symbol, extra) in &self.runs[..self.count] {
            let code = codes[usize::from(*symbol)];
            to.put(u64::from(code.bits) | u64::from(*extra) << code.len, code.len + run_extra(*symbol));
        }
    }
}
