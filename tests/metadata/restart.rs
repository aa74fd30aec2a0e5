//! What was known before a restart is known after it, with or without an API server.

use crate::api::{Api, Mode};
use crate::rig::{Pod, Rig};
use crate::support::{SOON, until};
use serde_json::json;

#[test]
fn after_a_restart_without_an_api_server_metadata_is_complete_at_once() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let (old, new) = (Pod::new(1, &["app=old"]), Pod::new(2, &["app=new"]));
    api.put(&old.json());
    api.put(&new.json());
    let mut agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&old, "before");
    rig.everywhere("before", &agent);
    assert!(agent.stop(SOON).success());
    let addr = api.addr;
    drop(api);
    // Longer than this test waits.
    let agent = rig.start(addr, ", wait: 60s");
    // A file that was there, and one of a pod that had not said anything yet.
    rig.say(&old, "after");
    rig.say(&new, "first");
    for (line, label) in [("after", "old"), ("first", "new")] {
        for (_, document) in rig.everywhere(line, &agent) {
            let k8s = &document["kubernetes"];
            assert_eq!((&k8s["labels"]["app"], &k8s["host"]), (&json!(label), &json!("n1")));
            assert!(k8s["docker_id"].is_string() && k8s["container_image"] == "registry/web:1.2");
        }
    }
}

#[test]
fn after_a_restart_a_pod_that_the_cache_does_not_know_is_asked_for_at_once() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let (old, new) = (Pod::new(1, &["app=old"]), Pod::new(2, &["app=new"]));
    api.put(&old.json());
    let mut agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&old, "before");
    rig.everywhere("before", &agent);
    assert!(agent.stop(SOON).success());
    let lists = api.lists();
    // It came while nobody watched. The nodes of a cluster spread their lists after a restart; a file that waits for its pod
    // must not go without: its first lines and its keys would have no labels.
    api.put(&new.json());
    let agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&new, "first");
    for (_, document) in rig.everywhere("first", &agent) {
        assert_eq!(document["kubernetes"]["labels"]["app"], "new");
    }
    assert_eq!(api.lists(), lists + 1);
}

#[test]
fn after_a_restart_no_line_carries_labels_that_changed_meanwhile() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let pod = Pod::new(1, &["colour=red"]);
    api.put(&pod.json());
    let mut agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&pod, "before");
    rig.everywhere("before", &agent);
    assert!(agent.stop(SOON).success());
    api.put(&pod.with_labels(&["colour=blue"]).json());
    rig.say(&pod, "after");
    let agent = rig.start(api.addr, ", wait: 60s");
    for (_, document) in rig.everywhere("after", &agent) {
        assert_eq!(document["kubernetes"]["labels"]["colour"], "blue");
    }
}

/// Killed, away while kubelet rotates and a label changes: files that kubelet will delete soon are not read with what was
/// known before.
#[test]
fn after_sigkill_lines_that_were_rotated_away_meanwhile_carry_the_labels_of_now() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let pods: Vec<Pod> = (1..=4).map(|n| Pod::new(n, &["colour=red"])).collect();
    pods.iter().for_each(|pod| api.put(&pod.json()));
    let mut agent = rig.start(api.addr, ", wait: 60s");
    for pod in &pods {
        rig.say(pod, &format!("{} before", pod.name));
        rig.everywhere(&format!("{} before", pod.name), &agent);
    }
    until("the pods on disk", SOON, || rig.place.data_dir().join("pods.log").exists());
    agent.kill();
    pods.iter().for_each(|pod| api.put(&pod.with_labels(&["colour=blue"]).json()));
    for pod in &pods {
        for n in 0..4 {
            rig.say(pod, &format!("{} {n}", pod.name));
            rig.rotate(pod, n);
        }
        rig.say(pod, &format!("{} last", pod.name));
    }
    let agent = rig.start(api.addr, ", wait: 60s");
    for pod in &pods {
        for line in ["0", "1", "2", "3", "last"] {
            let line = format!("{} {line}", pod.name);
            for (_, document) in rig.everywhere(&line, &agent) {
                assert_eq!(document["kubernetes"]["labels"]["colour"], "blue", "{line}");
            }
        }
    }
}

#[test]
fn after_sigkill_the_pods_written_last_are_known() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let pod = Pod::new(1, &["app=web"]);
    api.put(&pod.json());
    let mut agent = rig.start(api.addr, ", wait: 60s");
    Rig::until_state(&agent, "watching");
    until("the pods on disk", SOON, || rig.place.data_dir().join("pods.log").exists());
    agent.kill();
    let addr = api.addr;
    drop(api);
    let agent = rig.start(addr, ", wait: 60s");
    rig.say(&pod, "again");
    for (_, document) in rig.everywhere("again", &agent) {
        assert_eq!(document["kubernetes"]["labels"]["app"], "web");
    }
}

#[test]
fn a_cache_that_is_rubbish_is_only_a_cache() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    std::fs::create_dir_all(rig.place.data_dir()).unwrap();
    std::fs::write(rig.place.data_dir().join("pods.log"), b"\0rubbish\xff\xff\xff").unwrap();
    let pod = Pod::new(1, &["app=web"]);
    api.put(&pod.json());
    let agent = rig.start(api.addr, "");
    rig.say(&pod, "x");
    for (_, document) in rig.everywhere("x", &agent) {
        assert_eq!(document["kubernetes"]["labels"]["app"], "web");
    }
    assert!(agent.log().contains("pods of an earlier life cannot be read"));
}
