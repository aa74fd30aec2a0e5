//! The store's own copy of the state, so that a rewrite of the log needs nobody else. Files, which can be tens of
//! thousands, are kept as their encoded entries: a few hundred bytes each and two allocations.

use super::codec::{self, Entry};
use super::log::{self, TooLong};
use super::replay::{self, FileNews};
use super::saved::{LaneId, LaneState, Saved, State};
use crate::record::{FileId, Now};
use std::collections::{BTreeSet, HashMap};
use std::io;

#[derive(Debug, Default)]
pub(super) struct Mirror {
    files: HashMap<FileId, Box<[u8]>>,
    lanes: HashMap<LaneId, LaneState>,
    gone: BTreeSet<FileId>,
    /// Entries are encoded here first, so that each is allocated once in its size.
    scratch: Vec<u8>,
}

/// Log bytes are handed on in pieces of about this size.
const PIECE: usize = 256 << 10;

impl Mirror {
    pub(super) fn fold(&mut self, saved: Saved) {
        match replay::fold_lanes(&mut self.lanes, &mut self.gone, saved) {
            Some(FileNews::Known(file)) => {
                let id = file.id;
                self.scratch.clear();
                codec::encode(&Saved::File(file), &mut self.scratch);
                self.files.insert(id, self.scratch.as_slice().into());
            }
            Some(FileNews::Gone(id)) => {
                self.files.remove(&id);
            }
            None => {}
        }
    }

    pub(super) fn lane(&self, lane: &LaneId) -> Option<LaneState> {
        self.lanes.get(lane).cloned()
    }

    pub(super) fn state(&self) -> State {
        let files = HashMap::with_capacity(self.files.len());
        let mut state = State { files, lanes: self.lanes.clone(), gone: self.gone.clone() };
        for entry in self.files.values().flat_map(|entry| codec::decode(entry)) {
            if let Entry::Known(saved) = entry {
                replay::fold(&mut state, saved);
            }
        }
        state
    }

    /// A whole new log that holds this state, piece by piece, one entry a record; gives its length.
    pub(super) fn write_log(&self, now: Now, out: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
        let mut total = 0u64;
        let mut piece = Vec::with_capacity(PIECE);
        let mut payload = Vec::new();
        log::write_header(&mut piece);
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_unstable_by_key(|(id, _)| **id);
        let mut flush = |piece: &mut Vec<u8>, at_least: usize| -> io::Result<()> {
            if piece.len() >= at_least {
                out(piece)?;
                total = total.saturating_add(piece.len() as u64);
                piece.clear();
            }
            Ok(())
        };
        for (_, entry) in files {
            log::write_record(now.unix_ns, entry, &mut piece).map_err(too_long)?;
            flush(&mut piece, PIECE)?;
        }
        for saved in replay::snapshot_lanes(&self.lanes, &self.gone) {
            payload.clear();
            codec::encode(&saved, &mut payload);
            log::write_record(now.unix_ns, &payload, &mut piece).map_err(too_long)?;
            flush(&mut piece, PIECE)?;
        }
        flush(&mut piece, 1)?;
        Ok(total)
    }
}

pub(super) fn too_long(error: TooLong) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
