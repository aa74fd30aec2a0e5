//! The whole agent with versitygw.

use super::SERVER;
use crate::material::variable;
use crate::s3::Bucket;
use crate::whole::Node;
use serde_json::Value;

/// A bucket, and a node whose output writes to it.
async fn node(more: &str) -> (Node, Bucket) {
    let bucket = Bucket::new(SERVER, more).await;
    let (name, url) = (&bucket.name, variable(SERVER));
    let key = "logs/{kubernetes.namespace_name}/{kubernetes.pod_name}/%Y/%m/%d/";
    let keys = format!("bucket: {name}\nkey: \"{key}\"\nendpoint: {url}\nregion: us-east-1\nprofile: good");
    (Node::new(&format!("type: s3\n{keys}\n{more}")), bucket)
}

async fn documents(bucket: &Bucket) -> Vec<Value> {
    let mut found = Vec::new();
    for name in bucket.names().await {
        found.append(&mut bucket.read(&name).await.0);
    }
    found
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn every_line_arrives_once() {
    for (more, noise) in [("compression: zstd", false), ("compression: gzip", false), ("object_size: 12MiB", true)] {
        let (mut node, bucket) = node(more).await;
        // With noise, 18 MB a pod: objects of several parts.
        if noise {
            node.write_noise(2_000)
        } else {
            node.write(3_000)
        }
        node.run_once().await;
        node.all_arrived_once(&documents(&bucket).await);
        node.run_once().await;
        node.all_arrived_once(&documents(&bucket).await);
        assert_eq!(bucket.open_uploads().await, 0, "{more}");
    }
}

#[tokio::test]
#[ignore = "needs a real server: scripts/test"]
async fn a_killed_run_goes_on_without_loss_or_second_copies() {
    let (mut node, bucket) = node("object_size: 12MiB").await;
    node.write_noise(3_000);
    // In the middle of an upload, twice, and with an object done and more to come.
    for _ in 0..2 {
        node.run_and_kill_when(async || bucket.open_uploads().await > 0).await;
    }
    let before = bucket.names().await.len();
    node.run_and_kill_when(async || bucket.names().await.len() > before).await;
    node.run_once().await;
    node.all_arrived_once(&documents(&bucket).await);
    assert_eq!(bucket.open_uploads().await, 0);
}
