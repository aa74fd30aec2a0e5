//! The limit of handles: it holds at every moment, also for files without an identity, and nothing is lost by it.

use super::rig::*;
use crate::catalog::sim::SimDisk;
use std::time::Duration;

/// A handle that is opened for a look, beside those that are kept.
const LOOK: u64 = 1;

fn log(pod: u64) -> String {
    format!("/var/log/pods/ns_pod{pod}_u{pod}/app/0.log")
}

fn limited(max_handles: usize) -> Rig {
    let mut setup = setup(vec![pods_input(), file_input("app", &["/srv/*"])]);
    setup.max_handles = max_handles;
    Rig::with(SimDisk::new(), setup, Duration::from_secs(100))
}

fn assert_within(rig: &Rig, max: u64) {
    let most = rig.disk.calls().most_handles;
    assert!(most <= max + LOOK, "{most} handles were open, {max} are allowed");
}

#[test]
fn empty_files_need_no_handle_past_the_limit_and_are_read_from_their_first_byte() {
    let mut rig = limited(20);
    for n in 0..300 {
        rig.disk.append(log(n), b"");
    }
    rig.secs(30);
    assert_within(&rig, 20);
    assert!(rig.views.is_empty() && rig.disk.handles() >= 18, "within the limit handles are kept");
    // Cold: only their watches tell of them.
    assert_eq!(rig.catalog.report().inputs.values().map(|i| i.hot).sum::<u64>(), 0);
    let before = rig.disk.calls().opens;
    rig.secs(50);
    assert_eq!(rig.disk.calls().opens, before, "nothing is done for what is empty and cold");
    rig.disk.append(log(300), &line(300, "a new pod"));
    for n in 0..300 {
        rig.disk.append(log(n), &line(n, "first"));
    }
    rig.secs(1);
    assert_eq!(rig.views.len(), 301);
    for view in rig.views.values().cloned().collect::<Vec<_>>() {
        assert_eq!(rig.read(view.file.id).len() as u64, view.size);
        rig.tick();
    }
    // What lanes open themselves is counted with the next tick.
    assert_within(&rig, 21);
    assert!(rig.catalog.report().lost.is_empty());
}

#[test]
fn a_burst_of_files_at_the_start_stays_within_the_limit() {
    for text in ["whole", "torn"] {
        let mut rig = limited(16);
        for n in 0..200 {
            let line = line(n, "x");
            rig.disk.append(log(n), if text == "torn" { &line[..line.len() - 1] } else { &line });
        }
        rig.secs(1);
        assert_within(&rig, 16);
        rig.secs(70);
        assert_within(&rig, 16);
        assert_eq!((text, rig.views.len()), (text, 200));
    }
}

#[test]
fn an_empty_file_that_was_closed_may_be_renamed_replaced_or_removed() {
    let mut rig = limited(0);
    for n in 0..3 {
        rig.disk.append(log(n), b"");
    }
    rig.secs(10);
    assert_eq!(rig.disk.handles(), 0);
    rig.disk.rename(log(0), format!("{}.20261122-101500", log(0)));
    rig.disk.append(format!("{}.20261122-101500", log(0)), &line(1, "renamed"));
    rig.disk.append(log(0), &line(2, "its successor"));
    // The next file gets the same inode.
    rig.disk.remove(log(1));
    rig.disk.append(log(1), &line(3, "another"));
    rig.disk.remove(log(2));
    rig.secs(10);
    let mut texts: Vec<_> = rig.views.keys().copied().collect::<Vec<_>>().into_iter().map(|id| rig.read(id)).collect();
    texts.sort();
    assert_eq!(texts, [line(1, "renamed"), line(2, "its successor"), line(3, "another")]);
    assert_eq!(rig.catalog.report().inputs.values().map(|i| i.files).sum::<u64>(), 3);
    assert!(rig.catalog.report().lost.is_empty());
}

#[test]
fn lanes_that_read_many_closed_files_between_two_ticks_do_not_keep_them_all_open() {
    let mut rig = limited(16);
    for n in 0..100 {
        rig.disk.append(log(n), &line(n, "x"));
    }
    rig.secs(1);
    for id in rig.views.keys().copied().collect::<Vec<_>>() {
        assert!(!rig.read(id).is_empty());
    }
    assert!(rig.disk.handles() <= 16 + 4, "{}", rig.disk.handles());
}
