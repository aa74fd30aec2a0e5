//! What the application pays for being followed: the time of its own `write`, with and without somebody who follows, in
//! turns. Beside the agents stand two readers of one file that everybody has, for scale: one that is told of each write by a
//! watch, and one that only looks ten times a second.

use super::agent::{self, Running};
use super::node::unix_ns;
use super::{Plan, late};
use crate::agents::Agent;
use crate::corpus;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Writes in each turn, and how many pairs of turns.
const WRITES: u64 = 20_000;
const PAIRS: usize = 15;

/// Who follows.
enum Follower<'a> {
    Agent(&'a Agent),
    Tail(&'static str, &'static [&'static str]),
}

const TAILS: [Follower<'static>; 2] = [
    Follower::Tail("tail -F (a watch)", &["-F"]),
    Follower::Tail("tail -F (looks)", &["---disable-inotify", "-s", "0.1", "-F"]),
];

/// At work; ended when it goes.
enum Following {
    Agent(Running),
    Tail(Child),
}

impl Following {
    fn end(self) {
        match self {
            Following::Agent(running) => running.end(),
            Following::Tail(mut child) => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }
}

pub fn writer(plan: &Plan) {
    println!(
        "writer: nanoseconds a write of 240 B, 10,000 a second to one file; {PAIRS} pairs of turns of {WRITES}, alone and followed; medians, and the quartiles of the pairs' differences"
    );
    println!(
        "\n| follower | alone | followed | difference (p50) | p99 alone | p99 followed |\n|---|---|---|---|---|---|"
    );
    for follower in TAILS.into_iter().chain(plan.agents.iter().map(Follower::Agent)) {
        let (mut alone, mut followed) = (Vec::new(), Vec::new());
        // Which comes first changes.
        for n in 0..2 * PAIRS {
            let follows = matches!(n % 4, 1 | 2);
            let took = turn(&follower, follows, plan);
            if follows { &mut followed } else { &mut alone }.push(took);
        }
        let mut apart: Vec<f64> = followed.iter().zip(&alone).map(|(f, a)| f.0 - a.0).collect();
        apart.sort_by(f64::total_cmp);
        let part = |q: usize| apart[apart.len() * q / 4];
        let median =
            |all: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| at(&mut all.iter().map(of).collect::<Vec<_>>(), 0.5);
        println!(
            "| {} | {:.0} | {:.0} | {:+.0} ({:+.0} to {:+.0}) | {:.0} | {:.0} |",
            match &follower {
                Follower::Agent(agent) => agent.name(),
                Follower::Tail(name, _) => name,
            },
            median(&alone, |t| t.0),
            median(&followed, |t| t.0),
            part(2),
            part(1),
            part(3),
            median(&alone, |t| t.1),
            median(&followed, |t| t.1)
        );
    }
}

fn at(all: &mut [f64], part: f64) -> f64 {
    all.sort_by(f64::total_cmp);
    all[(all.len() as f64 * part) as usize]
}

/// One turn, on a new file: the median and the 99th percentile of its writes.
fn turn(follower: &Follower, follows: bool, plan: &Plan) -> (f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("pods");
    let corpus = corpus::write(&logs, 0, 1, 900);
    let file = super::node::dir_of(&logs, &corpus.pods[0]).join("0.log");
    let mut line = format!("{:.9} stdout F ", jiff::Timestamp::now());
    line += &"x".repeat(239 - line.len());
    line.push('\n');
    let taps = agent::taps(dir.path(), plan);
    let start = || match follower {
        Follower::Agent(agent) => Following::Agent(agent::start(agent, dir.path(), &logs, &corpus, &taps, plan)),
        Follower::Tail(_, args) => {
            Following::Tail(Command::new("tail").args(*args).arg(&file).stdout(Stdio::null()).spawn().unwrap())
        }
    };
    let following = follows.then(start);
    late::pause(1);
    let took = write(&file, &line);
    if let Some(following) = following {
        following.end();
    }
    took
}

/// At a steady pace.
fn write(path: &Path, line: &str) -> (f64, f64) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    let mut took = Vec::with_capacity(WRITES as usize);
    let began = unix_ns();
    for n in 0..WRITES {
        while unix_ns() < began + n as i64 * 100_000 {
            std::hint::spin_loop();
        }
        let before = Instant::now();
        file.write_all(line.as_bytes()).unwrap();
        took.push(before.elapsed().as_nanos() as f64);
    }
    (at(&mut took, 0.5), at(&mut took, 0.99))
}
