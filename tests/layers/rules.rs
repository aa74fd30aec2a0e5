//! The dependency rule, as a table: who may know whom, which files may touch the world, what files may look like.

use crate::source::{self, Named, Source};

/// A source file: its path below `src`, and its text.
pub type File = (String, String);

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Below `src`.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// A sentence.
    pub say: String,
}

/// Which parts of the crate a part may name (itself always). A part that is not here may not exist; `cli` sees all.
/// `lane::batch` is that module and what is in it.
const KNOWS: &[(&str, &[&str])] = &[
    ("record", &[]),
    ("seeded", &[]),
    ("ruling", &["record"]),
    ("origin", &["record", "body::escape", "metadata::render"]),
    ("config", &["origin", "transform", "metadata::rules"]),
    (
        "catalog",
        &[
            "record",
            "origin",
            "config::checked",
            "store::saved",
            "telemetry::report",
            "lane::batch",
            "body::gunzip",
            "body::packed",
            "decode::line",
            "metadata::pod",
            "metadata::pods",
            "metadata::rules",
            "ruling",
            "seeded",
        ],
    ),
    ("decode", &["record"]),
    ("transform", &["record", "origin", "decode"]),
    ("body", &["lane::batch", "decode"]),
    (
        "lane",
        &[
            "record",
            "origin",
            "ruling",
            "catalog::view",
            "config::checked",
            "config::template",
            "decode",
            "transform",
            "body",
            "store::saved",
            "telemetry::report",
            "telemetry::latency",
            "seeded",
        ],
    ),
    ("output", &["record", "origin", "config", "lane::batch", "lane::format", "body", "seeded", "telemetry::skew"]),
    ("store", &["record", "ruling", "catalog::view", "lane::batch", "seeded"]),
    (
        "metadata",
        &[
            "record",
            "origin",
            "ruling",
            "body::escape",
            "config::yaml",
            "lane::batch",
            "store::log",
            "store::storage",
            "telemetry",
        ],
    ),
    ("telemetry", &["record", "ruling", "lane::batch", "store::saved"]),
    ("admin", &["record", "lane::batch", "telemetry"]),
    // The judge shares no code with what it judges: not even JSON escapes or signatures.
    ("standin", &["record"]),
];

/// Files that touch the world: everything else is bytes and time in, bytes out. A name stands for the file and for
/// what lies in the folder of that name; `*` for one folder.
const EDGE: &[&str] = &[
    "main",
    "cli",
    "admin/server",
    "catalog/os",
    "catalog/thread",
    "catalog/watch",
    "lane/thread",
    "metadata/cache",
    "metadata/watch",
    "output/aws/credentials",
    "output/aws/sign",
    "output/http",
    "output/probe",
    "output/*/service",
    "standin",
    "store/dead_letter",
    "store/file",
    "store/lock",
    "store/peek",
    "store/storage",
    "store/thread",
    "telemetry/log",
    "telemetry/process",
    "telemetry/stderr",
];

/// What only those may name.
const WORLD: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "aws_config",
    "aws_credential_types",
    "aws_sigv4",
    "aws_smithy_runtime_api",
    "futures_util",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "rustix",
    "rustls",
    "rustls_platform_verifier",
    "tokio",
    "tower_service",
];

/// Of that, what is plain data.
const DATA: &[&str] = &[
    "rustix::io::Errno",
    "std::net::IpAddr",
    "std::net::Ipv4Addr",
    "std::net::Ipv6Addr",
    "std::net::SocketAddr",
    "std::os::unix::ffi",
];

/// Single exceptions: file, path, why.
const LIFTED: &[(&str, &str, &str)] = &[
    ("config/read/values.rs", "std::fs::read_to_string", "the host's name is a default of the configuration"),
    ("config/read/ca_file.rs", "std::fs::metadata", "a file that is not there is a mistake of the configuration"),
    ("config/read/ca_file.rs", "std::fs::read", "the same"),
    ("body/coder.rs", "std::process::abort", "a compressor without memory: what Rust itself does then"),
];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"];

/// Lines of a file, tests in it included. Functions are clippy's business (`too_many_lines`).
const LONGEST_FILE: usize = 400;

/// Everything that is wrong with these files, by file and line.
pub fn check(files: &[File]) -> Vec<Finding> {
    let read: Vec<(&File, Vec<String>, Source)> = files
        .iter()
        .map(|file| {
            let module = module_of(&file.0);
            let source = source::read(&file.1, &module);
            (file, module, source)
        })
        .collect();
    let tests: Vec<Vec<String>> = read
        .iter()
        .flat_map(|(_, module, source)| {
            source.test_modules.iter().map(|name| module.iter().chain([name]).cloned().collect())
        })
        .collect();
    let mut found = Vec::new();
    for ((file, text), module, source) in &read {
        found.extend(too_long(file, text));
        let mut say = |line: usize, say: String| found.push(Finding { file: file.clone(), line, say });
        for (line, name) in &source.modules {
            if EMPTY_NAMES.contains(&name.as_str()) {
                say(*line, format!("a module called `{name}` can hold anything: name it after what is in it"));
            }
        }
        if tests.iter().any(|test| module.starts_with(test)) {
            continue;
        }
        for named in &source.named {
            if let Some(sentence) = unknown_part(module, named) {
                say(named.line, sentence);
            }
        }
        if !is_edge(module) {
            world(file, source, &mut say);
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Nobody reads a file that is longer.
pub fn too_long(file: &str, text: &str) -> Option<Finding> {
    let (file, lines) = (file.to_owned(), text.lines().count());
    let say = format!("{lines} lines; at most {LONGEST_FILE}");
    (lines > LONGEST_FILE).then_some(Finding { file, line: LONGEST_FILE + 1, say })
}

/// Names in the tables for which there is no file: permissions that nobody needs any more.
pub fn stale(files: &[File]) -> Vec<&'static str> {
    let modules: Vec<Vec<String>> = files.iter().map(|(file, _)| module_of(file)).collect();
    let edges = EDGE.iter().filter(|edge| !modules.iter().any(|module| is_below(module, edge)));
    let single = LIFTED.iter().map(|(file, _, _)| file);
    let single = single.filter(|name| !files.iter().any(|(file, _)| file == *name));
    let parts = KNOWS.iter().map(|(part, _)| part);
    let parts = parts.filter(|part| !modules.iter().any(|module| module.first().is_some_and(|first| first == *part)));
    edges.chain(single).chain(parts).copied().collect()
}

/// What a pure file says of the world.
fn world(file: &str, source: &Source, say: &mut impl FnMut(usize, String)) {
    for named in &source.named {
        if let Some(of) = WORLD.iter().find(|of| reaches(named, of)) {
            let path = named.path.join("::");
            let lifted = LIFTED.iter().any(|(at, what, _)| *at == file && path == *what);
            if !lifted && !DATA.iter().any(|data| starts_with(&named.path, data)) {
                say(
                    named.line,
                    format!("`{path}` touches the world (`{of}`): only the edge may, and this file is pure"),
                );
            }
        }
    }
    for line in &source.asyncs {
        say(*line, "async belongs to the edge, and this file is pure".to_owned());
    }
}

/// Why this part may not name that one.
fn unknown_part(module: &[String], named: &Named) -> Option<String> {
    let part = module.first()?;
    let other = named.path.get(1).filter(|_| named.path.first().is_some_and(|root| root == "crate"))?;
    if part == "cli" || part == "main" || other == part {
        return None;
    }
    let Some((_, known)) = KNOWS.iter().find(|(name, _)| name == part) else {
        return Some(format!("a part called `{part}` is not in the table of tests/layers/rules.rs"));
    };
    let inside = &named.path[1..];
    let allowed = known.iter().any(|known| starts_with(inside, known));
    (!allowed).then(|| format!("`{part}` must not know `{}`", inside.join("::")))
}

fn is_edge(module: &[String]) -> bool {
    EDGE.iter().any(|edge| is_below(module, edge))
}

fn is_below(module: &[String], place: &str) -> bool {
    let parts: Vec<&str> = place.split('/').collect();
    module.len() >= parts.len() && parts.iter().zip(module).all(|(want, is)| *want == "*" || want == is)
}

fn starts_with(path: &[String], prefix: &str) -> bool {
    let parts: Vec<&str> = prefix.split("::").collect();
    path.len() >= parts.len() && parts.iter().zip(path).all(|(want, is)| want == is)
}

/// Whether naming this is naming `of`, or something inside it, or everything around it.
fn reaches(named: &Named, of: &str) -> bool {
    let path = named.path.join("::");
    starts_with(&named.path, of) || (named.glob && of.starts_with(&format!("{path}::")))
}

/// `lane/batch.rs` and `lane/batch/mod.rs` are `["lane", "batch"]`; `lib.rs` is the root.
fn module_of(file: &str) -> Vec<String> {
    let file = file.strip_suffix(".rs").unwrap_or(file);
    let file = file.strip_suffix("/mod").unwrap_or(file);
    if file == "lib" { Vec::new() } else { file.split('/').map(str::to_owned).collect() }
}
