//! `/_standin/`: faults and counters over HTTP, for tests that run in another process. Never signed.

use super::fault::{FaultId, Rule};
use super::request::Answer;
use super::serve::Control;
use http::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(untagged)]
enum Rules {
    One(Box<Rule>),
    Many(Vec<Rule>),
}

#[derive(Serialize)]
struct Set {
    id: FaultId,
    hits: u64,
    #[serde(flatten)]
    rule: Rule,
}

/// `GET|POST|DELETE faults`, `GET requests`, `GET receipts`.
pub(super) fn answer(control: &Control, page: &str, method: &Method, body: &[u8]) -> Answer {
    match (method.as_str(), page) {
        ("GET", "faults") => {
            let set = control.faults().into_iter().map(|(id, rule, hits)| Set { id, hits, rule });
            json(200, &set.collect::<Vec<_>>())
        }
        ("POST", "faults") => match serde_json::from_slice::<Rules>(body) {
            Ok(Rules::One(rule)) => json(200, &[control.fault(*rule)]),
            Ok(Rules::Many(rules)) => json(200, &rules.into_iter().map(|rule| control.fault(rule)).collect::<Vec<_>>()),
            Err(e) => json(400, &format!("not a fault, nor a list of faults: {e}")),
        },
        ("DELETE", "faults") => {
            control.clear_faults();
            json(200, &true)
        }
        ("GET", "requests") => {
            let counts = control.requests().into_iter().map(|((op, outcome), n)| (format!("{op} {outcome}"), n));
            let page = serde_json::json!({
                "counts": counts.collect::<BTreeMap<_, _>>(),
                "recent": control.recent(),
            });
            json(200, &page)
        }
        ("GET", "receipts") => {
            let receipts = control.receipts();
            let (twice, more) = receipts.with(|ids| {
                let twice = ids.values().filter(|n| **n > 1);
                (twice.clone().count(), twice.map(|n| u64::from(n - 1)).sum::<u64>())
            });
            let page = serde_json::json!({
                "totals": receipts.totals(),
                "distinct_ids": receipts.distinct(),
                "ids_more_than_once": twice,
                "surplus": more,
            });
            json(200, &page)
        }
        (_, _) => json(404, &"faults (GET, POST, DELETE), requests (GET), receipts (GET)"),
    }
}

fn json(status: u16, page: &impl Serialize) -> Answer {
    let body = serde_json::to_vec(page).unwrap_or_default();
    Answer::new(status, "application/json", body)
}
