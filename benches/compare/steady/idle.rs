//! Files with content that do not grow: what it costs to know them.

use super::agent;
use super::{Plan, late, node};
use crate::agents::Agent;
use crate::corpus::{self, Random};
use std::time::{Duration, Instant};

/// Lines in each file.
const LINES: u64 = 10;
/// All of them must have been delivered by then.
const DELIVERED: Duration = Duration::from_secs(300);

pub fn idle(plan: &Plan) {
    println!(
        "idle: {} files of {LINES} lines, delivered; {} s after {} s of silence",
        plan.files, plan.seconds, plan.warm
    );
    println!(
        "\n| outputs | agent | CPU, % of a core | wake-ups/s | reads and writes/s | resident MiB | peak MiB | lost |\n|---|---|---|---|---|---|---|---|"
    );
    for program in plan.agents.iter().filter(|p| agent::takes(p, &plan.outputs)) {
        (0..plan.runs).for_each(|_| run(program, plan));
    }
}

fn run(program: &Agent, plan: &Plan) {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("pods");
    let corpus = corpus::write(&logs, 0, plan.files, 900);
    let (mut random, mut number) = (Random(77), 0);
    for pod in &corpus.pods {
        let mut text = String::new();
        for _ in 0..LINES {
            text += &node::line(&mut random, number);
            number += 1;
        }
        std::fs::write(node::dir_of(&logs, pod).join("0.log"), text).unwrap();
    }
    let taps = agent::taps(dir.path(), plan);
    let mut running = agent::start(program, dir.path(), &logs, &corpus, &taps, plan);
    let since = Instant::now();
    while since.elapsed() < DELIVERED && taps.iter().any(|t| t.lost_and_twice(number).0 > 0) {
        running.must_live();
        std::thread::sleep(Duration::from_millis(200));
    }
    // Until they are cold, and what was allocated for them has gone back.
    late::pause(plan.warm + 60);
    let before = running.spent();
    late::pause(plan.seconds);
    running.must_live();
    let used = running.spent().since(&before);
    let lost: Vec<String> = taps.iter().map(|t| t.lost_and_twice(number).0.to_string()).collect();
    println!(
        "| {} | {} | {:.4} | {:.2} | {:.2} | {:.1} | {:.1} | {} |",
        plan.outputs.join(" "),
        program.name(),
        used.cores * 100.0,
        used.wakes,
        used.calls,
        running.resident_mib(),
        running.peak_mib(),
        lost.join("/")
    );
    println!("<!-- per mille of a core / wake-ups a second: {} -->", used.by_thread());
    running.end();
}
