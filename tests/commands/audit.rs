//! `tailrace audit`: every byte is accounted for at every moment, and books that were doctored are found out.

use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{SOON, now, until_or, write};
use crate::tell::{Told, arg, tell};
use serde_json::Value;
use std::time::Duration;
use tailrace::record::{FileId, Mark};
use tailrace::standin::writer::{Options, Shape, Writer};
use tailrace::standin::{Fault, Rule};
use tailrace::store::file::Store;
use tailrace::store::saved::{LaneId, Position, Saved, State};

fn audit(stage: &Stage, more: &[&str]) -> Told {
    tell(&stage.place, &[&["audit", "-c", arg(&stage.config)], more].concat())
}
fn balanced(stage: &Stage, when: &str) -> Vec<Value> {
    let told = audit(stage, &["--json", "--files"]);
    assert_eq!(told.code, 0, "{when}: {}", told.all());
    serde_json::from_str(&told.out).unwrap()
}
/// Settled bytes in files of which no position is kept any more.
fn forgotten(account: &Value) -> u64 {
    let files: u64 = account["files"].as_array().unwrap().iter().map(|file| number(file, "settled")).sum();
    number(account, "settled_bytes") - files
}
fn number(account: &Value, name: &str) -> u64 {
    account[name].as_u64().unwrap_or_else(|| panic!("{name}: {account}"))
}

#[test]
fn killed_again_and_again_the_books_are_balanced_at_every_moment() {
    let mut stage = Stage::with("", |outputs| {
        // Some lines are filtered, some are refused.
        outputs.replace("    index:", "    transforms: [{select: {keep: 'not (log =~ \"7\")'}}]\n    index:")
    });
    let error = "mapper_parsing_exception".to_owned();
    let refuse = Fault::PartialItems { fraction: 0.1, status: 400, error, field: None };
    stage.services.opensearch.control.fault(Rule::always(refuse));
    for (seed, (_, standin)) in stage.services.each().iter().enumerate() {
        standin.control.fault(Rule::chance(0.1, seed as u64, Fault::LoseAnswer));
        standin.control.fault(Rule::chance(0.5, seed as u64, Fault::Slow { millis: 40 }));
    }
    let options = Options {
        lines_per_second: 2_000,
        rotate_at: 128 << 10,
        rotate_every: Duration::from_secs(1),
        max_files: 3,
        restart_every: Some(Duration::from_secs(1)),
        ..Options::default()
    };
    let mut writer = Writer::new(&stage.place.pods(), 41, options, now()).unwrap();
    let mut asked = 0;
    for round in 0..5u64 {
        let until = now().mono + Duration::from_millis(500 + 170 * round % 400);
        // At least three times, however slow the machine is.
        while now().mono < until || asked < 3 * (round + 1) {
            writer.step(now()).unwrap();
            balanced(&stage, "running");
            asked += 1;
        }
        stage.agent.kill();
        balanced(&stage, "killed");
        stage.start_again();
    }
    writer.finish(now()).unwrap();
    stage.services.each().iter().for_each(|(_, s)| s.control.clear_faults());
    // Files of dead containers go in their time: how many went before, and whether any did, is the machine's speed.
    let done = || {
        writer.clean_up(now()).unwrap();
        let accounts = balanced(&stage, "running");
        let left = |account: &Value| number(account, "to_do_bytes") + number(account, "deleted_bytes");
        accounts.iter().all(|account| left(account) == 0 && forgotten(account) > 0)
    };
    let say = || format!("{}\n{}", audit(&stage, &["--files"]).out, stage.agent.log());
    // A line that goes on behind the last rotation waits half a minute for what the runtime may still write before it.
    until_or("nothing to do, and files that are forgotten", 2 * SOON, done, say);
    assert!(stage.agent.stop(SOON).success());
    let accounts = balanced(&stage, "stopped");
    let search = &accounts[2];
    assert!(asked > 10 && number(&search["dropped"]["filtered"], "bytes") > 0, "{asked}: {search:#}");
    assert!(number(&search["dead_lettered"], "bytes") > 0, "{search:#}");
    for account in &accounts {
        assert_eq!(number(account, "to_do_bytes"), 0, "{account:#}");
        assert!(forgotten(account) > 0, "nothing was forgotten: {account:#}");
    }
}

#[test]
fn what_is_to_do_is_the_size_of_the_files_and_what_was_deleted_unread_is_lost() {
    let mut stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, [cri("one"), cri("two")].concat());
    stage.until_bodies(&["one", "two"]);
    stage.until_settled();
    let before = std::fs::metadata(&file).unwrap().len();
    let table = audit(&stage, &["--files"]).ended(0);
    assert_eq!(table.row("search")[1..3], [before.to_string(), before.to_string()], "{}", table.all());
    assert!(table.out.contains(arg(&file)), "{}", table.all());
    assert!(stage.agent.stop(SOON).success());
    append(&file, [cri("three"), cri("four")].concat());
    let size = std::fs::metadata(&file).unwrap().len();
    // A file that nobody has seen yet, too.
    append(&container(&stage.place, "shop", "new").join("0.log"), vec![b'x'; 77]);
    for account in balanced(&stage, "stopped") {
        assert_eq!((number(&account, "settled_bytes"), number(&account, "to_do_bytes")), (before, size - before + 77));
    }
    // The agent sees the growth, delivers to nobody, and the file goes while it is down.
    let busy = Fault::Status { code: 503, error: "down".into(), retry_after: None };
    for (_, standin) in stage.services.each() {
        standin.control.fault(Rule::always(busy.clone()));
    }
    stage.start_again();
    let seen = || stage.lane("search")["lag"]["bytes"].as_u64() == Some(size - before);
    until_or("the growth", SOON, seen, || stage.lane("search").to_string());
    stage.agent.stop(Duration::from_secs(60));
    std::fs::remove_file(&file).unwrap();
    for account in balanced(&stage, "deleted") {
        assert_eq!(number(&account, "deleted_bytes"), size - before, "{account:#}");
    }
}

#[test]
fn bytes_that_start_end_leaves_out_are_accounted_for_as_skipped() {
    let services = crate::support::Services::start();
    let place = crate::support::Place::new();
    let file = container(&place, "shop", "cart").join("0.log");
    append(&file, [cri("old"), cri("older")].concat());
    let skipped = std::fs::metadata(&file).unwrap().len();
    let config = place.config("", &services.outputs());
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("metadata:", "start: end\n    metadata:")).unwrap();
    let agent = place.run(&config, &[]);
    agent.until_ready();
    let stage = Stage { agent, services, place, config };
    let known = || balanced(&stage, "running").iter().all(|a| number(a, "skipped_bytes") == skipped);
    until_or("the files' ends", SOON, known, || stage.agent.log());
    append(&file, cri("new"));
    stage.until_bodies(&["new"]);
    stage.until_settled();
    for account in balanced(&stage, "settled") {
        assert_eq!(number(&account, "settled_bytes"), std::fs::metadata(&file).unwrap().len(), "{account:#}");
    }
}

/// Writes into the store behind the agent's back.
fn doctor(stage: &Stage, change: impl FnOnce(&State, LaneId, FileId, Position) -> Saved) {
    let (mut store, state, _) = Store::open(&stage.place.data_dir(), now()).unwrap();
    let lane = LaneId("search".into());
    let (file, position) = state.lanes[&lane].positions.iter().next().unwrap();
    let saved = change(&state, lane.clone(), *file, position.clone());
    store.append(&[saved], now()).unwrap();
}

#[test]
fn doctored_books_are_found_out_with_output_and_bytes() {
    let mut stage = Stage::new();
    let options = Options { lines_per_second: 2_000, mix: vec![(Shape::Text, 1)], ..Options::default() };
    let mut writer = Writer::new(&stage.place.pods(), 42, options, now()).unwrap();
    write(&mut writer, 200);
    stage.until_all_arrived(&mut writer);
    stage.until_settled();
    assert!(stage.agent.stop(SOON).success());
    balanced(&stage, "before");
    let kept = std::fs::read(stage.place.data_dir().join("checkpoints.log")).unwrap();
    let found_out = |change: &dyn Fn(&State, LaneId, FileId, Position) -> Saved, what: &str| {
        doctor(&stage, change);
        let told = audit(&stage, &[]).ended(1);
        assert!(told.err.contains(what) && told.err.contains("search"), "{what}: {}", told.all());
        assert_eq!(told.row("search").last().unwrap(), "OFF");
        assert_eq!(told.row("archive").last().unwrap(), "ok");
        std::fs::write(stage.place.data_dir().join("checkpoints.log"), &kept).unwrap();
    };
    let back = |_: &State, lane, file, p: Position| Saved::Position {
        lane,
        file,
        position: Position { low: p.low - 10, ..p },
    };
    found_out(&back, "10 bytes are counted and are settled by no position");
    let less = |state: &State, lane: LaneId, _, _| {
        let mut sums = state.lanes[&lane].sums.clone();
        sums.delivered.1 -= 33;
        Saved::Sums { lane, sums }
    };
    found_out(&less, "33 bytes are settled by its positions and are counted nowhere");
    let forgotten = |_: &State, lane, file, _| Saved::Left { lane, file };
    found_out(&forgotten, "bytes are counted and are settled by no position");
    let other_bytes = |_: &State, lane, file, p: Position| {
        let position = Position { low_mark: Mark { crc: p.low_mark.crc ^ 1, ..p.low_mark }, ..p };
        Saved::Position { lane, file, position }
    };
    doctor(&stage, other_bytes);
    let told = audit(&stage, &[]).ended(1);
    assert!(told.err.contains("of which not these bytes are there"), "{}", told.all());
    std::fs::write(stage.place.data_dir().join("checkpoints.log"), &kept).unwrap();
    balanced(&stage, "after");
}

#[test]
fn a_file_whose_bytes_were_taken_away_behind_the_agents_back_is_found_out() {
    let mut stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    let text = [cri("one"), cri("two"), cri("three")].concat();
    append(&file, &text);
    stage.until_bodies(&["one", "two", "three"]);
    stage.until_settled();
    assert!(stage.agent.stop(SOON).success());
    std::fs::File::options().write(true).open(&file).unwrap().set_len(text.len() as u64 - 5).unwrap();
    let told = audit(&stage, &[]).ended(1);
    assert!(told.err.contains(arg(&file)), "{}", told.all());
    let nowhere = tell(&stage.place, &["audit", "-c", "/no/such.yaml"]).ended(64);
    assert!(nowhere.err.contains("cannot be read"), "{}", nowhere.all());
    std::fs::remove_dir_all(stage.place.data_dir()).unwrap();
    assert!(audit(&stage, &[]).ended(69).err.contains("has an agent run here?"));
}
