//! Rotation: one file keeps one id under whatever name, and two files never share one.

use super::rig::*;
use crate::catalog::view::{FileView, Life};
use crate::record::FileId;
use std::time::Duration;

const LIVE: &str = "/var/log/pods/shop_web-1_uid1/app/0.log";

fn stamped(n: u32) -> String {
    format!("{LIVE}.20261122-1015{n:02}")
}

/// A rig with one live file that was told of.
fn rig() -> (Rig, FileId) {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(LIVE, &line(1, "first file"));
    rig.tick();
    rig.secs(1);
    let id = rig.only().file.id;
    (rig, id)
}

fn view(rig: &Rig, id: FileId) -> FileView {
    rig.views.get(&id).unwrap_or_else(|| panic!("{id} is not offered")).clone()
}

#[test]
fn a_renamed_file_keeps_its_id_and_the_new_live_file_comes_after_it() {
    let (mut rig, old) = rig();
    rig.disk.rename(LIVE, stamped(1));
    rig.disk.append(LIVE, &line(2, "second file"));
    rig.tick();
    assert_eq!(rig.views.len(), 2);
    let new = rig.views.values().find(|v| v.file.id != old).unwrap().clone();
    assert_eq!(new.file.place.chain, view(&rig, old).file.place.chain);
    assert!(new.file.place > view(&rig, old).file.place);
    assert_eq!(rig.read(old), line(1, "first file"));
    assert_eq!(rig.read(new.file.id), line(2, "second file"));
    assert_eq!(rig.store[&old].path.as_ref(), stamped(1));
}

#[test]
fn a_file_that_a_listing_beside_its_rename_does_not_show_is_still_that_file() {
    let (mut rig, old) = rig();
    rig.disk.rename(LIVE, stamped(1));
    rig.disk.append(LIVE, &line(2, "second file"));
    rig.disk.overlook(stamped(1));
    rig.tick();
    rig.secs(3);
    assert_eq!(rig.views.len(), 2, "{:?}", rig.views);
    assert_eq!(rig.read(old), line(1, "first file"));
    assert_eq!(rig.store[&old].path.as_ref(), stamped(1));
    rig.settle_all();
    rig.disk.remove(stamped(1));
    rig.secs(90);
    assert!(!rig.views.contains_key(&old) || view(&rig, old).life == Life::Gone);
}

#[test]
fn the_old_file_grows_on_while_the_runtime_drains_and_is_final_after_thirty_seconds_of_silence() {
    let (mut rig, old) = rig();
    let writer = rig.disk.writer(LIVE);
    rig.disk.rename(LIVE, stamped(1));
    rig.disk.append(LIVE, &line(2, "second file"));
    rig.tick();
    rig.secs(10);
    writer.append(&line(3, "late"));
    rig.secs(1);
    assert_eq!(rig.read(old), [line(1, "first file"), line(3, "late")].concat());
    rig.secs(28);
    assert_eq!(view(&rig, old).life, Life::Growing);
    rig.secs(3);
    assert_eq!(view(&rig, old).life, Life::Final);
}

#[test]
fn a_rotated_file_stays_one_file_while_it_is_compressed() {
    let (mut rig, old) = rig();
    let text = line(1, "first file");
    rig.disk.rename(LIVE, stamped(1));
    rig.disk.append(LIVE, &line(2, "second file"));
    rig.tick();
    // Plain and .gz side by side, then the .gz alone.
    rig.disk.compress(stamped(1));
    rig.tick();
    assert_eq!(rig.views.len(), 2);
    assert_eq!(view(&rig, old).life, Life::Final);
    assert_eq!(rig.read(old), text);
    rig.disk.remove(stamped(1));
    rig.tick();
    rig.secs(5);
    assert_eq!(rig.views.len(), 2);
    assert_eq!(rig.read(old), text);
    rig.settle_all();
    rig.secs(90);
    assert_eq!(rig.read(old), text, "from the .gz, opened on demand");
    assert_eq!(view(&rig, old).size, text.len() as u64);
    assert_eq!(rig.store[&old].path.as_ref(), format!("{}.gz", stamped(1)));
}

#[test]
fn a_gz_that_replaced_its_plain_file_between_two_looks_is_the_same_file() {
    let (mut rig, old) = rig();
    rig.disk.rename(LIVE, stamped(1));
    rig.disk.compress(stamped(1));
    rig.disk.remove(stamped(1));
    rig.disk.append(LIVE, &line(2, "second file"));
    rig.tick();
    rig.secs(61);
    assert_eq!(rig.views.len(), 2);
    assert_eq!(rig.read(old), line(1, "first file"));
    assert_eq!(view(&rig, old).life, Life::Final);
}

#[test]
fn kubelet_rotates_for_a_while() {
    let (mut rig, first) = rig();
    let mut texts = vec![line(1, "first file")];
    let mut seen = vec![first];
    for n in 2..12 {
        rig.disk.rotate(LIVE, &format!("20261122-1015{n:02}"), 2);
        rig.tick();
        texts.push(line(n, "another file"));
        rig.disk.append(LIVE, texts.last().unwrap());
        rig.secs(2);
        let newest = rig.views.values().max_by_key(|v| v.file.place).unwrap().file.id;
        assert!(!seen.contains(&newest), "rotation {n}");
        seen.push(newest);
        // What is deleted is still read as long as no lane has settled it.
        for (id, text) in seen.iter().zip(&texts) {
            assert_eq!(rig.read(*id), *text, "rotation {n}");
        }
    }
    rig.settle_all();
    rig.secs(40);
    // Kubelet keeps two .gz, one plain rotated one and the live one... and so do we.
    assert_eq!(rig.views.len(), rig.disk.names(POD).len());
    assert!(rig.catalog.report().lost.is_empty());
    assert_eq!(rig.catalog.report().held, (0, 0));
}

#[test]
fn a_new_file_that_got_the_inode_of_a_removed_one_is_another_file() {
    let mut rig = Rig::new(vec![pods_input()]);
    rig.disk.append(stamped(1), &line(1, "oldest"));
    rig.disk.append(LIVE, &line(2, "live"));
    rig.tick();
    rig.secs(1);
    rig.settle_all();
    rig.secs(100);
    let inode = rig.disk.inode(stamped(1)).unwrap();
    let before: Vec<FileId> = rig.views.keys().copied().collect();
    // The rotated one is closed, so its inode is free at once.
    rig.disk.remove(stamped(1));
    rig.disk.rename(LIVE, stamped(2));
    rig.disk.append(LIVE, b"");
    assert_eq!(rig.disk.inode(LIVE), Some(inode));
    rig.tick();
    rig.disk.append(LIVE, &line(3, "newest"));
    rig.secs(2);
    let new = rig.views.values().find(|v| !before.contains(&v.file.id)).unwrap().clone();
    assert_eq!(rig.read(new.file.id), line(3, "newest"));
    assert_eq!(rig.views.len(), 2);
    assert!(rig.catalog.report().lost.is_empty());
}

#[test]
fn a_closed_file_whose_name_and_inode_are_taken_over_by_another_is_noticed() {
    let mut rig = Rig::new(vec![file_input("app", &["/srv/*"])]);
    rig.disk.append("/srv/a", b"old content\n");
    rig.tick();
    rig.settle_all();
    rig.secs(120);
    assert_eq!(rig.catalog.report().open_files, 0);
    let (old, inode) = (rig.only().file.id, rig.disk.inode("/srv/a"));
    rig.disk.remove("/srv/a");
    rig.disk.append("/srv/a", b"new content, and longer\n");
    assert_eq!(rig.disk.inode("/srv/a"), inode);
    rig.tick();
    rig.secs(2);
    let new = rig.views.keys().copied().find(|id| *id != old).unwrap();
    assert_eq!(rig.read(new), b"new content, and longer\n");
    assert_eq!(rig.views.len(), 1);
}

#[test]
fn a_rename_that_is_taken_back_makes_the_file_live_again() {
    let (mut rig, id) = rig();
    rig.disk.rename(LIVE, stamped(1));
    rig.tick();
    rig.secs(40);
    assert_eq!(view(&rig, id).life, Life::Final);
    rig.disk.rename(stamped(1), LIVE);
    rig.tick();
    assert_eq!(view(&rig, id).life, Life::Growing);
    rig.disk.append(LIVE, &line(2, "goes on"));
    rig.secs(1);
    assert_eq!(rig.only().file.id, id);
    assert_eq!(rig.read(id), [line(1, "first file"), line(2, "goes on")].concat());
}

#[test]
fn a_later_restart_ends_the_former_ones_last_file() {
    let (mut rig, old) = rig();
    rig.disk.append(format!("{POD}/1.log"), &line(2, "after the crash"));
    rig.tick();
    assert!(view(&rig, old).danger, "kubelet removes it within seconds");
    rig.secs(6);
    assert_eq!(view(&rig, old).life, Life::Ended);
    let new = rig.views.values().find(|v| v.file.id != old).unwrap();
    assert_eq!((new.file.place.restart, new.life, new.danger), (1, Life::Growing, false));
}

#[test]
fn a_terminated_container_ends_its_file() {
    let (mut rig, id) = rig();
    rig.pods.0.lock().unwrap().terminated.push(("uid1".into(), 0));
    rig.pods.0.lock().unwrap().changed.push("uid1".into());
    rig.secs(7);
    assert_eq!((view(&rig, id).life, view(&rig, id).danger), (Life::Ended, true));
}

#[test]
fn a_removed_pod_directory_ends_its_files_and_they_are_read_to_the_end() {
    let (mut rig, id) = rig();
    let writer = rig.disk.writer(LIVE);
    writer.append(&line(2, "last words"));
    rig.disk.remove_tree("/var/log/pods/shop_web-1_uid1");
    rig.tick();
    rig.secs(5);
    assert_eq!((view(&rig, id).life, view(&rig, id).danger), (Life::Ended, true));
    assert_eq!(rig.read(id), [line(1, "first file"), line(2, "last words")].concat());
    assert_eq!(rig.catalog.report().held.0, 1);
    rig.settle_all();
    rig.reader.release();
    rig.secs(2);
    assert_eq!(rig.views.len(), 0);
    assert!(rig.gone.contains(&id) && rig.catalog.report().lost.is_empty());
    drop(writer);
    assert_eq!(rig.disk.handles(), 0);
}

#[test]
fn the_oldest_rotated_sibling_of_the_fullest_container_is_in_danger() {
    let (mut rig, first) = rig();
    let danger = |rig: &Rig| rig.views.values().filter(|v| v.danger).map(|v| v.file.id).collect::<Vec<_>>();
    assert_eq!(danger(&rig), []);
    for n in 1..4 {
        rig.disk.rename(LIVE, stamped(n));
        rig.disk.append(LIVE, &line(u64::from(n) + 10, "next"));
        rig.tick();
        rig.secs(1);
        assert_eq!(danger(&rig), [first], "rotation {n}");
    }
    // A second container with fewer siblings is not in danger yet.
    let other = "/var/log/pods/a_b_c/d/0.log";
    for n in 1..3 {
        rig.disk.append(other, &line(n + 20, "other"));
        rig.tick();
        rig.secs(1);
        rig.disk.rename(other, format!("{other}.20261122-10150{n}"));
        rig.tick();
    }
    rig.secs(2);
    assert_eq!(danger(&rig), [first]);
    // The oldest one goes: the next one is the oldest.
    let second = rig
        .views
        .values()
        .filter(|v| v.file.origin.who().starts_with("shop"))
        .map(|v| (v.file.place, v.file.id))
        .collect::<std::collections::BTreeMap<_, _>>();
    let second = *second.values().nth(1).unwrap();
    rig.settle_all();
    rig.disk.remove(stamped(1));
    rig.disk.rename(LIVE, stamped(5));
    rig.tick();
    rig.secs(2);
    assert_eq!(danger(&rig), [second]);
}

#[test]
fn logrotate_with_delayed_compression_keeps_every_file() {
    let mut rig = Rig::new(vec![file_input("app", &["/srv/app.log"])]);
    let mut texts = vec![b"file 1\n".to_vec()];
    rig.disk.append("/srv/app.log", &texts[0]);
    rig.tick();
    let mut ids = vec![rig.only().file.id];
    for n in 2..6 {
        for old in (1..4).rev() {
            rig.disk.rename(format!("/srv/app.log.{old}.gz"), format!("/srv/app.log.{}.gz", old + 1));
        }
        rig.disk.rename("/srv/app.log.1", "/srv/app.log.2");
        rig.disk.rename("/srv/app.log", "/srv/app.log.1");
        let text = format!("file {n}\n").into_bytes();
        rig.disk.append("/srv/app.log", &text);
        if n > 2 {
            rig.disk.compress("/srv/app.log.2");
            rig.disk.remove("/srv/app.log.2");
        }
        rig.tick();
        rig.secs(3);
        texts.push(text);
        assert_eq!(rig.views.len(), n, "{:?}", rig.offered());
        let newest = rig.views.values().max_by_key(|v| v.file.place).unwrap().file.id;
        ids.push(newest);
        for (id, text) in ids.iter().zip(&texts) {
            assert_eq!(rig.read(*id), *text);
        }
    }
}

#[test]
fn a_removed_plain_file_whose_writer_goes_on_is_read_until_it_is_silent() {
    let mut rig = Rig::new(vec![file_input("app", &["/srv/app.log"])]);
    rig.disk.append("/srv/app.log", b"one\n");
    rig.tick();
    let writer = rig.disk.writer("/srv/app.log");
    rig.disk.remove("/srv/app.log");
    rig.tick();
    rig.settle_all();
    rig.secs(10);
    writer.append(b"two\n");
    rig.secs(1);
    let id = rig.only().file.id;
    assert_eq!((rig.read(id), rig.only().life), (b"one\ntwo\n".to_vec(), Life::Growing));
    rig.settle_all();
    rig.run(Duration::from_secs(32));
    assert_eq!(rig.views.len(), 0);
    assert_eq!(rig.sent.last().map(|v| v.life), Some(Life::Gone));
}
