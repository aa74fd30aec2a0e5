//! `packaging/helm`, rendered. Needs helm: `scripts/servers/install helm`, and HELM with where it is.

use crate::objects::{agent, assert_known, assert_right, folder, kinds, only, shipped};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Output};

/// `helm template` with a file of values.
pub fn template(values: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("values.yaml");
    std::fs::write(&file, values).unwrap();
    let helm = std::env::var_os("HELM").map_or_else(|| PathBuf::from("helm"), PathBuf::from);
    let mut command = Command::new(helm);
    // Built from source, helm takes the oldest Kubernetes for the one that it renders for.
    command.args(["template", "tailrace", "--namespace", "tailrace", "--kube-version", "1.34.0"]);
    command.arg(folder("helm")).arg("--values").arg(file).env("HOME", directory.path()).output().unwrap()
}

/// The objects, all of which Kubernetes knows, with a configuration that is right.
pub fn rendered(values: &str) -> Vec<Value> {
    let output = template(values);
    assert!(output.status.success(), "{}\n{values}", String::from_utf8_lossy(&output.stderr));
    let objects = crate::yaml::documents(std::str::from_utf8(&output.stdout).unwrap());
    objects.iter().for_each(assert_known);
    if let Some(map) = objects.iter().find(|object| object["data"]["tailrace.yaml"].is_string()) {
        assert_right(map, agent(only(&objects, "DaemonSet")));
    }
    objects
}

/// What helm says against these values.
fn refused(values: &str) -> String {
    let output = template(values);
    assert!(!output.status.success(), "taken: {values}");
    String::from_utf8(output.stderr).unwrap()
}

fn rules(objects: &[Value]) -> &Value {
    &only(objects, "ClusterRole")["rules"]
}

/// Values that are documented or expected, each of which must show in the result.
pub const FULL: &str = r#"
image: {repository: registry.example.com/tailrace, digest: "sha256:0123456789012345678901234567890123456789012345678901234567890123"}
imagePullSecrets: [{name: pull}]
labels: {team: platform}
serviceAccount: {name: logs, annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::123456789012:role/logs"}}
config:
  service:
    memory_limit: 64MiB
    shutdown_timeout: 40s
    retain: {max_bytes: 1GiB, min_free: 10%}
    spot_notice: off
    sandbox: {landlock: false, read: [/etc/ca]}
  inputs: |
    pods:
      type: kubernetes
      exclude: [/var/log/pods/kube-system_*]
      metadata: {source: api, annotations: [team]}
    system: {type: file, include: [/var/log/messages]}
  outputs: |
    search:
      type: opensearch
      inputs: [pods, system]
      url: https://search.example.com:9200
      index: "logs-{{ .Release.Name }}-%Y.%m.%d"
      auth: {type: basic, username: agent, password: "${SEARCH_PASSWORD}"}
hotReload: {enabled: false}
clusterName: production
region: eu-west-1
env: [{name: SEARCH_PASSWORD, valueFrom: {secretKeyRef: {name: search, key: password}}}]
envFrom: []
admin: {port: 9999}
persistence: {hostPath: /mnt/tailrace}
hostNetwork: false
dnsConfig: {options: [{name: ndots, value: "1"}]}
hostAliases: [{ip: 10.0.0.1, hostnames: [search.example.com]}]
updateStrategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, maxUnavailable: 10%}}
terminationGracePeriodSeconds: 60
priorityClassName: high
resources: {limits: {memory: 256Mi}}
nodeSelector: {kubernetes.io/arch: amd64}
tolerations: []
affinity: null
annotations: {note: a}
podAnnotations: {note: b}
podLabels: {tier: logs}
lifecycle: {preStop: {exec: {command: [/tailrace, --version]}}}
initContainers: [{name: first, image: busybox}]
extraContainers: [{name: beside, image: busybox}]
extraVolumes: [{name: ca, secret: {secretName: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/ca, readOnly: true}]
service: {enabled: true, labels: {a: b}, annotations: {c: d}}
serviceMonitor: {enabled: true, additionalLabels: {release: prometheus}}
prometheusRule: {enabled: true}
"#;

#[test]
#[ignore = "needs helm"]
fn by_default_it_is_what_packaging_kubernetes_is() {
    // What helm adds to every object, and what tells apart releases of one chart.
    fn plain(mut value: Value) -> Value {
        fn strip(value: &mut Value) {
            match value {
                Value::Object(map) => {
                    for name in [
                        "helm.sh/chart",
                        "app.kubernetes.io/instance",
                        "app.kubernetes.io/version",
                        "app.kubernetes.io/managed-by",
                    ] {
                        map.remove(name);
                    }
                    // The one default that the other has without saying so.
                    if map.get("imagePullPolicy") == Some(&json!("IfNotPresent")) {
                        map.remove("imagePullPolicy");
                    }
                    map.values_mut().for_each(strip);
                }
                Value::Array(items) => items.iter_mut().for_each(strip),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        strip(&mut value);
        value
    }
    let (chart, ours) = (rendered("{}"), shipped("kubernetes"));
    for kind in ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "DaemonSet", "NetworkPolicy"] {
        assert_eq!(plain(only(&chart, kind).clone()), plain(only(&ours, kind).clone()));
    }
    let printed = |objects: &[Value]| assert_right(only(objects, "ConfigMap"), agent(only(objects, "DaemonSet")));
    assert_eq!(printed(&chart), printed(&ours));
    // The namespace is made by whoever installs; `helm test` has a pod.
    let mut left = kinds(&chart);
    left.retain(|kind| !kinds(&ours).contains(kind));
    assert_eq!(left, ["Pod"]);
}

#[test]
#[ignore = "needs helm"]
fn every_value_shows_in_what_is_rendered() {
    let objects = rendered(FULL);
    let daemonset = only(&objects, "DaemonSet");
    let (spec, container) = (&daemonset["spec"]["template"]["spec"], agent(daemonset));
    let text = format!("{}", json!(objects));
    for said in [
        "registry.example.com/tailrace@sha256:01234567890123",
        "arn:aws:iam::123456789012:role/logs",
        r#""team":"platform""#,
        r#""imagePullSecrets":[{"name":"pull"}]"#,
        r#""path":"/mnt/tailrace""#,
        r#""maxUnavailable":"10%""#,
        "checksum/config",
        r#""secretName":"ca""#,
        r#""mountPath":"/etc/ca""#,
        r#""name":"beside""#,
        r#""name":"first""#,
        r#""release":"prometheus""#,
        "TailraceLogsLost",
        "logs-tailrace-%Y.%m.%d",
        r#""dnsPolicy":"ClusterFirst""#,
        r#""ndots""#,
        r#""hostnames":["search.example.com"]"#,
        r#""preStop""#,
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    for (key, want) in [
        ("hostNetwork", json!(false)),
        ("priorityClassName", json!("high")),
        ("terminationGracePeriodSeconds", json!(60)),
        ("serviceAccountName", json!("logs")),
        ("tolerations", Value::Null),
        ("affinity", Value::Null),
    ] {
        assert_eq!(spec[key], want, "{key}");
    }
    assert_eq!(spec["nodeSelector"], json!({"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}));
    assert_eq!(container["ports"][0]["containerPort"], 9999);
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"port": 9999, "path": "/readyz"}));
    let printed = assert_right(only(&objects, "ConfigMap"), container);
    for said in [
        "0.0.0.0:9999",
        "shutdown_timeout: 40s",
        "memory_limit: 64MiB",
        "min_free: 10%",
        "spot_notice: off",
        "landlock: false",
    ] {
        assert!(printed.contains(said), "{said}: {printed}");
    }
}

#[test]
#[ignore = "needs helm"]
fn rights_follow_from_what_the_inputs_ask_for() {
    let with = |inputs: &str| format!("config: {{inputs: '{inputs}'}}");
    let by_path = rendered(&with("pods: {type: kubernetes, metadata: {source: path}}"));
    assert!(!kinds(&by_path).contains(&"ClusterRole"));
    let kubelet = "config: {inputs: 'pods: {type: kubernetes, metadata: {source: kubelet, namespace_labels: true, node_labels: true, \
                   kubelet: {url: \"https://${HOST_IP}:10250\"}}}'}";
    let by_kubelet = rendered(kubelet);
    let of: Vec<_> = rules(&by_kubelet).as_array().unwrap().iter().map(|rule| &rule["resources"][0]).collect();
    assert_eq!(of, ["nodes/pods", "namespaces", "nodes"]);
    let both = "config: {inputs: 'pods: {type: kubernetes}'}\nexistingConfigMap: mine\nrbac: {rules: [{apiGroups: [''], resources: [nodes/pods], verbs: [get]}]}";
    let own = rendered(both);
    assert_eq!(*rules(&own), json!([{"apiGroups": [""], "resources": ["nodes/pods"], "verbs": ["get"]}]));
    assert!(!kinds(&own).contains(&"ConfigMap"));
    let none = rendered("rbac: {create: false}\nserviceAccount: {create: false, name: theirs}");
    assert!(!kinds(&none).iter().any(|kind| kind.starts_with("ClusterRole") || *kind == "ServiceAccount"));
    assert_eq!(only(&none, "DaemonSet")["spec"]["template"]["spec"]["serviceAccountName"], "theirs");
}

#[test]
#[ignore = "needs helm"]
fn metrics_are_opened_on_the_nodes_address_when_there_is_a_service_for_them() {
    let objects = rendered("service: {enabled: true}");
    let printed = assert_right(only(&objects, "ConfigMap"), agent(only(&objects, "DaemonSet")));
    assert!(printed.contains("10.0.0.7:9780"), "{printed}");
    let ingress = &only(&objects, "NetworkPolicy")["spec"]["ingress"];
    assert_eq!(*ingress, json!([{"ports": [{"protocol": "TCP", "port": 9780}]}]));
    assert_eq!(agent(only(&objects, "DaemonSet"))["livenessProbe"]["httpGet"], json!({"port": 9780, "path": "/livez"}));
}

#[test]
#[ignore = "needs helm"]
fn prometheus_finds_pods_without_a_service_and_without_a_declared_port() {
    for network in ["true", "false"] {
        let objects =
            rendered(&format!("podMonitor: {{enabled: true}}\nadmin: {{port: 9999}}\nhostNetwork: {network}"));
        let printed = assert_right(only(&objects, "ConfigMap"), agent(only(&objects, "DaemonSet")));
        assert!(!printed.contains("127.0.0.1:9999"), "{printed}");
        assert!(!kinds(&objects).contains(&"Service"));
        let ingress = &only(&objects, "NetworkPolicy")["spec"]["ingress"];
        assert_eq!(*ingress, json!([{"ports": [{"protocol": "TCP", "port": 9999}]}]));
        let monitor = &only(&objects, "PodMonitor")["spec"];
        let pod = &only(&objects, "DaemonSet")["spec"]["template"]["metadata"]["labels"];
        for (label, value) in monitor["selector"]["matchLabels"].as_object().unwrap() {
            assert_eq!(pod[label], *value);
        }
        let endpoint = &monitor["podMetricsEndpoints"][0];
        assert_eq!((&endpoint["port"], &endpoint["relabelings"][1]["replacement"]), (&Value::Null, &json!("$1:9999")));
    }
}

#[test]
#[ignore = "needs helm"]
fn the_dashboard_comes_with_the_label_that_grafana_looks_for() {
    let objects = rendered("dashboards: {enabled: true, namespace: grafana}");
    let map = objects.iter().find(|object| object["metadata"]["labels"]["grafana_dashboard"] == "1").unwrap();
    assert_eq!(map["metadata"]["namespace"], "grafana");
    let dashboard: Value = serde_json::from_str(map["data"]["tailrace.json"].as_str().unwrap()).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 8);
}

#[test]
#[ignore = "needs helm"]
fn wrong_values_are_refused_by_name() {
    for (values, said) in [
        ("hostNetwrk: true", "hostNetwrk"),
        ("image: {tags: a}", "tags"),
        ("config: {outputs: {a: {type: s3}}}", "/config/outputs"),
        ("config: {service: {data_dir: /d}}", "data_dir"),
        ("config: {service: {memory_limit: 40}}", "memory_limit"),
        ("config: {extraFiles: {tailrace.yaml: a}}", "tailrace.yaml"),
        ("config: {inputs: 'a: b: c'}", "config.inputs is not YAML"),
        ("config: {inputs: 'pods:'}", "`pods` has no keys below it"),
        ("terminationGracePeriodSeconds: 20", "not above config.service.shutdown_timeout: 25s"),
        ("updateStrategy: {type: Recreate}", "updateStrategy/type"),
        ("tolerations: {operator: Exists}", "tolerations"),
        ("region: us_east_1", "region"),
        ("env: [{value: a}]", "name"),
        ("persistence: {hostPath: var/lib}", "hostPath"),
        ("serviceMonitor: {enabled: true}", "set service.enabled=true too"),
        ("admin: {listen: '::1'}", "admin/listen"),
        ("kind: Deployment", "kind"),
    ] {
        let complaint = refused(values);
        assert!(complaint.contains(said), "{values}: {complaint}");
    }
}
