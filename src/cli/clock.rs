//! The one place that reads the clocks. Everything else is handed a [`Now`].

use crate::record::Now;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Counts from its start; all copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Begins counting at 0.
    #[expect(clippy::disallowed_methods, reason = "this is the edge")]
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The time now, on both clocks. A wall clock before 1970 or past 2262 stops there.
    #[expect(clippy::disallowed_methods, reason = "this is the edge")]
    pub fn now(&self) -> Now {
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        let unix_ns = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => nanos(since),
            Err(before) => -nanos(before.duration()),
        };
        Now { mono: self.start.elapsed(), unix_ns }
    }

    /// CLOCK_MONOTONIC as it stands, for others on this machine who count by it.
    pub fn since_boot(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back_and_copies_agree() {
        let clock = Clock::start();
        let copy = clock;
        let first = clock.now();
        let second = copy.now();
        assert!(first.mono <= second.mono);
        assert!(first.unix_ns > 1_700_000_000_000_000_000);
    }
}
