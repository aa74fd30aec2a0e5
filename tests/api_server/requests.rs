//! The API server's own account of what one agent asks of it: exactly this, and nothing else.

use crate::rig::{Rig, Server, rule};
use crate::support::{SOON, until_or};
use serde_json::json;

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn one_watch_of_the_nodes_own_pods_is_all_that_an_agent_asks() {
    let rig = Rig::new(Server::shared(), &[rule("pods", &["list", "watch"])]);
    let (a, b) = (rig.pod(&rig.name, "a", &json!({"app": "a"})), rig.pod(&rig.name, "b", &json!({"app": "b"})));
    let mut agent = rig.start("");
    for pod in [&a, &b] {
        rig.say(pod, "hello");
    }
    let k8s = rig.arrived("hello", &agent);
    assert!(k8s["labels"]["app"].is_string() && k8s["container_image"] == "shop:7", "{k8s}");
    rig.server.kubectl(&["-n", &rig.name, "label", "pod", "a", "app=c", "--overwrite"], "");
    rig.until_label(&a, ("app", "c"), &agent);
    let late = rig.pod(&rig.name, "late", &json!({"app": "late"}));
    rig.say(&late, "late");
    assert_eq!(rig.arrived("late", &agent)["labels"]["app"], "late");
    rig.delete(&rig.name, "b");
    let gone = || agent.metrics().sum("tailrace_metadata_pods", &[]) == Some(2.0);
    until_or("the deletion", SOON, gone, || agent.log());
    // Our own count is the server's.
    let metrics = agent.metrics();
    let by = |what| metrics.sum("tailrace_metadata_requests_total", &[("what", what)]);
    assert_eq!((by("watch"), metrics.sum("tailrace_metadata_requests_total", &[])), (Some(1.0), Some(1.0)));
    assert!(agent.stop(SOON).success());
    assert_eq!(rig.requests(), [rig.begin()]);
}

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn labels_of_namespaces_and_the_node_cost_one_get_each() {
    let rules = [rule("pods", &["list", "watch"]), rule("namespaces", &["get"]), rule("nodes", &["get"])];
    let rig = Rig::new(Server::shared(), &rules);
    let second = format!("{}-second", rig.name);
    rig.server.kubectl(&["create", "namespace", &second], "");
    rig.server.kubectl(&["-n", &second, "create", "serviceaccount", "default"], "");
    rig.server.kubectl(&["label", "namespace", &rig.name, "team=blue"], "");
    rig.server
        .apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": rig.name, "labels": {"zone": "1a"}}}));
    let (a, b) = (rig.pod(&rig.name, "a", &json!({})), rig.pod(&rig.name, "b", &json!({})));
    let mut agent = rig.start(", namespace_labels: true, node_labels: true, fields: [pod_ip, container_hash]");
    for (pod, line) in [(&a, "from a"), (&b, "from b")] {
        rig.say(pod, line);
        let k8s = rig.arrived(line, &agent);
        assert_eq!((&k8s["namespace_labels"]["team"], &k8s["node_labels"]["zone"]), (&json!("blue"), &json!("1a")));
        assert_eq!((&k8s["pod_ip"], &k8s["container_hash"]), (&json!("10.9.8.7"), &json!("shop@sha256:77")));
    }
    let other = rig.pod(&second, "c", &json!({}));
    rig.say(&other, "from c");
    let k8s = rig.arrived("from c", &agent);
    assert_eq!(k8s["namespace_labels"]["kubernetes_io/metadata_name"], second.as_str(), "{k8s}");
    rig.delete(&second, "c");
    assert!(agent.stop(SOON).success());
    let mut asked = rig.requests();
    asked.sort();
    let get = |what: &str, name: &str| format!("get /api/v1/{what}/{name} 200");
    let mut want = vec![get("namespaces", &rig.name), get("namespaces", &second), get("nodes", &rig.name), rig.begin()];
    want.sort();
    assert_eq!(asked, want);
}

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn a_restarted_agent_asks_once_more_and_knows_what_changed_meanwhile() {
    let rig = Rig::new(Server::shared(), &[rule("pods", &["list", "watch"])]);
    let pod = rig.pod(&rig.name, "a", &json!({"colour": "red"}));
    let mut agent = rig.start("");
    rig.say(&pod, "before");
    assert_eq!(rig.arrived("before", &agent)["labels"]["colour"], "red");
    assert!(agent.stop(SOON).success());
    rig.server.kubectl(&["-n", &rig.name, "label", "pod", "a", "colour=blue", "--overwrite"], "");
    rig.say(&pod, "after");
    let mut agent = rig.start("");
    assert_eq!(rig.arrived("after", &agent)["labels"]["colour"], "blue");
    assert!(agent.stop(SOON).success());
    assert_eq!(rig.requests(), [rig.begin(), rig.begin()]);
}
