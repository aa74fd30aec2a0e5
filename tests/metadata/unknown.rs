//! Pods that the API server does not know, or not yet.

use crate::api::{Api, Mode};
use crate::rig::{Pod, Rig};
use crate::support::{SOON, now, until};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_file_waits_for_its_pod_and_then_goes_on_with_what_its_path_says_counted() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let (known, unknown) = (Pod::new(1, &["app=web"]), Pod::new(2, &["app=web"]));
    api.put(&known.json());
    let agent = rig.start(api.addr, ", wait: 3s");
    Rig::until_state(&agent, "watching");
    let begin = now().mono;
    rig.say(&unknown, "nobody knows me");
    rig.say(&known, "known");
    rig.everywhere("known", &agent);
    let search = &rig.services.opensearch;
    until("the unknown pod's line", SOON, || !Rig::arrived(search, "nobody knows me").is_empty());
    let waited = now().mono - begin;
    assert!(waited >= Duration::from_millis(2_900), "{waited:?}");
    let want = json!({
        "pod_name": "web-2",
        "namespace_name": "shop",
        "pod_id": unknown.uid,
        "host": "n1",
        "container_name": "main",
    });
    for (_, document) in rig.everywhere("nobody knows me", &agent) {
        assert_eq!(document["kubernetes"], want);
    }
    let count = || agent.metrics().sum("tailrace_files_without_metadata_total", &[]);
    until("the count", SOON, || count() == Some(1.0));
    // Better late than never: once known, documents say so.
    api.put(&unknown.json());
    let pods = || agent.metrics().sum("tailrace_metadata_pods", &[]);
    until("the pod", SOON, || pods() == Some(2.0));
    let mut n = 0;
    until("labels", SOON, || {
        n += 1;
        rig.say(&unknown, &format!("late {n}"));
        let [_, _, (_, document)] = rig.everywhere(&format!("late {n}"), &agent);
        document["kubernetes"]["labels"]["app"] == "web"
    });
    assert_eq!(count(), Some(1.0));
}

#[test]
fn a_new_pods_first_lines_carry_metadata_when_the_api_server_tells_of_it_within_the_wait() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let agent = rig.start(api.addr, ", wait: 60s");
    Rig::until_state(&agent, "watching");
    let mut pod = Pod::new(1, &["app=web"]);
    let id = pod.id.take();
    rig.say(&pod, "first words");
    // The wait is longer than any of this lasts. Scheduled, but the status does not name the container yet: worth waiting on.
    std::thread::sleep(Duration::from_millis(300));
    api.put(&pod.json());
    std::thread::sleep(Duration::from_millis(300));
    assert!(rig.services.each().iter().all(|(_, at)| Rig::arrived(at, "first words").is_empty()));
    pod.id = id;
    api.put(&pod.json());
    for (_, document) in rig.everywhere("first words", &agent) {
        let k8s = &document["kubernetes"];
        assert_eq!((&k8s["labels"]["app"], &k8s["docker_id"]), (&json!("web"), &json!(pod.id)));
    }
    assert_eq!(agent.metrics().sum("tailrace_files_without_metadata_total", &[]), Some(0.0));
}

#[test]
fn a_pod_that_ends_within_its_wait_loses_nothing() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let agent = rig.start(api.addr, ", wait: 60s");
    Rig::until_state(&agent, "watching");
    // Gone before anybody told of it: its bytes are in danger, so the file does not wait.
    let pod = Pod::new(1, &["app=web"]);
    rig.say(&pod, "last words");
    let opened = || agent.metrics().sum("tailrace_open_files", &[]).unwrap_or(0.0) > 0.0;
    until("the file to be open", SOON, opened);
    std::fs::remove_dir_all(rig.file(&pod, &pod.uid).ancestors().nth(2).unwrap()).unwrap();
    rig.everywhere("last words", &agent);
}
