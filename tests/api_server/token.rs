//! A projected token is replaced on disk long before it ends, and the old one may end at any time.

use crate::rig::{Rig, Server, rule};
use crate::support::SOON;
use serde_json::json;
use std::time::Duration;

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn a_token_that_ends_right_after_it_was_replaced_costs_no_request_and_no_warning() {
    let rules = [rule("pods", &["list", "watch"]), rule("namespaces", &["get"])];
    let rig = Rig::new(Server::shared(), &rules);
    // A token bound to an object ends with it.
    rig.server.kubectl(&["-n", &rig.name, "create", "secret", "generic", "ends"], "");
    let pod = rig.pod(&rig.name, "a", &json!({"app": "a"}));
    rig.new_token(&["--bound-object-kind=Secret", "--bound-object-name=ends"]);
    let mut agent = rig.start(", namespace_labels: true");
    rig.say(&pod, "hello");
    rig.arrived("hello", &agent);
    rig.new_token(&[]);
    rig.server.kubectl(&["-n", &rig.name, "delete", "secret", "ends"], "");
    // The server takes a token that it has seen for ten seconds more.
    std::thread::sleep(Duration::from_secs(12));
    let second = format!("{}-second", rig.name);
    rig.server.kubectl(&["create", "namespace", &second], "");
    rig.server.kubectl(&["-n", &second, "create", "serviceaccount", "default"], "");
    let other = rig.pod(&second, "b", &json!({"app": "b"}));
    rig.say(&other, "from b");
    let k8s = rig.arrived("from b", &agent);
    assert_eq!(k8s["namespace_labels"]["kubernetes_io/metadata_name"], second.as_str(), "{k8s}");
    let denied = agent.metrics().sum("tailrace_metadata_failures_total", &[("code", "http_401")]);
    assert_eq!(denied.unwrap_or(0.0), 0.0, "the file is read for each request");
    assert!(!agent.log().contains("\"warn\""), "{}", agent.log());
    rig.delete(&second, "b");
    assert!(agent.stop(SOON).success());
}

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn a_token_that_nobody_takes_is_said_and_a_new_one_on_disk_is_taken_up() {
    let rig = Rig::new(Server::shared(), &[rule("pods", &["list", "watch"])]);
    let pod = rig.pod(&rig.name, "a", &json!({"app": "a"}));
    std::fs::write(rig.token_file(), "not.a.token").unwrap();
    let agent = rig.start("");
    Rig::until_state(&agent, "failing");
    assert_eq!(agent.log().matches("service account's token").count(), 1, "{}", agent.log());
    rig.new_token(&[]);
    Rig::until_state(&agent, "watching");
    rig.say(&pod, "hello");
    assert_eq!(rig.arrived("hello", &agent)["labels"]["app"], "a");
}
