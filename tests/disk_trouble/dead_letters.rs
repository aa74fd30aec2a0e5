//! Dead letters: an error on which the lane holds; nothing half written stays, and the next try is a whole one.

use crate::{ERRNOS, cases, fails};
use std::path::Path;
use tailrace::store::dead_letter::{DeadLetters, NotAppended};
use tailrace::store::memory::{MemoryStorage, Write};

const NAME: &str = "search.jsonl";

#[test]
fn a_dead_letter_that_cannot_be_written_is_an_error_and_the_next_try_leaves_it_there_once() {
    let letters = DeadLetters::open(Path::new("/nowhere"), "search", 1_000);
    println!("dead letters: which writes are an error (held), before a first line | behind others | behind a torn one");
    for (write, name, errno) in cases() {
        let mut held = Vec::new();
        for before in [None, Some("one\n"), Some("one\nto")] {
            let disk = MemoryStorage::default();
            if let Some(text) = before {
                disk.put(NAME, text.as_bytes());
            }
            disk.set_faults(fails(write, errno));
            let tried = letters.append_in(&mut disk.clone(), b"two\n");
            let reached = match write {
                Write::Prepare | Write::Append | Write::Sync => true,
                Write::Create | Write::SyncDir => before.is_none(),
                Write::Truncate => before.is_some_and(|b| !b.ends_with('\n')),
                Write::Rename | Write::Remove => false,
            };
            match tried {
                Ok(()) => assert!(!reached, "{write:?} {name} {before:?}"),
                Err(NotAppended::Io(error)) => assert_eq!((reached, error.raw_os_error()), (true, Some(errno))),
                Err(full @ NotAppended::Full { .. }) => panic!("{write:?} {name}: {full}"),
            }
            disk.set_faults(Default::default());
            if reached {
                letters.append_in(&mut disk.clone(), b"two\n").unwrap();
            }
            disk.lose_power(|_| 0);
            let text = String::from_utf8(disk.bytes(NAME).unwrap()).unwrap();
            assert_eq!(text, if before.is_some() { "one\ntwo\n" } else { "two\n" }, "{write:?} {name} {before:?}");
            held.push(reached);
        }
        if name == ERRNOS[0].0 {
            println!("  {write:?}: {held:?}");
        }
    }
}

#[test]
fn a_full_disk_and_a_full_dead_letter_directory_hold_until_there_is_room() {
    let letters = DeadLetters::open(Path::new("/nowhere"), "search", 10);
    let disk = MemoryStorage::default();
    letters.append_in(&mut disk.clone(), b"12345678\n").unwrap();
    let full = letters.append_in(&mut disk.clone(), b"ab\n");
    assert!(matches!(full, Err(NotAppended::Full { used: 9, max: 10 })), "{full:?}");
    // Somebody took the file away.
    disk.put(NAME, b"");
    letters.append_in(&mut disk.clone(), b"ab\n").unwrap();
    assert_eq!(disk.bytes(NAME).unwrap(), b"ab\n");
}
