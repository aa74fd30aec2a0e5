//! One listing of a directory against what was known of it: what stayed, moved, vanished, came. Pure.
//!
//! Names and inodes are evidence only: a move of a file whose handle is closed must be proven by its head, because
//! a new file gets the inode of one removed milliseconds before.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

/// A name that the listing shows and that the catalog cares for.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its name.
    pub name: OsString,
    /// Its inode as the directory says it.
    pub inode: u64,
}

/// A name under which a known file was last seen in this directory.
#[derive(Clone, Copy, Debug)]
pub struct Had<'a, K> {
    /// The file; one may have two names (plain and `.gz`).
    pub file: K,
    /// The name.
    pub name: &'a OsStr,
    /// The inode as the directory said it then.
    pub inode: u64,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<K> {
    /// Same name, same inode: the index of what is seen.
    Same(K, usize),
    /// Its inode under another name of this directory: perhaps renamed.
    Moved(K, usize),
    /// Neither name nor inode: deleted, moved elsewhere, or missed by a listing that ran beside a rename.
    Missing(K),
    /// A name nobody has.
    New(usize),
}

/// Compares. Every `had` and every `seen` is in exactly one change; new ones come last, in order of `seen`.
pub fn diff<K: Copy>(had: &[Had<'_, K>], seen: &[Seen]) -> Vec<Change<K>> {
    let by_name: HashMap<&OsStr, usize> = seen.iter().enumerate().map(|(at, s)| (s.name.as_os_str(), at)).collect();
    let mut taken = vec![false; seen.len()];
    let mut changes = Vec::with_capacity(had.len());
    let mut rest = Vec::new();
    for h in had {
        let same = by_name.get(h.name).copied().filter(|at| seen.get(*at).is_some_and(|s| s.inode == h.inode));
        match same.and_then(|at| take(&mut taken, at)) {
            Some(at) => changes.push(Change::Same(h.file, at)),
            None => rest.push(h),
        }
    }
    let mut free: HashMap<u64, usize> = HashMap::new();
    for (at, s) in seen.iter().enumerate().rev() {
        if !taken.get(at).copied().unwrap_or(true) {
            free.insert(s.inode, at);
        }
    }
    for h in rest {
        changes.push(match free.remove(&h.inode).and_then(|at| take(&mut taken, at)) {
            Some(at) => Change::Moved(h.file, at),
            None => Change::Missing(h.file),
        });
    }
    let new = taken.iter().enumerate().filter(|(_, taken)| !**taken).map(|(at, _)| Change::New(at));
    changes.extend(new);
    changes
}

fn take(taken: &mut [bool], at: usize) -> Option<usize> {
    let slot = taken.get_mut(at)?;
    (!std::mem::replace(slot, true)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(had: &[(u8, &str, u64)], seen: &[(&str, u64)]) -> Vec<Change<u8>> {
        let had: Vec<Had<'_, u8>> =
            had.iter().map(|(file, name, inode)| Had { file: *file, name: OsStr::new(name), inode: *inode }).collect();
        let seen: Vec<Seen> = seen.iter().map(|(name, inode)| Seen { name: name.into(), inode: *inode }).collect();
        diff(&had, &seen)
    }

    #[test]
    fn one_rotation_by_kubelet() {
        // The oldest .gz (9) removed, 0.log.1 compressed, 0.log renamed, a new 0.log that got the freed inode.
        let had = [(1, "0.log.0.gz", 9), (2, "0.log.1", 5), (3, "0.log", 6)];
        let seen = [("0.log", 9), ("0.log.1.gz", 7), ("0.log.2", 6)];
        assert_eq!(run(&had, &seen), [Change::Moved(1, 0), Change::Missing(2), Change::Moved(3, 2), Change::New(1)]);
    }

    #[test]
    fn a_rename_back_is_a_move() {
        assert_eq!(run(&[(1, "0.log.5", 3)], &[("0.log", 3)]), [Change::Moved(1, 0)]);
    }

    #[test]
    fn two_names_of_one_inode_are_one_same_and_one_new() {
        assert_eq!(run(&[(1, "a", 3)], &[("a", 3), ("b", 3)]), [Change::Same(1, 0), Change::New(1)]);
    }

    #[test]
    fn logrotates_shift_moves_every_file_by_one() {
        let had = [(1, "a", 1), (2, "a.1", 2), (3, "a.2", 3)];
        let seen = [("a", 4), ("a.1", 1), ("a.2", 2), ("a.3", 3)];
        assert_eq!(run(&had, &seen), [Change::Moved(1, 1), Change::Moved(2, 2), Change::Moved(3, 3), Change::New(0)]);
    }

    proptest::proptest! {
        #[test]
        fn everything_is_in_exactly_one_change(
            had in proptest::collection::btree_map(0u8..6, 0u64..5, 0..6),
            seen in proptest::collection::btree_map(0u8..6, 0u64..5, 0..6),
        ) {
            let names: Vec<String> = (0..6).map(|n| n.to_string()).collect();
            let had: Vec<(u8, &str, u64)> = had.iter().map(|(n, i)| (*n, names[usize::from(*n)].as_str(), *i)).collect();
            let seen: Vec<(&str, u64)> = seen.iter().map(|(n, i)| (names[usize::from(*n)].as_str(), *i)).collect();
            let (mut files, mut places) = (Vec::new(), Vec::new());
            for change in run(&had, &seen) {
                match change {
                    Change::Same(f, at) | Change::Moved(f, at) => { files.push(f); places.push(at); }
                    Change::Missing(f) => files.push(f),
                    Change::New(at) => places.push(at),
                }
            }
            files.sort_unstable();
            places.sort_unstable();
            proptest::prop_assert_eq!(files, had.iter().map(|h| h.0).collect::<Vec<_>>());
            proptest::prop_assert_eq!(places, (0..seen.len()).collect::<Vec<_>>());
        }
    }
}
