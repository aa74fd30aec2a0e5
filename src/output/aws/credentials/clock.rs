//! This machine's clock against a service's: requests are signed with the service's time where the two are far apart.
//!
//! A signature is good for 5 to 15 minutes around the service's time. When a request is refused and the answer's `Date`
//! is more than 4 minutes from the time it was signed with, the difference is kept and added from then on, as AWS's
//! own SDKs do. Said when it changes; in `tailrace_clock_skew_seconds` all the while.

use crate::telemetry::skew;
use http::HeaderMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Closer than this a refusal has another cause.
const FAR: u64 = 240;

/// One service's time.
#[derive(Debug, Default)]
pub(super) struct ServiceClock {
    /// Seconds to add.
    ahead: AtomicI64,
}

impl ServiceClock {
    /// `now` as the service sees it.
    pub fn time(&self, now: SystemTime) -> SystemTime {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let by = Duration::from_secs(ahead.unsigned_abs());
        let shifted = if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        shifted.unwrap_or(now)
    }

    /// A request that was signed at `signed` was refused with these headers, at `now` of this machine. True when the
    /// clock was the reason: it is corrected.
    pub fn corrected(&self, headers: &HeaderMap, signed: SystemTime, now: SystemTime, service: &str) -> bool {
        let Some(there) = skew::told(headers) else { return false };
        if there.abs_diff(seconds(signed)) <= FAR {
            return false;
        }
        let ahead = there.saturating_sub(seconds(now));
        self.ahead.store(ahead, Ordering::Relaxed);
        skew::note(ahead);
        if ahead.unsigned_abs() <= FAR {
            tracing::info!(service, "this machine's clock agrees with the service's again");
            return true;
        }
        let minutes = ahead.unsigned_abs() / 60;
        let side = if ahead < 0 { "ahead of" } else { "behind" };
        tracing::warn!(
            service,
            skew_seconds = ahead,
            "clock skew: this machine's clock is {minutes} min {side} the service's; requests are signed with the \
             service's time: set the clock (chrony, ntp)"
        );
        true
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(since).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const TEN_FIFTEEN: u64 = 1_795_342_500;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn dated(text: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(http::header::DATE, HeaderValue::from_static(text))])
    }

    #[test]
    fn a_refusal_whose_date_is_far_off_corrects_the_clock_both_ways() {
        let headers = dated("Sun, 22 Nov 2026 10:15:00 GMT");
        for local in [TEN_FIFTEEN - 3_600, TEN_FIFTEEN + 86_400] {
            let clock = ServiceClock::default();
            assert!(clock.corrected(&headers, clock.time(at(local)), at(local), "logs"));
            assert_eq!(clock.time(at(local)), at(TEN_FIFTEEN));
            // Signed with the service's time and refused again: it was not the clock.
            assert!(!clock.corrected(&headers, clock.time(at(local)), at(local), "logs"));
            // Somebody has set this machine's clock.
            assert!(clock.corrected(&headers, clock.time(at(TEN_FIFTEEN)), at(TEN_FIFTEEN), "logs"));
            assert_eq!(clock.time(at(TEN_FIFTEEN)), at(TEN_FIFTEEN));
        }
    }

    #[test]
    fn a_date_that_is_near_missing_or_no_date_changes_nothing() {
        let clock = ServiceClock::default();
        let now = at(TEN_FIFTEEN + 200);
        for headers in [dated("Sun, 22 Nov 2026 10:15:00 GMT"), dated("yesterday"), HeaderMap::new()] {
            assert!(!clock.corrected(&headers, now, now, "s3"));
            assert_eq!(clock.time(now), now);
        }
    }
}
