//! Hot and cold, truncation and copies.

use super::rig::*;
use crate::catalog::sim::Calls;
use crate::catalog::view::Life;
use crate::catalog::{Hint, WatchChange};
use std::time::Duration;

fn log(n: u32) -> String {
    format!("{POD}/{n}.log")
}

fn file_watch(rig: &Rig) -> Option<u64> {
    rig.watched.iter().find_map(|(key, w)| matches!(w, WatchChange::File(_, _)).then_some(*key))
}

#[test]
fn a_silent_file_gets_a_watch_and_is_looked_at_once_more() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(log(0), &line(1, "x"));
    rig.tick();
    rig.run(Duration::from_millis(4900));
    assert_eq!(file_watch(&rig), None);
    // Armed in this tick; a write between the last look and the watch is seen by the one after.
    while file_watch(&rig).is_none() {
        rig.run(Duration::from_millis(100));
    }
    rig.disk.append(log(0), &line(2, "between"));
    rig.run(Duration::from_millis(200));
    assert_eq!(rig.only().size as usize, line(1, "x").len() + line(2, "between").len());
}

#[test]
fn a_cold_file_is_woken_by_its_watch() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(log(0), &line(1, "x"));
    rig.tick();
    rig.secs(20);
    assert_eq!(rig.catalog.report().inputs["pods"].hot, 0);
    rig.disk.append(log(0), &line(2, "y"));
    let woken = rig.now.unix_ns;
    rig.tick();
    assert_eq!(rig.only().size as usize, line(1, "x").len() + line(2, "y").len());
    assert_eq!(rig.only().ages.at(rig.only().size - 1), woken);
    assert_eq!(rig.catalog.report().inputs["pods"].hot, 1);
}

#[test]
fn nothing_idle_costs_anything() {
    let mut rig = Rig::new(vec![pods_input(), file_input("app", &["/srv/*"])]);
    for n in 0..50 {
        rig.disk.append(format!("/var/log/pods/a_b_{n}/c/0.log"), &line(n, "x"));
        rig.disk.append(format!("/var/log/pods/a_b_{n}/c/0.log.20261122-101500"), &line(n + 1000, "x"));
        rig.disk.append(format!("/srv/{n}.log"), format!("{n}\n").as_bytes());
    }
    rig.disk.append("/var/log/pods/a_b_51/c/0.log", b"");
    rig.tick();
    rig.settle_all();
    rig.secs(181);
    let last = rig.last.wake;
    assert!(last > rig.now.mono + Duration::from_secs(30), "next wake in {:?}", last - rig.now.mono);
    let before = rig.disk.calls();
    rig.pass(last - rig.now.mono - Duration::from_secs(1));
    rig.tick();
    assert_eq!(rig.disk.calls(), Calls { ..before });
    // One handle for each live container, none for rotated and plain files.
    assert_eq!(rig.catalog.report().open_files, 51);
}

#[test]
fn a_cold_file_that_grew_without_our_hearing_of_it_is_found_by_the_reconcile() {
    let mut rig = Rig::new(vec![pods_input(), file_input("app", &["/srv/*"])]);
    rig.disk.append(log(0), &line(1, "x"));
    rig.disk.append("/srv/a", b"1\n");
    rig.tick();
    rig.settle_all();
    rig.secs(100);
    rig.watching = false;
    rig.disk.append(log(0), &line(2, "x"));
    rig.disk.append("/srv/a", b"2\n");
    rig.secs(61);
    let sizes: Vec<u64> = rig.views.values().map(|v| v.size).collect();
    assert!(sizes.contains(&4) && sizes.contains(&(2 * line(1, "x").len() as u64)), "{sizes:?}");
}

/// So many pods that all of them are looked at every 90 s and more seldom, and one file of a `file` input.
fn thousands() -> Rig {
    let mut rig = Rig::new(vec![pods_input(), file_input("app", &["/srv/*"])]);
    (0..90).for_each(|n| rig.disk.append(many(n), &line(n, "x")));
    rig.disk.append("/srv/a", b"1\n");
    rig.tick();
    rig.settle_all();
    rig
}

fn many(n: u64) -> String {
    format!("/var/log/pods/a_b_{n}/c/0.log")
}

/// A line more in a pod's file, of which no watch tells; and the size that it then has.
fn unheard(rig: &mut Rig) -> u64 {
    rig.watching = false;
    rig.disk.append(many(7), &line(1_007, "x"));
    (line(7, "x").len() + line(1_007, "x").len()) as u64
}

fn of_size(rig: &Rig, size: u64) -> usize {
    rig.views.values().filter(|v| v.size == size).count()
}

#[test]
fn thousands_of_watched_pods_are_looked_at_more_seldom_and_files_of_file_inputs_each_minute() {
    let mut rig = thousands();
    // The looks are at least 68 s from each other: after 60 s, 180 s, 300 s.
    rig.secs(190);
    rig.settle_all();
    let both = unheard(&mut rig);
    rig.disk.append("/srv/a", b"2\n");
    rig.secs(61);
    assert_eq!((of_size(&rig, both), of_size(&rig, 4)), (0, 1));
    rig.secs(60);
    assert_eq!(of_size(&rig, both), 1);
}

#[test]
fn a_watch_that_is_refused_later_brings_the_look_of_each_minute_back() {
    let mut rig = thousands();
    rig.secs(70);
    let key = *rig.watched.keys().next().unwrap();
    rig.tick_with(&[Hint::Overflow]);
    rig.tick_with(&[Hint::Refused(key)]);
    // Past the minute in which everything is looked at each 30 s.
    rig.secs(130);
    rig.settle_all();
    let both = unheard(&mut rig);
    rig.secs(61);
    assert_eq!(of_size(&rig, both), 1);
}

#[test]
fn a_pod_log_that_could_not_be_opened_once_is_tried_again() {
    const EIO: i32 = 5;
    let mut rig = thousands();
    // The next look at really everything is at 180 s.
    rig.secs(70);
    rig.disk.append(many(1_000), &line(1_000, "xyz"));
    rig.disk.refuse(many(1_000), Some(EIO));
    rig.secs(1);
    rig.disk.refuse(many(1_000), None);
    let size = line(1_000, "xyz").len() as u64;
    assert_eq!(of_size(&rig, size), 0, "it could be opened: this test tests nothing");
    rig.secs(60);
    assert_eq!(of_size(&rig, size), 1);
    assert!(rig.catalog.report().unreadable.is_empty());
}

#[test]
fn ages_are_those_of_the_look_before() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(log(0), b"");
    rig.tick();
    rig.secs(1);
    let before = rig.now.unix_ns;
    rig.disk.append(log(0), &line(1, "x"));
    rig.run(Duration::from_millis(100));
    let at = rig.only().ages.at(0);
    assert!(at <= before && at >= before - 110_000_000, "{}", before - at);
}

#[test]
fn files_of_file_inputs_save_each_new_age_and_pod_logs_every_half_minute() {
    let mut rig = Rig::new(vec![pods_input(), file_input("app", &["/srv/*"])]);
    rig.disk.append(log(0), &line(0, "x"));
    rig.disk.append("/srv/a", b"x\n");
    rig.tick();
    let (mut pods, mut plain) = (0, 0);
    for n in 1..=60u64 {
        rig.disk.append(log(0), &line(n, "x"));
        rig.disk.append("/srv/a", b"x\n");
        let end = rig.now.mono + Duration::from_secs(1);
        while rig.now.mono < end {
            rig.pass(Duration::from_millis(100));
            rig.tick();
            for saved in &rig.last.saved {
                let of_pods = matches!(saved, crate::store::saved::Saved::File(f) if &*f.input == "pods");
                if of_pods { pods += 1 } else { plain += 1 }
            }
        }
    }
    assert!((1..=3).contains(&pods), "{pods}");
    assert!((50..=61).contains(&plain), "{plain}");
}

#[test]
fn a_file_that_shrank_is_a_new_generation() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(log(0), &line(1, "before"));
    rig.tick();
    rig.secs(1);
    let old = rig.only();
    rig.disk.truncate(log(0), 0);
    rig.secs(1);
    rig.disk.append(log(0), &line(1, "before"));
    rig.secs(1);
    let new = rig.views.values().find(|v| v.file.id != old.file.id).unwrap().clone();
    assert!(new.file.place > old.file.place);
    assert_eq!(rig.store[&new.file.id].generation, 1);
    assert_eq!(rig.read(new.file.id), line(1, "before"));
    assert_eq!(rig.views[&old.file.id].life, Life::Final);
    // No copy turned up: what no lane had settled is lost, and said so.
    rig.secs(62);
    assert_eq!(rig.views.len(), 1);
    assert_eq!(rig.catalog.report().lost["shop/web-1/app"], old.size);
}

#[test]
fn the_copy_of_copytruncate_is_the_former_generation() {
    for copy_is_seen_first in [false, true] {
        for included in [false, true] {
            let include: &[&str] = if included { &["/srv/app.log*"] } else { &["/srv/app.log"] };
            let mut rig = Rig::new(vec![file_input("app", include)]);
            rig.disk.append("/srv/app.log", b"one\ntwo\n");
            rig.tick();
            rig.secs(2);
            let old = rig.only().file.id;
            rig.disk.copy("/srv/app.log", "/srv/app.log.1");
            if copy_is_seen_first {
                rig.tick();
                rig.secs(3);
                assert_eq!(rig.views.len(), 1, "a copy is not another file");
            }
            rig.disk.truncate("/srv/app.log", 0);
            rig.secs(1);
            rig.disk.append("/srv/app.log", b"three\n");
            rig.secs(3);
            let case = format!("seen first: {copy_is_seen_first}, included: {included}");
            assert_eq!(rig.views.len(), 2, "{case}");
            assert_eq!(rig.read(old), b"one\ntwo\n", "{case}");
            let new = *rig.views.keys().find(|id| **id != old).unwrap();
            assert_eq!(rig.read(new), b"three\n", "{case}");
            assert!(rig.views[&new].file.place > rig.views[&old].file.place, "{case}");
            assert_eq!(rig.store[&old].path.as_ref(), "/srv/app.log.1");
            rig.secs(100);
            assert_eq!(rig.views.len(), 2, "{case}");
            assert!(rig.catalog.report().lost.is_empty(), "{case}");
        }
    }
}

#[test]
fn a_cold_closed_file_that_is_truncated_is_a_new_generation() {
    let mut rig = Rig::new(vec![file_input("app", &["/srv/a"])]);
    rig.disk.append("/srv/a", b"one\ntwo\n");
    rig.tick();
    rig.settle_all();
    rig.secs(130);
    assert_eq!(rig.catalog.report().open_files, 0);
    let old = rig.only().file.id;
    rig.disk.truncate("/srv/a", 0);
    rig.disk.append("/srv/a", b"x\n");
    rig.secs(1);
    let new = *rig.views.keys().find(|id| **id != old).unwrap();
    assert_eq!(rig.read(new), b"x\n");
    rig.secs(70);
    assert_eq!(rig.views.len(), 1);
    assert!(rig.catalog.report().lost.is_empty());
}

#[test]
fn two_files_with_one_banner_are_two_files() {
    let mut rig = Rig::new(vec![file_input("app", &["/srv/app.log*"])]);
    rig.disk.append("/srv/app.log", b"banner\n");
    rig.disk.append("/srv/app.log", b"live\n");
    rig.disk.append("/srv/app.log.1", b"banner\nolder\n");
    rig.tick();
    rig.secs(1);
    assert_eq!(rig.views.len(), 2);
    // An exact copy that no truncation follows is a file of its own after a minute.
    rig.disk.copy("/srv/app.log", "/srv/app.log.2");
    rig.tick();
    rig.secs(30);
    assert_eq!(rig.views.len(), 2);
    rig.secs(35);
    assert_eq!(rig.views.len(), 3);
}
