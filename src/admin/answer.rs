//! What each path answers. Pure. Keys and reasons hold what pods and services say: nothing in them that a terminal obeys.

use super::{api, page};
use crate::record::Now;
use crate::telemetry::board::Snapshot;
use crate::telemetry::log::plain;
use crate::telemetry::metrics;
use std::net::IpAddr;

/// An answer: status, media type, body.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Content-Type.
    pub media: &'static str,
    /// Body; left out for HEAD.
    pub body: String,
}

const TEXT: &str = "text/plain; charset=utf-8";

impl Answer {
    fn text(status: u16, body: String) -> Answer {
        Answer { status, media: TEXT, body: plain(&body) }
    }
}

/// Answers GET (and HEAD) of `path`.
pub fn get(path: &str, s: &Snapshot, now: Now) -> Answer {
    match path {
        "/" => Answer { status: 200, media: "text/html; charset=utf-8", body: page::render(s, now) },
        "/metrics" => {
            Answer { status: 200, media: "text/plain; version=0.0.4; charset=utf-8", body: metrics::render(s, now) }
        }
        "/api/lanes" => Answer { status: 200, media: "application/json", body: plain(&api::lanes(s, now).to_string()) },
        "/livez" => live(s, now),
        "/readyz" => Answer::text(if s.ready() { 200 } else { 503 }, format!("{}\n", s.phase.as_str())),
        "/healthz" => healthy(s),
        _ => Answer::text(
            404,
            "not here; there are /, /metrics, /livez, /readyz, /healthz, /api/lanes and POST /drain\n".to_owned(),
        ),
    }
}

/// Answers `POST /drain`: for who is on this host, and no web page that is open on it. True: then drain.
pub fn drain(peer: IpAddr, from_a_page: bool) -> (Answer, bool) {
    if !peer.to_canonical().is_loopback() {
        return (Answer::text(403, format!("only from this host, not from {peer}; else send SIGTERM\n")), false);
    }
    if from_a_page {
        return (Answer::text(403, "not from a web page\n".to_owned()), false);
    }
    (Answer::text(202, "draining, then ending\n".to_owned()), true)
}

/// Own threads beat, nothing else: a destination that is down is no reason to restart the agent, which would lose the
/// deleted files that it holds open.
fn live(s: &Snapshot, now: Now) -> Answer {
    let stuck = s.stuck(now);
    if stuck.is_empty() {
        return Answer::text(200, "ok\n".to_owned());
    }
    let line = |(name, age): &(&str, std::time::Duration)| format!("{name} did nothing for {} s\n", age.as_secs());
    Answer::text(503, stuck.iter().map(line).collect())
}

/// For alerts, never for a probe.
fn healthy(s: &Snapshot) -> Answer {
    let stalled = s.stalled();
    if stalled.is_empty() { Answer::text(200, "ok\n".to_owned()) } else { Answer::text(503, stalled.join("\n") + "\n") }
}
