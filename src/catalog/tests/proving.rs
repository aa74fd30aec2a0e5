//! A file is what it was: proofs of its last known bytes, and the last look before nobody looks any more.

use super::rig::*;
use crate::catalog::view::Life;
use std::collections::HashMap;
use std::time::Duration;

const APP: &str = "/srv/app.log";
const LIVE: &str = "/var/log/pods/shop_web-1_uid1/app/0.log";

fn apps() -> Rig {
    Rig::new(vec![file_input("app", &["/srv/*.log"])])
}

fn numbered(from: u32, to: u32) -> Vec<u8> {
    (from..to).flat_map(|n| format!("line {n:06}\n").into_bytes()).collect()
}

#[test]
fn what_is_cut_in_place_and_outgrows_its_old_size_within_one_look_is_a_new_generation() {
    let mut rig = apps();
    rig.disk.append(APP, &numbered(0, 50));
    rig.secs(1);
    let old = rig.only().file.id;
    rig.settle_all();
    rig.disk.truncate(APP, 0);
    rig.disk.append(APP, &numbered(50, 300));
    rig.secs(2);
    let new = rig.views.values().find(|v| v.file.id != old).expect("a file of its own").clone();
    assert_eq!(rig.read(new.file.id), numbered(50, 300));
    rig.secs(70);
    assert!(!rig.views.contains_key(&old) && rig.catalog.report().lost.is_empty());
}

#[test]
fn growth_is_no_reason_for_doubt_even_where_every_line_is_the_same() {
    let mut rig = apps();
    for n in 1..200 {
        rig.disk.append(APP, b"the same\n");
        rig.run(Duration::from_millis(130));
        assert_eq!(rig.only().size, n * 9);
    }
}

#[test]
fn behind_a_closed_files_name_may_be_another_file_with_the_same_inode_and_head() {
    let mut rig = apps();
    rig.disk.append(APP, &[b"banner\n".to_vec(), numbered(0, 20)].concat());
    rig.secs(1);
    let old = rig.only().file.id;
    rig.settle_all();
    rig.secs(200);
    assert_eq!(rig.disk.handles(), 0);
    let inode = rig.disk.inode(APP);
    rig.disk.remove(APP);
    rig.disk.append(APP, &[b"banner\n".to_vec(), numbered(100, 160)].concat());
    assert_eq!(rig.disk.inode(APP), inode);
    rig.secs(3);
    let new = rig.views.values().find(|v| v.file.id != old).expect("a file of its own").clone();
    assert_eq!(rig.read(new.file.id), [b"banner\n".to_vec(), numbered(100, 160)].concat());
    // Also when no agent looked.
    rig.settle_all();
    rig.disk.remove(APP);
    rig.disk.append(APP, &[b"banner\n".to_vec(), numbered(500, 600)].concat());
    let mut rig = rig.restart(vec![file_input("app", &["/srv/*.log"])], Duration::from_secs(5), HashMap::new());
    rig.secs(3);
    let last = rig.views.values().find(|v| v.size > new.size).expect("a file of its own").clone();
    assert!(![old, new.file.id].contains(&last.file.id));
}

#[test]
fn a_lane_that_cannot_open_a_file_is_told_what_stands_there_now() {
    let mut rig = apps();
    rig.disk.append(APP, &numbered(0, 20));
    rig.secs(1);
    let old = rig.only().file.id;
    rig.settle_all();
    rig.secs(200);
    // Cut to other bytes of the same length, and no watch told.
    rig.watching = false;
    rig.disk.truncate(APP, 0);
    rig.disk.append(APP, &numbered(700, 720));
    rig.settle(old, 0);
    assert!(rig.read(old).is_empty());
    rig.secs(2);
    let new = rig.views.values().find(|v| v.file.id != old).expect("a file of its own").clone();
    assert_eq!(rig.read(new.file.id), numbered(700, 720));
}

#[test]
fn last_words_between_two_looks_are_read() {
    let mut rig = Rig::new(vec![pods_input()]);
    let writer = rig.disk.writer(LIVE);
    rig.secs(1);
    writer.append(&line(1, "only words"));
    rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    rig.tick();
    assert_eq!(rig.read(rig.only().file.id), line(1, "only words"));
    drop(writer);
    // And those of a file that nobody looked at for a while, before it is called complete.
    rig.disk.append(LIVE.replace("uid1", "uid2"), &line(2, "first"));
    rig.secs(20);
    rig.watching = false;
    let id = rig.views.values().find(|v| v.file.origin.path.contains("uid2")).unwrap().file.id;
    rig.disk.append(LIVE.replace("uid1", "uid2"), &line(3, "last"));
    rig.pods.0.lock().unwrap().terminated.push(("uid2".into(), 0));
    rig.pods.0.lock().unwrap().changed.push("uid2".into());
    rig.secs(10);
    assert_eq!((rig.views[&id].life, rig.read(id)), (Life::Ended, [line(2, "first"), line(3, "last")].concat()));
}

#[test]
fn half_a_line_of_a_crashed_restart_has_an_identity_before_kubelet_removes_it() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(LIVE, b"2026-11-22T10:15:00.000000001Z stdout P half");
    rig.disk.append(LIVE.replace("0.log", "1.log"), &line(1, "the next start"));
    rig.secs(8);
    let first = rig.views.values().find(|v| v.file.place.restart == 0).expect("offered").clone();
    assert_eq!((first.life, first.danger), (Life::Ended, true));
}

#[test]
fn half_a_line_is_all_that_a_pod_wrote_before_it_was_removed() {
    for wait in [1, 3, 10] {
        let mut rig = Rig::new(vec![pods_input()]);
        rig.secs(1);
        rig.disk.append(LIVE, b"2026-11-22T10:15:00.000000001Z stdout F half");
        rig.tick();
        rig.secs(wait);
        rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
        rig.secs(10);
        let view = rig.only();
        assert_eq!((view.size, view.life), (44, Life::Ended), "after {wait} s");
    }
}

#[test]
fn what_went_while_no_agent_ran_is_told_to_the_lanes_and_counted() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(LIVE, &[line(1, "a"), line(2, "b")].concat());
    rig.secs(5);
    let (id, size) = (rig.only().file.id, rig.only().size);
    let half = line(1, "a");
    let low = crate::record::Mark::of(half.len() as u64, &half);
    rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    let mut rig = rig.restart(vec![pods_input()], Duration::from_secs(9), HashMap::from([(id, vec![low])]));
    rig.secs(12);
    let told = rig.sent.last().expect("a last word").clone();
    assert_eq!((told.file.id, told.life, told.size), (id, Life::Gone, size));
    assert_eq!(rig.catalog.report().lost["shop/web-1/app"], size - half.len() as u64);
    assert!(rig.gone.contains(&id) && rig.views.is_empty());
}
