//! Where a file stands among its siblings, whether more can come, and whether it will be deleted soon. Pure.

use super::view::{Life, Place};
use std::time::Duration;

/// The first turn; room below for what is found later and is older.
const FIRST: u64 = 1 << 40;

/// A renamed file is complete after this silence: the runtime drains into it for a moment.
pub const DRAINED: Duration = Duration::from_secs(30);
/// The last file of an instance that is over is complete after this silence.
pub const OVER: Duration = Duration::from_secs(5);

/// Turns for siblings that stand oldest first; `Some` is a turn given earlier, which stays. `latest`: the greatest
/// turn ever given in this restart, 0 for none.
/// `taken`: turns of siblings that stand nowhere; nobody gets them.
pub fn turns(siblings: &[Option<u64>], latest: u64, taken: &[u64]) -> Vec<u64> {
    let mut out: Vec<u64> = Vec::with_capacity(siblings.len());
    let mut latest = siblings.iter().flatten().chain(taken).fold(latest, |a, b| a.max(*b));
    // Neighbours are far apart: a step down leaves the order as it is.
    let free = |turn: u64| (0..=turn).rev().take(taken.len() + 1).find(|t| !taken.contains(t)).unwrap_or(turn);
    for (at, turn) in siblings.iter().enumerate() {
        let before = out.last().copied();
        let after = siblings.get(at..).unwrap_or_default().iter().flatten().next().copied();
        out.push(match (turn, before, after) {
            (Some(turn), _, _) => *turn,
            (None, Some(low), Some(high)) if low.saturating_add(1) < high => free(low + (high - low) / 2),
            (None, None, Some(high)) if high > 1 => free(high.saturating_sub(Place::STEP).max(high / 2)),
            // Newest of all, or no room: after everything.
            (None, _, _) => {
                latest = if latest == 0 { FIRST } else { latest.saturating_add(Place::STEP) };
                latest
            }
        });
    }
    out
}

/// What [`life`] goes by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// Nothing can be read any more.
    pub gone: bool,
    /// `--once`: what was there at the first scan is all there is.
    pub once: bool,
    /// A later sibling of the same restart is known.
    pub has_next: bool,
    /// It has its live name (0.log), or had it when it was removed.
    pub live: bool,
    /// Its compressed copy is there.
    pub gz: bool,
    /// It has no name any more, or none that we see.
    pub unlinked: bool,
    /// Since it last grew or was renamed.
    pub quiet: Duration,
    /// A later restart exists, the container is terminated, or its directory is gone.
    pub over: bool,
    /// `kubernetes`: a removed live file may have a next sibling yet to come.
    pub kubernetes: bool,
}

/// Whether more bytes can come.
pub fn life(s: &Standing) -> Life {
    if s.gone {
        return Life::Gone;
    }
    if s.once {
        return if s.has_next { Life::Final } else { Life::Ended };
    }
    let drained = s.quiet >= DRAINED;
    let rotated_out = !s.live && (s.gz || s.unlinked || drained);
    // kubelet removes what no container writes to any more; elsewhere a program may go on with a file it has open.
    let silence = if s.kubernetes { OVER } else { DRAINED };
    let removed = s.live && s.unlinked && s.quiet >= silence;
    let over = s.over && (s.quiet >= OVER || (s.unlinked && !s.kubernetes));
    if !(rotated_out || removed || over) {
        return Life::Growing;
    }
    let nothing_follows = s.over || (removed && !s.kubernetes);
    if s.has_next || !nothing_follows { Life::Final } else { Life::Ended }
}

/// What [`in_danger`] goes by; all of it about `kubernetes` inputs but for `deleted`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Threat {
    /// The oldest rotated sibling of its restart.
    pub oldest_rotated: bool,
    /// Rotated siblings of its restart that have a name.
    pub rotated: usize,
    /// The most of them that any container of this node had since we look.
    pub most_rotated: usize,
    /// A later restart exists: kubelet removes this one within 10 s of that one's start.
    pub older_restart: bool,
    /// The container is terminated, or its pod is going.
    pub going: bool,
    /// It has no name any more: a restart of ours would lose it.
    pub deleted: bool,
}

/// Whether its bytes will be deleted soon: at first too early, never too late.
pub fn in_danger(t: &Threat) -> bool {
    let next_to_go = t.oldest_rotated && t.rotated >= t.most_rotated.max(1);
    next_to_go || t.older_restart || t.going || t.deleted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_the_order_and_given_ones_stay() {
        let first = turns(&[None, None, None], 0, &[]);
        assert!(first.windows(2).all(|w| w[0] < w[1]));
        let kept = turns(&[Some(first[0]), None, Some(first[1]), Some(first[2]), None], 0, &[]);
        assert_eq!((kept[0], kept[2], kept[3]), (first[0], first[1], first[2]));
        assert!(kept.windows(2).all(|w| w[0] < w[1]));
        let older = turns(&[None, Some(first[0])], 0, &[]);
        assert!(older[0] < first[0]);
        assert!(turns(&[None], first[2], &[])[0] > first[2]);
        // What was cut in place stands nowhere; its turn is its own all the same.
        let beside = turns(&[None, Some(first[1])], 0, &[first[0]]);
        assert!(beside[0] < beside[1] && beside[0] != first[0]);
    }

    proptest::proptest! {
        #[test]
        fn what_comes_later_has_a_later_turn(given in proptest::collection::vec(proptest::option::of(0u64..1), 0..12)) {
            // Any pattern of known and unknown, known ones with room as they are given out here.
            let all: Vec<Option<u64>> = given.iter().enumerate().map(|(n, g)| g.map(|_| FIRST + n as u64 * Place::STEP)).collect();
            let got = turns(&all, 0, &[]);
            proptest::prop_assert!(got.windows(2).all(|w| w[0] < w[1]), "{:?} {:?}", all, got);
        }
    }

    #[test]
    fn a_rotated_file_is_final_when_its_gz_or_its_removal_is_seen_or_after_thirty_seconds() {
        let moved = Standing { has_next: true, kubernetes: true, ..Standing::default() };
        assert_eq!(life(&moved), Life::Growing);
        assert_eq!(life(&Standing { gz: true, ..moved }), Life::Final);
        assert_eq!(life(&Standing { unlinked: true, ..moved }), Life::Final);
        assert_eq!(life(&Standing { quiet: DRAINED, ..moved }), Life::Final);
        assert_eq!(life(&Standing { quiet: DRAINED - Duration::from_millis(1), ..moved }), Life::Growing);
    }

    #[test]
    fn a_live_file_ends_when_its_container_is_over_and_silent() {
        let live = Standing { live: true, kubernetes: true, ..Standing::default() };
        assert_eq!(life(&Standing { quiet: DRAINED * 9, ..live }), Life::Growing);
        assert_eq!(life(&Standing { over: true, ..live }), Life::Growing);
        assert_eq!(life(&Standing { over: true, quiet: OVER, ..live }), Life::Ended);
        assert_eq!(life(&Standing { over: true, quiet: OVER, has_next: true, ..live }), Life::Final);
    }

    #[test]
    fn a_removed_file_ends_after_thirty_seconds_of_silence_and_a_pods_after_five() {
        let removed = Standing { live: true, unlinked: true, ..Standing::default() };
        assert_eq!(life(&removed), Life::Growing);
        assert_eq!(life(&Standing { quiet: OVER, ..removed }), Life::Growing);
        assert_eq!(life(&Standing { quiet: DRAINED, ..removed }), Life::Ended);
        assert_eq!(life(&Standing { quiet: DRAINED, has_next: true, ..removed }), Life::Final);
        assert_eq!(life(&Standing { quiet: OVER, kubernetes: true, ..removed }), Life::Final);
    }

    #[test]
    fn once_takes_the_first_scan_for_the_end() {
        let once = Standing { once: true, live: true, ..Standing::default() };
        assert_eq!(life(&once), Life::Ended);
        assert_eq!(life(&Standing { has_next: true, ..once }), Life::Final);
        assert_eq!(life(&Standing { gone: true, ..once }), Life::Gone);
    }

    #[test]
    fn the_oldest_rotated_file_of_the_fullest_container_is_in_danger() {
        let oldest = Threat { oldest_rotated: true, rotated: 3, most_rotated: 3, ..Threat::default() };
        assert!(in_danger(&oldest));
        assert!(!in_danger(&Threat { rotated: 2, ..oldest }));
        assert!(!in_danger(&Threat { oldest_rotated: false, ..oldest }));
        assert!(in_danger(&Threat { oldest_rotated: true, rotated: 1, ..Threat::default() }));
        assert!(!in_danger(&Threat { oldest_rotated: true, rotated: 0, ..Threat::default() }));
        for threat in [
            Threat { older_restart: true, ..Threat::default() },
            Threat { going: true, ..Threat::default() },
            Threat { deleted: true, ..Threat::default() },
        ] {
            assert!(in_danger(&threat));
        }
        assert!(!in_danger(&Threat::default()));
    }
}
