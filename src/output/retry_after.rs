//! How long a service wishes us to wait.

use http::{HeaderMap, header};
use std::time::Duration;

/// No wish of a server is believed beyond this: a lane probes that often anyway.
pub const LONGEST: Duration = Duration::from_secs(300);

/// `Retry-After` in seconds. A date is not read: no service that we speak to sends one.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds = text.trim().parse::<u64>().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_and_nonsense_is_not() {
        for (text, want) in [("7", Some(7)), (" 0 ", Some(0)), ("99999999", Some(300)), ("-1", None), ("soon", None)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, text.parse().expect("a header"));
            assert_eq!(retry_after(&headers), want.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
