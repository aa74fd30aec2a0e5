//! What Tailrace is built from: licences that may be shipped, one version of each crate, one TLS and one HTTP stack.
//!
//! Asks `cargo tree`, because `cargo metadata` also counts what only tests switch on. Known vulnerabilities are another
//! matter: they need a database from elsewhere, which the gate asks where there is one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the answer")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Licences that a binary may carry: permissive, with nothing to do but name them.
const LICENCES: &[&str] = &[
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that may be there in two versions, and why. One that is single again has to be taken out.
const TWICE: &[(&str, &str)] = &[("syn", "nothing of it is shipped: half of the derive macros moved to 3")];

/// Other stacks for what rustls with aws-lc-rs, hyper and tokio do here.
const SECOND_STACKS: &[&str] = &[
    "async-std",
    "boring-sys",
    "curl-sys",
    "isahc",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
    "reqwest",
    "ring",
    "smol",
    "ureq",
    "wolfssl-sys",
];

/// What the pure core (no features) is built without.
const NOT_PURE: &[&str] = &["aws-config", "aws-sigv4", "clap", "http", "hyper", "hyper-util", "mio", "rustls", "tokio"];

/// Name, version and licence of everything that goes into a build.
type Crates = BTreeSet<(String, String, String)>;

const PLATFORMS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

fn tree(target: &str, more: &[&str]) -> Crates {
    let args = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}|{l}", "--target", target];
    // Not `--offline`: on a fresh machine the other platform's crates are not there yet.
    let output = Command::new(env!("CARGO"))
        .args(args)
        .args(more)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let crates = parse(&String::from_utf8(output.stdout).expect("cargo prints text"));
    assert!(crates.iter().any(|(name, _, _)| name == "tailrace"), "{crates:?}");
    crates
}

fn parse(printed: &str) -> Crates {
    let line = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.split(' ');
        let licence = licence.trim_end_matches(" (*)");
        Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned(), licence.to_owned()))
    };
    printed.lines().filter_map(line).collect()
}

/// Whether an SPDX expression can be satisfied with [`LICENCES`]; `/` is how it was written before.
fn permitted(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "_WITH_");
    let words: Vec<String> = spaced.split_whitespace().map(|word| word.replace("_WITH_", " WITH ")).collect();
    let mut rest = words.as_slice();
    either(&mut rest).is_some_and(|good| good && rest.is_empty())
}

fn either(rest: &mut &[String]) -> Option<bool> {
    let mut good = both(rest)?;
    while rest.first().is_some_and(|word| word == "OR") {
        *rest = &rest[1..];
        good |= both(rest)?;
    }
    Some(good)
}

fn both(rest: &mut &[String]) -> Option<bool> {
    let mut good = one(rest)?;
    while rest.first().is_some_and(|word| word == "AND") {
        *rest = &rest[1..];
        good &= one(rest)?;
    }
    Some(good)
}

fn one(rest: &mut &[String]) -> Option<bool> {
    let (word, after) = rest.split_first()?;
    *rest = after;
    if word != "(" {
        return Some(LICENCES.contains(&word.as_str()));
    }
    let good = either(rest)?;
    let (close, after) = rest.split_first()?;
    *rest = after;
    (close == ")").then_some(good)
}

fn bad_licences(crates: &Crates) -> Vec<String> {
    let bad = crates.iter().filter(|(_, _, licence)| !permitted(licence));
    bad.map(|(name, version, licence)| format!("{name} {version}: {licence:?}")).collect()
}

/// Crates in two versions that may not be, and those that may but are not.
fn versions(crates: &Crates, allowed: &[(&str, &str)]) -> Vec<String> {
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version, _) in crates {
        by_name.entry(name).or_default().push(version);
    }
    let twice: BTreeMap<&str, Vec<&str>> = by_name.into_iter().filter(|(_, versions)| versions.len() > 1).collect();
    let unknown = twice.iter().filter(|(name, _)| !allowed.iter().any(|(known, _)| known == *name));
    let unknown = unknown.map(|(name, versions)| format!("{name} is there as {}", versions.join(" and ")));
    let gone = allowed.iter().filter(|(name, _)| !twice.contains_key(name));
    unknown.chain(gone.map(|(name, _)| format!("{name} is there once: take it out of TWICE"))).collect()
}

fn among<'a>(crates: &'a Crates, names: &[&str]) -> Vec<&'a str> {
    let found: BTreeSet<&str> = crates.iter().map(|(name, _, _)| name.as_str()).collect();
    found.into_iter().filter(|name| names.contains(name)).collect()
}

#[test]
fn what_is_shipped_may_be_shipped() {
    for target in PLATFORMS {
        assert_eq!(bad_licences(&tree(target, &[])), [] as [String; 0], "{target}");
    }
}

#[test]
fn no_crate_is_there_twice_without_a_reason() {
    for target in PLATFORMS {
        assert_eq!(versions(&tree(target, &[]), TWICE), [] as [String; 0], "{target}");
    }
}

#[test]
fn there_is_one_stack_for_tls_and_one_for_http() {
    for target in PLATFORMS {
        let crates = tree(target, &[]);
        assert_eq!(among(&crates, SECOND_STACKS), [] as [&str; 0], "{target}");
        let stack = ["aws-lc-rs", "hyper", "hyper-util", "rustls", "tokio"];
        assert_eq!(among(&crates, &stack), stack, "{target}: has the stack changed?");
    }
}

#[test]
fn the_pure_core_is_built_without_runtime_http_and_aws() {
    let crates = tree(PLATFORMS[0], &["--no-default-features"]);
    assert_eq!(among(&crates, NOT_PURE), [] as [&str; 0]);
}

#[test]
fn licences_are_read_as_expressions() {
    for (expression, good) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("Apache-2.0 / MIT", true),
        ("MIT OR GPL-3.0-only", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("ISC AND (Apache-2.0 OR ISC) AND (GPL-2.0 OR MIT-0)", true),
        ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("GPL-2.0 WITH Classpath-exception-2.0", false),
        ("GPL-3.0-only", false),
        ("MIT AND GPL-3.0-only", false),
        ("(MIT OR Apache-2.0) AND MPL-2.0", false),
        ("MIT Apache-2.0", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(permitted(expression), good, "{expression}");
    }
}

#[test]
fn what_cargo_prints_is_judged() {
    let crates = parse(
        "tailrace v0.1.0 (/somewhere)|Apache-2.0\nbase64 v0.22.1|MIT OR Apache-2.0\nbase64 v0.23.1|MIT (*)\n\
         serde_derive v1.0.1 (proc-macro)|MIT\nring v0.17.0|Apache-2.0 AND ISC\nviral v1.0.0|GPL-3.0-only\nnone v1.0.0|\n",
    );
    assert_eq!(crates.len(), 7);
    assert_eq!(bad_licences(&crates), ["none 1.0.0: \"\"", "viral 1.0.0: \"GPL-3.0-only\""]);
    assert_eq!(versions(&crates, &[]), ["base64 is there as 0.22.1 and 0.23.1"]);
    assert_eq!(versions(&crates, &[("base64", "so"), ("ring", "so")]), ["ring is there once: take it out of TWICE"]);
    assert_eq!(among(&crates, SECOND_STACKS), ["ring"]);
}
