//! How far this machine's clock is from that of the services, as their refusals told: one number for the process.
//!
//! Outputs note it, [`super::process`] reads it; nobody decides anything by it.

use std::sync::atomic::{AtomicI64, Ordering};

static SECONDS: AtomicI64 = AtomicI64::new(0);

/// Services are ahead of this machine by so much; negative: behind it.
pub fn note(seconds: i64) {
    SECONDS.store(seconds, Ordering::Relaxed);
}

/// What was noted last; 0 when never.
pub fn seconds() -> i64 {
    SECONDS.load(Ordering::Relaxed)
}
