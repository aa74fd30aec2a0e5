//! The unit of packaging/systemd: what it says fits the program, and systemd understands all of it.

use crate::skip;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/systemd/tailrace.service");

/// The last value of each key; of lists the whole.
fn keys() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(UNIT).unwrap();
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn seconds(keys: &BTreeMap<String, String>, key: &str) -> u64 {
    keys[key].strip_suffix('s').unwrap().parse().unwrap()
}

#[test]
fn what_the_unit_says_fits_the_program() {
    let keys = keys();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/ec2-cloudwatch.yaml");
    let mut print = Command::new(env!("CARGO_BIN_EXE_tailrace"));
    let printed = print.args(["print-config", "-c"]).arg(config).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let default = |key: &str| printed.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned();
    // A drain, then the store's last sync (5 s) and the catalog's last words.
    let drain: u64 = default("shutdown_timeout:").strip_suffix('s').unwrap().parse().unwrap();
    assert!(seconds(&keys, "TimeoutStopSec") >= drain + 10, "{drain}");
    assert_eq!(default("data_dir:"), format!("\"/var/lib/{}\"", keys["StateDirectory"]));
    let limit: u64 = default("memory_limit:").strip_suffix("MiB").unwrap().parse().unwrap();
    let most: u64 = keys["MemoryMax"].strip_suffix('M').unwrap().parse().unwrap();
    assert!(most >= 2 * (limit + 24), "{limit}");
    // The program looks at itself every 5 s at the latest.
    assert!(seconds(&keys, "WatchdogSec") >= 15);
    assert_eq!(keys["Type"], "notify");
    assert_eq!(keys["RestartPreventExitStatus"], "64");
}

#[test]
fn systemd_understands_the_unit_and_finds_it_safe() {
    let analyze = |args: &[&str], unit: &Path| {
        Command::new("systemd-analyze").args(args).arg(unit).env("SYSTEMD_LOG_LEVEL", "warning").output()
    };
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("tailrace.service");
    let text = std::fs::read_to_string(UNIT).unwrap();
    std::fs::write(&unit, text.replace("/usr/bin/tailrace", env!("CARGO_BIN_EXE_tailrace"))).unwrap();
    let Ok(verified) = analyze(&["verify"], &unit) else { return skip("no systemd-analyze here") };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("tailrace")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
    // In tenths: 9.6 is what a plain service has, 2.0 what none of these keys may be missing for.
    let judged = analyze(&["security", "--offline=true", "--threshold=20"], &unit).unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}
