//! A sorted map for tens of thousands of small items: sorted pieces, nearly full. A hash map has room for up to twice as
//! many, a tree of the standard library too when it is filled in order; of each file there are items in a dozen maps.
//!
//! Finding is a binary search; adding and taking out move at most a piece.

/// Items of a piece at most.
const MOST: usize = 64;
/// A piece grows by so many.
const STEP: usize = 8;

/// Sorted by key.
#[derive(Clone, Debug)]
pub struct DenseMap<K, V> {
    /// None is empty.
    pieces: Vec<Vec<(K, V)>>,
}

impl<K, V> Default for DenseMap<K, V> {
    fn default() -> Self {
        DenseMap { pieces: Vec::new() }
    }
}

impl<K: Ord + Copy, V> DenseMap<K, V> {
    /// The piece that has the key, or would have it; and its place there.
    fn place(&self, key: &K) -> (usize, Result<usize, usize>) {
        let piece = self.pieces.partition_point(|p| p.first().is_some_and(|(first, _)| first <= key)).saturating_sub(1);
        let items = self.pieces.get(piece).map(Vec::as_slice).unwrap_or_default();
        (piece, items.binary_search_by(|(other, _)| other.cmp(key)))
    }
    /// What is kept under the key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let (piece, at) = self.place(key);
        self.pieces.get(piece)?.get(at.ok()?).map(|(_, value)| value)
    }
    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (piece, at) = self.place(key);
        self.pieces.get_mut(piece)?.get_mut(at.ok()?).map(|(_, value)| value)
    }
    /// Whether there is anything.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }
    /// Puts a value there; what was there before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (mut piece, at) = self.place(&key);
        let mut at = match (at, self.pieces.get_mut(piece)) {
            (Ok(at), Some(items)) => {
                return items.get_mut(at).map(|(_, known)| std::mem::replace(known, value));
            }
            (Ok(at) | Err(at), _) => at,
        };
        if self.pieces.get(piece).is_none_or(|items| items.len() >= MOST) {
            // Behind all others: those before stay full.
            let last = piece + 1 >= self.pieces.len() && at >= MOST;
            let split = if last { MOST } else { MOST / 2 };
            let next = self.pieces.get_mut(piece).map_or_else(Vec::new, |items| {
                let next = items.split_off(split);
                items.shrink_to_fit();
                next
            });
            self.pieces.insert((piece + 1).min(self.pieces.len()), next);
            if at > split || last {
                (piece, at) = ((piece + 1).min(self.pieces.len() - 1), at - split);
            }
        }
        if let Some(items) = self.pieces.get_mut(piece) {
            if items.len() == items.capacity() {
                items.reserve_exact(STEP);
            }
            items.insert(at.min(items.len()), (key, value));
        }
        None
    }
    /// Takes a value out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (piece, Ok(at)) = self.place(key) else { return None };
        let items = self.pieces.get_mut(piece)?;
        let (_, value) = items.remove(at);
        let left = items.len();
        if left == 0 {
            self.pieces.remove(piece);
        } else if left < MOST / 4 {
            self.join(piece);
        }
        Some(value)
    }
    /// A piece that became small goes to its neighbour, if that has room.
    fn join(&mut self, piece: usize) {
        let before = piece.saturating_sub(1);
        let lens = [before, before + 1].map(|at| self.pieces.get(at).map_or(MOST, Vec::len));
        if lens.iter().sum::<usize>() <= MOST * 3 / 4 {
            let items = self.pieces.remove(before + 1);
            if let Some(to) = self.pieces.get_mut(before) {
                to.reserve_exact(items.len());
                to.extend(items);
            }
        } else if let Some(items) = self.pieces.get_mut(piece) {
            items.shrink_to(items.len() + STEP);
        }
    }
    /// Keys from this one on.
    pub fn keys_from(&self, key: &K) -> impl Iterator<Item = &K> {
        let (piece, at) = self.place(key);
        let pieces = self.pieces.get(piece..).unwrap_or_default();
        pieces.iter().flatten().skip(at.unwrap_or_else(|at| at)).map(|(key, _)| key)
    }
    /// There are none.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
    /// In order of keys.
    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pieces.iter().flatten().map(|(key, value)| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn agrees_with_a_plain_map(
            ops in proptest::collection::vec((0u8..5, 0u16..400), 1..1500), ascending in any::<bool>()
        ) {
            let (mut dense, mut model) = (DenseMap::default(), BTreeMap::new());
            for (n, (what, key)) in ops.into_iter().enumerate() {
                let new = if ascending { n as u16 } else { key };
                match what {
                    0..=2 => prop_assert_eq!(dense.insert(new, n), model.insert(new, n)),
                    3 => prop_assert_eq!(dense.remove(&key), model.remove(&key)),
                    _ => {
                        prop_assert_eq!(dense.get(&key), model.get(&key));
                        prop_assert_eq!(dense.get_mut(&key), model.get_mut(&key));
                        prop_assert!(dense.keys_from(&key).eq(model.range(key..).map(|(key, _)| key)));
                    }
                }
                prop_assert_eq!(dense.is_empty(), model.is_empty());
                prop_assert!(dense.pieces.iter().all(|p| !p.is_empty() && p.len() <= MOST));
            }
            prop_assert_eq!(dense.iter().collect::<Vec<_>>(), model.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_comes_in_order_leaves_no_holes() {
        let mut dense = DenseMap::default();
        (0..10_000u32).for_each(|key| _ = dense.insert(key, key));
        let room: usize = dense.pieces.iter().map(Vec::capacity).sum();
        assert!(room < 10_100, "{room}");
    }
}
