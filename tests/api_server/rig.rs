//! One agent as its ServiceAccount would have it on a node of its own: rights, a token on disk, pods with a status, their
//! files; and what the API server's audit log says of its requests.

use crate::server::{printed, variable};
use crate::support::{Agent, Place, SOON, Services, now, until_or};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// An API server: the one of all tests, or one that a test may kill.
pub struct Server {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    audit: PathBuf,
    /// Its state, when it is our own.
    own: Option<tempfile::TempDir>,
}

fn script(dir: &Path, args: &[&str], flags: &str) -> String {
    let done = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/cluster/cluster"))
        .args(args)
        .env("TAILRACE_CLUSTER_DIR", dir)
        .env("KUBE_APISERVER_FLAGS", flags)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(done.status.success(), "cluster {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

impl Server {
    /// The one that all tests share.
    pub fn shared() -> Server {
        let path = |name| PathBuf::from(variable(name));
        Server { kubectl: path("KUBECTL"), kubeconfig: path("KUBECONFIG"), audit: path("KUBE_AUDIT_LOG"), own: None }
    }
    /// One with these further flags that nobody else uses; gone when dropped.
    pub fn own(flags: &str) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("run");
        script(&place, &["up", "api"], flags);
        Server {
            kubectl: PathBuf::from(variable("KUBECTL")),
            kubeconfig: place.join("admin.kubeconfig"),
            audit: place.join("audit.log"),
            own: Some(dir),
        }
    }
    fn place(&self) -> PathBuf {
        self.own.as_ref().unwrap().path().join("run")
    }
    /// SIGKILL, and there again so many seconds later.
    pub fn restart(&self, seconds: u32) {
        script(&self.place(), &["restart", "kube-apiserver", &seconds.to_string()], "");
    }
    /// Waits until it answers.
    pub fn until_ready(&self) {
        until_or("the API server", SOON, || self.try_kubectl(&["get", "--raw", "/readyz"], "").is_ok(), String::new);
    }
    pub fn try_kubectl(&self, args: &[&str], input: &str) -> Result<String, String> {
        printed(Command::new(&self.kubectl).args(args).env("KUBECONFIG", &self.kubeconfig), input)
    }
    pub fn kubectl(&self, args: &[&str], input: &str) -> String {
        self.try_kubectl(args, input).unwrap_or_else(|e| panic!("kubectl {args:?}: {e}"))
    }
    pub fn apply(&self, object: &Value) -> Value {
        serde_json::from_str(&self.kubectl(&["apply", "-o", "json", "-f", "-"], &object.to_string())).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.own.is_some() {
            script(&self.place(), &["down"], "");
        }
    }
}

/// What the audit log has of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub verb: String,
    pub uri: String,
    pub agent: String,
    pub code: i64,
}

pub struct Rig {
    pub server: Server,
    pub services: Services,
    pub place: Place,
    /// Node, namespace and ServiceAccount are called so.
    pub name: String,
}

/// What the DaemonSet's ClusterRole says.
pub fn rule(resource: &str, verbs: &[&str]) -> Value {
    json!({"apiGroups": [""], "resources": [resource], "verbs": verbs})
}

impl Rig {
    /// With these rules.
    pub fn new(server: Server, rules: &[Value]) -> Rig {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rig-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        server.kubectl(&["create", "namespace", &name], "");
        server.kubectl(&["-n", &name, "create", "serviceaccount", "agent"], "");
        // Pods name it.
        server.kubectl(&["-n", &name, "create", "serviceaccount", "default"], "");
        let rig = Rig { server, services: Services::start(), place: Place::new(), name };
        rig.allow(rules);
        let account = json!({"kind": "ServiceAccount", "name": "agent", "namespace": rig.name});
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": rig.name});
        rig.server.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": rig.name},
            "roleRef": role, "subjects": [account],
        }));
        rig
    }
    /// From now on it may do this.
    pub fn allow(&self, rules: &[Value]) {
        self.server.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": self.name},
            "rules": rules,
        }));
    }
    /// Where the token lies, as a projected one does.
    pub fn token_file(&self) -> PathBuf {
        self.place.path().join("token")
    }
    /// Replaces the token on disk; `bound` to an object it ends with that.
    pub fn new_token(&self, bound: &[&str]) {
        let args = [&["-n", &self.name, "create", "token", "agent", "--duration=1h"], bound].concat();
        let next = self.place.path().join("token.next");
        fs::write(&next, self.server.kubectl(&args, "").trim()).unwrap();
        fs::rename(next, self.token_file()).unwrap();
    }
    /// A kubeconfig that reads the token from disk, as the in-cluster configuration does.
    fn kubeconfig(&self) -> PathBuf {
        let admin = fs::read_to_string(&self.server.kubeconfig).unwrap();
        let users = admin.find("users:").unwrap();
        let user = format!("users: [{{name: u, user: {{tokenFile: {:?}}}}}]\n", self.token_file());
        let path = self.place.path().join("kubeconfig");
        fs::write(&path, format!("{}{user}", admin.split_at(users).0)).unwrap();
        path
    }
    /// The agent; `metadata` is further text for that key: `, namespace_labels: true`.
    pub fn start(&self, metadata: &str) -> Agent {
        if !self.token_file().exists() {
            self.new_token(&[]);
        }
        let config = self.place.config(&format!("node: {}\n", self.name), &self.services.outputs());
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.replace("{source: path}", &format!("{{source: api, wait: 60s{metadata}}}"))).unwrap();
        let (args, kubeconfig) = (["run", "-c", config.to_str().unwrap()], self.kubeconfig());
        let env = [("KUBECONFIG", kubeconfig.to_str().unwrap())];
        Agent::start_with(self.place.path(), &args, self.place.admin, &env)
    }
    /// A running pod of this node in a namespace that is there.
    pub fn pod(&self, namespace: &str, name: &str, labels: &Value) -> Value {
        let pod = self.server.apply(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"nodeName": self.name, "containers": [{"name": "main", "image": "shop:7"}]},
        }));
        let container = json!({"name": "main", "image": "shop:7", "imageID": "shop@sha256:77", "ready": true,
            "restartCount": 0, "containerID": format!("containerd://{name}"),
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}});
        let status = json!({"status": {"phase": "Running", "podIP": "10.9.8.7", "containerStatuses": [container]}});
        let patch = ["-n", namespace, "patch", "pod", name, "--subresource=status", "-p"];
        self.server.kubectl(&[&patch[..], &[&status.to_string()]].concat(), "");
        pod
    }
    /// The pod is gone at once.
    pub fn delete(&self, namespace: &str, name: &str) {
        self.server.kubectl(&["-n", namespace, "delete", "pod", name, "--grace-period=0", "--force"], "");
    }
    /// The pod's container says something.
    pub fn say(&self, pod: &Value, text: &str) {
        let meta = &pod["metadata"];
        let part = |name: &str| meta[name].as_str().unwrap();
        let folder = format!("{}_{}_{}/main", part("namespace"), part("name"), part("uid"));
        let folder = self.place.pods().join(folder);
        fs::create_dir_all(&folder).unwrap();
        let time = jiff::Timestamp::from_nanosecond(now().unix_ns.into()).unwrap();
        let mut file = File::options().create(true).append(true).open(folder.join("0.log")).unwrap();
        file.write_all(format!("{time:.9} stdout F {text}\n").as_bytes()).unwrap();
    }
    /// The `kubernetes` member of the document with this line, in OpenSearch.
    pub fn arrived(&self, log: &str, agent: &Agent) -> Value {
        let find = || {
            let kept = self.services.opensearch.control.receipts().kept();
            let mut read = kept.iter().map(|k| serde_json::from_slice::<Value>(&k.text).unwrap());
            read.find(|document| document["log"] == log).map(|document| document["kubernetes"].clone())
        };
        until_or(log, SOON, || find().is_some(), || agent.log());
        find().unwrap()
    }
    /// Says lines until one carries this label.
    pub fn until_label(&self, pod: &Value, label: (&str, &str), agent: &Agent) {
        let mut n = 0;
        let shown = || {
            n += 1;
            let line = format!("{} {} {n}", label.1, pod["metadata"]["name"]);
            self.say(pod, &line);
            self.arrived(&line, agent)["labels"][label.0] == label.1
        };
        until_or("the label", SOON, shown, || agent.log());
    }
    /// Every request of this agent, in order of their beginning.
    pub fn asked(&self) -> Vec<Asked> {
        let user = format!("system:serviceaccount:{}:agent", self.name);
        let mut seen: Vec<(String, Asked)> = Vec::new();
        for line in fs::read_to_string(&self.server.audit).unwrap_or_default().lines() {
            let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            if event["user"]["username"] != user.as_str() || seen.iter().any(|(id, _)| *id == text(&event["auditID"])) {
                continue;
            }
            let code = event["responseStatus"]["code"].as_i64().unwrap_or_default();
            let asked = Asked {
                verb: text(&event["verb"]),
                uri: text(&event["requestURI"]),
                agent: text(&event["userAgent"]),
                code,
            };
            seen.push((text(&event["auditID"]), asked));
        }
        seen.into_iter().map(|(_, asked)| asked).collect()
    }
    /// Requests as `VERB URI CODE`, after the agent's name was looked at.
    pub fn requests(&self) -> Vec<String> {
        let all = self.asked();
        let want = concat!("tailrace/", env!("CARGO_PKG_VERSION"));
        assert!(all.iter().all(|a| a.agent == want), "{all:?}");
        all.into_iter().map(|a| format!("{} {} {}", a.verb, a.uri, a.code)).collect()
    }
    /// The request by which it begins.
    pub fn begin(&self) -> String {
        format!("{}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=0 200", self.watch())
    }
    /// What every watch begins with.
    pub fn watch(&self) -> String {
        format!(
            "watch /api/v1/pods?fieldSelector=spec.nodeName%3D{}&watch=1&allowWatchBookmarks=true&timeoutSeconds=290",
            self.name
        )
    }
    /// In which state the watch is.
    pub fn until_state(agent: &Agent, state: &str) {
        let is = || agent.metrics().sum("tailrace_metadata_state", &[("state", state)]) == Some(1.0);
        until_or(&format!("state {state}"), SOON, is, || agent.log());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // A server of our own goes with all of it.
        if self.server.own.is_none() {
            let pods = ["-n", &self.name, "delete", "pods", "--all", "--grace-period=0", "--force"];
            drop(self.server.try_kubectl(&pods, ""));
            drop(self.server.try_kubectl(&["delete", "clusterrole,clusterrolebinding", &self.name], ""));
        }
    }
}
