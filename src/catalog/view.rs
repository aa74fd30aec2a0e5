//! What a lane is told of one file: a value, replaced whole whenever something about the file changes.
//!
//! Only the catalog makes views; a lane keeps the newest one of each file it reads.

use crate::origin::Origin;
use crate::record::FileId;
use crate::ruling::Rulings;
use std::sync::Arc;

/// Where a file stands among the siblings of its container (or of its path, for `file` inputs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// All siblings share it; nobody else does (a hash of pod UID and container, or of input and path).
    pub chain: u64,
    /// Kubernetes restart number (the N of N.log); 0 for `file` inputs.
    pub restart: u32,
    /// Order of birth within the restart, oldest first. Fixed when the file is found.
    pub turn: u64,
}

impl Place {
    /// Turns are so far apart, so that an older sibling found later fits between.
    pub const STEP: u64 = 1 << 20;

    /// Both are of one restart, and no file was known between them, not even one that is gone.
    pub fn next_to(&self, earlier: &Place) -> bool {
        let apart = self.turn.checked_sub(earlier.turn);
        (self.chain, self.restart) == (earlier.chain, earlier.restart) && apart.is_some_and(|turns| turns <= Self::STEP)
    }
}

/// Can more bytes come?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The writer may append.
    Growing,
    /// No more bytes in this file; the line it ends in may go on in the next sibling of the same restart.
    Final,
    /// No more bytes in this file and no sibling goes on: open joins and a last line without newline end here.
    Ended,
    /// Nothing can be read any more (deleted, shed): what is unread is lost, up to `size`.
    Gone,
}

/// First-seen times: (size reached, unix ns of the poll *before* the one that saw it), ascending, at most 64.
/// Gives the age of the oldest unread byte, and the time of lines that carry none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ages(pub Arc<[(u64, i64)]>);

impl Ages {
    /// When the byte at `offset` was first seen; the last known time past the end; 0 when nothing is known.
    pub fn at(&self, offset: u64) -> i64 {
        let next = self.0.partition_point(|(size, _)| *size <= offset);
        self.0.get(next).or(self.0.last()).map_or(0, |(_, ns)| *ns)
    }
}

/// What reading a file found at some offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// So many bytes; none: nothing is there (yet).
    Bytes(usize),
    /// Nothing was ever written from there up to this offset.
    Hole(u64),
}

/// What never changes about an offered file.
#[derive(Debug)]
pub struct File {
    /// Identity.
    pub id: FileId,
    /// Order among siblings.
    pub place: Place,
    /// Input, grammar, fields, metadata.
    pub origin: Arc<Origin>,
    /// The plain size at the catalog's first scan, for a file that was there then; `None` for one that came later.
    /// A lane's first start with `start: end` begins here, or at 0.
    pub at_scan: Option<u64>,
}

/// One file as it is now.
#[derive(Clone, Debug)]
pub struct FileView {
    /// The fixed part.
    pub file: Arc<File>,
    /// Plain bytes known to be there.
    pub size: u64,
    /// Whether more can come.
    pub life: Life,
    /// Its bytes will be deleted soon: seal them first and alone.
    pub danger: bool,
    /// Monotonic time of the last growth.
    pub grew: std::time::Duration,
    /// First-seen times.
    pub ages: Ages,
    /// What of it is left out, by input.
    pub rulings: Rulings,
}
