//! The lane's clock: real time, faster. Services and stand-ins live in real time.

use std::time::{Duration, Instant};
use tailrace::record::Now;

/// A second of a lane's backoff takes 50 ms of the test's.
pub const SPEED: u32 = 20;

#[derive(Clone, Copy)]
pub struct Clock {
    start: Instant,
    unix_ns: i64,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the stand-ins check signatures and times against the real clock")]
    pub fn start() -> Clock {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Clock { start: Instant::now(), unix_ns: i64::try_from(unix.as_nanos()).unwrap() }
    }
    pub fn now(&self) -> Now {
        let passed = self.start.elapsed() * SPEED;
        // The first second is there already: zero means "never" to some.
        Now { mono: Duration::from_secs(1) + passed, unix_ns: self.unix_ns + i64::try_from(passed.as_nanos()).unwrap() }
    }
}
