//! Checks a lane's positions and sums against the truth, at every step.

use crate::outputs::Output;
use crate::truth::{CLOUDWATCH, Truth, kind};
use std::collections::HashMap;
use tailrace::record::FileId;
use tailrace::store::saved::{LaneState, Position, Sums};

/// Which content is known by which id; for the life of a world.
pub type Ids = HashMap<FileId, usize>;

pub struct Books {
    lane: usize,
    /// All it ever wrote to.
    slots: Vec<usize>,
    positions: HashMap<FileId, Position>,
    /// Bytes that positions cover.
    settled: u64,
    /// At the start of this life.
    began: (u64, u64, u64),
    /// Bytes settled in this life that neither the service nor the dead-letter file has.
    unexplained: u64,
    samples: Vec<u32>,
}

fn covers(position: &Position) -> u64 {
    position.low + position.above.iter().map(|(start, end)| end - start).sum::<u64>()
}
fn total(sums: &Sums) -> u64 {
    sums.delivered.1 + sums.dead_lettered.1 + given_up(sums)
}
fn given_up(sums: &Sums) -> u64 {
    sums.dropped.iter().map(|d| d.1).sum::<u64>() + sums.lost_bytes
}

impl Books {
    pub fn open(output: &Output, saved: Option<&LaneState>) -> Books {
        let positions = saved.map(|s| s.positions.clone()).unwrap_or_default();
        let sums = saved.map(|s| s.sums.clone()).unwrap_or_default();
        let settled = positions.values().map(covers).sum();
        let began = (settled, total(&sums), given_up(&sums));
        Books {
            lane: output.slot,
            slots: output.slots.clone(),
            positions,
            settled,
            began,
            unexplained: 0,
            samples: Vec::new(),
        }
    }
    /// A position moved.
    pub fn moved(&mut self, file: FileId, next: &Position, ids: &Ids, truth: &Truth) {
        let nothing = Position { low: 0, above: Vec::new(), ..next.clone() };
        let before = self.positions.get(&file).unwrap_or(&nothing);
        assert!(before.low <= next.low, "lane {}: the low-water mark of {file} went back", self.lane);
        let fresh = minus(next, before);
        let gained: u64 = fresh.iter().map(|(start, end)| end - start).sum();
        assert_eq!(covers(before) + gained, covers(next), "lane {}: settled bytes of {file} got lost", self.lane);
        if let Some(content) = ids.get(&file).and_then(|c| truth.contents.get(*c)) {
            let size = content.bytes.len() as u64;
            let end = next.end();
            assert!(end <= size || content.unsteady, "lane {}: {file} is settled past its end {size}", self.lane);
            for (start, end) in fresh {
                for number in content.cells_in(&truth.cells, start, end) {
                    let cell = &truth.cells[number as usize];
                    let there = |slot: &usize| cell.arrived[*slot] > 0 || cell.buried[*slot] > 0;
                    if !self.slots.iter().any(there) && !content.unsteady {
                        self.unexplained += 8;
                        self.samples.push(number);
                    }
                }
            }
        }
        self.settled += gained;
        self.positions.insert(file, next.clone());
    }
    /// The lane sleeps: everything adds up.
    pub fn check(&self, sums: &Sums, truth: &Truth) {
        let (settled, counted, gone) = self.began;
        let (more, fates) = (self.settled - settled, total(sums).wrapping_sub(counted));
        assert_eq!(more, fates, "lane {}: {more} bytes settled, {fates} counted: {sums:?}", self.lane);
        let given_up = given_up(sums) - gone;
        if self.unexplained > given_up {
            let which: Vec<String> = self.samples.iter().take(3).map(|n| truth.describe(*n)).collect();
            let (bytes, lane) = (self.unexplained, self.lane);
            panic!("lane {lane}: {bytes} bytes are settled and nowhere, {given_up} given up: {which:#?}");
        }
        let dropped: u64 = sums.dropped.iter().map(|d| d.1).sum();
        assert!(dropped == 0 || kind(self.lane) == CLOUDWATCH, "nothing is dropped for {}: {sums:?}", self.lane);
    }
}

/// What `next` covers and `before` does not.
fn minus(next: &Position, before: &Position) -> Vec<(u64, u64)> {
    let ranges = |p: &Position| {
        let low = (p.low > 0).then_some((0, p.low));
        low.into_iter().chain(p.above.iter().copied()).collect::<Vec<_>>()
    };
    let mut left = ranges(next);
    for (cut_start, cut_end) in ranges(before) {
        let mut rest = Vec::new();
        for (start, end) in left {
            rest.push((start, end.min(cut_start)));
            rest.push((start.max(cut_end), end));
        }
        rest.retain(|(start, end)| start < end);
        left = rest;
    }
    left
}
