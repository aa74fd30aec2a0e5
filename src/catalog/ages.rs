//! First-seen times of a file's bytes: when they appeared, in at most 64 steps. Pure.
//!
//! Two bytes seen within a second share a step. A step only ever grows at its end, so a byte's time does not change
//! once it was given out, also over a restart: what was not saved yet is found again as growth after the last step.

use super::view::Ages;
use std::sync::Arc;

/// Steps kept at most.
pub const MAX: usize = 64;
/// Growth within this time of a step's start belongs to the step.
const STEP_NS: i64 = 1_000_000_000;

/// Nothing seen yet.
pub fn none() -> Ages {
    Ages(Arc::new([]))
}

/// What was saved, bounded and in order whatever the store says.
pub fn restored(saved: &[(u64, i64)]) -> Ages {
    let mut steps: Vec<(u64, i64)> = Vec::new();
    for (size, ns) in saved.iter().copied().take(MAX) {
        if steps.last().is_none_or(|(last, _)| *last < size) {
            steps.push((size, ns));
        }
    }
    Ages(steps.into())
}

/// The file reached `size`; the look before that was at `before_ns`. Steps wholly below `settled` are forgotten.
/// True when a new step began, which `file` inputs save.
pub fn push(ages: &mut Ages, size: u64, before_ns: i64, settled: u64) -> bool {
    let within = |(end, ns): &(u64, i64)| *end < size && before_ns.saturating_sub(*ns) < STEP_NS;
    if ages.0.last().is_some_and(within) && ages.0.first().is_some_and(|(end, _)| *end > settled) {
        if let Some((end, _)) = Arc::make_mut(&mut ages.0).last_mut() {
            *end = size;
        }
        return false;
    }
    let mut steps: Vec<(u64, i64)> = ages.0.iter().copied().filter(|(end, _)| *end > settled).collect();
    // The last step is kept, settled or not: it dates what is found after a restart.
    if steps.is_empty() {
        steps.extend(ages.0.last());
    }
    let began = match steps.last_mut() {
        Some((end, _)) if *end >= size => return false,
        Some((end, ns)) if before_ns.saturating_sub(*ns) < STEP_NS => {
            *end = size;
            false
        }
        Some(_) | None => {
            steps.push((size, before_ns));
            true
        }
    };
    if steps.len() > MAX {
        merge_closest(&mut steps);
    }
    ages.0 = steps.into();
    began
}

/// Of two steps that are closest in time the later takes the earlier one's time: bytes look older, never younger.
fn merge_closest(steps: &mut Vec<(u64, i64)>) {
    let gap = |pair: &[(u64, i64)]| match pair {
        [(_, a), (_, b)] => b.saturating_sub(*a),
        _ => i64::MAX,
    };
    let closest = steps.windows(2).enumerate().min_by_key(|(_, pair)| gap(pair)).map(|(at, _)| at);
    if let Some(at) = closest {
        let (_, ns) = steps.remove(at);
        if let Some(next) = steps.get_mut(at) {
            next.1 = ns;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const S: i64 = 1_000_000_000;

    #[test]
    fn bytes_of_one_second_share_a_step_and_keep_their_time() {
        let mut ages = none();
        assert!(push(&mut ages, 10, 5 * S, 0));
        assert!(!push(&mut ages, 20, 5 * S + S / 2, 0));
        assert!(push(&mut ages, 30, 6 * S, 0));
        assert_eq!(&*ages.0, &[(20, 5 * S), (30, 6 * S)]);
        assert_eq!((ages.at(0), ages.at(19), ages.at(20), ages.at(99)), (5 * S, 5 * S, 6 * S, 6 * S));
    }

    #[test]
    fn settled_steps_are_forgotten_but_for_the_last() {
        let mut ages = none();
        for n in 1..=5 {
            push(&mut ages, n * 10, n as i64 * 2 * S, 0);
        }
        push(&mut ages, 60, 20 * S, 30);
        assert_eq!(&*ages.0, &[(40, 8 * S), (50, 10 * S), (60, 20 * S)]);
        assert!(!push(&mut ages, 60, 30 * S, 60));
        assert!(push(&mut ages, 61, 30 * S, 60));
        assert_eq!(&*ages.0, &[(60, 20 * S), (61, 30 * S)]);
    }

    proptest::proptest! {
        #[test]
        fn never_more_than_64_steps_and_never_younger_than_seen(grow in proptest::collection::vec((1u64..100, 1i64..5), 1..300)) {
            let (mut ages, mut size, mut now, mut truth) = (none(), 0, 0, Vec::new());
            for (bytes, seconds) in grow {
                size += bytes;
                now += seconds * S;
                push(&mut ages, size, now, 0);
                truth.push((size, now));
            }
            proptest::prop_assert!(ages.0.len() <= MAX);
            proptest::prop_assert!(ages.0.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1));
            for (end, seen) in truth {
                proptest::prop_assert!(ages.at(end - 1) <= seen);
            }
        }
    }
}
