//! What the API server said of every pod, in every version: a watch of kubectl from the story's beginning to its end.

use crate::server::variable;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// kubectl, writing down every event, and begun again when the API server was.
pub struct Watch {
    dir: tempfile::TempDir,
    child: Arc<Mutex<Child>>,
    stop: Arc<AtomicBool>,
}

/// All versions of one pod, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Versions(pub Vec<Value>);

/// Its events go into a file of their own, as the last one may be torn.
fn kubectl(dir: &Path, life: u32) -> Child {
    Command::new(variable("KUBECTL"))
        .args(["get", "pods", "-A", "-o", "json", "--watch", "--output-watch-events"])
        .stdin(Stdio::null())
        .stdout(File::create(dir.join(format!("{life:03}"))).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Watch {
    pub fn start() -> Watch {
        let dir = tempfile::tempdir().unwrap();
        let child = Arc::new(Mutex::new(kubectl(dir.path(), 0)));
        let (path, shared, stop) = (dir.path().to_owned(), Arc::clone(&child), Arc::new(AtomicBool::new(false)));
        let ended = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut life = 0;
            loop {
                std::thread::sleep(Duration::from_millis(20));
                let mut child = shared.lock().unwrap();
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                if child.try_wait().unwrap().is_some() {
                    life += 1;
                    *child = kubectl(&path, life);
                }
            }
        });
        Watch { dir, child, stop }
    }

    /// Every pod by the name that its log directory has: its UID, or the hash of a static pod.
    pub fn pods(&self) -> BTreeMap<String, Versions> {
        let mut files: Vec<PathBuf> = self.dir.path().read_dir().unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let mut pods: BTreeMap<String, Versions> = BTreeMap::new();
        for file in files {
            let events = serde_json::Deserializer::from_reader(std::io::BufReader::new(File::open(file).unwrap()));
            for event in events.into_iter::<Value>().map_while(Result::ok) {
                let pod = &event["object"];
                let hash = &pod["metadata"]["annotations"]["kubernetes.io/config.hash"];
                let name = hash.as_str().or(pod["metadata"]["uid"].as_str()).unwrap().to_owned();
                pods.entry(name).or_default().0.push(pod.clone());
            }
        }
        pods
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let mut child = self.child.lock().unwrap();
        drop(child.kill());
        drop(child.wait());
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
        let mut mine = self.statuses(container).filter(|s| s["restartCount"] == life);
        mine.find_map(|s| s["containerID"].as_str()?.strip_prefix("containerd://"))
    }

    /// Whether the container's image had this id.
    pub fn had_image_id(&self, container: &str, id: &str) -> bool {
        id.len() >= 64 && self.statuses(container).any(|s| s["imageID"].as_str().is_some_and(|told| told.ends_with(id)))
    }

    /// Whether the pod had this address.
    pub fn had_address(&self, address: &str) -> bool {
        self.0.iter().any(|pod| pod["status"]["podIP"] == address)
    }

    fn statuses(&self, container: &str) -> impl Iterator<Item = &Value> {
        let kinds = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
        let all =
            self.0.iter().flat_map(move |pod| kinds.into_iter().filter_map(|kind| pod["status"][kind].as_array()));
        all.flatten().filter(move |s| s["name"] == container)
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
