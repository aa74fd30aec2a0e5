//! The whole promise at once, with the real binary: killed again and again, while files turn over as kubelet and
//! containerd do it, while every destination fails in every way, while `data_dir` is torn, full, read-only or lost.
//! At the end every line that was written is accounted for at every output.
//!
//! All worlds run side by side. `cargo test --test torture` takes some seconds; `scripts/torture --minutes 30 --seed 7`
//! is the long form of the same. What happens in which order comes from the seed; when, from the machine.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod books;
mod case;
mod disk;
#[path = "../support/mod.rs"]
mod support;
mod weather;
mod world;

use case::{CASES, Case, Pace};
use std::time::Duration;
use world::{Ended, World};

/// Seconds of faults, when nobody says otherwise.
const SECONDS: u64 = 10;
/// A longer run has longer lives and longer faults.
const LONG: u64 = 60;

fn asked(name: &str, usual: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text}: a whole number is wanted")),
        Err(_) => usual,
    }
}

#[test]
fn whatever_happens_to_it_every_line_arrives_or_is_counted_and_none_comes_twice_where_that_can_be_proved() {
    let (seconds, seed) = (asked("TORTURE_SECONDS", SECONDS), asked("TORTURE_SEED", 7));
    let only = std::env::var("TORTURE_WORLD").unwrap_or_default();
    let pace = if seconds < LONG { Pace::short() } else { Pace::long() };
    println!("seed {seed}, {seconds} s");
    let run = |case: Case, seed: u64| {
        let world = World::new(case, pace, seed)?;
        Ok::<Ended, String>(world.run(Duration::from_secs(seconds)))
    };
    let worlds: Vec<(u64, Case)> = (1..).zip(CASES).filter(|(_, case)| case.name.contains(&only)).collect();
    assert!(!worlds.is_empty(), "no world is called {only}: {:?}", CASES.map(|c| c.name));
    let mut failed = Vec::new();
    let ended: Vec<Ended> = std::thread::scope(|scope| {
        let begin = |(n, case): (u64, Case)| (case, scope.spawn(move || run(case, seed.wrapping_mul(1_000) + n)));
        let begun: Vec<_> = worlds.into_iter().map(begin).collect();
        let mut ended = Vec::new();
        for (case, thread) in begun {
            match thread.join() {
                Ok(Ok(end)) => ended.push(end),
                Ok(Err(why)) => println!("skipped {}: {why}", case.name),
                Err(_) => failed.push(format!("{}: panicked, see above", case.name)),
            }
        }
        ended
    });
    println!("{}", books::table(&ended));
    for end in ended.iter().filter(|end| !end.wrong.is_empty()) {
        failed.push(format!("{}: {}\n  evidence: {}", end.case.name, end.wrong.join("\n  "), end.evidence.display()));
    }
    let again = format!("scripts/torture --seconds {seconds} --seed {seed}");
    assert!(failed.is_empty(), "seed {seed}; again: {again}\n{}", failed.join("\n"));
}
