//! ARCHITECTURE.md names tests and folders; they have to be there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

use std::fs;
use std::path::Path;

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
