//! Files at which nothing happens: settled to the last known byte and quiet for a while, and so are all their older
//! siblings, which a join could come from. A lane keeps of them where it stands and the catalog's last word.
//!
//! Promise: nothing can be seen of it. The first view that says more than is settled wakes the file with all its
//! siblings, because a join may go on in one; they are opened as they are after a restart.

use super::files::LaneFile;
use super::format::Format;
use super::step::Lane;
use crate::catalog::view::{FileView, Life, Place};
use crate::record::{FileId, Mark};
use crate::store::saved::Position;
use std::time::Duration;

/// Without growth for so long a file may sleep; and a lane that read nothing for so long rests.
const QUIET: Duration = Duration::from_secs(10);
/// Between two looks for such files.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What is kept of a sleeping file.
#[derive(Debug)]
struct Asleep {
    view: FileView,
    /// Proof at the end of the file, which is where the lane stands: bytes covered, and their check sum.
    proof: (u16, u32),
    /// It is a file of the lane again, and goes from here with the next look.
    awake: bool,
}

impl Asleep {
    fn at(&self) -> (Place, FileId) {
        (self.view.file.place, self.view.file.id)
    }
}

/// Files that sleep, siblings together: one piece of memory, as there may be tens of thousands.
#[derive(Debug, Default)]
pub(super) struct Dormitory(Vec<Asleep>);

impl Dormitory {
    /// Those of a chain, oldest first.
    fn of_chain(&mut self, chain: u64) -> &mut [Asleep] {
        let start = self.0.partition_point(|asleep| asleep.at().0.chain < chain);
        let end = self.0.partition_point(|asleep| asleep.at().0.chain <= chain);
        self.0.get_mut(start..end).unwrap_or_default()
    }

    /// Takes these in.
    fn add(&mut self, files: Vec<Asleep>) {
        if files.is_empty() && !self.0.iter().any(|asleep| asleep.awake) {
            return;
        }
        self.0.retain(|asleep| !asleep.awake);
        self.0.reserve_exact(files.len());
        self.0.extend(files);
        // Both parts are in order: one merge.
        self.0.sort_by_key(Asleep::at);
        self.0.shrink_to_fit();
    }
}

impl<F: Format> Lane<F> {
    /// Now and then, when there is nothing else to do.
    pub(super) fn put_to_sleep(&mut self) {
        let now = self.now.mono;
        let leaving = self.drain.is_some() || self.settings.once.is_some();
        if leaving || self.open.is_some() || now < self.look_for_sleepers {
            return;
        }
        self.look_for_sleepers = now.saturating_add(LOOK_EVERY);
        let mut order: Vec<(Place, FileId, bool)> =
            self.files.iter().map(|(id, file)| (file.view.file.place, *id, self.may_sleep(*id, file))).collect();
        order.sort_unstable();
        let (mut awake, mut sleepers) = (None, Vec::new());
        for (place, id, may) in order {
            if !may || awake == Some(place.chain) {
                awake = Some(place.chain);
                continue;
            }
            let mark = self.ledger.account(id).map_or(Mark::NONE, |account| account.mark_at(account.low()));
            if let Some(file) = self.close_file(id) {
                let len = if mark.at == file.view.size { mark.len } else { 0 };
                sleepers.push(Asleep { view: file.view, proof: (len, mark.crc), awake: false });
            }
        }
        self.asleep.add(sleepers);
        // Of the start: a map that was large stays so.
        self.saved_positions.shrink_to(self.saved_positions.len() * 2);
    }

    /// Between two bodies: after a while without reading, what it takes to fill one goes back.
    pub(super) fn rest(&mut self) {
        if self.open.is_none() && self.now.mono.saturating_sub(self.plan_began) >= QUIET {
            self.format.rest();
            self.pool.rest();
            self.buffer = Vec::new();
        }
    }

    fn may_sleep(&self, id: FileId, file: &LaneFile) -> bool {
        let through =
            self.ledger.account(id).is_some_and(|account| account.at_rest(file.view.size) && !file.ends_early());
        let quiet = self.now.mono.saturating_sub(file.view.grew) >= QUIET && self.now.mono >= file.retry_at;
        let key = self.keys.get(&file.key).is_some_and(|key| key.parked.is_none() && !key.failing);
        let nothing_open = file.rests.is_empty() && file.looked.is_empty() && !self.dirty.contains(&id);
        through && quiet && key && nothing_open && file.view.life != Life::Gone
    }

    /// A view of a file that sleeps: kept when it says nothing new to a lane, else its chain is woken. True: that is all.
    pub(super) fn sleeps_on(&mut self, view: &FileView) -> bool {
        let at = (view.file.place, view.file.id);
        let siblings = self.asleep.of_chain(at.0.chain);
        let new = match siblings.iter_mut().find(|asleep| asleep.at() == at && !asleep.awake) {
            Some(asleep) => {
                let same = view.size == asleep.view.size && view.rulings == asleep.view.rulings;
                if same && view.life != Life::Gone {
                    asleep.view = view.clone();
                    return true;
                }
                false
            }
            None => true,
        };
        // A new file: younger siblings may have to do with it.
        if !new || siblings.iter().any(|asleep| asleep.at().0 > at.0) {
            self.wake_chain(at.0.chain);
        }
        false
    }

    fn wake_chain(&mut self, chain: u64) {
        let mut woken = Vec::new();
        for asleep in self.asleep.of_chain(chain).iter_mut().filter(|asleep| !asleep.awake) {
            asleep.awake = true;
            woken.push((asleep.view.clone(), asleep.proof));
        }
        for (view, (len, crc)) in woken {
            let low = view.size;
            let low_mark = if len == 0 { Mark::NONE } else { Mark { at: low, len, crc } };
            let position = Position { low, low_mark, above: Vec::new(), high_mark: Mark::NONE, cuts: Vec::new() };
            self.saved_positions.insert(view.file.id, position);
            self.open_file(view);
        }
    }
}
