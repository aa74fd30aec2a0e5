//! One pod, from the API server to a document.

use crate::server::{Namespace, apply, kubectl, variable};
use crate::support::{Agent, Place, SOON, Services, until_or};
use serde_json::{Value, json};
use std::fs;

fn document(services: &Services, log: &str) -> Option<Value> {
    let kept = services.opensearch.control.receipts().kept();
    kept.iter().map(|k| serde_json::from_slice::<Value>(&k.text).unwrap()).find(|d| d["log"] == log)
}

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn a_line_has_the_labels_that_the_api_server_tells_before_and_after_a_change() {
    let namespace = Namespace::new("smoke");
    let (services, place) = (Services::start(), Place::new());
    let node = format!("node-of-{}", namespace.0);
    let pod = apply(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": namespace.0, "labels": {"app": "shop", "colour": "red"}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": "shop:7"}]},
    }));
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let folder = place.pods().join(format!("{}_web_{uid}/main", namespace.0));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("0.log");
    fs::write(&file, "2026-11-22T10:15:00.123456789Z stdout F first\n").unwrap();

    let config = place.config(&format!("node: {node}\n"), &services.outputs());
    let text = fs::read_to_string(&config).unwrap().replace("{source: path}", "{source: api}");
    fs::write(&config, text).unwrap();
    let kubeconfig = variable("KUBECONFIG");
    let arguments = ["run", "-c", config.to_str().unwrap()];
    let agent = Agent::start_with(place.path(), &arguments, place.admin, &[("KUBECONFIG", &kubeconfig)]);
    let arrived = |log: &str| {
        until_or(log, SOON, || document(&services, log).is_some(), || agent.log());
        document(&services, log).unwrap()
    };
    let first = arrived("first");
    assert_eq!(first["kubernetes"]["labels"], json!({"app": "shop", "colour": "red"}), "{first}");
    assert_eq!(first["kubernetes"]["pod_id"], uid, "{first}");
    assert_eq!(first["kubernetes"]["container_image"], "shop:7", "{first}");

    kubectl(&["-n", &namespace.0, "label", "pod", "web", "colour=blue", "--overwrite"], "");
    // When the agent hears of it nobody can tell from outside: lines are written until one says so.
    let mut lines = 0;
    let changed = || {
        lines += 1;
        let line = format!("2026-11-22T10:15:01.{lines:09}Z stdout F later {lines}\n");
        let mut open = fs::File::options().append(true).open(&file).unwrap();
        std::io::Write::write_all(&mut open, line.as_bytes()).unwrap();
        let seen = arrived(&format!("later {lines}"));
        seen["kubernetes"]["labels"]["colour"] == "blue"
    };
    until_or("the changed label", SOON, changed, || agent.log());
}
