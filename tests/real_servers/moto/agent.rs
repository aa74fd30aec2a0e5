//! The whole agent with moto's CloudWatch Logs.

use super::{Group, SERVER};
use crate::material::variable;
use crate::whole::Node;
use serde_json::Value;

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn every_line_arrives_once() {
    let group = Group::new("");
    let mut node = Node::new(&format!(
        "type: cloudwatch_logs\nregion: us-east-1\nprofile: good\nendpoint: {}\nlog_group: {}\nlog_stream: all",
        variable(SERVER),
        group.name
    ));
    node.write(3_000);
    node.run_once().await;
    node.run_once().await;
    let documents: Vec<Value> =
        group.found("all").await.iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
    node.all_arrived_once(&documents);
}
