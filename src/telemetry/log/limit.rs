//! How often a message may be written: five at once, then one a minute. Pure.

use std::collections::HashMap;
use std::time::Duration;

/// Written at once; also the most that quiet minutes can save up.
const BURST: u32 = 5;
/// After that, one in this time.
const EVERY: Duration = Duration::from_secs(60);
/// Messages told apart; when there are more, all are forgotten and begin anew.
const MESSAGES_MAX: usize = 1024;

/// All messages' limits.
#[derive(Debug, Default)]
pub(super) struct Limits {
    messages: HashMap<u64, Bucket>,
}

#[derive(Debug)]
struct Bucket {
    left: u32,
    /// Since when `left` is what it is.
    since: Duration,
    suppressed: u64,
}

impl Limits {
    /// Whether the message called `key` may be written now: `Some` says how many like it were not since the last one.
    pub(super) fn admit(&mut self, key: u64, now: Duration) -> Option<u64> {
        if self.messages.len() >= MESSAGES_MAX && !self.messages.contains_key(&key) {
            self.messages.clear();
        }
        let bucket = self.messages.entry(key).or_insert(Bucket { left: BURST, since: now, suppressed: 0 });
        let minutes = now.saturating_sub(bucket.since).as_secs() / EVERY.as_secs();
        if minutes > 0 {
            let earned = u32::try_from(minutes).unwrap_or(BURST);
            bucket.left = bucket.left.saturating_add(earned).min(BURST);
            bucket.since = now;
        }
        if bucket.left == 0 {
            bucket.suppressed += 1;
            return None;
        }
        if bucket.left == BURST {
            bucket.since = now;
        }
        bucket.left -= 1;
        Some(std::mem::take(&mut bucket.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_at_once_then_one_a_minute_and_it_says_how_many_were_left_out() {
        let mut limits = Limits::default();
        let mut written = Vec::new();
        for second in 0..180 {
            if let Some(n) = limits.admit(1, Duration::from_secs(second)) {
                written.push((second, n));
            }
        }
        assert_eq!(written, [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (60, 55), (120, 59)]);
    }

    #[test]
    fn quiet_minutes_give_the_burst_back_but_no_more() {
        let mut limits = Limits::default();
        let mut burst = |at| (0..20).filter(|_| limits.admit(1, Duration::from_secs(at)).is_some()).count();
        assert_eq!((burst(0), burst(130), burst(100_000)), (5, 2, 5));
    }

    #[test]
    fn messages_do_not_share_a_limit_and_their_number_is_bounded() {
        let mut limits = Limits::default();
        (0..100_000).for_each(|key| assert_eq!(limits.admit(key, Duration::ZERO), Some(0)));
        assert!(limits.messages.len() <= MESSAGES_MAX);
    }
}
