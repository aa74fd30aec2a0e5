use crate::support::client::{Reply, Signer, gzip, send};
use crate::{NOW, options, start};
use serde_json::{Value, json};
use tailrace::standin::opensearch::{Auth, Options as Own};
use tailrace::standin::{Keys, Options, Standin, Which};

fn service(own: Own) -> Standin {
    start(Which::OpenSearch(own), options())
}

fn request(at: &Standin, verb: &str, path: &str, body: &[u8]) -> http::Request<Vec<u8>> {
    let builder = http::Request::builder().method(verb).uri(format!("{}{path}", at.url));
    builder.header("content-type", "application/x-ndjson").body(body.to_vec()).unwrap()
}

async fn bulk(at: &Standin, path: &str, body: &str) -> Reply {
    send(request(at, "POST", path, body.as_bytes())).await.unwrap()
}

fn create(id: &str, document: &str) -> String {
    format!("{{\"create\":{{\"_index\":\"logs\",\"_id\":\"{id}\"}}}}\n{document}\n")
}

/// Status and error type of every item.
fn items(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let one = |item: &Value| {
        let inner = item.as_object().unwrap().values().next().unwrap();
        let kind = inner["error"]["type"].as_str().unwrap_or("");
        format!("{} {kind}", inner["status"]).trim().to_owned()
    };
    body["items"].as_array().unwrap_or_else(|| panic!("{body}")).iter().map(one).collect()
}

fn whole(reply: &Reply) -> String {
    format!("{} {}", reply.status, reply.json()["error"]["type"].as_str().unwrap_or("?"))
}

#[tokio::test]
async fn a_second_create_is_a_conflict_and_the_first_stands() {
    let at = service(Own::default());
    let body: String = (0..3).map(|i| create(&format!("id{i}"), &format!("{{\"log\":\"tr={i:016x}\"}}"))).collect();
    let first = bulk(&at, "/_bulk", &body).await;
    assert_eq!((first.json()["errors"].clone(), items(&first)), (json!(false), vec!["201".to_owned(); 3]));
    let more = body + &create("id3", "{\"log\":\"tr=0000000000000003\"}");
    let second = bulk(&at, "/_bulk", &more).await;
    let conflict = "409 version_conflict_engine_exception";
    assert_eq!(
        (second.json()["errors"].clone(), items(&second)),
        (json!(true), vec![conflict.to_owned(), conflict.into(), conflict.into(), "201".into()])
    );
    let receipts = at.control.receipts();
    let totals = receipts.totals();
    assert_eq!((totals.records, totals.already, receipts.distinct(), receipts.count(0)), (4, 3, 4, 1));
    assert_eq!(at.control.opensearch().unwrap().counts()["logs"], 4);
    assert_eq!(send(request(&at, "GET", "/logs/_count", b"")).await.unwrap().json()["count"], 4);
    let found = send(request(&at, "GET", "/lo*/_search?size=1", b"")).await.unwrap().json();
    assert_eq!(found["hits"]["hits"][0]["_id"], "id3");
    assert_eq!(send(request(&at, "GET", "/none/_count", b"")).await.unwrap().status, 404);
}

#[tokio::test]
async fn documents_without_an_id_are_always_new_and_index_replaces() {
    let at = service(Own::default());
    let body = "{\"create\":{}}\n{\"a\":1}\n{\"index\":{\"_id\":\"x\"}}\n{\"a\":2}\n";
    for want in [["201", "201"], ["201", "200"]] {
        assert_eq!(items(&bulk(&at, "/logs/_bulk", body).await), want);
    }
    let totals = at.control.receipts().totals();
    assert_eq!((totals.records, totals.replaced), (3, 1));
}

#[tokio::test]
async fn only_the_filtered_members_come_back() {
    let at = service(Own::default());
    let body = create("a", "{\"n\":1}") + &create("b", "{\"n\":\"word\"}");
    let path = "/_bulk?filter_path=errors,items.*.status,items.*.error";
    let reply = bulk(&at, path, &body).await.json();
    assert_eq!(reply["items"][0], json!({"create": {"status": 201}}));
    assert_eq!(reply["items"][1]["create"]["error"]["type"], "mapper_parsing_exception");
    assert!(reply.get("took").is_none() && reply["items"][1]["create"].get("_id").is_none());
    let none = bulk(&at, "/_bulk?filter_path=nothing", &body).await.json();
    assert_eq!(none, json!({}));
    let deep = bulk(&at, "/_bulk?filter_path=**.sta*", &body).await.json();
    assert_eq!(deep["items"][0], json!({"create": {"status": 409}}));
}

#[tokio::test]
async fn a_body_that_is_not_a_bulk_is_refused_whole() {
    let at = service(Own::default());
    let long = "i".repeat(513);
    let cases = [
        ("no final newline", "{\"create\":{\"_index\":\"a\"}}\n{}".to_owned(), "400 illegal_argument_exception"),
        ("empty", String::new(), "400 parse_exception"),
        ("only a newline", "\n".into(), "400 action_request_validation_exception"),
        ("no index", "{\"create\":{}}\n{}\n".into(), "400 action_request_validation_exception"),
        ("no document", "{\"create\":{\"_index\":\"a\"}}\n".into(), "400 action_request_validation_exception"),
        ("long id", create(&long, "{}"), "400 action_request_validation_exception"),
        ("empty id", create("", "{}"), "400 illegal_argument_exception"),
        ("unknown action", "{\"upsert\":{\"_index\":\"a\"}}\n{}\n".into(), "400 illegal_argument_exception"),
        (
            "unknown parameter",
            "{\"create\":{\"_index\":\"a\",\"_type\":\"x\"}}\n{}\n".into(),
            "400 illegal_argument_exception",
        ),
        ("two actions", "{\"create\":{\"_index\":\"a\"},\"index\":{}}\n{}\n".into(), "400 illegal_argument_exception"),
        ("not JSON", "create\n{}\n".into(), "400 illegal_argument_exception"),
    ];
    for (name, body, want) in cases {
        assert_eq!(whole(&bulk(&at, "/_bulk", &body).await), want, "{name}");
    }
    let mut text = request(&at, "POST", "/_bulk", create("x", "{}").as_bytes());
    text.headers_mut().insert("content-type", "text/plain".parse().unwrap());
    assert_eq!(send(text).await.unwrap().status, 406);
    assert_eq!(send(request(&at, "DELETE", "/_bulk", b"")).await.unwrap().status, 405);
    assert_eq!(at.control.receipts().totals().records, 0);
}

#[tokio::test]
async fn an_item_that_is_wrong_fails_alone() {
    let at = service(Own { max_fields: 12, ..Own::default() });
    let index = |name: &str| format!("{{\"create\":{{\"_index\":{name:?}}}}}\n{{\"a\":1}}\n");
    let mapper = "400 mapper_parsing_exception";
    let name = "400 invalid_index_name_exception";
    let cases = [
        (create("1", r#"{"n":1,"o":{"p":"x"},"d":"2026-11-22","b":true}"#), "201"),
        (create("2", r#"{"n":"7","o":{"p":5},"d":1795341600000,"b":"false"}"#), "201"),
        (create("3", r#"{"n":"word"}"#), mapper),
        (create("4", r#"{"o":"scalar"}"#), mapper),
        (create("5", r#"{"o.p.q":1}"#), mapper),
        (create("6", r#"{"d":"yesterday"}"#), mapper),
        (create("7", r#"{"b":1}"#), mapper),
        (create("8", r#"{"x":1,"x":2}"#), mapper),
        (create("9", "not json"), mapper),
        (create("10", "[]"), mapper),
        (create("11", r#"{"f1":1,"f2":1,"f3":1,"f4":1,"f5":1,"f6":1,"f7":1}"#), "400 illegal_argument_exception"),
        (create("12", r#"{"n":null,"o":{},"d":[]}"#), "201"),
        (index("Logs"), name),
        (index("-logs"), name),
        (index("lo gs"), name),
        (index("a,b"), name),
        (index(&"l".repeat(256)), name),
        (index("logs-2026.11.22"), "201"),
    ];
    for (number, (body, want)) in cases.iter().enumerate() {
        let around = create(&format!("{number} before"), "{}") + body + &create(&format!("{number} after"), "{}");
        assert_eq!(items(&bulk(&at, "/_bulk", &around).await), ["201", want, "201"], "{body}");
    }
}

#[tokio::test]
async fn labels_with_dots_conflict_as_they_do_in_a_real_index() {
    let at = service(Own::default());
    let labels = |text: &str| format!("{{\"kubernetes\":{{\"labels\":{text}}}}}");
    let body = create("1", &labels(r#"{"app":"x"}"#)) + &create("2", &labels(r#"{"app.kubernetes.io/name":"y"}"#));
    assert_eq!(items(&bulk(&at, "/_bulk", &body).await), ["201", "400 mapper_parsing_exception"]);
}

#[tokio::test]
async fn encodings_and_sizes_have_their_limits() {
    let at = service(Own { max_content: 2_000, ..Own::default() });
    let mut packed = request(&at, "POST", "/_bulk", &gzip(create("1", "{}").as_bytes()));
    packed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(items(&send(packed).await.unwrap()), ["201"]);
    let large = create("2", &format!("{{\"log\":\"{}\"}}", "x".repeat(2_000)));
    assert_eq!(bulk(&at, "/_bulk", &large).await.status, 413);
    let mut bomb = request(&at, "POST", "/_bulk", &gzip(large.as_bytes()));
    bomb.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(send(bomb).await.unwrap().status, 413);
    for encoding in ["zstd", "gzip"] {
        let mut wrong = request(&at, "POST", "/_bulk", create("3", "{}").as_bytes());
        wrong.headers_mut().insert("content-encoding", encoding.parse().unwrap());
        assert_eq!(whole(&send(wrong).await.unwrap()), "400 illegal_argument_exception", "{encoding}");
    }
}

#[tokio::test]
async fn blocks_missing_indices_and_refused_ids_fail_items() {
    let at = service(Own::default());
    at.control.opensearch().unwrap().block("logs", true);
    assert_eq!(items(&bulk(&at, "/_bulk", &create("1", "{}")).await), ["403 cluster_block_exception"]);
    at.control.opensearch().unwrap().block("logs", false);
    assert_eq!(items(&bulk(&at, "/_bulk", &create("1", "{}")).await), ["201"]);

    let closed = service(Own { auto_create: false, ..Own::default() });
    assert_eq!(items(&bulk(&closed, "/_bulk", &create("1", "{}")).await), ["404 index_not_found_exception"]);
    assert_eq!(send(request(&closed, "PUT", "/logs", b"")).await.unwrap().status, 200);
    assert_eq!(items(&bulk(&closed, "/_bulk", &create("1", "{}")).await), ["201"]);

    let collection = service(Own { refuse_ids: true, ..Own::default() });
    let body = create("1", "{}") + "{\"create\":{\"_index\":\"logs\"}}\n{}\n";
    assert_eq!(items(&bulk(&collection, "/_bulk", &body).await), ["400 illegal_argument_exception", "201"]);
}

#[tokio::test]
async fn only_who_may_call_is_answered() {
    let basic = service(Own { auth: Auth::Basic { user: "agent".into(), password: "pw".into() }, ..Own::default() });
    let none = send(request(&basic, "GET", "/", b"")).await.unwrap();
    assert_eq!((none.status, none.text().as_str()), (401, "Unauthorized"));
    let mut good = request(&basic, "GET", "/", b"");
    good.headers_mut().insert("authorization", "Basic YWdlbnQ6cHc=".parse().unwrap());
    assert_eq!(send(good).await.unwrap().json()["version"]["distribution"], "opensearch");

    for service_name in ["es", "aoss"] {
        let at = service(Own { auth: Auth::Aws { service: service_name.into() }, ..Own::default() });
        let body = create("1", "{}");
        let right = Signer::new(service_name, NOW);
        let path = "/_bulk?filter_path=errors,items.*.status,items.*.error";
        for (signer, want) in [
            (right.clone(), 200),
            (Signer { keys: Keys { secret: "x".into(), ..Keys::demo() }, ..right.clone() }, 403),
            (Signer { service: "logs".into(), ..right.clone() }, 403),
            (Signer { now: NOW + 301, ..right.clone() }, 403),
            (Signer { payload_header: false, ..right.clone() }, if service_name == "aoss" { 403 } else { 200 }),
        ] {
            let mut signed = request(&at, "POST", path, body.as_bytes());
            signer.sign(&mut signed);
            let reply = send(signed).await.unwrap();
            assert_eq!(reply.status, want, "{service_name} {signer:?} {}", reply.text());
        }
        assert_eq!(send(request(&at, "POST", path, body.as_bytes())).await.unwrap().status, 403);
    }
}

#[tokio::test]
async fn counting_only_answers_as_many_items() {
    let at = start(Which::OpenSearch(Own::default()), Options { count_only: true, ..options() });
    let body: String = (0..5).map(|i| create(&i.to_string(), "{}")).collect();
    let reply = bulk(&at, "/_bulk?filter_path=errors,items.*.status,items.*.error", &body).await;
    assert_eq!((items(&reply), at.control.receipts().totals().records), (vec!["201".to_owned(); 5], 5));
}
