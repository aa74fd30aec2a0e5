//! What is worth a line in our own log, found by comparing an output's report with the one before.
//!
//! A lane does no I/O, so it does not log: what it publishes tells the same. One line when trouble begins, one when it
//! ends, one when records are lost or given up; the log's own limit does the rest. Finding them is pure.

use super::advice;
use super::report::{LaneReport, reason_label};
use std::collections::{BTreeMap, BTreeSet};

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// The whole output waits.
    Parked { code: String, say: String },
    /// It delivers again.
    Unparked,
    /// A first key waits, or one for another reason than those before.
    KeyParked { key: String, code: String, say: String, keys: usize },
    /// No key waits any more.
    KeysUnparked,
    /// Behind, and nothing was settled for `stall_after`.
    Stalled { lag_bytes: u64 },
    /// Something was settled again.
    Unstalled,
    /// Bytes were deleted before they were read; those of this pod most.
    Lost { bytes: u64, who: String },
    /// Parts of a log that nobody wrote were passed over; those of this pod most.
    Holes { bytes: u64, who: String },
    /// Records went to the dead-letter file, with the service's codes.
    DeadLettered { records: u64, codes: String },
    /// Records were dropped for a reason that is not the user's own filter or a pod's wish.
    Dropped { records: u64, reason: &'static str },
}

/// What is new since `old`. `old` is `None` for an output's first report: sums of earlier lives are no news.
pub(super) fn changes(old: Option<&LaneReport>, new: &LaneReport) -> Vec<Notice> {
    let mut out = Vec::new();
    let first = LaneReport { sums: new.sums.clone(), ..LaneReport::default() };
    let old = old.unwrap_or(&first);
    match (&old.lane_parked, &new.lane_parked) {
        (None, Some((code, say))) => {
            out.push(Notice::Parked { code: code.to_string(), say: advice::say(code, say).into_owned() });
        }
        (Some((was, _)), Some((code, say))) if was != code => {
            out.push(Notice::Parked { code: code.to_string(), say: advice::say(code, say).into_owned() });
        }
        (Some(_), None) => out.push(Notice::Unparked),
        (None, None) | (Some(_), Some(_)) => {}
    }
    keys(old, new, &mut out);
    match (old.stalled, new.stalled) {
        (false, true) => out.push(Notice::Stalled { lag_bytes: new.lag_bytes }),
        (true, false) => out.push(Notice::Unstalled),
        (true, true) | (false, false) => {}
    }
    fates(old, new, &mut out);
    out
}

fn keys(old: &LaneReport, new: &LaneReport, out: &mut Vec<Notice>) {
    if new.parked.is_empty() {
        if !old.parked.is_empty() {
            out.push(Notice::KeysUnparked);
        }
        return;
    }
    if old.parked.len() == new.parked.len() {
        return;
    }
    let known: BTreeSet<&str> = old.parked.iter().map(|p| p.code.as_str()).collect();
    if let Some(p) = new.parked.iter().find(|p| !known.contains(p.code.as_str())) {
        let (code, say) = (p.code.to_string(), advice::say(&p.code, &p.say).into_owned());
        out.push(Notice::KeyParked { key: p.key.clone(), code, say, keys: new.parked.len() });
    }
}

fn fates(old: &LaneReport, new: &LaneReport, out: &mut Vec<Notice>) {
    let bytes = new.sums.lost_bytes.saturating_sub(old.sums.lost_bytes);
    if bytes > 0 {
        out.push(Notice::Lost { bytes, who: most(&old.lost, &new.lost) });
    }
    let sum = |of: &LaneReport| of.holes.values().fold(0, |sum: u64, bytes| sum.saturating_add(*bytes));
    let bytes = sum(new).saturating_sub(sum(old));
    if bytes > 0 {
        out.push(Notice::Holes { bytes, who: most(&old.holes, &new.holes) });
    }
    let records = new.sums.dead_lettered.0.saturating_sub(old.sums.dead_lettered.0);
    if records > 0 {
        let grown = new.rejected.iter().filter(|(code, n)| old.rejected.get(*code) != Some(*n));
        let codes: Vec<&str> = grown.map(|(code, _)| code.as_str()).take(5).collect();
        out.push(Notice::DeadLettered { records, codes: codes.join(" ") });
    }
    for (index, (was, is)) in old.sums.dropped.iter().zip(new.sums.dropped).enumerate() {
        let (records, reason) = (is.0.saturating_sub(was.0), reason_label(index));
        // A hole is no record.
        if records > 0 && !matches!(reason, "filtered" | "excluded" | "hole") {
            out.push(Notice::Dropped { records, reason });
        }
    }
}

/// Whose bytes grew most.
fn most(old: &BTreeMap<String, u64>, new: &BTreeMap<String, u64>) -> String {
    let grown = |(who, n): &(&String, &u64)| n.saturating_sub(old.get(*who).copied().unwrap_or(0));
    new.iter().max_by_key(grown).map(|(who, _)| who.clone()).unwrap_or_default()
}

/// Writes them.
pub(super) fn log(output: &str, to: &str, notices: Vec<Notice>) {
    for notice in notices {
        match notice {
            Notice::Parked { code, say } => {
                tracing::warn!(output, to, code, say, "the whole output waits and tries again");
            }
            Notice::Unparked => tracing::info!(output, "the output delivers again"),
            Notice::KeyParked { key, code, say, keys } => {
                tracing::warn!(
                    output,
                    to,
                    key,
                    code,
                    say,
                    keys,
                    "a destination within the output waits and is tried again"
                );
            }
            Notice::KeysUnparked => tracing::info!(output, "no destination of the output waits any more"),
            Notice::Stalled { lag_bytes } => {
                tracing::error!(output, lag_bytes, "stalled: behind, and nothing was settled")
            }
            Notice::Unstalled => tracing::info!(output, "no longer stalled"),
            Notice::Lost { bytes, who } => {
                tracing::error!(output, bytes, who, "log files were deleted before they were read")
            }
            Notice::Holes { bytes, who } => {
                tracing::warn!(output, bytes, who, "a log file has holes, where nobody wrote: they are passed over")
            }
            Notice::DeadLettered { records, codes } => {
                tracing::warn!(output, records, codes, "records that cannot be delivered are in the dead-letter file");
            }
            Notice::Dropped { records, reason } => tracing::warn!(output, records, reason, "records were dropped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::batch::Code;
    use crate::store::saved::Sums;
    use crate::telemetry::report::Parked;

    fn parked(codes: &[&str]) -> LaneReport {
        let key = |code: &&str| Parked {
            key: "k".into(),
            code: Code::new(code),
            say: String::new(),
            since: 0,
            waiting_bytes: 1,
        };
        LaneReport { parked: codes.iter().map(key).collect(), ..LaneReport::default() }
    }

    fn whole(code: Option<&str>) -> LaneReport {
        LaneReport { lane_parked: code.map(|c| (Code::new(c), String::new())), ..LaneReport::default() }
    }

    fn sums(dead: u64, too_old: u64, filtered: u64, lost_bytes: u64) -> LaneReport {
        let dropped = [(too_old, 0), (0, 0), (0, 0), (filtered, 0), (filtered, 0), (0, 0)];
        let sums = Sums { dead_lettered: (dead, 0), dropped, lost_bytes, ..Sums::default() };
        LaneReport { sums, ..LaneReport::default() }
    }

    #[test]
    fn trouble_is_told_when_it_begins_changes_and_ends_and_not_between() {
        let began = changes(None, &whole(Some("dns")));
        assert!(matches!(&began[..], [Notice::Parked { code, say }] if code == "dns" && say.contains("looked up")));
        assert!(changes(Some(&whole(Some("dns"))), &whole(Some("dns"))).is_empty());
        assert_eq!(changes(Some(&whole(Some("dns"))), &whole(Some("tls"))).len(), 1);
        assert_eq!(changes(Some(&whole(Some("tls"))), &whole(None)), [Notice::Unparked]);
        let stalled = LaneReport { stalled: true, lag_bytes: 5, ..LaneReport::default() };
        assert_eq!(changes(Some(&whole(None)), &stalled), [Notice::Stalled { lag_bytes: 5 }]);
        assert_eq!(changes(Some(&stalled), &whole(None)), [Notice::Unstalled]);
    }

    #[test]
    fn of_many_parked_keys_each_reason_is_told_once() {
        let told = changes(Some(&parked(&[])), &parked(&["403", "403"]));
        assert!(matches!(&told[..], [Notice::KeyParked { code, keys: 2, .. }] if code == "403"));
        assert!(changes(Some(&parked(&["403"])), &parked(&["403", "403", "403"])).is_empty());
        assert_eq!(changes(Some(&parked(&["403"])), &parked(&["403", "index_closed"])).len(), 1);
        assert!(changes(Some(&parked(&["403", "403"])), &parked(&["403"])).is_empty());
        assert_eq!(changes(Some(&parked(&["403"])), &parked(&[])), [Notice::KeysUnparked]);
    }

    #[test]
    fn losses_are_told_by_how_much_and_earlier_lives_and_filters_are_no_news() {
        assert!(changes(None, &sums(7, 7, 7, 7)).is_empty());
        assert!(changes(Some(&sums(0, 0, 0, 0)), &sums(0, 0, 9, 0)).is_empty());
        let mut new = sums(3, 2, 0, 100);
        new.lost = [("a/b/c".to_owned(), 90), ("d/e/f".to_owned(), 300)].into();
        new.rejected = [(Code::new("mapper"), 3), (Code::new("old"), 1)].into();
        let old = LaneReport {
            lost: [("d/e/f".to_owned(), 290)].into(),
            rejected: [(Code::new("old"), 1)].into(),
            ..sums(0, 0, 0, 0)
        };
        assert_eq!(
            changes(Some(&old), &new),
            [
                Notice::Lost { bytes: 100, who: "a/b/c".into() },
                Notice::DeadLettered { records: 3, codes: "mapper".into() },
                Notice::Dropped { records: 2, reason: "too_old" },
            ]
        );
    }
}
