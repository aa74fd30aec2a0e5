//! Against a real node, when there is one: `TAILRACE_TEST_OPENSEARCH=http://127.0.0.1:9200 cargo test --lib
//! opensearch::service::real -- --ignored`. The node is written to: indices `real-*` come into being.

use super::*;
use crate::body::chunks::Pool;
use crate::config::checked::OpenSearch;
use crate::config::template::Template;
use crate::lane::batch::{ItemVerdict, Ticket};
use crate::lane::format::{Encoded, Format};
use crate::output::fixtures::{NOON, now, origin, record};
use crate::output::opensearch::format::OpenSearchFormat;

struct Node {
    http: Http,
    url: String,
}

impl Node {
    fn new() -> Node {
        let url = std::env::var("TAILRACE_TEST_OPENSEARCH").expect("TAILRACE_TEST_OPENSEARCH=http://host:port");
        Node { http: Http::new(None).expect("a client"), url }
    }
    /// Asks the node for something, as its administrator.
    async fn ask(&self, method: Method, path: &str, body: &'static str) -> String {
        let request = http::Request::builder().method(method).uri(format!("{}/{path}", self.url));
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let request = request.body(vec![bytes::Bytes::from_static(body.as_bytes())]).expect("a request");
        let answer = self.http.send(request, Duration::from_secs(30)).await.expect("an answer");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status < 300, "{path}: {text}");
        text
    }
    /// Two records, of which the second has this merged in.
    async fn write(&self, index: &str, from: u64, processed: Option<&str>) -> Verdict {
        let index = Template::parse(index).expect("a template");
        let config = OpenSearch { url: self.url.clone(), index, auth: checked::Auth::None, derived_id: true };
        let service = OpenSearchService::new(&config, self.http.clone()).expect("a service");
        let mut format = OpenSearchFormat::new(&config, Pool::new(8 << 20));
        let origin = origin("shop");
        let any_bytes: Vec<u8> = (0..=255).collect();
        let first = record(from, NOON, &any_bytes);
        let mut second = record(from + 1000, NOON, b"second");
        second.processed = processed.map(str::as_bytes);
        for it in [first, second] {
            assert_eq!(format.encode(now(), &origin, &it), Encoded::Taken { items: 1 });
        }
        let target = format.target(&format.key(&origin), NOON);
        let finished = format.finish();
        let items = finished.items;
        service.attempt(&Batch { ticket: Ticket(1), target, job: Job::Send, bodies: finished.bodies, items }).await
    }
}

#[tokio::test]
#[ignore = "needs a real OpenSearch node without security: TAILRACE_TEST_OPENSEARCH"]
async fn a_real_node_takes_documents_once_and_rejects_the_bad_ones() {
    let node = Node::new();
    let index = format!("real-{}-%Y.%m.%d", std::process::id());
    assert_eq!(node.write(&index, 0, Some("{\n\"n\":1}")).await, Verdict::Delivered { already: 0 });
    assert_eq!(node.write(&index, 0, None).await, Verdict::Delivered { already: 2 });
    assert_eq!(node.write(&index, 1000, None).await, Verdict::Delivered { already: 0 }, "another span, another id");
    let many: Vec<String> = (0..1_100).map(|n| format!("\"f{n}\":1")).collect();
    let many = format!("{{{}}}", many.join(","));
    for (n, bad) in ["{\"n\":{\"deep\":1}}", "{\"d\":1,\"d\":2}", "{broken", &many].into_iter().enumerate() {
        let verdict = node.write(&index, 10_000 * (n as u64 + 1), Some(bad)).await;
        let rejected =
            matches!(&verdict, Verdict::Items(items) if matches!(items[..], [(1, ItemVerdict::Reject { .. })]));
        assert!(rejected, "{bad:.20}: {verdict:?}");
    }
    let place = index.replace("%Y.%m.%d", "2026.11.22");
    node.ask(Method::POST, &format!("{place}/_refresh"), "").await;
    let count = node.ask(Method::GET, &format!("{place}/_count?filter_path=count"), "").await;
    assert_eq!(count, "{\"count\":8}");
}

#[tokio::test]
#[ignore = "needs a real OpenSearch node without security: TAILRACE_TEST_OPENSEARCH"]
async fn a_real_node_is_held_for_what_is_its_own() {
    let node = Node::new();
    let id = std::process::id();
    let name = |what: &str| format!("real-{what}-{id}");
    node.ask(Method::PUT, &name("closed"), "").await;
    node.ask(Method::POST, &format!("{}/_close", name("closed")), "").await;
    node.ask(Method::PUT, &name("blocked"), r#"{"settings":{"index.blocks.write":true}}"#).await;
    node.ask(Method::PUT, &name("flood"), r#"{"settings":{"index.blocks.read_only_allow_delete":true}}"#).await;
    node.ask(Method::PUT, &name("strict"), r#"{"mappings":{"dynamic":"strict"}}"#).await;
    node.ask(Method::PUT, &name("pipe"), r#"{"settings":{"index.default_pipeline":"real-missing"}}"#).await;
    for (what, code) in [
        ("closed", "index_closed_exception"),
        ("blocked", "cluster_block_exception"),
        ("flood", "cluster_block_exception"),
        ("strict", "strict_dynamic_mapping_exception"),
        ("pipe", "illegal_argument_exception"),
    ] {
        let verdict = node.write(&name(what), 0, None).await;
        assert!(matches!(&verdict, Verdict::Hold { code: it, .. } if it.as_str() == code), "{what}: {verdict:?}");
    }
    node.ask(Method::PUT, "_index_template/real-stream", r#"{"index_patterns":["real-stream-*"],"data_stream":{}}"#)
        .await;
    assert_eq!(node.write(&name("stream"), 0, None).await, Verdict::Delivered { already: 0 });
    assert_eq!(node.write(&name("stream"), 0, None).await, Verdict::Delivered { already: 2 });
}
