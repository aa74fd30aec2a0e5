//! Files that cannot be read, and command lines that cannot be understood.

use crate::tailrace;
use std::process::{Command, Stdio};

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("latin.yaml"), b"data_dir: /d\nnode: \"caf\xe9\"\n").unwrap();
    std::fs::write(directory.path().join("large.yaml"), "# a comment\n".repeat(100_000)).unwrap();
    for (file, want) in [
        ("none.yaml", "none.yaml: cannot be read: No such file or directory (os error 2)\n"),
        (".", ".: cannot be read: Is a directory (os error 21)\n"),
        ("latin.yaml", "latin.yaml:2:11: a byte that is not UTF-8; write the file in UTF-8\n"),
        ("large.yaml", "large.yaml:1:1: the file is larger than 1MiB; write a configuration, not a log\n"),
        ("/dev/null", "/dev/null:1:1: the file is empty; write `inputs:` and `outputs:`\n"),
        ("/dev/zero", "/dev/zero:1:1: the file is larger than 1MiB; write a configuration, not a log\n"),
    ] {
        for command in ["check", "print-config", "run"] {
            let output = tailrace(directory.path(), &[command, "-c", file]);
            assert_eq!(String::from_utf8(output.stderr).unwrap(), want, "{command} {file}");
            assert_eq!(output.stdout, b"", "{command} {file}");
            assert_eq!(output.status.code(), Some(64), "{command} {file}");
        }
    }
}

#[test]
fn wrong_usage_is_64_and_help_is_0() {
    let directory = tempfile::tempdir().unwrap();
    for (args, code) in [
        (&[][..], 64),
        (&["chekc"], 64),
        (&["check"], 64),
        (&["check", "-c"], 64),
        (&["check", "--config=x", "more"], 64),
        (&["run", "-c", "x", "--once", "--give-up", "5"], 64),
        (&["demo", "--seconds", "0"], 64),
        (&["--help"], 0),
        (&["help", "run"], 0),
        (&["check", "--help"], 0),
        (&["--version"], 0),
    ] {
        let output = tailrace(directory.path(), args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert_eq!(output.stdout.is_empty(), code != 0, "{args:?}");
        assert_eq!(output.stderr.is_empty(), code == 0, "{args:?}");
    }
}

#[test]
fn a_duration_on_the_command_line_is_answered_like_one_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let output = tailrace(directory.path(), &["run", "-c", "x", "--once", "--give-up", "5"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("a duration needs its unit; write `5s`, or with ms, m, h, d"), "{said}");
}

#[test]
fn a_right_file_says_ok_and_where_each_input_goes() {
    let directory = tempfile::tempdir().unwrap();
    let text = "inputs:\n  a: {type: file, include: [/f]}\n  b: {type: kubernetes}\noutputs:\n  \
                x: {type: s3, inputs: [a], bucket: abc, key: k}\n  \
                y: {type: opensearch, inputs: [a], url: 'http://h', index: i}\n";
    std::fs::write(directory.path().join("c.yaml"), text).unwrap();
    let output = tailrace(directory.path(), &["check", "-c", "c.yaml"]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "c.yaml: ok\n  a (file) → x (s3), y (opensearch)\n  b (kubernetes) → read by no output\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/ec2-files-s3.yaml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tailrace"))
        .args(["print-config", "-c", file])
        .env_clear()
        .env("NODE_NAME", "n")
        .env("BUCKET", "my-logs")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}
