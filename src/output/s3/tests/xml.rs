//! Answers as services write them, and any other bytes.

use crate::lane::batch::PartTag;
use crate::output::s3::xml;
use proptest::prelude::*;

const INITIATED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<InitiateMultipartUploadResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket><Key>k</Key>
<UploadId>VXBsb2FkIElE+/=</UploadId></InitiateMultipartUploadResult>"#;

const MALFORMED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message>
<Region>eu-west-1</Region><RequestId>R</RequestId></Error>"#;

#[test]
fn errors_are_read_with_their_region() {
    let fault = xml::fault(400, None, None, MALFORMED.as_bytes());
    assert_eq!((fault.code.as_str(), fault.region.as_deref()), ("AuthorizationHeaderMalformed", Some("eu-west-1")));
    assert!(fault.message.contains("expecting"));
    let fault = xml::fault(301, Some("eu-central-1"), None, MALFORMED.as_bytes());
    assert_eq!(fault.region.as_deref(), Some("eu-central-1"), "the header is first-hand");
    let fault = xml::fault(503, None, None, b"<html><body>down</body></html>");
    assert_eq!((fault.status, fault.code.as_str()), (503, ""));
}

#[test]
fn a_late_error_in_a_200_is_seen_behind_the_spaces() {
    let late = b"\n   \n<?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>";
    assert!(xml::is_error(late) && !xml::is_completed(late));
    assert_eq!(xml::fault(200, None, None, late).code, "InternalError");
    let done = b"  <CompleteMultipartUploadResult><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>";
    assert!(xml::is_completed(done) && !xml::is_error(done));
    assert!(!xml::is_completed(b"") && !xml::is_error(b""));
    assert!(!xml::is_completed(b"<CompleteMultipartUploadResult><ETag>"), "half an answer is none");
}

#[test]
fn only_uploads_of_exactly_this_name_are_ours() {
    let list = r#"<ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>b</Bucket>
        <Upload><Key>logs/a&amp;b</Key><UploadId>1</UploadId></Upload>
        <Upload><Key>logs/a&amp;b-other</Key><UploadId>2</UploadId></Upload>
        <Upload><UploadId>3</UploadId><Key>logs/a&amp;b</Key></Upload></ListMultipartUploadsResult>"#;
    assert_eq!(xml::uploads_of("logs/a&b", list.as_bytes()), ["1", "3"]);
    assert_eq!(xml::uploads_of("logs/a", list.as_bytes()), Vec::<String>::new());
}

#[test]
fn an_upload_id_is_passed_on_as_it_is() {
    assert_eq!(xml::upload_id(INITIATED.as_bytes()).as_deref(), Some("VXBsb2FkIElE+/="));
    assert_eq!(xml::upload_id(MALFORMED.as_bytes()), None);
    assert_eq!(xml::upload_id(b"<InitiateMultipartUploadResult><UploadId/></InitiateMultipartUploadResult>"), None);
}

#[test]
fn parts_are_listed_in_order_and_escaped() {
    let part = |number, etag: &str| PartTag { number, etag: etag.into(), crc32c: "AAAAAA==".into() };
    let body = xml::complete(&[part(10, "\"b\""), part(2, "<&>")]);
    let document = roxmltree::Document::parse(&body).expect("XML");
    let text = |name: &str| -> Vec<String> {
        document
            .descendants()
            .filter(|n| n.tag_name().name() == name)
            .map(|n| n.text().unwrap_or_default().into())
            .collect()
    };
    assert_eq!(text("PartNumber"), ["2", "10"]);
    assert_eq!(text("ETag"), ["<&>", "\"b\""]);
    assert_eq!(text("ChecksumCRC32C"), ["AAAAAA==", "AAAAAA=="]);
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0usize..400, status in any::<u16>()) {
        for body in [&bytes[..], MALFORMED.as_bytes().get(..cut).unwrap_or_default(), INITIATED.as_bytes().get(..cut).unwrap_or_default()] {
            let fault = xml::fault(status, None, None, body);
            prop_assert_eq!(fault.status, status);
            prop_assert!(!xml::is_completed(body));
            xml::upload_id(body);
            xml::uploads_of("x", body);
        }
    }
}
