//! How far this machine's clock is from that of the services, as their refusals told: one number for the process.
//!
//! Outputs note it, [`super::process`] reads it; nobody decides anything by it.

use std::sync::atomic::{AtomicI64, Ordering};

static SECONDS: AtomicI64 = AtomicI64::new(0);

/// Services are ahead of this machine by so much; negative: behind it.
pub fn note(seconds: i64) {
    SECONDS.store(seconds, Ordering::Relaxed);
}

/// The time that an answer's `Date` tells (`Sun, 22 Nov 2026 10:15:00 GMT`), in seconds since 1970.
#[cfg(feature = "net")]
pub fn told(headers: &http::HeaderMap) -> Option<i64> {
    let date = headers.get(http::header::DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_second())
}

/// What was noted last; 0 when never.
pub fn seconds() -> i64 {
    SECONDS.load(Ordering::Relaxed)
}

#[cfg(all(test, feature = "net"))]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn a_date_is_read_where_it_is_one() {
        let dated = |text| HeaderMap::from_iter([(http::header::DATE, HeaderValue::from_static(text))]);
        assert_eq!(told(&dated("Sun, 22 Nov 2026 10:15:00 GMT")), Some(1_795_342_500));
        assert_eq!((told(&dated("yesterday")), told(&HeaderMap::new())), (None, None));
    }
}
