//! Sets of byte ranges of one file: sorted, disjoint, never touching; each range ends in a mark.
//!
//! Pure bookkeeping under the ledger: insert merges, remove splits, `gap` finds what is not covered.

use crate::record::Mark;

/// One range and the proof at its end ([`Mark::NONE`] where there is none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// Proof at `end`.
    pub mark: Mark,
}

/// Sorted, disjoint, not touching ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanSet(Vec<Range>);

impl SpanSet {
    /// The ranges, ascending.
    pub fn ranges(&self) -> &[Range] {
        &self.0
    }
    /// How many ranges.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Covers nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Bytes covered.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|r| r.end - r.start).sum()
    }

    /// Adds a range; what it touches or overlaps becomes one range with the mark of the later end.
    pub fn insert(&mut self, start: u64, end: u64, mark: Mark) {
        if start >= end {
            return;
        }
        let first = self.0.partition_point(|r| r.end < start);
        let last = self.0.partition_point(|r| r.start <= end);
        let mut merged = Range { start, end, mark };
        if let Some(touched) = self.0.get(first..last) {
            for r in touched {
                merged.start = merged.start.min(r.start);
                if r.end > merged.end {
                    merged.end = r.end;
                    merged.mark = r.mark;
                } else if r.end == merged.end && merged.mark.len == 0 {
                    merged.mark = r.mark;
                }
            }
        }
        // Most files have one range at a time, and there are thousands of files.
        self.0.reserve_exact(usize::from(self.0.is_empty()));
        self.0.splice(first..last, [merged]);
    }

    /// Takes a range out. What stays below it loses its mark: the bytes at the new end are not known here.
    pub fn remove(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let first = self.0.partition_point(|r| r.end <= start);
        let last = self.0.partition_point(|r| r.start < end);
        let mut rest = Vec::with_capacity(2);
        if let Some(touched) = self.0.get(first..last) {
            for r in touched {
                if r.start < start {
                    rest.push(Range { start: r.start, end: start, mark: Mark::NONE });
                }
                if r.end > end {
                    rest.push(Range { start: end, end: r.end, mark: r.mark });
                }
            }
        }
        self.0.splice(first..last, rest);
        self.tidy();
    }

    /// Whether the byte at `at` is covered; then the end of its range.
    pub fn covering(&self, at: u64) -> Option<u64> {
        let i = self.0.partition_point(|r| r.end <= at);
        self.0.get(i).filter(|r| r.start <= at).map(|r| r.end)
    }
    /// Start of the first range above `at`.
    pub fn next_start(&self, at: u64) -> Option<u64> {
        let i = self.0.partition_point(|r| r.start <= at);
        self.0.get(i).map(|r| r.start)
    }
    /// The mark of the range that ends exactly at `at`.
    pub fn mark_at(&self, at: u64) -> Option<Mark> {
        let i = self.0.partition_point(|r| r.end < at);
        self.0.get(i).filter(|r| r.end == at).map(|r| r.mark)
    }
    /// Removes and returns the first range if it begins at or below `low`.
    pub fn pop_reached(&mut self, low: u64) -> Option<Range> {
        let first = *self.0.first()?;
        if first.start > low {
            return None;
        }
        self.0.remove(0);
        self.tidy();
        Some(first)
    }
    /// An empty set owns no memory.
    fn tidy(&mut self) {
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn touching_ranges_become_one_with_the_later_mark() {
        let (a, b) = (Mark::of(10, b"a"), Mark::of(20, b"b"));
        let mut set = SpanSet::default();
        set.insert(10, 20, b);
        set.insert(0, 10, a);
        assert_eq!(set.ranges(), &[Range { start: 0, end: 20, mark: b }]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_bytes(ops in proptest::collection::vec((any::<bool>(), 0u64..60, 1u64..20), 1..60)) {
            let mut set = SpanSet::default();
            let mut model = [false; 100];
            for (add, start, len) in ops {
                let end = start + len;
                if add { set.insert(start, end, Mark::NONE) } else { set.remove(start, end) }
                model[start as usize..end as usize].fill(add);
                for (at, covered) in model.iter().enumerate() {
                    prop_assert_eq!(set.covering(at as u64).is_some(), *covered);
                }
                for pair in set.ranges().windows(2) {
                    prop_assert!(pair[0].end < pair[1].start);
                }
                prop_assert_eq!(set.bytes(), model.iter().filter(|c| **c).count() as u64);
            }
        }
    }
}
