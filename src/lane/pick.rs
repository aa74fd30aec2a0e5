//! Which key is due, and the files to read for it.
//!
//! Promises: a look at a key costs no more than a batch of it, however many files it has; what will be deleted soon goes
//! first, but never leaves the others nothing.

use super::format::Format;
use super::keys::{Due, Key, Queue, Rule};
use super::step::Lane;
use crate::config::checked::CatchUpOrder;
use crate::record::FileId;

impl<F: Format> Lane<F> {
    /// The key to read for, and whether its files in danger go alone. They do so every other time while anything else is
    /// due: a container that rotates faster than anybody can send is in danger for ever, and would leave the others nothing.
    pub(super) fn pick(&self, resting: bool) -> Option<(usize, bool)> {
        let calm = if resting || !self.hurried { None } else { self.pick_key(false, false) };
        calm.or_else(|| self.pick_key(resting, true))
    }
    /// Files of this key in danger of which something can be read now.
    fn in_danger<'a>(&'a self, id: usize, key: &'a Key) -> impl Iterator<Item = FileId> + 'a {
        let files = self.endangered.range((id, FileId(0))..=(id, FileId(u128::MAX)));
        let chains =
            files.filter_map(|(_, file)| self.files.get(file)).map(|file| file.view.file.place.chain).collect();
        let of = move |file| self.endangered.contains(&(id, file));
        key.can_read(chains, of, &self.files, &self.ledger, self.now)
    }
    /// When this key should be sent.
    pub(super) fn due(&self, id: usize, key: &Key, rule: &Rule, hurry: bool) -> Due {
        let danger = hurry && self.in_danger(id, key).next().is_some();
        key.due(&self.files, &self.ledger, self.now, rule, danger)
    }

    /// The most pressing key, and whether that is for its files in danger. Without `hurry` as if none were.
    fn pick_key(&self, only_danger: bool, hurry: bool) -> Option<(usize, bool)> {
        let rule = self.rule();
        let mut best: Option<((bool, Due, i64), usize)> = None;
        for (id, key) in &self.keys {
            if !key.may_plan(self.now) || (key.behind.is_empty() && key.objects.is_empty()) {
                continue;
            }
            let due = self.due(*id, key, &rule, hurry);
            if due != Due::Danger && (due != Due::Now || only_danger) {
                continue;
            }
            let rank = match self.settings.catch_up.order {
                CatchUpOrder::Fair => key.planned as i64,
                CatchUpOrder::Oldest => key.waiting(&self.files, &self.ledger, self.now, u64::MAX).1,
                CatchUpOrder::Newest => key.newest(&self.files).saturating_neg(),
            };
            // After a probe it is the turn of the keys that work, or many that fail would leave them none.
            let rank = (self.probed && key.failing, due, rank);
            if best.as_ref().is_none_or(|(b, _)| rank < *b) {
                best = Some((rank, *id));
            }
        }
        best.map(|((_, due, _), key)| (key, due == Due::Danger))
    }

    /// What is read for this key.
    pub(super) fn queue(&self, id: usize, key: &Key, danger: bool) -> Queue {
        if danger {
            key.queue_of(self.in_danger(id, key), &self.files, &self.ledger, self.now)
        } else {
            key.queue(&self.files, &self.ledger, self.now, key.target(&self.rule()))
        }
    }
}
