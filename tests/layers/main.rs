//! The dependency rule of ARCHITECTURE.md holds: read from what each source file names, file by file.
//!
//! Needs nothing but the standard library, so that the gate can run it before anything else is built:
//! `rustc --edition 2024 --test tests/layers/main.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the answer")]

mod rules;
mod source;

use rules::{File, Finding, check, stale, too_long};
use std::path::Path;

fn tree(files: &[(&str, &str)]) -> Vec<File> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn wrong(files: &[(&str, &str)]) -> Vec<String> {
    check(&tree(files)).into_iter().map(|Finding { file, line, say }| format!("{file}:{line}: {say}")).collect()
}

fn read_below(folder: &Path, name: &str, into: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{name}{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            read_below(&path, &format!("{name}/"), into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn files_of_tests_are_short_too() {
    for folder in ["tests", "benches", "fuzz/fuzz_targets", "examples"] {
        let mut files = Vec::new();
        read_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), "", &mut files);
        assert!(!files.is_empty(), "{folder}");
        let found: Vec<String> = files
            .iter()
            .filter_map(|(file, text)| too_long(file, text))
            .map(|f| format!("{}: {}", f.file, f.say))
            .collect();
        assert!(found.is_empty(), "{folder}: {}", found.join("\n"));
    }
}

#[test]
fn the_source_keeps_the_dependency_rule() {
    let mut files = Vec::new();
    read_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut files);
    assert!(files.len() > 50, "only {} files were found", files.len());
    let found: Vec<String> =
        check(&files).into_iter().map(|Finding { file, line, say }| format!("src/{file}:{line}: {say}")).collect();
    assert!(found.is_empty(), "{} breaches of the dependency rule:\n{}", found.len(), found.join("\n"));
    assert_eq!(stale(&files), [] as [&str; 0], "in the tables of tests/layers/rules.rs, and not in src");
}

#[test]
fn a_pure_file_that_touches_the_world_is_found_however_it_says_so() {
    let touches = |line: &str| {
        let found = wrong(&[("decode/cri.rs", &format!("//! Pure.\n{line}\n"))]);
        assert!(found.len() <= 1, "{found:?}");
        found.first().is_some_and(|say| say.starts_with("decode/cri.rs:2: ") && say.contains("touches the world"))
    };
    for line in [
        "use tokio::time::sleep;",
        "use std::fs;",
        "use std::{fmt, fs::File};",
        "use std::time::{Duration, Instant};",
        "use std::time::*;",
        "use std::*;",
        "use std::time as t; fn f() { t::SystemTime::now() }",
        "use std::{self as s}; fn f() { s::thread::spawn(g) }",
        "use ::hyper::body::Bytes as B;",
        "fn f() { std::thread::sleep(d) }",
        "fn f<'a>(x: &'a str, c: char) -> bool { c == '\\'' && std::net::TcpStream::connect(x).is_ok() }",
        "fn f() { let s = r#\"a \" b\"#; std::process::exit(1) }",
        "#[tokio::main] fn main() {}",
        "macro_rules! m { () => { std::env::var(\"X\") } }",
    ] {
        assert!(touches(line), "not found: {line}");
    }
    for line in [
        "use std::time::Duration;",
        "use std::net::{IpAddr, SocketAddr};",
        "use rustix::io::Errno;",
        "// std::fs::read, in a comment: /* ",
        "/* nested /* use std::fs; */ use std::fs; */",
        "const TEXT: &str = \"use std::fs;\";",
        "const TEXT: &str = r##\"\"# std::fs::read\"##;",
        "#[cfg(test)] mod tests { use std::fs; fn f() { std::thread::spawn(g) } }",
        "#[cfg(all(test, unix))] #[allow(x)] use std::{fs, net::TcpStream};",
        "fn f() { self.fs::<u8>() }",
        "use crate::decode::fs; fn f() { fs::read() }",
    ] {
        assert_eq!(wrong(&[("decode/cri.rs", line)]), [] as [String; 0], "{line}");
    }
}

#[test]
fn async_is_for_the_edge() {
    assert_eq!(
        wrong(&[("lane/retry.rs", "fn a() {}\nasync fn step() {}\n")]),
        ["lane/retry.rs:2: async belongs to the edge, and this file is pure"]
    );
    assert_eq!(wrong(&[("output/s3/service.rs", "async fn attempt() { tokio::spawn(x).await }\n")]), [] as [String; 0]);
}

#[test]
fn the_edge_is_named_file_by_file() {
    for (file, edge) in [
        ("lane/thread.rs", true),
        ("lane/threads.rs", false),
        ("lane/retry.rs", false),
        ("output/s3/service.rs", true),
        ("output/s3/service/parts.rs", true),
        ("output/s3/format.rs", false),
        ("output/service.rs", false),
        ("store/storage.rs", true),
        ("store/log.rs", false),
        ("store/log/tail.rs", false),
        ("store/mod.rs", false),
        ("standin/serve.rs", true),
    ] {
        assert_eq!(wrong(&[(file, "use std::fs::File;")]).is_empty(), edge, "{file}");
    }
}

#[test]
fn exceptions_are_for_one_file_and_one_call() {
    assert_eq!(wrong(&[("config/read/values.rs", "fn f() { std::fs::read_to_string(x) }")]), [] as [String; 0]);
    assert_eq!(wrong(&[("config/read/values.rs", "fn f() { std::fs::write(x, y) }")]).len(), 1);
    assert_eq!(wrong(&[("config/read/names.rs", "fn f() { std::fs::read_to_string(x) }")]).len(), 1);
}

#[test]
fn parts_that_must_not_know_each_other_are_told_apart() {
    for (file, line, say) in [
        ("catalog/scan.rs", "use crate::output::s3::S3Format;", "`catalog` must not know `output::s3::S3Format`"),
        ("output/s3/name.rs", "use crate::catalog::view::File;", "`output` must not know `catalog::view::File`"),
        ("output/s3/service.rs", "fn f() { crate::catalog::scan() }", "`output` must not know `catalog::scan`"),
        ("output/mod.rs", "use super::catalog;", "`output` must not know `catalog`"),
        ("output/aws/sign.rs", "use super::super::super::catalog::view;", "`output` must not know `catalog::view`"),
        ("output/mod.rs", "use crate::{body::Body, catalog::{self, view}};", "`output` must not know `catalog`"),
        ("lane/plan.rs", "use crate::catalog::scan::Scan;", "`lane` must not know `catalog::scan::Scan`"),
        ("lane/plan.rs", "use crate as c; fn f() { c::cli::run() }", "`lane` must not know `cli::run`"),
        ("output/s3/verdict.rs", "use crate::lane::step::Step;", "`output` must not know `lane::step::Step`"),
        ("standin/s3.rs", "use crate::output::aws::sign;", "`standin` must not know `output::aws::sign`"),
        ("record.rs", "use crate::cli::run;", "`record` must not know `cli::run`"),
        ("shiny/mod.rs", "use crate::record::Now;", "a part called `shiny` is not in the table"),
    ] {
        let found = wrong(&[(file, line)]);
        assert!(found.iter().any(|f| f.starts_with(&format!("{file}:1: {say}"))), "{line}: {found:?}");
    }
    for (file, line) in [
        ("cli/run.rs", "use crate::{catalog::Catalog, output::s3::S3Format, store::file::Store};"),
        ("lane/plan.rs", "use crate::catalog::view::FileView; use super::batch::Batch; use self::inner::X;"),
        ("output/s3/mod.rs", "mod xml; use xml::fault; use super::http::Http;"),
        ("lane/mod.rs", "#[cfg(test)] use crate::cli::run; #[cfg(test)] mod tests;"),
    ] {
        assert_eq!(wrong(&[(file, line)]), [] as [String; 0], "{line}");
    }
}

#[test]
fn files_of_tests_may_do_as_they_like_and_others_may_not() {
    let user = "use std::fs; use crate::cli::run;";
    let found =
        |declared: &str| wrong(&[("lane/mod.rs", declared), ("lane/tests/mod.rs", user), ("lane/tests/a.rs", user)]);
    assert_eq!(found("#[cfg(test)]\nmod tests;\n"), [] as [String; 0]);
    assert_eq!(found("#[cfg(not(test))]\nmod tests;\n").len(), 4);
    assert_eq!(found("mod tests;\n").len(), 4);
}

#[test]
fn permissions_that_nobody_needs_are_found() {
    let names = stale(&tree(&[("lane/thread.rs", ""), ("config/read/values.rs", ""), ("output/s3/service.rs", "")]));
    for (name, gone) in [
        ("lane/thread", false),
        ("output/*/service", false),
        ("config/read/values.rs", false),
        ("config", false),
        ("body/coder.rs", true),
        ("store/lock", true),
        ("standin", true),
    ] {
        assert_eq!(names.contains(&name), gone, "{name}");
    }
}

#[test]
fn modules_are_named_and_files_are_short() {
    assert_eq!(
        wrong(&[("lane/mod.rs", "pub mod batch;\npub(crate) mod utils;\n")]),
        ["lane/mod.rs:2: a module called `utils` can hold anything: name it after what is in it"]
    );
    assert_eq!(wrong(&[("lane/plan.rs", &"\n".repeat(400))]), [] as [String; 0]);
    assert_eq!(wrong(&[("lane/plan.rs", &"\n".repeat(401))]), ["lane/plan.rs:401: 401 lines; at most 400"]);
}
