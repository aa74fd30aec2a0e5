use super::*;
use proptest::prelude::*;

fn target() -> Target {
    Target { place: "/app/shop".into(), stream: "web".into() }
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn asked(target: &Target, items: u32) -> Asked<'_> {
    Asked { target, items, one_record: false, dead_letter: false }
}

fn judge(status: u16, body: &str) -> Judged {
    put(status, &HeaderMap::new(), body.as_bytes(), &asked(&target(), 10))
}

/// A judgement in a word, so that a table can hold it: what, scope, and where it matters a word of what it says.
fn word(judged: &Judged) -> String {
    let scope = |scope: &Scope| if *scope == Scope::Key { "key" } else { "lane" };
    match judged {
        Judged::Missing => "missing".into(),
        Judged::Exists => "exists".into(),
        Judged::Done(verdict) => match verdict {
            Verdict::Delivered { already } => format!("delivered {already}"),
            Verdict::Items(items) => format!("items {}", items.len()),
            Verdict::Retry { after, scope: s, .. } => format!("retry {} {:?}", scope(s), after.map(|a| a.as_secs())),
            Verdict::Hold { scope: s, .. } => format!("hold {}", scope(s)),
            Verdict::Reject { .. } => "reject".into(),
            Verdict::Split { .. } => "split".into(),
            Verdict::Unknown { .. } | Verdict::Staged { .. } | Verdict::NoUpload => "never".into(),
        },
    }
}

/// Status, code, message, judgement of PutLogEvents, a word that a hold has to say. The texts are AWS's own where known.
const PUT: &[(u16, &str, &str, &str, &str)] = &[
    (400, "ThrottlingException", "Rate exceeded", "retry key None", ""),
    (400, "Throttling", "Rate exceeded", "retry key None", ""),
    (400, "ThrottledException", "", "retry key None", ""),
    (400, "RequestThrottled", "", "retry key None", ""),
    (400, "RequestThrottledException", "", "retry key None", ""),
    (400, "TooManyRequestsException", "", "retry key None", ""),
    (400, "RequestLimitExceeded", "", "retry key None", ""),
    (400, "BandwidthLimitExceeded", "", "retry key None", ""),
    (400, "ProvisionedThroughputExceededException", "", "retry key None", ""),
    (503, "SlowDown", "", "retry key None", ""),
    (503, "ServiceUnavailableException", "The service cannot complete the request.", "retry key None", ""),
    (503, "ServiceUnavailable", "", "retry key None", ""),
    (500, "InternalFailure", "", "retry key None", ""),
    (500, "InternalServerException", "", "retry key None", ""),
    (500, "InternalServerError", "", "retry key None", ""),
    (500, "InternalError", "", "retry key None", ""),
    (400, "RequestTimeout", "", "retry key None", ""),
    (408, "RequestTimeoutException", "", "retry key None", ""),
    (500, "NeverHeardOfException", "", "retry key None", ""),
    (400, "ResourceNotFoundException", "The specified log group does not exist.", "missing", ""),
    (400, "InvalidSequenceTokenException", "The given sequenceToken is invalid.", "retry key Some(0)", ""),
    (
        400,
        "DataAlreadyAcceptedException",
        "The given batch of log events has already been accepted.",
        "delivered 10",
        "",
    ),
    (
        400,
        "InvalidParameterException",
        "Log events in a single PutLogEvents request must be in chronological order.",
        "reject",
        "",
    ),
    (
        400,
        "InvalidParameterException",
        "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        "reject",
        "",
    ),
    (
        400,
        "InvalidParameterException",
        "1 validation error detected: Value '' at 'logEvents.1.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1",
        "reject",
        "",
    ),
    (400, "InvalidParameterException", "Upload too large: 1048602 bytes exceeds limit of 1048576", "split", ""),
    (400, "InvalidParameterException", "Log event too large: 1048602 bytes exceeds limit of 1048576", "split", ""),
    (
        400,
        "InvalidParameterException",
        "1 validation error detected: Value 'a:b' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*",
        "hold key",
        "log_stream",
    ),
    (400, "ValidationException", "Value 'a b' at 'logGroupName' failed to satisfy constraint", "hold key", "log_group"),
    (400, "SerializationException", "", "hold key", "gzip"),
    (400, "LimitExceededException", "", "hold key", "quota"),
    (413, "RequestEntityTooLargeException", "", "split", ""),
    (400, "RequestEntityTooLarge", "", "split", ""),
    (400, "RequestTooLargeException", "", "split", ""),
    (
        400,
        "AccessDeniedException",
        "User: arn:aws:iam::1:user/x is not authorized to perform: logs:PutLogEvents",
        "hold key",
        "logs:PutLogEvents on arn:aws:logs:*:*:log-group:/app/shop",
    ),
    (400, "AccessDeniedException", "The ciphertext refers to a KMS key that is not allowed", "hold key", "KMS key"),
    (403, "AccessDenied", "", "hold key", "allow"),
    (400, "UnauthorizedOperation", "", "hold key", "allow"),
    (403, "AllAccessDisabled", "", "hold key", "allow"),
    (
        400,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        "hold lane",
        "credentials",
    ),
    (403, "InvalidClientTokenId", "", "hold lane", "credentials"),
    (403, "InvalidAccessKeyId", "", "hold lane", "credentials"),
    (400, "InvalidToken", "", "hold lane", "credentials"),
    (403, "AuthFailure", "", "hold lane", "credentials"),
    (400, "IncompleteSignature", "", "hold lane", "credentials"),
    (400, "IncompleteSignatureException", "", "hold lane", "credentials"),
    (403, "MissingAuthenticationToken", "", "hold lane", "credentials"),
    (400, "MissingAuthenticationTokenException", "Missing Authentication Token", "hold lane", "credentials"),
    (403, "NotSignedUp", "", "hold lane", "credentials"),
    (403, "OptInRequired", "", "hold lane", "credentials"),
    (403, "AccountProblem", "", "hold lane", "credentials"),
    (
        400,
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided.",
        "hold lane",
        "credentials",
    ),
    (403, "SignatureDoesNotMatch", "", "hold lane", "credentials"),
    (400, "InvalidSignature", "", "hold lane", "credentials"),
    (
        400,
        "InvalidSignatureException",
        "Signature expired: 20261122T101500Z is now earlier than 20261122T103500Z",
        "hold lane",
        "clock",
    ),
    (
        400,
        "InvalidSignatureException",
        "Signature not yet current: 20261122T101500Z is still later than 20261122T095500Z",
        "hold lane",
        "clock",
    ),
    (
        403,
        "SignatureDoesNotMatch",
        "Signature expired: 20261122T101500Z is now earlier than 20261122T103500Z",
        "hold lane",
        "clock",
    ),
    (403, "RequestTimeTooSkewed", "", "hold lane", "clock"),
    (400, "RequestExpired", "", "hold lane", "clock"),
    (400, "RequestInTheFuture", "", "hold lane", "clock"),
    (
        400,
        "ExpiredTokenException",
        "The security token included in the request is expired",
        "hold lane",
        "just fetched",
    ),
    (403, "ExpiredToken", "", "hold lane", "just fetched"),
    (403, "TokenRefreshRequired", "", "hold lane", "just fetched"),
    (400, "NeverHeardOfException", "", "hold key", "nothing is dropped"),
    (400, "UnknownOperationException", "", "hold key", "nothing is dropped"),
    (400, "", "", "hold key", "nothing is dropped"),
    (302, "", "", "hold lane", "endpoint"),
    (401, "", "", "hold lane", "denied"),
    (403, "", "", "hold lane", "denied"),
    (404, "", "", "hold lane", "endpoint"),
    (407, "", "", "hold lane", "denied"),
    (413, "", "", "split", ""),
    (429, "", "", "retry key None", ""),
    (502, "", "", "retry key None", ""),
    (504, "", "", "retry key None", ""),
];

#[test]
fn put_goes_by_the_table() {
    for (status, code, message, expected, says) in PUT {
        let body = serde_json::json!({"__type": format!("com.amazonaws.logs#{code}"), "message": message}).to_string();
        let judged = judge(*status, &body);
        assert_eq!(word(&judged), *expected, "{status} {code} {message}");
        if let Judged::Done(Verdict::Hold { code: label, say, .. }) = &judged {
            assert!(say.contains(says), "{status} {code}: {say}");
            assert!(label.as_str() == *code || code.is_empty(), "{label}");
        }
    }
}

#[test]
fn making_goes_by_its_own_table() {
    for (code, expected) in [
        ("ResourceAlreadyExistsException", "exists"),
        ("ResourceNotFoundException", "missing"),
        ("OperationAbortedException", "retry key None"),
        ("LimitExceededException", "hold key"),
        ("InvalidParameterException", "hold key"),
        ("ValidationException", "hold key"),
        ("ThrottlingException", "retry key None"),
        ("AccessDeniedException", "hold key"),
        ("ExpiredTokenException", "hold lane"),
        ("NeverHeardOfException", "hold key"),
    ] {
        let body = format!(r#"{{"__type":"{code}"}}"#);
        let judged = made(400, &HeaderMap::new(), body.as_bytes(), "CreateLogGroup", &target());
        assert_eq!(word(&judged), expected, "{code}");
        if code == "AccessDeniedException" {
            assert!(format!("{judged:?}").contains("logs:CreateLogGroup"));
        }
    }
    assert_eq!(word(&made(200, &HeaderMap::new(), b"", "CreateLogGroup", &target())), "delivered 0");
}

#[test]
fn the_wish_of_the_server_is_kept() {
    let headers = headers(&[("retry-after", "3")]);
    let judged = put(503, &headers, b"", &asked(&target(), 1));
    assert_eq!(word(&judged), "retry key Some(3)");
}

#[test]
fn an_event_too_large_alone_in_its_batch_is_rejected() {
    let body = br#"{"__type":"InvalidParameterException","message":"Log event too large: exceeds limit"}"#;
    let target = target();
    assert_eq!(word(&put(400, &HeaderMap::new(), body, &asked(&target, 1))), "reject");
    let one_record = Asked { one_record: true, ..asked(&target, 3) };
    assert_eq!(word(&put(400, &HeaderMap::new(), body, &one_record)), "reject");
}

#[test]
fn rejected_events_are_told_by_their_positions() {
    let (old, new) = (Reason::TooOld, Reason::TooNew);
    for (info, expected) in [
        ("{}", vec![]),
        (r#"{"tooNewLogEventStartIndex":8}"#, vec![(8, new), (9, new)]),
        (r#"{"tooOldLogEventEndIndex":2}"#, vec![(0, old), (1, old)]),
        (r#"{"expiredLogEventEndIndex":1,"tooOldLogEventEndIndex":null}"#, vec![(0, old)]),
        (
            r#"{"expiredLogEventEndIndex":3,"tooOldLogEventEndIndex":2,"tooNewLogEventStartIndex":9}"#,
            vec![(0, old), (1, old), (2, old), (9, new)],
        ),
        (r#"{"tooNewLogEventStartIndex":10}"#, vec![]),
        (r#"{"tooOldLogEventEndIndex":4000000000}"#, (0..10).map(|at| (at, old)).collect()),
    ] {
        let body = format!(r#"{{"nextSequenceToken":"x","rejectedLogEventsInfo":{info}}}"#);
        let target = target();
        let as_dropped: Vec<_> = expected.iter().map(|(at, why)| (*at, ItemVerdict::Dropped(*why))).collect();
        let verdict = put(200, &HeaderMap::new(), body.as_bytes(), &asked(&target, 10));
        if expected.is_empty() {
            assert_eq!(verdict, Judged::Done(Verdict::Delivered { already: 0 }), "{info}");
            continue;
        }
        assert_eq!(verdict, Judged::Done(Verdict::Items(as_dropped)), "{info}");
        let dead = Asked { dead_letter: true, ..asked(&target, 10) };
        let Judged::Done(Verdict::Items(items)) = put(200, &HeaderMap::new(), body.as_bytes(), &dead) else {
            panic!("items")
        };
        assert!(items.iter().zip(&expected).all(|((at, verdict), (expected, why))| {
            at == expected && matches!(verdict, ItemVerdict::Reject { code, .. } if code.as_str() == why.as_str())
        }));
        let one_record = Asked { one_record: true, ..asked(&target, 3) };
        let Judged::Done(Verdict::Items(items)) =
            put(200, &HeaderMap::new(), br#"{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1}}"#, &one_record)
        else {
            panic!("items")
        };
        assert_eq!(items, [(0, ItemVerdict::Dropped(old))]);
    }
}

#[test]
fn a_200_that_is_not_from_cloudwatch_delivers_nothing() {
    for body in ["<html>Welcome</html>", "", "ok", "[1]", "null"] {
        assert_eq!(word(&judge(200, body)), "hold lane", "{body}");
    }
    assert_eq!(word(&judge(200, "{}")), "delivered 0");
    let known = headers(&[("x-amzn-requestid", "1")]);
    assert_eq!(word(&put(200, &known, b"", &asked(&target(), 1))), "delivered 0");
}

proptest! {
    #[test]
    fn any_answer_gets_a_verdict(status: u16, body: Vec<u8>, old: Option<u32>, new: Option<u32>, items in 0..10_000_u32) {
        let target = target();
        put(status, &HeaderMap::new(), &body, &asked(&target, items));
        made(status, &HeaderMap::new(), &body, "CreateLogStream", &target);
        let info = serde_json::json!({"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": old, "tooNewLogEventStartIndex": new}});
        let judged = put(200, &HeaderMap::new(), info.to_string().as_bytes(), &asked(&target, items));
        if let Judged::Done(Verdict::Items(refused)) = judged {
            prop_assert!(refused.is_sorted_by(|a, b| a.0 < b.0) && refused.iter().all(|(at, _)| *at < items));
        }
    }
}
