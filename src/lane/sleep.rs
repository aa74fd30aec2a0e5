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

/// Without growth for so long a file may sleep.
const QUIET: Duration = Duration::from_secs(10);
/// Between two looks for such files.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What is kept of a sleeping file.
#[derive(Debug)]
pub(super) struct Asleep {
    view: FileView,
    /// Proof at the end of the file, which is where the lane stands.
    mark: Mark,
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
        let mut awake = None;
        for (place, id, may) in order {
            if !may || awake == Some(place.chain) {
                awake = Some(place.chain);
                continue;
            }
            let mark = self.ledger.account(id).map_or(Mark::NONE, |account| account.mark_at(account.low()));
            if let Some(file) = self.close_file(id) {
                self.asleep.insert((place, id), Asleep { view: file.view, mark });
            }
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
        let place = view.file.place;
        if let Some(asleep) = self.asleep.get_mut(&(place, view.file.id)) {
            let same = view.size == asleep.view.size && view.rulings == asleep.view.rulings;
            if same && view.life != Life::Gone {
                asleep.view = view.clone();
                return true;
            }
            self.wake_chain(place.chain);
        } else if self.asleep.range(of_chain(place.chain)).any(|((other, _), _)| *other > place) {
            // A new file: younger siblings may have to do with it.
            self.wake_chain(place.chain);
        }
        false
    }

    fn wake_chain(&mut self, chain: u64) {
        for at in self.asleep.range(of_chain(chain)).map(|(at, _)| *at).collect::<Vec<_>>() {
            let Some(asleep) = self.asleep.remove(&at) else { continue };
            let low = asleep.view.size;
            let position =
                Position { low, low_mark: asleep.mark, above: Vec::new(), high_mark: Mark::NONE, cuts: Vec::new() };
            self.saved_positions.insert(at.1, position);
            self.open_file(asleep.view);
        }
    }
}

fn of_chain(chain: u64) -> std::ops::RangeInclusive<(Place, FileId)> {
    let first = Place { chain, restart: 0, turn: 0 };
    let last = Place { chain, restart: u32::MAX, turn: u64::MAX };
    (first, FileId(0))..=(last, FileId(u128::MAX))
}
