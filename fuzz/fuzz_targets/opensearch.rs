//! Any bytes are an answer of OpenSearch: judged without a panic, never as more than was said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tailrace::lane::batch::{ItemVerdict, Verdict};
use tailrace::output::opensearch::answer;
use tailrace::output::opensearch::verdict::{Answer, judge};

const STATUSES: [u16; 12] = [200, 201, 302, 400, 401, 403, 404, 413, 429, 500, 503, 0];

fuzz_target!(|input: (u8, u32, &[u8])| {
    let (status, sent, body) = input;
    let status = STATUSES[usize::from(status) % STATUSES.len()];
    let sent = sent % 64;
    let heard = Answer { status, after: None, location: Some("https://elsewhere/"), body };
    let verdict = judge(&heard, sent);
    if let Some(fault) = answer::whole(body) {
        assert!(fault.chain().all(|link| link.reason.chars().count() <= 300));
    }
    // Settled is only what a bulk's answer says item by item.
    let items = items(body);
    match &verdict {
        Verdict::Delivered { already } => {
            assert!(status == 200 && items.is_none_or(|n| n == sent) && *already <= sent);
        }
        Verdict::Items(judged) => {
            assert!(status == 200 && items.is_none_or(|n| n == sent) && !judged.is_empty());
            assert!(judged.iter().all(|(at, _)| *at < sent) && judged.windows(2).all(|w| w[0].0 < w[1].0));
            assert!(judged.iter().any(|(_, item)| !matches!(item, ItemVerdict::Already)));
        }
        Verdict::Retry { .. } | Verdict::Hold { .. } | Verdict::Reject { .. } | Verdict::Split { .. } => {}
        Verdict::Unknown { .. } => assert_eq!(status, 200),
        Verdict::Staged { .. } | Verdict::NoUpload => panic!("not OpenSearch's: {verdict:?}"),
    }
});

/// As many as another reader finds; `None` where it finds fault with what we pass over (members that we do not know).
fn items(body: &[u8]) -> Option<u32> {
    let answer = serde_json::from_slice::<Value>(body).ok()?;
    u32::try_from(answer.get("items")?.as_array()?.len()).ok()
}
