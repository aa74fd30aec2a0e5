//! Any bytes are an answer of CloudWatch Logs: judged without a panic, and never as more than was said.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tailrace::lane::batch::{Target, Verdict};
use tailrace::output::cloudwatch::answer::{Asked, Judged, made, put};

const STATUSES: [u16; 10] = [200, 302, 400, 401, 403, 404, 413, 429, 500, 503];

fuzz_target!(|input: (u8, u16, bool, bool, &[u8], &[u8])| {
    let (choice, items, one_record, dead_letter, kind, body) = input;
    let status = STATUSES[usize::from(choice) % STATUSES.len()];
    let items = u32::from(items) % 10_001;
    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_bytes(kind)
        && !kind.is_empty()
    {
        headers.insert("x-amzn-errortype", kind.clone());
        headers.insert("retry-after", kind);
    }
    let target = Target { place: "/app".into(), stream: "s".into() };
    let asked = Asked { target: &target, items, one_record, dead_letter };
    let judged = put(status, &headers, body, &asked);
    assert_ne!(judged, Judged::Exists);
    check(&judged, items, status == 200);
    let judged = made(status, &headers, body, "CreateLogStream", &target);
    check(&judged, 0, status == 200);
});

fn check(judged: &Judged, items: u32, good: bool) {
    match judged {
        Judged::Done(Verdict::Delivered { already: 0 }) => assert!(good || items == 0),
        Judged::Done(Verdict::Delivered { already }) => assert!(!good && *already == items),
        Judged::Done(Verdict::Items(refused)) => {
            assert!(good && !refused.is_empty());
            assert!(refused.iter().all(|(at, _)| *at < items) && refused.windows(2).all(|w| w[0].0 < w[1].0));
        }
        Judged::Done(Verdict::Retry { .. } | Verdict::Reject { .. } | Verdict::Split { .. }) => assert!(!good),
        Judged::Done(Verdict::Hold { say, .. }) => assert!(!say.is_empty()),
        Judged::Missing | Judged::Exists => assert!(!good),
        Judged::Done(Verdict::Staged { .. } | Verdict::Unknown { .. } | Verdict::NoUpload) => {
            panic!("never of an answer: {judged:?}")
        }
    }
}
