//! Another life of the agent: files are found again by inode and head, else by chain and head; marks must hold.

use super::rig::*;
use crate::catalog::Hint;
use crate::catalog::view::Life;
use crate::record::{FileId, Mark};
use std::collections::HashMap;
use std::time::Duration;

const LIVE: &str = "/var/log/pods/shop_web-1_uid1/app/0.log";
const DOWN: Duration = Duration::from_secs(30);

fn inputs() -> Vec<crate::catalog::spec::InputSpec> {
    vec![pods_input(), file_input("app", &["/srv/app.log", "/srv/x*"])]
}

/// A rig that has told of everything on the disk that `make` made.
fn rig(make: impl FnOnce(&Rig)) -> Rig {
    let mut rig = Rig::new(inputs());
    make(&rig);
    rig.tick();
    rig.secs(2);
    rig
}

fn marks(all: &[(FileId, u64, &[u8])]) -> HashMap<FileId, Vec<Mark>> {
    all.iter().map(|(id, at, bytes)| (*id, vec![Mark::of(*at, &bytes[..*at as usize])])).collect()
}

fn ids(rig: &Rig) -> Vec<FileId> {
    rig.views.keys().copied().collect()
}

#[test]
fn a_file_that_grew_while_we_were_down_is_the_same_file() {
    let text = [line(1, "one"), line(2, "two")].concat();
    let rig = rig(|r| {
        r.disk.append(LIVE, &text);
        r.disk.append("/srv/app.log", &text);
    });
    let (known, saved) = (ids(&rig), rig.now.unix_ns);
    let proof: Vec<_> = known.iter().map(|id| (*id, text.len() as u64, &text[..])).collect();
    rig.disk.append(LIVE, &line(3, "three"));
    rig.disk.append("/srv/app.log", &line(3, "three"));
    let mut rig = rig.restart(inputs(), DOWN, marks(&proof));
    rig.tick();
    assert_eq!(ids(&rig), known);
    for id in known {
        assert_eq!(rig.read(id), [&text[..], &line(3, "three")].concat());
        // What came while we were down is as old as the last thing we saw.
        assert!(rig.views[&id].ages.at(text.len() as u64) <= saved);
        assert_eq!(rig.views[&id].file.at_scan, Some(rig.views[&id].size));
    }
}

#[test]
fn rotations_while_we_were_down_do_not_change_who_is_who() {
    let texts: Vec<Vec<u8>> = (1..5).map(|n| line(n, "file")).collect();
    let mut rig = rig(|r| r.disk.append(LIVE, &texts[0]));
    let first = rig.only().file.id;
    rig.disk.rotate(LIVE, "20261122-101501", 3);
    rig.disk.append(LIVE, &texts[1]);
    rig.secs(1);
    let second = *rig.views.keys().find(|id| **id != first).unwrap();
    rig.disk.rotate(LIVE, "20261122-101502", 3);
    rig.disk.append(LIVE, &texts[2]);
    rig.disk.rotate(LIVE, "20261122-101503", 3);
    rig.disk.append(LIVE, &texts[3]);
    let low = texts[0].len() as u64;
    let proof = marks(&[(first, low, &texts[0]), (second, low, &texts[1])]);
    let mut rig = rig.restart(inputs(), DOWN, proof);
    rig.tick();
    rig.secs(1);
    let mut views: Vec<_> = rig.views.values().cloned().collect();
    views.sort_by_key(|v| v.file.place);
    assert_eq!(views.len(), 4, "{:?}", rig.offered());
    assert_eq!((views[0].file.id, views[1].file.id), (first, second));
    for (view, text) in views.iter().zip(&texts) {
        assert_eq!(rig.read(view.file.id), *text);
    }
    assert!(rig.gone.is_empty());
}

#[test]
fn a_plain_file_and_its_gz_side_by_side_at_the_start_are_one_file() {
    let rotated = format!("{LIVE}.20261122-101500");
    let mut rig = rig(|r| {
        r.disk.append(&rotated, &line(1, "x"));
        r.disk.compress(&rotated);
    });
    assert_eq!((rig.only().life, rig.only().size), (Life::Final, line(1, "x").len() as u64));
    rig.disk.remove(&rotated);
    rig.settle_all();
    rig.secs(100);
    let id = rig.only().file.id;
    assert_eq!(rig.read(id), line(1, "x"));
    let mut rig = rig.restart(inputs(), DOWN, marks(&[(id, 20, &line(1, "x"))]));
    rig.tick();
    rig.secs(1);
    assert_eq!(rig.only().file.id, id);
}

#[test]
fn an_unchanged_gz_is_not_inflated_again() {
    let rotated = format!("{LIVE}.20261122-101500");
    let text: Vec<u8> = (0..20_000).flat_map(|n| line(n * 7919, "text that does not compress away entirely")).collect();
    let mut rig = rig(|r| {
        r.disk.append(&rotated, &text);
        r.disk.compress(&rotated);
        r.disk.remove(&rotated);
    });
    rig.secs(1);
    let (id, before) = (rig.only().file.id, rig.disk.calls().reads);
    let mut rig = rig.restart(inputs(), DOWN, marks(&[(id, text.len() as u64, &text)]));
    rig.tick();
    assert_eq!((rig.only().file.id, rig.only().size), (id, text.len() as u64));
    assert!(rig.disk.calls().reads - before < 10);
}

#[test]
fn a_mark_that_does_not_hold_means_a_new_generation() {
    let banner = vec![b'='; 1024];
    let text = [&banner[..], b"\none\n"].concat();
    let rig = rig(|r| {
        r.disk.append(LIVE, &text);
        r.disk.append("/srv/app.log", &text);
    });
    let known = ids(&rig);
    let proof: Vec<_> = known.iter().map(|id| (*id, text.len() as u64, &text[..])).collect();
    for path in [LIVE, "/srv/app.log"] {
        rig.disk.truncate(path, 0);
        rig.disk.append(path, &[&banner[..], b"\ntwo and more\n"].concat());
    }
    let mut rig = rig.restart(inputs(), DOWN, marks(&proof));
    rig.tick();
    rig.secs(1);
    assert_eq!(rig.views.len(), 2);
    assert!(ids(&rig).iter().all(|id| !known.contains(id)));
    for id in ids(&rig) {
        assert_eq!(rig.store[&id].generation, 1);
    }
    // The old ones are forgotten when it is sure that they do not turn up.
    rig.secs(61);
    assert!(known.iter().all(|id| rig.gone.contains(id)));
}

#[test]
fn a_file_that_is_shorter_than_it_was_is_a_new_generation() {
    let text = [line(1, "one"), line(2, "two")].concat();
    let rig = rig(|r| r.disk.append(LIVE, &text));
    let old = rig.only().file.id;
    rig.disk.truncate(LIVE, line(1, "one").len());
    let mut rig = rig.restart(inputs(), DOWN, HashMap::new());
    rig.tick();
    assert_ne!(rig.only().file.id, old);
}

#[test]
fn a_constant_banner_does_not_make_all_siblings_one() {
    let banner = [vec![b'='; 1500], b"\n".to_vec()].concat();
    let text = |n: u32| [&banner[..], format!("file {n}\n").as_bytes()].concat();
    let mut rig = Rig::new(vec![file_input("app", &["/srv/app.log*"])]);
    for n in 1..4 {
        rig.disk.append(format!("/srv/app.log.{n}"), &text(n));
    }
    rig.tick();
    rig.secs(2);
    let mut by_path: Vec<(String, FileId)> =
        rig.views.values().map(|v| (v.file.origin.path.to_string(), v.file.id)).collect();
    by_path.sort();
    assert_eq!(by_path.len(), 3);
    let texts: Vec<Vec<u8>> = (1..4).map(text).collect();
    let proof: Vec<(FileId, u64, &[u8])> =
        by_path.iter().zip(&texts).map(|((_, id), t)| (*id, t.len() as u64, &t[..])).collect();
    let proof = marks(&proof);
    // All of them are compressed while we are down: inodes are gone, heads are equal.
    for n in 1..4 {
        let path = format!("/srv/app.log.{n}");
        rig.disk.compress(&path);
        rig.disk.remove(&path);
    }
    let mut rig = rig.restart(vec![file_input("app", &["/srv/app.log*"])], DOWN, proof);
    rig.tick();
    rig.secs(2);
    assert_eq!(rig.views.len(), 3);
    for ((_, id), text) in by_path.iter().zip(&texts) {
        assert_eq!(rig.read(*id), *text);
    }
}

#[test]
fn the_inode_alone_is_not_identity() {
    let rig = rig(|r| {
        r.disk.append(LIVE, &line(1, "one"));
        r.disk.append("/srv/app.log", b"one\n");
    });
    let known = ids(&rig);
    let inodes = [rig.disk.inode(LIVE), rig.disk.inode("/srv/app.log")];
    let disk = rig.disk.clone();
    let next = rig.restart(inputs(), DOWN, HashMap::new());
    // The first life's handles are gone; now its files go, and others get their inodes.
    for path in [LIVE, "/srv/app.log"] {
        disk.remove(path);
    }
    disk.append("/srv/x1", &line(1, "another"));
    disk.append("/srv/x2", &line(1, "another"));
    assert_eq!([disk.inode("/srv/x1"), disk.inode("/srv/x2")], inodes);
    let mut rig = next;
    rig.tick();
    rig.secs(1);
    assert_eq!(rig.views.len(), 2);
    assert!(ids(&rig).iter().all(|id| !known.contains(id)));
}

#[test]
fn a_rotated_plain_file_that_no_pattern_names_is_found_again() {
    let text = b"one\ntwo\n";
    let rig = rig(|r| r.disk.append("/srv/app.log", text));
    let old = rig.only().file.id;
    rig.disk.rename("/srv/app.log", "/srv/app.log.1");
    rig.disk.append("/srv/app.log", b"three\n");
    rig.disk.append("/srv/app.log.9", b"never ours\n");
    let mut rig = rig.restart(inputs(), DOWN, marks(&[(old, 4, text)]));
    rig.tick();
    rig.secs(1);
    assert_eq!(rig.views.len(), 2, "{:?}", rig.offered());
    assert_eq!(rig.read(old), text);
    let new = rig.views.values().find(|v| v.file.id != old).unwrap();
    assert!(new.file.place > rig.views[&old].file.place);
    // And once more, compressed meanwhile.
    rig.disk.compress("/srv/app.log.1");
    rig.disk.remove("/srv/app.log.1");
    let mut rig = rig.restart(inputs(), DOWN, marks(&[(old, 4, text)]));
    rig.tick();
    rig.secs(1);
    assert_eq!(rig.views.len(), 2, "{:?}", rig.offered());
    assert_eq!(rig.read(old), text);
}

#[test]
fn a_copytruncate_while_we_were_down_is_followed() {
    let text = b"one\ntwo\n";
    let rig = rig(|r| r.disk.append("/srv/app.log", text));
    let old = rig.only().file.id;
    rig.disk.copy("/srv/app.log", "/srv/app.log.1");
    rig.disk.truncate("/srv/app.log", 0);
    rig.disk.append("/srv/app.log", b"three\n");
    let mut rig = rig.restart(inputs(), DOWN, marks(&[(old, 8, text)]));
    rig.tick();
    rig.secs(1);
    assert_eq!(rig.views.len(), 2, "{:?}", rig.offered());
    assert_eq!(rig.read(old), text);
}

#[test]
fn what_was_deleted_while_we_were_down_is_counted_as_far_as_we_know() {
    let text = [line(1, "one"), line(2, "two")].concat();
    let rig = rig(|r| r.disk.append(LIVE, &text));
    let id = rig.only().file.id;
    let disk = rig.disk.clone();
    let mut rig = rig.restart(inputs(), DOWN, marks(&[(id, line(1, "one").len() as u64, &text)]));
    disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    rig.tick();
    rig.secs(61);
    assert_eq!(rig.gone, [id]);
    assert_eq!(rig.catalog.report().lost["shop/web-1/app"], line(2, "two").len() as u64);
}

#[test]
fn what_one_lane_settled_beyond_the_size_that_was_noted_is_lost_to_the_others() {
    let (one, two) = (line(1, "one"), line(2, "two"));
    let mut rig = rig(|r| r.disk.append(LIVE, &one));
    let id = rig.only().file.id;
    let text = [one.clone(), two.clone()].concat();
    rig.disk.append(LIVE, &two);
    rig.secs(1);
    assert_eq!(rig.store[&id].size, one.len() as u64, "noted again already: this test tests nothing");
    let disk = rig.disk.clone();
    let mut proof = marks(&[(id, text.len() as u64, &text)]);
    proof.get_mut(&id).unwrap().extend(marks(&[(id, one.len() as u64, &text)]).remove(&id).unwrap());
    let mut rig = rig.restart(inputs(), DOWN, proof);
    disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    rig.tick();
    rig.secs(61);
    assert_eq!(rig.catalog.report().lost["shop/web-1/app"], two.len() as u64);
}

#[test]
fn a_missing_mount_is_no_proof_that_its_files_are_gone() {
    let rig = rig(|r| r.disk.append(LIVE, &line(1, "one")));
    let id = rig.only().file.id;
    let disk = rig.disk.clone();
    let mut rig = rig.restart(inputs(), DOWN, HashMap::new());
    disk.rename("/var/log/pods", "/elsewhere");
    rig.tick();
    rig.secs(200);
    assert!(rig.gone.is_empty() && rig.store.contains_key(&id));
    disk.rename("/elsewhere", "/var/log/pods");
    rig.secs(2);
    assert_eq!(rig.only().file.id, id);
}

#[test]
fn nothing_is_gone_while_directories_are_still_to_be_listed() {
    let path = |n: u64| format!("/var/log/pods/shop_web-{0}_uid{0}/app/{1}.log", n % 3, n / 3);
    let rig = rig(|r| (0..1_500).for_each(|n| r.disk.append(path(n), &line(n, "x"))));
    assert_eq!(rig.views.len(), 1_500);
    let (known, disk) = (ids(&rig), rig.disk.clone());
    let mut rig = rig.restart(inputs(), DOWN, HashMap::new());
    disk.rename("/var/log/pods", "/elsewhere");
    rig.tick();
    rig.secs(20);
    // All of it comes back at once: more than one tick takes in, and more than the watches can tell of.
    disk.rename("/elsewhere", "/var/log/pods");
    rig.pass(Duration::from_secs(1));
    rig.tick_with(&[Hint::Overflow]);
    assert!(rig.views.len() < known.len(), "one tick took it all in: this test tests nothing");
    rig.secs(5);
    assert_eq!((rig.gone.len(), ids(&rig).len()), (0, known.len()));
    assert!(ids(&rig) == known && rig.catalog.report().lost.is_empty());
}

#[test]
fn what_cannot_be_opened_is_not_gone() {
    const EACCES: i32 = 13;
    let rig = rig(|r| {
        r.disk.append(LIVE, &line(1, "one"));
        r.disk.append("/srv/app.log", b"two\n");
    });
    let (known, disk) = (ids(&rig), rig.disk.clone());
    let mut rig = rig.restart(inputs(), DOWN, HashMap::new());
    for path in [LIVE, "/srv/app.log"] {
        disk.refuse(path, Some(EACCES));
    }
    rig.tick();
    rig.secs(200);
    assert!(rig.gone.is_empty() && rig.catalog.report().lost.is_empty(), "{:?}", rig.catalog.report().lost);
    for path in [LIVE, "/srv/app.log"] {
        disk.refuse(path, None);
    }
    rig.secs(61);
    assert_eq!(ids(&rig), known);
}

#[test]
fn what_cannot_be_read_at_first_is_recognised_when_it_can() {
    const EIO: i32 = 5;
    let rig = rig(|r| {
        r.disk.append(LIVE, &line(1, "one"));
        r.disk.append("/srv/app.log", b"two\n");
    });
    let (known, disk) = (ids(&rig), rig.disk.clone());
    let mut rig = rig.restart(inputs(), DOWN, HashMap::new());
    for path in [LIVE, "/srv/app.log"] {
        disk.break_reads(path, Some(EIO));
    }
    rig.tick();
    rig.secs(100);
    for path in [LIVE, "/srv/app.log"] {
        disk.break_reads(path, None);
    }
    rig.secs(61);
    assert_eq!((ids(&rig), rig.gone.len()), (known, 0));
}
