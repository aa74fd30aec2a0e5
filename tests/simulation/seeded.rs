//! A test of the tests: each seeded fault must be found, by the invariant that is there for it, within a bounded
//! number of schedules; and without a fault the same schedules pass.
//!
//! `cargo test --features seeded-bugs --test simulation seeded`; `SIM_BUG=KeyParksLane` looks for one alone.

use crate::node::APPS;
use crate::plan::Kind;
use crate::truth::S3;
use crate::world::World;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
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
const OTHER: &str = "is not what stands in";
const BURIED: &str = "buried for nothing";
const POSSIBLE: &str = "were counted as possible";

fn row(bug: Bug) -> Row {
    let plain = |kind, says| Row { kind, spice: |_| {}, within: 400, says };
    match bug {
        Bug::PositionBeforeAnswer => plain(Kind::Steady, &[NOWHERE, COUNTED]),
        Bug::InodeTrustedAlone => plain(Kind::Crash, &[LOST, OTHER, ", past "]),
        Bug::MarkNotChecked => {
            Row { spice: a_log_is_replaced_while_nobody_looks, ..plain(Kind::Steady, &[LOST, OTHER]) }
        }
        Bug::LateGrowthIgnored => plain(Kind::Steady, &[LOST, "never neighbours"]),
        Bug::GzReadTwice => plain(Kind::Steady, &[TWICE]),
        Bug::FirstLaneIsAll => plain(Kind::Steady, &[LOST]),
        Bug::LossNotCounted => plain(Kind::Steady, &[COUNTED]),
        Bug::JoinForgotten | Bug::PartIsDelivered => plain(Kind::Steady, &[NOWHERE, COUNTED]),
        Bug::SpansNotSaved => plain(Kind::Steady, &["got lost", COUNTED]),
        Bug::LostAnswerIsDelivered => plain(Kind::Steady, &[NOWHERE]),
        Bug::PartialFailureIgnored => plain(Kind::Steady, &[NOWHERE]),
        Bug::HoldIsReject => plain(Kind::Steady, &[BURIED]),
        Bug::KeyParksLane => plain(Kind::Steady, &["is never through"]),
        Bug::BuriedBeforeSync => plain(Kind::Steady, &[NOWHERE]),
        Bug::AttemptNotNoted => plain(Kind::Crash, &[POSSIBLE]),
        Bug::ConflictIsReject => plain(Kind::Crash, &[BURIED]),
        Bug::ObjectThereIsLoss => plain(Kind::Crash, &["bytes are called lost"]),
        Bug::IntentAfterSend => Row { spice: dies_with_an_object_on_the_wire, ..plain(Kind::Crash, &[TWICE]) },
        Bug::IntentRenamed => plain(Kind::Crash, &[TWICE]),
        Bug::TornTailKept => Row { spice: dies_twice, ..plain(Kind::Crash, &[POSSIBLE, TWICE]) },
    }
}

fn dies_with_an_object_on_the_wire(world: &mut World) {
    if world.services.in_flight(S3) > 0 && world.chance.one_in(4) {
        world.crash();
    }
}

/// In the middle of a write; and again before the store was rewritten, which mends what was torn.
fn dies_twice(world: &mut World) {
    let writes = world.store.next_due() == Some(Duration::ZERO);
    if writes && world.chance.one_in(2) {
        world.crash();
        let time = world.chance.millis(300, 1_000);
        world.pass(time);
        world.crash();
    }
}

/// By a longer one that begins with the same line.
fn a_log_is_replaced_while_nobody_looks(world: &mut World) {
    if !world.chance.one_in(8) {
        return;
    }
    world.stop(Duration::from_secs(20));
    let path = Path::new(APPS).join("banner/a.log");
    world.on_node(|_, _, hands| {
        let before = hands.fs.content_at(&path).and_then(|c| hands.truth.contents.get(c)).map_or(0, |c| c.bytes.len());
        hands.fs.remove(&path, 0, hands.truth);
        let content = hands.truth.content(false, path.display().to_string());
        let pen = hands.fs.open(&path, content, hands.truth);
        let mut text = b"-- begin --\n".to_vec();
        while text.len() < before + 100 {
            hands.truth.wholes += 1;
            text.extend(hands.truth.cell(content, text.len() as u64, (hands.truth.wholes, 0), *b"abc", false));
            text.push(b'\n');
        }
        hands.fs.append(&pen, &text, hands.truth);
    });
    world.start(false);
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
    let (row, mut others) = (row(bug), 0);
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
        if row.says.iter().any(|words| said.contains(words)) {
            return Ok(line);
        }
        // Found, but as something else: it must be found by its name too.
        others += 1;
        crate::say(&format!("      {line}"));
    }
    let (within, world) = (row.within, row.kind.name());
    Err(format!("{bug:?}: not found in {within} schedules of world {world}, but {others} times as something else"))
}

#[test]
fn seeded_faults_are_found_each_by_its_invariant() {
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload().downcast_ref::<String>().map(String::as_str);
        let text = text.or(info.payload().downcast_ref::<&str>().copied()).unwrap_or_default();
        SAID.set(Some(text.to_owned()));
    }));
    let only = std::env::var("SIM_BUG").ok();
    let bugs: Vec<Bug> =
        Bug::ALL.into_iter().filter(|b| only.as_ref().is_none_or(|o| *o == format!("{b:?}"))).collect();
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
