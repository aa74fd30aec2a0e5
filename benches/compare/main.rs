//! Whole agents on one corpus, one table: CPU seconds per million records, bytes per record, peak memory, wall time,
//! what was lost; and the floor (read and compress the same bytes with the same library) in the same run.
//!
//! `cargo bench --bench compare -- [--lines N] [--files N] [--runs N] [--output cloudwatch|s3|s3-gzip|opensearch|all]
//! [--metadata BYTES] [--plain-http] [--other NAME=PROGRAM=TEMPLATE]`
//!
//! The sink is the stand-ins in counting mode, behind TLS. Other agents are programs that are there already; a
//! template is a configuration in which `{logs}`, `{port}`, `{ca}`, `{data}` and `{output}` are filled in, and which
//! the program gets as its last argument. An agent that does not end by itself is stopped when the sink has counted
//! all records. Nothing is downloaded or built here.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench")]

mod agents;
mod corpus;
mod floor;
mod measure;
mod sink;
mod steady;

use agents::Agent;
use std::path::PathBuf;

/// What to run.
pub struct Plan {
    pub lines: u64,
    pub files: u64,
    pub runs: usize,
    pub metadata: usize,
    pub tls: bool,
    pub outputs: Vec<String>,
    pub agents: Vec<Agent>,
}

fn plan() -> Plan {
    let mut plan = Plan {
        lines: 1_500_000,
        files: 10,
        runs: 3,
        metadata: 900,
        tls: true,
        outputs: ["opensearch", "s3", "s3-gzip", "cloudwatch"].map(String::from).to_vec(),
        agents: vec![Agent::tailrace()],
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--lines" => plan.lines = value().parse().expect("--lines takes a number"),
            "--files" => plan.files = value().parse().expect("--files takes a number"),
            "--runs" => plan.runs = value().parse().expect("--runs takes a number"),
            "--metadata" => plan.metadata = value().parse().expect("--metadata takes a number of bytes"),
            "--plain-http" => plan.tls = false,
            "--output" => match value().as_str() {
                "all" => plan.outputs = vec!["all".into()],
                one => plan.outputs = vec![one.into()],
            },
            "--other" => plan.agents.push(Agent::other(&value())),
            "--bench" => {}
            other => panic!("unknown argument {other}; see the head of benches/compare/main.rs"),
        }
    }
    plan
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = args.iter().position(|a| a == "--profile") {
        let profile = args.drain(at..).nth(1).expect("--profile takes a name");
        args.extend(std::env::args().skip(at + 3));
        return steady::run(&profile, args);
    }
    let plan = plan();
    let place = tempfile::tempdir().expect("a temporary directory");
    let logs: PathBuf = place.path().join("pods");
    let corpus = corpus::write(&logs, plan.lines, plan.files, plan.metadata);
    println!(
        "{} lines, {} files, {} B a line, metadata {} B, {}; medians of {} runs, min..max",
        plan.lines,
        plan.files,
        corpus.bytes / plan.lines,
        corpus.metadata_bytes,
        if plan.tls { "TLS" } else { "plain HTTP" },
        plan.runs
    );
    println!(
        "{:<12} {:<12} {:>22} {:>10} {:>9} {:>16} {:>9}",
        "output", "agent", "CPU s/M records", "B/record", "peak MiB", "wall s", "lost"
    );
    for output in &plan.outputs {
        for agent in &plan.agents {
            let results: Vec<_> = (0..plan.runs).map(|_| agents::run(agent, output, &plan, &corpus, &logs)).collect();
            measure::row(output, agent.name(), &results);
        }
        if let Some(floor) = floor::measure(output, &corpus, &logs) {
            println!(
                "{output:<12} {:<12} {:>22} {:>10.1}",
                "(floor)",
                format!("{:.3}", floor.cpu_per_million),
                floor.bytes_per_record
            );
        }
    }
}
