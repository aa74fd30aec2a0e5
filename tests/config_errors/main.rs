//! Mistakes in a configuration, and exactly what the real binary says about them: all at once, with file, line,
//! column, key, what is wrong and what to write instead; exit code 64.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the answer")]
#![allow(clippy::too_many_lines, reason = "tables")]

mod any_bytes;
mod names;
mod outputs;
mod rules;
mod services;
mod top;
mod usage;

use std::path::Path;
use std::process::{Command, Output};

/// The binary in `directory`, with an environment of its own.
fn tailrace(directory: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tailrace"))
        .args(args)
        .current_dir(directory)
        .env_clear()
        .env("NODE_NAME", "node-1")
        .env("RELATIVE", "lib")
        .env("LINES", "/d\nthreads: 1")
        .output()
        .unwrap()
}

/// Checks that exactly these problems are printed for `text`, in this order, each after the file's name.
fn assert_problems(text: &str, want: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("c.yaml"), text).unwrap();
    let output = tailrace(directory.path(), &["check", "-c", "c.yaml"]);
    let want: String = want.iter().map(|line| format!("c.yaml:{line}\n")).collect();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), want, "{text}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "{text}");
    assert_eq!(output.status.code(), Some(64), "{text}");
}
