//! Holes as readers see them, on the real disk and on the simulated one, and what becomes of files that have some.

#![allow(clippy::single_range_in_vec_init, reason = "one hole is a list of one range")]

use super::rig::*;
use crate::catalog::disk::{Base, Content, Disk, Follow};
use crate::catalog::hole::{SHORTEST, has_any, within};
use crate::catalog::os::OsDisk;
use crate::catalog::sim::SimDisk;
use crate::catalog::view::Found;
use proptest::prelude::*;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Reads all of it in pieces of these lengths, again and again; the holes, and the bytes beside them.
fn walk(content: &dyn Content, lengths: &[usize]) -> (Vec<Range<u64>>, Vec<u8>) {
    let (mut at, mut holes, mut bytes) = (0u64, Vec::new(), Vec::new());
    let mut block = vec![0; SHORTEST as usize];
    for len in lengths.iter().cycle() {
        let got = content.read_at(at, &mut block[..*len]).unwrap();
        match within(content, at, &block[..got]).unwrap() {
            Found::Bytes(0) => break,
            Found::Bytes(n) => {
                bytes.extend_from_slice(&block[..n]);
                at += n as u64;
            }
            Found::Hole(to) => {
                assert!(to > at);
                holes.push(at..to);
                at = to;
            }
        }
    }
    (holes, bytes)
}

const ALL: &[usize] = &[SHORTEST as usize];

/// A file of this size on the real disk, with these bytes at these places.
fn real(size: u64, written: &[(u64, &[u8])]) -> (tempfile::TempDir, Arc<dyn Content>) {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(dir.path().join("0.log")).unwrap();
    file.set_len(size).unwrap();
    for (at, bytes) in written {
        file.write_all_at(bytes, *at).unwrap();
    }
    let base = Base { root: dir.path().to_path_buf(), follow: Follow::Never };
    (dir, OsDisk::default().open(&base, Path::new("0.log")).unwrap())
}

#[test]
fn a_hole_is_as_long_as_its_nuls_also_those_in_its_first_and_last_page() {
    let (from, to) = (7, (1 << 40) + 777);
    let (_dir, content) = real(to + 7, &[(0, b"before\n"), (to, b"behind\n")]);
    assert_eq!(walk(content.as_ref(), ALL), (std::iter::once(from..to).collect(), b"before\nbehind\n".to_vec()));
    assert!(has_any(content.as_ref()).unwrap());
    let stat = content.stat().unwrap();
    assert!(stat.size == to + 7 && stat.taken < 1 << 20, "{stat:?}");
}

#[test]
fn a_file_that_is_one_hole_and_one_that_ends_in_one_are_passed_over_to_their_ends() {
    let (_dir, content) = real(1 << 40, &[]);
    assert_eq!(walk(content.as_ref(), ALL).0, std::iter::once(0..1 << 40).collect::<Vec<_>>());
    let (_dir, content) = real(1 << 40, &[(1 << 30, b"line\n")]);
    assert_eq!(walk(content.as_ref(), ALL), (vec![0..1 << 30, (1 << 30) + 5..1 << 40], b"line\n".to_vec()));
}

#[test]
fn nuls_that_were_written_and_holes_of_a_few_pages_are_bytes_as_any_others() {
    let nuls = vec![0; 300 << 10];
    let (_dir, content) = real(0, &[(0, b"before\n"), (7, &nuls), (7 + nuls.len() as u64, b"behind\n")]);
    assert_eq!(walk(content.as_ref(), ALL), (vec![], [b"before\n", &nuls[..], b"behind\n"].concat()));
    assert!(!has_any(content.as_ref()).unwrap());
    let (_dir, content) = real(0, &[(0, b"before\n"), (SHORTEST - 10, b"behind\n")]);
    assert_eq!(walk(content.as_ref(), ALL).0, []);
    // Only what was never written is passed over.
    let behind = 7 + nuls.len() as u64;
    let (_dir, content) = real(1 << 40, &[(0, b"before\n"), (7, &nuls)]);
    let (holes, _) = walk(content.as_ref(), ALL);
    assert!(holes.len() == 1 && holes[0].start >= behind && holes[0].end == 1 << 40, "{holes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// The simulated disk takes pages of nothing but NULs for never written.
    #[test]
    fn where_a_hole_begins_and_ends_depends_on_the_file_alone(
        parts in proptest::collection::vec((prop_oneof![Just(b'x'), Just(0)], prop_oneof![1usize..9, 1usize..9_000, 60_000usize..300_000]), 1..9),
        lengths in proptest::collection::vec(prop_oneof![1usize..5_000, 60_000..=SHORTEST as usize], 1..5),
    ) {
        let disk = SimDisk::new();
        let bytes: Vec<u8> = parts.iter().flat_map(|(byte, len)| std::iter::repeat_n(*byte, *len)).collect();
        disk.append("/x/0.log", &bytes);
        let base = Base { root: "/".into(), follow: Follow::Any };
        let content = disk.open(&base, Path::new("x/0.log")).unwrap();
        let whole = walk(content.as_ref(), ALL);
        let (holes, rest) = walk(content.as_ref(), &lengths);
        prop_assert_eq!(&holes, &whole.0);
        prop_assert!(rest == whole.1);
        let left: u64 = holes.iter().map(|hole| hole.end - hole.start).sum();
        prop_assert_eq!(left + rest.len() as u64, bytes.len() as u64);
        prop_assert_eq!(rest.iter().filter(|b| **b == b'x').count(), bytes.iter().filter(|b| **b == b'x').count());
        prop_assert_eq!(has_any(content.as_ref()).unwrap(), !holes.is_empty());
    }
}

#[test]
fn a_file_with_a_hole_is_held_and_not_copied_and_others_are() {
    let log = |pod: &str| format!("/var/log/pods/ns_{pod}_{pod}/app/0.log");
    let mut rig = Rig::new(vec![pods_input()]);
    let sparse = [line(1, "before"), vec![0; 3 * SHORTEST as usize], line(2, "behind")].concat();
    rig.disk.append(log("sparse"), &sparse);
    rig.disk.append(log("whole"), &line(1, "x"));
    rig.secs(5);
    let id = rig.views.values().find(|v| v.size > SHORTEST).unwrap().file.id;
    rig.disk.remove_tree("/var/log/pods");
    rig.secs(30);
    let report = rig.catalog.report();
    assert_eq!((report.copied.0, report.held.0), (1, 1), "{report:?}");
    assert_eq!(report.not_copied.values().sum::<u64>(), 1, "{report:?}");
    assert!(rig.read(id) == sparse);
    rig.settle_all();
    rig.secs(30);
    assert!(rig.catalog.report().lost.is_empty());
    assert_eq!(rig.catalog.report().held.0, 0);
}
