//! Another configuration in the middle of things: parts of an object, answers that never come, files that only the
//! process has, a process that dies half way.

use crate::change::{TAKEN_UP, change, metric, put};
use crate::logs::{append, container, cri, noise};
use crate::stage::{Stage, busy, until_bodies};
use crate::support::{SOON, now, until_or, write, write_for};
use rustix::process::Signal;
use std::time::Duration;
use tailrace::standin::writer::Writer;
use tailrace::standin::{Fault, Rule};

#[test]
fn an_object_in_parts_is_completed_by_the_next_lane_and_nothing_comes_twice() {
    // More than two parts of 5 MiB.
    const LINES: u64 = 26_000;
    let stage = Stage::with("", |outputs| outputs.replace("max_age: 500ms", "max_age: 1h"));
    let s3 = stage.services.s3.control.clone();
    s3.fault(Rule::always(Fault::Slow { millis: 200 }).on("UploadPart"));
    s3.fault(Rule::times(1, Fault::Hang { done: true }).on("CompleteMultipartUpload"));
    let file = container(&stage.place, "shop", "large").join("0.log");
    append(&file, noise(LINES));
    let parts = || s3.requests_of("UploadPart", "200");
    until_or("the first part", SOON, || parts() >= 1, || stage.agent.log());
    change(&stage, TAKEN_UP, |text| text.replace("max_age: 1h", "max_age: 3s"));
    let hangs = || s3.requests_of("CompleteMultipartUpload", "hang") == 1;
    until_or("a completion that is never answered", SOON, hangs, || stage.agent.log());
    change(&stage, TAKEN_UP, |text| text.replace("max_age: 3s", "max_age: 2s"));
    let settled = || stage.lane("archive")["lag"]["bytes"] == 0 && s3.receipts().distinct() == LINES;
    let say = || format!("{} of {LINES}: {}\n{}", s3.receipts().distinct(), stage.lane("archive"), stage.agent.log());
    until_or("all of it", SOON, settled, say);
    println!("{} objects, {:?}", s3.receipts().totals().objects, s3.requests());
    assert_eq!(s3.receipts().with(|ids| ids.values().filter(|n| **n > 1).count()), 0, "{:?}", s3.requests());
}

#[test]
fn deleted_files_that_only_this_process_has_survive_a_change_of_the_inputs() {
    let mut stage = Stage::new();
    let busy = Fault::Status { code: 503, error: "busy".into(), retry_after: None };
    stage.services.opensearch.control.fault(Rule::always(busy));
    let dir = container(&stage.place, "shop", "cart");
    append(&dir.join("0.log"), [cri("one"), cri("two")].concat());
    for (name, standin) in stage.services.each().iter().take(2) {
        until_bodies(name, standin, &["one", "two"], &stage.agent);
    }
    std::fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    let held = || stage.agent.metrics().sum("tailrace_held_files", &[]) == Some(1.0);
    until_or("it to be held", SOON, held, || stage.agent.log());
    change(&stage, TAKEN_UP, |text| {
        text.replace("metadata: {source: path}", "metadata: {source: path}\n    exclude: [/nothing/*]")
    });
    let started = || stage.agent.log().matches("\"started\"").count() == 2;
    until_or("everything anew", SOON, started, || stage.agent.log());
    stage.services.opensearch.control.clear_faults();
    until_bodies("search", &stage.services.opensearch, &["one", "two"], &stage.agent);
    assert_eq!(stage.agent.metrics().sum("tailrace_lost_bytes_total", &[]).unwrap_or(0.0), 0.0);
    assert!(stage.agent.stop(SOON).success());
    stage.until_bodies(&["one", "two"]);
}

#[test]
fn killed_in_the_middle_of_changes_it_still_loses_and_repeats_nothing() {
    let mut stage = Stage::with("memory_limit: 100MiB", |outputs| outputs);
    for (_, standin) in stage.services.each() {
        standin.control.fault(Rule::chance(0.3, 5, Fault::Slow { millis: 300 }));
        standin.control.fault(Rule::chance(0.1, 6, Fault::LoseAnswer));
    }
    let mut writer = Writer::new(&stage.place.pods(), 91, busy(), now()).unwrap();
    let good = std::fs::read_to_string(&stage.config).unwrap();
    for round in 0..6u64 {
        write(&mut writer, 500);
        let change = match round % 3 {
            0 => good.replace("max_age: 500ms", "max_age: 400ms").replace("max_age: 200ms", "max_age: 250ms"),
            1 => good.replace("  archive:\n", "  store:\n    id: archive\n"),
            _ => good.replace("metadata: {source: path}", "metadata: {source: path}\n    exclude: [/nothing/*]"),
        };
        put(&stage.config, &change);
        stage.agent.signal(Signal::HUP);
        // Somewhere between the first look at it and the last new lane.
        write_for(&mut writer, Duration::from_millis(round * 37));
        stage.agent.kill();
        stage.start_again();
    }
    writer.finish(now()).unwrap();
    stage.services.each().iter().for_each(|(_, standin)| standin.control.clear_faults());
    put(&stage.config, &good);
    stage.agent.signal(Signal::HUP);
    until_or("the first one again", SOON, || metric(&stage, TAKEN_UP) >= 1, || stage.agent.log());
    stage.until_all_arrived(&mut writer);
    stage.until_settled();
    stage.assert_once_or_counted(&writer);
}

#[test]
fn other_certificates_in_the_same_file_count_at_a_sighup() {
    let mut stage = Stage::new();
    let ca = stage.place.path().join("ca.pem");
    let pem = include_str!("../../src/config/print/ca.pem");
    std::fs::write(&ca, pem).unwrap();
    change(&stage, TAKEN_UP, |text| text.replace("    index:", &format!("    ca_file: {}\n    index:", ca.display())));
    let ended = || stage.agent.log().matches("ended for the changed configuration").count();
    until_or("the lane without certificates to end", SOON, || ended() == 1, || stage.agent.log());
    // The one with certificates runs: one that is still to start would take the other ones at once.
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("one"));
    stage.until_bodies(&["one"]);
    std::fs::write(&ca, format!("# another\n{pem}")).unwrap();
    let before = metric(&stage, TAKEN_UP);
    stage.agent.signal(Signal::HUP);
    until_or("the signal to be heard", SOON, || metric(&stage, TAKEN_UP) > before, || stage.agent.log());
    until_or("the lane with other certificates", SOON, || ended() == 2, || stage.agent.log());
    append(&file, cri("two"));
    stage.until_bodies(&["one", "two"]);
    let log = stage.agent.log();
    let others = log.lines().filter(|l| l.contains("ended for the changed") && !l.contains("search"));
    assert_eq!(others.count(), 0, "{log}");
    assert!(stage.agent.stop(SOON).success());
}
