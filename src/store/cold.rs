//! What the log says of files that nothing was heard of for a while, compressed in memory: pieces of neighbouring ids,
//! each read only when one of its files wakes. Thousands of idle files are alike but for some forty bytes each.
//!
//! Pure. A piece that cannot be compressed is kept as it is.

use crate::record::FileId;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use zstd::bulk::{Compressor, Decompressor};

/// Files in a piece at most: one bit each in [`Piece::taken`]. The more, the smaller; the fewer, the sooner one is found.
const MOST: usize = 32;
/// zstd's: more costs memory while it works, and gains little.
const LEVEL: i32 = 1;

/// A file and the entries that the log has of it, encoded.
pub(super) type Record = (FileId, Vec<u8>);

/// A file is in one piece at most: the last one whose key is not above its id.
#[derive(Default)]
pub(super) struct Cold {
    pieces: BTreeMap<FileId, Piece>,
    tools: Tools,
}

/// zstd's contexts: to make one takes longer than to use it, and each holds more than 100 KB.
#[derive(Default)]
struct Tools {
    packer: Option<Compressor<'static>>,
    unpacker: Option<Decompressor<'static>>,
}

impl Tools {
    fn pack(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        match &mut self.packer {
            Some(packer) => packer,
            none => none.insert(Compressor::new(LEVEL)?),
        }
        .compress(plain)
    }

    fn unpack(&mut self, packed: &[u8], len: usize) -> io::Result<Vec<u8>> {
        match &mut self.unpacker {
            Some(unpacker) => unpacker,
            none => none.insert(Decompressor::new()?),
        }
        .decompress(packed, len)
    }
}

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
    fn new(records: &[Record], tools: &mut Tools) -> Piece {
        let mut plain = Vec::with_capacity(records.iter().map(|(_, entries)| entries.len() + 4).sum());
        for (_, entries) in records {
            plain.extend_from_slice(&(entries.len() as u32).to_le_bytes());
            plain.extend_from_slice(entries);
        }
        let ids = records.iter().map(|(id, _)| *id).collect();
        match tools.pack(&plain) {
            Ok(packed) if packed.len() < plain.len() => {
                Piece { ids, taken: 0, packed: packed.into(), plain: Some(plain.len()) }
            }
            Ok(_) | Err(_) => Piece { ids, taken: 0, packed: plain.into(), plain: None },
        }
    }

    fn plain(&self, tools: &mut Tools) -> Cow<'_, [u8]> {
        match self.plain {
            Some(len) => Cow::Owned(tools.unpack(&self.packed, len).unwrap_or_else(|error| {
                // Nobody but `new` writes these bytes.
                tracing::error!(%error, "positions kept in memory cannot be read: some lines may be delivered again");
                Vec::new()
            })),
            None => Cow::Borrowed(&self.packed),
        }
    }

    /// Those of `plain` that are still here, in order.
    fn here<'a>(&'a self, plain: &'a [u8]) -> impl Iterator<Item = (FileId, &'a [u8])> {
        let mut rest = plain;
        let all = self.ids.iter().enumerate().map_while(move |(at, id)| {
            let (len, after) = rest.split_first_chunk()?;
            let (entries, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            rest = after;
            Some((at, *id, entries))
        });
        all.filter(|(at, ..)| self.taken >> at & 1 == 0).map(|(_, id, entries)| (id, entries))
    }

    fn records(&self, tools: &mut Tools) -> Vec<Record> {
        self.here(&self.plain(tools)).map(|(id, entries)| (id, entries.to_vec())).collect()
    }
}

impl Cold {
    /// Takes a file out, if it is here.
    pub(super) fn take(&mut self, id: FileId) -> Option<Vec<u8>> {
        let (key, piece) = self.pieces.range_mut(..=id).next_back()?;
        let at = piece.ids.binary_search(&id).ok().filter(|at| piece.taken >> at & 1 == 0)?;
        let plain = piece.plain(&mut self.tools);
        let entries = piece.here(&plain).find(|(other, _)| *other == id)?.1.to_vec();
        drop(plain);
        piece.taken |= 1 << at;
        let left = piece.ids.len().saturating_sub(piece.taken.count_ones() as usize);
        if left * 2 < piece.ids.len() {
            // What is gone takes no more room than what is here.
            let (key, records) = (*key, piece.records(&mut self.tools));
            self.pieces.remove(&key);
            self.insert(&records);
        }
        Some(entries)
    }

    /// Nothing will be taken for a while: what is only needed for that goes.
    pub(super) fn rest(&mut self) {
        self.tools = Tools::default();
    }

    /// Takes files in, in order of their ids; none of them is here.
    pub(super) fn add(&mut self, files: Vec<Record>) {
        let mut files = files.into_iter().peekable();
        while let Some(first) = files.next() {
            let key = self.pieces.range(..=first.0).next_back().map(|(key, _)| *key);
            let end = self.pieces.range((std::ops::Bound::Excluded(first.0), std::ops::Bound::Unbounded)).next();
            let end = end.map(|(key, _)| *key);
            let old = key.and_then(|key| self.pieces.remove(&key));
            let mut records = old.map_or_else(Vec::new, |piece| piece.records(&mut self.tools));
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
                self.pieces.insert(*id, Piece::new(part, &mut self.tools));
            }
        }
    }

    /// Each file, by id.
    pub(super) fn each(&self) -> impl Iterator<Item = Record> + '_ {
        let mut tools = Tools::default();
        self.pieces.values().flat_map(move |piece| piece.records(&mut tools))
    }

    /// Puts what `change` makes of it in each file's place; `None`: nothing.
    pub(super) fn change(&mut self, mut change: impl FnMut(FileId, &[u8]) -> Option<Vec<u8>>) {
        for piece in std::mem::take(&mut self.pieces).into_values() {
            let records = piece.records(&mut self.tools).into_iter();
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
