//! What each stage costs a record: CPU time of this thread, best of several runs over the same corpus.
//!
//! `cargo bench --no-default-features --bench stages [-- NAME]` prints nanoseconds a record; NAME picks stages whose
//! name contains it. The corpus is made here (60 % JSON bodies, 40 % access log, random ids, about 250 B a line), so
//! figures of two machines compare the machines, and of two commits the commits.
//!
//! Instructions do not depend on other work: with `--once` each stage runs once after one to warm up, inside `once`,
//! untimed, and its name is printed behind the number of records; `scripts/instructions` compares that run with a table.
#![expect(clippy::print_stdout, reason = "a bench's result is what it prints")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench that cannot go on ends")]

mod corpus;
mod decode;
mod drive;
mod encode;
mod formats;
mod lane;

use corpus::{Corpus, RECORDS};
use std::hint::black_box;
use std::time::Duration;

/// CPU time for a stage; cheap ones run more often, for the best of them on a busy machine.
const SPEND: Duration = Duration::from_millis(400);
const RUNS: usize = 5;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted = args.iter().find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    let untimed = args.iter().any(|a| a == "--once");
    let corpus = Corpus::new();
    if !untimed {
        let lines = corpus.block.len() / RECORDS;
        let bodies = corpus.bodies.iter().map(Vec::len).sum::<usize>() / RECORDS;
        println!("{RECORDS} records, {lines} B a line, {bodies} B a body; ns a record, best of {RUNS} runs or more");
    }
    let show = |name: &str, stage: &mut dyn FnMut()| {
        if !name.contains(&wanted) {
            return;
        }
        if untimed {
            stage();
            once(stage);
            println!("{RECORDS} {name}");
        } else {
            println!("{name:<28} {:>8.1}", best(stage));
        }
    };
    decode::all(&corpus, &show);
    encode::all(&corpus, &show);
    lane::all(&corpus, &show);
}

type Show<'s> = &'s dyn Fn(&str, &mut dyn FnMut());

/// Bytes of a record before and after compression, where a stage was timed.
fn sizes(records: usize, plain: usize, sent: usize) {
    // Nothing ran where another stage was wanted; two runs are for counting.
    if records > 2 * RECORDS {
        println!("{:<28} {:>8} B a record plain, {} sent", "", plain / records, sent / records);
    }
}

/// What callgrind is told to look at.
#[inline(never)]
fn once(stage: &mut dyn FnMut()) {
    stage();
}

/// Nanoseconds of CPU a record, the least of several runs after one to warm up.
fn best(stage: &mut dyn FnMut()) -> f64 {
    stage();
    let (mut least, mut runs, start) = (Duration::MAX, 0, cpu());
    while runs < RUNS || cpu().saturating_sub(start) < SPEND {
        let before = cpu();
        stage();
        least = least.min(cpu().saturating_sub(before));
        runs += 1;
    }
    least.as_nanos() as f64 / RECORDS as f64
}

fn cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}
