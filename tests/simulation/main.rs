//! Whole agents driven from a seed: the real catalog over a simulated disk, three real lanes with the real formats at
//! once, the real store over a disk that tears, services that judge every body, a clock that steps.
//!
//! `SIM_WORLD=crash SIM_SEED=n cargo test --test simulation` runs one schedule again, with a trace;
//! `SIM_SCHEDULES=n` runs n of each world. After every step the books must balance (`books`); in the end every byte
//! written is accounted for at every service (`judge`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::type_complexity, reason = "tests")]
#![allow(clippy::print_stderr, clippy::disallowed_methods, reason = "a trace, and schedules per second")]

mod agent;
mod books;
mod chance;
mod disk;
mod fs;
mod judge;
mod lives;
mod many;
mod node;
mod outputs;
mod plan;
mod rig;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod services;
mod small;
mod store;
mod truth;
mod verdict;
mod world;

use plan::Kind;
use std::panic::catch_unwind;

/// Of each world, without `SIM_SCHEDULES`.
const SCHEDULES: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

pub fn say(what: &str) {
    eprintln!("{what}");
}

fn run_all(kind: Kind) {
    if std::env::var("SIM_WORLD").is_ok_and(|name| name != kind.name()) {
        return;
    }
    if let Some(seed) = number("SIM_SEED") {
        return many::run(kind, seed, true);
    }
    let first = number("SIM_FIRST").unwrap_or(0);
    for seed in first..first + number("SIM_SCHEDULES").unwrap_or(SCHEDULES) {
        if catch_unwind(|| many::run(kind, seed, false)).is_err() {
            panic!("again, with a trace: {}", many::line(kind, seed));
        }
    }
}

#[test]
fn steady_what_is_written_arrives_whatever_the_services_do() {
    run_all(Kind::Steady);
}

#[test]
fn crash_a_process_that_dies_again_and_again_loses_nothing_and_repeats_nothing() {
    run_all(Kind::Crash);
}

#[test]
fn power_a_loss_of_power_loses_no_lines() {
    run_all(Kind::Power);
}

#[test]
fn drain_another_process_goes_on_where_the_last_one_stopped() {
    run_all(Kind::Drain);
}

#[test]
fn once_reads_what_is_there_to_its_end() {
    run_all(Kind::Once);
}

#[test]
fn rolling_a_process_that_stands_by_takes_over_without_loss_or_repeat() {
    run_all(Kind::Rolling);
}

#[test]
fn change_outputs_come_and_go_and_are_renamed_and_moved_while_files_are_read() {
    run_all(Kind::Change);
}

#[test]
#[ignore = "minutes: scripts/simulate"]
fn a_million_schedules_of_all_worlds() {
    let wanted = std::env::var("SIM_WORLD").ok();
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|k| wanted.as_ref().is_none_or(|w| w == k.name())).collect();
    let all = number("SIM_SCHEDULES").unwrap_or(1_000_000);
    many::run_many(&kinds, number("SIM_FIRST").unwrap_or(0), all, number("SIM_FAILURES").unwrap_or(20));
}
