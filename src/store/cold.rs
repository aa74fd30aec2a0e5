//! What the log says of files that nothing was heard of for a while, compressed in memory: pieces of neighbouring ids,
//! each read only when one of its files wakes. Thousands of idle files are alike but for some forty bytes each.
//!
//! Pure. A piece that cannot be compressed is kept as it is.

use crate::record::FileId;
use std::collections::BTreeMap;

/// Files in a piece at most: one bit each in [`Piece::taken`]. The more, the smaller; the fewer, the sooner one is found.
const MOST: usize = 32;
/// zstd's: more costs memory while it works, and gains little.
const LEVEL: i32 = 1;

/// A file and the entries that the log has of it, encoded.
pub(super) type Record = (FileId, Vec<u8>);

/// A file is in one piece at most: the last one whose key is not above its id.
#[derive(Debug, Default)]
pub(super) struct Cold {
    pieces: BTreeMap<FileId, Piece>,
}

#[derive(Debug)]
struct Piece {
    /// Ascending.
    ids: Box<[FileId]>,
    /// Bit n: the n-th is not here any more.
    taken: u32,
    /// Length and bytes of each, one behind the other.
    packed: Box<[u8]>,
    /// Plain length; `None`: it is not compressed.
    plain: Option<usize>,
}

impl Piece {
    fn new(records: &[Record]) -> Piece {
        let mut plain = Vec::with_capacity(records.iter().map(|(_, entries)| entries.len() + 4).sum());
        for (_, entries) in records {
            plain.extend_from_slice(&(entries.len() as u32).to_le_bytes());
            plain.extend_from_slice(entries);
        }
        let ids = records.iter().map(|(id, _)| *id).collect();
        match zstd::bulk::compress(&plain, LEVEL) {
            Ok(packed) if packed.len() < plain.len() => {
                Piece { ids, taken: 0, packed: packed.into(), plain: Some(plain.len()) }
            }
            Ok(_) | Err(_) => Piece { ids, taken: 0, packed: plain.into(), plain: None },
        }
    }

    /// Those that are still here, in order.
    fn records(&self) -> Vec<Record> {
        let plain = match self.plain {
            Some(len) => zstd::bulk::decompress(&self.packed, len).unwrap_or_else(|error| {
                // Nobody but `new` writes these bytes.
                tracing::error!(%error, "positions kept in memory cannot be read: some lines may be delivered again");
                Vec::new()
            }),
            None => self.packed.to_vec(),
        };
        let mut rest = plain.as_slice();
        let mut records = Vec::with_capacity(self.ids.len());
        for (at, id) in self.ids.iter().enumerate() {
            let Some((len, after)) = rest.split_first_chunk() else { break };
            let Some((entries, after)) = after.split_at_checked(u32::from_le_bytes(*len) as usize) else { break };
            rest = after;
            if self.taken >> at & 1 == 0 {
                records.push((*id, entries.to_vec()));
            }
        }
        records
    }
}

impl Cold {
    /// Takes a file out, if it is here.
    pub(super) fn take(&mut self, id: FileId) -> Option<Vec<u8>> {
        let (key, piece) = self.pieces.range_mut(..=id).next_back()?;
        let at = piece.ids.binary_search(&id).ok().filter(|at| piece.taken >> at & 1 == 0)?;
        let mut records = piece.records();
        let found = records.iter().position(|(other, _)| *other == id)?;
        let (_, entries) = records.swap_remove(found);
        piece.taken |= 1 << at;
        if records.len() * 2 < piece.ids.len() {
            // What is gone takes no more room than what is here.
            let key = *key;
            self.pieces.remove(&key);
            records.sort_unstable_by_key(|(id, _)| *id);
            self.insert(&records);
        }
        Some(entries)
    }

    /// Takes files in, in order of their ids; none of them is here.
    pub(super) fn add(&mut self, files: Vec<Record>) {
        let mut files = files.into_iter().peekable();
        while let Some(first) = files.next() {
            let key = self.pieces.range(..=first.0).next_back().map(|(key, _)| *key);
            let end = self.pieces.range((std::ops::Bound::Excluded(first.0), std::ops::Bound::Unbounded)).next();
            let end = end.map(|(key, _)| *key);
            let mut records = key.and_then(|key| self.pieces.remove(&key)).map_or_else(Vec::new, |p| p.records());
            records.push(first);
            while let Some(next) = files.next_if(|(id, _)| end.is_none_or(|end| *id < end)) {
                records.push(next);
            }
            records.sort_unstable_by_key(|(id, _)| *id);
            self.insert(&records);
        }
    }

    fn insert(&mut self, records: &[Record]) {
        let pieces = records.len().div_ceil(MOST).max(1);
        for part in records.chunks(records.len().div_ceil(pieces).max(1)) {
            if let Some((id, _)) = part.first() {
                self.pieces.insert(*id, Piece::new(part));
            }
        }
    }

    /// Each file, by id.
    pub(super) fn each(&self) -> impl Iterator<Item = Record> + '_ {
        self.pieces.values().flat_map(Piece::records)
    }

    /// Puts what `change` makes of it in each file's place; `None`: nothing.
    pub(super) fn change(&mut self, mut change: impl FnMut(FileId, &[u8]) -> Option<Vec<u8>>) {
        for piece in std::mem::take(&mut self.pieces).into_values() {
            let records = piece.records().into_iter();
            let changed: Vec<Record> = records.filter_map(|(id, entries)| Some((id, change(id, &entries)?))).collect();
            self.insert(&changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(ops in proptest::collection::vec((0u128..300, 0usize..200, 0u8..4), 1..400)) {
            let (mut cold, mut model) = (Cold::default(), BTreeMap::new());
            let mut waiting = BTreeMap::new();
            for (id, len, what) in ops {
                let id = FileId(id);
                match what {
                    0 => prop_assert_eq!(cold.take(id), model.remove(&id)),
                    1 => {
                        cold.add(waiting.iter().map(|(id, entries): (&FileId, &Vec<u8>)| (*id, entries.clone())).collect());
                        model.append(&mut waiting);
                    }
                    _ if !model.contains_key(&id) => _ = waiting.insert(id, vec![len as u8; len]),
                    _ => {}
                }
                prop_assert!(cold.pieces.values().all(|p| p.ids.len() <= MOST));
            }
            prop_assert_eq!(cold.each().collect::<Vec<_>>(), model.clone().into_iter().collect::<Vec<_>>());
            cold.change(|_, entries| (entries.len() > 100).then(|| vec![1]));
            model.retain(|_, entries| entries.len() > 100);
            prop_assert_eq!(cold.each().map(|(id, _)| id).collect::<Vec<_>>(), model.into_keys().collect::<Vec<_>>());
        }
    }
}
