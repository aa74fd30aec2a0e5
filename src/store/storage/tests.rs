//! One contract for the real directory and the one in memory: what tests prove over the fake holds for the disk.

use super::super::memory::MemoryStorage;
use super::*;

fn both() -> (tempfile::TempDir, [Box<dyn Storage>; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let real = OsStorage::new(&dir.path().join("data"));
    (dir, [Box::new(real), Box::new(MemoryStorage::default())])
}

fn is_not_found<T: std::fmt::Debug>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[test]
fn bytes_are_appended_cut_and_read() {
    let (_dir, both) = both();
    for mut storage in both {
        storage.prepare().unwrap();
        storage.prepare().unwrap();
        storage.create("a").unwrap();
        storage.append("a", b"one").unwrap();
        storage.append("a", b"two").unwrap();
        assert_eq!(storage.read("a").unwrap(), b"onetwo");
        storage.truncate("a", 4).unwrap();
        storage.append("a", b"!").unwrap();
        storage.sync("a").unwrap();
        storage.sync_dir().unwrap();
        assert_eq!(storage.read("a").unwrap(), b"onet!");
        storage.create("a").unwrap();
        assert_eq!(storage.read("a").unwrap(), b"");
    }
}

#[test]
fn a_renamed_file_replaces_the_other_and_is_written_under_its_new_name() {
    let (_dir, both) = both();
    for mut storage in both {
        storage.prepare().unwrap();
        for (name, bytes) in [("old", b"old"), ("new", b"new")] {
            storage.create(name).unwrap();
            storage.append(name, bytes).unwrap();
        }
        storage.rename("new", "old").unwrap();
        storage.append("old", b"er").unwrap();
        assert_eq!(storage.read("old").unwrap(), b"newer");
        assert!(is_not_found(storage.read("new")));
        assert!(is_not_found(storage.append("new", b"x")));
    }
}

#[test]
fn what_is_not_there_is_not_found_and_not_made() {
    let (_dir, both) = both();
    for mut storage in both {
        storage.prepare().unwrap();
        assert!(is_not_found(storage.read("a")));
        assert!(is_not_found(storage.append("a", b"x")));
        assert!(is_not_found(storage.truncate("a", 0)));
        assert!(is_not_found(storage.sync("a")));
        assert!(is_not_found(storage.rename("a", "b")));
        assert!(is_not_found(storage.remove("a")));
        storage.create("a").unwrap();
        storage.remove("a").unwrap();
        assert!(is_not_found(storage.append("a", b"x")));
    }
}
