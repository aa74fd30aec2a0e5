//! What cannot be opened, leads nowhere or cannot be read: whose file it may be, and whom it must not hold up.

use super::rig::*;
use crate::catalog::sim::{SimDisk, gzip};
use crate::record::FileId;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const POD_LOG: &str = "/var/log/pods/shop_web-1_uid1/app/0.log";
const DOWN: Duration = Duration::from_secs(30);
const EIO: i32 = 5;
const EACCES: i32 = 13;
const EMFILE: i32 = 24;

fn inputs() -> Vec<crate::catalog::spec::InputSpec> {
    vec![pods_input(), file_input("app", &["/srv/*"])]
}

/// The next life, of a rig that has told of everything that `make` made, after `change`.
fn next(make: impl FnOnce(&Rig), change: impl FnOnce(&Rig)) -> (Vec<FileId>, Rig) {
    let mut rig = Rig::new(inputs());
    make(&rig);
    rig.tick();
    rig.secs(2);
    change(&rig);
    (rig.views.keys().copied().collect(), rig.restart(inputs(), DOWN, HashMap::new()))
}

/// A pod's log of one life and 30 rotations that no lane has read, most of them in copies; what was written.
fn copied() -> (Rig, Vec<u8>) {
    let mut rig = Rig::new(inputs());
    let mut written = Vec::new();
    for n in 0..30 {
        let bytes: Vec<u8> = (0..50).flat_map(|at| line(n * 50 + at, "some text")).collect();
        rig.disk.append(POD_LOG, &bytes);
        written.extend(bytes);
        rig.secs(10);
        rig.disk.rotate(POD_LOG, &format!("20261122-{n:06}"), 4);
        rig.secs(10);
    }
    assert!(rig.disk.names("/data/retained").len() > 10);
    rig.reader.release();
    (rig.restart(inputs(), DOWN, HashMap::new()), written)
}

/// All that is offered of pods, in order.
fn read_all(rig: &mut Rig) -> Vec<u8> {
    let by_place: BTreeMap<_, _> = rig.views.values().map(|v| (v.file.place, v.file.id)).collect();
    by_place.into_values().flat_map(|id| rig.read(id)).collect()
}

#[test]
fn a_name_that_can_never_be_opened_keeps_no_other_file_of_its_directory_for_one_that_may_be_there() {
    let (known, mut rig) = next(
        |rig| rig.disk.append("/srv/gone.log", b"one\n"),
        |rig| {
            rig.disk.remove("/srv/gone.log");
            rig.disk.mkdir("/etc/dir");
            rig.disk.symlink("/etc/dir", "/srv/gone.log");
            rig.disk.append("/srv/denied.log", b"of others\n");
            rig.disk.refuse("/srv/denied.log", Some(EACCES));
        },
    );
    rig.secs(70);
    assert_eq!(rig.gone, known);
}

#[test]
fn a_name_that_can_never_be_opened_keeps_no_copy_from_being_read() {
    let (mut rig, written) = copied();
    rig.disk.append(format!("{POD}/9.log"), &line(1, "of another restart"));
    rig.disk.refuse(format!("{POD}/9.log"), Some(EACCES));
    rig.secs(5);
    assert!(read_all(&mut rig) == written);
    rig.secs(70);
    assert!(rig.catalog.report().lost.is_empty());
}

#[test]
fn a_copy_is_read_also_when_only_the_look_of_each_minute_shows_that_its_file_is_gone() {
    let (mut rig, written) = copied();
    rig.disk.refuse(POD_LOG, Some(EACCES));
    rig.secs(30);
    assert!(read_all(&mut rig).len() < written.len(), "what cannot be opened may be any of its siblings");
    rig.disk.refuse(POD_LOG, None);
    rig.secs(61);
    assert!(read_all(&mut rig) == written);
    assert!(rig.catalog.report().lost.is_empty(), "{:?}", rig.catalog.report().lost);
}

#[test]
fn a_file_that_moved_and_cannot_be_opened_is_not_gone() {
    let (known, mut rig) = next(
        |rig| rig.disk.append("/srv/a.log", b"one\n"),
        |rig| {
            rig.disk.rename("/srv/a.log", "/srv/b.log");
            rig.disk.refuse("/srv/b.log", Some(EACCES));
        },
    );
    rig.secs(200);
    assert!(rig.gone.is_empty());
    rig.disk.refuse("/srv/b.log", None);
    rig.secs(61);
    assert_eq!(rig.views.keys().copied().collect::<Vec<_>>(), known);
}

#[test]
fn a_directory_that_cannot_be_listed_speaks_for_its_own_files_alone() {
    let inputs = || vec![file_input("app", &["/srv/*/*.log"])];
    let mut rig = Rig::new(inputs());
    rig.disk.append("/srv/a/a.log", b"one\n");
    rig.disk.append("/srv/b/b.log", b"two\n");
    rig.tick();
    rig.secs(2);
    let id = |path: &str| rig.views.values().find(|v| *v.file.origin.path == *path).unwrap().file.id;
    let (gone, there) = (id("/srv/a/a.log"), id("/srv/b/b.log"));
    rig.disk.refuse("/srv/b", Some(EACCES));
    rig.disk.remove("/srv/a/a.log");
    let mut rig = rig.restart(inputs(), DOWN, HashMap::new());
    rig.secs(70);
    assert_eq!(rig.gone, [gone]);
    rig.disk.refuse("/srv/b", None);
    rig.secs(2);
    assert_eq!(rig.only().file.id, there);
}

#[test]
fn a_link_that_leads_nowhere_is_not_there_until_it_leads_somewhere() {
    let inputs = || vec![file_input("app", &["/srv/*"])];
    let disk = SimDisk::new();
    disk.symlink("/data/late", "/srv/late.log");
    disk.append("/srv/a.log", b"one\n");
    let mut rig = Rig::with(disk.clone(), setup(inputs()), Duration::from_secs(100));
    rig.secs(1);
    assert!(rig.last.first_scan_done);
    let before = disk.calls().lists;
    rig.secs(50);
    assert!(disk.calls().lists < before + 10, "{} listings in 50 s", disk.calls().lists - before);
    disk.append("/data/late", b"two\n");
    rig.secs(61);
    assert_eq!(rig.views.len(), 2);
    let mut once = setup(inputs());
    once.once = true;
    disk.symlink("/data/never", "/srv/never.log");
    let mut rig = Rig::with(disk, once, Duration::from_secs(100));
    rig.secs(1);
    assert!(rig.last.first_scan_done && rig.views.len() == 2);
}

#[test]
fn what_is_compressed_and_cannot_be_read_at_first_is_recognised_when_it_can() {
    let path = format!("{POD_LOG}.20261122-101500.gz");
    let (known, mut rig) = next(|rig| rig.disk.append(&path, &gzip(&line(1, "one"))), |_| {});
    assert_eq!(known.len(), 1);
    rig.disk.break_reads(&path, Some(EIO));
    rig.secs(100);
    rig.disk.break_reads(&path, None);
    rig.secs(61);
    assert_eq!((rig.views.keys().copied().collect::<Vec<_>>(), rig.gone.len()), (known, 0));
}

#[test]
fn what_no_pattern_names_and_cannot_be_read_at_first_is_recognised_when_it_can() {
    let inputs = || vec![file_input("app", &["/srv/app.log"])];
    let mut rig = Rig::new(inputs());
    rig.disk.append("/srv/app.log", b"one\n");
    rig.tick();
    rig.secs(2);
    let id = rig.only().file.id;
    rig.disk.rename("/srv/app.log", "/srv/app.log.1");
    rig.disk.break_reads("/srv/app.log.1", Some(EIO));
    let mut rig = rig.restart(inputs(), DOWN, HashMap::new());
    rig.secs(100);
    rig.disk.break_reads("/srv/app.log.1", None);
    rig.secs(61);
    assert_eq!((rig.only().file.id, rig.gone.len()), (id, 0));
}

#[test]
fn a_want_of_handles_at_the_start_is_over_in_a_moment() {
    let (known, mut rig) = next(|rig| rig.disk.append(POD_LOG, &line(1, "one")), |_| {});
    rig.disk.break_reads(POD_LOG, Some(EMFILE));
    rig.secs(5);
    rig.disk.break_reads(POD_LOG, None);
    rig.secs(2);
    assert_eq!(rig.views.keys().copied().collect::<Vec<_>>(), known);
}
