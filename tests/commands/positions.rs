//! `tailrace positions`: what it shows is so, and what it sets the agent accepts.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, bodies, until_bodies};
use crate::support::SOON;
use crate::tell::{Told, arg, tell};
use serde_json::Value;
use std::path::PathBuf;

fn positions(stage: &Stage, args: &[&str]) -> Told {
    let (what, rest) = args.split_first().unwrap();
    tell(&stage.place, &[&["positions", what, "-c", arg(&stage.config)], rest].concat())
}
fn listed(stage: &Stage) -> Vec<Value> {
    serde_json::from_str(&positions(stage, &["list", "--json"]).ended(0).out).unwrap()
}
fn of(stage: &Stage, output: &str) -> Value {
    listed(stage).into_iter().find(|row| row["output"] == output).unwrap()
}
/// An agent that has delivered these lines everywhere.
fn delivered(lines: &[&str]) -> (Stage, PathBuf, Vec<u64>) {
    let stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    let mut ends = vec![0];
    for line in lines {
        let text = cri(line);
        ends.push(ends.last().unwrap() + text.len() as u64);
        append(&file, text);
    }
    stage.until_bodies(lines);
    stage.until_settled();
    (stage, file, ends)
}

#[test]
fn a_running_agents_positions_are_shown() {
    let (stage, file, ends) = delivered(&["one", "two"]);
    let end = *ends.last().unwrap();
    let rows = listed(&stage);
    assert_eq!(rows.len(), 3, "{rows:?}");
    for row in &rows {
        assert_eq!((row["position"].as_u64(), row["path"].as_str()), (Some(end), file.to_str()));
        assert_eq!((row["left"].as_u64(), row["settled"].as_u64()), (Some(0), Some(end)));
    }
    let table = positions(&stage, &["list", "--output", "search"]).ended(0);
    assert_eq!(table.row("search")[1..4], [end.to_string(), end.to_string(), "0".to_owned()], "{}", table.all());
    assert_eq!(table.out.lines().count(), 2, "{}", table.all());
    let by_dir = tell(&stage.place, &["positions", "list", "--data-dir", arg(&stage.place.data_dir())]).ended(0);
    assert_eq!(by_dir.out.lines().count(), 4, "{}", by_dir.all());
}

#[test]
fn a_position_set_back_is_read_from_again_and_one_set_forward_is_skipped_to() {
    let (mut stage, file, ends) = delivered(&["one", "two", "three"]);
    let held = positions(&stage, &["set", "archive", arg(&file), "0"]).ended(69);
    assert!(held.err.contains(&format!("pid {}", stage.agent.pid())), "{}", held.all());
    assert!(stage.agent.stop(SOON).success());
    append(&file, [cri("four"), cri("five"), cri("six")].concat());
    // Inside the second line: its beginning counts.
    let told = positions(&stage, &["set", "archive", arg(&file), &(ends[1] + 7).to_string()]).ended(0);
    assert!(told.out.contains(&format!("to {} (7 bytes back", ends[1])), "{}", told.all());
    let id = of(&stage, "cloudwatch")["file"].as_str().unwrap()[..10].to_owned();
    positions(&stage, &["set", "cloudwatch", &id, "end"]).ended(0);
    assert_eq!(of(&stage, "cloudwatch")["position"].as_u64(), Some(std::fs::metadata(&file).unwrap().len()));
    stage.start_again();
    append(&file, cri("seven"));
    let archive = ["one", "two", "two", "three", "three", "four", "five", "six", "seven"];
    until_bodies("archive", &stage.services.s3, &archive, &stage.agent);
    let search = ["one", "two", "three", "four", "five", "six", "seven"];
    until_bodies("search", &stage.services.opensearch, &search, &stage.agent);
    let cloudwatch = ["one", "two", "three", "seven"];
    until_bodies("cloudwatch", &stage.services.cloudwatch, &cloudwatch, &stage.agent);
    stage.until_settled();
}

#[test]
fn a_rotated_and_compressed_file_can_be_set_too() {
    let (mut stage, file, ends) = delivered(&["one", "two"]);
    assert!(stage.agent.stop(SOON).success());
    let plain = std::fs::read(&file).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gz, &plain).unwrap();
    std::fs::write(file.with_file_name("0.log.20261122-101500.gz"), gz.finish().unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();
    append(&file, cri("three"));
    positions(&stage, &["set", "archive", arg(&file), &ends[1].to_string()]).ended(0);
    stage.start_again();
    until_bodies("archive", &stage.services.s3, &["one", "two", "two", "three"], &stage.agent);
    until_bodies("search", &stage.services.opensearch, &["one", "two", "three"], &stage.agent);
}

#[test]
fn what_is_forgotten_is_read_as_if_for_the_first_time() {
    let (mut stage, file, _) = delivered(&["one"]);
    assert!(stage.agent.stop(SOON).success());
    positions(&stage, &["forget", "archive", arg(&file)]).ended(0);
    let whole = positions(&stage, &["forget", "search"]).ended(0);
    assert!(whole.out.contains("1 positions and all sums"), "{}", whole.all());
    assert_eq!(listed(&stage).len(), 1);
    stage.start_again();
    until_bodies("archive", &stage.services.s3, &["one", "one"], &stage.agent);
    stage.until_settled();
    assert_eq!(bodies(&stage.services.opensearch), ["one"], "its ids are the same");
    assert_eq!(bodies(&stage.services.cloudwatch), ["one"]);
}

#[test]
fn mistakes_are_told() {
    let (mut stage, file, _) = delivered(&["one"]);
    assert!(stage.agent.stop(SOON).success());
    let file = arg(&file).to_owned();
    let said = |args: &[&str], code: i32, what: &str| {
        let told = positions(&stage, args).ended(code);
        assert!(told.err.contains(what), "{what}: {}", told.all());
    };
    said(&["set", "serach", &file, "0"], 64, "there are positions of: archive, cloudwatch, search");
    said(&["set", "search", "/no/such.log", "0"], 64, "positions list");
    said(&["set", "search", &file, "1000000"], 64, "`end` is its end");
    said(&["set", "search", &file, "middle"], 64, "`beginning` or `end`");
    std::fs::remove_file(&file).unwrap();
    said(&["set", "search", &file, "end"], 1, "not there any more");
    let empty = tell(&stage.place, &["positions", "list", "--data-dir", "/no/such"]).ended(69);
    assert!(empty.err.contains("no agent has kept positions"), "{}", empty.all());
    assert!(tell(&stage.place, &["positions", "list"]).ended(64).err.contains("--data-dir"));
}
