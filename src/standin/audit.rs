//! What a writer wrote against what a stand-in took in: delivered, lost, twice.

use super::receipts::Receipts;
use super::writer::Ledger;

/// Ids that are named of each kind.
const NAMED: usize = 10;

/// One output's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The output's name.
    pub output: String,
    /// Ids written.
    pub written: u64,
    /// Ids that arrived at least once.
    pub delivered: u64,
    /// Ids that did not arrive.
    pub lost: u64,
    /// Of these, ids whose file has been deleted.
    pub lost_with_file: u64,
    /// The first of the lost: id, and who wrote it.
    pub lost_named: Vec<(u64, String)>,
    /// Arrivals of a record beyond its first; a record with two ids counts once.
    pub duplicates: u64,
    /// The first ids that came more than once, and who wrote them.
    pub duplicates_named: Vec<(u64, String)>,
    /// Ids that arrived and were never written.
    pub foreign: u64,
    /// Records whose text is not the one that was written.
    pub damaged: u64,
    /// The receipt table was full: the numbers above are not the whole truth.
    pub unsure: bool,
}

impl Outcome {
    /// Nothing lost, nothing invented, nothing changed. Duplicates are judged by who knows what is promised.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.foreign == 0 && self.damaged == 0 && !self.unsure
    }
}

/// Compares.
pub fn compare(output: &str, ledger: &Ledger, receipts: &Receipts) -> Outcome {
    let totals = receipts.totals();
    let mut out = Outcome {
        output: output.to_owned(),
        written: ledger.written(),
        damaged: totals.damaged,
        unsure: totals.full,
        ..Outcome::default()
    };
    let named = |id: u64| (id, ledger.who(id).unwrap_or("").to_owned());
    // Of the ids of one record.
    let mut most = 0;
    receipts.with(|arrived| {
        for id in ledger.ids() {
            match arrived.get(&id).copied().unwrap_or(0) {
                0 => {
                    most = if ledger.second(id) { most } else { 0 };
                    out.lost += 1;
                    out.lost_with_file += u64::from(ledger.removed(id));
                    if out.lost_named.len() < NAMED {
                        out.lost_named.push(named(id));
                    }
                }
                times => {
                    out.delivered += 1;
                    let more = u64::from(times - 1);
                    out.duplicates += if ledger.second(id) { more.saturating_sub(most) } else { more };
                    most = if ledger.second(id) { most.max(more) } else { more };
                    if times > 1 && out.duplicates_named.len() < NAMED {
                        out.duplicates_named.push(named(id));
                    }
                }
            }
        }
        out.foreign = arrived.keys().filter(|id| !ledger.has(**id)).count() as u64;
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Now;
    use crate::standin::receipts::Taken;
    use crate::standin::writer::{Options, Plan, Shape};
    use std::time::Duration;

    fn arrive(receipts: &Receipts, text: &str) {
        receipts.take([Taken { place: "", name: "", time: 0, text: text.as_bytes() }].into_iter());
    }

    #[test]
    fn what_is_missing_double_strange_or_changed_is_told_apart() {
        let now = Now { mono: Duration::ZERO, unix_ns: 0 };
        let mut plan = Plan::new(1, Options { pods: 1, mix: vec![(Shape::Text, 1)], ..Options::default() });
        plan.begin(now);
        plan.lines(now, 4);
        let ids: Vec<u64> = plan.ledger().ids().collect();
        let receipts = Receipts::new(100, 0);
        for id in [ids[0], ids[1], ids[1], ids[1]] {
            arrive(&receipts, &format!("tr={id:016x}"));
        }
        arrive(&receipts, &format!("{{\"log\":\"tr={:016x} sum=00000000\"}}", ids[2]));
        arrive(&receipts, "tr=0000000000000001");
        arrive(&receipts, "no id");
        let got = compare("s3", plan.ledger(), &receipts);
        assert_eq!((got.written, got.delivered, got.lost, got.lost_with_file), (4, 3, 1, 0));
        assert_eq!((got.duplicates, got.foreign, got.damaged, got.unsure), (2, 1, 1, false));
        assert_eq!(got.lost_named[0].0, ids[3]);
        assert!(got.lost_named[0].1.ends_with("/main"), "{:?}", got.lost_named);
        assert_eq!(got.duplicates_named.len(), 1);
        assert!(!got.is_clean());
        assert_eq!(receipts.totals().without_id, 1);
    }

    #[test]
    fn a_full_table_is_admitted() {
        let now = Now { mono: Duration::ZERO, unix_ns: 0 };
        let mut plan = Plan::new(1, Options { pods: 1, mix: vec![(Shape::Text, 1)], ..Options::default() });
        plan.begin(now);
        plan.lines(now, 3);
        let receipts = Receipts::new(2, 0);
        for id in plan.ledger().ids() {
            arrive(&receipts, &format!("tr={id:016x}"));
        }
        let got = compare("s3", plan.ledger(), &receipts);
        assert!(got.unsure && got.delivered == 2);
    }
}
