//! When to try again, and how many at once: full jitter, the server's wish, AIMD, parking. Pure: time comes in.
//!
//! Retry is decided here and nowhere else; an output makes one attempt and gives a verdict.

use super::batch::Code;
use std::time::Duration;

/// A sealed body is kept for this many attempts ...
pub const KEEP_ATTEMPTS: u32 = 3;
/// ... or this long; then its key is parked and its spans go back to unread.
pub const KEEP_FOR: Duration = Duration::from_secs(10);
const FIRST: Duration = Duration::from_millis(200);
const PROBE_FIRST: Duration = Duration::from_secs(1);
const PROBE_MOST: Duration = Duration::from_secs(300);

/// A small seeded generator (splitmix64): jitter and object names; a lane is repeatable from its seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Any seed will do.
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Evenly in `0..=most`.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(if nanos == u64::MAX { self.bits() } else { self.bits() % (nanos + 1) })
    }
}

/// Wait before attempt `attempt + 1` of the same body: full jitter over a doubling window, at least the server's wish.
pub fn wait_after(attempt: u32, wish: Option<Duration>, rng: &mut Rng) -> Duration {
    let window = FIRST.saturating_mul(1u32 << attempt.min(6));
    let least = wish.unwrap_or(Duration::ZERO).min(PROBE_MOST);
    least.saturating_add(rng.up_to(window))
}

/// Why and until when something is parked; probed by one batch when the time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    /// Not before (monotonic).
    pub until: Duration,
    /// The last cause.
    pub code: Code,
    /// What a person can do about it.
    pub say: String,
    /// Since (unix ns).
    pub since: i64,
    round: u32,
}

impl Parking {
    /// Parks, or parks again after a failed probe: 1 s doubling to 5 min, jittered by a quarter, at least the wish.
    pub fn again(
        before: Option<Parking>,
        now: crate::record::Now,
        why: (Code, String),
        wish: Option<Duration>,
        rng: &mut Rng,
    ) -> Parking {
        let (since, round) = before.map_or((now.unix_ns, 0), |p| (p.since, p.round.saturating_add(1)));
        let base = PROBE_FIRST.saturating_mul(1u32 << round.min(9)).min(PROBE_MOST);
        let wait = (base - base / 4 + rng.up_to(base / 4)).max(wish.unwrap_or(Duration::ZERO).min(PROBE_MOST));
        Parking { until: now.mono.saturating_add(wait), code: why.0, say: why.1, since, round }
    }
}

/// A limit of requests in flight between 1 and N: one more per limit's worth of successes, half after trouble.
#[derive(Clone, Debug)]
pub struct Aimd {
    limit: f64,
    most: usize,
    last_cut: Duration,
}

impl Aimd {
    /// Starts at a quarter of `most`.
    pub fn new(most: usize) -> Aimd {
        let most = most.max(1);
        Aimd { limit: (most as f64 / 4.0).max(1.0), most, last_cut: Duration::ZERO }
    }
    /// How many may be in flight.
    pub fn limit(&self) -> usize {
        self.limit as usize
    }
    /// One request went well.
    pub fn went_well(&mut self) {
        self.limit = (self.limit + 1.0 / self.limit).min(self.most as f64);
    }
    /// The service was throttled, failing or silent: half, at most once a second (answers come in flocks).
    pub fn went_badly(&mut self, now: Duration) {
        if now.saturating_sub(self.last_cut) >= Duration::from_secs(1) || self.last_cut.is_zero() {
            self.limit = (self.limit / 2.0).max(1.0);
            self.last_cut = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Now;

    fn now(s: u64) -> Now {
        Now { mono: Duration::from_secs(s), unix_ns: 0 }
    }

    #[test]
    fn the_servers_wish_is_a_lower_bound() {
        let mut rng = Rng::new(1);
        for attempt in 0..20 {
            assert!(wait_after(attempt, Some(Duration::from_secs(7)), &mut rng) >= Duration::from_secs(7));
            assert!(wait_after(attempt, None, &mut rng) <= FIRST * 64);
        }
    }

    #[test]
    fn probes_slow_down_from_a_second_to_five_minutes() {
        let mut rng = Rng::new(2);
        let mut parking: Option<Parking> = None;
        let mut waits = Vec::new();
        for _ in 0..15 {
            let p = Parking::again(parking, now(100), (Code::new("x"), String::new()), None, &mut rng);
            waits.push(p.until - Duration::from_secs(100));
            parking = Some(p);
        }
        assert!(waits[0] <= PROBE_FIRST && waits[0] >= PROBE_FIRST * 3 / 4);
        assert!(*waits.last().unwrap() <= PROBE_MOST && *waits.last().unwrap() >= PROBE_MOST * 3 / 4);
    }

    #[test]
    fn the_limit_grows_by_one_a_round_and_halves_once_a_second() {
        let mut aimd = Aimd::new(16);
        assert_eq!(aimd.limit(), 4);
        for _ in 0..100_000 {
            aimd.went_well();
        }
        assert_eq!(aimd.limit(), 16);
        for _ in 0..10 {
            aimd.went_badly(Duration::from_secs(5));
        }
        assert_eq!(aimd.limit(), 8);
        for s in 6..60 {
            aimd.went_badly(Duration::from_secs(s));
        }
        assert_eq!(aimd.limit(), 1);
    }
}
