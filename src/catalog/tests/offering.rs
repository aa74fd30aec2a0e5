//! Identity at first sight, waiting for metadata, fields for life.

use super::rig::*;
use crate::catalog::view::Life;
use crate::record::Grammar;
use std::time::Duration;

fn log(n: u32) -> String {
    format!("{POD}/{n}.log")
}

#[test]
fn an_empty_file_has_no_id_and_gets_one_with_its_first_line() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(log(0), b"");
    rig.tick();
    rig.secs(120);
    assert_eq!(rig.views.len(), 0);
    let text = line(1, "x");
    rig.disk.append(log(0), &text[..20]);
    rig.secs(59);
    assert_eq!(rig.views.len(), 0);
    rig.disk.append(log(0), &text[20..]);
    rig.secs(1);
    assert_eq!(rig.only().size, text.len() as u64);
}

#[test]
fn a_torn_first_line_gets_an_id_after_a_minute_of_silence() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.tick();
    rig.disk.append(log(0), b"2026-11-22T10:15:00.1Z stdout P half");
    rig.secs(1);
    rig.tick();
    rig.secs(57);
    assert_eq!(rig.views.len(), 0);
    rig.secs(5);
    let id = rig.only().file.id;
    rig.disk.append(log(0), b" and the rest\n");
    rig.secs(61);
    assert_eq!(rig.only().file.id, id);
}

#[test]
fn a_kilobyte_without_a_newline_is_enough() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(log(0), &[b'x'; 1023]);
    rig.tick();
    assert_eq!(rig.views.len(), 0);
    rig.disk.append(log(0), b"x");
    rig.secs(1);
    assert_eq!(rig.views.len(), 1);
}

#[test]
fn a_lost_data_dir_gives_the_same_ids_to_pod_logs() {
    let mut rig = Rig::new(vec![pods_input(), file_input("app", &["/srv/*"])]);
    rig.disk.append(log(0), &line(1, "x"));
    rig.disk.append("/srv/a", b"banner\n");
    rig.tick();
    let before: Vec<_> = rig.views.keys().copied().collect();
    rig.store.clear();
    let mut rig = rig.restart(vec![pods_input(), file_input("app", &["/srv/*"])], Duration::from_secs(1), [].into());
    rig.tick();
    let same = rig.views.keys().filter(|id| before.contains(id)).count();
    assert_eq!((rig.views.len(), same), (2, 1));
}

#[test]
fn random_ids_are_durable_before_the_file_is_offered() {
    let mut rig = Rig::new(vec![file_input("app", &["/srv/*"])]);
    rig.disk.append("/srv/a", b"x\n");
    let turn = rig.catalog.tick(rig.now, &[]);
    assert!(turn.must_sync && turn.changed.is_empty() && turn.saved.len() == 1);
    rig.pass(Duration::from_secs(5));
    assert!(rig.catalog.tick(rig.now, &[]).changed.is_empty());
    rig.catalog.synced();
    rig.pass(Duration::from_millis(20));
    assert_eq!(rig.catalog.tick(rig.now, &[]).changed.len(), 1);
}

#[test]
fn grammars_are_told_apart_per_file() {
    let mut rig = Rig::new(vec![pods_input(), file_input("app", &["/srv/*"])]);
    rig.disk.append(log(0), &line(1, "x"));
    rig.disk.append(
        "/var/log/pods/a_b_c/d/0.log",
        b"{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-22T10:15:00Z\"}\n",
    );
    rig.disk.append("/srv/a", &line(1, "looks like CRI"));
    rig.tick();
    let grammars: Vec<(String, Grammar)> =
        rig.views.values().map(|v| (v.file.origin.path.to_string(), v.file.origin.grammar)).collect();
    for (path, grammar) in grammars {
        let want = if path.contains("/srv") {
            Grammar::Plain
        } else if path.contains("a_b_c") {
            Grammar::Docker
        } else {
            Grammar::Cri
        };
        assert_eq!(grammar, want, "{path}");
    }
}

#[test]
fn a_file_waits_for_its_pod_and_has_its_fields_for_life() {
    let input = || vec![waiting_input(Duration::from_secs(10))];
    let mut rig = Rig::new(input());
    rig.disk.append(log(0), &line(1, "x"));
    rig.tick();
    rig.secs(4);
    assert_eq!(rig.views.len(), 0);
    rig.pods.know("uid1", &[("kubernetes.labels.app", "web")]);
    rig.tick();
    let origin = rig.only().file.origin.clone();
    assert_eq!(origin.fields.get("kubernetes.labels.app"), Some("web"));
    assert_eq!(origin.fields.get("tailrace.pod"), Some("known"));
    assert_eq!(origin.fields.get("path"), Some(log(0).as_str()));
    assert_eq!((origin.fields.get("input"), origin.fields.get("host")), (Some("pods"), Some("node-1")));
    // Labels change: documents follow, keys do not.
    rig.pods.know("uid1", &[("kubernetes.labels.app", "new")]);
    rig.tick();
    assert_eq!(origin.fields.get("kubernetes.labels.app"), Some("web"));
    assert_eq!(origin.meta.load().fields().get("kubernetes.labels.app"), Some("new"));
    // Also after a restart.
    let mut rig = rig.restart(input(), Duration::from_secs(1), [].into());
    rig.tick();
    let origin = rig.only().file.origin.clone();
    assert_eq!(origin.fields.get("kubernetes.labels.app"), Some("web"));
    assert_eq!(origin.meta.load().fields().get("kubernetes.labels.app"), Some("new"));
    assert_eq!(rig.catalog.report().without_metadata, 0);
}

#[test]
fn a_file_whose_pod_stays_unknown_goes_on_with_what_its_path_says() {
    let mut rig = Rig::new(vec![waiting_input(Duration::from_secs(10))]);
    rig.disk.append(log(0), &line(1, "x"));
    rig.tick();
    rig.secs(9);
    assert_eq!(rig.views.len(), 0);
    rig.secs(2);
    let origin = rig.only().file.origin.clone();
    let said = ["namespace_name", "pod_name", "pod_id", "container_name", "host"]
        .map(|name| origin.fields.get(&format!("kubernetes.{name}")).unwrap_or("").to_owned());
    assert_eq!(said, ["shop", "web-1", "uid1", "app", "node-1"]);
    assert_eq!(origin.fields.get("tailrace.pod"), None);
    assert_eq!(rig.catalog.report().without_metadata, 1);
    // Known later: documents say so.
    rig.pods.know("uid1", &[("kubernetes.labels.app", "web")]);
    rig.tick();
    assert_eq!(origin.meta.load().fields().get("kubernetes.labels.app"), Some("web"));
}

#[test]
fn a_file_in_danger_is_offered_without_waiting() {
    let mut rig = Rig::new(vec![waiting_input(Duration::from_secs(3600))]);
    rig.disk.append(log(0), &line(1, "last words"));
    rig.tick();
    rig.secs(2);
    assert_eq!(rig.views.len(), 0);
    rig.pods.0.lock().unwrap().going.push("uid1".into());
    rig.pods.0.lock().unwrap().changed.push("uid1".into());
    rig.tick();
    assert!(rig.only().danger);
}

#[test]
fn siblings_share_their_fields_and_the_path_in_them_is_the_live_one() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(format!("{POD}/0.log.20261122-101500"), &line(1, "old"));
    rig.disk.append(log(0), &line(2, "new"));
    rig.tick();
    let origins: Vec<_> = rig.views.values().map(|v| v.file.origin.clone()).collect();
    assert_eq!(origins.len(), 2);
    assert!(std::sync::Arc::ptr_eq(&origins[0].fields, &origins[1].fields));
    assert_eq!(origins[0].fields.get("path"), Some(log(0).as_str()));
}

#[test]
fn a_pod_without_files_is_forgotten() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(log(0), &line(1, "x"));
    rig.tick();
    rig.secs(1);
    rig.settle_all();
    rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    rig.tick();
    rig.secs(10);
    assert_eq!(rig.views.len(), 0);
    assert_eq!(rig.sent.last().map(|v| v.life), Some(Life::Gone));
    assert_eq!(rig.pods.0.lock().unwrap().forgotten, ["uid1"]);
    assert_eq!(rig.store.len(), 0);
}

#[test]
fn two_batches_of_random_ids_are_answered_one_by_one() {
    let mut rig = Rig::new(vec![file_input("app", &["/srv/*"])]);
    rig.disk.append("/srv/a", b"x\n");
    rig.disk.append("/srv/b", b"");
    assert!(rig.catalog.tick(rig.now, &[]).must_sync);
    rig.disk.append("/srv/b", b"y\n");
    rig.pass(Duration::from_millis(200));
    assert!(rig.catalog.tick(rig.now, &[]).must_sync);
    for path in ["/srv/a", "/srv/b"] {
        rig.catalog.synced();
        rig.pass(Duration::from_millis(20));
        let offered: Vec<_> =
            rig.catalog.tick(rig.now, &[]).changed.iter().map(|v| v.file.origin.path.to_string()).collect();
        assert_eq!(offered, [path]);
    }
}

#[test]
fn the_table_of_pods_answers_as_the_catalog_asks() {
    use crate::catalog::pods::{NodePods, PodPath, PodState, Pods};
    let table = std::sync::Arc::new(crate::metadata::pods::Pods::new());
    let json = br#"{"metadata":{"uid":"uid1","name":"web-1","namespace":"shop","labels":{"app":"web"}},
        "spec":{"nodeName":"node-1","containers":[{"name":"app","image":"web:1"}]},
        "status":{"containerStatuses":[{"name":"app","restartCount":0,"containerID":"containerd://abc"}]}}"#;
    table.put(crate::metadata::pod::Pod::from_json(json, &[]).unwrap());
    let wanted = crate::metadata::pod::Wanted { labels: true, ..Default::default() };
    let mut pods = NodePods::new(table, [("pods".into(), wanted)].into());
    let of = PodPath { input: "pods", uid: "uid1", namespace: "shop", pod: "web-1", container: "app", restart: 0 };
    let PodState::Known { fields, complete } = pods.lookup(&of, vec![("path".into(), "/x".into())]) else {
        panic!("known")
    };
    assert!(complete);
    assert_eq!((fields.get("kubernetes.labels.app"), fields.get("path")), (Some("web"), Some("/x")));
    assert!(matches!(pods.lookup(&PodPath { uid: "other", ..of }, Vec::new()), PodState::Unknown));
    assert!(!pods.terminated(&of) && !pods.going("uid1"));
    assert_eq!(pods.changed(), ["uid1"]);
}

#[test]
fn a_file_in_danger_waits_a_moment_for_word_on_what_an_earlier_life_knew_of_its_pod() {
    use crate::catalog::pods::NodePods;
    use crate::catalog::{Catalog, view::FileView};
    let table = std::sync::Arc::new(crate::metadata::pods::Pods::new());
    let pod = |colour: &str| {
        let json = format!(
            r#"{{"metadata":{{"uid":"uid1","name":"web-1","namespace":"shop","labels":{{"colour":"{colour}"}},"deletionTimestamp":"x"}},
            "status":{{"containerStatuses":[{{"name":"app","restartCount":0,"containerID":"containerd://abc"}}]}}}}"#
        );
        crate::metadata::pod::Pod::from_json(json.as_bytes(), &[]).unwrap()
    };
    table.preload(vec![pod("red")]);
    let wanted = crate::metadata::pod::Wanted { labels: true, ..Default::default() };
    let pods = NodePods::new(table.clone(), [("pods".into(), wanted)].into());
    let disk = crate::catalog::sim::SimDisk::new();
    disk.append(format!("{POD}/0.log"), &line(1, "one"));
    let input = waiting_input(Duration::from_secs(60));
    let mut catalog = Catalog::new(setup(vec![input]), std::sync::Arc::new(disk), pods);
    let at = |ms: u64| crate::record::Now { mono: Duration::from_millis(100_000 + ms), unix_ns: START_NS };
    let mut offered: Vec<FileView> = Vec::new();
    for ms in (0..9_000).step_by(100) {
        offered.extend(catalog.tick(at(ms), &[]).changed);
    }
    assert!(offered.is_empty(), "its pod is going, so it is in danger");
    table.replace(vec![pod("blue")]);
    offered.extend(catalog.tick(at(9_100), &[]).changed);
    let colour =
        |view: &FileView| view.file.origin.meta.load().fields().get("kubernetes.labels.colour").map(str::to_owned);
    assert_eq!(offered.first().and_then(colour).as_deref(), Some("blue"));
}
