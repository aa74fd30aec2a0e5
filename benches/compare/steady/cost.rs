//! What the application pays for being followed: the time of its own `write`, with and without an agent, in turns.

use super::node::unix_ns;
use super::{Plan, agent, late};
use crate::corpus;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

/// Writes in each turn, and how many turns.
const WRITES: u64 = 20_000;
const TURNS: usize = 15;

pub fn writer(plan: &Plan) {
    println!(
        "writer: nanoseconds a write of 240 B, 10,000 a second to one file; medians of {TURNS} turns of {WRITES}, agent off and on"
    );
    println!("\n| agent | alone | followed | difference |\n|---|---|---|---|");
    for program in &plan.agents {
        let (mut alone, mut followed) = (Vec::new(), Vec::new());
        for n in 0..2 * TURNS {
            // Each on a new file; which comes first changes.
            let follows = matches!(n % 4, 1 | 2);
            let dir = tempfile::tempdir().unwrap();
            let logs = dir.path().join("pods");
            let corpus = corpus::write(&logs, 0, 1, 900);
            let file = super::node::dir_of(&logs, &corpus.pods[0]).join("0.log");
            let mut line = format!("{:.9} stdout F ", jiff::Timestamp::now());
            line += &"x".repeat(239 - line.len());
            line.push('\n');
            let taps = agent::taps(dir.path(), plan);
            let running = follows.then(|| agent::start(program, dir.path(), &logs, &corpus, &taps, plan));
            late::pause(1);
            if follows { &mut followed } else { &mut alone }.push(turn(&file, &line));
            if let Some(running) = running {
                running.end();
            }
        }
        let (alone, followed) = (median(alone), median(followed));
        println!("| {} | {alone:.0} | {followed:.0} | {:+.0} |", program.name(), followed - alone);
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// The median time of one write, at a steady pace.
fn turn(path: &std::path::Path, line: &str) -> f64 {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    let mut took = Vec::with_capacity(WRITES as usize);
    let began = unix_ns();
    for n in 0..WRITES {
        while unix_ns() < began + n as i64 * 100_000 {
            std::hint::spin_loop();
        }
        let at = Instant::now();
        file.write_all(line.as_bytes()).unwrap();
        took.push(at.elapsed().as_nanos() as f64);
    }
    median(took)
}
