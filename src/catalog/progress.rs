//! How far each lane has settled each file: written by lanes, asked by the catalog when it wants to let a file go.
//!
//! Each lane has a map of its own under a lock of its own, held for one look-up at a time and never across I/O. Lanes come
//! and go while the agent runs: each has a number of its own for life, and what it says once it left is not heard.

use super::dense::DenseMap;
use crate::record::FileId;
use crate::seeded::{Bug, seeded};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// What one lane has said.
type Said = Arc<Mutex<DenseMap<FileId, u64>>>;

/// Shared by the catalog and all lanes.
#[derive(Debug, Default)]
pub struct Progress {
    lanes: RwLock<BTreeMap<usize, Said>>,
}

impl Progress {
    /// For so many lanes, numbered from 0.
    pub fn new(lanes: usize) -> Self {
        Progress { lanes: RwLock::new((0..lanes).map(|lane| (lane, Said::default())).collect()) }
    }

    /// A lane that has said nothing: from now on no file goes that it has not passed.
    pub fn join(&self, lane: usize) {
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).insert(lane, Said::default());
    }

    /// No file waits for this lane any more.
    pub fn leave(&self, lane: usize) {
        self.lanes.write().unwrap_or_else(PoisonError::into_inner).remove(&lane);
    }

    /// Lanes are about to hear of `file`.
    pub fn begin(&self, file: FileId) {
        for lane in self.lanes.read().unwrap_or_else(PoisonError::into_inner).values() {
            let mut said = lane.lock().unwrap_or_else(PoisonError::into_inner);
            if !said.contains_key(&file) {
                said.insert(file, 0);
            }
        }
    }

    /// What of `file` is wanted has changed: no lane has passed it until it says so again.
    pub fn ask_again(&self, file: FileId) {
        for lane in self.lanes.read().unwrap_or_else(PoisonError::into_inner).values() {
            if let Some(known) = lane.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&file) {
                *known = if *known == u64::MAX { 0 } else { *known };
            }
        }
    }

    /// A lane has settled all bytes of `file` below `low`; `u64::MAX`: it does not want the file at all. What comes
    /// after [`Progress::forget`] leaves no trace.
    pub fn passed(&self, lane: usize, file: FileId, low: u64) {
        if let Some(lane) = self.lanes.read().unwrap_or_else(PoisonError::into_inner).get(&lane)
            && let Some(known) = lane.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&file)
        {
            *known = low;
        }
    }

    /// The slowest lane's low-water offset; 0 while a lane has said nothing; `u64::MAX` when nobody wants the file.
    pub fn settled_by_all(&self, file: FileId) -> u64 {
        let low = |lane: &Said| lane.lock().unwrap_or_else(PoisonError::into_inner).get(&file).copied().unwrap_or(0);
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let all = lanes.values().map(low);
        let slowest = if seeded(Bug::FirstLaneIsAll) { all.max() } else { all.min() };
        slowest.unwrap_or(u64::MAX)
    }

    /// Below this, two lanes that want the file have settled all of it; 0 where only one does.
    pub fn settled_by_two(&self, file: FileId) -> u64 {
        let low = |lane: &Said| lane.lock().unwrap_or_else(PoisonError::into_inner).get(&file).copied();
        let lanes = self.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let (mut first, mut second) = (0, 0);
        for low in lanes.values().filter_map(low).filter(|low| *low != u64::MAX) {
            (first, second) = (first.max(low), second.max(first.min(low)));
        }
        second
    }

    /// The file is no more.
    pub fn forget(&self, file: FileId) {
        for lane in self.lanes.read().unwrap_or_else(PoisonError::into_inner).values() {
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
        assert_eq!(progress.settled_by_two(file), 0, "only one reads it");
        progress.forget(file);
        progress.passed(1, file, u64::MAX);
        assert!(progress.lanes.read().unwrap().values().all(|lane| lane.lock().unwrap().is_empty()));
        assert_eq!(progress.settled_by_all(file), 0);
        assert_eq!(Progress::new(0).settled_by_all(file), u64::MAX);
    }

    #[test]
    fn two_lanes_have_read_what_the_second_fastest_has() {
        let progress = Progress::new(4);
        let file = FileId(7);
        progress.begin(file);
        for lows in [[0, 0, 0, 9], [7, 3, 0, u64::MAX], [3, 7, 5, 7], [u64::MAX; 4]] {
            (0..4).for_each(|lane| progress.passed(lane, file, lows[lane]));
            let mut reading: Vec<u64> = lows.into_iter().filter(|low| *low != u64::MAX).collect();
            reading.sort_unstable();
            let want = reading.iter().rev().nth(1).copied().unwrap_or(0);
            assert_eq!(progress.settled_by_two(file), want, "{lows:?}");
        }
    }

    #[test]
    fn a_file_waits_for_a_lane_that_came_and_not_for_one_that_left() {
        let progress = Progress::new(1);
        let file = FileId(7);
        progress.begin(file);
        progress.passed(0, file, 100);
        progress.join(5);
        progress.begin(file);
        assert_eq!(progress.settled_by_all(file), 0);
        progress.leave(0);
        progress.passed(5, file, 40);
        progress.passed(0, file, 1);
        assert_eq!(progress.settled_by_all(file), 40);
    }
}
