//! A test of the tests: each seeded fault must be found, by the invariant that is there for it, within a bounded
//! number of schedules; and without a fault the same schedules pass.
//!
//! `cargo test --features seeded-bugs --test simulation seeded`; `SIM_BUG=KeyParksLane` looks for one alone.

use crate::plan::Kind;
use crate::world::World;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tailrace::seeded::{Bug, choose};

/// Where a fault shows, and what the invariant says that finds it.
struct Row {
    kind: Kind,
    /// What happens in this world besides, to meet the fault early.
    spice: fn(&mut World),
    /// Schedules within which it must be found: several times what it takes.
    within: u64,
    /// One of these is in the message.
    says: &'static [&'static str],
}

const NOWHERE: &str = "bytes are settled and nowhere";
const COUNTED: &str = "bytes settled,";
const LOST: &str = "cells lost";
const TWICE: &str = "cells delivered twice";

fn row(bug: Bug) -> Row {
    let plain = |kind, within, says| Row { kind, spice: |_| {}, within, says };
    match bug {
        Bug::PositionBeforeAnswer => plain(Kind::Steady, 20, &[NOWHERE, COUNTED]),
        Bug::InodeTrustedAlone => plain(Kind::Steady, 400, &[LOST, "is not what stands in"]),
        Bug::MarkNotChecked => plain(Kind::Crash, 400, &[LOST, "is not what stands in"]),
        Bug::IdNotDurable => plain(Kind::Crash, 400, &[TWICE]),
        Bug::LateGrowthIgnored => plain(Kind::Steady, 400, &[LOST]),
        Bug::GzReadTwice => plain(Kind::Steady, 400, &[TWICE]),
        Bug::LossNotCounted => plain(Kind::Steady, 400, &[COUNTED]),
        Bug::JoinForgotten => plain(Kind::Steady, 400, &[NOWHERE]),
        Bug::SpansNotSaved => plain(Kind::Steady, 400, &["got lost"]),
        Bug::LostAnswerIsDelivered => plain(Kind::Steady, 400, &[NOWHERE]),
        Bug::PartialFailureIgnored => plain(Kind::Steady, 400, &[NOWHERE]),
        Bug::HoldIsReject => plain(Kind::Steady, 400, &["buried for nothing"]),
        Bug::KeyParksLane => plain(Kind::Steady, 400, &["is never through"]),
        Bug::BuriedBeforeSync => plain(Kind::Steady, 400, &[NOWHERE]),
        Bug::AttemptNotNoted => plain(Kind::Crash, 400, &["were counted as possible"]),
        Bug::ConflictIsReject => plain(Kind::Crash, 400, &["buried for nothing"]),
        Bug::ObjectThereIsLoss => plain(Kind::Crash, 400, &["bytes are called lost"]),
        Bug::IntentAfterSend => plain(Kind::Crash, 400, &[TWICE]),
        Bug::IntentRenamed => plain(Kind::Crash, 400, &[TWICE]),
        Bug::PartIsDelivered => plain(Kind::Steady, 400, &[NOWHERE]),
        Bug::TornTailKept => plain(Kind::Crash, 400, &[TWICE]),
    }
}

thread_local!(static SAID: RefCell<Option<String>> = const { RefCell::new(None) });

/// What the first invariant that fails says.
fn run(row: &Row, seed: u64) -> Result<(), String> {
    let world = || {
        let mut world = World::new(row.kind, seed, false);
        for _ in 0..world.plan.acts {
            world.act();
            (row.spice)(&mut world);
        }
        world.finish();
    };
    let failed = catch_unwind(AssertUnwindSafe(world)).is_err();
    let said = SAID.take();
    if failed { Err(said.unwrap_or_default()) } else { Ok(()) }
}

/// One line of the table, or what is wrong.
fn find(bug: Bug) -> Result<String, String> {
    let row = row(bug);
    for seed in 0..row.within {
        choose(Some(bug));
        let found = run(&row, seed);
        choose(None);
        let Err(said) = found else { continue };
        let first = said.lines().next().unwrap_or_default().to_owned();
        let line = format!("{bug:?}: schedule {} of world {}: {first:.90}", seed + 1, row.kind.name());
        if let Err(why) = run(&row, seed) {
            return Err(format!("{line}; and without it too: {why}"));
        }
        let by_name = row.says.iter().any(|words| said.contains(words));
        return if by_name { Ok(line) } else { Err(format!("{line}; expected was one of {:?}", row.says)) };
    }
    Err(format!("{bug:?}: not found in {} schedules of world {}", row.within, row.kind.name()))
}

#[test]
fn seeded_faults_are_found_each_by_its_invariant() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload().downcast_ref::<String>().map(String::as_str);
        let text = text.or(info.payload().downcast_ref::<&str>().copied()).unwrap_or_default();
        SAID.set(Some(text.to_owned()));
    }));
    let only = std::env::var("SIM_BUG").ok();
    let bugs: Vec<Bug> = Bug::ALL.into_iter().filter(|b| only.as_ref().is_none_or(|o| *o == format!("{b:?}"))).collect();
    let (next, lines) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    lines.lock().unwrap().push(find(*bug));
                }
            });
        }
    });
    drop(std::panic::take_hook());
    let lines = lines.into_inner().unwrap();
    for line in &lines {
        match line {
            Ok(line) => crate::say(&format!("found {line}")),
            Err(line) => crate::say(&format!("MISSED {line}")),
        }
    }
    assert!(!bugs.is_empty(), "SIM_BUG names one of {:?}", Bug::ALL);
    assert!(lines.iter().all(Result::is_ok), "some seeded faults were not found");
}
