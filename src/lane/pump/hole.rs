//! Bytes that nobody wrote, in the middle of what is read.

use super::text::keep_tail;
use super::{BLOCK, Env, Pump};
use crate::lane::format::Format;
use crate::record::Mark;

impl Pump {
    /// From the place `next` named up to `to` nothing was ever written: dropped in one go. A line that it stands in ends
    /// where it begins, and another one begins behind it; joins do not see it.
    pub fn hole<F: Format>(&mut self, format: &mut F, env: &Env<'_>, to: u64) {
        let Some(mut cursor) = self.cursor.take() else { return };
        let from = cursor.at;
        let to = to.min(cursor.end);
        if to <= from {
            self.cursor = Some(cursor);
            return self.block(format, env, &[]);
        }
        if !cursor.carry.is_empty() {
            let carry = std::mem::take(&mut cursor.carry);
            let start = from - carry.len() as u64;
            self.whole_line(format, env, &mut cursor, &[], &carry, (start, from));
        }
        if !(self.sink.stopped() || self.looked_enough(&cursor)) {
            if !cursor.passing {
                self.sink.drop_hole(to - from);
                *self.holes.entry(cursor.file).or_default() += to - from;
                // Not for nothing either: a file may consist of them.
                self.over_holes += BLOCK as u64;
            }
            let nuls = [0; Mark::MAX];
            let nuls = nuls.get(..usize::try_from(to - from).unwrap_or(Mark::MAX)).unwrap_or(&nuls);
            keep_tail(&mut cursor, nuls);
            (cursor.at, cursor.upto, cursor.long) = (to, to, None);
        }
        self.cursor = Some(cursor);
    }
}
