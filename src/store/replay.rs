//! Saved records to `State` and back: the one meaning of each record. Pure.
//!
//! The fold is forgiving: records that contradict what came before (a part of a decided object, an answer to an
//! unknown attempt) are taken in the way that can only repeat work, never lose it.

use super::codec::{self, Entry};
use super::log::{End, Problem, Reader};
use super::saved::{Intent, KnownFile, LaneId, LaneState, OpenUpload, Saved, State};
use crate::lane::batch::PartTag;
use crate::record::{FileId, Span};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What reading a store found beside its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How the log ends.
    pub end: End,
    /// Entries of kinds that this version does not know.
    pub foreign: u64,
    /// Entries that make no sense although their checksum agrees.
    pub unreadable: u64,
}

/// Folds a whole store.
pub fn replay(bytes: &[u8]) -> Result<(State, Found), Problem> {
    let mut state = State::default();
    let found = each(bytes, |saved| fold(&mut state, saved))?;
    Ok((state, found))
}

/// Hands out every record of a store, oldest first.
pub(super) fn each(bytes: &[u8], mut take: impl FnMut(Saved)) -> Result<Found, Problem> {
    let mut found = Found::default();
    let mut reader = Reader::new(bytes)?;
    for (_, payload) in reader.by_ref() {
        for entry in codec::decode(payload) {
            match entry {
                Entry::Known(saved) => take(saved),
                Entry::Foreign { .. } => found.foreign = found.foreign.saturating_add(1),
                Entry::Unreadable { .. } | Entry::Broken => found.unreadable = found.unreadable.saturating_add(1),
            }
        }
    }
    found.end = reader.end();
    Ok(found)
}

/// Takes one record in.
pub fn fold(state: &mut State, saved: Saved) {
    match fold_lanes(&mut state.lanes, &mut state.gone, saved) {
        Some(FileNews::Known(file)) => {
            state.files.insert(file.id, file);
        }
        Some(FileNews::Gone(id)) => {
            state.files.remove(&id);
        }
        None => {}
    }
}

/// What a record says of the list of files.
pub(super) enum FileNews {
    Known(KnownFile),
    Gone(FileId),
}

/// Takes in what a record says of lanes, and hands back what it says of files.
pub(super) fn fold_lanes(
    lanes: &mut HashMap<LaneId, LaneState>,
    gone: &mut BTreeSet<FileId>,
    saved: Saved,
) -> Option<FileNews> {
    let stands = |lanes: &HashMap<LaneId, LaneState>, id: &FileId| lanes.values().any(|l| l.positions.contains_key(id));
    match saved {
        Saved::File(file) => {
            gone.remove(&file.id);
            return Some(FileNews::Known(file));
        }
        Saved::FileGone { id } => {
            if stands(lanes, &id) {
                gone.insert(id);
            }
            return Some(FileNews::Gone(id));
        }
        Saved::Left { lane, file } => {
            lanes.entry(lane).or_default().positions.remove(&file);
            if gone.contains(&file) && !stands(lanes, &file) {
                gone.remove(&file);
            }
        }
        Saved::Position { lane, file, position } => {
            lanes.entry(lane).or_default().positions.insert(file, position);
        }
        Saved::Sums { lane, sums } => lanes.entry(lane).or_default().sums = sums,
        Saved::Attempt { lane, ticket, records } => {
            lanes.entry(lane).or_default().attempts.insert(ticket, records);
        }
        Saved::Answered { lane, ticket } => {
            lanes.entry(lane).or_default().attempts.remove(&ticket);
        }
        Saved::Upload { lane, name, upload } => lanes.entry(lane).or_default().upload(name, upload),
        Saved::Part { lane, name, upload, tag, spans } => {
            lanes.entry(lane).or_default().part(name, upload, tag, spans);
        }
        Saved::Intent { lane, intent } => lanes.entry(lane).or_default().intent(intent),
        Saved::Closed { lane, name } => {
            let state = lanes.entry(lane).or_default();
            state.uploads.remove(&name);
            state.intents.retain(|intent| intent.name != name);
        }
        Saved::Absent { lane, since, keep } => {
            let state = lanes.entry(lane).or_default();
            state.absent_since = since;
            state.keep = keep.or(state.keep);
        }
        Saved::Forgotten { lane } => {
            lanes.remove(&lane);
            gone.retain(|id| stands(lanes, id));
        }
    }
    None
}

impl LaneState {
    fn decided(&self, name: &str) -> bool {
        self.intents.iter().any(|intent| *intent.name == *name)
    }

    /// An upload with another id (or one about to be created) begins anew: the parts of the former are worthless.
    fn upload(&mut self, name: Arc<str>, upload: Option<Arc<str>>) {
        if self.decided(&name) {
            return;
        }
        let open = self.uploads.entry(name).or_default();
        if upload.is_none() || (open.upload.is_some() && open.upload != upload) {
            open.parts.clear();
        }
        open.upload = upload;
    }

    /// A part number taken in twice counts once, as the service has it.
    fn part(&mut self, name: Arc<str>, upload: Arc<str>, tag: PartTag, spans: Vec<Span>) {
        if self.decided(&name) {
            return;
        }
        self.upload(Arc::clone(&name), Some(upload));
        let parts = &mut self.uploads.entry(name).or_default().parts;
        match parts.iter_mut().find(|(known, _)| known.number == tag.number) {
            Some(known) => *known = (tag, spans),
            None => parts.push((tag, spans)),
        }
    }

    /// An intent decides everything under its name: whatever was open there is part of it or worthless.
    fn intent(&mut self, intent: Intent) {
        self.uploads.remove(&intent.name);
        match self.intents.iter_mut().find(|known| known.name == intent.name) {
            Some(known) => *known = intent,
            None => self.intents.push(intent),
        }
    }
}

/// The fewest records that fold to this state, in an order that depends on the state alone.
pub fn snapshot(state: &State) -> Vec<Saved> {
    let mut files: Vec<&KnownFile> = state.files.values().collect();
    files.sort_unstable_by_key(|file| file.id);
    let files = files.into_iter().cloned().map(Saved::File);
    files.chain(snapshot_lanes(&state.lanes, &state.gone)).collect()
}

/// The same for the lanes alone.
pub(super) fn snapshot_lanes<'a>(
    lanes: &'a HashMap<LaneId, LaneState>,
    gone: &'a BTreeSet<FileId>,
) -> impl Iterator<Item = Saved> + 'a {
    let gone = gone.iter().map(|id| Saved::FileGone { id: *id });
    let mut lanes: Vec<(&LaneId, &LaneState)> = lanes.iter().collect();
    lanes.sort_unstable_by_key(|(lane, _)| *lane);
    lanes.into_iter().flat_map(|(lane, state)| snapshot_lane(lane, state)).chain(gone)
}

/// `Absent` comes always: a lane that only existed must exist again (it is not at its first start).
fn snapshot_lane<'a>(lane: &'a LaneId, state: &'a LaneState) -> impl Iterator<Item = Saved> + 'a {
    let mut positions: Vec<_> = state.positions.iter().collect();
    positions.sort_unstable_by_key(|(file, _)| **file);
    let sums = (state.sums != Default::default()).then(|| Saved::Sums { lane: lane.clone(), sums: state.sums.clone() });
    std::iter::once(Saved::Absent { lane: lane.clone(), since: state.absent_since, keep: state.keep })
        .chain(sums)
        .chain(positions.into_iter().map(move |(file, position)| Saved::Position {
            lane: lane.clone(),
            file: *file,
            position: position.clone(),
        }))
        .chain(state.attempts.iter().map(move |(ticket, records)| Saved::Attempt {
            lane: lane.clone(),
            ticket: *ticket,
            records: *records,
        }))
        .chain(state.uploads.iter().flat_map(move |(name, open)| snapshot_upload(lane, name, open)))
        .chain(state.intents.iter().map(move |intent| Saved::Intent { lane: lane.clone(), intent: intent.clone() }))
}

fn snapshot_upload<'a>(lane: &'a LaneId, name: &'a Arc<str>, open: &'a OpenUpload) -> impl Iterator<Item = Saved> + 'a {
    let begin = Saved::Upload { lane: lane.clone(), name: Arc::clone(name), upload: open.upload.clone() };
    // Parts only ever come with the id of their upload.
    let parts = open.upload.iter().flat_map(move |upload| {
        open.parts.iter().map(move |(tag, spans)| Saved::Part {
            lane: lane.clone(),
            name: Arc::clone(name),
            upload: Arc::clone(upload),
            tag: tag.clone(),
            spans: spans.clone(),
        })
    });
    std::iter::once(begin).chain(parts)
}

#[cfg(test)]
mod tests;
