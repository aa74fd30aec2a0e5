//! Files known from an earlier life that were not found again yet.

use crate::record::{FileId, Mark};
use crate::store::saved::KnownFile;
use std::collections::HashMap;

/// Shrinks as files are recognised.
#[derive(Debug, Default)]
pub struct Known {
    files: HashMap<FileId, (KnownFile, Vec<Mark>)>,
    by_inode: HashMap<u64, Vec<FileId>>,
    by_chain: HashMap<u64, Vec<FileId>>,
    /// When the last of them was seen to grow (unix ns): until then we were awake.
    awake_ns: i64,
}

impl Known {
    /// From the store; the marks are those of all lanes.
    pub fn new(files: HashMap<FileId, KnownFile>, mut marks: HashMap<FileId, Vec<Mark>>) -> Known {
        let mut known = Known::default();
        for (id, file) in files {
            known.by_inode.entry(file.inode).or_default().push(id);
            known.by_chain.entry(file.place.chain).or_default().push(id);
            known.awake_ns = known.awake_ns.max(file.ages.last().map_or(0, |(_, ns)| *ns));
            known.files.insert(id, (file, marks.remove(&id).unwrap_or_default()));
        }
        // HashMap order must not decide which of two equals is taken.
        for list in known.by_inode.values_mut().chain(known.by_chain.values_mut()) {
            list.sort_unstable();
        }
        known
    }

    /// Known ids with this inode (first) or this chain (after them) that are still to be found.
    pub fn with_inode(&self, inode: u64) -> Vec<FileId> {
        self.alive(self.by_inode.get(&inode))
    }

    /// Known ids of this chain that are still to be found, newest first.
    pub fn with_chain(&self, chain: u64) -> Vec<FileId> {
        let mut ids = self.alive(self.by_chain.get(&chain));
        ids.sort_by_key(|id| self.files.get(id).map(|(f, _)| std::cmp::Reverse((f.place, f.generation))));
        ids
    }

    fn alive(&self, ids: Option<&Vec<FileId>>) -> Vec<FileId> {
        ids.into_iter().flatten().filter(|id| self.files.contains_key(id)).copied().collect()
    }

    /// Whether a file with this inode, or in this chain, is still to be found.
    pub fn looks_for_inode(&self, inode: u64) -> bool {
        self.by_inode.get(&inode).is_some_and(|ids| ids.iter().any(|id| self.files.contains_key(id)))
    }

    /// Whether a file in this chain is still to be found.
    pub fn looks_for_chain(&self, chain: u64) -> bool {
        self.by_chain.get(&chain).is_some_and(|ids| ids.iter().any(|id| self.files.contains_key(id)))
    }

    /// What is known.
    pub fn get(&self, id: FileId) -> Option<&(KnownFile, Vec<Mark>)> {
        self.files.get(&id)
    }

    /// Found: it is known here no more.
    pub fn claim(&mut self, id: FileId) -> Option<KnownFile> {
        self.files.remove(&id).map(|(file, _)| file)
    }

    /// Nothing is to be found any more.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// All that are still to be found.
    pub fn rest(&self) -> impl Iterator<Item = (&FileId, &(KnownFile, Vec<Mark>))> {
        self.files.iter()
    }

    /// The latest growth that any known file showed (unix ns); 0: nothing known.
    pub fn awake_ns(&self) -> i64 {
        self.awake_ns
    }

    /// Nothing left to find: the indexes go.
    pub fn tidy(&mut self) {
        if self.files.is_empty() && !(self.by_chain.is_empty() && self.by_inode.is_empty()) {
            *self = Known { awake_ns: self.awake_ns, ..Known::default() };
        }
    }
}
