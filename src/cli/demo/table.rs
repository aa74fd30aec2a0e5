//! What became of the lines, as a table, and whether it is what Tailrace promises. Pure.

use super::agent::Usage;
use std::time::Duration;

/// One output's account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub output: String,
    /// How it was found out.
    pub count: Count,
    /// Plain bytes of the files that it settled.
    pub bytes_in: u64,
    /// Bytes of request bodies.
    pub wire: u64,
    /// Requests, of all sorts.
    pub requests: u64,
    /// Records that the agent itself counts as possibly sent twice.
    pub possible: u64,
    /// Whether records may come twice here, up to `possible`.
    pub at_least_once: bool,
}

/// Lines, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Count {
    /// The demo wrote the lines: each id is known.
    Known {
        /// Ids written.
        written: u64,
        /// Ids that arrived.
        delivered: u64,
        /// Ids that did not.
        lost: u64,
        /// Arrivals beyond the first.
        duplicates: u64,
        /// Records whose text was changed, or that nobody wrote.
        wrong: u64,
    },
    /// Somebody else's files: what the agent says against what arrived.
    Told {
        /// Records that the agent counts as delivered.
        delivered: u64,
        /// Records that it dropped or put into the dead-letter file.
        elsewhere: u64,
        /// Records that arrived.
        arrived: u64,
    },
}

impl Default for Count {
    fn default() -> Count {
        Count::Told { delivered: 0, elsewhere: 0, arrived: 0 }
    }
}

/// The table.
pub fn table(rows: &[Row]) -> String {
    let known = rows.iter().any(|r| matches!(r.count, Count::Known { .. }));
    let heads: &[&str] = if known {
        &["output", "written", "delivered", "lost", "duplicates", "bytes in", "on the wire", "requests"]
    } else {
        &["output", "delivered", "not delivered", "arrived", "bytes in", "on the wire", "requests"]
    };
    let mut lines = vec![heads.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()];
    for row in rows {
        let mut line = vec![row.output.clone()];
        match &row.count {
            Count::Known { written, delivered, lost, duplicates, .. } => {
                line.extend([written, delivered, lost, duplicates].map(|n| grouped(*n)));
            }
            Count::Told { delivered, elsewhere, arrived } => {
                line.extend([delivered, elsewhere, arrived].map(|n| grouped(*n)));
            }
        }
        line.extend([size(row.bytes_in), size(row.wire), grouped(row.requests)]);
        lines.push(line);
    }
    let width = |at: usize| lines.iter().filter_map(|l| l.get(at)).map(|cell| cell.len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (at, (cell, width)) in line.iter().zip(&widths).enumerate() {
            text.push_str(&if at == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") });
        }
        text.push('\n');
    }
    text
}

/// What is not as promised, one sentence each. Empty: all is well.
pub fn complaints(rows: &[Row]) -> Vec<String> {
    let mut all = Vec::new();
    for row in rows {
        let name = &row.output;
        let allowed = if row.at_least_once { row.possible } else { 0 };
        match &row.count {
            Count::Known { lost, duplicates, wrong, .. } => {
                if *lost > 0 {
                    all.push(format!("{name}: {} were lost", grouped(*lost)));
                }
                if *duplicates > allowed {
                    let more = format!(
                        "{} came twice, {} may have by the agent's count",
                        grouped(*duplicates),
                        grouped(allowed)
                    );
                    all.push(format!("{name}: {more}"));
                }
                if *wrong > 0 {
                    all.push(format!("{name}: {} are not what was written", grouped(*wrong)));
                }
            }
            Count::Told { delivered, arrived, .. } if arrived < delivered => {
                all.push(format!(
                    "{name}: {} were counted as delivered and did not arrive",
                    grouped(delivered - arrived)
                ));
            }
            // A record of more than a megabyte goes to CloudWatch in several events.
            Count::Told { delivered, arrived, .. } if arrived - delivered > allowed && !row.at_least_once => {
                all.push(format!("{name}: {} more arrived than were delivered", grouped(arrived - delivered)));
            }
            Count::Told { .. } => {}
        }
    }
    let totals = |row: &Row| match &row.count {
        Count::Told { delivered, elsewhere, .. } => delivered + elsewhere,
        Count::Known { written, .. } => *written,
    };
    if let Some((first, rest)) = rows.split_first()
        && let Some(other) = rest.iter().find(|row| totals(row) != totals(first))
    {
        let (a, b) = (grouped(totals(first)), grouped(totals(other)));
        all.push(format!("{} saw {a} records, {} {b}", first.output, other.output));
    }
    all
}

/// What it cost.
pub fn cost(usage: Usage, ran: Duration) -> String {
    let (user, system) = (usage.user.as_secs_f64(), usage.system.as_secs_f64());
    let build = if cfg!(debug_assertions) { " (a debug build: a release needs a fraction)" } else { "" };
    format!(
        "agent: {:.2} s of CPU in {:.0} s (user {user:.2}, system {system:.2}){build}, {} of memory at most\n",
        user + system,
        ran.as_secs_f64(),
        size(usage.peak)
    )
}

/// `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, c) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(output: &str, lost: u64, duplicates: u64) -> Row {
        let count = Count::Known { written: 1_234_567, delivered: 1_234_567 - lost, lost, duplicates, wrong: 0 };
        Row { output: output.into(), count, bytes_in: 5 << 20, wire: 2_048, requests: 9, ..Row::default() }
    }

    #[test]
    fn numbers_stand_below_their_names() {
        let text = table(&[known("cloudwatch", 0, 0), known("s3", 12, 0)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "output        written  delivered  lost  duplicates  bytes in  on the wire  requests");
        assert_eq!(lines[2], "s3          1,234,567  1,234,555    12           0   5.0 MiB      2.0 KiB         9");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn only_what_is_promised_passes() {
        let cloudwatch = Row { at_least_once: true, possible: 5, ..known("cloudwatch", 0, 5) };
        assert_eq!(complaints(&[cloudwatch.clone(), known("s3", 0, 0)]), Vec::<String>::new());
        let more = Row { possible: 4, ..cloudwatch };
        assert_eq!(complaints(&[more]), ["cloudwatch: 5 came twice, 4 may have by the agent's count"]);
        assert_eq!(complaints(&[known("s3", 1_000, 0)]), ["s3: 1,000 were lost"]);
        assert_eq!(complaints(&[known("s3", 0, 1)]), ["s3: 1 came twice, 0 may have by the agent's count"]);
    }

    #[test]
    fn others_files_are_judged_by_what_the_agent_says_and_by_each_other() {
        let told = |output: &str, delivered, elsewhere, arrived| Row {
            output: output.into(),
            count: Count::Told { delivered, elsewhere, arrived },
            ..Row::default()
        };
        assert_eq!(complaints(&[told("a", 8, 2, 8), told("b", 10, 0, 10)]), Vec::<String>::new());
        assert_eq!(complaints(&[told("a", 8, 0, 7)]), ["a: 1 were counted as delivered and did not arrive"]);
        assert_eq!(complaints(&[told("a", 8, 0, 9)]), ["a: 1 more arrived than were delivered"]);
        let several_events = Row { at_least_once: true, ..told("a", 8, 0, 9) };
        assert_eq!(complaints(&[several_events]), Vec::<String>::new());
        assert_eq!(complaints(&[told("a", 8, 0, 8), told("b", 9, 0, 9)]), ["a saw 8 records, b 9"]);
        assert!(!table(&[told("a", 8, 0, 8)]).contains("lost"));
    }
}
