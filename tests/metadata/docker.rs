//! Docker mode without an API server: links of `/var/log/pods` into Docker's own directories, json-file lines, rotation
//! behind the links while nobody reads.

use crate::rig::{Pod, Rig};
use crate::support::{Agent, SOON};
use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct Docker {
    rig: Rig,
    pod: Pod,
}

impl Docker {
    fn new() -> Docker {
        let docker = Docker { rig: Rig::new(), pod: Pod::new(1, &[]) };
        let (root, link) = (docker.file(""), docker.rig.file(&docker.pod, &docker.pod.uid));
        fs::create_dir_all(root.parent().unwrap()).unwrap();
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        File::create(&root).unwrap();
        symlink(&root, &link).unwrap();
        docker
    }
    fn file(&self, suffix: &str) -> PathBuf {
        self.rig.place.path().join(format!("docker/{ID}/{ID}-json.log{suffix}"))
    }
    fn say(&self, text: &str) {
        let line = json!({"log": format!("{text}\n"), "stream": "stderr", "time": "2026-11-22T10:15:00.123456789Z"});
        let mut file = File::options().create(true).append(true).open(self.file("")).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    fn rotate(&self) {
        if self.file(".1").exists() {
            fs::rename(self.file(".1"), self.file(".2")).unwrap();
        }
        fs::rename(self.file(""), self.file(".1")).unwrap();
    }
    fn start(&self) -> Agent {
        let place = &self.rig.place;
        let outputs = self.rig.services.outputs().replace("{kubernetes.namespace_name}", "{kubernetes.docker_id}");
        let config = place.config("node: n1\n", &outputs);
        let roots = format!("{{source: path}}\n    docker_roots: [{}]", place.path().join("docker").display());
        let text = fs::read_to_string(&config).unwrap().replace("{source: path}", &roots);
        fs::write(&config, text).unwrap();
        place.run(&config, &[])
    }
}

#[test]
fn lines_behind_links_arrive_with_the_containers_id_also_when_docker_rotated_meanwhile() {
    let docker = Docker::new();
    let mut agent = docker.start();
    docker.say("one");
    for (_, document) in docker.rig.everywhere("one", &agent) {
        let k8s = &document["kubernetes"];
        assert_eq!((&k8s["docker_id"], &k8s["pod_name"]), (&json!(ID), &json!("web-1")), "{document}");
        assert_eq!(
            (&document["stream"], &document["time"]),
            (&json!("stderr"), &json!("2026-11-22T10:15:00.123456789Z"))
        );
    }
    let [_, (object, _), _] = docker.rig.everywhere("one", &agent);
    assert!(object.starts_with(&format!("logs/{ID}/")), "{object}");
    docker.rotate();
    docker.say("two");
    docker.rig.everywhere("two", &agent);
    assert!(agent.stop(SOON).success());
    docker.say("three");
    docker.rotate();
    docker.say("four");
    let agent = docker.start();
    for line in ["one", "two", "three", "four"] {
        // Once each.
        docker.rig.everywhere(line, &agent);
    }
}
