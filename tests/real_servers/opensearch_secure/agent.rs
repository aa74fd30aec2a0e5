//! The whole agent with a real OpenSearch node over TLS.

use super::{As, ask};
use crate::material::variable;
use crate::whole::Node;
use serde_json::Value;

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn every_line_arrives_once_over_tls() {
    let good = As::good();
    let user = variable("TAILRACE_OPENSEARCH_SECURE_USER");
    let mut node = Node::new(&format!(
        "type: opensearch\nurl: {}\nindex: {}\nca_file: {}\nauth: {{type: basic, username: {user}, password: \"{}\"}}",
        good.url,
        good.index,
        variable("TAILRACE_OPENSEARCH_SECURE_CA"),
        good.password,
    ));
    node.write(2_000);
    node.run_once().await;
    ask("POST", &format!("/{}/_refresh", good.index)).await;
    let found = ask("GET", &format!("/{}/_search?size=10000", good.index)).await;
    let documents: Vec<Value> =
        found["hits"]["hits"].as_array().unwrap().iter().map(|hit| hit["_source"].clone()).collect();
    node.all_arrived_once(&documents);
}
