//! Rights that are missing at a real API server: named once, with the rule, and taken up when they come.

use crate::rig::{Rig, Server, rule};
use crate::support::{SOON, until_or};
use serde_json::json;

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn the_rule_that_is_named_is_the_one_that_helps() {
    let rig = Rig::new(Server::shared(), &[]);
    let pod = rig.pod(&rig.name, "a", &json!({"app": "a"}));
    let agent = rig.start(", namespace_labels: true");
    Rig::until_state(&agent, "failing");
    let forbidden = || agent.metrics().sum("tailrace_metadata_failures_total", &[("code", "http_403")]) >= Some(3.0);
    until_or("three tries", SOON, forbidden, || agent.log());
    let named = |resource: &str, verbs: &str| format!(r#"resources: [\"{resource}\"], verbs: [{verbs}]}}"#);
    let pods = named("pods", r#"\"list\", \"watch\""#);
    assert_eq!(agent.log().matches(&pods).count(), 1, "{}", agent.log());
    assert!(agent.log().contains(&format!("system:serviceaccount:{}:agent", rig.name)));
    // Exactly what it said.
    rig.allow(&[rule("pods", &["list", "watch"])]);
    Rig::until_state(&agent, "watching");
    rig.say(&pod, "hello");
    let k8s = rig.arrived("hello", &agent);
    assert_eq!((&k8s["labels"]["app"], k8s.get("namespace_labels")), (&json!("a"), None), "nobody waits for them");
    assert_eq!(agent.log().matches(&named("namespaces", r#"\"get\""#)).count(), 1, "{}", agent.log());
}

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn the_right_to_watch_alone_is_enough_where_the_server_begins_watches_with_what_is_there() {
    let rig = Rig::new(Server::shared(), &[rule("pods", &["watch"])]);
    let pod = rig.pod(&rig.name, "a", &json!({"app": "a"}));
    let agent = rig.start("");
    rig.say(&pod, "hello");
    assert_eq!(rig.arrived("hello", &agent)["labels"]["app"], "a");
}
