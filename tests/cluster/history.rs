//! What the API server said of every pod, in every version: a watch of kubectl from the story's beginning to its end.

use crate::server::variable;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command, Stdio};

/// kubectl, writing down every event.
pub struct Watch {
    child: Child,
    file: tempfile::NamedTempFile,
}

/// All versions of one pod, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Versions(pub Vec<Value>);

impl Watch {
    pub fn start() -> Watch {
        let file = tempfile::NamedTempFile::new().unwrap();
        let arguments = ["get", "pods", "-A", "-o", "json", "--watch", "--output-watch-events"];
        let child = Command::new(variable("KUBECTL"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.reopen().unwrap())
            .spawn()
            .unwrap();
        Watch { child, file }
    }

    /// Every pod by the name that its log directory has: its UID, or the hash of a static pod.
    pub fn pods(&mut self) -> BTreeMap<String, Versions> {
        assert_eq!(self.child.try_wait().unwrap(), None, "the watch of kubectl ended");
        let events =
            serde_json::Deserializer::from_reader(std::io::BufReader::new(File::open(self.file.path()).unwrap()));
        let mut pods: BTreeMap<String, Versions> = BTreeMap::new();
        // The last event may be half written.
        for event in events.into_iter::<Value>().map_while(Result::ok) {
            let pod = &event["object"];
            let hash = &pod["metadata"]["annotations"]["kubernetes.io/config.hash"];
            let name = hash.as_str().or(pod["metadata"]["uid"].as_str()).unwrap().to_owned();
            pods.entry(name).or_default().0.push(pod.clone());
        }
        pods
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Versions {
    /// UIDs: one, or a static pod's mirrors'.
    pub fn uids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|pod| pod["metadata"]["uid"].as_str())
    }

    /// The image that the pod asks for.
    pub fn image(&self, container: &str) -> Option<&str> {
        let last = self.0.last()?;
        let kinds = ["containers", "initContainers", "ephemeralContainers"].iter();
        let all = kinds.filter_map(|kind| last["spec"][kind].as_array()).flatten();
        all.filter(|c| c["name"] == container).find_map(|c| c["image"].as_str())
    }

    /// The id of this run of the container, as far as any version tells it.
    pub fn container_id(&self, container: &str, life: u32) -> Option<&str> {
        let kinds = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
        let statuses =
            self.0.iter().flat_map(|pod| kinds.iter().filter_map(|kind| pod["status"][kind].as_array()).flatten());
        let mut mine = statuses.filter(|s| s["name"] == container && s["restartCount"] == life);
        mine.find_map(|s| s["containerID"].as_str()?.strip_prefix("containerd://"))
    }

    /// Whether some version had exactly these labels; `dots`: as OpenSearch has them.
    pub fn had_labels(&self, labels: &Value, dots: bool) -> bool {
        let name = |name: &str| if dots { name.replace('.', "_") } else { name.to_owned() };
        self.0.iter().any(|pod| {
            let own = pod["metadata"]["labels"].as_object().into_iter().flatten();
            let own: serde_json::Map<String, Value> = own.map(|(k, v)| (name(k), v.clone())).collect();
            Value::Object(own) == *labels
        })
    }
}
