//! What Kubernetes would make of an object: read as its type and written again, nothing may be missing. A key that
//! Kubernetes does not know, or a value of the wrong kind, shows here without a cluster.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of `packaging`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

/// All objects of the manifests in a folder of `packaging`.
pub fn shipped(name: &str) -> Vec<Value> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|it| it == "yaml") && !file.ends_with("kustomization.yaml"));
    files.iter().flat_map(|file| crate::yaml::documents(&std::fs::read_to_string(file).unwrap())).collect()
}

/// The one of this kind.
pub fn only<'o>(objects: &'o [Value], kind: &str) -> &'o Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} among {:?}", kinds(objects)));
    assert!(found.next().is_none(), "more than one {kind}");
    first
}

pub fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|object| object["kind"].as_str().unwrap()).collect()
}

/// Kubernetes takes it, and takes all of it. Objects of the Prometheus operator are not known here.
pub fn assert_known(object: &Value) {
    let again = match (object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap()) {
        ("v1", "Namespace") => again::<Namespace>(object),
        ("v1", "ServiceAccount") => again::<ServiceAccount>(object),
        ("v1", "ConfigMap") => again::<ConfigMap>(object),
        ("v1", "Service") => again::<Service>(object),
        ("v1", "Pod") => again::<Pod>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => again::<ClusterRole>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => again::<ClusterRoleBinding>(object),
        ("apps/v1", "DaemonSet") => again::<DaemonSet>(object),
        ("apps/v1", "Deployment") => again::<Deployment>(object),
        ("batch/v1", "Job") => again::<Job>(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => again::<NetworkPolicy>(object),
        ("monitoring.coreos.com/v1", "ServiceMonitor" | "PrometheusRule") => return,
        (version, kind) => panic!("{version} {kind}: add it here"),
    };
    assert_eq!(without_empty(object.clone()), without_empty(again));
}

fn again<T: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let typed: T = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}\n{object:#}"));
    serde_json::to_value(typed).unwrap()
}

/// An empty list or map may be written or left out.
fn without_empty(value: Value) -> Value {
    let kept = |value: &Value| !(value.is_null() || *value == serde_json::json!([]) || *value == serde_json::json!({}));
    match value {
        Value::Object(map) => {
            let map = map.into_iter().map(|(key, value)| (key, without_empty(value)));
            Value::Object(map.filter(|(_, value)| kept(value)).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_empty).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// `tailrace COMMAND -c` with a ConfigMap's files, and the variables of a container.
pub fn tailrace(command: &str, config_map: &Value, container: &Value) -> Output {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in config_map["data"].as_object().unwrap() {
        std::fs::write(directory.path().join(name), content.as_str().unwrap()).unwrap();
    }
    let mut tailrace = Command::new(env!("CARGO_BIN_EXE_tailrace"));
    tailrace.args([command, "-c", "tailrace.yaml"]).current_dir(directory.path()).env_clear();
    tailrace.env("KUBERNETES_SERVICE_HOST", "10.96.0.1");
    for variable in container["env"].as_array().unwrap() {
        // What a fieldRef or a secret would give.
        let value = variable["value"].as_str().unwrap_or(match variable["name"].as_str().unwrap() {
            "HOST_IP" => "10.0.0.7",
            _ => "from-elsewhere",
        });
        tailrace.env(variable["name"].as_str().unwrap(), value);
    }
    tailrace.output().unwrap()
}

/// The configuration is right; returned as `print-config` shows it.
pub fn assert_right(config_map: &Value, container: &Value) -> String {
    let checked = tailrace("check", config_map, container);
    let said = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(0), "{said}\n{}", config_map["data"]["tailrace.yaml"].as_str().unwrap());
    assert!(!String::from_utf8_lossy(&checked.stdout).contains("read by no output"));
    String::from_utf8(tailrace("print-config", config_map, container).stdout).unwrap()
}

/// The agent's container of an object with a pod template, among the init containers too.
pub fn agent(object: &Value) -> &Value {
    let spec = &object["spec"]["template"]["spec"];
    let all = [&spec["initContainers"], &spec["containers"]].into_iter().filter_map(Value::as_array).flatten();
    let mut found = all.filter(|container| container["name"] == "tailrace");
    found.next().unwrap()
}
