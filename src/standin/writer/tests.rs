use super::*;
use crate::standin::receipts::{body_of, ids_in, sum_holds};
use std::collections::{BTreeMap, HashSet};
use std::io::Read;

fn at(millis: u64) -> Now {
    let unix_ns = 1_795_341_600_000_000_000 + i64::try_from(millis).unwrap() * 1_000_000;
    Now { mono: Duration::from_millis(millis), unix_ns }
}

/// All files below a directory with their plain bytes.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let mut bytes = std::fs::read(&path).unwrap();
            if path.extension().is_some_and(|e| e == "gz") {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
                bytes = plain;
            }
            found.insert(path.strip_prefix(root).unwrap().display().to_string(), bytes);
        }
    }
    found
}

/// Bodies of a container's files in order, joined by stream as CRI says.
fn bodies(all: &BTreeMap<String, Vec<u8>>) -> Vec<Vec<u8>> {
    // Rotated files sort before the live one by their date once the live one is put last.
    let mut names: Vec<&String> = all.keys().collect();
    names.sort_by_key(|n| {
        let (dir, file) = n.rsplit_once('/').unwrap();
        let (restart, rest) = file.split_once(".log").unwrap();
        (dir.to_owned(), restart.parse::<u32>().unwrap(), rest.is_empty(), rest.to_owned())
    });
    let mut open: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    let mut out = Vec::new();
    for name in names {
        for line in all[name].split_inclusive(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or_else(|| panic!("{name} ends in a torn line"));
            let mut fields = line.splitn(4, |b| *b == b' ');
            let [_, stream, tag, body] = [(); 4].map(|()| fields.next().unwrap());
            // A line does not go on in a later restart.
            let restart = name.split_once(".log").unwrap().0.to_owned();
            let key = (restart, String::from_utf8(stream.to_vec()).unwrap());
            let joined = open.entry(key).or_default();
            joined.extend_from_slice(body);
            if tag == b"F" {
                out.push(std::mem::take(joined));
            }
        }
    }
    out.extend(open.into_values().filter(|b| !b.is_empty()));
    out
}

fn busy() -> Options {
    Options {
        pods: 3,
        containers: 2,
        lines_per_second: 2_000,
        rotate_at: 40_000,
        max_files: 1_000,
        rotate_every: Duration::from_secs(1),
        remove_after: Duration::from_secs(1_000),
        keep_restarts: 1_000,
        ..Options::default()
    }
}

#[test]
fn every_id_of_the_ledger_is_on_disk_once_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { restart_every: Some(Duration::from_millis(700)), passing_pods: 2, ..busy() };
    let mut writer = Writer::new(dir.path(), 1, options, at(0)).unwrap();
    for tick in 1..100 {
        writer.step(at(tick * 70)).unwrap();
    }
    writer.finish(at(7_100)).unwrap();
    let all = files(dir.path());
    let bodies = bodies(&all);
    let ids: Vec<u64> = bodies.iter().flat_map(|b| ids_in(b).collect::<Vec<_>>()).collect();
    assert_eq!(ids.len(), ids.iter().collect::<HashSet<_>>().len(), "an id came twice");
    assert_eq!(ids.len() as u64, writer.ledger().written());
    assert!(ids.iter().all(|id| writer.ledger().has(*id) && writer.ledger().who(*id).is_some()));
    assert!(bodies.iter().all(|b| sum_holds(b)));
    assert_eq!(all.values().map(|b| b.len() as u64).sum::<u64>(), writer.ledger().bytes());
    assert!(writer.ledger().written() > 10_000);
    for kind in [".gz", ".log", "1.log"] {
        assert!(all.keys().any(|n| n.ends_with(kind)), "{kind}");
    }
    assert!(bodies.iter().any(|b| b.contains(&0)) && bodies.iter().any(|b| b.len() > 20_000));
}

#[test]
fn short_lines_of_the_other_stream_get_in_between_parts() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { pods: 1, mix: vec![(Shape::Text, 1), (Shape::Long, 1)], ..Options::default() };
    let mut writer = Writer::new(dir.path(), 1, options, at(0)).unwrap();
    writer.write_lines(at(10), 500).unwrap();
    let all = files(dir.path());
    let head = |line: &[u8]| line.split(|b| *b == b' ').skip(1).take(2).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let heads: Vec<_> = all.values().flat_map(|b| b.split(|c| *c == b'\n')).map(head).collect();
    let between = |w: &[Vec<Vec<u8>>]| {
        w[0].get(1).is_some_and(|t| t == b"P") && w[1].get(1).is_some_and(|t| t == b"F") && w[0][0] != w[1][0]
    };
    assert!(heads.windows(2).any(between));
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let run = |seed| {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::new(dir.path(), seed, busy(), at(0)).unwrap();
        for tick in 1..20 {
            writer.step(at(tick * 100)).unwrap();
        }
        files(dir.path())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_rotation_goes_in_kubelets_order() {
    let options = Options { pods: 1, max_files: 4, reopen_within: Duration::ZERO, torn: false, ..Options::default() };
    let mut plan = Plan::new(1, options);
    plan.begin(at(0));
    let mut last = Vec::new();
    for second in 1..=5 {
        plan.lines(at(second * 1_000), 3);
        last = plan.rotate_all(at(second * 1_000));
    }
    let short = |p: &Path| p.file_name().unwrap().to_str().unwrap().to_owned();
    let told: Vec<String> = last
        .iter()
        .map(|op| match op {
            Op::Rename(from, to) | Op::Gzip(from, to) => format!("{} {}", short(from), short(to)),
            Op::Remove(p) => format!("remove {}", short(p)),
            Op::Create(p) => format!("create {}", short(p)),
            Op::MakeDir(_) | Op::RemoveDir(_) | Op::Append(_, _) => panic!("{op:?}"),
        })
        .collect();
    let t = |s: u32| format!("0.log.20261122-10000{s}");
    let want = [
        format!("remove {}.gz", t(2)),
        format!("{} {}.tmp", t(4), t(4)),
        format!("{}.tmp {}.gz", t(4), t(4)),
        format!("remove {}", t(4)),
        format!("0.log {}", t(5)),
        "create 0.log".to_owned(),
    ];
    assert_eq!(told, want);
    assert!(plan.rotate_all(at(5_500)).is_empty(), "a second rotation in the same second");
}

#[test]
fn the_renamed_file_grows_until_the_runtime_opens_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        pods: 1,
        torn: false,
        lines_per_second: 0,
        reopen_within: Duration::from_secs(5),
        ..Options::default()
    };
    let mut writer = Writer::new(dir.path(), 5, options, at(0)).unwrap();
    writer.write_lines(at(10), 5).unwrap();
    writer.rotate_all(at(20)).unwrap();
    let before = files(dir.path());
    assert_eq!(before.len(), 1, "{:?}", before.keys());
    writer.write_lines(at(30), 5).unwrap();
    let after = files(dir.path());
    let (name, bytes) = before.first_key_value().unwrap();
    assert!(name.contains(".log.2026") && after[name].len() > bytes.len() && after[name].starts_with(bytes));
    writer.step(at(6_000)).unwrap();
    assert!(files(dir.path()).iter().any(|(n, b)| n.ends_with("/0.log") && b.is_empty()));
}

#[test]
fn what_is_deleted_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        passing_pods: 1,
        pods: 1,
        pod_life: Duration::from_secs(2),
        remove_after: Duration::from_secs(1),
        max_files: 3,
        keep_restarts: 0,
        ..busy()
    };
    let mut writer = Writer::new(dir.path(), 2, options, at(0)).unwrap();
    for tick in 1..100 {
        writer.step(at(tick * 100)).unwrap();
        if tick == 50 {
            writer.restart_all(at(tick * 100)).unwrap();
        }
    }
    writer.finish(at(10_000)).unwrap();
    let here: HashSet<u64> = files(dir.path()).values().flat_map(|b| ids_in(b).collect::<Vec<_>>()).collect();
    let ledger = writer.ledger();
    // Ids of records in parts may straddle two files: they are where their last part is.
    let gone: HashSet<u64> = ledger.ids().filter(|id| ledger.removed(*id)).collect();
    let missing: HashSet<u64> = ledger.ids().filter(|id| !here.contains(id)).collect();
    assert_eq!(gone.len() as u64, ledger.removed_count());
    assert!(gone.len() > 1_000 && missing.difference(&gone).count() <= 4 && gone.difference(&missing).count() <= 4);
}

#[test]
fn docker_lines_are_json_and_their_parts_make_the_body() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { runtime: Runtime::Docker, pods: 1, torn: false, ..Options::default() };
    let mut writer = Writer::new(dir.path(), 9, options, at(0)).unwrap();
    writer.write_lines(at(10), 2_000).unwrap();
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    let mut bodies = Vec::new();
    for line in files(dir.path()).values().flat_map(|b| b.split_inclusive(|c| *c == b'\n')) {
        let entry: BTreeMap<String, String> = serde_json::from_slice(line).unwrap();
        assert!(entry["time"].parse::<jiff::Timestamp>().is_ok());
        let text = joined.entry(entry["stream"].clone()).or_default();
        text.push_str(&entry["log"]);
        if text.ends_with('\n') {
            text.pop();
            bodies.push(std::mem::take(text));
        }
    }
    assert_eq!(bodies.len(), 2_000);
    let ids: HashSet<u64> = bodies.iter().flat_map(|b| ids_in(b.as_bytes()).collect::<Vec<_>>()).collect();
    assert_eq!(ids.len() as u64, writer.ledger().written());
    let damaged = bodies.iter().filter(|b| !sum_holds(b.as_bytes())).count();
    // A part that was cut inside a letter cannot be mended by anybody: Docker itself has replaced both halves.
    assert!(damaged < 40, "{damaged}");
}

#[test]
fn a_document_shows_the_body_that_was_written() {
    let body = "INFO \"x\" tr=00000000000000ab sum=________ \u{e9}".replace("________", "00000000");
    let sum = crc32c::crc32c(body.replace("00000000 \u{e9}", " \u{e9}").as_bytes());
    let body = body.replace("sum=00000000", &format!("sum={sum:08x}"));
    let document = serde_json::json!({"log": body, "kubernetes": {"pod_name": "p"}}).to_string();
    assert_eq!(body_of(document.as_bytes()).as_ref(), body.as_bytes());
    assert!(sum_holds(body.as_bytes()) && !sum_holds(body.replace("INFO", "INFx").as_bytes()));
    assert_eq!(ids_in(body.as_bytes()).collect::<Vec<_>>(), [0xab]);
}
