//! Real inotify on a temporary directory.

use super::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

fn wait(watch: &Watch) {
    let fd = watch.fd();
    let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)).unwrap();
}

#[test]
fn names_that_come_and_go_are_told_and_writes_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut watch = Watch::new().unwrap();
    assert_eq!(watch.apply(&[WatchChange::Dir(1, dir.path().into()), WatchChange::Dir(2, dir.path().into())]), []);
    std::fs::write(dir.path().join("a"), "x").unwrap();
    std::fs::write(dir.path().join("a"), "xx").unwrap();
    wait(&watch);
    assert_eq!(watch.read(), [Hint::Named(1, "a".into()), Hint::Named(2, "a".into())]);
    std::fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
    wait(&watch);
    assert_eq!(watch.read().len(), 4);
    watch.apply(&[WatchChange::Drop(1)]);
    std::fs::remove_file(dir.path().join("b")).unwrap();
    wait(&watch);
    assert_eq!(watch.read(), [Hint::Named(2, "b".into())]);
}

#[test]
fn a_files_watch_is_spent_with_its_first_event_and_can_be_set_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    std::fs::write(&path, "").unwrap();
    let mut watch = Watch::new().unwrap();
    for _ in 0..2 {
        assert_eq!(watch.apply(&[WatchChange::File(7, path.clone())]), []);
        std::fs::write(&path, "one").unwrap();
        std::fs::write(&path, "two").unwrap();
        wait(&watch);
        let hints = watch.read();
        assert_eq!(hints.first(), Some(&Hint::Modified(7)));
        assert_eq!(hints.iter().filter(|h| **h == Hint::Modified(7)).count(), 1);
    }
}

#[test]
fn a_removed_directory_loses_its_watch_and_a_missing_one_never_gets_it() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let mut watch = Watch::new().unwrap();
    watch.apply(&[WatchChange::Dir(3, inner.clone())]);
    std::fs::remove_dir(&inner).unwrap();
    wait(&watch);
    assert!(watch.read().contains(&Hint::Unwatched(3)));
    assert_eq!(watch.apply(&[WatchChange::Dir(3, inner)]), [Hint::Unwatched(3)]);
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(watch.apply(&[WatchChange::Dir(4, file)]), [Hint::Unwatched(4)]);
}
