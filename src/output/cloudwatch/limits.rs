//! What PutLogEvents takes, from its API reference (2025). Retention is not here: only the service knows a group's.

use crate::lane::batch::Reason;
use crate::record::Now;

/// Bytes of one PutLogEvents call: messages in UTF-8, and [`EVENT_BYTES`] for each.
pub const BATCH_BYTES: usize = 1_048_576;
/// What the service counts for an event beside its message.
pub const EVENT_BYTES: usize = 26;
/// Events of one call.
pub const BATCH_EVENTS: u32 = 10_000;
/// Bytes of one message that AWS takes since 2025 (1 MB; 256 KB before).
pub const MESSAGE_BYTES: usize = 1_000_000;
/// First to last event of one call, in milliseconds.
pub const BATCH_SPAN: i64 = 24 * 3_600_000;
/// Older events are refused.
pub const OLDEST: i64 = 14 * 24 * 3_600_000;
/// Events further in the future are refused.
pub const NEWEST: i64 = 2 * 3_600_000;

/// Why the service would not take an event of this time now.
pub fn outside(now: Now, ms: i64) -> Option<Reason> {
    let now_ms = now.unix_ns.div_euclid(1_000_000);
    if ms < 0 || now_ms.saturating_sub(ms) > OLDEST {
        Some(Reason::TooOld)
    } else if ms.saturating_sub(now_ms) > NEWEST {
        Some(Reason::TooNew)
    } else {
        None
    }
}
