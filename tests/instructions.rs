//! The comparison of `scripts/instructions`: what fails it, and what is only said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::Command;

const TABLE: &str =
    "# Instructions a record.\n# rustc 1.95.0\nlines                 100.0\nencode s3, zstd     10000.0\n";

/// Whether it passes, and what it prints.
fn compare(counts: &str) -> (bool, String) {
    compare_but(counts, "")
}

/// The same; what has `doubt` in its name is not judged.
fn compare_but(counts: &str, doubt: &str) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let (table, counted) = (folder.path().join("table"), folder.path().join("counts"));
    std::fs::write(&table, TABLE).unwrap();
    std::fs::write(&counted, counts).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/instructions");
    let done = Command::new("bash").arg(script).arg("--compare").args([table, counted]).arg(doubt).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(String::from_utf8(done.stderr).unwrap(), "");
    (done.status.success(), said)
}

/// The words of the line of a stage, without its name.
fn line<'a>(said: &'a str, stage: &str) -> Vec<&'a str> {
    let line = said.lines().find_map(|line| line.strip_prefix(stage)).unwrap_or_else(|| panic!("{stage}: {said}"));
    line.split_whitespace().collect()
}

#[test]
fn the_same_counts_pass_and_say_nothing() {
    let (passes, said) = compare(TABLE);
    assert!(passes && said.lines().count() == 2, "{said}");
    assert_eq!(line(&said, "lines"), ["100.0", "100.0", "+0.0", "%"]);
    assert_eq!(line(&said, "encode s3, zstd"), ["10000.0", "10000.0", "+0.0", "%"]);
}

#[test]
fn three_percent_more_pass_and_a_little_over_that_fails() {
    let (passes, said) = compare("lines  103.0\nencode s3, zstd  10000.0\n");
    assert!(passes, "{said}");
    let (passes, said) = compare("lines  103.1\nencode s3, zstd  10000.0\n");
    assert!(!passes && said.contains("`scripts/instructions --write`, in the same commit"), "{said}");
    assert_eq!(line(&said, "lines"), ["100.0", "103.1", "+3.1", "%", "TOO", "MUCH"]);
}

#[test]
fn one_that_grew_is_not_made_up_for_by_another() {
    let (passes, said) = compare("lines  50.0\nencode s3, zstd  10400.0\n");
    assert!(!passes, "{said}");
    assert_eq!(line(&said, "lines"), ["100.0", "50.0", "-50.0", "%", "less"]);
    assert_eq!(line(&said, "encode s3, zstd"), ["10000.0", "10400.0", "+4.0", "%", "TOO", "MUCH"]);
}

#[test]
fn over_three_percent_less_passes_and_asks_for_a_tighter_table() {
    let (passes, said) = compare("lines  96.0\nencode s3, zstd  9900.0\n");
    assert!(passes && said.contains("keeps the gain"), "{said}");
    assert_eq!(line(&said, "lines"), ["100.0", "96.0", "-4.0", "%", "less"]);
    assert_eq!(line(&said, "encode s3, zstd"), ["10000.0", "9900.0", "-1.0", "%"]);
}

#[test]
fn a_stage_that_is_new_or_gone_fails_until_the_table_says_so() {
    let (passes, said) = compare(&format!("{TABLE}lane  5.0\n"));
    assert!(!passes && line(&said, "lane") == ["-", "5.0", "not", "in", "the", "table"], "{said}");
    let (passes, said) = compare("lines  100.0\n");
    assert!(!passes && line(&said, "encode s3, zstd") == ["10000.0", "-", "not", "counted", "any", "more"], "{said}");
}

#[test]
fn what_another_c_compiler_made_is_shown_and_not_judged() {
    let (passes, said) = compare_but("lines  100.0\nencode s3, zstd  20000.0\n", "zstd");
    assert!(passes && line(&said, "encode s3, zstd")[2..5] == ["+100.0", "%", "not"], "{said}");
    assert!(!compare_but("lines  200.0\nencode s3, zstd  20000.0\n", "zstd").0);
}
