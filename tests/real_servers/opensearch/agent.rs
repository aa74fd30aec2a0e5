//! The whole agent with a real OpenSearch node.

use super::ask;
use crate::material::{unique, variable};
use crate::whole::Node;
use serde_json::{Value, json};

/// A node whose output writes to an index of its own.
fn node(more: &str) -> (Node, String) {
    let (index, url) = (unique("logs-agent"), variable("TAILRACE_OPENSEARCH_URL"));
    (Node::new(&format!("type: opensearch\nurl: {url}\nindex: {index}\nauth: {{type: none}}\n{more}")), index)
}

/// Every document of an index.
async fn documents(index: &str) -> Vec<Value> {
    ask("POST", &format!("/{index}/_refresh"), None).await;
    let query = json!({"size": 10_000, "sort": ["_doc"]});
    let mut page = ask("POST", &format!("/{index}/_search?scroll=1m"), Some(query)).await.json();
    let mut found = Vec::new();
    while let Some(hits) = page["hits"]["hits"].as_array().filter(|hits| !hits.is_empty()) {
        found.extend(hits.iter().map(|hit| hit["_source"].clone()));
        let more = json!({"scroll": "1m", "scroll_id": page["_scroll_id"]});
        page = ask("POST", "/_search/scroll", Some(more)).await.json();
    }
    ask("DELETE", "/_search/scroll", Some(json!({"scroll_id": page["_scroll_id"]}))).await;
    found
}

/// Documents so far.
async fn count(index: &str) -> u64 {
    ask("POST", &format!("/{index}/_refresh"), None).await;
    ask("GET", &format!("/{index}/_count"), None).await.json()["count"].as_u64().unwrap()
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn every_line_arrives_once_also_when_data_dir_is_lost() {
    let (mut node, index) = node("");
    node.write(3_000);
    node.run_once().await;
    node.all_arrived_once(&documents(&index).await);
    // Ids of pod logs are derived from the logs: the same again are known.
    node.run_once().await;
    node.lose_data_dir();
    node.run_once().await;
    node.all_arrived_once(&documents(&index).await);
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_killed_run_goes_on_without_loss_or_second_copies() {
    let (mut node, index) = node("concurrency: 2");
    node.write(40_000);
    // Nobody can count in an index that is just being made.
    ask("PUT", &format!("/{index}?wait_for_active_shards=1"), None).await;
    // Each time with some more delivered, whose answers may not have been written down.
    for least in [1, 15_000, 30_000] {
        node.run_and_kill_when(async || count(&index).await >= least).await;
    }
    node.run_once().await;
    node.all_arrived_once(&documents(&index).await);
}
