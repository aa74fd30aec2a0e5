//! Copies in `data_dir/retained`: when they are made, what is read from them, their limits, a restart, a disk that fails.

use super::rig::*;
use crate::catalog::sim::SimDisk;
use crate::catalog::view::Life;
use crate::record::FileId;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

const LIVE: &str = "/var/log/pods/shop_web-1_uid1/app/0.log";
const KEPT: &str = "/data/retained";

fn with(change: impl FnOnce(&mut crate::catalog::spec::Setup)) -> Rig {
    let mut setup = setup(vec![pods_input()]);
    change(&mut setup);
    Rig::with(SimDisk::new(), setup, Duration::from_secs(100))
}

fn live(pod: u64) -> String {
    format!("/var/log/pods/ns_pod{pod}_u{pod}/app/0.log")
}

/// Lines that do not shrink to nothing.
fn lines(from: u64, count: u64) -> Vec<u8> {
    (from..from + count).flat_map(|n| line(n, &format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))).collect()
}

/// Writes and rotates as kubelet does, every 20 s; what was written, in order.
fn rotations(rig: &mut Rig, pods: u64, times: u64, keep: usize) -> BTreeMap<u64, Vec<u8>> {
    let mut written: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for n in 0..times {
        for pod in 0..pods {
            let bytes = lines((pod << 32) + n * 100, 50 + pod * 50);
            rig.disk.append(live(pod), &bytes);
            written.entry(pod).or_default().extend_from_slice(&bytes);
        }
        rig.secs(10);
        for pod in 0..pods {
            rig.disk.rotate(live(pod), &format!("20261122-{n:06}"), keep);
        }
        rig.secs(10);
    }
    written
}

/// All that can be read, by pod, oldest sibling first; each lane's settling of it.
fn read_all(rig: &mut Rig) -> BTreeMap<u64, Vec<u8>> {
    let mut views: Vec<_> = rig.views.values().cloned().collect();
    views.sort_by_key(|v| v.file.place);
    let mut all: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
    for view in views {
        let pod =
            view.file.origin.fields.get("kubernetes.pod_name").unwrap().trim_start_matches("pod").parse().unwrap();
        let bytes = rig.read(view.file.id);
        assert_eq!(bytes.len() as u64, view.size, "{}", view.file.origin.path);
        all.entry(pod).or_default().extend_from_slice(&bytes);
        rig.settle(view.file.id, view.size);
    }
    rig.reader.release();
    all
}

#[test]
fn an_hour_of_rotation_without_the_lane_loses_nothing_within_the_limit_and_leaves_nothing_behind() {
    let mut rig = with(|_| {});
    // 100 rotations; five siblings stay.
    let written = rotations(&mut rig, 3, 100, 4);
    let on_disk = rig.disk.names(Path::new(&live(0)).parent().unwrap()).len();
    assert!(on_disk <= 6, "{on_disk} files of 100 are still there");
    assert!(rig.catalog.report().held.0 <= 12, "by copies, but for what has a `.gz`");
    assert!(read_all(&mut rig) == written);
    rig.secs(20);
    assert!(rig.catalog.report().lost.is_empty());
    assert_eq!(rig.disk.names(KEPT).len(), 0);
    assert_eq!(rig.catalog.report().copies, (0, 0));
}

#[test]
fn a_restart_reads_the_copies_under_the_same_ids_where_it_left_off() {
    let mut rig = with(|_| {});
    let written = rotations(&mut rig, 2, 40, 4);
    rig.disk.remove_tree("/var/log/pods/ns_pod1_u1");
    rig.secs(20);
    let before: BTreeMap<FileId, u64> = rig.views.iter().map(|(id, v)| (*id, v.size)).collect();
    let turns = |rig: &Rig| rig.views.values().map(|v| (v.file.place, v.size, v.life)).collect::<Vec<_>>();
    let order = turns(&rig);
    rig.reader.release();
    let mut rig = rig.restart(vec![pods_input()], Duration::from_secs(600), HashMap::new());
    rig.secs(30);
    let after: BTreeMap<FileId, u64> = rig.views.iter().map(|(id, v)| (*id, v.size)).collect();
    assert_eq!(before, after);
    assert_eq!(order, turns(&rig), "in the same order");
    assert!(rig.offered().iter().all(|(path, _, _)| path.starts_with("/var/log/pods/ns_pod")));
    assert!(read_all(&mut rig) == written);
    rig.secs(20);
    assert!(rig.catalog.report().lost.is_empty());
    assert_eq!(rig.disk.names(KEPT).len(), 0);
}

#[test]
fn a_copy_of_which_the_store_lost_its_word_is_read_by_its_name() {
    let mut rig = with(|_| {});
    let written = rotations(&mut rig, 2, 40, 4);
    rig.reader.release();
    let copies = rig.disk.names(KEPT).len();
    assert!(copies > 20, "{copies}");
    // The end of the log was torn off.
    rig.store.values_mut().for_each(|known| known.kept = None);
    let mut rig = rig.restart(vec![pods_input()], Duration::from_secs(600), HashMap::new());
    rig.secs(30);
    assert!(read_all(&mut rig) == written);
    rig.secs(20);
    assert!(rig.catalog.report().lost.is_empty());
    assert_eq!(rig.disk.names(KEPT).len(), 0);
}

#[test]
fn past_the_limit_what_is_lost_is_counted_to_the_byte_by_pod_and_the_limit_holds() {
    let mut rig = with(|s| s.retain_max = 60_000);
    let written = rotations(&mut rig, 3, 60, 4);
    let report = rig.catalog.report();
    assert!(report.copies.1 + report.held.1 <= 60_000 && report.copies.1 > 40_000, "{report:?}");
    let read = read_all(&mut rig);
    let lost = rig.catalog.report().lost;
    assert!(lost.len() >= 2, "{lost:?}");
    for (pod, all) in &written {
        let gone = lost.get(&format!("ns/pod{pod}/app")).copied().unwrap_or(0);
        assert!(all.ends_with(&read[pod]), "the oldest went first");
        assert_eq!(gone, (all.len() - read[pod].len()) as u64, "pod {pod}");
    }
}

#[test]
fn a_lane_that_keeps_up_costs_no_copy() {
    let mut rig = with(|_| {});
    for n in 0..200 {
        rig.disk.append(LIVE, &lines(n * 100, 50));
        if n % 10 == 0 {
            rig.disk.rotate(LIVE, &format!("20261122-{n:06}"), 4);
        }
        rig.secs(1);
        rig.settle_all();
    }
    rig.secs(100);
    assert_eq!(rig.catalog.report().copied, (0, 0));
}

#[test]
fn the_last_words_of_a_crash_are_copied_before_kubelet_removes_them() {
    let mut rig = with(|_| {});
    rig.disk.append(LIVE, &lines(1, 20));
    rig.secs(20);
    rig.disk.append(LIVE, &lines(21, 1));
    rig.disk.append(LIVE.replace("0.log", "1.log"), &lines(100, 1));
    rig.secs(9);
    assert_eq!(rig.disk.names(KEPT).len(), 1);
    rig.disk.remove(LIVE);
    let first = rig.views.values().find(|v| v.file.place.restart == 0).unwrap().clone();
    let mut rig = rig.restart(vec![pods_input()], Duration::from_secs(10), HashMap::new());
    rig.secs(10);
    let again = rig.views[&first.file.id].clone();
    assert_eq!((again.size, again.life, again.danger), (first.size, Life::Ended, true));
    assert_eq!(rig.read(first.file.id), lines(1, 21));
    // Its pod's facts are those of its directory's name, which is still there.
    assert_eq!(again.file.origin.fields.get("kubernetes.pod_name"), Some("web-1"));
}

#[test]
fn a_disk_that_takes_no_copies_stops_nothing_and_is_tried_again() {
    let mut rig = with(|_| {});
    for errno in [28, 30, 5, 122] {
        rig.disk.break_writes(Some(errno));
        rotations(&mut rig, 1, 10, 4);
    }
    let report = rig.catalog.report();
    assert_eq!((report.copies, report.copied), ((0, 0), (0, 0)));
    assert!(report.not_copied.values().sum::<u64>() >= 4, "{:?}", report.not_copied);
    assert!(report.held.0 > 20 && report.lost.is_empty());
    rig.disk.break_writes(None);
    rig.secs(120);
    let report = rig.catalog.report();
    // Plain bytes stay held while there is room, though their `.gz` is there.
    assert!(report.copies.0 > 30 && report.held.0 < 5, "{report:?}");
}

#[test]
fn copies_that_nobody_knows_and_halves_are_removed_at_the_start() {
    let rig = with(|_| {});
    for name in ["00000000000000000000000000000007.zst", "00000000000000000000000000000007.gz.tmp", "x"] {
        rig.disk.append(format!("{KEPT}/{name}"), b"anything");
    }
    let mut rig = rig;
    rig.secs(5);
    assert_eq!(rig.disk.names(KEPT).len(), 0);
}

#[test]
fn a_copy_that_is_damaged_is_not_read_and_what_it_held_is_counted() {
    for damage in [0usize, 1, 2] {
        let mut rig = with(|_| {});
        rig.disk.append(LIVE, &lines(1, 100));
        rig.secs(1);
        rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
        rig.secs(20);
        let id = rig.only().file.id;
        let [copy] = &rig.disk.names(KEPT)[..] else { panic!() };
        let size = rig.disk.content(copy).len();
        match damage {
            0 => rig.disk.truncate(copy, size - 1),
            1 => {
                rig.disk.truncate(copy, size - 1);
                rig.disk.append(copy, b"\0");
            }
            _ => rig.disk.remove(copy),
        }
        // The lane was at the beginning.
        let marks = HashMap::from([(id, vec![crate::record::Mark::NONE])]);
        let mut rig = rig.restart(vec![pods_input()], Duration::from_secs(10), marks);
        rig.secs(130);
        assert!(!rig.views.contains_key(&id) && rig.disk.names(KEPT).is_empty());
        assert_eq!(rig.catalog.report().lost.values().sum::<u64>(), lines(1, 100).len() as u64);
    }
}

#[test]
fn a_copy_that_is_removed_under_us_is_a_loss_that_is_counted() {
    let mut rig = with(|_| {});
    rig.disk.append(LIVE, &lines(1, 100));
    rig.secs(1);
    rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    rig.secs(20);
    let id = rig.only().file.id;
    rig.disk.remove_tree(KEPT);
    assert!(rig.read(id).is_empty());
    rig.secs(2);
    assert!(rig.views.is_empty());
    assert_eq!(rig.catalog.report().lost["shop/web-1/app"], lines(1, 100).len() as u64);
}
