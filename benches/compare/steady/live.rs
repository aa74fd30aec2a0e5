//! Files that grow, and pods that come and go: what following them costs.

use super::agent;
use super::node::{Habits, Node};
use super::{Plan, late};
use crate::agents::Agent;
use crate::corpus;
use std::time::{Duration, Instant};

/// Records under way get so long to arrive when the node has fallen silent.
const LAST: Duration = Duration::from_secs(30);

/// What one run showed.
pub struct Row {
    cores: f64,
    wakes: f64,
    calls: f64,
    steady_mib: f64,
    peak_mib: f64,
    requests: f64,
    lost: Vec<u64>,
    twice: Vec<u64>,
    threads: String,
}

pub fn live(plan: &Plan) {
    println!(
        "live: {} lines/s in {} files, rotated at {} KiB, max_age {} s, {} s after {} s",
        plan.rate,
        plan.files,
        plan.rotate >> 10,
        plan.max_age,
        plan.seconds,
        plan.warm
    );
    table(plan, None);
}

/// Pods live so long.
const LIFE: Duration = Duration::from_secs(20);

pub fn churn(plan: &Plan) {
    println!(
        "churn: {} pods that live {} s and are removed 10 s later, {} lines/s in all, rotated at {} KiB",
        plan.files,
        LIFE.as_secs(),
        plan.rate,
        plan.rotate >> 10
    );
    table(plan, Some(LIFE));
}

fn table(plan: &Plan, life: Option<Duration>) {
    println!(
        "\n| outputs | agent | CPU, cores | wake-ups/s | reads and writes/s | requests/s | resident MiB | peak MiB | lost | twice |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let programs: Vec<&Agent> = plan.agents.iter().filter(|p| agent::takes(p, &plan.outputs)).collect();
    let mut rows: Vec<Vec<Row>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.runs {
        for (program, rows) in programs.iter().zip(&mut rows) {
            rows.push(run(program, plan, life));
        }
    }
    for (program, rows) in programs.iter().zip(&rows) {
        print(&plan.outputs.join(" "), program.name(), rows);
    }
}

fn median(rows: &[Row], of: impl Fn(&Row) -> f64) -> f64 {
    let mut all: Vec<f64> = rows.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn print(outputs: &str, name: &str, rows: &[Row]) {
    let least = rows.iter().map(|r| r.cores).fold(f64::MAX, f64::min);
    let most = rows.iter().map(|r| r.cores).fold(0.0, f64::max);
    let all = |of: fn(&Row) -> &Vec<u64>| {
        let text = |r: &Row| of(r).iter().map(u64::to_string).collect::<Vec<_>>().join("/");
        rows.iter().map(text).collect::<Vec<_>>().join(" ")
    };
    println!(
        "| {outputs} | {name} | {:.4} ({least:.4}..{most:.4}) | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {} | {} |",
        median(rows, |r| r.cores),
        median(rows, |r| r.wakes),
        median(rows, |r| r.calls),
        median(rows, |r| r.requests),
        median(rows, |r| r.steady_mib),
        median(rows, |r| r.peak_mib),
        all(|r| &r.lost),
        all(|r| &r.twice),
    );
    for row in rows {
        println!("<!-- per mille of a core / wake-ups a second: {} -->", row.threads);
    }
}

fn run(program: &Agent, plan: &Plan, life: Option<Duration>) -> Row {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("pods");
    let lives = life.map_or(1, |life| 2 + (plan.warm + plan.seconds + LAST.as_secs()) / life.as_secs());
    let corpus = corpus::write(&logs, 0, plan.files * lives, 900);
    std::fs::remove_dir_all(&logs).unwrap();
    std::fs::create_dir(&logs).unwrap();
    let taps = agent::taps(dir.path(), plan);
    let mut running = agent::start(program, dir.path(), &logs, &corpus, &taps, plan);
    let habits = Habits { rate: plan.rate, rotate_at: plan.rotate, life };
    let node = Node::start(&logs, &corpus.pods, plan.files as usize, habits);
    late::pause(plan.warm);
    running.must_live();
    let (before, requests) = (running.spent(), taps.iter().map(|t| t.requests()).sum::<u64>());
    late::pause(plan.seconds);
    running.must_live();
    let used = running.spent().since(&before);
    let requests = taps.iter().map(|t| t.requests()).sum::<u64>() - requests;
    let steady_mib = running.resident_mib();
    let written = node.end();
    let since = Instant::now();
    while since.elapsed() < LAST && taps.iter().any(|t| t.lost_and_twice(written).0 > 0) {
        std::thread::sleep(Duration::from_millis(200));
    }
    let counts = |of: fn((u64, u64)) -> u64| taps.iter().map(|t| of(t.lost_and_twice(written))).collect::<Vec<u64>>();
    let row = Row {
        cores: used.cores,
        wakes: used.wakes,
        calls: used.calls,
        steady_mib,
        peak_mib: running.peak_mib(),
        requests: requests as f64 / plan.seconds as f64,
        lost: counts(|c| c.0),
        twice: counts(|c| c.1),
        threads: used.by_thread(),
    };
    running.end();
    row
}
