//! A file as its lane sees it: the catalog's view, and what this lane decided about it once.

use super::ruled::Filter;
use crate::catalog::view::{FileView, Life};
use crate::record::{Channel, FileId, Now};
use std::sync::Arc;
use std::time::Duration;

/// Silence at the end of a file that ends an open join or a line without newline.
pub const SILENCE: Duration = Duration::from_secs(60);

/// What the end of the known bytes means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More may come: what is unfinished stays unread.
    Open,
    /// This file is complete; a joined record may go on in the next sibling.
    Sibling,
    /// The same, and it was silent for a minute, or there are no other files: unless a next sibling has bytes, what is unfinished ends here.
    LastSibling,
    /// What is unfinished ends here.
    Here,
}

/// What the later pieces of a line longer than `max_record` inherit from its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long {
    /// Its time.
    pub unix_ns: i64,
    /// Its channel.
    pub channel: Option<Channel>,
}

/// How far what follows an open join was looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Looked {
    /// Turn of the file.
    pub turn: u64,
    /// Up to here.
    pub at: u64,
    /// In this sibling.
    pub file: FileId,
}

/// Open joins that are remembered per file: one for each channel, and some more.
const JOINS: usize = 8;
/// Places inside long lines that are remembered per file.
const RESTS: usize = 64;

/// One file of a lane.
#[derive(Debug)]
pub struct LaneFile {
    /// The catalog's newest word.
    pub view: FileView,
    /// The input by which this lane reads it: the first of its own that lists the file.
    pub input: Arc<str>,
    /// What needs each record; `None`: all are taken as they are.
    pub filter: Option<Box<Filter>>,
    /// From here to the end everything is left out, for now: nothing of it is read.
    pub until: u64,
    /// Index of its key.
    pub key: usize,
    /// Read to this size already, and what is left is unfinished: not due again until something changes.
    pub deferred: Option<u64>,
    /// After a failed read: not before (monotonic).
    pub retry_at: Duration,
    /// Where the rest of a long line begins, and what it inherits, for a plan that begins there. Not saved: after a
    /// restart inside such a line its rest has the time at which it was seen.
    pub rests: Vec<(u64, Long)>,
    /// Joins that begin in this file (at this offset) and stayed open.
    pub looked: Vec<(u64, Looked)>,
    /// `--once`: the size at the first scan; nothing past it is read.
    pub cap: Option<u64>,
    /// `--once`, and the first scan is over: a sibling that is not here now has no bytes.
    pub all_here: bool,
}

impl LaneFile {
    /// A line was cut at `at`.
    pub fn cut_at(&mut self, at: u64, long: Long) {
        self.rests.retain(|(known, _)| *known != at);
        if self.rests.len() >= RESTS {
            self.rests.remove(0);
        }
        self.rests.push((at, long));
    }
    /// What a reading that begins at `at` inherits.
    pub fn rest_at(&self, at: u64) -> Option<Long> {
        self.rests.iter().find(|(known, _)| *known == at).map(|(_, long)| *long)
    }
    /// The join that begins at `at` stayed open.
    pub fn look(&mut self, at: u64, looked: Looked) {
        let before = self.looked_at(at);
        self.looked.retain(|(known, _)| *known != at);
        if self.looked.len() >= JOINS {
            self.looked.remove(0);
        }
        self.looked.push((at, before.map_or(looked, |b| b.max(looked))));
    }
    /// How far what follows the join that begins at `at` was looked through.
    pub fn looked_at(&self, at: u64) -> Option<Looked> {
        self.looked.iter().find(|(known, _)| *known == at).map(|(_, looked)| *looked)
    }
    /// Bytes to be read.
    pub fn size(&self) -> u64 {
        self.cap.unwrap_or(u64::MAX).min(self.view.size).min(self.until)
    }
    /// What is behind `size` is left out.
    pub fn ends_early(&self) -> bool {
        self.until < self.view.size
    }
    /// What the end at `size` means now.
    pub fn end(&self, now: Now) -> End {
        let silent = now.mono.saturating_sub(self.view.grew) >= SILENCE;
        match self.view.life {
            Life::Ended | Life::Gone => End::Here,
            // What follows will never be read.
            Life::Final | Life::Growing if self.ends_early() => End::Here,
            Life::Final if silent || self.all_here => End::LastSibling,
            Life::Final => End::Sibling,
            Life::Growing if silent => End::Here,
            Life::Growing => End::Open,
        }
    }
    /// Nothing to do here until the file changes or an end rule strikes.
    pub fn waits(&self, now: Now) -> bool {
        let over = match self.end(now) {
            End::Open | End::Sibling => false,
            End::LastSibling | End::Here => true,
        };
        now.mono < self.retry_at || (self.deferred == Some(self.size()) && !over)
    }
}
