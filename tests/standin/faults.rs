use crate::support::client::{Reply, send};
use crate::{options, start};
use serde_json::{Value, json};
use std::time::Duration;
use tailrace::standin::{Fault, Options, Rule, Standin, Which, cloudwatch, opensearch, s3};

fn store() -> Standin {
    start(Which::S3(s3::Options::default()), Options { keys: None, ..options() })
}

fn put(at: &Standin, path: &str) -> http::Request<Vec<u8>> {
    let body = b"{\"log\":\"tr=0000000000000001\"}\n".to_vec();
    http::Request::put(format!("{}/logs/{path}", at.url)).body(body).unwrap()
}

async fn outcome(at: &Standin, path: &str) -> Result<u16, String> {
    send(put(at, path)).await.map(|r| r.status)
}

fn throttled() -> Fault {
    Fault::Status { code: 503, error: "SlowDown".into(), retry_after: Some(2) }
}

#[tokio::test]
async fn a_fault_hits_so_many_times_and_then_no_more() {
    let at = store();
    at.control.fault(Rule::times(2, throttled()));
    let first = send(put(&at, "a")).await.unwrap();
    assert_eq!((first.status, first.element("Code").as_str(), first.header("retry-after")), (503, "SlowDown", "2"));
    assert_eq!(outcome(&at, "a").await, Ok(503));
    assert_eq!(outcome(&at, "a").await, Ok(200));
    assert_eq!((at.control.requests_of("PutObject", "503"), at.control.requests_of("PutObject", "200")), (2, 1));
    assert_eq!(at.control.faults()[0].2, 2);
}

#[tokio::test]
async fn a_fault_stays_until_it_is_cleared_and_hits_only_its_place_and_operation() {
    let at = store();
    let denied = at.control.fault(Rule::always(Fault::Deny).at("prod/"));
    at.control.fault(Rule::always(throttled()).on("UploadPart"));
    for _ in 0..3 {
        assert_eq!(outcome(&at, "prod/x").await, Ok(403));
        assert_eq!(outcome(&at, "dev/x").await, Ok(200));
    }
    assert!(at.control.remove_fault(denied) && !at.control.remove_fault(denied));
    assert_eq!(outcome(&at, "prod/x").await, Ok(200));
}

#[tokio::test]
async fn a_chance_is_drawn_from_its_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let at = store();
        at.control.fault(Rule::chance(0.5, 7, throttled()));
        let mut run = Vec::new();
        for i in 0..40 {
            run.push(outcome(&at, &i.to_string()).await.unwrap());
        }
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    let failed = runs[0].iter().filter(|s| **s == 503).count();
    assert!((5..35).contains(&failed), "{failed}");
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_work_done_or_not_as_told() {
    let cases = [
        (Fault::ResetBeforeBody, "reset", 0),
        (Fault::ResetAfterBody { done: false }, "reset", 0),
        (Fault::ResetAfterBody { done: true }, "reset", 1),
        (Fault::LoseAnswer, "lost", 1),
    ];
    for (fault, word, stored) in cases {
        let at = store();
        at.control.fault(Rule::times(1, fault.clone()));
        assert!(outcome(&at, "x").await.is_err(), "{fault:?}");
        assert_eq!(at.control.receipts().count(1), stored, "{fault:?}");
        assert_eq!(at.control.requests_of("PutObject", word), 1, "{fault:?}");
        assert_eq!(outcome(&at, "y").await, Ok(200));
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_on_the_wire() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for fault in [Fault::ResetBeforeBody, Fault::ResetAfterBody { done: false }] {
        let at = store();
        at.control.fault(Rule::always(fault));
        let mut stream = tokio::net::TcpStream::connect(at.addr).await.unwrap();
        stream.write_all(b"PUT /logs/x HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n{}\n").await.unwrap();
        let error = stream.read(&mut [0; 10]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn hanging_never_answers_and_slowness_only_delays() {
    let at = store();
    at.control.fault(Rule::times(1, Fault::Hang { done: true }));
    let waiting = tokio::spawn(send(put(&at, "x")));
    while at.control.requests_of("PutObject", "hang") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished() && at.control.receipts().count(1) == 1);
    waiting.abort();
    at.control.fault(Rule::times(1, Fault::Slow { millis: 60 }));
    let begun = tokio::time::Instant::now();
    assert_eq!(outcome(&at, "y").await, Ok(200));
    assert!(begun.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_hanging_request_costs_nothing_once_its_client_is_gone() {
    use tokio::io::AsyncWriteExt;
    let at = store();
    at.control.fault(Rule::always(Fault::Hang { done: false }));
    let (mut client, server) = tokio::io::duplex(4_096);
    let control = at.control.clone();
    let served = tokio::spawn(async move { control.serve(server).await });
    client.write_all(b"PUT /logs/x HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n{}\n").await.unwrap();
    while at.control.requests_of("PutObject", "hang") == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!served.is_finished());
    drop(client);
    tokio::time::timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
}

#[tokio::test]
async fn sizes_and_errors_in_a_200_are_injected() {
    let at = store();
    at.control.fault(Rule::always(Fault::TooLarge { limit: 20 }));
    assert_eq!(outcome(&at, "x").await, Ok(400));
    at.control.clear_faults();
    at.control.fault(Rule::times(1, Fault::ErrorInOk { error: "InternalError".into() }));
    let reply = send(put(&at, "x")).await.unwrap();
    assert_eq!((reply.status, reply.element("Code").as_str()), (200, "InternalError"));
    assert_eq!(at.control.receipts().totals().objects, 0);
}

async fn bulk(at: &Standin, from: usize, n: usize) -> Reply {
    let line = |i: usize| {
        let field = if i.is_multiple_of(2) { "even" } else { "odd" };
        format!("{{\"create\":{{\"_index\":\"logs\",\"_id\":\"{i}\"}}}}\n{{\"log\":\"tr={i:016x}\",\"{field}\":1}}\n")
    };
    let body: String = (from..from + n).map(line).collect();
    let request = http::Request::post(format!("{}/_bulk", at.url)).header("content-type", "application/x-ndjson");
    send(request.body(body.into_bytes()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn some_items_fail_and_the_others_are_taken_in() {
    let at = start(Which::OpenSearch(opensearch::Options::default()), options());
    let partial = |fraction, field: Option<&str>| Fault::PartialItems {
        fraction,
        status: 429,
        error: "rejected_execution_exception".into(),
        field: field.map(str::to_owned),
    };
    at.control.fault(Rule::times(1, partial(1.0, Some("even"))));
    let reply = bulk(&at, 0, 10).await.json();
    let status = |v: &Value| v["create"]["status"].as_u64().unwrap();
    let got: Vec<u64> = reply["items"].as_array().unwrap().iter().map(status).collect();
    assert_eq!(got, [429, 201].repeat(5));
    assert_eq!((at.control.receipts().distinct(), at.control.receipts().totals().refused_items), (5, 5));
    at.control.fault(Rule::times(1, partial(0.3, None)));
    bulk(&at, 100, 1_000).await;
    let taken = at.control.receipts().distinct() - 5;
    assert!((600..800).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_place_is_found_in_the_body_where_the_path_does_not_tell() {
    let at = start(Which::OpenSearch(opensearch::Options::default()), options());
    at.control.fault(Rule::always(Fault::Deny).at("lo"));
    let denied = bulk(&at, 0, 1).await;
    let item = denied.json()["items"][0]["create"].clone();
    assert_eq!((denied.status, item["status"].as_u64()), (200, Some(403)));
    assert_eq!((item["error"]["type"].as_str(), at.control.receipts().distinct()), (Some("security_exception"), 0));
    at.control.clear_faults();
    at.control.fault(Rule::always(Fault::Deny).at("other"));
    assert_eq!(bulk(&at, 0, 1).await.json()["errors"], false);

    let at = start(Which::CloudWatch(cloudwatch::Options::default()), Options { keys: None, ..options() });
    at.control.fault(Rule::always(Fault::Deny).at("/prod"));
    for (group, want) in [("/prod/a", 400), ("/dev/a", 200)] {
        let request = http::Request::post(format!("{}/", at.url))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "Logs_20140328.CreateLogGroup")
            .body(json!({"logGroupName": group}).to_string().into_bytes())
            .unwrap();
        let reply = send(request).await.unwrap();
        assert_eq!(reply.status, want, "{}", reply.text());
    }
}

async fn page(at: &Standin, verb: &str, page: &str, body: &str) -> Reply {
    let request = http::Request::builder().method(verb).uri(format!("{}/_standin/{page}", at.url));
    send(request.body(body.as_bytes().to_vec()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn faults_and_counters_are_there_over_http() {
    let at = store();
    let rules = r#"[{"fault":"status","code":503,"error":"SlowDown","times":1},
        {"fault":"reset_after_body","done":true,"operation":"PutObject","place":"p/"},
        {"fault":"slow","millis":1,"chance":0.5,"seed":3}, {"fault":"hang","times":0}]"#;
    assert_eq!(page(&at, "POST", "faults", rules).await.json(), json!([1, 2, 3, 4]));
    assert_eq!(page(&at, "POST", "faults", r#"{"fault":"lose_answer","times":0}"#).await.json(), json!([5]));
    assert_eq!(outcome(&at, "x").await, Ok(503));
    assert!(outcome(&at, "p/x").await.is_err());
    let set = page(&at, "GET", "faults", "").await.json();
    assert_eq!((set[0]["hits"].clone(), set[1]["fault"].clone()), (json!(1), json!("reset_after_body")));
    let requests = page(&at, "GET", "requests", "").await.json();
    assert_eq!(requests["counts"], json!({"PutObject 503": 1, "PutObject reset": 1}));
    assert_eq!(requests["recent"][1]["place"], "p/x");
    let receipts = page(&at, "GET", "receipts", "").await.json();
    assert_eq!((receipts["totals"]["records"].clone(), receipts["distinct_ids"].clone()), (json!(1), json!(1)));
    assert_eq!(page(&at, "DELETE", "faults", "").await.status, 200);
    assert_eq!(outcome(&at, "x").await, Ok(200));
    for wrong in ["", "{}", r#"{"fault":"unknown"}"#, r#"{"fault":"hang","tiems":1}"#] {
        assert_eq!(page(&at, "POST", "faults", wrong).await.status, 400, "{wrong}");
    }
    assert_eq!(page(&at, "GET", "nothing", "").await.status, 404);
}

#[tokio::test]
async fn dropping_a_stand_in_closes_its_port() {
    let at = store();
    let url = at.url.clone();
    assert_eq!(outcome(&at, "x").await, Ok(200));
    drop(at);
    let gone = async {
        while send(http::Request::get(&url).body(Vec::new()).unwrap()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
}
