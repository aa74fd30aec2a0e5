//! `source: kubelet`: pods from this node's kubelet, asked only while it is of use.

use crate::api::{Api, Mode};
use crate::rig::{Pod, Rig};
use crate::support::{Agent, SOON, until, until_or};
use serde_json::json;

/// The agent whose kubelet is at `api`.
fn start(rig: &Rig, api: &Api, more: &str) -> Agent {
    let kubelet = format!(", wait: 60s, kubelet: {{url: \"http://127.0.0.1:{}\"}}{more}", api.addr.port());
    rig.start_from("kubelet", api.addr, &kubelet)
}

#[test]
fn a_pod_is_asked_for_when_a_file_waits_for_it_and_not_before() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let (first, mut second) = (Pod::new(1, &["app=web"]), Pod::new(2, &["app=db"]));
    api.put(&first.json());
    let agent = start(&rig, &api, "");
    agent.until_ready();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(api.asked(), [] as [String; 0], "nobody waits for a pod");
    rig.say(&first, "one");
    for (_, document) in rig.everywhere("one", &agent) {
        let k8s = &document["kubernetes"];
        assert_eq!((&k8s["labels"]["app"], &k8s["docker_id"]), (&json!("web"), &json!(first.id)));
    }
    Rig::until_state(&agent, "watching");
    assert_eq!(api.asked(), ["/pods"]);
    // One that kubelet does not know yet, and then knows without its container.
    let id = second.id.take();
    rig.say(&second, "two");
    until("another look", SOON, || api.count("/pods") >= 3);
    api.put(&second.json());
    second.id = id;
    api.put(&second.json());
    for (_, document) in rig.everywhere("two", &agent) {
        let k8s = &document["kubernetes"];
        assert_eq!((&k8s["labels"]["app"], &k8s["docker_id"]), (&json!("db"), &json!(second.id)));
    }
    assert!(api.asked().iter().all(|path| path == "/pods"), "the API server is asked nothing");
    let metrics = agent.metrics();
    let asked = metrics.sum("tailrace_metadata_requests_total", &[("what", "kubelet")]);
    assert!(asked == metrics.sum("tailrace_metadata_requests_total", &[]) && asked >= Some(3.0));
}

#[test]
fn labels_of_namespaces_come_from_the_api_server_also_then() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    api.labels("namespaces/shop", Ok(json!({"team": "blue"})));
    let pod = Pod::new(1, &["app=web"]);
    api.put(&pod.json());
    let agent = start(&rig, &api, ", namespace_labels: true");
    rig.say(&pod, "one");
    for (_, document) in rig.everywhere("one", &agent) {
        assert_eq!(document["kubernetes"]["namespace_labels"], json!({"team": "blue"}));
    }
}

#[test]
fn a_missing_right_at_kubelet_is_named_once_and_never_more_than_it_is_asked_for() {
    let message = "Forbidden (user=system:serviceaccount:logging:tailrace, verb=get, resource=nodes, subresource(s)=[pods proxy])";
    let (rig, api) = (Rig::new(), Api::start(Mode::Status(403, message.into())));
    let pod = Pod::new(1, &["app=web"]);
    api.put(&pod.json());
    let agent = start(&rig, &api, "");
    rig.say(&pod, "one");
    Rig::until_state(&agent, "failing");
    let rule = r#"{apiGroups: [""], resources: ["nodes/pods"], verbs: ["get"]}"#;
    let page = agent.get("/").unwrap().1.replace("&quot;", "\"");
    assert!(page.contains(rule) && page.contains("serviceaccount:logging:tailrace"), "{page}");
    until_or("more tries", SOON, || api.count("/pods") >= 3, || agent.log());
    assert_eq!(agent.log().matches("verbs: [").count(), 1, "{}", agent.log());
    api.mode(Mode::Fine);
    for (_, document) in rig.everywhere("one", &agent) {
        assert_eq!(document["kubernetes"]["labels"]["app"], "web");
    }
    Rig::until_state(&agent, "watching");
}
