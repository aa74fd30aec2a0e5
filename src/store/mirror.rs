//! The store's own copy of the state, so that a rewrite of the log needs nobody else. Files, which can be tens of
//! thousands, are kept as their encoded entries; what all files of a container say alike, their fields, is kept once.

use super::codec::{self, Entry};
use super::log::{self, TooLong};
use super::replay::{self, FileNews};
use super::saved::{KnownFile, LaneId, LaneState, Saved, State};
use crate::record::{FileId, Now};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::sync::Arc;

/// A file's record without its fields, and its fields, which many files share.
type Packed = (Box<[u8]>, Arc<[u8]>);

#[derive(Debug, Default)]
pub(super) struct Mirror {
    files: HashMap<FileId, Packed>,
    fields: HashSet<Arc<[u8]>>,
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
            Some(FileNews::Known(mut file)) => {
                let id = file.id;
                self.scratch.clear();
                for text in file.fields.drain(..).flat_map(|(name, value)| [name, value]) {
                    self.scratch.extend_from_slice(&text.len().to_le_bytes());
                    self.scratch.extend_from_slice(text.as_bytes());
                }
                let fields = self.fields.get(self.scratch.as_slice()).cloned();
                let fields = fields.unwrap_or_else(|| self.scratch.as_slice().into());
                self.fields.insert(fields.clone());
                self.scratch.clear();
                codec::encode(&Saved::File(file), &mut self.scratch);
                let before = self.files.insert(id, (self.scratch.as_slice().into(), fields));
                self.let_go(before);
            }
            Some(FileNews::Gone(id)) => {
                let before = self.files.remove(&id);
                self.let_go(before);
            }
            None => {}
        }
    }

    /// Fields that no file has any more go with the last one.
    fn let_go(&mut self, file: Option<Packed>) {
        let Some((_, fields)) = file else { return };
        // Ours, and the set's.
        if Arc::strong_count(&fields) == 2 {
            self.fields.remove(&fields);
        }
    }

    /// A kept file as it was told.
    fn file(entry: &[u8], fields: &[u8]) -> Option<KnownFile> {
        let Some(Entry::Known(Saved::File(mut file))) = codec::decode(entry).next() else { return None };
        let mut rest = fields;
        let mut next = || {
            let (len, after) = rest.split_first_chunk()?;
            let (text, after) = after.split_at_checked(usize::from_le_bytes(*len))?;
            rest = after;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        while let (Some(name), Some(value)) = (next(), next()) {
            file.fields.push((name, value));
        }
        Some(file)
    }

    pub(super) fn lane(&self, lane: &LaneId) -> Option<LaneState> {
        self.lanes.get(lane).cloned()
    }

    pub(super) fn state(&self) -> State {
        let files = HashMap::with_capacity(self.files.len());
        let mut state = State { files, lanes: self.lanes.clone(), gone: self.gone.clone() };
        for file in self.files.values().filter_map(|(entry, fields)| Mirror::file(entry, fields)) {
            replay::fold(&mut state, Saved::File(file));
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
        for file in files.into_iter().filter_map(|(_, (entry, fields))| Mirror::file(entry, fields)) {
            payload.clear();
            codec::encode(&Saved::File(file), &mut payload);
            log::write_record(now.unix_ns, &payload, &mut piece).map_err(too_long)?;
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
