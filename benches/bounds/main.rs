//! What is resident in which situation, with the real binary and three outputs, and whether it stays below
//! `memory_limit` and 24 MiB; and what was lost meanwhile. One row a scenario.
//!
//! `cargo bench --bench bounds -- [--only TEXT] [--tenth]`
//!
//! The stand-ins run in this process, so the agent's memory is its own. Needs 2 GB of disk for a while.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench")]

#[path = "../../tests/metadata/api.rs"]
#[allow(dead_code, reason = "of a test, which uses all of it")]
mod api;
#[path = "../../tests/bounds/resident.rs"]
mod resident;
#[path = "../../tests/bounds/scenarios.rs"]
mod scenarios;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "../../tests/bounds/tls.rs"]
mod tls;
#[path = "../../tests/bounds/world.rs"]
mod world;

use world::{BESIDE_MIB, LIMIT_MIB, Outcome};

type Scenario = (&'static str, Box<dyn Fn() -> Outcome>);

fn scenarios(part: usize) -> Vec<Scenario> {
    let down = move |output: &'static str| {
        Box::new(move || scenarios::destination_down(output, 500 / part, 120 / part as u64)) as Box<dyn Fn() -> Outcome>
    };
    let full_speed =
        move |gzip| Box::new(move || scenarios::full_speed(500, 1_000_000 / part, gzip)) as Box<dyn Fn() -> Outcome>;
    vec![
        ("at rest", Box::new(move || scenarios::at_rest(120 / part as u64))),
        ("full speed zstd", full_speed(false)),
        ("full speed gzip", full_speed(true)),
        ("down cloudwatch", down("cloudwatch")),
        ("down archive", down("archive")),
        ("down search", down("search")),
        ("pods", Box::new(move || scenarios::pods_come_and_go(10_000 / part, 250))),
        ("line", Box::new(move || scenarios::long_line(1024 / part))),
        ("control", Box::new(move || scenarios::control_characters(400 / part))),
        ("empty", Box::new(move || scenarios::empty_files(100_000 / part, 100))),
        ("keys", Box::new(move || scenarios::many_keys(2_000 / part, 10))),
        ("burst", Box::new(move || scenarios::burst(500_000 / part))),
        ("idle", Box::new(move || scenarios::idle_files(10_000 / part, 1, false))),
        ("idle restart", Box::new(move || scenarios::idle_files(10_000 / part, 1, true))),
        ("rotated", Box::new(move || scenarios::idle_files(10_000 / part, 5, false))),
    ]
}

fn main() {
    let (mut only, mut part) = (String::new(), 1);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--only" => only = args.next().expect("--only takes a part of a scenario's name"),
            "--tenth" => part = 10,
            "--bench" => {}
            other => panic!("unknown argument {other}; see the head of benches/bounds/main.rs"),
        }
    }
    let bound = LIMIT_MIB + BESIDE_MIB;
    println!(
        "{:<62} {:>6} {:>6} {:>6} {:>32} {:>6} {:>10} {:>6}",
        "scenario, MiB", "bound", "peak", "end", "peak: program+libs+heap+mapped", "CPU s", "delivered", "lost"
    );
    let mut over = 0;
    for (_, play) in scenarios(part).iter().filter(|(name, _)| name.contains(&only)) {
        let outcome = play();
        let mark = if outcome.holds() { "" } else { "  OVER" };
        over += usize::from(!outcome.holds());
        let at = outcome.at_peak;
        println!(
            "{:<62} {bound:>6.0} {:>6.1} {:>6.1} {:>32} {:>6.1} {:>10} {:>6}{mark}",
            outcome.what,
            outcome.peak_mib,
            outcome.steady_mib,
            format!("{:.1}+{:.1}+{:.1}+{:.1}", at.program, at.libraries, at.heap, at.mapped),
            outcome.cpu,
            outcome.arrived.iter().sum::<u64>(),
            outcome.lost()
        );
    }
    std::process::exit(i32::from(over > 0));
}
