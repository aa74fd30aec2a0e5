//! Finding files, and telling them from what only looks like one.

use super::rig::*;
use crate::catalog::glob::Glob;
use crate::catalog::spec::{InputSpec, SpecKind};
use crate::catalog::view::Life;
use crate::catalog::{Hint, POLL};
use std::time::Duration;

const EACCES: i32 = 13;
const EIO: i32 = 5;

#[test]
fn a_file_that_is_there_is_offered_at_the_first_tick_with_its_size() {
    let mut rig = Rig::new(vec![pods_input()]);
    let text = line(1, "hello");
    rig.disk.append(format!("{POD}/0.log"), &text);
    rig.tick();
    let view = rig.only();
    assert_eq!((view.size, view.life, view.danger), (text.len() as u64, Life::Growing, false));
    assert_eq!(view.file.at_scan, Some(text.len() as u64));
    assert_eq!(view.file.origin.who(), "shop/web-1/app");
    assert_eq!(rig.read(view.file.id), text);
}

#[test]
fn growth_is_told_within_a_tenth_of_a_second() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(format!("{POD}/0.log"), &line(1, "a"));
    rig.tick();
    rig.run(Duration::from_millis(300));
    rig.disk.append(format!("{POD}/0.log"), &line(2, "b"));
    let before = rig.only().size;
    rig.run(POLL);
    assert_eq!(rig.only().size, before + line(2, "b").len() as u64);
}

#[test]
fn only_kubelets_names_are_read_and_tmp_never() {
    let mut rig = Rig::new(vec![pods_input()]);
    for name in ["0.log", "0.log.20261122-101500", "0.log.20261122-101500.tmp", "junk", "x.log", "0.log.swp"] {
        rig.disk.append(format!("{POD}/{name}"), &line(1, name));
    }
    rig.disk.append("/var/log/pods/not-a-pod/app/0.log", &line(1, "x"));
    rig.disk.append("/var/log/pods/a_b_c_d/app/0.log", &line(1, "y"));
    rig.disk.append("/var/log/pods/0.log", &line(1, "z"));
    rig.tick();
    let paths: Vec<String> = rig.offered().into_iter().map(|(path, _, _)| path).collect();
    assert_eq!(paths, [format!("{POD}/0.log.20261122-101500"), format!("{POD}/0.log")]);
}

#[test]
fn a_new_pod_is_found_when_its_directory_comes() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.mkdir("/var/log/pods");
    rig.tick();
    rig.secs(3);
    rig.disk.append(format!("{POD}/0.log"), &line(1, "x"));
    rig.tick();
    assert_eq!(rig.views.len(), 1);
    assert_eq!(rig.only().file.at_scan, None);
}

#[test]
fn what_comes_between_the_listing_and_the_watch_is_found_at_once() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.mkdir("/var/log/pods/shop_web-1_uid1");
    rig.tick();
    rig.disk.append(format!("{POD}/0.log"), &line(1, "x"));
    rig.run(Duration::from_millis(50));
    assert_eq!(rig.views.len(), 1);
}

#[test]
fn without_watches_a_new_pod_is_found_within_a_second() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.watching = false;
    rig.disk.mkdir("/var/log/pods");
    rig.tick();
    let key = *rig.watched.keys().next().unwrap();
    rig.tick_with(&[Hint::Refused(key)]);
    assert!(rig.catalog.report().polling);
    for second in 0..90 {
        rig.disk.append(format!("/var/log/pods/a_b_{second}/app/0.log"), &line(second, "x"));
        rig.secs(1);
        assert_eq!(rig.views.len() as u64, second + 1);
        if rig.catalog.report().polling {
            continue;
        }
        // After a minute watches are tried again: the directory asks for one.
        let keys: Vec<u64> = rig.watched.keys().copied().collect();
        rig.tick_with(&keys.into_iter().map(Hint::Refused).collect::<Vec<_>>());
    }
}

#[test]
fn an_overflow_reconciles_at_once_and_is_counted() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(format!("{POD}/0.log"), &line(1, "x"));
    rig.tick();
    rig.secs(10);
    rig.watching = false;
    rig.disk.append("/var/log/pods/a_b_c/app/0.log", &line(2, "y"));
    rig.tick_with(&[Hint::Overflow]);
    assert_eq!((rig.views.len(), rig.catalog.report().overflows), (2, 1));
}

#[test]
fn an_event_that_was_missed_is_made_good_within_a_minute() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.mkdir("/var/log/pods");
    rig.tick();
    rig.secs(1);
    rig.watching = false;
    rig.disk.append(format!("{POD}/0.log"), &line(1, "x"));
    rig.secs(60);
    assert_eq!(rig.views.len(), 1);
}

#[test]
fn the_inputs_own_directory_may_come_late() {
    let mut rig = Rig::new(vec![pods_input(), file_input("app", &["/srv/app/*.log"])]);
    rig.tick();
    rig.secs(5);
    rig.disk.append(format!("{POD}/0.log"), &line(1, "x"));
    rig.disk.append("/srv/app/a.log", b"y\n");
    rig.secs(1);
    assert_eq!(rig.views.len(), 2);
}

#[test]
fn our_own_pod_and_what_is_excluded_are_left_out() {
    let kind = SpecKind::Kubernetes { wait: None, skip_pod: Some("me".into()) };
    let exclude = vec![Glob::new("/var/log/pods/kube-system_*"), Glob::new("/var/log/pods/*/istio-proxy/*")];
    let mut rig = Rig::new(vec![InputSpec { kind, exclude, ..pods_input() }]);
    for path in ["logs_tailrace_me/agent", "kube-system_dns_u/dns", "shop_web_u/istio-proxy", "shop_web_u/app"] {
        rig.disk.append(format!("/var/log/pods/{path}/0.log"), &line(1, path));
    }
    rig.tick();
    assert_eq!(rig.only().file.origin.who(), "shop/web/app");
}

#[test]
fn what_is_no_regular_file_is_counted_and_nothing_else_suffers() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.fifo(format!("{POD}/0.log"));
    rig.disk.mkdir(format!("{POD}/1.log"));
    rig.disk.append("/etc/shadow", b"secret\n");
    rig.disk.symlink("/etc/shadow", format!("{POD}/2.log"));
    rig.disk.append(format!("{POD}/3.log"), &line(1, "denied"));
    rig.disk.refuse(format!("{POD}/3.log"), Some(EACCES));
    rig.disk.append(format!("{POD}/4.log"), &line(1, "good"));
    rig.tick();
    assert_eq!(rig.only().file.origin.path.as_ref(), format!("{POD}/4.log"));
    let count: Vec<(String, u64)> =
        rig.catalog.report().unreadable.iter().map(|(code, n)| (code.to_string(), *n)).collect();
    assert_eq!(count, [("EACCES".into(), 1), ("ELOOP".into(), 1), ("not_regular".into(), 2)]);
    rig.disk.refuse(format!("{POD}/3.log"), None);
    rig.secs(61);
    assert_eq!(rig.views.len(), 2);
    assert_eq!(rig.catalog.report().unreadable.len(), 2);
}

#[test]
fn a_directory_that_cannot_be_listed_is_counted_and_tried_again() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(format!("{POD}/0.log"), &line(1, "x"));
    rig.disk.refuse(POD, Some(EACCES));
    rig.tick();
    assert_eq!((rig.views.len(), rig.catalog.report().unreadable.len()), (0, 1));
    rig.disk.refuse(POD, None);
    rig.secs(2);
    assert_eq!((rig.views.len(), rig.catalog.report().unreadable.len()), (1, 0));
}

#[test]
fn a_file_whose_head_cannot_be_read_gets_its_id_later() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(format!("{POD}/0.log"), &line(1, "x"));
    rig.disk.break_reads(format!("{POD}/0.log"), Some(EIO));
    rig.tick();
    rig.secs(1);
    assert_eq!(rig.views.len(), 0);
    assert!(rig.catalog.report().unreadable.keys().any(|c| c.as_str() == "EIO"));
    rig.disk.break_reads(format!("{POD}/0.log"), None);
    rig.secs(2);
    assert_eq!(rig.views.len(), 1);
}

#[test]
fn globs_find_files_in_old_and_in_new_directories() {
    let mut rig = Rig::new(vec![file_input("app", &["/srv/*/log/*.log", "/var/log/messages"])]);
    rig.disk.append("/srv/a/log/x.log", b"1\n");
    rig.disk.append("/srv/a/other/x.log", b"2\n");
    rig.disk.append("/var/log/messages", b"3\n");
    rig.disk.append("/var/log/dmesg", b"4\n");
    rig.tick();
    rig.disk.append("/srv/b/log/y.log", b"5\n");
    rig.tick();
    let mut paths: Vec<String> = rig.offered().into_iter().map(|(path, _, _)| path).collect();
    paths.sort();
    assert_eq!(paths, ["/srv/a/log/x.log", "/srv/b/log/y.log", "/var/log/messages"]);
}

#[test]
fn a_file_that_two_inputs_match_is_offered_once_and_names_both() {
    let inputs = vec![file_input("one", &["/srv/*.log"]), file_input("two", &["/srv/a.*"])];
    let mut rig = Rig::new(inputs);
    rig.disk.append("/srv/a.log", b"1\n");
    rig.disk.append("/srv/b.log", b"2\n");
    rig.tick();
    rig.secs(130);
    assert_eq!(rig.sent.iter().map(|v| v.file.id).collect::<std::collections::BTreeSet<_>>().len(), 2);
    let a = rig.views.values().find(|v| v.file.origin.path.as_ref() == "/srv/a.log").unwrap();
    assert!(a.file.origin.listed_by("one") && a.file.origin.listed_by("two"));
    let b = rig.views.values().find(|v| v.file.origin.path.as_ref() == "/srv/b.log").unwrap();
    assert!(b.file.origin.listed_by("one") && !b.file.origin.listed_by("two"));
}

#[test]
fn a_hard_link_and_a_symbolic_link_are_the_same_file() {
    let mut rig = Rig::new(vec![file_input("app", &["/srv/*"])]);
    rig.disk.append("/srv/a", b"1\n");
    rig.disk.link("/srv/a", "/srv/b");
    rig.disk.symlink("/srv/a", "/srv/c");
    rig.tick();
    rig.secs(130);
    assert_eq!(rig.views.len(), 1);
    // The first name goes: the file goes on under the other.
    rig.disk.append("/srv/a", b"2\n");
    rig.disk.remove("/srv/a");
    rig.tick();
    rig.secs(130);
    assert_eq!(rig.only().size, 4);
    assert_eq!(rig.only().life, Life::Growing);
}

#[test]
fn docker_mode_follows_one_link_into_the_listed_roots() {
    let mut input = pods_input();
    let root = "/var/lib/docker/containers";
    let follow = crate::catalog::disk::Follow::Into(vec![root.into()]);
    input.base = std::sync::Arc::new(crate::catalog::disk::Base { root: "/var/log/pods".into(), follow });
    let mut rig = Rig::new(vec![input]);
    rig.disk.append(format!("{root}/abc/abc-json.log"), b"{\"log\":\"x\\n\"}\n");
    rig.disk.append("/etc/shadow", b"secret\n");
    rig.disk.symlink(format!("{root}/abc/abc-json.log"), format!("{POD}/0.log"));
    rig.disk.symlink("/etc/shadow", format!("{POD}/1.log"));
    rig.tick();
    let first = rig.only();
    assert_eq!(first.file.origin.grammar, crate::record::Grammar::Docker);
    // Docker rotates behind the link.
    rig.disk.rename(format!("{root}/abc/abc-json.log"), format!("{root}/abc/abc-json.log.1"));
    rig.disk.append(format!("{root}/abc/abc-json.log"), b"{\"log\":\"second\\n\"}\n");
    rig.disk.append(format!("{root}/abc/abc-json.log"), b"{\"log\":\"third\\n\"}\n");
    rig.secs(2);
    let places: Vec<u64> = rig.sent.iter().map(|v| v.file.place.turn).collect();
    assert!(rig.sent.iter().any(|v| v.file.id != first.file.id));
    assert!(places.iter().any(|turn| *turn > first.file.place.turn));
}
