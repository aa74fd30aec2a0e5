//! `packaging/kubernetes` and `packaging/sidecar` as they are.

use crate::objects::{agent, assert_known, assert_right, folder, kinds, only, shipped};
use serde_json::{Value, json};

#[test]
fn every_manifest_is_one_that_kubernetes_knows_all_of() {
    for name in ["kubernetes", "sidecar"] {
        let objects = shipped(name);
        assert!(objects.len() >= 4, "{name}: {:?}", kinds(&objects));
        objects.iter().for_each(assert_known);
    }
}

#[test]
fn every_configuration_in_a_manifest_is_right() {
    let objects = shipped("kubernetes");
    assert_right(only(&objects, "ConfigMap"), agent(only(&objects, "DaemonSet")));
    let objects = shipped("sidecar");
    for workload in objects.iter().filter(|object| object["kind"] != "ConfigMap") {
        let wanted = &workload["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"];
        let config = objects.iter().find(|object| object["metadata"]["name"] == *wanted).unwrap();
        assert_right(config, agent(workload));
    }
}

#[test]
fn kustomize_takes_every_manifest() {
    let all = crate::yaml::documents(&std::fs::read_to_string(folder("kubernetes/kustomization.yaml")).unwrap());
    let mut listed: Vec<&str> = all[0]["resources"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    listed.sort_unstable();
    let mut there: Vec<String> = std::fs::read_dir(folder("kubernetes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml") && name != "kustomization.yaml")
        .collect();
    there.sort();
    assert_eq!(listed, there);
}

/// What an agent may do is what it needs, and a change of that is a change of this test.
#[test]
fn the_daemonset_has_no_right_that_it_does_not_need() {
    let objects = shipped("kubernetes");
    let rules = &only(&objects, "ClusterRole")["rules"];
    assert_eq!(*rules, json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]));
    let daemonset = only(&objects, "DaemonSet");
    let capabilities = json!({"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]});
    let security = &agent(daemonset)["securityContext"];
    assert_eq!(security["capabilities"], capabilities);
    assert_eq!(
        (&security["readOnlyRootFilesystem"], &security["allowPrivilegeEscalation"]),
        (&json!(true), &json!(false))
    );
    assert!(agent(daemonset)["ports"].is_null(), "on the host's network a declared port keeps the next pod away");
    let writable = |mount: &&Value| mount["readOnly"] != true;
    let mounts = agent(daemonset)["volumeMounts"].as_array().unwrap();
    let writable: Vec<&str> =
        mounts.iter().filter(writable).map(|mount| mount["mountPath"].as_str().unwrap()).collect();
    assert_eq!(writable, ["/var/lib/tailrace"]);
}

#[test]
fn sidecars_run_as_nobody_with_no_capability_and_no_token() {
    let objects = shipped("sidecar");
    for workload in objects.iter().filter(|object| object["kind"] != "ConfigMap") {
        let spec = &workload["spec"]["template"]["spec"];
        assert_eq!((&spec["automountServiceAccountToken"], &spec["hostNetwork"]), (&json!(false), &Value::Null));
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(agent(workload)["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
        assert!(spec["volumes"].as_array().unwrap().iter().all(|volume| volume["hostPath"].is_null()));
    }
}
