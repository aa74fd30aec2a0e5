//! `/api/lanes`: the reports as JSON, for scripts and for people in a hurry. Pure.

use crate::lane::batch::{Code, Reason};
use crate::record::Now;
use crate::telemetry::advice;
use crate::telemetry::board::Snapshot;
use crate::telemetry::report::{LaneReport, Parked, Quantiles, Read};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Parked keys shown for each lane; the rest is only counted.
const PARKED_MAX: usize = 1_000;

pub(super) fn lanes(s: &Snapshot, now: Now) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": &*s.about.node,
        "time": time(now.unix_ns),
        "phase": s.phase.as_str(),
        "config": {
            "sha256": &*s.config.hash,
            "since": time(s.config.since),
            "reloads": s.config.reloads,
            "failures": s.config.failures,
            "refused": s.config.refused.as_ref().map(|(at, why)| json!({"time": time(*at), "problems": **why})),
        },
        "unknown_parsers": s.catalog.strange_parsers.1.iter().map(|(pod, (name, parser))| {
            json!({"pod": pod, "name": name, "parser": parser})
        }).collect::<Vec<_>>(),
        "lanes": s.lanes.iter().map(|l| lane(l)).collect::<Vec<_>>(),
    })
}

fn lane(l: &LaneReport) -> Value {
    let fate = |(records, bytes): (u64, u64)| json!({"records": records, "bytes": bytes});
    let dropped: Map<String, Value> =
        Reason::ALL.iter().zip(l.sums.dropped).map(|(r, sum)| (r.as_str().to_owned(), fate(sum))).collect();
    json!({
        "output": &*l.output,
        "kind": l.kind,
        "to": &*l.to,
        "read": read(l.read_of_all()),
        "read_by_input": l.read.iter().map(|(input, r)| (input.to_string(), read(*r))).collect::<Map<_, _>>(),
        "sent": {"requests": l.requests, "bytes": l.bytes_sent},
        "delivered": fate(l.sums.delivered),
        "dead_lettered": fate(l.sums.dead_lettered),
        "dropped": dropped,
        "lost_bytes": l.sums.lost_bytes,
        "lost_bytes_by_pod": l.lost,
        "possible_duplicates": l.sums.possible_duplicates,
        "already": l.already,
        "rejected": codes(&l.rejected),
        "retries": codes(&l.retries),
        "lag": {
            "bytes": l.lag_bytes,
            "files": l.files_behind,
            "files_span_full": l.files_span_full,
            "oldest_unsettled_seconds": l.oldest_unsettled.map(|d| d.as_secs_f64()),
        },
        "stalled": l.stalled,
        "last_settled": (l.last_settled > 0).then(|| time(l.last_settled)),
        "in_flight": {"requests": l.in_flight.0, "limit": l.in_flight.1},
        "sealed_bytes": {"used": l.sealed_bytes.0, "limit": l.sealed_bytes.1},
        "request_seconds": quantiles(&l.request_seconds),
        "delivery_seconds": quantiles(&l.delivery_seconds),
        "parked": l.lane_parked.as_ref().map(|(code, say)| json!({"code": code.as_str(), "say": advice::say(code, say), "since": time(l.lane_parked_since)})),
        "parked_keys_count": l.parked.len(),
        "parked_keys": l.parked.iter().take(PARKED_MAX).map(parked).collect::<Vec<_>>(),
    })
}

fn read(r: Read) -> Value {
    json!({"lines": r.lines, "records": r.records, "bytes": r.bytes})
}

fn parked(p: &Parked) -> Value {
    let say = advice::say(&p.code, &p.say);
    json!({"key": p.key, "code": p.code.as_str(), "say": say, "since": time(p.since), "waiting_bytes": p.waiting_bytes})
}

fn codes(all: &BTreeMap<Code, u64>) -> Map<String, Value> {
    all.iter().map(|(code, n)| (code.as_str().to_owned(), Value::from(*n))).collect()
}

fn quantiles(q: &Quantiles) -> Option<Value> {
    (q.count > 0)
        .then(|| json!({"p50": q.p50, "p90": q.p90, "p99": q.p99, "max": q.max, "count": q.count, "sum": q.sum}))
}

/// RFC 3339, UTC; empty where it cannot be said.
pub(super) fn time(unix_ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).map(|t| format!("{t:.3}")).unwrap_or_default()
}
