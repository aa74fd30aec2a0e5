//! PutLogEvents: its body, its limits, and which events of a good batch are stored.

use super::{Refused, invalid};
use crate::standin::receipts::Taken;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Events in a request.
pub const MOST_EVENTS: usize = 10_000;
/// Bytes of a request: UTF-8 of the messages and [`OVERHEAD`] for each.
pub const MOST_BYTES: usize = 1_048_576;
/// Counted for each event.
pub const OVERHEAD: usize = 26;
/// Bytes of one message: "1 MB", read as the smaller of the two.
pub const MOST_MESSAGE: usize = 1_000_000;
const DAY_MS: i64 = 86_400_000;
/// Valid events may be so far apart.
pub const SPAN_MS: i64 = DAY_MS;
/// Older events are rejected.
pub const TOO_OLD_MS: i64 = 14 * DAY_MS;
/// Events further ahead are rejected.
pub const TOO_NEW_MS: i64 = 2 * 3_600_000;

#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// One event.
#[derive(Deserialize)]
pub struct Event<'a> {
    timestamp: Option<i64>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
}

/// A request's body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Put<'a> {
    #[serde(borrow)]
    log_group_name: Option<Text<'a>>,
    #[serde(borrow)]
    log_stream_name: Option<Text<'a>>,
    #[serde(borrow)]
    log_events: Option<Vec<Event<'a>>>,
}

/// `rejectedLogEventsInfo`: the end indexes are exclusive, the start index inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Events below are older than 14 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub too_old_log_event_end_index: Option<usize>,
    /// Events from here on are more than 2 hours ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub too_new_log_event_start_index: Option<usize>,
    /// Events below are past the group's retention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_log_event_end_index: Option<usize>,
}

/// What is to be stored, and what was left out.
pub struct Checked<'e, 'a> {
    /// Valid events, in order.
    pub events: &'e [Event<'a>],
    /// The answer's member.
    pub rejected: Option<Rejected>,
}

impl Event<'_> {
    /// Milliseconds since 1970.
    pub fn time(&self) -> i64 {
        self.timestamp.unwrap_or(0)
    }
    fn text(&self) -> &str {
        self.message.as_ref().map_or("", |m| &m.0)
    }
    /// As the limits count it.
    pub fn size(&self) -> usize {
        self.text().len() + OVERHEAD
    }
    /// For the receipts.
    pub fn taken<'t>(&'t self, place: &'t str, name: &'t str) -> Taken<'t> {
        Taken { place, name, time: self.time(), text: self.text().as_bytes() }
    }
}

/// Reads a body.
pub(super) fn parse(plain: &[u8]) -> Result<Put<'_>, Refused> {
    serde_json::from_slice(plain).map_err(|e| Refused(400, "SerializationException", e.to_string()))
}

impl<'a> Put<'a> {
    /// `logGroupName`
    pub fn group(&self) -> Option<&str> {
        self.log_group_name.as_ref().map(|t| t.0.as_ref())
    }
    /// `logStreamName`
    pub fn stream(&self) -> Option<&str> {
        self.log_stream_name.as_ref().map(|t| t.0.as_ref())
    }
    /// Events in the body.
    pub fn count(&self) -> usize {
        self.log_events.as_ref().map_or(0, Vec::len)
    }
    /// Every limit; `now` in milliseconds, `retention` in days.
    pub(super) fn check(&self, now: i64, retention: Option<u32>) -> Result<Checked<'_, 'a>, Refused> {
        let events = self.log_events.as_deref().unwrap_or_default();
        if events.is_empty() || events.len() > MOST_EVENTS {
            return Err(invalid(format!("logEvents must have 1 to {MOST_EVENTS} members, not {}", events.len())));
        }
        let mut size = 0;
        for (i, event) in events.iter().enumerate() {
            one(i, event)?;
            size += event.size();
        }
        if size > MOST_BYTES {
            return Err(invalid(format!("Upload too large: {size} bytes exceeds limit of {MOST_BYTES}")));
        }
        if !events.is_sorted_by_key(Event::time) {
            return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
        }
        let oldest = now - TOO_OLD_MS;
        let expiry = retention.map_or(i64::MIN, |days| now - i64::from(days) * DAY_MS);
        let too_old = events.partition_point(|e| e.time() < oldest);
        let expired = events.partition_point(|e| e.time() < expiry);
        let too_new = events.partition_point(|e| e.time() <= now + TOO_NEW_MS);
        let first = too_old.max(expired);
        let valid = events.get(first..too_new).unwrap_or_default();
        if let (Some(a), Some(z)) = (valid.first(), valid.last())
            && z.time() - a.time() > SPAN_MS
        {
            return Err(invalid(
                "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
            ));
        }
        let rejected = Rejected {
            too_old_log_event_end_index: (too_old > 0).then_some(too_old),
            too_new_log_event_start_index: (too_new < events.len()).then_some(too_new),
            expired_log_event_end_index: (expired > too_old).then_some(expired),
        };
        Ok(Checked { events: valid, rejected: (rejected != Rejected::default()).then_some(rejected) })
    }
}

fn one(i: usize, event: &Event<'_>) -> Result<(), Refused> {
    match event.timestamp {
        None => return Err(invalid(format!("logEvents.{}.member.timestamp must not be null", i + 1))),
        Some(t) if t < 0 => return Err(invalid(format!("logEvents.{}.member.timestamp must be at least 0", i + 1))),
        Some(_) => {}
    }
    if event.text().is_empty() {
        return Err(invalid(format!("logEvents.{}.member.message must have length at least 1", i + 1)));
    }
    if event.text().len() > MOST_MESSAGE {
        let size = event.text().len();
        return Err(invalid(format!("Log event too large: {size} bytes exceeds limit of {MOST_MESSAGE}")));
    }
    Ok(())
}
