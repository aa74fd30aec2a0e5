use crate::support::client::{Reply, Signer, gzip, send};
use crate::{NOW, options, start};
use serde_json::{Value, json};
use tailrace::standin::{Keys, Options, Standin, Which, cloudwatch};

const NOW_MS: i64 = NOW * 1_000;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn service(options: Options) -> Standin {
    start(Which::CloudWatch(cloudwatch::Options { groups: vec!["/app".into()] }), options)
}

fn request(at: &Standin, operation: &str, body: &[u8]) -> http::Request<Vec<u8>> {
    http::Request::post(format!("{}/", at.url))
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("Logs_20140328.{operation}"))
        .body(body.to_vec())
        .unwrap()
}

async fn call(at: &Standin, operation: &str, body: &Value) -> Reply {
    let mut request = request(at, operation, body.to_string().as_bytes());
    Signer::new("logs", NOW).sign(&mut request);
    send(request).await.unwrap()
}

async fn with_stream() -> Standin {
    let at = service(options());
    let made = call(&at, "CreateLogStream", &json!({"logGroupName": "/app", "logStreamName": "s"})).await;
    assert_eq!(made.status, 200, "{}", made.text());
    at
}

fn put(events: &[(i64, String)]) -> Value {
    let events: Vec<Value> = events.iter().map(|(t, m)| json!({"timestamp": t, "message": m})).collect();
    json!({"logGroupName": "/app", "logStreamName": "s", "logEvents": events})
}

fn short(n: usize, time: i64) -> Vec<(i64, String)> {
    (0..n).map(|i| (time, format!("tr={i:016x}"))).collect()
}

fn code(reply: &Reply) -> String {
    format!("{} {}", reply.status, reply.json()["__type"].as_str().unwrap_or(""))
}

#[tokio::test]
async fn a_good_batch_is_counted_event_by_event() {
    let at = with_stream().await;
    let reply = call(&at, "PutLogEvents", &put(&short(10_000, NOW_MS))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json(), json!({}));
    assert!(!reply.header("x-amzn-requestid").is_empty());
    let receipts = at.control.receipts();
    assert_eq!((receipts.totals().records, receipts.distinct(), receipts.count(9_999)), (10_000, 10_000, 1));
    let stream = at.control.cloudwatch().unwrap().groups()["/app"].streams["s"].clone();
    assert_eq!((stream.events, stream.bytes), (10_000, 10_000 * (19 + 26)));
}

#[tokio::test]
async fn gzip_bodies_are_signed_as_sent() {
    let at = with_stream().await;
    let plain = put(&short(100, NOW_MS)).to_string();
    let packed = gzip(plain.as_bytes());
    let mut good = request(&at, "PutLogEvents", &packed);
    good.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    Signer::new("logs", NOW).sign(&mut good);
    assert_eq!(send(good).await.unwrap().status, 200);
    let totals = at.control.receipts().totals();
    assert_eq!((totals.records, totals.wire_bytes, totals.plain_bytes), (100, packed.len() as u64, plain.len() as u64));

    for (body, encoding) in [(&packed[..packed.len() - 9], "gzip"), (plain.as_bytes(), "gzip"), (&packed[..], "br")] {
        let mut bad = request(&at, "PutLogEvents", body);
        bad.headers_mut().insert("content-encoding", encoding.parse().unwrap());
        Signer::new("logs", NOW).sign(&mut bad);
        assert_eq!(code(&send(bad).await.unwrap()), "400 SerializationException", "{encoding}");
    }
    assert_eq!(at.control.receipts().totals().records, 100);
}

#[tokio::test]
async fn every_limit_of_a_batch_is_refused_and_its_last_good_value_is_not() {
    let at = with_stream().await;
    let one = |len: usize| vec![(NOW_MS, "x".repeat(len))];
    let two = |a: i64, b: i64| vec![(a, "a".to_owned()), (b, "b".to_owned())];
    let halves = |n: usize| vec![(NOW_MS, "x".repeat(500_000)), (NOW_MS, "x".repeat(n - 500_000 - 52))];
    let good = [
        ("10,000 events", short(10_000, NOW_MS)),
        ("1,048,576 bytes", halves(1_048_576)),
        ("a message of 1 MB", one(1_000_000)),
        ("24 hours", two(NOW_MS - DAY, NOW_MS)),
        ("equal times", two(NOW_MS, NOW_MS)),
    ];
    for (name, events) in good {
        let reply = call(&at, "PutLogEvents", &put(&events)).await;
        assert_eq!((reply.status, reply.json()), (200, json!({})), "{name}");
    }
    let before = at.control.receipts().totals();
    let bad = [
        ("no events", vec![], "1 to 10000"),
        ("10,001 events", short(10_001, NOW_MS), "1 to 10000"),
        ("1,048,577 bytes", halves(1_048_577), "Upload too large"),
        (
            "26 bytes an event are counted",
            short(1_000, NOW_MS).into_iter().map(|(t, _)| (t, "x".repeat(1_023))).collect(),
            "too large",
        ),
        ("a message of more than 1 MB", one(1_000_001), "Log event too large"),
        ("more than 24 hours", two(NOW_MS - DAY - 1, NOW_MS), "24 hours"),
        ("out of order", two(NOW_MS, NOW_MS - 1), "chronological"),
        ("an empty message", vec![(NOW_MS, String::new())], "message"),
        ("before 1970", vec![(-1, "x".into())], "timestamp"),
    ];
    for (name, events, word) in bad {
        let reply = call(&at, "PutLogEvents", &put(&events)).await;
        assert_eq!(code(&reply), "400 InvalidParameterException", "{name}");
        assert!(reply.text().contains(word), "{name}: {}", reply.text());
    }
    assert_eq!(at.control.receipts().totals(), before);
}

#[tokio::test]
async fn events_out_of_the_window_are_left_out_with_the_documented_indexes() {
    let at = with_stream().await;
    let old = NOW_MS - 14 * DAY;
    let new = NOW_MS + 2 * HOUR;
    let events =
        |times: &[i64]| put(&times.iter().enumerate().map(|(i, t)| (*t, format!("tr={i:016x}"))).collect::<Vec<_>>());
    let cases = [
        (vec![old - 2, old - 1, NOW_MS], json!({"tooOldLogEventEndIndex": 2}), 1),
        (vec![NOW_MS, new, new + 1, new + 2], json!({"tooNewLogEventStartIndex": 2}), 2),
        (vec![old - 1, NOW_MS, new + 1], json!({"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}), 1),
        (vec![old - 1], json!({"tooOldLogEventEndIndex": 1}), 0),
        (vec![old], Value::Null, 1),
    ];
    for (times, rejected, stored) in cases {
        let before = at.control.receipts().totals().records;
        let reply = call(&at, "PutLogEvents", &events(&times)).await;
        assert_eq!(reply.json()["rejectedLogEventsInfo"], rejected, "{times:?}");
        assert_eq!(at.control.receipts().totals().records - before, stored, "{times:?}");
    }

    let days = call(&at, "PutRetentionPolicy", &json!({"logGroupName": "/app", "retentionInDays": 3})).await;
    assert_eq!(days.status, 200);
    let times = [old - 1, NOW_MS - 3 * DAY - 1, NOW_MS - 3 * DAY, NOW_MS - 2 * DAY - 1];
    let reply = call(&at, "PutLogEvents", &events(&times)).await;
    let want = json!({"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2});
    assert_eq!(reply.json()["rejectedLogEventsInfo"], want);
}

#[tokio::test]
async fn groups_and_streams_must_be_made_and_only_once() {
    let at = service(options());
    let stream = json!({"logGroupName": "/new", "logStreamName": "s"});
    let missing = "400 ResourceNotFoundException";
    let there = "400 ResourceAlreadyExistsException";
    let event =
        json!({"logGroupName": "/new", "logStreamName": "s", "logEvents": [{"timestamp": NOW_MS, "message": "x"}]});
    let steps = [
        ("PutLogEvents", &event, missing),
        ("CreateLogStream", &stream, missing),
        ("PutRetentionPolicy", &json!({"logGroupName": "/new", "retentionInDays": 30}), missing),
        ("CreateLogGroup", &json!({"logGroupName": "/new"}), "200 "),
        ("CreateLogGroup", &json!({"logGroupName": "/new"}), there),
        ("PutLogEvents", &event, missing),
        ("CreateLogStream", &stream, "200 "),
        ("CreateLogStream", &stream, there),
        ("PutLogEvents", &event, "200 "),
        ("PutRetentionPolicy", &json!({"logGroupName": "/new", "retentionInDays": 30}), "200 "),
    ];
    for (operation, body, want) in steps {
        let reply = call(&at, operation, body).await;
        let got = if reply.status == 200 { "200 ".to_owned() } else { code(&reply) };
        assert_eq!(got, want, "{operation} {}", reply.text());
    }
    assert_eq!(at.control.cloudwatch().unwrap().groups()["/new"].retention, Some(30));
    let described = call(&at, "DescribeLogStreams", &json!({"logGroupName": "/new"})).await.json();
    assert_eq!(described["logStreams"][0]["logStreamName"], "s");
}

#[tokio::test]
async fn names_and_values_out_of_their_alphabet_are_refused() {
    let at = service(options());
    let group = |name: &str| ("CreateLogGroup", json!({"logGroupName": name}));
    let stream = |name: &str| ("CreateLogStream", json!({"logGroupName": "/app", "logStreamName": name}));
    let bad = [
        group(""),
        group(&"g".repeat(513)),
        group("a b"),
        group("a:b"),
        group("gr\u{fc}n"),
        group("aws/mine"),
        stream(""),
        stream("a:b"),
        stream("a*b"),
        stream(&"s".repeat(513)),
        ("CreateLogGroup", json!({"logGroupName": "c", "logGroupClass": "CHEAP"})),
        ("CreateLogGroup", json!({"logGroupName": "k", "kmsKeyId": "key"})),
        ("PutRetentionPolicy", json!({"logGroupName": "/app", "retentionInDays": 8})),
        ("PutRetentionPolicy", json!({"logGroupName": "/app"})),
        ("CreateLogGroup", json!({})),
    ];
    for (operation, body) in bad {
        assert_eq!(code(&call(&at, operation, &body).await), "400 InvalidParameterException", "{body}");
    }
    let good = [
        group(&"g".repeat(512)),
        group("/aws/eks/a-b_c.d#1"),
        stream(&"\u{fc}".repeat(512)),
        stream("a/b [c] $d"),
        ("CreateLogGroup", json!({"logGroupName": "c", "logGroupClass": "INFREQUENT_ACCESS"})),
    ];
    for (operation, body) in good {
        assert_eq!(call(&at, operation, &body).await.status, 200, "{body}");
    }
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be_are_refused() {
    let at = with_stream().await;
    for body in [
        "{",
        "[]",
        r#"{"logEvents":[{"timestamp":1.5,"message":"x"}]}"#,
        r#"{"logEvents":[{"timestamp":"1","message":"x"}]}"#,
        r#"{"logEvents":[{"timestamp":1,"message":2}]}"#,
    ] {
        let mut bad = request(&at, "PutLogEvents", body.as_bytes());
        Signer::new("logs", NOW).sign(&mut bad);
        assert_eq!(code(&send(bad).await.unwrap()), "400 SerializationException", "{body}");
    }
    let mut not_utf8 = request(&at, "PutLogEvents", b"{\"logGroupName\":\"\xff\"}");
    Signer::new("logs", NOW).sign(&mut not_utf8);
    assert_eq!(code(&send(not_utf8).await.unwrap()), "400 SerializationException");
    let mut unknown = request(&at, "DeleteLogGroup", b"{}");
    Signer::new("logs", NOW).sign(&mut unknown);
    assert_eq!(code(&send(unknown).await.unwrap()), "400 UnknownOperationException");
}

#[tokio::test]
async fn a_signature_that_is_not_right_is_refused_with_the_services_code() {
    let at = with_stream().await;
    let body = put(&short(1, NOW_MS)).to_string();
    let right = Signer::new("logs", NOW);
    let other_secret = Keys { secret: "another".into(), ..Keys::demo() };
    let other_key = Keys { access: "AKIDNOBODY".into(), ..Keys::demo() };
    let with_token = Keys { token: Some("t".into()), ..Keys::demo() };
    let cases = [
        ("secret", Signer { keys: other_secret, ..right.clone() }, "400 InvalidSignatureException"),
        ("key", Signer { keys: other_key, ..right.clone() }, "400 UnrecognizedClientException"),
        ("token", Signer { keys: with_token, ..right.clone() }, "400 UnrecognizedClientException"),
        ("6 minutes late", Signer { now: NOW - 360, ..right.clone() }, "400 InvalidSignatureException"),
        ("6 minutes early", Signer { now: NOW + 360, ..right.clone() }, "400 InvalidSignatureException"),
        ("region", Signer { region: "eu-west-1".into(), ..right.clone() }, "400 InvalidSignatureException"),
        ("service", Signer { service: "es".into(), ..right.clone() }, "400 InvalidSignatureException"),
        ("4 minutes late", Signer { now: NOW - 240, ..right.clone() }, "200 "),
    ];
    for (name, signer, want) in cases {
        let mut signed = request(&at, "PutLogEvents", body.as_bytes());
        signer.sign(&mut signed);
        assert_eq!(code(&send(signed).await.unwrap()), want, "{name}");
    }
    let none = send(request(&at, "PutLogEvents", body.as_bytes())).await.unwrap();
    assert_eq!(code(&none), "400 MissingAuthenticationTokenException");

    let mut tampered = request(&at, "PutLogEvents", body.as_bytes());
    right.sign(&mut tampered);
    tampered.body_mut().push(b' ');
    assert_eq!(code(&send(tampered).await.unwrap()), "400 InvalidSignatureException");

    let mut unsigned_header = request(&at, "PutLogEvents", body.as_bytes());
    right.sign(&mut unsigned_header);
    unsigned_header.headers_mut().insert("x-amz-meta-late", "x".parse().unwrap());
    assert_eq!(code(&send(unsigned_header).await.unwrap()), "400 InvalidSignatureException");

    let mut garbage = request(&at, "PutLogEvents", body.as_bytes());
    garbage.headers_mut().insert("authorization", "AWS4-HMAC-SHA256 Credential=x".parse().unwrap());
    assert_eq!(code(&send(garbage).await.unwrap()), "400 IncompleteSignatureException");
}

#[tokio::test]
async fn a_session_token_has_to_come_along_and_to_be_signed() {
    let keys = Keys { token: Some("session".into()), ..Keys::demo() };
    let at = service(Options { keys: Some(keys.clone()), ..options() });
    let mut good = request(&at, "DescribeLogGroups", b"{}");
    Signer { keys, ..Signer::new("logs", NOW) }.sign(&mut good);
    let reply = send(good).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let mut without = request(&at, "DescribeLogGroups", b"{}");
    Signer::new("logs", NOW).sign(&mut without);
    assert_eq!(code(&send(without).await.unwrap()), "400 UnrecognizedClientException");
}

#[tokio::test]
async fn counting_only_counts_the_same_without_looking() {
    let at = service(Options { count_only: true, keys: None, ..options() });
    let mut events = short(50, NOW_MS);
    events.push((NOW_MS, r#"a "timestamp": in {"timestamp":1} text"#.into()));
    let body = put(&events).to_string();
    let reply = send(request(&at, "PutLogEvents", body.as_bytes())).await.unwrap();
    assert_eq!(reply.status, 200);
    let totals = at.control.receipts().totals();
    assert_eq!((totals.records, totals.wire_bytes, at.control.receipts().distinct()), (51, body.len() as u64, 0));
}
