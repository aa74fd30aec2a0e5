use super::*;
use crate::metadata::render::{Dots, member};
use serde_json::{Value, json};

fn pod(value: &Value) -> Pod {
    Pod::from_json(value.to_string().as_bytes(), &["team".to_owned()]).unwrap()
}

fn web() -> Value {
    json!({
        "kind": "Pod",
        "metadata": {
            "uid": "u-1", "name": "web-5d4f8c7b9-abcde", "namespace": "prod", "resourceVersion": "77",
            "labels": {"app": "web", "pod-template-hash": "5d4f8c7b9"},
            "annotations": {"team": "blue", "kubectl.kubernetes.io/last-applied-configuration": "{...}"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d4f8c7b9", "controller": true, "uid": "x"}],
            "managedFields": [{"manager": "kubelet"}]
        },
        "spec": {
            "nodeName": "n1",
            "containers": [{"name": "main", "image": "reg/web:1"}],
            "initContainers": [{"name": "setup", "image": "reg/setup:1"}]
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [{
                "name": "main", "image": "reg/web:1", "imageID": "reg/web@sha256:aa",
                "containerID": "containerd://c2", "restartCount": 2, "state": {"running": {"startedAt": "x"}},
                "lastState": {"terminated": {"containerID": "containerd://c1", "exitCode": 1}}
            }],
            "initContainerStatuses": [{
                "name": "setup", "image": "sha256:1234", "containerID": "containerd://i0", "restartCount": 0,
                "state": {"terminated": {"containerID": "containerd://i0", "exitCode": 0}}
            }],
            "ephemeralContainerStatuses": [{
                "name": "debug", "image": "busybox", "containerID": "docker://e0", "restartCount": 0,
                "state": {"running": {}}
            }]
        }
    })
}

fn labelled() -> Wanted {
    Wanted { labels: true, annotations: Box::new(["team".to_owned()]), ..Wanted::default() }
}

#[test]
fn a_deployments_pod_is_read_with_all_its_containers() {
    let pod = pod(&web());
    assert_eq!(pod.deployment.as_deref(), Some("web"));
    assert_eq!(pod.annotations.len(), 1, "only allow-listed annotations are kept");
    assert_eq!(pod.containers.len(), 3);
    assert_eq!(pod.container("setup").unwrap().image.as_ref(), "reg/setup:1", "a bare digest says nothing to people");
    assert_eq!(pod.container("debug").unwrap().id.as_deref(), Some("e0"));
    assert!(!pod.finished && !pod.deleting);
}

#[test]
fn fields_carry_the_names_that_fluent_bits_users_know() {
    let base: Base = vec![("input".into(), "pods".into())];
    let all = fields(&pod(&web()), "main", 2, &labelled(), Around::default(), base);
    let got: Vec<(&str, &str)> = all.iter().collect();
    assert_eq!(
        got,
        [
            ("input", "pods"),
            ("kubernetes.annotations.team", "blue"),
            ("kubernetes.container_image", "reg/web:1"),
            ("kubernetes.container_name", "main"),
            ("kubernetes.deployment_name", "web"),
            ("kubernetes.docker_id", "c2"),
            ("kubernetes.host", "n1"),
            ("kubernetes.labels.app", "web"),
            ("kubernetes.labels.pod-template-hash", "5d4f8c7b9"),
            ("kubernetes.namespace_name", "prod"),
            ("kubernetes.pod_id", "u-1"),
            ("kubernetes.pod_name", "web-5d4f8c7b9-abcde"),
            ("tailrace.pod", "known"),
        ]
    );
    let bare = fields(&pod(&web()), "main", 2, &Wanted::default(), Around::default(), Vec::new());
    assert!(bare.iter().all(|(k, _)| !k.starts_with("kubernetes.labels") && !k.starts_with("kubernetes.annotations")));
}

#[test]
fn each_restart_has_its_own_container_id_as_long_as_the_status_tells_it() {
    let pod = pod(&web());
    let id = |restart| {
        fields(&pod, "main", restart, &labelled(), Around::default(), Vec::new())
            .get("kubernetes.docker_id")
            .map(str::to_owned)
    };
    assert_eq!(id(2).as_deref(), Some("c2"));
    assert_eq!(id(1).as_deref(), Some("c1"));
    assert_eq!(id(0), None, "forgotten by the status");
    assert_eq!(id(3), None, "the status lags behind the file");
    assert_eq!(id(u32::MAX), None);
}

#[test]
fn in_crash_loop_back_off_the_last_state_is_the_newest_run() {
    let mut value = web();
    let status = &mut value["status"]["containerStatuses"][0];
    status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    status["lastState"]["terminated"]["containerID"] = json!("containerd://c2");
    let pod = pod(&value);
    let main = pod.container("main").unwrap();
    assert_eq!(main.id_of(2), Some("c2"));
    assert_eq!(main.id_of(1), None, "it is not the id of the run before");
    assert!(pod.terminated("main", 2));
    assert!(!pod.terminated("main", 3), "the next run's file may be there before the status");
}

#[test]
fn what_is_over_is_told_by_state_by_later_runs_and_by_the_phase() {
    let mut value = web();
    let running = pod(&value);
    assert!(running.terminated("main", 1) && !running.terminated("main", 2));
    assert!(running.terminated("setup", 0) && !running.terminated("debug", 0));
    assert!(!running.terminated("nobody", 0));
    value["status"]["phase"] = json!("Failed");
    assert!(!pod(&value).terminated("main", 2), "evicted by an old kubelet, and still running");
    value["status"]["containerStatuses"][0]["state"] = json!({"waiting": {}});
    assert!(pod(&value).terminated("main", 2) && pod(&value).terminated("nobody", 0));
}

#[test]
fn static_pods_carry_the_hash_of_their_directory() {
    let mut value = web();
    value["metadata"]["annotations"] = json!({"kubernetes.io/config.hash": "h1", "kubernetes.io/config.mirror": "h1", "kubernetes.io/config.source": "file"});
    assert_eq!(pod(&value).hashes.as_ref(), [Box::from("h1")]);
    value["metadata"]["annotations"] = json!({"kubernetes.io/config.hash": "h1", "kubernetes.io/config.mirror": "h2"});
    assert_eq!(pod(&value).hashes.len(), 2);
}

#[test]
fn the_deployment_is_told_only_by_a_controlling_replica_set_with_the_pods_hash() {
    let cases = [
        ("ReplicaSet", "web-5d4f8c7b9", true, Some("web")),
        ("ReplicaSet", "my-web-app-5d4f8c7b9", true, Some("my-web-app")),
        ("ReplicaSet", "web-5d4f8c7b9", false, None),
        ("ReplicaSet", "bare-set", true, None),
        ("ReplicaSet", "-5d4f8c7b9", true, None),
        ("ReplicaSet", "5d4f8c7b9", true, None),
        ("DaemonSet", "web-5d4f8c7b9", true, None),
    ];
    for (kind, name, controller, want) in cases {
        let mut value = web();
        value["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": controller}]);
        assert_eq!(pod(&value).deployment.as_deref(), want, "{kind} {name}");
    }
}

#[test]
fn the_owner_is_who_made_the_controller_as_far_as_names_tell() {
    // 29,700,000 minutes after 1970.
    let made = "2026-06-21T00:00:30Z";
    let minute = |ago: i64| made.parse::<jiff::Timestamp>().unwrap().as_second() / 60 - ago;
    let (due, long_ago) = (format!("night-{}", minute(3)), format!("night-{}", minute(20_000)));
    let cases = [
        ("ReplicaSet", "web-5d4f8c7b9", "Deployment", "web"),
        ("ReplicaSet", "bare-set", "ReplicaSet", "bare-set"),
        ("ReplicaSet", "-5d4f8c7b9", "ReplicaSet", "-5d4f8c7b9"),
        ("DaemonSet", "web-5d4f8c7b9", "DaemonSet", "web-5d4f8c7b9"),
        ("StatefulSet", "db", "StatefulSet", "db"),
        ("Job", due.as_str(), "CronJob", "night"),
        ("Job", long_ago.as_str(), "Job", long_ago.as_str()),
        ("Job", "import-20261122", "Job", "import-20261122"),
        ("Job", "import", "Job", "import"),
        ("Job", "-29700000", "Job", "-29700000"),
        ("Node", "n1", "Node", "n1"),
    ];
    for (kind, name, want_kind, want_name) in cases {
        let mut value = web();
        value["metadata"]["creationTimestamp"] = json!(made);
        value["metadata"]["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": true}]);
        let owner = pod(&value).owner.unwrap();
        assert_eq!((&*owner.kind, &*owner.name), (want_kind, want_name), "{kind} {name}");
    }
    let mut value = web();
    value["metadata"]["ownerReferences"] = json!([{"kind": "Job", "name": due, "controller": true}]);
    assert_eq!(&*pod(&value).owner.unwrap().kind, "Job", "without a time of creation nothing is guessed");
    value["metadata"]["ownerReferences"] = json!([{"kind": "ReplicaSet", "name": "x", "controller": false}]);
    assert_eq!(pod(&value).owner, None);
}

#[test]
fn facts_on_request_are_fields_only_where_they_are_asked_for() {
    let mut value = web();
    value["status"]["podIP"] = json!("10.1.2.3");
    value["status"]["containerStatuses"][0]["imageID"] = json!("docker-pullable://reg/web@sha256:aa");
    let pod = pod(&value);
    let labels: Labels = Box::new([("team".into(), "blue".into())]);
    let around = Around { namespace: Some(&labels), node: Some(&labels) };
    let wanted = Wanted {
        facts: Box::new(crate::origin::ON_REQUEST),
        namespace_labels: true,
        node_labels: true,
        ..Wanted::default()
    };
    let all = fields(&pod, "main", 2, &wanted, around, Vec::new());
    let plain = fields(&pod, "main", 2, &Wanted::default(), around, Vec::new());
    let more: Vec<(&str, &str)> = all.iter().filter(|(name, _)| plain.get(name).is_none()).collect();
    let want = [
        ("kubernetes.container_hash", "reg/web@sha256:aa"),
        ("kubernetes.namespace_labels.team", "blue"),
        ("kubernetes.node_labels.team", "blue"),
        ("kubernetes.owner_kind", "Deployment"),
        ("kubernetes.owner_name", "web"),
        ("kubernetes.pod_ip", "10.1.2.3"),
        ("kubernetes.restart_count", "2"),
    ];
    assert_eq!(more, want);
    // Whoever adds one gives it a value, and a place in documents.
    for name in crate::origin::ON_REQUEST {
        assert!(all.get(name).is_some(), "{name}");
        let alone = Fields::new(vec![(name.into(), "1".into())]);
        assert!(!member(&alone, Dots::Keep).is_empty(), "{name}");
    }
    let earlier = fields(&pod, "main", 1, &wanted, around, Vec::new());
    assert_eq!(earlier.get("kubernetes.container_hash"), None, "the image may have changed in between");
    assert_eq!(earlier.get("kubernetes.restart_count"), Some("1"));
}

#[test]
fn a_pod_of_an_earlier_versions_cache_is_read_and_an_earlier_version_reads_ours() {
    let of_then = r#"{"uid":"u","name":"n","namespace":"s","node":"n1","labels":[["a","b"]],"annotations":[],"hashes":[],
        "deployment":"web","containers":[{"name":"main","image":"i","restart":1,"id":"c","previous":null,"ended":false,
        "running":true}],"deleting":false,"finished":false}"#;
    let read: Pod = serde_json::from_str(of_then).unwrap();
    assert_eq!((read.deployment.as_deref(), read.owner.as_ref()), (Some("web"), None));
    let now: Value = serde_json::to_value(pod(&web())).unwrap();
    let then: Value = serde_json::from_str(of_then).unwrap();
    for (member, value) in then.as_object().unwrap() {
        assert!(now.get(member).is_some(), "{member}");
        assert_eq!(value.is_array(), now[member].is_array(), "{member}");
    }
    assert_eq!(now["deployment"], "web");
}

#[test]
fn a_pod_without_identity_is_refused_and_one_with_nulls_is_not() {
    for member in ["uid", "name", "namespace"] {
        let mut value = web();
        value["metadata"][member] = Value::Null;
        assert!(Pod::from_json(value.to_string().as_bytes(), &[]).unwrap_err().contains(member));
    }
    let nulls = json!({"metadata": {"uid": "u", "name": "n", "namespace": "s", "labels": null, "annotations": null,
        "ownerReferences": null, "deletionTimestamp": null}, "spec": null, "status": {"containerStatuses": null}});
    assert!(!pod(&nulls).deleting);
    assert!(Pod::from_json(b"", &[]).is_err() && Pod::from_json(b"[]", &[]).is_err());
}

#[test]
fn a_path_alone_gives_what_it_says_and_is_not_called_known() {
    let path = LogPath { namespace: "prod", pod: "web-1", uid: "u", container: "main" };
    let all = path_fields(path, Some("c9"), "n1", vec![("input".into(), "pods".into())]);
    assert_eq!(all.get("kubernetes.docker_id"), Some("c9"));
    assert_eq!(all.get("kubernetes.host"), Some("n1"));
    assert_eq!(all.get("tailrace.pod"), None);
    assert_eq!(path_fields(path, None, "", Vec::new()).iter().count(), 4);
}

#[test]
fn a_pod_read_back_from_the_cache_is_the_same() {
    let pod = pod(&web());
    let json = serde_json::to_vec(&pod).unwrap();
    assert_eq!(serde_json::from_slice::<Pod>(&json).unwrap(), pod);
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_an_error_or_a_pod(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        if let Ok(pod) = Pod::from_json(&bytes, &[]) {
            proptest::prop_assert!(!pod.uid.is_empty());
        }
    }
}
