//! What other agents find on a node beside the logs: `/var/log/containers`' links, and what the API server would say
//! of each pod as a file `NAMESPACE_POD.meta` (Fluent Bit's filter reads such a folder before it asks a server).

use crate::corpus::Corpus;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use tailrace::metadata::pod::Pod;

/// Lays `containers/` and `facts/` beside `pods/`.
pub fn lay(place: &Path, corpus: &Corpus) {
    let (containers, facts) = (place.join("containers"), place.join("facts"));
    fs::create_dir_all(&containers).unwrap();
    fs::create_dir_all(&facts).unwrap();
    for pod in &corpus.pods {
        let container = pod.containers.first().unwrap();
        let id = container.id.as_deref().unwrap();
        let link = containers.join(format!("{}_{}_{}-{id}.log", pod.name, pod.namespace, container.name));
        let log = place.join(format!("pods/{}_{}_{}/{}/0.log", pod.namespace, pod.name, pod.uid, container.name));
        std::os::unix::fs::symlink(log, link).unwrap();
        fs::write(facts.join(format!("{}_{}.meta", pod.namespace, pod.name)), said(pod).to_string()).unwrap();
    }
}

fn said(pod: &Pod) -> Value {
    let labels: Map<String, Value> = pod.labels.iter().map(|(k, v)| (k.to_string(), json!(v))).collect();
    let (name, image, id) = pod.containers.first().map(|c| (&c.name, &c.image, c.id.as_deref())).unwrap();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid, "labels": labels},
        "spec": {"nodeName": pod.node, "containers": [{"name": name, "image": image}]},
        "status": {
            "podIP": "10.42.0.7",
            "containerStatuses": [{
                "name": name,
                "image": image,
                "imageID": format!("{image}@sha256:{}", id.unwrap_or_default()),
                "containerID": format!("containerd://{}", id.unwrap_or_default()),
            }],
        },
    })
}
