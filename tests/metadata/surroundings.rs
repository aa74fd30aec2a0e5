//! Facts on request: owner, addresses, and labels of namespaces and the node, each asked for by name and only once.

use crate::api::{Api, Mode};
use crate::rig::{Pod, Rig};
use crate::support::{SOON, until};
use serde_json::json;

const BOTH: &str = ", wait: 60s, namespace_labels: true, node_labels: true";

#[test]
fn facts_on_request_are_in_documents_and_choose_destinations() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    api.labels("namespaces/shop", Ok(json!({"team": "blue", "cost.center/id": "7"})));
    api.labels("nodes/n1", Ok(json!({"topology.kubernetes.io/zone": "1a"})));
    let outputs = rig.services.outputs();
    let keyed =
        outputs.replace("{kubernetes.namespace_name}", "{kubernetes.owner_name}-{kubernetes.namespace_labels.team}");
    assert_ne!(keyed, outputs);
    let zone = "kubernetes.node_labels.topology.kubernetes.io/zone";
    rig.outputs = Some(keyed + &format!("    transforms:\n      - select: {{keep: '{zone} == \"1a\"'}}\n"));
    let pod = Pod::new(1, &["app=web", "pod-template-hash=5d4f8c7b9"]);
    let mut object = pod.json();
    object["metadata"]["ownerReferences"] =
        json!([{"kind": "ReplicaSet", "name": "web-5d4f8c7b9", "controller": true}]);
    object["status"]["podIP"] = json!("10.1.2.3");
    object["status"]["containerStatuses"][0]["imageID"] = json!("registry/web@sha256:aa");
    api.put(&object);
    let facts = "owner_kind, owner_name, pod_ip, container_hash, restart_count";
    let agent = rig.start(api.addr, &format!("{BOTH}, fields: [{facts}]"));
    rig.say(&pod, "hello");
    let documents = rig.everywhere("hello", &agent);
    for (_, document) in &documents {
        let k8s = &document["kubernetes"];
        let got =
            ["owner_kind", "owner_name", "pod_ip", "container_hash", "restart_count"].map(|name| k8s[name].clone());
        let want = [json!("Deployment"), json!("web"), json!("10.1.2.3"), json!("registry/web@sha256:aa"), json!(0)];
        assert_eq!(got, want, "{k8s}");
    }
    let [_, (object, archived), (_, searched)] = documents;
    assert!(object.starts_with("logs/web-blue/"), "{object}");
    assert_eq!(archived["kubernetes"]["namespace_labels"], json!({"team": "blue", "cost.center/id": "7"}));
    assert_eq!(searched["kubernetes"]["node_labels"], json!({"topology_kubernetes_io/zone": "1a"}));
    assert_eq!((api.count("/api/v1/namespaces/shop"), api.count("/api/v1/nodes/n1")), (1, 1));
}

#[test]
fn labels_of_a_namespace_are_asked_for_once_however_many_pods_are_in_it() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    api.labels("namespaces/shop", Ok(json!({"team": "blue"})));
    let agent = rig.start(api.addr, ", wait: 60s, namespace_labels: true");
    for n in 0..5 {
        let pod = Pod::new(n, &[]);
        api.put(&pod.json());
        rig.say(&pod, &pod.name);
        for (_, document) in rig.everywhere(&pod.name, &agent) {
            assert_eq!(document["kubernetes"]["namespace_labels"], json!({"team": "blue"}));
        }
    }
    assert_eq!((api.count("/api/v1/namespaces/shop"), api.count("/api/v1/nodes/n1")), (1, 0));
}

#[test]
fn a_missing_rule_for_labels_is_named_once_and_nobody_waits_for_them() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    for of in ["namespaces/shop", "namespaces/other", "nodes/n1"] {
        api.labels(of, Err(403));
    }
    let (pod, mut other) = (Pod::new(1, &["app=web"]), Pod::new(2, &["app=web"]));
    other.namespace = "other".into();
    api.put(&pod.json());
    api.put(&other.json());
    // Longer than this test waits: they count as having none.
    let agent = rig.start(api.addr, BOTH);
    for pod in [&pod, &other] {
        rig.say(pod, &pod.name);
        for (_, document) in rig.everywhere(&pod.name, &agent) {
            let k8s = &document["kubernetes"];
            assert_eq!((&k8s["labels"]["app"], k8s.get("namespace_labels")), (&json!("web"), None));
        }
    }
    let rule = |resource: &str| format!(r#"{{apiGroups: [\"\"], resources: [\"{resource}\"], verbs: [\"get\"]}}"#);
    until("both rules", SOON, || ["namespaces", "nodes"].iter().all(|r| agent.log().contains(&rule(r))));
    let log = agent.log();
    assert_eq!((log.matches(&rule("namespaces")).count(), log.matches(&rule("nodes")).count()), (1, 1), "{log}");
    Rig::until_state(&agent, "watching");
}

#[test]
fn after_a_restart_without_an_api_server_labels_of_namespace_and_node_are_known() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    api.labels("namespaces/shop", Ok(json!({"team": "blue"})));
    api.labels("nodes/n1", Ok(json!({"zone": "1a"})));
    let (old, new) = (Pod::new(1, &[]), Pod::new(2, &[]));
    api.put(&old.json());
    api.put(&new.json());
    let mut agent = rig.start(api.addr, BOTH);
    rig.say(&old, "before");
    rig.everywhere("before", &agent);
    assert!(agent.stop(SOON).success());
    let addr = api.addr;
    drop(api);
    let agent = rig.start(addr, BOTH);
    rig.say(&new, "after");
    for (_, document) in rig.everywhere("after", &agent) {
        let k8s = &document["kubernetes"];
        assert_eq!((&k8s["namespace_labels"]["team"], &k8s["node_labels"]["zone"]), (&json!("blue"), &json!("1a")));
    }
}
