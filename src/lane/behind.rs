//! A key's files with unread bytes, in order. Most keys have none or one, and there may be thousands of keys: only more
//! than one cost memory of their own.

use crate::catalog::view::Place;
use crate::record::FileId;
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included, Unbounded};

type Item = (Place, FileId);

/// Siblings together, oldest first.
#[derive(Debug, Default)]
pub struct Behind {
    one: Option<Item>,
    /// Empty, or all of them and `one` is none.
    more: BTreeSet<Item>,
}

impl Behind {
    /// Adds a file; one that is there already stays.
    pub fn insert(&mut self, item: Item) {
        match self.one {
            Some(one) if one == item => {}
            None if self.more.is_empty() => self.one = Some(item),
            Some(_) | None => {
                self.more.extend(self.one.take());
                self.more.insert(item);
            }
        }
    }
    /// Takes a file out.
    pub fn remove(&mut self, item: &Item) {
        if self.one.as_ref() == Some(item) {
            self.one = None;
        } else if self.more.remove(item) && self.more.is_empty() {
            // An emptied tree keeps a node.
            self.more = BTreeSet::new();
        }
    }
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.one.iter().chain(&self.more)
    }
    /// In order, beginning behind this chain, and then those before.
    pub fn turn(&self, after: Option<u64>) -> impl Iterator<Item = &Item> {
        let last = after.map(|chain| (Place { chain, restart: u32::MAX, turn: u64::MAX }, FileId(u128::MAX)));
        let (from, to) = match last {
            Some(last) => (Excluded(last), Some(Included(last))),
            None => (Unbounded, None),
        };
        let before = to.into_iter().flat_map(|to| self.more.range((Unbounded, to)));
        self.one.iter().chain(self.more.range((from, Unbounded))).chain(before)
    }
    /// Those of one chain, in order.
    pub fn of_chain(&self, chain: u64) -> impl Iterator<Item = &Item> {
        let first = (Place { chain, restart: 0, turn: 0 }, FileId(0));
        let last = (Place { chain, restart: u32::MAX, turn: u64::MAX }, FileId(u128::MAX));
        self.one.iter().filter(move |(place, _)| place.chain == chain).chain(self.more.range(first..=last))
    }
    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.one.is_none() && self.more.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_set(ops in proptest::collection::vec((any::<bool>(), 0u64..3, 0u64..4, 0u128..3), 1..40)) {
            let (mut behind, mut model) = (Behind::default(), BTreeSet::new());
            for (add, chain, turn, file) in ops {
                let item = (Place { chain, restart: 0, turn }, FileId(file));
                if add {
                    behind.insert(item);
                    model.insert(item);
                } else {
                    behind.remove(&item);
                    model.remove(&item);
                }
                prop_assert_eq!(behind.iter().collect::<Vec<_>>(), model.iter().collect::<Vec<_>>());
                prop_assert_eq!(behind.is_empty(), model.is_empty());
                let own: Vec<&Item> = model.iter().filter(|(place, _)| place.chain == 1).collect();
                prop_assert_eq!(behind.of_chain(1).collect::<Vec<_>>(), own);
                let (later, before): (Vec<&Item>, Vec<&Item>) = model.iter().partition(|(place, _)| place.chain > 1);
                prop_assert_eq!(behind.turn(Some(1)).collect::<Vec<_>>(), [later, before].concat());
                prop_assert_eq!(behind.turn(None).collect::<Vec<_>>(), model.iter().collect::<Vec<_>>());
            }
        }
    }
}
