//! Files at which nothing happens: settled to the last known byte and quiet for a while, with all their siblings. A
//! lane keeps of them where it stands and the catalog's last word, in a fifth of the memory.
//!
//! Promise: nothing can be seen of it. A chain sleeps and wakes as a whole, because a join may go on in a sibling; the
//! first view that says more than is settled wakes it, and its files are opened as they are after a restart.

use super::files::LaneFile;
use super::format::Format;
use super::step::Lane;
use crate::catalog::view::{FileView, Life};
use crate::record::{FileId, Mark};
use crate::store::saved::Position;
use std::collections::BTreeSet;
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
        let awake = self.files.iter().filter(|(id, file)| !self.may_sleep(**id, file));
        let awake: BTreeSet<u64> = awake.map(|(_, file)| file.view.file.place.chain).collect();
        let chain = |file: &LaneFile| file.view.file.place.chain;
        let tired = self.files.iter().filter(|(_, file)| !awake.contains(&chain(file)));
        for id in tired.map(|(id, _)| *id).collect::<Vec<_>>() {
            let mark = self.ledger.account(id).map_or(Mark::NONE, |account| account.mark_at(account.low()));
            if let Some(file) = self.close_file(id) {
                self.asleep.insert((chain(&file), id), Asleep { view: file.view, mark });
            }
        }
    }

    fn may_sleep(&self, id: FileId, file: &LaneFile) -> bool {
        let through = self.ledger.account(id).is_some_and(|account| account.at_rest(file.view.size));
        let quiet = self.now.mono.saturating_sub(file.view.grew) >= QUIET && self.now.mono >= file.retry_at;
        let key = self.keys.get(&file.key).is_some_and(|key| key.parked.is_none() && !key.failing);
        let nothing_open = file.rests.is_empty() && file.looked.is_empty() && !self.dirty.contains(&id);
        through && quiet && key && nothing_open && file.view.life != Life::Gone
    }

    /// A view of a file that sleeps: kept when it says nothing new to a lane, else its chain is woken. True: that is all.
    pub(super) fn sleeps_on(&mut self, view: &FileView) -> bool {
        let (chain, id) = (view.file.place.chain, view.file.id);
        let Some(asleep) = self.asleep.get_mut(&(chain, id)) else {
            // A new sibling may have to know of them.
            self.wake_chain(chain);
            return false;
        };
        if view.size == asleep.view.size && view.life != Life::Gone {
            asleep.view = view.clone();
            return true;
        }
        self.wake_chain(chain);
        false
    }

    fn wake_chain(&mut self, chain: u64) {
        let of_chain = (chain, FileId(0))..=(chain, FileId(u128::MAX));
        for at in self.asleep.range(of_chain).map(|(at, _)| *at).collect::<Vec<_>>() {
            let Some(asleep) = self.asleep.remove(&at) else { continue };
            let low = asleep.view.size;
            let position =
                Position { low, low_mark: asleep.mark, above: Vec::new(), high_mark: Mark::NONE, cuts: Vec::new() };
            self.saved_positions.insert(at.1, position);
            self.open_file(asleep.view);
        }
    }
}
