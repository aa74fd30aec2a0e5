//! Any bytes are an answer of S3: read without a panic, and only what says so is success; the list of parts reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailrace::lane::batch::{PartTag, Verdict};
use tailrace::output::s3::verdict::{Request, judge};
use tailrace::output::s3::xml;

const STATUSES: [u16; 12] = [200, 204, 301, 307, 400, 403, 404, 409, 412, 413, 500, 503];
const REQUESTS: [Request; 5] = [Request::Put, Request::Create, Request::Part, Request::Complete, Request::Abandon];

fuzz_target!(|input: (u8, &str, &[u8])| {
    let (choice, text, body) = input;
    let status = STATUSES[usize::from(choice) % STATUSES.len()];
    let fault = xml::fault(status, Some(text), None, body);
    assert!(!(xml::is_completed(body) && (xml::is_error(body) || xml::upload_id(body).is_some())));
    assert!(!xml::is_completed(body) || fault.code.is_empty());
    for request in REQUESTS {
        match judge(request, &fault, 7) {
            // No object is taken as there but for a 412 or its code.
            Verdict::Delivered { already: 7 } => {
                assert!(matches!(request, Request::Put | Request::Complete));
                assert!(status == 412 || fault.code == "PreconditionFailed");
            }
            Verdict::Delivered { .. } => assert_eq!(request, Request::Abandon),
            Verdict::NoUpload => assert!(matches!(request, Request::Part | Request::Complete)),
            Verdict::Retry { .. } | Verdict::Hold { .. } | Verdict::Split { .. } => {}
            verdict @ (Verdict::Items(_)
            | Verdict::Staged { .. }
            | Verdict::Reject { .. }
            | Verdict::Unknown { .. }) => {
                panic!("never of an answer: {verdict:?}")
            }
        }
    }
    assert!(xml::uploads_of(text, body).len() <= body.len());
    written(text, body);
});

/// An ETag is any text that a server gives: what is written must read back as it was.
fn written(etag: &str, numbers: &[u8]) {
    let tag = |number: &u8| PartTag { number: u16::from(*number), etag: etag.into(), crc32c: "4waSgw==".into() };
    let list = xml::complete(&numbers.iter().take(8).map(tag).collect::<Vec<_>>());
    // XML has no control characters, and header values neither.
    if etag.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return;
    }
    let document = roxmltree::Document::parse(&list).expect("what we write is XML");
    let etags: Vec<_> = document
        .descendants()
        .filter(|n| n.has_tag_name(("http://s3.amazonaws.com/doc/2006-03-01/", "ETag")))
        .collect();
    assert!(etags.len() == numbers.len().min(8) && etags.iter().all(|n| n.text().unwrap_or_default() == etag));
}
