//! A log that is a terabyte large, of which next to nothing was ever written.

use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{Place, SOON, Services, until_or};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use tailrace::standin::{Fault, Rule};

/// Bytes of a hole.
const VAST: u64 = 1 << 40;

/// Makes the file so much larger, and writes these lines behind; false where there cannot be such a file.
fn hole(file: &Path, bytes: u64, behind: &[u8]) -> bool {
    let open = File::options().create(true).append(true).open(file).unwrap();
    let size = open.metadata().unwrap().len();
    if let Err(error) = open.set_len(size + bytes) {
        println!("skipped: no such file can be made here: {error}");
        return false;
    }
    append(file, behind);
    true
}

fn logs(stage: &Stage) -> (PathBuf, PathBuf) {
    let log = |namespace: &str, pod: &str| container(&stage.place, namespace, pod).join("0.log");
    (log("evil", "pod"), log("shop", "cart"))
}

/// Waits until the books of all outputs are balanced and say that so many bytes were holes.
fn until_holes(stage: &Stage, want: u64) {
    let balanced = || {
        let mut tailrace = Command::new(env!("CARGO_BIN_EXE_tailrace"));
        let told = tailrace.args(["audit", "--json", "-c"]).arg(&stage.config).output().unwrap();
        let books: Vec<serde_json::Value> = serde_json::from_slice(&told.stdout).unwrap_or_default();
        let holes = |book: &serde_json::Value| book["dropped"]["hole"]["bytes"].as_u64();
        told.status.success() && books.len() == 3 && books.iter().all(|book| holes(book) == Some(want))
    };
    until_or(&format!("{want} bytes of holes in the books"), SOON, balanced, || stage.agent.log());
}

#[test]
fn a_terabyte_of_nothing_is_passed_over_at_once_and_said_and_keeps_nobody_waiting() {
    let mut stage = Stage::new();
    let (evil, fine) = logs(&stage);
    append(&evil, cri("before"));
    append(&fine, cri("fine"));
    stage.until_bodies(&["before", "fine"]);
    if !hole(&evil, VAST, &cri("behind it")) {
        return;
    }
    append(&fine, cri("fine too"));
    stage.until_bodies(&["before", "fine", "behind it", "fine too"]);
    stage.until_settled();
    // What is counted and said comes a moment after what is delivered.
    let counted = || {
        stage.agent.metrics().sum("tailrace_output_dropped_records_total", &[("reason", "hole")]) == Some(3.0)
            && stage.agent.log().contains("holes")
    };
    until_or("each output to count one hole, and to say so", SOON, counted, || stage.agent.log());
    let rss = stage.agent.metrics().sum("tailrace_process_resident_memory_peak_bytes", &[]).unwrap();
    println!("resident: {} MiB at most", rss as u64 >> 20);
    assert!(rss < (100 << 20) as f64, "{rss}");
    let log = stage.agent.log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains("holes")).collect();
    assert!(said.len() <= 3 && said.iter().all(|line| line.contains("evil/pod/main")), "{said:#?}");
    assert!(!said.is_empty(), "{log}");
    until_holes(&stage, VAST);
    assert!(stage.agent.stop(SOON).success());
    stage.start_again();
    append(&evil, cri("after a restart"));
    stage.until_bodies(&["before", "fine", "behind it", "fine too", "after a restart"]);
    until_holes(&stage, VAST);
}

#[test]
fn a_log_that_begins_with_a_hole_is_read_behind_it_and_a_line_that_one_cuts_is_two() {
    let stage = Stage::new();
    let (evil, _) = logs(&stage);
    // As by a writer that goes on at its old place after the file was cut to nothing.
    if !hole(&evil, VAST / 8 + 777, &cri("goes on")) {
        return;
    }
    let text = cri("one that is cut");
    append(&evil, &text[..text.len() - 5]);
    hole(&evil, 1 << 30, &cri("last"));
    stage.until_bodies(&["goes on", "one that is", "last"]);
    stage.until_settled();
    until_holes(&stage, VAST / 8 + 777 + (1 << 30));
}

#[test]
fn killed_while_the_services_are_away_it_finds_the_hole_again() {
    let mut stage = Stage::new();
    let (evil, fine) = logs(&stage);
    append(&evil, cri("before"));
    stage.until_bodies(&["before"]);
    for (_, standin) in stage.services.each() {
        standin.control.fault(Rule::always(Fault::Status { code: 503, error: "x".into(), retry_after: None }));
    }
    append(&evil, cri("waits"));
    if !hole(&evil, VAST, &cri("behind it")) {
        return;
    }
    append(&fine, cri("fine"));
    let read = || stage.agent.metrics().sum("tailrace_output_lag_bytes", &[]).unwrap_or_default() > 0.0;
    until_or("something to be unsettled", SOON, read, || stage.agent.log());
    stage.agent.kill();
    stage.services.each().iter().for_each(|(_, standin)| standin.control.clear_faults());
    stage.start_again();
    stage.until_bodies(&["before", "waits", "behind it", "fine"]);
    stage.until_settled();
    until_holes(&stage, VAST);
}

#[test]
fn once_is_through_with_a_sparse_file_and_deleted_ones_cost_nobody_theirs() {
    let (place, services) = (Place::new(), Services::start());
    let evil = container(&place, "evil", "pod").join("0.log");
    append(&evil, cri("before"));
    if !hole(&evil, VAST, &cri("behind it")) || !hole(&evil, VAST, b"") {
        return;
    }
    let config = place.config("", &services.outputs());
    let mut agent = place.run(&config, &["--once"]);
    let ended = agent.wait(SOON);
    assert_eq!(ended.code(), Some(0), "{}", agent.log());
    for (name, standin) in services.each() {
        crate::stage::until_bodies(name, standin, &["before", "behind it"], &agent);
    }
}
