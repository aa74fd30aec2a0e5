//! `metadata: {source: kubelet}` with a real kubelet: the right `nodes/pods` alone, the certificate as it is, and not one
//! request to the API server. And what kubelet's links tell without anybody being asked.

use crate::server::{kubectl, variable};
use crate::support::{Agent, Place, SOON, Services, until, until_or};
use serde_json::{Value, json};
use std::fs;

/// The agent with the token of a ServiceAccount of this name; `kubelet` is what the key of that name says.
fn start(place: &Place, services: &Services, account: &str, kubelet: &str) -> Agent {
    let token = place.path().join("token");
    fs::write(&token, kubectl(&["-n", "kubelet-mode", "create", "token", account], "").trim()).unwrap();
    let admin = fs::read_to_string(variable("KUBECONFIG")).unwrap();
    let user = format!("users: [{{name: u, user: {{tokenFile: {token:?}}}}}]\n");
    let kubeconfig = place.path().join("kubeconfig");
    fs::write(&kubeconfig, format!("{}{user}", admin.split_at(admin.find("users:").unwrap()).0)).unwrap();
    let config = place.config(&format!("node: {}\n", variable("KUBE_NODE")), &services.outputs());
    let metadata = format!("{{source: kubelet, wait: 60s, fields: [pod_ip], kubelet: {kubelet}}}");
    let text = fs::read_to_string(&config).unwrap().replace("{source: path}", &metadata);
    fs::write(&config, text).unwrap();
    let env = [("KUBECONFIG", kubeconfig.to_str().unwrap())];
    Agent::start_with(place.path(), &["run", "-c", config.to_str().unwrap()], place.admin, &env)
}

/// A pod that runs, whichever.
fn some_pod() -> Value {
    let runs = |pod: &Value| {
        let id = &pod["status"]["containerStatuses"][0]["containerID"];
        pod["status"]["phase"] == "Running" && id.is_string() && pod["metadata"]["labels"].is_object()
    };
    let mut found = None;
    let mut look = || {
        let all: Value = serde_json::from_str(&kubectl(&["get", "pods", "-A", "-o", "json"], "")).unwrap();
        found = all["items"].as_array().unwrap().iter().find(|pod| runs(pod)).cloned();
        found.is_some()
    };
    until("a pod that runs", SOON, &mut look);
    found.unwrap()
}

#[test]
#[ignore = "needs a node: scripts/cluster/test node"]
fn kubelet_tells_of_pods_to_whom_has_the_right_for_nodes_pods_alone() {
    kubectl(&["create", "namespace", "kubelet-mode"], "");
    for account in ["may", "may-not"] {
        kubectl(&["-n", "kubelet-mode", "create", "serviceaccount", account], "");
    }
    kubectl(&["create", "clusterrole", "kubelet-mode", "--verb=get", "--resource=nodes/pods"], "");
    let to = ["create", "clusterrolebinding", "kubelet-mode", "--clusterrole=kubelet-mode"];
    kubectl(&[&to[..], &["--serviceaccount=kubelet-mode:may"]].concat(), "");
    let pod = some_pod();
    let (meta, status) = (&pod["metadata"], &pod["status"]["containerStatuses"][0]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (uid, container) = (text(&meta["uid"]), text(&status["name"]));
    let address = format!("{{url: \"https://{}:10250\"}}", variable("KUBE_NODE_IP"));
    for kubelet in ["{}", &address, "{verify: false}"] {
        let (services, place) = (Services::start(), Place::new());
        let folder = format!("{}_{}_{uid}/{container}", text(&meta["namespace"]), text(&meta["name"]));
        let folder = place.pods().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let file = format!("{}.log", status["restartCount"]);
        fs::write(folder.join(file), "2026-11-22T10:15:00.123456789Z stdout F hello\n").unwrap();
        let mut agent = start(&place, &services, "may", kubelet);
        let arrived = || services.opensearch.control.receipts().kept().first().map(|kept| kept.text.clone());
        until_or("the line", SOON, || arrived().is_some(), || agent.log());
        let document: Value = serde_json::from_slice(&arrived().unwrap()).unwrap();
        let k8s = &document["kubernetes"];
        let id = text(&status["containerID"]).split("://").nth(1).unwrap().to_owned();
        assert_eq!((&k8s["pod_id"], &k8s["docker_id"]), (&json!(uid), &json!(id)), "{k8s}");
        assert_eq!(k8s["labels"].as_object().unwrap().len(), meta["labels"].as_object().unwrap().len(), "{k8s}");
        assert_eq!(k8s["pod_ip"], pod["status"]["podIP"], "{k8s}");
        assert!(!agent.log().contains("\"warn\""), "{}", agent.log());
        assert!(agent.stop(SOON).success());
        if kubelet == "{}" {
            let agent = start(&place, &services, "may-not", kubelet);
            let rule = r#"resources: [\"nodes/pods\"], verbs: [\"get\"]"#;
            // With pods of an earlier life kubelet is asked in any case.
            until_or("the rule", SOON, || agent.log().contains(rule), || agent.log());
        }
    }
    let audit = fs::read_to_string(variable("KUBE_AUDIT_LOG")).unwrap();
    assert!(!audit.contains("system:serviceaccount:kubelet-mode:"), "the API server was asked");
}

#[test]
#[ignore = "needs a node: scripts/cluster/test node"]
fn without_asking_anybody_a_containers_id_comes_from_kubelets_link() {
    let (services, place) = (Services::start(), Place::new());
    let config = place.config(&format!("node: {}\n", variable("KUBE_NODE")), &services.outputs());
    let ours = format!("path: {}", place.pods().display());
    let text = fs::read_to_string(&config).unwrap().replace(&ours, "path: /var/log/pods");
    fs::write(&config, text).unwrap();
    let agent = place.run(&config, &[]);
    let right = || {
        let all: Value = serde_json::from_str(&kubectl(&["get", "pods", "-A", "-o", "json"], "")).unwrap();
        let kept = services.opensearch.control.receipts().kept();
        kept.iter().rev().take(1000).any(|kept| {
            let document: Value = serde_json::from_slice(&kept.text).unwrap();
            let k8s = &document["kubernetes"];
            let pod = all["items"].as_array().unwrap().iter().find(|pod| pod["metadata"]["uid"] == k8s["pod_id"]);
            let id = k8s["docker_id"].as_str().map(|id| format!("containerd://{id}"));
            let statuses = pod.and_then(|pod| pod["status"]["containerStatuses"].as_array());
            let of = |status: &&Value| status["name"] == k8s["container_name"];
            let status = statuses.and_then(|all| all.iter().find(of));
            id.is_some() && status.is_some_and(|status| status["containerID"].as_str() == id.as_deref())
        })
    };
    until_or("a document with its container's id", SOON, right, || agent.log());
}
