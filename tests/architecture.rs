//! What pages and packages name has to be there: tests and folders of ARCHITECTURE.md, metrics wherever they are spoken of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tailrace::record::Now;
use tailrace::telemetry::board::Snapshot;
use tailrace::telemetry::metrics;
use tailrace::telemetry::report::ProcessReport;

fn sources(dir: &Path, out: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

fn in_ticks(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

/// Longer than any other identifier that the page names.
fn is_test_name(text: &str) -> bool {
    text.len() > 30 && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[test]
fn every_test_that_architecture_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let mut code = String::new();
    sources(&root.join("src"), &mut code);
    sources(&root.join("tests"), &mut code);
    let named: Vec<&str> = in_ticks(&page).filter(|t| is_test_name(t)).collect();
    assert!(named.len() >= 10, "the page names its tests");
    let missing: Vec<_> = named.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "not there: {missing:?}");
}

#[test]
fn every_folder_and_file_that_architecture_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let starts = ["src/", "tests/", "benches/", "config/", "fuzz/", "cli/", "lane/"];
    let is_place = |t: &&str| starts.iter().any(|s| t.starts_with(s)) && !t.contains(['*', ' ']) && !t.contains("NAME");
    let places: Vec<&str> = in_ticks(&page).filter(is_place).collect();
    let missing: Vec<_> =
        places.iter().filter(|p| !root.join(p).exists() && !root.join("src").join(p).exists()).collect();
    assert!(missing.is_empty(), "not there: {missing:?}");
}

/// Files below `path`, or itself.
fn files(path: PathBuf, out: &mut Vec<PathBuf>) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| files(entry.unwrap().path(), out));
    } else {
        out.push(path);
    }
}

/// Names in a text that begin as our metrics do, each with what an exposition's summaries add taken off.
fn metrics_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("tailrace_").filter_map(|(at, start)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = &rest[..end];
        let name = name.strip_suffix("_sum").or_else(|| name.strip_suffix("_count")).unwrap_or(name);
        // Neither `tailrace_*.deb` nor the path of a pod's logs.
        (name != start && !rest[end..].starts_with('-')).then_some(name)
    })
}

#[test]
fn every_metric_that_a_page_an_alert_or_the_chart_names_is_published() {
    let process = ProcessReport { rss: 1, rss_peak: 1, threads: 1, ..ProcessReport::default() };
    let everything = Snapshot { metadata: Some(Default::default()), process, ..Snapshot::default() };
    let published = metrics::render(&everything, Now { mono: Duration::ZERO, unix_ns: 0 });
    let published: Vec<&str> =
        published.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    for place in ["README.md", "CHANGELOG.md", "ARCHITECTURE.md", "packaging", "config"] {
        files(root.join(place), &mut pages);
    }
    let (mut named, mut in_chart, mut missing) = (0, 0, Vec::new());
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        let chart = page.starts_with(root.join("packaging/helm"));
        for name in metrics_in(&text) {
            named += 1;
            in_chart += usize::from(chart);
            if !published.contains(&name) {
                missing.push(format!("{}: {name}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "nobody publishes these: {missing:#?}");
    assert!(named >= 30 && in_chart >= 15, "the pages name metrics: {named}, {in_chart} in the chart");
}

#[test]
fn a_metric_is_found_in_running_text_and_in_an_expression() {
    let text = "`tailrace_ready`, increase(tailrace_lost_bytes_total[15m]) > 0, tailrace_*.deb, tailrace_output_request_seconds_sum";
    let want = ["tailrace_ready", "tailrace_lost_bytes_total", "tailrace_output_request_seconds"];
    assert_eq!(metrics_in(text).collect::<Vec<_>>(), want);
}
