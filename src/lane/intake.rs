//! What a lane read, by input. Put down when a file's gap is through: a few comparisons a gap, nothing per record.

use crate::telemetry::report::Read;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One plan's reading. The pump's sums only grow; what they grew since the last note belongs to the file just read.
#[derive(Debug, Default)]
pub struct Intake {
    /// A plan reads files of one key: almost always one input.
    inputs: Vec<(Arc<str>, Read)>,
    noted: Read,
}

impl Intake {
    /// The sums are `now`; the difference to the last note is of this input.
    pub fn note(&mut self, input: &Arc<str>, now: Read) {
        let before = std::mem::replace(&mut self.noted, now);
        let more = Read {
            lines: now.lines.saturating_sub(before.lines),
            records: now.records.saturating_sub(before.records),
            bytes: now.bytes.saturating_sub(before.bytes),
        };
        match self.inputs.iter_mut().find(|(name, _)| name == input) {
            Some((_, sum)) => sum.add(more),
            None => self.inputs.push((input.clone(), more)),
        }
    }
    /// Adds the plan's reading to the lane's.
    pub fn add_to(&mut self, lane: &mut BTreeMap<Arc<str>, Read>) {
        for (input, read) in self.inputs.drain(..) {
            lane.entry(input).or_default().add(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: u64, records: u64, bytes: u64) -> Read {
        Read { lines, records, bytes }
    }

    #[test]
    fn each_input_gets_what_the_sums_grew_by_while_its_files_were_read() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let mut plan = Intake::default();
        plan.note(&a, read(3, 2, 30));
        plan.note(&b, read(4, 3, 40));
        plan.note(&a, read(9, 8, 90));
        let mut lane = BTreeMap::from([(b.clone(), read(1, 1, 1))]);
        plan.add_to(&mut lane);
        assert_eq!(lane, BTreeMap::from([(a, read(8, 7, 80)), (b, read(2, 2, 11))]));
    }
}
