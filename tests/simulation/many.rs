//! Many schedules on all cores: which fail, how many a second, the line that runs one of them again.

use crate::plan::Kind;
use crate::world::World;
use std::cell::RefCell;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

pub fn run(kind: Kind, seed: u64, trace: bool) {
    let mut world = World::new(kind, seed, trace);
    for _ in 0..world.plan.acts {
        world.act();
    }
    world.finish();
}

/// What to type to see one schedule again.
pub fn line(kind: Kind, seed: u64) -> String {
    format!("SIM_WORLD={} SIM_SEED={seed} scripts/simulate", kind.name())
}

/// The kinds in turn: schedule n is seed n / kinds of kind n % kinds. Stops after `most` failures.
pub fn run_many(kinds: &[Kind], first: u64, all: u64, most: u64) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(|info| LAST.with(|last| *last.borrow_mut() = info.to_string())));
    let (began, next, done) = (Instant::now(), AtomicU64::new(0), AtomicU64::new(0));
    let failed = Mutex::new(Vec::new());
    let (kinds_len, cores) = (kinds.len() as u64, std::thread::available_parallelism().map_or(1, usize::from));
    let worker = || {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let failures = failed.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
            let Some(kind) = kinds.get((n % kinds_len) as usize).filter(|_| n < all && failures < most) else { return };
            let (kind, seed) = (*kind, first + n / kinds_len);
            if catch_unwind(|| run(kind, seed, false)).is_err() {
                let why = LAST.with(|last| last.borrow().replace('\n', " "));
                crate::say(&format!("{}\n    {}", line(kind, seed), why.chars().take(320).collect::<String>()));
                failed.lock().unwrap_or_else(PoisonError::into_inner).push((kind.name(), seed));
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let rate = || done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let mut told = Instant::now();
        while !workers.iter().all(|w| w.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
            if told.elapsed() > Duration::from_secs(30) {
                told = Instant::now();
                crate::say(&format!("{} of {all}, {:.0} a second", done.load(Ordering::Relaxed), rate()));
            }
        }
    });
    std::panic::set_hook(before);
    let (done, took) = (done.load(Ordering::Relaxed), began.elapsed().as_secs_f64());
    crate::say(&format!("{done} schedules in {took:.1} s on {cores} cores: {:.0} a second", done as f64 / took));
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(failed.is_empty(), "{} of {done} failed: {failed:?}", failed.len());
}
