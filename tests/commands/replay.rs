//! `tailrace replay`: what was refused arrives in the end, once, and nothing is thrown away before it has.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, bodies, documents, until_bodies};
use crate::support::{SOON, until_or};
use crate::tell::{Told, arg, begin, tell};
use std::path::PathBuf;
use tailrace::standin::{Fault, Rule};

/// OpenSearch refuses everything; the letters of these lines are there, and the agent is still running.
fn refused(lines: usize) -> (Stage, PathBuf, Vec<String>) {
    let stage = Stage::new();
    refuse(&stage);
    let written: Vec<String> = (0..lines).map(|n| format!("line {n:04}")).collect();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, written.iter().flat_map(cri).collect::<Vec<u8>>());
    let dir = stage.place.data_dir().join("dead-letter");
    until_letters(&stage, lines);
    stage.services.opensearch.control.clear_faults();
    (stage, dir, written)
}
fn refuse(stage: &Stage) {
    let error = "mapper_parsing_exception".to_owned();
    let all = Fault::PartialItems { fraction: 1.0, status: 400, error, field: None };
    stage.services.opensearch.control.fault(Rule::always(all));
}
fn letters(stage: &Stage) -> Vec<String> {
    let file = stage.place.data_dir().join("dead-letter/search.jsonl");
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}
fn until_letters(stage: &Stage, lines: usize) {
    let all = || letters(stage).len() == lines;
    until_or("the dead letters", SOON, all, || format!("{}\n{}", letters(stage).len(), stage.agent.log()));
}
fn replay(stage: &Stage, more: &[&str]) -> Told {
    let dir = stage.place.data_dir().join("dead-letter");
    let args = [&["replay", arg(&dir), "-c", arg(&stage.config)], more].concat();
    tell(&stage.place, &args)
}
fn strs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

#[test]
fn what_was_refused_arrives_once_with_its_metadata_beside_a_running_agent() {
    let (stage, dir, written) = refused(300);
    let dry = replay(&stage, &["--dry-run"]).ended(0);
    assert_eq!(dry.row("search")[1..3], ["mapper_parsing_exception", "300"], "{}", dry.all());
    let told = replay(&stage, &[]).ended(0);
    assert_eq!(told.row("search"), ["search", "300", "300", "0", "0", "0", "0"], "{}", told.all());
    until_bodies("search", &stage.services.opensearch, &strs(&written), &stage.agent);
    until_bodies("archive", &stage.services.s3, &strs(&written), &stage.agent);
    let archived = documents(&stage.services.s3);
    for document in documents(&stage.services.opensearch) {
        let twin = archived.iter().find(|d| d["log"] == document["log"]).unwrap();
        for name in ["time", "stream", "kubernetes"] {
            assert_eq!(document[name], twin[name], "as if it had gone the usual way");
        }
    }
    assert!(!dir.join("search.jsonl").exists() && !dir.join("replay").exists(), "{}", told.all());
    let told = replay(&stage, &[]).ended(0);
    assert!(told.out.contains("no dead letters in"), "{}", told.all());

    // The agent goes on in a new file.
    refuse(&stage);
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("more"));
    until_letters(&stage, 1);
}

#[test]
fn what_is_refused_again_stays_as_it_was_and_the_exit_says_so() {
    let (stage, _, _) = refused(20);
    let before = letters(&stage);
    refuse(&stage);
    let told = replay(&stage, &[]).ended(1);
    assert_eq!(told.row("search"), ["search", "20", "0", "0", "20", "0", "0"], "{}", told.all());
    assert!(told.out.contains("refused again: mapper_parsing_exception (20)"), "{}", told.all());
    assert_eq!(letters(&stage), before);
    stage.services.opensearch.control.clear_faults();
    replay(&stage, &[]).ended(0);
    assert_eq!(bodies(&stage.services.opensearch).len(), 20);
}

#[test]
fn letters_can_go_to_another_output() {
    let (mut stage, _, written) = refused(20);
    stage.until_settled_but("search");
    assert!(stage.agent.stop(SOON).success());
    for (to, standin) in [("archive", &stage.services.s3), ("cloudwatch", &stage.services.cloudwatch)] {
        let before = bodies(standin).len();
        assert_eq!(before, 20, "{to} has them from the agent");
    }
    let told = replay(&stage, &["--to", "archive"]).ended(0);
    assert_eq!(told.row("archive")[..3], ["archive", "20", "20"], "{}", told.all());
    assert_eq!(bodies(&stage.services.s3).len(), 40, "again, as was asked for: these are other objects");
    assert!(bodies(&stage.services.opensearch).is_empty() && letters(&stage).is_empty());
    assert_eq!(written.len(), 20);
}

#[test]
fn a_destination_that_is_down_leaves_every_letter_where_it_was() {
    let (stage, _, _) = refused(10);
    let mut before = letters(&stage);
    let busy = Fault::Status { code: 503, error: "down".into(), retry_after: None };
    stage.services.opensearch.control.fault(Rule::always(busy));
    let told = replay(&stage, &["--give-up", "1s"]).ended(1);
    assert_eq!(told.row("search"), ["search", "10", "0", "0", "0", "10", "0"], "{}", told.all());
    assert!(told.out.contains("not sent to logs-"), "{}", told.all());
    let mut after = letters(&stage);
    before.sort();
    after.sort();
    assert_eq!(after, before);
}

#[test]
fn killed_again_and_again_a_replay_loses_nothing_and_repeats_nothing() {
    let (mut stage, _, written) = refused(900);
    assert!(stage.agent.stop(SOON).success());
    stage.services.opensearch.control.fault(Rule::chance(0.5, 5, Fault::LoseAnswer));
    stage.services.opensearch.control.fault(Rule::always(Fault::Slow { millis: 60 }));
    let dir = stage.place.data_dir().join("dead-letter");
    let mut interrupted = 0;
    for wait in [5u64, 20, 40, 80, 120, 160] {
        let mut child = begin(&stage.place, &["replay", arg(&dir), "-c", arg(&stage.config)]);
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        interrupted += usize::from(dir.join("replay").exists());
    }
    assert!(interrupted > 1, "nothing was interrupted: this test tests nothing");
    stage.services.opensearch.control.clear_faults();
    // The last of them may have ended by itself.
    let told = replay(&stage, &[]).ended(0);
    until_bodies("search", &stage.services.opensearch, &strs(&written), &stage.agent);
    assert!(letters(&stage).is_empty() && !dir.join("replay").exists(), "{}", told.all());
}

#[test]
fn a_replay_to_s3_that_was_killed_before_the_answer_makes_no_second_object() {
    let (mut stage, dir, _) = refused(50);
    stage.until_settled_but("search");
    assert!(stage.agent.stop(SOON).success());
    let s3 = stage.services.s3.control.clone();
    s3.fault(Rule::always(Fault::Hang { done: true }).on("PutObject"));
    let mut child = begin(&stage.place, &["replay", arg(&dir), "-c", arg(&stage.config), "--to", "archive"]);
    until_or("a put that hangs", SOON, || s3.requests_of("PutObject", "hang") > 0, || stage.agent.log());
    child.kill().unwrap();
    child.wait().unwrap();
    s3.clear_faults();
    let other = replay(&stage, &[]).ended(1);
    assert!(other.err.contains("--to archive"), "{}", other.all());
    let told = replay(&stage, &["--to", "archive"]).ended(0);
    assert_eq!(bodies(&stage.services.s3).len(), 100, "{}", told.all());
    assert!(bodies(&stage.services.opensearch).is_empty());
}

#[test]
fn lines_that_are_no_letters_stay_and_torn_ones_of_a_crash_do_no_harm() {
    let (mut stage, dir, written) = refused(3);
    assert!(stage.agent.stop(SOON).success());
    let file = dir.join("search.jsonl");
    append(&file, "a note of a person\n{\"reason\":\"torn");
    let told = replay(&stage, &[]).ended(1);
    assert_eq!(told.row("search")[..3], ["search", "3", "3"], "{}", told.all());
    assert!(told.out.contains("2 lines are no dead letter that can be read"), "{}", told.all());
    assert_eq!(letters(&stage), ["a note of a person", "{\"reason\":\"torn"]);
    assert_eq!(bodies(&stage.services.opensearch), written);
}

#[test]
fn a_full_dead_letter_directory_holds_delivery_until_a_replay_has_made_room() {
    let stage =
        Stage::with("", |outputs| outputs.replace("    index:", "    dead_letter: {max_bytes: 1MiB}\n    index:"));
    refuse(&stage);
    let long = "x".repeat(100_000);
    let written: Vec<String> = (0..20).map(|n| format!("line {n:04} {long}")).collect();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    let waits = || {
        let lane = stage.lane("search");
        let keys = lane["parked_keys"].as_array().cloned().unwrap_or_default();
        keys.iter().any(|key| key["say"].as_str().is_some_and(|say| say.contains("dead letters are full")))
    };
    let mut fed = 0;
    while !waits() {
        // One at a time, as each burial is all or nothing.
        let Some(line) = written.get(fed) else { panic!("never full: {}", stage.lane("search")) };
        append(&file, cri(line));
        fed += 1;
        let buried = || stage.lane("search")["dead_lettered"]["records"] == fed || waits();
        until_or("it to be buried or held", SOON, buried, || stage.lane("search").to_string());
    }
    let kept = letters(&stage).len();
    assert!(kept > 1 && kept < fed, "{kept} of {fed}");
    assert!(std::fs::metadata(stage.place.data_dir().join("dead-letter/search.jsonl")).unwrap().len() <= 1 << 20);
    until_bodies("archive", &stage.services.s3, &strs(&written[..fed]), &stage.agent);
    stage.services.opensearch.control.clear_faults();
    let told = replay(&stage, &[]).ended(0);
    assert_eq!(told.row("search")[2], kept.to_string(), "{}", told.all());
    // What was held has room now, and is replayed in its turn.
    until_or("the held one", SOON, || letters(&stage).len() == fed - kept, || stage.lane("search").to_string());
    replay(&stage, &[]).ended(0);
    until_bodies("search", &stage.services.opensearch, &strs(&written[..fed]), &stage.agent);
    let dropped = stage.lane("search")["dropped"].to_string();
    assert!(!dropped.contains(|c: char| matches!(c, '1'..='9')), "{dropped}");
}

#[test]
fn who_names_data_dir_is_told_where_the_letters_are() {
    let (stage, dir, _) = refused(1);
    let config = arg(&stage.config);
    let data_dir = stage.place.data_dir();
    let told = tell(&stage.place, &["replay", arg(&data_dir), "-c", config]).ended(0);
    assert!(told.all().contains(&format!("they are in {}: name that", dir.display())), "{}", told.all());
}

#[test]
fn mistakes_are_told_before_anything_is_touched() {
    let (mut stage, dir, _) = refused(2);
    assert!(stage.agent.stop(SOON).success());
    let nowhere = tell(&stage.place, &["replay", "/no/such", "-c", arg(&stage.config)]).ended(64);
    assert!(nowhere.err.contains("/no/such is not a directory"), "{}", nowhere.all());
    let other = replay(&stage, &["--to", "serach"]).ended(64);
    assert!(other.err.contains("there are: cloudwatch, archive, search"), "{}", other.all());
    let text = std::fs::read_to_string(&stage.config).unwrap();
    std::fs::write(&stage.config, text.replace("  search:\n", "  find:\n")).unwrap();
    let gone = replay(&stage, &[]).ended(64);
    assert!(gone.err.contains("come from output search") && gone.err.contains("--to"), "{}", gone.all());
    assert_eq!(letters(&stage).len(), 2);
    std::fs::write(&stage.config, text.replace("  search:\n", "  find:\n    id: search\n")).unwrap();
    assert_eq!(replay(&stage, &[]).ended(0).row("find")[..3], ["find", "2", "2"]);
    assert!(!dir.join("replay").exists());
}
