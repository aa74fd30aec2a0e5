//! Names, prefixes, and one answer for each row of the verdict tables.

mod format;
#[cfg(feature = "outputs")]
mod xml;

use crate::config::checked::Compression;
use crate::config::template::{Template, render};
use crate::lane::batch::{Scope, Verdict};
use crate::origin::Fields;
use crate::output::s3::name::{MAX_NAME, clean_value, object_name, prefix};
use crate::output::s3::verdict::{CODES, Fault, Request, STATUSES, judge};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

fn label(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Delivered { already } => format!("delivered {already}"),
        Verdict::Retry { scope: Scope::Key, .. } => "retry".into(),
        Verdict::Hold { scope: Scope::Key, .. } => "hold key".into(),
        Verdict::Hold { scope: Scope::Lane, .. } => "hold lane".into(),
        Verdict::Split { .. } => "split".into(),
        Verdict::NoUpload => "no upload".into(),
        Verdict::Retry { .. }
        | Verdict::Items(_)
        | Verdict::Staged { .. }
        | Verdict::Reject { .. }
        | Verdict::Unknown { .. } => format!("{verdict:?}"),
    }
}

/// Code, its status, what the service says, the request, the verdict. Of seven items.
const ANSWERS: &[(&str, u16, &str, Request, &str)] = &[
    ("SlowDown", 503, "Please reduce your request rate.", Request::Put, "retry"),
    ("SlowDownRead", 503, "Resource requested is unreadable, please reduce your request rate", Request::Part, "retry"),
    ("SlowDownWrite", 503, "Resource requested is unwritable, please reduce your request rate", Request::Put, "retry"),
    ("ServiceUnavailable", 503, "Service is unable to handle request.", Request::Put, "retry"),
    ("InternalError", 500, "We encountered an internal error. Please try again.", Request::Put, "retry"),
    ("InternalError", 200, "We encountered an internal error. Please try again.", Request::Complete, "retry"),
    ("InternalFailure", 500, "", Request::Put, "retry"),
    ("RequestTimeout", 400, "Your socket connection to the server was not read from", Request::Put, "retry"),
    ("RequestLimitExceeded", 400, "", Request::Put, "retry"),
    ("Throttling", 400, "Rate exceeded", Request::Put, "retry"),
    ("ThrottlingException", 400, "Rate exceeded", Request::Put, "retry"),
    ("TooManyRequests", 429, "", Request::Put, "retry"),
    ("BandwidthLimitExceeded", 509, "", Request::Put, "retry"),
    ("OperationAborted", 409, "A conflicting conditional operation is currently in progress", Request::Put, "retry"),
    ("IncompleteBody", 400, "You did not provide the number of bytes specified", Request::Put, "retry"),
    (
        "TemporaryRedirect",
        307,
        "Please re-send this request to the specified temporary endpoint",
        Request::Put,
        "retry",
    ),
    ("BadDigest", 400, "The CRC32C you specified did not match the calculated checksum.", Request::Part, "retry"),
    ("InvalidDigest", 400, "", Request::Part, "retry"),
    (
        "XAmzContentSHA256Mismatch",
        400,
        "The provided 'x-amz-content-sha256' header does not match",
        Request::Put,
        "retry",
    ),
    ("XAmzContentChecksumMismatch", 400, "", Request::Put, "retry"),
    ("PreconditionFailed", 412, "At least one of the pre-conditions did not hold", Request::Put, "delivered 7"),
    ("PreconditionFailed", 412, "At least one of the pre-conditions did not hold", Request::Complete, "delivered 7"),
    ("PreconditionFailed", 412, "At least one of the pre-conditions did not hold", Request::Part, "hold key"),
    ("ConditionalRequestConflict", 409, "conflicting operation", Request::Put, "retry"),
    ("ConditionalRequestConflict", 409, "conflicting operation", Request::Complete, "no upload"),
    ("NoSuchUpload", 404, "The specified multipart upload does not exist.", Request::Part, "no upload"),
    ("NoSuchUpload", 404, "The specified multipart upload does not exist.", Request::Complete, "no upload"),
    ("NoSuchUpload", 404, "The specified multipart upload does not exist.", Request::Abandon, "delivered 0"),
    ("InvalidPart", 400, "One or more of the specified parts could not be found.", Request::Complete, "no upload"),
    ("InvalidPartOrder", 400, "The list of parts was not in ascending order.", Request::Complete, "no upload"),
    ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size", Request::Put, "split"),
    ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size", Request::Complete, "hold key"),
    ("NoSuchBucket", 404, "The specified bucket does not exist", Request::Put, "hold lane"),
    ("InvalidBucketName", 400, "The specified bucket is not valid.", Request::Put, "hold lane"),
    ("InvalidBucketState", 409, "", Request::Put, "hold lane"),
    ("AccessDenied", 403, "Access Denied", Request::Put, "hold key"),
    ("AccessDenied", 403, "Access Denied", Request::Abandon, "delivered 0"),
    ("AllAccessDisabled", 403, "All access to this object has been disabled", Request::Put, "hold lane"),
    ("AccountProblem", 403, "There is a problem with your AWS account", Request::Put, "hold lane"),
    ("NotSignedUp", 403, "Your account is not signed up", Request::Put, "hold lane"),
    ("SignatureDoesNotMatch", 403, "The request signature we calculated does not match", Request::Put, "hold lane"),
    ("SignatureDoesNotMatch", 403, "The request signature we calculated does not match", Request::Abandon, "hold lane"),
    ("InvalidAccessKeyId", 403, "The AWS Access Key Id you provided does not exist", Request::Put, "hold lane"),
    ("InvalidClientTokenId", 403, "The security token included in the request is invalid", Request::Put, "hold lane"),
    ("UnrecognizedClientException", 403, "", Request::Put, "hold lane"),
    ("XAdminUserNotFound", 404, "The requested user does not exist", Request::Put, "hold lane"),
    ("InvalidSecurity", 403, "The provided security credentials are not valid.", Request::Put, "hold lane"),
    ("InvalidToken", 400, "The provided token is malformed or otherwise invalid.", Request::Put, "hold lane"),
    ("InvalidTokenId", 403, "The security token included in the request is invalid", Request::Put, "hold lane"),
    ("ExpiredToken", 400, "The provided token has expired.", Request::Put, "hold lane"),
    ("ExpiredTokenException", 400, "", Request::Put, "hold lane"),
    ("TokenRefreshRequired", 400, "The provided token must be refreshed.", Request::Put, "hold lane"),
    (
        "RequestTimeTooSkewed",
        403,
        "The difference between the request time and the server's time",
        Request::Put,
        "hold lane",
    ),
    ("RequestExpired", 400, "", Request::Put, "hold lane"),
    ("InvalidStorageClass", 400, "The storage class you specified is not valid", Request::Create, "hold lane"),
    ("KMS.DisabledException", 400, "arn:aws:kms:... is disabled.", Request::Put, "hold lane"),
    ("KMS.InvalidKeyUsageException", 400, "", Request::Put, "hold lane"),
    ("KMS.KMSInvalidStateException", 400, "arn:aws:kms:... is pending deletion.", Request::Put, "hold lane"),
    ("KMS.NotFoundException", 400, "Invalid keyId 'x'", Request::Put, "hold lane"),
    ("KMS.UnrecognizedClientException", 400, "", Request::Put, "hold lane"),
    ("KMS.SomethingNew", 400, "", Request::Put, "hold lane"),
    ("KMS.ThrottlingException", 400, "", Request::Put, "retry"),
    (
        "InvalidArgument",
        400,
        "Server Side Encryption with AWS KMS managed key requires HTTP header",
        Request::Put,
        "hold lane",
    ),
    ("InvalidRequest", 400, "Value for x-amz-checksum-crc32c header is invalid.", Request::Put, "hold lane"),
    (
        "InvalidEncryptionAlgorithmError",
        400,
        "The encryption request you specified is not valid.",
        Request::Put,
        "hold lane",
    ),
    ("ServerSideEncryptionConfigurationNotFoundError", 400, "", Request::Put, "hold lane"),
    (
        "NotImplemented",
        501,
        "A header you provided implies functionality that is not implemented",
        Request::Put,
        "hold lane",
    ),
    ("NotImplemented", 501, "", Request::Abandon, "delivered 0"),
    ("MethodNotAllowed", 405, "The specified method is not allowed against this resource.", Request::Put, "hold lane"),
    ("InvalidURI", 400, "Couldn't parse the specified URI.", Request::Put, "hold key"),
    ("KeyTooLongError", 400, "Your key is too long", Request::Put, "hold key"),
    ("XMinioInvalidObjectName", 400, "Object name contains unsupported characters.", Request::Put, "hold key"),
    (
        "XMinioStorageFull",
        507,
        "Storage backend has reached its minimum free drive threshold.",
        Request::Put,
        "hold lane",
    ),
    ("QuotaExceeded", 403, "", Request::Put, "hold lane"),
    (
        "EntityTooSmall",
        400,
        "Your proposed upload is smaller than the minimum allowed size",
        Request::Complete,
        "hold key",
    ),
    ("MalformedXML", 400, "The XML you provided was not well-formed", Request::Complete, "hold key"),
    (
        "PermanentRedirect",
        301,
        "The bucket you are attempting to access must be addressed using",
        Request::Put,
        "hold lane",
    ),
    ("Redirect", 301, "", Request::Put, "hold lane"),
    (
        "AuthorizationHeaderMalformed",
        400,
        "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
        Request::Put,
        "hold lane",
    ),
    ("IllegalLocationConstraintException", 400, "", Request::Put, "hold lane"),
    ("NobodyKnowsThis", 400, "Something new", Request::Put, "hold key"),
    ("NobodyKnowsThis", 403, "Something new", Request::Put, "hold key"),
    ("NobodyKnowsThis", 404, "Something new", Request::Put, "hold key"),
    ("NobodyKnowsThis", 412, "Something new", Request::Put, "hold key"),
    ("NobodyKnowsThis", 200, "Something new", Request::Complete, "hold key"),
    ("NobodyKnowsThis", 503, "Something new", Request::Put, "retry"),
    ("", 301, "", Request::Put, "hold lane"),
    ("", 302, "", Request::Put, "hold lane"),
    ("", 307, "", Request::Put, "retry"),
    ("", 308, "", Request::Put, "hold lane"),
    ("", 400, "", Request::Put, "hold key"),
    ("", 401, "", Request::Put, "hold lane"),
    ("", 403, "", Request::Put, "hold key"),
    ("", 404, "", Request::Put, "hold lane"),
    ("", 408, "", Request::Put, "retry"),
    ("", 412, "", Request::Put, "delivered 7"),
    ("", 413, "", Request::Put, "split"),
    ("", 425, "", Request::Put, "retry"),
    ("", 429, "", Request::Put, "retry"),
    ("", 500, "", Request::Put, "retry"),
    ("", 502, "", Request::Put, "retry"),
    ("", 503, "", Request::Put, "retry"),
    ("", 504, "", Request::Put, "retry"),
    ("", 599, "", Request::Put, "hold key"),
];

#[test]
fn each_answer_has_its_verdict() {
    for (code, status, message, request, want) in ANSWERS {
        let fault = Fault { status: *status, code: (*code).into(), message: (*message).into(), ..Fault::default() };
        let got = judge(*request, &fault, 7);
        assert_eq!(label(&got), *want, "{code} {status} to {request:?}: {got:?}");
        if let Verdict::Hold { code: named, say, .. } = &got {
            assert!(code.is_empty() || named.as_str() == *code, "the code is passed on: {named}");
            assert!(say.contains(message), "{say} repeats {message}");
        }
    }
}

#[test]
fn each_row_of_the_tables_has_an_answer() {
    let codes: BTreeSet<&str> = ANSWERS.iter().map(|a| a.0).collect();
    let missing: Vec<&str> = CODES.iter().map(|row| row.0).filter(|code| !codes.contains(code)).collect();
    assert_eq!(missing, Vec::<&str>::new());
    let statuses: BTreeSet<u16> = ANSWERS.iter().filter(|a| a.0.is_empty()).map(|a| a.1).collect();
    let missing: Vec<u16> = STATUSES.iter().map(|row| row.0).filter(|status| !statuses.contains(status)).collect();
    assert_eq!(missing, Vec::<u16>::new());
    assert_eq!(CODES.iter().map(|row| row.0).collect::<BTreeSet<_>>().len(), CODES.len(), "no code twice");
}

#[test]
fn a_wrong_region_is_named_with_the_right_one() {
    let fault =
        Fault { status: 301, code: "PermanentRedirect".into(), region: Some("eu-west-1".into()), ..Fault::default() };
    let Verdict::Hold { say, .. } = judge(Request::Put, &fault, 1) else { panic!("not held") };
    assert!(say.contains("set `region: eu-west-1`"), "{say}");
}

#[test]
fn the_services_wish_to_wait_is_passed_on() {
    let after = Some(Duration::from_secs(9));
    let fault = Fault { status: 503, code: "SlowDown".into(), after, ..Fault::default() };
    assert!(matches!(judge(Request::Put, &fault, 1), Verdict::Retry { after: a, .. } if a == after));
}

#[test]
fn a_name_says_when_where_and_cannot_be_made_twice() {
    let ns = 1_795_342_500_123_456_789; // 2026-11-22T10:15:00Z
    let name = object_name("logs/web/", ns, "ip-10-0-0-1.ec2.internal", 0xab, Compression::Zstd);
    assert_eq!(name, "logs/web/20261122T101500Z-ip-10-0-0-1.ec2.internal-00000000000000ab.json.zst");
    let name = object_name("", i64::MIN, "a/../b c", u64::MAX, Compression::Gzip);
    assert_eq!(name, "16770921T001243Z-a_.._b_c-ffffffffffffffff.json.gz");
}

#[test]
fn values_cannot_climb_or_open_folders() {
    for (value, want) in [
        ("web", "web"),
        ("a/b", "a_b"),
        ("../../etc", ".__.__etc"),
        ("a..b", "a._b"),
        ("nul\0tab\tdel\u{7f}", "nul_tab_del_"),
        ("100%", "100_"),
        ("caf\u{e9}", "caf\u{e9}"),
        ("", ""),
    ] {
        assert_eq!(clean_value(value, 512), want, "{value:?}");
    }
    assert_eq!(clean_value("caf\u{e9}", 4), "caf", "never within a character");
}

fn fields(value: &str) -> Fields {
    Fields::new(vec![("ns".into(), value.into()), ("pod".into(), value.into())])
}

#[test]
fn a_segment_of_dots_is_replaced() {
    let template = Template::parse("logs/{ns}/%Y/").expect("a template");
    assert_eq!(&*prefix(&template, &fields(".")), "logs/_/%Y/");
    let template = Template::parse("logs/{ns}{pod}/%Y/").expect("a template");
    assert_eq!(&*prefix(&template, &fields(".")), "logs/__/%Y/");
}

#[test]
fn a_missing_value_leaves_no_empty_segment_that_nobody_wished() {
    for (template, value, want) in [
        ("logs/{ns}/%Y/", "", "logs/_/%Y/"),
        ("logs/{ns}/{pod}/", "", "logs/_/_/"),
        ("logs/{ns}-{pod}/", "", "logs/-/"),
        ("logs/{ns}", "", "logs/"),
        ("logs//{ns}/", "", "logs///"),
        ("logs/{ns}/", "/", "logs/_/"),
    ] {
        assert_eq!(&*prefix(&Template::parse(template).expect("a template"), &fields(value)), want, "{template}");
    }
}

proptest! {
    #[test]
    fn a_name_always_fits_and_stays_below_its_literal_prefix(
        value in ".{0,1500}", node in ".{0,300}", ns in any::<i64>(), long in 0usize..1200,
    ) {
        let text = format!("logs/{}{{ns}}/%Y/%m/%d/{{pod}}/%%/%H/", "x".repeat(long));
        let template = Template::parse(&text).expect("a template");
        let pattern = prefix(&template, &fields(&value));
        let name = object_name(&render(&pattern, ns), ns, &node, 7, Compression::Zstd);
        prop_assert!(name.len() <= MAX_NAME, "{} bytes", name.len());
        prop_assert!(name.starts_with("logs/"));
        prop_assert!(!name.contains(char::is_control));
        prop_assert!(name.split('/').all(|s| s != "." && s != ".."));
        if long > 0 || !value.is_empty() {
            prop_assert!(!name.contains("//"), "{}", name);
        }
        if long < 100 {
            prop_assert_eq!(name.split('/').count(), 9, "values open no folders: {}", name);
        }
    }

    #[test]
    fn any_answer_has_a_verdict(status in any::<u16>(), code in ".{0,80}", message in ".{0,900}", items in any::<u32>()) {
        let fault = Fault { status, code, message, ..Fault::default() };
        for request in [Request::Put, Request::Create, Request::Part, Request::Complete, Request::Abandon] {
            let verdict = judge(request, &fault, items);
            let rejected = matches!(verdict, Verdict::Reject { .. });
            prop_assert!(!rejected, "S3 never judges records");
        }
    }
}
