//! The pods of the story, as objects for kubectl. All run `writer` (an image of its own).

use serde_json::{Value, json};

/// The image of every container here.
pub const IMAGE: &str = "local/writer:1";

/// Namespace of all but the ones that are deleted.
pub const WORK: &str = "work";

/// A container's name, its digit, and what `writer` reads.
pub struct Container {
    name: &'static str,
    digit: char,
    env: Vec<(&'static str, String)>,
}

/// A container that writes so many lines; `settings`: `PAUSE=1000 STAY=1`.
pub fn writes(name: &'static str, digit: char, lines: u64, settings: &'static str) -> Container {
    let mut env = vec![("LINES", lines.to_string())];
    env.extend(settings.split_whitespace().map(|s| s.split_once('=').map(|(n, v)| (n, v.to_owned())).unwrap()));
    Container { name, digit, env }
}

impl Container {
    /// As it stands in a pod; `podinfo`: with the labels' file.
    pub fn json(&self, podinfo: bool) -> Value {
        let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let mut env = vec![
            field("POD", "metadata.name"),
            field("NAMESPACE", "metadata.namespace"),
            field("POD_UID", "metadata.uid"),
            json!({"name": "CONTAINER", "value": self.name}),
            json!({"name": "DIGIT", "value": self.digit.to_string()}),
        ];
        env.extend(self.env.iter().map(|(name, value)| json!({"name": name, "value": value})));
        let mut mounts = vec![json!({"name": "truth", "mountPath": "/truth"})];
        if podinfo {
            mounts.push(json!({"name": "podinfo", "mountPath": "/podinfo"}));
        }
        json!({"name": self.name, "image": IMAGE, "imagePullPolicy": "Never", "env": env, "volumeMounts": mounts})
    }
}

fn volumes(podinfo: bool) -> Value {
    let truth = json!({"name": "truth", "hostPath": {"path": "/var/lib/truth", "type": "DirectoryOrCreate"}});
    let colour = json!({"path": "colour", "fieldRef": {"fieldPath": "metadata.labels['colour']"}});
    let labels = json!({"name": "podinfo", "downwardAPI": {"items": [colour]}});
    if podinfo { json!([truth, labels]) } else { json!([truth]) }
}

/// What all pods here have; `restart` is its policy.
fn spec(restart: &str, containers: &[Container]) -> Value {
    let containers: Vec<Value> = containers.iter().map(|c| c.json(true)).collect();
    json!({
        "restartPolicy": restart, "terminationGracePeriodSeconds": 2, "automountServiceAccountToken": false,
        "containers": containers, "volumes": volumes(true),
    })
}

/// Labels that would break an OpenSearch mapping as they are, and the one that changes.
fn labels(app: &str) -> Value {
    json!({"app": app, "app.kubernetes.io/name": app, "colour": "red", "empty": ""})
}

const NOTE: &str = "example.com/note";

/// The annotation that the agent is asked for; there is one that it is not asked for.
pub fn note(dots: bool) -> Value {
    let name = if dots { NOTE.replace('.', "_") } else { NOTE.to_owned() };
    json!({name: "as \"it\" is"})
}

fn annotations() -> Value {
    json!({NOTE: "as \"it\" is", "example.com/other": "not asked for"})
}

/// Kind and name of what its pods belong to in the end; empty where they are alone.
pub fn owner(app: &str) -> (&'static str, &'static str) {
    match app {
        "web" => ("Deployment", "web"),
        "db" => ("StatefulSet", "db"),
        "brief" => ("Job", "brief"),
        "tick" => ("CronJob", "tick"),
        "fixed" => ("Node", "n1"),
        _ => ("", ""),
    }
}

fn pod(namespace: &str, name: &str, spec: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": namespace, "labels": labels(name), "annotations": annotations()});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

/// A Deployment, a StatefulSet: whatever has a selector and a template.
fn set(kind: &str, name: &str, replicas: u32, spec: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": WORK},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}}, "serviceName": name,
            "template": {"metadata": {"labels": labels(name), "annotations": annotations()}, "spec": spec},
        },
    })
}

pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// Two pods with two containers each; their labels are changed while they write.
pub fn web() -> Value {
    let (out, side) =
        (writes("main", '0', 1800, "PAUSE=40000 STAY=1"), writes("side", '1', 600, "PAUSE=120000 STAY=1"));
    let mut set = set("Deployment", "web", 2, &spec("Always", &[out, side]));
    set["spec"].as_object_mut().unwrap().remove("serviceName");
    set
}

/// Some 60 KB a second: kubelet rotates and compresses its files every few seconds.
pub fn chatty() -> [Value; 2] {
    let lines = |name| writes(name, '0', 16_000, "BURST=10 PAUSE=50000 PAD=250 STAY=1");
    ["chatty-1", "chatty-2"].map(|name| pod(WORK, name, &spec("Always", &[lines("main")])))
}

/// Lines of 40,000 bytes among others, and at its end one without a newline.
pub fn long() -> Value {
    pod(WORK, "long", &spec("Never", &[writes("main", '0', 200, "LONG=4 PAUSE=30000 OPEN=1")]))
}

/// Two init containers, then an ordinary one.
pub fn starts() -> Value {
    let mut spec = spec("Never", &[writes("main", '2', 100, "PAUSE=20000")]);
    let init = [writes("first", '0', 30, "PAUSE=1000"), writes("second", '1', 30, "PAUSE=1000")];
    spec["initContainers"] = init.iter().map(|c| c.json(true)).collect();
    pod(WORK, "starts", &spec)
}

/// Ends with an error after 20 lines, again and again.
pub fn crash() -> Value {
    pod(WORK, "crash", &spec("Always", &[writes("main", '0', 20, "PAUSE=1000 CODE=3 OPEN=1")]))
}

/// Pods that are done within a second.
fn job(app: &str, completions: u32) -> Value {
    let metadata = json!({"labels": labels(app), "annotations": annotations()});
    let spec = spec("Never", &[writes("main", '0', 40, "PAUSE=5000")]);
    json!({"completions": completions, "parallelism": 3, "template": {"metadata": metadata, "spec": spec}})
}

/// Six of them, three at a time.
pub fn brief() -> Value {
    let metadata = json!({"name": "brief", "namespace": WORK});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job("brief", 6)})
}

/// One each minute.
pub fn tick() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick", "namespace": WORK},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job("tick", 1)}},
    })
}

/// One pod under a name that comes again.
pub fn db() -> Value {
    set("StatefulSet", "db", 1, &spec("Always", &[writes("main", '0', 4000, "PAUSE=10000 STAY=1")]))
}

/// Writes until its namespace is deleted.
pub fn doomed(namespace: &str) -> [Value; 2] {
    let lines = |name| writes(name, '0', 100_000, "PAUSE=5000");
    ["doomed-1", "doomed-2"].map(|name| pod(namespace, name, &spec("Always", &[lines("main")])))
}

/// Lines of `late`.
pub const LATE: u64 = 2000;

/// Comes when the others are done. Some 9 KB a second: kubelet rotates its file now and then, and has all of it for a
/// minute.
pub fn late() -> Value {
    pod(WORK, "late", &spec("Always", &[writes("main", '0', LATE, "PAUSE=30000 PAD=60 STAY=1")]))
}

/// From a file on the node, without an API server.
pub fn fixed() -> Value {
    let container = writes("main", '0', 500, "PAUSE=20000 STAY=1").json(false);
    let spec = json!({
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 2, "containers": [container], "volumes": volumes(false),
    });
    pod(WORK, "fixed", &spec)
}

/// What is put beside the containers of a pod that runs.
pub fn ephemeral() -> Value {
    writes("debug", 'e', 60, "PAUSE=10000").json(true)
}
