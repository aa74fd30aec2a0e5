//! Lanes that come while the catalog runs, and lanes that go.

use super::rig::*;
use crate::catalog::view::FileView;
use std::time::Duration;

const LIVE: &str = "/var/log/pods/shop_web-1_uid1/app/0.log";

fn some(n: u64) -> Vec<u8> {
    (n * 100..n * 100 + 50).flat_map(|n| line(n, &format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))).collect()
}

/// Writes and rotates, and the first lane reads it all; what was written.
fn rotations(rig: &mut Rig, from: u64, to: u64) -> Vec<u8> {
    let mut written = Vec::new();
    for n in from..to {
        rig.disk.append(LIVE, &some(n));
        written.extend(some(n));
        rig.secs(5);
        rig.settle_all();
        rig.disk.rotate(LIVE, &format!("20261122-{n:06}"), 4);
        rig.secs(15);
        rig.settle_all();
    }
    rig.disk.append(LIVE, &some(to));
    written.extend(some(to));
    rig.secs(5);
    rig.settle_all();
    written
}

fn joins(rig: &mut Rig, lane: usize) -> Vec<FileView> {
    rig.catalog.progress().join(lane);
    rig.catalog.offered()
}

#[test]
fn a_lane_that_comes_later_gets_what_the_others_had_read_also_when_kubelet_deletes_it_meanwhile() {
    let mut rig = Rig::new(vec![pods_input()]);
    let mut written = rotations(&mut rig, 0, 4);
    rig.secs(120);
    let idle = rig.catalog.report().open_files;
    assert!(idle <= 1, "{idle} handles for what everybody has read");
    let told = joins(&mut rig, 7);
    assert!(told.len() >= 4 && told.iter().all(|view| view.file.at_scan == Some(view.size)), "{told:?}");
    assert!(told.is_sorted_by_key(|view| view.file.place));
    written.extend(rotations(&mut rig, 5, 25));
    let mut views: Vec<FileView> = rig.views.values().cloned().collect();
    views.sort_by_key(|view| view.file.place);
    assert_eq!(views[0].file.id, told[0].file.id, "the oldest is still to be had");
    let read: Vec<u8> = views.iter().flat_map(|view| rig.read(view.file.id)).collect();
    assert!(read == written, "{} of {} bytes", read.len(), written.len());
    rig.reader.release();
    views.iter().for_each(|view| rig.catalog.progress().passed(7, view.file.id, view.size));
    rig.secs(20);
    assert_eq!(rig.catalog.report().copies, (0, 0));
    assert!(rig.catalog.report().lost.is_empty());
}

#[test]
fn what_was_kept_for_a_lane_alone_goes_when_the_lane_does() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.catalog.progress().join(7);
    rig.disk.append(LIVE, &some(0));
    rig.secs(5);
    rig.settle_all();
    rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    rig.secs(60);
    assert_eq!(rig.views.len(), 1, "the other lane has read nothing of it");
    rig.catalog.progress().leave(7);
    rig.secs(10);
    assert!(rig.views.is_empty() && rig.catalog.report().lost.is_empty());
    assert_eq!((rig.gone.len(), rig.catalog.report().held), (1, (0, 0)));
}

#[test]
fn smaller_caps_count_from_the_moment_they_are_told() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(LIVE, &some(0));
    rig.secs(5);
    rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    rig.secs(60);
    assert_eq!(rig.views.len(), 1);
    rig.catalog.retain(10, 0);
    rig.run(Duration::from_secs(3));
    assert!(rig.views.is_empty());
    assert_eq!(rig.catalog.report().lost.values().sum::<u64>(), some(0).len() as u64);
}

#[test]
fn what_was_in_danger_before_the_lane_came_is_copied_for_it() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(LIVE, &some(0));
    rig.secs(5);
    rig.settle_all();
    rig.disk.append(LIVE.replace("0.log", "1.log"), &some(1));
    for _ in 0..30 {
        rig.secs(5);
        rig.settle_all();
    }
    assert_eq!(rig.catalog.report().copied, (0, 0));
    let told = joins(&mut rig, 7);
    rig.secs(9);
    rig.disk.remove(LIVE);
    rig.secs(9);
    assert_eq!(rig.read(told[0].file.id), some(0));
    assert!(rig.catalog.report().lost.is_empty());
}
