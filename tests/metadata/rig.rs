//! One node: its pods as the API server has them, their log files, the agent, and what arrived.

use crate::api::Api;
use crate::support::metrics::Metrics;
use crate::support::{Agent, Place, SOON, Services, now, until_or};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use tailrace::standin::Standin;

/// A pod with one container.
#[derive(Clone, Debug)]
pub struct Pod {
    pub uid: String,
    pub name: String,
    pub namespace: String,
    pub labels: Vec<(String, String)>,
    pub annotations: Vec<(String, String)>,
    /// Id of the running container; `None`: the runtime has not made one yet.
    pub id: Option<String>,
}

impl Pod {
    /// `n` names it; its labels are given as `key=value`.
    pub fn new(n: u32, labels: &[&str]) -> Pod {
        Pod {
            uid: format!("{n:08x}-0000-4000-8000-000000000000"),
            name: format!("web-{n}"),
            namespace: "shop".into(),
            labels: Vec::new(),
            annotations: Vec::new(),
            id: Some(format!("{n:064x}")),
        }
        .with_labels(labels)
    }
    pub fn with_labels(&self, labels: &[&str]) -> Pod {
        let pair = |text: &&str| text.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap();
        Pod { labels: labels.iter().map(pair).collect(), ..self.clone() }
    }
    /// As the API server has it.
    pub fn json(&self) -> Value {
        let map = |pairs: &[(String, String)]| -> Value {
            pairs.iter().map(|(k, v)| (k.clone(), Value::from(v.clone()))).collect::<serde_json::Map<_, _>>().into()
        };
        let mut pod = json!({
            "metadata": {
                "uid": self.uid,
                "name": self.name,
                "namespace": self.namespace,
                "labels": map(&self.labels),
                "annotations": map(&self.annotations),
            },
            "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "registry/web:1.2"}]},
            "status": {"phase": "Pending"},
        });
        if let Some(id) = &self.id {
            pod["status"] = json!({"phase": "Running", "containerStatuses": [{
                "name": "main",
                "image": "registry/web:1.2",
                "containerID": format!("containerd://{id}"),
                "restartCount": 0,
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }]});
        }
        pod
    }
}

pub struct Rig {
    pub place: Place,
    pub services: Services,
    /// More for the input, the outputs, the output `search`; whole lines.
    pub input: String,
    pub outputs: Option<String>,
}

impl Rig {
    pub fn new() -> Rig {
        Rig { place: Place::new(), services: Services::start(), input: String::new(), outputs: None }
    }
    /// The agent on the node `n1`, with the API server at `api`. `metadata` is further text for that key: `, wait: 1s`.
    pub fn start(&self, api: SocketAddr, metadata: &str) -> Agent {
        self.start_from("api", api, metadata)
    }
    /// The same, with another source of metadata.
    pub fn start_from(&self, source: &str, api: SocketAddr, metadata: &str) -> Agent {
        let place = &self.place;
        let kubeconfig = place.path().join("kubeconfig");
        std::fs::write(&kubeconfig, Api::kubeconfig(api)).unwrap();
        let config = place.path().join("tailrace.yaml");
        let outputs = self.outputs.clone().unwrap_or_else(|| self.services.outputs());
        let text = format!(
            "data_dir: {}\nnode: n1\nadmin: {{listen: \"{}\"}}\ninputs:\n  pods:\n    type: kubernetes\n    path: {}\n    \
             metadata: {{source: {source}{metadata}}}\n{}outputs:\n{outputs}",
            place.data_dir().display(),
            place.admin,
            place.pods().display(),
            self.input,
        );
        std::fs::write(&config, text).unwrap();
        let args = ["run", "-c", config.to_str().unwrap()];
        Agent::start_with(place.path(), &args, place.admin, &[("KUBECONFIG", kubeconfig.to_str().unwrap())])
    }
    /// The file that the pod's container writes; `dir` stands for the UID in the directory's name.
    pub fn file(&self, pod: &Pod, dir: &str) -> PathBuf {
        self.place.pods().join(format!("{}_{}_{dir}/main/0.log", pod.namespace, pod.name))
    }
    /// The container says something: directories and file are made as kubelet and the runtime make them.
    pub fn say(&self, pod: &Pod, text: &str) {
        self.say_as(pod, &pod.uid, text);
    }
    /// A static pod's directory is not named after its UID.
    pub fn say_as(&self, pod: &Pod, dir: &str, text: &str) {
        let path = self.file(pod, dir);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let time = jiff::Timestamp::from_nanosecond(now().unix_ns.into()).unwrap();
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{time:.9} stdout F {text}\n").as_bytes()).unwrap();
    }
    /// Kubelet rotates the pod's file for the `n`th time, and compresses the one before it.
    pub fn rotate(&self, pod: &Pod, n: u32) {
        let live = self.file(pod, &pod.uid);
        let rotated = |n: u32| live.with_file_name(format!("0.log.20261122-10{n:02}00"));
        std::fs::rename(&live, rotated(n)).unwrap();
        File::create(&live).unwrap();
        if let Some(before) = n.checked_sub(1).map(rotated) {
            let name = format!("{}.gz", before.file_name().unwrap().to_str().unwrap());
            let to = File::create(before.with_file_name(name)).unwrap();
            let mut gz = flate2::write::GzEncoder::new(to, flate2::Compression::fast());
            gz.write_all(&std::fs::read(&before).unwrap()).unwrap();
            gz.finish().unwrap();
            std::fs::remove_file(before).unwrap();
        }
    }
    /// The documents with this line that arrived in an output, with the place where each is.
    pub fn arrived(at: &Standin, log: &str) -> Vec<(String, Value)> {
        let kept = at.control.receipts().kept().into_iter();
        let read = kept.filter_map(|k| Some((k.place, serde_json::from_slice::<Value>(&k.text).ok()?)));
        read.filter(|(_, document)| document["log"] == log).collect()
    }
    /// The document with this line in each of the three outputs (CloudWatch, S3, OpenSearch), once each.
    pub fn everywhere(&self, log: &str, agent: &Agent) -> [(String, Value); 3] {
        self.services.each().map(|(name, at)| {
            let what = format!("{log:?} in {name}");
            until_or(&what, SOON, || !Rig::arrived(at, log).is_empty(), || agent.log());
            let mut found = Rig::arrived(at, log);
            assert_eq!(found.len(), 1, "{what}: {found:?}");
            found.remove(0)
        })
    }
    /// In which state the pod watch is.
    pub fn until_state(agent: &Agent, state: &str) {
        let is = |m: Metrics| m.sum("tailrace_metadata_state", &[("state", state)]) == Some(1.0);
        let say = || format!("{:?}\n{}", agent.get("/metrics"), agent.log());
        until_or(&format!("metadata state {state}"), SOON, || is(agent.metrics()), say);
    }
}
