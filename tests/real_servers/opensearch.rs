//! A real OpenSearch node, plain HTTP.

mod agent;
mod probe;

use crate::client::{Reply, send};
use crate::material::{Line, batches, http, kind, lines, output, pool, unique, variable};
use serde_json::{Value, json};
use tailrace::config::checked::{OpenSearch, OutputKind};
use tailrace::lane::batch::{Batch, ItemVerdict, Scope, Verdict};
use tailrace::output::opensearch::format::OpenSearchFormat;
use tailrace::output::opensearch::service::OpenSearchService;

const FILE: u128 = 0x7a11;

pub fn pick(kind: &OutputKind) -> Option<&OpenSearch> {
    if let OutputKind::OpenSearch(of) = kind { Some(of) } else { None }
}

/// An index of its own, and an output that writes to it.
struct Index {
    name: String,
    service: OpenSearchService,
    format: OpenSearchFormat,
}

impl Index {
    fn new(name: &str, more: &str) -> Index {
        let name = unique(name);
        let url = variable("TAILRACE_OPENSEARCH_URL");
        let output = output(&format!("type: opensearch\nurl: {url}\nindex: {name}\nauth: {{type: none}}\n{more}"));
        let config = kind(&output, pick);
        let service = OpenSearchService::new(config, http(&output)).unwrap();
        Index { name, service, format: OpenSearchFormat::new(config, pool()) }
    }

    fn batches(&mut self, lines: &[Line]) -> Vec<Batch> {
        batches(&mut self.format, "shop", FILE, lines)
    }

    /// Sends lines that are one batch.
    async fn deliver(&mut self, lines: &[Line]) -> Verdict {
        let batches = self.batches(lines);
        let [batch] = batches.as_slice() else { panic!("{} batches", batches.len()) };
        self.service.attempt(batch).await
    }

    /// What a search finds, in order of time.
    async fn found(&self) -> Vec<Value> {
        let name = &self.name;
        ask("POST", &format!("/{name}/_refresh"), None).await;
        let query = json!({"size": 10_000, "sort": [{"@timestamp": "asc"}], "track_total_hits": true});
        let reply = ask("POST", &format!("/{name}/_search"), Some(query)).await.json();
        let hits = reply["hits"]["hits"].as_array().unwrap_or_else(|| panic!("{reply}"));
        hits.iter().map(|hit| hit["_source"].clone()).collect()
    }

    async fn count(&self) -> u64 {
        let name = &self.name;
        ask("POST", &format!("/{name}/_refresh"), None).await;
        ask("GET", &format!("/{name}/_count"), None).await.json()["count"].as_u64().unwrap()
    }
}

async fn ask(method: &str, path: &str, body: Option<Value>) -> Reply {
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{}{path}", variable("TAILRACE_OPENSEARCH_URL")))
        .header("content-type", "application/json")
        .body(body.map_or_else(Vec::new, |body| body.to_string().into_bytes()))
        .unwrap();
    let reply = send(request).await.unwrap();
    assert!(reply.status < 300, "{method} {path}: {} {}", reply.status, reply.text());
    reply
}

fn documents(lines: &[Line]) -> Vec<Value> {
    let document = |line: &Line| {
        let mut document = line.document("shop");
        document["@timestamp"] = line.time().into();
        document
    };
    lines.iter().map(document).collect()
}

fn processed(from: &Line, json: &str) -> Line {
    Line { processed: Some(json.into()), ..from.clone() }
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn what_is_delivered_is_found_word_for_word() {
    let mut index = Index::new("logs-exact", "");
    let lines = lines(500);
    assert_eq!(index.deliver(&lines).await, Verdict::Delivered { already: 0 });
    assert_eq!(index.found().await, documents(&lines));
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_batch_sent_again_is_there_already_and_makes_no_second_copy() {
    let mut index = Index::new("logs-again", "");
    let lines = lines(300);
    assert_eq!(index.deliver(&lines[..200]).await, Verdict::Delivered { already: 0 });
    assert_eq!(index.deliver(&lines[..200]).await, Verdict::Delivered { already: 200 });
    // Another cut of the same lines, as after a restart.
    assert_eq!(index.deliver(&lines[150..]).await, Verdict::Delivered { already: 50 });
    assert_eq!(index.found().await, documents(&lines));
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn without_ids_everything_is_taken_each_time() {
    let mut index = Index::new("logs-no-ids", "document_id: none");
    let lines = lines(20);
    for _ in 0..2 {
        assert_eq!(index.deliver(&lines).await, Verdict::Delivered { already: 0 });
    }
    assert_eq!(index.count().await, 40);
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn batches_as_large_as_they_get_are_taken() {
    let mut index = Index::new("logs-large", "");
    let mut all = lines(12_000);
    for line in &mut all {
        line.body = format!("{:0>600}", line.at).into_bytes();
    }
    let batches = index.batches(&all);
    assert!(batches.len() > 1);
    for batch in &batches {
        assert_eq!(index.service.attempt(batch).await, Verdict::Delivered { already: 0 });
    }
    assert_eq!(index.count().await, 12_000);
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_data_stream_takes_batches_and_knows_them_again() {
    let mut index = Index::new("stream-logs", "");
    let template = json!({"index_patterns": [format!("{}*", index.name)], "data_stream": {}, "priority": 500});
    ask("PUT", &format!("/_index_template/{}", index.name), Some(template)).await;
    let lines = lines(50);
    assert_eq!(index.deliver(&lines).await, Verdict::Delivered { already: 0 });
    assert_eq!(index.deliver(&lines).await, Verdict::Delivered { already: 50 });
    assert_eq!(index.found().await, documents(&lines));
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_mapping_conflict_is_its_own_record_s_fault() {
    let mut index = Index::new("logs-conflict", "");
    let mut lines = lines(12);
    lines[9] = processed(&lines[9], r#"{"status": 200}"#);
    assert_eq!(index.deliver(&lines[9..10]).await, Verdict::Delivered { already: 0 });
    lines[10] = processed(&lines[10], r#"{"status": {"code": 200}}"#);
    let verdict = index.deliver(&lines).await;
    let Verdict::Items(items) = &verdict else { panic!("{verdict:?}") };
    let [(9, ItemVerdict::Already), (10, ItemVerdict::Reject { code, say })] = items.as_slice() else {
        panic!("{items:?}")
    };
    assert_eq!(code.as_str(), "mapper_parsing_exception");
    assert!(say.contains("log_processed.status"), "{say}");
    lines.remove(10);
    assert_eq!(index.found().await, documents(&lines));
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn more_fields_than_an_index_may_have_are_the_record_s_fault() {
    let mut index = Index::new("logs-fields", "");
    let settings = json!({"settings": {"index.mapping.total_fields.limit": 20}});
    ask("PUT", &format!("/{}", index.name), Some(settings)).await;
    let mut lines = lines(11);
    let many: Vec<String> = (0..30).map(|i| format!("\"field{i}\": 1")).collect();
    lines[10] = processed(&lines[10], &format!("{{{}}}", many.join(",")));
    let verdict = index.deliver(&lines).await;
    let Verdict::Items(items) = &verdict else { panic!("{verdict:?}") };
    let [(10, ItemVerdict::Reject { code, say })] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!(code.as_str(), "illegal_argument_exception");
    assert!(say.contains("fields"), "{say}");
    assert_eq!(index.found().await, documents(&lines[..10]));
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_strict_mapping_without_our_fields_is_the_destination_s_fault() {
    let mut index = Index::new("logs-strict", "");
    ask("PUT", &format!("/{}", index.name), Some(json!({"mappings": {"dynamic": "strict"}}))).await;
    let verdict = index.deliver(&lines(10)).await;
    held(&verdict, "strict_dynamic_mapping_exception", "add it to the (strict) mapping");
}

/// One key is held, with this code and these words.
fn held(verdict: &Verdict, want: &str, words: &str) {
    let Verdict::Hold { code, scope, say } = verdict else { panic!("{verdict:?}") };
    assert_eq!((code.as_str(), *scope), (want, Scope::Key), "{say}");
    assert!(say.contains(words), "{say}");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn an_index_that_takes_nothing_is_held_and_goes_on_when_it_is_mended() {
    for (name, close, open, code, words) in [
        (
            "block",
            ("PUT", "_settings", Some(json!({"index.blocks.write": true}))),
            ("PUT", "_settings", Some(json!({"index.blocks.write": false}))),
            "cluster_block_exception",
            "blocked",
        ),
        (
            "full",
            ("PUT", "_settings", Some(json!({"index.blocks.read_only_allow_delete": true}))),
            ("PUT", "_settings", Some(json!({"index.blocks.read_only_allow_delete": null}))),
            "cluster_block_exception",
            "full disk",
        ),
        ("closed", ("POST", "_close", None), ("POST", "_open", None), "index_closed_exception", "open it"),
    ] {
        let mut index = Index::new(&format!("logs-{name}"), "");
        let lines = lines(30);
        let delivered = |already| Verdict::Delivered { already };
        assert_eq!(index.deliver(&lines[..10]).await, delivered(0));
        let path = |end: &str| format!("/{}/{end}", index.name);
        let (to_close, to_open) = (path(close.1), path(open.1));
        ask(close.0, &to_close, close.2).await;
        held(&index.deliver(&lines).await, code, words);
        ask(open.0, &to_open, open.2).await;
        assert_eq!(index.deliver(&lines).await, delivered(10), "{name}");
        assert_eq!(index.found().await, documents(&lines), "{name}");
    }
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_missing_index_that_may_not_be_made_is_held() {
    let rule = json!({"persistent": {"action.auto_create_index": "-unmade-*,+*"}});
    ask("PUT", "/_cluster/settings", Some(rule)).await;
    let mut index = Index::new("unmade-logs", "");
    held(&index.deliver(&lines(10)).await, "index_not_found_exception", "create it");
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_missing_pipeline_is_held() {
    let mut index = Index::new("logs-pipeline", "");
    let settings = json!({"settings": {"index.default_pipeline": "nobody-made-it"}});
    ask("PUT", &format!("/{}", index.name), Some(settings)).await;
    held(&index.deliver(&lines(10)).await, "illegal_argument_exception", "pipeline");
}
