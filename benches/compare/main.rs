//! Whole agents on one corpus, one table: CPU seconds per million records, bytes per record, peak memory, wall time,
//! what was lost; and the floor (read and compress the same bytes with the same library) in the same run.
//!
//! `cargo bench --bench compare -- [--profile NAME] [--lines N] [--files N] [--runs N]
//! [--output cloudwatch|s3|s3-gzip|opensearch|all]... [--metadata BYTES] [--plain-http]
//! [--other NAME=PROGRAM=TEMPLATE]...`
//!
//! Profiles: `catch-up` (when none is named); those of agents that follow are in `steady/mod.rs`.
//!
//! The sink is the stand-ins in counting mode, behind TLS. Other agents are programs that are there already; a
//! template is a configuration in which `{logs}`, `{port}`, `{ca}`, `{data}` and `{output}` are filled in, and which
//! the program gets as its last argument. An agent that does not end by itself is stopped when the sink has counted
//! all records. Nothing is downloaded or built here.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench")]

mod agents;
mod catch_up;
mod corpus;
mod floor;
mod measure;
mod plan;
mod sink;
mod steady;

/// The profile, and the arguments that are its own.
fn arguments() -> (String, Vec<String>) {
    let mut rest: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let Some(at) = rest.iter().position(|arg| arg == "--profile") else { return ("catch-up".into(), rest) };
    let named: Vec<String> = rest.drain(at..(at + 2).min(rest.len())).collect();
    (named.into_iter().nth(1).expect("--profile takes a name"), rest)
}

fn main() {
    let (profile, rest) = arguments();
    // A file or a folder, and an arm, a profile.
    match profile.as_str() {
        "catch-up" => catch_up::run(&plan::Plan::from_arguments(rest)),
        followed => steady::run(followed, rest),
    }
}
