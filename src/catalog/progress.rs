//! How far each lane has settled each file: written by lanes, asked by the catalog when it wants to let a file go.
//!
//! Each lane has a map of its own under a lock of its own, held for one look-up at a time and never across I/O.

use crate::record::FileId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Shared by the catalog and all lanes.
#[derive(Debug)]
pub struct Progress {
    lanes: Vec<Mutex<HashMap<FileId, u64>>>,
}

impl Progress {
    /// For so many lanes, numbered from 0.
    pub fn new(lanes: usize) -> Self {
        Progress { lanes: (0..lanes).map(|_| Mutex::default()).collect() }
    }

    /// Lanes are about to hear of `file`.
    pub fn begin(&self, file: FileId) {
        for lane in &self.lanes {
            lane.lock().unwrap_or_else(PoisonError::into_inner).entry(file).or_insert(0);
        }
    }

    /// A lane has settled all bytes of `file` below `low`; `u64::MAX`: it does not want the file at all. What comes
    /// after [`Progress::forget`] leaves no trace.
    pub fn passed(&self, lane: usize, file: FileId, low: u64) {
        if let Some(lane) = self.lanes.get(lane)
            && let Some(known) = lane.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&file)
        {
            *known = low;
        }
    }

    /// The slowest lane's low-water offset; 0 while a lane has said nothing; `u64::MAX` when nobody wants the file.
    pub fn settled_by_all(&self, file: FileId) -> u64 {
        let low = |lane: &Mutex<HashMap<FileId, u64>>| {
            lane.lock().unwrap_or_else(PoisonError::into_inner).get(&file).copied().unwrap_or(0)
        };
        self.lanes.iter().map(low).min().unwrap_or(u64::MAX)
    }

    /// The file is no more.
    pub fn forget(&self, file: FileId) {
        for lane in &self.lanes {
            lane.lock().unwrap_or_else(PoisonError::into_inner).remove(&file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_lane_counts_and_silence_counts_as_nothing_settled() {
        let progress = Progress::new(2);
        let file = FileId(7);
        progress.begin(file);
        progress.passed(0, file, 100);
        assert_eq!(progress.settled_by_all(file), 0);
        progress.passed(1, file, u64::MAX);
        assert_eq!(progress.settled_by_all(file), 100);
        progress.passed(9, file, 1);
        progress.forget(file);
        progress.passed(1, file, u64::MAX);
        assert!(progress.lanes.iter().all(|lane| lane.lock().unwrap().is_empty()));
        assert_eq!(progress.settled_by_all(file), 0);
        assert_eq!(Progress::new(0).settled_by_all(file), u64::MAX);
    }
}
