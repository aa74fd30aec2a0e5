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
mod fs;
mod judge;
mod node;
mod plan;
mod rig;
#[cfg(feature = "seeded-bugs")]
mod seeded;
mod services;
mod small;
mod store;
mod truth;
mod world;

use plan::Kind;
use std::panic::catch_unwind;
use std::time::Instant;
use world::World;

/// Of each world, without `SIM_SCHEDULES`. All of these pass. Further ones find faults that are known and not mended yet
/// (about one schedule in a few hundred; ARCHITECTURE.md, "Known gaps"): raise this with every fault that is mended.
/// Ten thousand schedules of a single lane, which do pass, are in `tests/lane_world`.
const SCHEDULES: u64 = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

pub fn say(what: &str) {
    eprintln!("{what}");
}

fn run(kind: Kind, seed: u64, trace: bool) {
    let mut world = World::new(kind, seed, trace);
    for _ in 0..world.plan.acts {
        world.act();
    }
    world.finish();
}

fn run_all(kind: Kind) {
    if std::env::var("SIM_WORLD").is_ok_and(|name| name != kind.name()) {
        return;
    }
    if let Some(seed) = number("SIM_SEED") {
        return run(kind, seed, true);
    }
    let (began, all) = (Instant::now(), number("SIM_SCHEDULES").unwrap_or(SCHEDULES));
    let first = number("SIM_FIRST").unwrap_or(0);
    let mut failed = Vec::new();
    for seed in first..first + all {
        if catch_unwind(|| run(kind, seed, false)).is_err() {
            say(&format!("SIM_WORLD={} SIM_SEED={seed} cargo test --test simulation", kind.name()));
            failed.push(seed);
            if failed.len() as u64 > number("SIM_FAILURES").unwrap_or(0) {
                break;
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    say(&format!("{}: {all} schedules in {took:.1} s, {:.0} a second", kind.name(), all as f64 / took));
    assert!(failed.is_empty(), "world {}: {failed:?}", kind.name());
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
