//! Agents that follow: files that grow, files that do not, pods that come and go; how late records are, and what a
//! destination that stalls does to the others.
//!
//! CPU is the sum over the agent's threads by the scheduler's own account, over the steady part. Each line carries a
//! number and the time at which it was written: what was lost, what came twice and how late it came are read from what
//! the sink received. Arguments: `--help`.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod agent;
mod cache;
mod cost;
mod idle;
mod late;
mod live;
mod node;
mod pages;
mod tap;

use crate::agents::Agent;
use std::path::PathBuf;

/// What to run.
#[derive(Clone)]
pub struct Plan {
    /// Lines a second.
    pub rate: u64,
    pub files: u64,
    /// The steady part, and what comes before it.
    pub seconds: u64,
    pub warm: u64,
    pub max_age: u64,
    pub outputs: Vec<String>,
    pub runs: usize,
    pub rotate: u64,
    /// All files go to one log group and stream, as one index and one prefix are shared.
    pub shared_key: bool,
    pub chart: Option<PathBuf>,
    pub agents: Vec<Agent>,
}

const ALL: [&str; 3] = ["opensearch", "s3", "cloudwatch"];

fn plan(profile: &str, args: Vec<String>) -> Plan {
    let (files, seconds, warm) = match profile {
        "idle" => (10_000, 60, 15),
        "churn" => (100, 60, 20),
        "stall" => (200, 600, 20),
        "cache" => (50, 180, 0),
        _ => (200, 60, 20),
    };
    let mut plan = Plan {
        rate: 10_000,
        files,
        seconds,
        warm,
        max_age: 5,
        outputs: ALL.map(String::from).to_vec(),
        runs: 1,
        rotate: 1 << 20,
        shared_key: false,
        chart: None,
        agents: vec![Agent::tailrace()],
    };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        let number = |text: String| -> u64 { text.parse().unwrap_or_else(|_| panic!("{text}: a number is wanted")) };
        match arg.as_str() {
            "--rate" => plan.rate = number(value()),
            "--files" => plan.files = number(value()),
            "--seconds" => plan.seconds = number(value()),
            "--warm" => plan.warm = number(value()),
            "--max-age" => plan.max_age = number(value()),
            "--runs" => plan.runs = number(value()) as usize,
            "--rotate" => plan.rotate = number(value()),
            "--shared-key" => plan.shared_key = true,
            "--chart" => plan.chart = Some(value().into()),
            "--output" => match value().as_str() {
                "all" => {}
                one => plan.outputs = vec![one.into()],
            },
            "--tailrace" => plan.agents.push(Agent::build(plan.agents.len() + 1, value())),
            "--other" => plan.agents.push(Agent::other(&value())),
            other => panic!("unknown argument {other}; see --help"),
        }
    }
    plan
}

/// Runs one profile, and prints its table.
pub fn run(profile: &str, args: Vec<String>) {
    let plan = plan(profile, args);
    match profile {
        "live" => live::live(&plan),
        "churn" => live::churn(&plan),
        "idle" => idle::idle(&plan),
        "latency" => late::latency(&plan),
        "stall" => late::stall(&plan),
        "writer" => cost::writer(&plan),
        "cache" => cache::cache(&plan),
        other => panic!("no profile {other}"),
    }
}
