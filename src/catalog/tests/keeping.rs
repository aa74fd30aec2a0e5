//! Handles, deleted files, the page cache, `--once`.

use super::rig::*;
use crate::catalog::sim::{SimDisk, gzip};
use crate::catalog::view::{Found, Life};
use crate::record::Mark;
use std::collections::HashMap;
use std::time::Duration;

const LIVE: &str = "/var/log/pods/shop_web-1_uid1/app/0.log";

fn log(pod: u64) -> String {
    format!("/var/log/pods/ns_pod{pod}_u{pod}/app/0.log")
}

fn with(change: impl FnOnce(&mut crate::catalog::spec::Setup)) -> Rig {
    let mut setup = setup(vec![pods_input(), file_input("app", &["/srv/*"])]);
    change(&mut setup);
    Rig::with(SimDisk::new(), setup, Duration::from_secs(100))
}

#[test]
fn a_settled_file_is_closed_and_a_live_containers_newest_one_is_not() {
    let mut rig = with(|_| {});
    rig.disk.append(LIVE, &line(1, "x"));
    rig.disk.append(format!("{LIVE}.20261122-101500"), &line(2, "x"));
    rig.disk.append("/srv/a", b"x\n");
    rig.tick();
    rig.secs(200);
    assert_eq!(rig.catalog.report().open_files, 3, "nothing is settled");
    rig.settle_all();
    rig.secs(200);
    assert_eq!(rig.catalog.report().open_files, 1);
    assert_eq!(rig.disk.handles(), 1);
    // A lane that wants to read again opens it, and it is closed again in time.
    for id in rig.views.keys().copied().collect::<Vec<_>>() {
        assert!(!rig.read(id).is_empty());
    }
    assert_eq!(rig.disk.handles(), 3);
    rig.secs(200);
    assert_eq!(rig.disk.handles(), 1);
}

#[test]
fn a_lane_that_does_not_want_a_file_does_not_hold_it() {
    let mut rig = with(|_| {});
    rig.disk.append("/srv/a", b"x\n");
    rig.tick();
    rig.settle(rig.only().file.id, u64::MAX);
    rig.secs(100);
    assert_eq!(rig.disk.handles(), 0);
}

#[test]
fn the_limit_of_handles_holds_and_nothing_is_lost_by_it() {
    let mut rig = with(|s| s.max_handles = 20);
    for n in 0..100 {
        rig.disk.append(log(n), &line(n, "x"));
    }
    rig.tick();
    rig.secs(1);
    assert!(rig.disk.handles() <= 20, "{}", rig.disk.handles());
    assert_eq!(rig.views.len(), 100);
    for n in 0..100 {
        rig.disk.append(log(n), &line(n + 1000, "y"));
    }
    rig.secs(1);
    for view in rig.views.values().cloned().collect::<Vec<_>>() {
        assert_eq!(rig.read(view.file.id).len() as u64, 2 * line(1, "x").len() as u64);
        rig.tick();
        assert!(rig.disk.handles() <= 21, "{}", rig.disk.handles());
    }
}

#[test]
fn a_deleted_file_is_read_as_long_as_a_lane_needs_it() {
    let mut rig = with(|_| {});
    rig.disk.append(LIVE, &line(1, "x"));
    rig.tick();
    let id = rig.only().file.id;
    rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    rig.secs(3600);
    assert_eq!((rig.read(id), rig.only().life), (line(1, "x"), Life::Ended));
    // By its copy, without a handle.
    assert_eq!((rig.catalog.report().held, rig.catalog.report().copies.0), ((0, 0), 1));
    rig.settle_all();
    rig.reader.release();
    rig.secs(5);
    assert!(rig.disk.names("/data/retained").is_empty());
    assert_eq!((rig.disk.handles(), rig.views.len(), rig.catalog.report().held), (0, 0, (0, 0)));
    assert!(rig.catalog.report().lost.is_empty());
}

#[test]
fn past_the_limit_the_pod_that_holds_most_is_shed_and_its_bytes_are_counted() {
    let size = line(1, "x").len() as u64;
    let mut rig = with(|s| s.retain_max = 4 * size);
    rig.disk.break_writes(Some(28));
    for n in 0..3 {
        rig.disk.append(log(n), &line(n, "x"));
    }
    rig.disk.append(LIVE, &[line(7, "x"), line(8, "y")].concat());
    rig.tick();
    rig.settle(rig.views.values().find(|v| v.size > size).unwrap().file.id, size);
    rig.disk.remove_tree("/var/log/pods");
    rig.secs(62);
    assert_eq!(rig.views.len(), 3);
    let lost = rig.catalog.report().lost;
    assert_eq!(lost.into_iter().collect::<Vec<_>>(), [("shop/web-1/app".to_owned(), size)]);
    assert_eq!(rig.catalog.report().held, (3, 3 * size));
}

#[test]
fn deleted_files_are_let_go_when_the_disk_is_nearly_full() {
    let mut rig = with(|_| {});
    rig.disk.set_free_percent(19);
    for n in 0..3 {
        rig.disk.append(log(n), &line(n, "x"));
    }
    rig.tick();
    for n in 0..3 {
        rig.disk.remove_tree(format!("/var/log/pods/ns_pod{n}_u{n}"));
    }
    rig.secs(60);
    assert_eq!(rig.views.len(), 3, "what others filled is no reason to give up what is held");
    let report = rig.catalog.report();
    assert_eq!((report.held.0, report.copied.0), (3, 0), "but copies are not made there");
    rig.disk.set_free_percent(4);
    for _ in 0..11 {
        rig.secs(1);
        if rig.views.len() < 3 {
            break;
        }
    }
    assert_eq!(rig.views.len(), 2, "one, then the disk is asked again");
    rig.disk.set_free_percent(5);
    rig.secs(60);
    assert_eq!(rig.views.len(), 2);
}

#[test]
fn a_deleted_plain_file_whose_gz_is_there_is_let_go_without_loss() {
    let mut rig = with(|s| s.retain_max = 1);
    rig.disk.append(LIVE, &line(1, "x"));
    rig.tick();
    let id = rig.only().file.id;
    rig.disk.rename(LIVE, format!("{LIVE}.20261122-101500"));
    rig.disk.compress(format!("{LIVE}.20261122-101500"));
    rig.disk.remove(format!("{LIVE}.20261122-101500"));
    rig.secs(3);
    assert_eq!(rig.disk.handles(), 0);
    assert_eq!(rig.read(id), line(1, "x"));
    assert!(rig.catalog.report().lost.is_empty());
}

#[test]
fn a_file_that_was_closed_and_then_deleted_takes_its_unread_bytes_with_it() {
    let mut rig = with(|s| s.max_handles = 0);
    rig.disk.append(LIVE, &line(1, "x"));
    rig.tick();
    rig.secs(1);
    assert_eq!(rig.disk.handles(), 0);
    rig.disk.remove(LIVE);
    rig.secs(3);
    assert_eq!(rig.sent.last().map(|v| v.life), Some(Life::Gone));
    assert_eq!(rig.catalog.report().lost["shop/web-1/app"], line(1, "x").len() as u64);
}

#[test]
fn the_page_cache_is_freed_behind_the_slowest_lane_a_minute_later() {
    let mut rig = with(|s| s.lanes = 2);
    let block = vec![b'x'; 300 << 10];
    rig.disk.append("/srv/a", b"\n");
    rig.tick();
    let mut written = 1;
    for _ in 0..300 {
        rig.disk.append("/srv/a", &block);
        written += block.len() as u64;
        rig.secs(1);
        rig.settle_all();
        let slow = rig.only().size / 2;
        rig.catalog.progress().passed(1, rig.only().file.id, slow);
        let minute_old = written.saturating_sub(59 * block.len() as u64);
        assert!(rig.disk.advised() <= minute_old.min(slow));
    }
    assert!(rig.disk.advised() > written / 2 - (30 << 20), "{} of {written}", rig.disk.advised());
    // Nothing is asked for twice.
    rig.catalog.progress().passed(1, rig.only().file.id, written);
    rig.secs(200);
    assert_eq!(rig.disk.advised(), written);
}

#[test]
fn a_backlog_is_let_go_of_within_a_minute_of_its_being_read() {
    let disk = SimDisk::new();
    disk.append(LIVE, &[&line(1, "x")[..], &[b'x'; 300 << 10], b"\n"].concat());
    let mut rig = Rig::with(disk, setup(vec![pods_input()]), Duration::from_secs(100));
    rig.secs(30);
    assert_eq!(rig.disk.advised(), 0);
    rig.settle_all();
    rig.secs(61);
    assert_eq!(rig.disk.advised(), rig.only().size);
}

#[test]
fn what_two_lanes_have_read_is_called_cold_within_a_second() {
    let mut rig = with(|s| s.lanes = 3);
    let block = vec![b'x'; 300 << 10];
    rig.disk.append("/srv/a", b"\n");
    rig.tick();
    rig.disk.append("/srv/a", &block);
    rig.secs(1);
    let (id, size) = (rig.only().file.id, rig.only().size);
    rig.settle(id, size);
    rig.secs(2);
    assert_eq!(rig.disk.called_cold(), 0, "one lane alone makes no page an active one");
    rig.catalog.progress().passed(2, id, size);
    rig.secs(1);
    assert_eq!((rig.disk.called_cold(), rig.disk.advised()), (size, 0));
    // The third lane needs no more, and nothing is said twice.
    rig.catalog.progress().passed(1, id, size);
    rig.secs(200);
    assert_eq!((rig.disk.called_cold(), rig.disk.advised()), (size, size));
}

#[test]
fn what_was_read_in_an_earlier_life_is_not_called_cold() {
    let mut rig = with(|s| s.lanes = 2);
    let block = vec![b'x'; 300 << 10];
    rig.disk.append("/srv/a", &block);
    rig.tick();
    rig.secs(61);
    let (id, size) = (rig.only().file.id, rig.only().size);
    let mut next = setup(vec![pods_input(), file_input("app", &["/srv/*"])]);
    (next.lanes, next.known) = (2, rig.store.clone());
    // One lane was through with it, the other one not quite.
    let half = size / 2;
    next.marks = HashMap::from([(id, [size, half].map(|at| Mark::of(at, &block[..at as usize])).to_vec())]);
    let mut rig = Rig::with(rig.disk.clone(), next, rig.now.mono + Duration::from_secs(30));
    rig.tick();
    rig.settle(id, size);
    rig.catalog.progress().passed(1, id, half);
    rig.secs(2);
    rig.catalog.progress().passed(1, id, size);
    rig.secs(2);
    assert_eq!((rig.only().file.id, rig.disk.called_cold()), (id, 0));
    rig.disk.append("/srv/a", &block);
    rig.secs(1);
    assert_eq!(rig.read(id).len() as u64, 2 * size);
    rig.tick();
    for lane in [0, 1] {
        rig.catalog.progress().passed(lane, id, 2 * size);
    }
    rig.secs(2);
    assert_eq!(rig.disk.called_cold(), size);
}

#[test]
fn no_more_is_called_cold_in_a_second_than_its_share_and_no_jump_is() {
    const MIB: u64 = 1 << 20;
    let mut rig = with(|s| s.lanes = 2);
    let sizes = [40 * MIB, 40 * MIB, 65 * MIB];
    for (n, size) in sizes.into_iter().enumerate() {
        rig.disk.append(format!("/srv/{n}"), b"\n");
        rig.disk.append(format!("/srv/{n}"), &vec![b'x'; size as usize - 1]);
    }
    rig.tick();
    rig.secs(1);
    rig.settle_all();
    for view in rig.views.values() {
        rig.catalog.progress().passed(1, view.file.id, view.size);
    }
    let mut told = Vec::new();
    for _ in 0..4 {
        rig.secs(1);
        told.push(rig.disk.called_cold() / MIB);
    }
    assert_eq!(told, [64, 80, 80, 80]);
}

#[test]
fn once_takes_what_the_first_scan_finds_also_rotated_and_compressed() {
    let mut rig = with(|s| s.once = true);
    let texts = [line(1, "oldest"), line(2, "older"), line(3, "newest")];
    rig.disk.append(format!("{LIVE}.20261122-101500.gz"), &gzip(&texts[0]));
    rig.disk.append(format!("{LIVE}.20261122-101600"), &texts[1]);
    rig.disk.append(LIVE, &[&texts[2][..], b"torn"].concat());
    rig.disk.append("/srv/a", b"no newline");
    rig.disk.append("/srv/empty", b"");
    rig.tick();
    rig.run(Duration::from_millis(100));
    assert!(rig.last.first_scan_done);
    let lives: Vec<Life> =
        rig.offered().into_iter().filter(|(p, _, _)| p.contains("pods")).map(|(_, _, l)| l).collect();
    assert_eq!(lives, [Life::Final, Life::Final, Life::Ended]);
    let mut pods: Vec<_> = rig.views.values().filter(|v| v.file.place.restart == 0).cloned().collect();
    pods.retain(|v| v.file.origin.path.contains("pods"));
    pods.sort_by_key(|v| v.file.place);
    for (view, text) in pods.iter().zip(&texts) {
        assert_eq!(&rig.read(view.file.id)[..text.len()], &text[..]);
    }
    assert_eq!(rig.views.len(), 4);
    // Later bytes and later files are not this run's; rotation is followed.
    let sizes: Vec<u64> = rig.offered().into_iter().map(|(_, s, _)| s).collect();
    rig.disk.append(LIVE, &line(4, "later"));
    rig.disk.rotate(LIVE, "20261122-101700", 5);
    rig.disk.append(LIVE, &line(5, "later"));
    rig.secs(70);
    assert_eq!(rig.offered().into_iter().map(|(_, s, _)| s).collect::<Vec<_>>(), sizes);
    for (view, text) in pods.iter().zip(&texts) {
        assert_eq!(&rig.read(view.file.id)[..text.len()], &text[..]);
    }
}

#[test]
fn once_is_through_with_an_empty_place_and_waits_for_metadata() {
    let mut rig = with(|s| s.once = true);
    rig.tick();
    rig.run(Duration::from_millis(50));
    assert!(rig.last.first_scan_done);
    let mut rig = Rig::with(
        SimDisk::new(),
        {
            let mut s = setup(vec![waiting_input(Duration::from_secs(10))]);
            s.once = true;
            s
        },
        Duration::from_secs(1),
    );
    rig.disk.append(LIVE, &line(1, "x"));
    rig.tick();
    rig.secs(5);
    assert!(!rig.last.first_scan_done && rig.views.is_empty());
    rig.secs(6);
    assert!(rig.last.first_scan_done && rig.views.len() == 1);
}

#[test]
fn a_truncated_gz_is_read_as_far_as_it_goes() {
    let mut rig = with(|_| {});
    let text: Vec<u8> = (0..3000).flat_map(|n| line(n, "some text that differs")).collect();
    let packed = gzip(&text);
    rig.disk.append(format!("{LIVE}.20261122-101500.gz"), &packed[..packed.len() / 2]);
    rig.disk.append(format!("{LIVE}.20261122-101600.gz"), b"this is no gzip at all");
    rig.tick();
    rig.secs(1);
    let view = rig.only();
    assert!(view.size > 1000 && view.size < text.len() as u64);
    assert_eq!(rig.read(view.file.id), &text[..view.size as usize]);
    assert_eq!(rig.reader.read(view.file.id, view.size, &mut [0; 10]).unwrap(), Found::Bytes(0));
    assert!(rig.catalog.report().unreadable.values().sum::<u64>() >= 1);
}

#[test]
fn a_reader_stays_with_a_gz_and_steps_back_when_it_must() {
    let mut rig = with(|_| {});
    let text: Vec<u8> = (0..3000).flat_map(|n| line(n, "text")).collect();
    for n in 0..6 {
        let own: Vec<u8> = [line(n, "first"), text.clone()].concat();
        rig.disk.append(format!("{LIVE}.20261122-10150{n}.gz"), &gzip(&own));
    }
    rig.tick();
    rig.secs(1);
    let ids: Vec<_> = rig.views.keys().copied().collect();
    assert_eq!(ids.len(), 6);
    let before = rig.disk.calls().reads;
    assert_eq!(rig.read(ids[0]).len(), text.len() + line(0, "first").len());
    let once = rig.disk.calls().reads - before;
    assert!(once < 20, "inflated once, not anew for each block: {once}");
    let mut block = [0; 100];
    for at in [0u64, 500, 90, 4000, 0] {
        for id in &ids {
            assert_eq!(rig.reader.read(*id, at, &mut block).unwrap(), Found::Bytes(100));
            let whole = rig.read(*id);
            assert_eq!(block[..], whole[at as usize..at as usize + 100]);
        }
    }
    rig.reader.release();
}
