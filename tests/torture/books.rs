//! Accounts: what the agent counted over all its lives, against what was written and what arrived.

use crate::case::Case;
use crate::support::metrics::Metrics;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use tailrace::standin::writer::{Ledger, Writer};
use tailrace::standin::{Receipts, audit, receipts};
use tailrace::store::saved::Sums;

/// Lines that are named as evidence, of each kind.
const NAMED: usize = 40;

/// Bytes that deleted files took with them, by output and `namespace/pod/container`.
type Lost = BTreeMap<(String, String), u64>;

/// What is known besides what the destinations took in.
#[derive(Default)]
pub struct Books {
    pub lives: u64,
    pub kills: u64,
    /// What is not as promised.
    pub wrong: Vec<String>,
    /// Ids in the dead-letter file of `search`.
    pub dead: HashSet<u64>,
    outputs: Vec<&'static str>,
    lost_before: Lost,
    lost_now: Lost,
    seen: BTreeMap<&'static str, u64>,
    /// Between the last fault and the end.
    pub settled: std::time::Duration,
}

/// One output's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub output: String,
    pub written: u64,
    pub delivered: u64,
    /// Not delivered and not counted.
    pub lost: u64,
    /// Not delivered, and counted under a reason: bytes of a deleted file by pod, or a dead letter.
    pub counted: u64,
    pub duplicates: u64,
    /// By the agent's own count.
    pub possible: u64,
    /// Bytes that deleted files took with them, by the agent's own count.
    pub lost_bytes: u64,
}

impl Books {
    pub fn new(only_archive: bool) -> Books {
        let outputs = if only_archive { vec!["archive"] } else { crate::world::OUTPUTS.to_vec() };
        Books { outputs, ..Books::default() }
    }
    /// A fault, or a change of `data_dir`.
    pub fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }
    pub fn notes(&self) -> String {
        let settled = self.settled.as_secs_f64();
        format!("{} lives, {} kills, settled in {settled:.1} s; {:?}", self.lives, self.kills, self.seen)
    }
    /// What the living process counts.
    pub fn look(&mut self, metrics: &Metrics) {
        for output in &self.outputs {
            let lost = metrics.by("tailrace_output_lost_pod_bytes_total", &[("output", output)], "pod");
            for (pod, bytes) in lost {
                self.lost_now.insert(((*output).to_owned(), pod), bytes as u64);
            }
        }
        // Files that were deleted while no agent ran: no lane has seen them.
        for (pod, bytes) in metrics.by("tailrace_lost_bytes_total", &[], "pod") {
            self.lost_now.insert((String::new(), pod), bytes as u64);
        }
    }
    /// Its counters by pod begin anew with the next process.
    pub fn life_ended(&mut self) {
        for (key, bytes) in std::mem::take(&mut self.lost_now) {
            *self.lost_before.entry(key).or_default() += bytes;
        }
    }
    pub fn read_dead_letters(&mut self, data_dir: &Path) {
        let file = std::fs::read(data_dir.join("dead-letter").join("search.jsonl")).unwrap_or_default();
        self.dead.extend(receipts::ids_in(&file));
    }
    fn counted(&self, output: &str, pod: &str) -> u64 {
        let keys = [(output.to_owned(), pod.to_owned()), (String::new(), pod.to_owned())];
        let counted = |lost: &Lost| keys.iter().filter_map(|key| lost.get(key)).sum::<u64>();
        counted(&self.lost_before) + counted(&self.lost_now)
    }

    /// Lines that are neither delivered nor counted, with what is known of them, and those that are counted.
    fn fates(&self, case: &Case, output: &str, ledger: &Ledger, receipts: &Receipts) -> (u64, u64, Vec<String>) {
        let mut by_pod: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        let (mut lost, mut counted, mut which) = (0, 0, Vec::new());
        receipts.with(|arrived| {
            for id in ledger.ids().filter(|id| !arrived.contains_key(id)) {
                if output == "search" && self.dead.contains(&id) {
                    counted += 1;
                } else if case.tight && ledger.removed(id) {
                    let pod = by_pod.entry(ledger.who(id).unwrap_or_default()).or_default();
                    *pod = (pod.0 + 1, pod.1 + ledger.bytes_of(id));
                } else {
                    lost += 1;
                    which.push(format!("{id:016x} of {}, its file is there", ledger.who(id).unwrap_or_default()));
                }
            }
        });
        for (pod, (lines, bytes)) in by_pod {
            let of_pod = self.counted(output, pod);
            if of_pod >= bytes {
                counted += lines;
            } else {
                lost += lines;
                which.push(format!("{lines} lines, {bytes} bytes of {pod}, of which {of_pod} are counted"));
            }
        }
        (lost, counted, which)
    }
    pub fn missing(&self, case: &Case, output: &str, ledger: &Ledger, receipts: &Receipts) -> u64 {
        if receipts.distinct() >= ledger.written() { 0 } else { self.fates(case, output, ledger, receipts).0 }
    }

    /// The account of one output; what is not as promised goes into `wrong`.
    pub fn row(&mut self, case: &Case, output: &str, writer: &Writer, receipts: &Receipts, sums: Sums) -> Row {
        let (lost, counted, which) = self.fates(case, output, writer.ledger(), receipts);
        let found = audit::compare(output, writer.ledger(), receipts);
        let row = Row {
            output: output.into(),
            written: found.written,
            delivered: found.delivered,
            lost,
            counted,
            duplicates: found.duplicates,
            possible: sums.possible_duplicates,
            lost_bytes: sums.lost_bytes,
        };
        let promised = if output == "cloudwatch" { row.possible } else { 0 };
        if lost > 0 {
            self.wrong.push(format!(
                "{output}: {lost} lines are lost, and not counted by their pod's name: {}",
                which[..which.len().min(NAMED)].join("; ")
            ));
        }
        if found.duplicates > promised && !case.may_repeat(output) {
            let named: Vec<_> = found.duplicates_named.iter().take(3).collect();
            self.wrong.push(format!("{output}: {} came twice, {promised} may have: {named:?}", found.duplicates));
        }
        if found.foreign + found.damaged > 0 || found.unsure {
            self.wrong.push(format!("{output}: {} are not what was written", found.foreign + found.damaged));
        }
        row
    }
}

/// Lines that did not arrive or came twice, and the records in which they came as far as those are kept.
pub fn evidence(output: &str, ledger: &Ledger, receipts: &Receipts) -> String {
    let mut text = format!("== {output}: {:?}\n", receipts.totals());
    let (lost, twice) = receipts.with(|arrived| {
        let lost: Vec<u64> = ledger.ids().filter(|id| !arrived.contains_key(id)).collect();
        let twice: Vec<u64> = arrived.iter().filter(|(_, n)| **n > 1).map(|(id, _)| *id).collect();
        (lost, twice)
    });
    text.push_str(&format!("{} did not arrive, {} came more than once\n", lost.len(), twice.len()));
    for id in lost.iter().take(NAMED) {
        let (who, removed) = (ledger.who(*id).unwrap_or_default(), ledger.removed(*id));
        let open = ledger.unfinished(*id);
        text.push_str(&format!("missing {id:016x} of {who}, file deleted: {removed}, never ended: {open}\n"));
    }
    let (kept, damaged) = (receipts.kept(), receipts.damaged());
    for id in damaged.iter().chain(twice.iter().take(NAMED)) {
        text.push_str(&format!(
            "{id:016x} of {}, {} times\n",
            ledger.who(*id).unwrap_or_default(),
            receipts.count(*id)
        ));
        for record in kept.iter().filter(|k| receipts::ids_in(&k.text).any(|found| found == *id)) {
            let body = String::from_utf8_lossy(&record.text);
            let most = if damaged.contains(id) { 60_000 } else { 300 };
            text.push_str(&format!("    {} {} {} {body:.most$}\n", record.place, record.name, record.time));
        }
    }
    text
}

/// Numbers in columns below their names.
pub fn table(ended: &[crate::world::Ended]) -> String {
    let heads = ["world", "output", "written", "delivered", "lost", "counted", "duplicates", "possible", "bytes lost"];
    let mut lines = vec![heads.map(str::to_owned)];
    for world in ended {
        for row in &world.rows {
            let numbers =
                [row.written, row.delivered, row.lost, row.counted, row.duplicates, row.possible, row.lost_bytes];
            let [a, b, c, d, e, f, g] = numbers.map(|n| n.to_string());
            let possible = if row.output == "cloudwatch" { f } else { "-".into() };
            lines.push([world.case.name.into(), row.output.clone(), a, b, c, d, e, possible, g]);
        }
    }
    let width = |at: usize| lines.iter().map(|l| l[at].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            text.push_str(&if at < 2 { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") });
        }
        text.push('\n');
    }
    for world in ended {
        text.push_str(&format!("{}: {}\n", world.case.name, world.notes));
    }
    text
}
