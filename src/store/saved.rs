//! What is kept on disk between two lives of the agent: the content of the checkpoint store's records.

use crate::lane::batch::{PartTag, Reason};
use crate::record::{FileId, Mark, Span};
use crate::ruling::Rulings;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// An output's `id`: what names a lane in the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub Arc<str>);

/// Where one lane stands in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// All bytes below are settled.
    pub low: u64,
    /// Proof for `low`.
    pub low_mark: Mark,
    /// Settled spans above `low`: ascending, disjoint, not touching; at most 1,024.
    pub above: Vec<(u64, u64)>,
    /// Proof for the end of the last of `above`.
    pub high_mark: Mark,
    /// Ascending places above `low` where a record ended that its bytes do not end: it ends there again.
    pub cuts: Vec<u64>,
}

impl Position {
    /// Bytes that it says are settled.
    pub fn settled(&self) -> u64 {
        let above = self.above.iter().map(|(start, end)| end.saturating_sub(*start));
        above.fold(self.low, u64::saturating_add)
    }
    /// Behind the last byte that it says is settled.
    pub fn end(&self) -> u64 {
        self.above.last().map_or(self.low, |(_, end)| *end)
    }
}

/// Sums over a lane's life, by fate; counters start from them. Written together with the positions that they count,
/// so that at every instant `counted` is what all positions say plus `gone`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Records and source bytes delivered.
    pub delivered: (u64, u64),
    /// Records and source bytes in the dead-letter file.
    pub dead_lettered: (u64, u64),
    /// Records and source bytes dropped, by [`Reason`] in the order of `Reason::ALL`.
    pub dropped: [(u64, u64); Reason::ALL.len()],
    /// Source bytes that a deleted file took with it.
    pub lost_bytes: u64,
    /// Records that were possibly delivered twice.
    pub possible_duplicates: u64,
    /// Source bytes that are settled without having been read: `start: end`, or a position set forward by hand.
    pub skipped: u64,
    /// Source bytes that count once more: a position was set back by hand after they were settled.
    pub again: u64,
    /// What the positions said of files that are forgotten. [`Sums::UNKNOWN`]: a version that did not keep this wrote it.
    pub gone: u64,
}

impl Sums {
    /// Stands for `gone` until a lane of this version was started.
    pub const UNKNOWN: u64 = u64::MAX;

    /// Source bytes that have a fate and still count as settled.
    pub fn counted(&self) -> u64 {
        let dropped = self.dropped.iter().map(|(_, bytes)| *bytes).fold(0, u64::saturating_add);
        let fates = [self.delivered.1, self.dead_lettered.1, dropped, self.lost_bytes, self.skipped];
        fates.into_iter().fold(0, u64::saturating_add).saturating_sub(self.again)
    }
}

/// An S3 object that was decided: its name and spans never change from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Bucket-relative object name.
    pub name: Arc<str>,
    /// Final list of spans, in order.
    pub spans: Vec<Span>,
    /// Set when parts were uploaded: Complete, else PutObject.
    pub upload: Option<(Arc<str>, Vec<PartTag>)>,
}

/// How the catalog finds a file again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFile {
    /// Identity.
    pub id: FileId,
    /// Name of the input.
    pub input: Arc<str>,
    /// Last known path.
    pub path: Arc<str>,
    /// Last known inode.
    pub inode: u64,
    /// Length and CRC-32C of the head: the first complete line or first 1 KiB.
    pub head: (u16, u32),
    /// Chain, restart, turn.
    pub place: crate::catalog::view::Place,
    /// How many truncations in place came before.
    pub generation: u32,
    /// Plain size when last saved.
    pub size: u64,
    /// First-seen times: (size, unix ns), at most 64.
    pub ages: Vec<(u64, i64)>,
    /// Field values at the first offer (keys use them for the file's life); empty before the offer.
    pub fields: Vec<(String, String)>,
    /// Its copy in `data_dir/retained`, if there is one.
    pub kept: Option<Box<Kept>>,
    /// Proof of its bytes below `size`, or below an earlier size: what begins alike is not always the same.
    pub proof: Mark,
    /// What of it is left out, by input.
    pub rulings: Rulings,
}

/// A copy of a file, whole and durable under the file's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Plain bytes in it.
    pub plain: u64,
    /// gzip, as kubelet made it; else zstd.
    pub gz: bool,
    /// Proof of its end, in stored bytes: `end.at` is its size on disk.
    pub end: Mark,
}

/// One record of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// A file was identified, renamed, compressed or offered, or its ages moved on.
    File(KnownFile),
    /// A file is gone. Positions in it stay until their lane has left it.
    FileGone { id: FileId },
    /// A lane is through with a file that is gone, or shall forget where it stood in it: its position is of no use any
    /// more. What it said is in the lane's sums, written with this.
    Left { lane: LaneId, file: FileId },
    /// A lane's position in a file moved.
    Position { lane: LaneId, file: FileId, position: Position },
    /// A lane's sums, with its positions and with each clean stop.
    Sums { lane: LaneId, sums: Sums },
    /// An attempt whose loss of answer may mean a duplicate is about to leave (CloudWatch): records in it.
    Attempt { lane: LaneId, ticket: u64, records: u32 },
    /// Its answer came.
    Answered { lane: LaneId, ticket: u64 },
    /// An S3 upload is about to be created, or was (then with its id).
    Upload { lane: LaneId, name: Arc<str>, upload: Option<Arc<str>> },
    /// A part was taken in.
    Part { lane: LaneId, name: Arc<str>, upload: Arc<str>, tag: PartTag, spans: Vec<Span> },
    /// An object was decided.
    Intent { lane: LaneId, intent: Intent },
    /// An object is settled or its upload abandoned: forget everything under this name.
    Closed { lane: LaneId, name: Arc<str> },
    /// The lane left the configuration at this time (unix ns), or is back (`None`).
    /// `keep`: how long such a lane is remembered, as its output said while it was there.
    Absent { lane: LaneId, since: Option<i64>, keep: Option<Duration> },
    /// Everything of this lane is forgotten.
    Forgotten { lane: LaneId },
}

/// An upload that was not yet decided when the store was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenUpload {
    /// `None`: perhaps created, its id never learned.
    pub upload: Option<Arc<str>>,
    /// Parts taken in, each with its spans.
    pub parts: Vec<(PartTag, Vec<Span>)>,
}

/// What one lane finds at its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneState {
    /// Its positions.
    pub positions: HashMap<FileId, Position>,
    /// Its sums.
    pub sums: Sums,
    /// Attempts without an answer: ticket, records.
    pub attempts: BTreeMap<u64, u32>,
    /// Uploads that were open, by object name.
    pub uploads: BTreeMap<Arc<str>, OpenUpload>,
    /// Objects that were decided and not yet settled.
    pub intents: Vec<Intent>,
    /// When it left the configuration (unix ns).
    pub absent_since: Option<i64>,
    /// How long it is remembered after that; `None`: nobody said.
    pub keep: Option<Duration>,
}

/// All proofs of all lanes' positions, for the catalog to recognise files by; at least one a lane that wants the file.
pub fn marks(lanes: &HashMap<LaneId, LaneState>) -> HashMap<FileId, Vec<Mark>> {
    let mut marks: HashMap<FileId, Vec<Mark>> = HashMap::new();
    for (file, position) in lanes.values().flat_map(|lane| &lane.positions) {
        let of_file = marks.entry(*file).or_default();
        // Also where nothing is proven: how far each lane is tells what is lost with a file.
        let unproven = Mark { at: position.low, ..Mark::NONE };
        let low = if position.low_mark.at == position.low { position.low_mark } else { unproven };
        for mark in [Some(low), Some(position.high_mark).filter(|mark| mark.len > 0)].into_iter().flatten() {
            if !of_file.contains(&mark) {
                of_file.push(mark);
            }
        }
    }
    marks
}

/// What replaying the store yields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Files known, by id.
    pub files: HashMap<FileId, KnownFile>,
    /// Lanes known, by id.
    pub lanes: HashMap<LaneId, LaneState>,
    /// Files that are gone and in which some lane still has a position: it did not hear of that before it ended.
    pub gone: BTreeSet<FileId>,
}
