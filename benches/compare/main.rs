//! Whole agents on one corpus, one table.
//!
//! `cargo bench --bench compare -- [--profile NAME] [--lines N] [--files N] [--runs N] [--metadata BYTES]
//! [--output NAME]... [--only TABLE]... [--plain-http] [--tailrace PROGRAM]... [--other NAME=PROGRAM=TEMPLATE]...`
//!
//! Profiles:
//! - `catch-up` (when none is named): files that are there already (1.5 M lines in 10 files), to each output (`opensearch`,
//!   `s3` with zstd, `s3-gzip`, `cloudwatch`) and to three at once (`all`). Agents run in turns, `--runs` times each: CPU
//!   seconds per million delivered records, how many times ours, bytes per record on the wire, peak and steady (median)
//!   resident memory, wall time, and what did not arrive (less than 0: came twice); and the floor: the same bytes read and
//!   compressed with the same library on one thread. Ratios within one run are what counts; load is printed because wall
//!   times mean nothing beside other work. Each `--tailrace` is one more build of ours, for before and after. Short:
//!   `--lines 200000 --runs 1`.
//! - `scaling`: ours alone, a table each over `cores`, `files`, bytes of a `line` and of `metadata`, and `outputs`;
//!   `--only files` is one of them.
//! - those of agents that follow what is being written: `steady/mod.rs`.
//!
//! The sink is the stand-ins in counting mode, behind TLS, in this process: what it does is in nobody's CPU time. Other
//! agents are programs that are there already; nothing is downloaded or built here. A template is a configuration in which
//! are filled in: `{logs}` (as `/var/log/pods`), `{containers}` (as `/var/log/containers`) and `{containers.tag}` (with dots
//! for slashes), `{facts}` (`NAMESPACE_POD.meta`, what the API server would say), `{data}` (a folder for its own),
//! `{port}` and `{ca}` of the output, `{port.NAME}` and `{ca.NAME}` where there are several; lines between
//! `#only NAME NAME` and `#end` are for those outputs. The program gets the file as its last argument, and is stopped when
//! the sink has counted all records or when it did nothing for 10 s. `templates/` has one for Fluent Bit:
//! `cargo bench --bench compare -- --other "fluent-bit=fluent-bit -c=benches/compare/templates/fluent-bit.yaml"`
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
    // A file or a folder, and an arm, a profile.
    match profile.as_str() {
        "catch-up" => catch_up::run(&plan::Plan::from_arguments(rest)),
        "scaling" => scaling::run(&plan::Plan::from_arguments(rest)),
        followed => steady::run(followed, rest),
    }
}
