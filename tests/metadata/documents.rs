//! What stands under `kubernetes` in documents.

use crate::api::{Api, Mode};
use crate::rig::{Pod, Rig};
use crate::support::{SOON, until};
use serde_json::json;

#[test]
fn labels_image_container_id_namespace_and_host_of_a_pod_arrive_in_all_three_outputs() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let mut pod = Pod::new(1, &["app=web", "app.kubernetes.io/name=web", "tier=front"]);
    pod.annotations = vec![("team".into(), "blue".into()), ("secret".into(), "x".into())];
    api.put(&pod.json());
    let agent = rig.start(api.addr, ", annotations: [team]");
    rig.say(&pod, "hello");
    let [cloudwatch, s3, opensearch] = rig.everywhere("hello", &agent);
    let mut want = json!({
        "pod_name": "web-1",
        "namespace_name": "shop",
        "pod_id": pod.uid,
        "host": "n1",
        "container_name": "main",
        "container_image": "registry/web:1.2",
        "docker_id": pod.id,
        "labels": {"app": "web", "app.kubernetes.io/name": "web", "tier": "front"},
        "annotations": {"team": "blue"},
    });
    assert_eq!(cloudwatch.1["kubernetes"], want);
    assert_eq!(s3.1["kubernetes"], want);
    want["labels"] = json!({"app": "web", "app_kubernetes_io/name": "web", "tier": "front"});
    assert_eq!(opensearch.1["kubernetes"], want);
}

#[test]
fn labels_that_only_differ_by_a_dotted_end_do_not_conflict_in_opensearch() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    // With their dots, `app` is text in one document and an object in the next.
    let first = Pod::new(1, &["app=web"]);
    let second = Pod::new(2, &["app=web", "app.kubernetes.io/name=web", "app.kubernetes.io/part-of=shop"]);
    let third = Pod::new(3, &["app.kubernetes.io/name=other"]);
    let pods = [first, second, third];
    pods.iter().for_each(|pod| api.put(&pod.json()));
    let agent = rig.start(api.addr, "");
    for pod in &pods {
        rig.say(pod, &format!("from {}", pod.name));
    }
    for pod in &pods {
        let [_, _, (_, document)] = rig.everywhere(&format!("from {}", pod.name), &agent);
        let wanted = pod.labels.iter().find(|(k, _)| k.ends_with("/name")).map(|(_, v)| json!(v));
        assert_eq!(document["kubernetes"]["labels"].get("app_kubernetes_io/name"), wanted.as_ref());
    }
    assert_eq!(rig.services.opensearch.control.receipts().totals().refused_items, 0);
    // The stand-in would have refused them: it maps fields as a node does.
    let body = "{\"create\":{}}\n{\"labels\":{\"app\":\"x\"}}\n{\"create\":{}}\n{\"labels\":{\"app.kubernetes.io/name\":\"x\"}}\n";
    let request = http::Request::post(format!("{}/dots/_bulk", rig.services.opensearch.url))
        .header("content-type", "application/x-ndjson");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let send = crate::support::client::send(request.body(body.as_bytes().to_vec()).unwrap());
    let reply = runtime.block_on(send).unwrap().json();
    assert_eq!((&reply["errors"], &reply["items"][1]["create"]["status"]), (&json!(true), &json!(400)), "{reply}");
}

#[test]
fn a_label_that_changes_while_running_shows_in_later_records_and_leaves_keys_alone() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let outputs = rig.services.outputs();
    rig.outputs = Some(
        outputs
            .replace("    log_group: /tailrace/test\n", "    log_group: \"/tailrace/{kubernetes.labels.app}\"\n")
            .replace("{kubernetes.namespace_name}", "{kubernetes.labels.app}")
            .replace("index: \"logs-", "index: \"logs-{kubernetes.labels.app}-"),
    );
    let pod = Pod::new(1, &["app=old"]);
    api.put(&pod.json());
    let agent = rig.start(api.addr, "");
    rig.say(&pod, "before");
    let before = rig.everywhere("before", &agent);
    let events = || agent.metrics().sum("tailrace_metadata_events_total", &[]).unwrap_or(0.0);
    let seen = events();
    api.put(&pod.with_labels(&["app=new"]).json());
    until("the change", SOON, || events() > seen);
    // The catalog hears of it at once, but on a thread of its own: one of the next lines carries it.
    let mut n = 0;
    let (mut line, mut after) = (String::new(), before.clone());
    until("the new label", SOON, || {
        n += 1;
        line = format!("after {n}");
        rig.say(&pod, &line);
        after = rig.everywhere(&line, &agent);
        after.iter().all(|(_, document)| document["kubernetes"]["labels"]["app"] == "new")
    });
    assert!(n <= 3, "{n} lines until it showed");
    for ((place, old), (still, _)) in before.iter().zip(&after) {
        assert_eq!(old["kubernetes"]["labels"]["app"], "old");
        assert!(place.contains("old") && still.contains("old"), "{place} {still}");
    }
}

#[test]
fn a_static_pod_is_found_by_the_hash_that_its_directory_is_named_after() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let hash = "0123456789abcdef0123456789abcdef";
    let mut pod = Pod::new(1, &["component=etcd"]);
    (pod.namespace, pod.name) = ("kube-system".into(), "etcd-n1".into());
    pod.annotations = vec![
        ("kubernetes.io/config.hash".into(), hash.into()),
        ("kubernetes.io/config.mirror".into(), hash.into()),
        ("kubernetes.io/config.source".into(), "file".into()),
    ];
    api.put(&pod.json());
    let agent = rig.start(api.addr, ", wait: 60s");
    rig.say_as(&pod, hash, "static");
    for (_, document) in rig.everywhere("static", &agent) {
        let k8s = &document["kubernetes"];
        assert_eq!((&k8s["labels"]["component"], &k8s["pod_id"]), (&json!("etcd"), &json!(pod.uid)));
        assert_eq!(k8s.get("annotations"), None, "they were only needed to find it");
    }
}

#[test]
fn without_labels_only_labels_are_missing() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let pod = Pod::new(1, &["app=web"]);
    api.put(&pod.json());
    let agent = rig.start(api.addr, ", labels: false");
    rig.say(&pod, "x");
    for (_, document) in rig.everywhere("x", &agent) {
        let k8s = &document["kubernetes"];
        assert!(k8s.get("labels").is_none() && k8s["docker_id"] == json!(pod.id), "{k8s}");
    }
}
