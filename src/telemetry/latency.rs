//! Latencies of one kind: quantiles of the last five to ten minutes, count and sum over the process's life.
//!
//! Two windows, so that an hour-old trouble does not hide in, nor colour, what is true now. About 30 KB each.

use super::report::Quantiles;
use crate::record::Now;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Longest time told apart, in microseconds: 1 h. Longer ones count as this.
const MOST_US: u64 = 3_600_000_000;
/// Two significant digits: within 1 %.
const DIGITS: u8 = 2;
/// A window's length.
const WINDOW: Duration = Duration::from_secs(300);

/// Latencies of one kind.
#[derive(Debug)]
pub struct Latency {
    /// The window being filled, and the one before; `None` only if the library refuses our constants (a test holds it).
    windows: Option<(Histogram<u32>, Histogram<u32>)>,
    /// When the window being filled began.
    began: Option<Duration>,
    count: u64,
    sum_seconds: f64,
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

impl Latency {
    /// Nothing recorded.
    pub fn new() -> Self {
        let window = || Histogram::new_with_bounds(1, MOST_US, DIGITS).ok();
        Latency { windows: window().zip(window()), began: None, count: 0, sum_seconds: 0.0 }
    }

    /// One that took `took`. Constant time, no allocation.
    pub fn record(&mut self, now: Now, took: Duration) {
        self.record_n(now, took, 1);
    }

    /// `n` that took `took` each (the records of a batch with one stamp).
    pub fn record_n(&mut self, now: Now, took: Duration, n: u32) {
        self.turn(now);
        self.count += u64::from(n);
        self.sum_seconds += took.as_secs_f64() * f64::from(n);
        if let Some((current, _)) = &mut self.windows {
            let us = u64::try_from(took.as_micros()).unwrap_or(MOST_US).clamp(1, MOST_US);
            current.saturating_record_n(us, n);
        }
    }

    /// As they go into a report. All zero quantiles when neither window has a sample.
    pub fn quantiles(&mut self, now: Now) -> Quantiles {
        self.turn(now);
        let mut out = Quantiles { count: self.count, sum: self.sum_seconds, ..Quantiles::default() };
        let Some((current, before)) = &self.windows else { return out };
        let mut both = current.clone();
        if both.add(before).is_err() || both.is_empty() {
            return out;
        }
        let at = |q: f64| seconds(both.value_at_quantile(q));
        (out.p50, out.p90, out.p99, out.max) = (at(0.5), at(0.9), at(0.99), seconds(both.max()));
        out
    }

    fn turn(&mut self, now: Now) {
        let began = *self.began.get_or_insert(now.mono);
        let age = now.mono.saturating_sub(began);
        if age < WINDOW {
            return;
        }
        if let Some((current, before)) = &mut self.windows {
            std::mem::swap(current, before);
            current.reset();
            if age >= WINDOW * 2 {
                before.reset();
            }
        }
        self.began = Some(now.mono);
    }
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), unix_ns: 0 }
    }

    #[test]
    fn quantiles_are_within_one_per_cent() {
        let mut l = Latency::new();
        (1..=1000).for_each(|ms| l.record(at(1), Duration::from_millis(ms)));
        let q = l.quantiles(at(1));
        for (got, want) in [(q.p50, 0.5), (q.p90, 0.9), (q.p99, 0.99), (q.max, 1.0)] {
            assert!((got - want).abs() / want < 0.01, "{got} {want}");
        }
        assert_eq!(q.count, 1000);
        assert!((q.sum - 500.5).abs() < 1e-6);
    }

    #[test]
    fn what_is_out_of_bounds_counts_as_the_bound() {
        let mut l = Latency::new();
        l.record(at(1), Duration::ZERO);
        l.record(at(1), Duration::MAX);
        let q = l.quantiles(at(1));
        assert!(q.p50 <= 2e-6 && (q.max - 3600.0).abs() < 40.0, "{q:?}");
    }

    #[test]
    fn quantiles_forget_after_two_windows_and_sums_never() {
        let mut l = Latency::new();
        l.record(at(0), Duration::from_secs(9));
        assert!(l.quantiles(at(301)).max > 8.0, "the window before still counts");
        assert_eq!(l.quantiles(at(650)).max, 0.0);
        assert_eq!((l.quantiles(at(650)).count, l.quantiles(at(650)).sum), (1, 9.0));
        l.record(at(700), Duration::from_secs(1));
        assert_eq!(l.quantiles(at(9000)).max, 0.0, "a long gap ends both windows");
    }
}
