//! Resident memory stays below `memory_limit` and 24 MiB, whatever happens: the real binary, three outputs, in numbers
//! small enough for each test run. The full ones, with a table: `cargo bench --bench bounds`.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../metadata/api.rs"]
#[allow(dead_code, reason = "of another test, which uses all of it")]
mod api;
mod resident;
mod scenarios;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod world;

fn holds(outcome: world::Outcome) {
    let (what, end) = (&outcome.what, outcome.steady_mib);
    assert!(outcome.holds(), "{what}, {end:.1} MiB at its end: {outcome:#?}");
}

#[test]
fn memory_stays_bounded_while_a_destination_is_down_and_its_files_grow() {
    holds(scenarios::destination_down("cloudwatch", 100, 8));
}

#[test]
fn memory_stays_bounded_at_full_speed_to_many_keys() {
    holds(scenarios::full_speed(100, 60_000, false));
}

#[test]
fn memory_stays_bounded_at_full_speed_with_gzip_everywhere() {
    holds(scenarios::full_speed(100, 60_000, true));
}

#[test]
fn memory_stays_bounded_while_pods_come_and_go() {
    holds(scenarios::pods_come_and_go(400, 100));
}

#[test]
fn memory_stays_bounded_while_a_line_does_not_end() {
    holds(scenarios::long_line(48));
}

#[test]
fn memory_stays_bounded_with_very_many_empty_files() {
    holds(scenarios::empty_files(10_000, 50));
}

#[test]
fn memory_stays_bounded_with_many_keys() {
    holds(scenarios::many_keys(200, 2));
}

#[test]
fn memory_stays_bounded_in_a_burst_of_lines() {
    holds(scenarios::burst(50_000));
}

#[test]
fn memory_stays_bounded_with_many_idle_files_over_a_restart() {
    holds(scenarios::idle_files(1_000, 1, true));
}
