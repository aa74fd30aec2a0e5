//! Whole lanes driven from a seed, with crash and reopen.
//!
//! `SIM_SEED=n cargo test --test lane_world` runs one schedule again, with a trace; `SIM_SCHEDULES=n` runs more.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::type_complexity,
    reason = "tests"
)]

mod cut;
mod danger;
mod gone;
mod meanwhile;
mod rig;
mod toy;
mod world;

use toy::Style;
use world::World;

fn schedules() -> u64 {
    std::env::var("SIM_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(3_500)
}

fn run(style: Style, seed: u64, trace: bool) {
    let mut world = World::new(seed, style, trace);
    let acts = 20 + world.rng.bits() % 150;
    for _ in 0..acts {
        world.act();
    }
    world.finish();
}

fn run_all(style: Style) {
    if let Some(seed) = std::env::var("SIM_SEED").ok().and_then(|s| s.parse().ok()) {
        return run(style, seed, true);
    }
    for seed in 0..schedules() {
        let outcome = std::panic::catch_unwind(|| run(style, seed, false));
        assert!(outcome.is_ok(), "failed: SIM_SEED={seed} cargo test --test lane_world {style:?}");
    }
}

#[test]
fn items_with_ids_arrive_exactly_once_whatever_happens() {
    run_all(Style::Items);
}

#[test]
fn noted_attempts_arrive_at_least_once_and_repeats_are_counted() {
    run_all(Style::Notes);
}

#[test]
fn objects_in_parts_arrive_exactly_once_whatever_happens() {
    run_all(Style::Objects);
}
