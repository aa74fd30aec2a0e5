//! CloudWatch Logs: PutLogEvents with all its limits; keeps no ids, so what comes twice is there twice.

use super::{At, text_of};
use crate::truth::{Doc, Truth};
use serde::Deserialize;
use std::borrow::Cow;
use tailrace::lane::batch::{Batch, Code, ItemVerdict, Job, Reason, Verdict};
use tailrace::output::cloudwatch::limits::{
    BATCH_BYTES, BATCH_EVENTS, BATCH_SPAN, EVENT_BYTES, MESSAGE_BYTES, NEWEST, OLDEST,
};

#[derive(Default)]
pub struct CloudWatch {
    /// Events refused as outside the window.
    pub outside: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Put<'a> {
    #[serde(borrow)]
    log_group_name: Cow<'a, str>,
    #[serde(borrow)]
    log_stream_name: Cow<'a, str>,
    #[serde(borrow)]
    log_events: Vec<Event<'a>>,
}

#[derive(Deserialize)]
struct Event<'a> {
    timestamp: i64,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl CloudWatch {
    pub fn take_in(&mut self, batch: &Batch, at: &mut At<'_>) -> Verdict {
        assert_eq!(batch.job, Job::Send);
        let texts: Vec<String> = batch.bodies.iter().map(text_of).collect();
        let puts: Vec<Put<'_>> =
            texts.iter().map(|text| serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))).collect();
        let mut events = Vec::new();
        for put in &puts {
            assert_eq!((&*put.log_group_name, &*put.log_stream_name), (&*batch.target.place, &*batch.target.stream));
            within_limits(put);
            events.extend(put.log_events.iter());
        }
        assert_eq!(events.len(), batch.items as usize, "the batch knows how many items it has");
        let cells: Vec<Vec<u32>> = events.iter().map(|event| cells_of(event, at.truth)).collect();
        if cells.iter().any(|cells| at.truth.poisoned(cells)) {
            let say = "an event is not to the service's taste".into();
            return Verdict::Reject { code: Code::new("InvalidParameterException"), say };
        }
        let now_ms = at.true_ns.div_euclid(1_000_000);
        let mut refused = Vec::new();
        for (item, (event, cells)) in events.iter().zip(&cells).enumerate() {
            if now_ms - event.timestamp > OLDEST {
                refused.push((item as u32, ItemVerdict::Dropped(Reason::TooOld)));
            } else if event.timestamp - now_ms > NEWEST {
                refused.push((item as u32, ItemVerdict::Dropped(Reason::TooNew)));
            } else {
                at.truth.arrive(at.slot, cells);
            }
        }
        self.outside += refused.len() as u64;
        if refused.is_empty() { Verdict::Delivered { already: 0 } } else { Verdict::Items(refused) }
    }
}

fn within_limits(put: &Put<'_>) {
    let (group, stream, events) = (&put.log_group_name, &put.log_stream_name, &put.log_events);
    let in_group = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
    assert!((1..=512).contains(&group.len()) && group.chars().all(in_group), "group {group:?}");
    assert!((1..=512).contains(&stream.len()) && !stream.contains([':', '*']), "stream {stream:?}");
    assert!((1..=BATCH_EVENTS as usize).contains(&events.len()), "{} events", events.len());
    let size: usize = events.iter().map(|e| e.message.len() + EVENT_BYTES).sum();
    assert!(size <= BATCH_BYTES, "{size} bytes");
    assert!(events.windows(2).all(|w| w[0].timestamp <= w[1].timestamp), "events out of order");
    let span = events.last().map_or(0, |e| e.timestamp) - events.first().map_or(0, |e| e.timestamp);
    assert!(span < BATCH_SPAN, "events span {span} ms");
    assert!(events.iter().all(|e| (1..=MESSAGE_BYTES).contains(&e.message.len())), "an empty or too long message");
}

fn cells_of(event: &Event<'_>, truth: &Truth) -> Vec<u32> {
    let doc: Doc<'_> = serde_json::from_str(&event.message).unwrap_or_else(|e| panic!("{e}: {}", event.message));
    let cells = truth.cells_of(&doc).unwrap_or_else(|why| panic!("CloudWatch: {why}"));
    let first = cells.first().and_then(|n| truth.cells.get(*n as usize)).and_then(|c| c.head);
    // A piece of a longer record has the time of the whole.
    if let (Some((ns, _)), true) = (first, doc.stream.is_some() && doc.partial.is_none()) {
        assert_eq!(
            event.timestamp,
            ns.div_euclid(1_000_000),
            "the stamp of its line: {} {}",
            event.message,
            truth.describe(cells[0])
        );
    }
    cells
}
