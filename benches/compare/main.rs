//! Whole agents on one corpus, one table. `cargo bench --bench compare -- --help` says which profiles there are, what
//! each measures, and how other agents are named (`help.txt`).
//!
//! The sink and the writer are in this process, so that what they do is in nobody's CPU time. Leaves to `agents` and
//! `steady/agent` how an agent is started, to `sink` and `steady/tap` what is counted.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench")]

mod agents;
mod catch_up;
mod corpus;
mod floor;
mod measure;
mod node;
mod plan;
mod scaling;
mod sink;
mod steady;
mod table;
mod template;

/// The profile, and the arguments that are its own.
fn arguments() -> (String, Vec<String>) {
    let mut rest: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let Some(at) = rest.iter().position(|arg| arg == "--profile") else { return ("catch-up".into(), rest) };
    let named: Vec<String> = rest.drain(at..(at + 2).min(rest.len())).collect();
    (named.into_iter().nth(1).expect("--profile takes a name"), rest)
}

fn main() {
    let (profile, rest) = arguments();
    if rest.iter().any(|arg| arg == "--help") {
        return println!("{}", include_str!("help.txt"));
    }
    // A file or a folder, and an arm, a profile.
    match profile.as_str() {
        "catch-up" => catch_up::run(&plan::Plan::from_arguments(rest)),
        "scaling" => scaling::run(&plan::Plan::from_arguments(rest)),
        followed => steady::run(followed, rest),
    }
}
