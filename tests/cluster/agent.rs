//! The DaemonSet of packaging/kubernetes, with outputs that lead to the stand-ins, and its process on this node.

use crate::server::{kubectl, variable};
use crate::support::metrics::Metrics;
use crate::support::{self, Services, until, until_or};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tailrace::standin::Keys;

/// Bit 2 of a capability set: CAP_DAC_READ_SEARCH, what reading other users' files takes.
const DAC_READ_SEARCH: &str = "0000000000000004";

const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9780);

const LONG: Duration = Duration::from_secs(90);

/// The manifests as `kubectl apply -k` would apply them, but for the outputs.
pub fn manifests(services: &Services) -> Value {
    let text = kubectl(&["kustomize", "packaging/kubernetes"], "");
    let printed = kubectl(&["create", "--dry-run=client", "-o", "json", "-f", "-"], &text);
    let objects = serde_json::Deserializer::from_str(&printed).into_iter::<Value>().map(Result::unwrap);
    let mut items: Vec<Value> = objects
        .flat_map(|object| match object["items"].as_array() {
            Some(items) => items.clone(),
            None => vec![object],
        })
        .collect();
    let kind = |item: &Value, kind: &str| item["kind"] == kind;
    let config = items.iter_mut().find(|i| kind(i, "ConfigMap")).unwrap();
    let shipped = config["data"]["tailrace.yaml"].as_str().unwrap();
    let top = shipped.split_once("\noutputs:").unwrap().0;
    let facts = "source: api, fields: [owner_kind, owner_name, pod_ip, container_hash, restart_count], \
                 annotations: [example.com/note]";
    let top = top.replace("source: api", facts);
    assert!(top.contains(facts), "{shipped}");
    // This machine's disk may be nearly full.
    let text = format!("retain: {{min_free: 1%}}\n{top}\noutputs:\n{}", services.outputs());
    config["data"]["tailrace.yaml"] = text.into();
    // The manifests name it for passwords: the credentials that the stand-ins know.
    let keys = Keys::demo();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tailrace", "namespace": "tailrace"},
        "stringData": {
            "AWS_ACCESS_KEY_ID": keys.access, "AWS_SECRET_ACCESS_KEY": keys.secret, "AWS_EC2_METADATA_DISABLED": "true",
        },
    });
    let after = items.iter().position(|i| kind(i, "Namespace")).unwrap() + 1;
    items.insert(after, secret);
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

pub fn install(services: &Services) {
    kubectl(&["apply", "-f", "-"], &manifests(services).to_string());
    until_rolled_out();
}

/// Every pod of the DaemonSet is of the newest template, and ready.
pub fn until_rolled_out() {
    kubectl(&["-n", "tailrace", "rollout", "status", "daemonset/tailrace", "--timeout=120s"], "");
}

/// The agent's pods that are not on their way out.
pub fn pods() -> Vec<Value> {
    let list = kubectl(&["-n", "tailrace", "get", "pods", "-o", "json"], "");
    let list: Value = serde_json::from_str(&list).unwrap();
    let live = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    list["items"].as_array().unwrap().iter().filter(live).cloned().collect()
}

/// Name and UID of the agent's pod, when there is exactly one and it is ready.
pub fn pod() -> Option<(String, String)> {
    let pods = pods();
    let [pod] = &pods[..] else { return None };
    let ready = pod["status"]["containerStatuses"][0]["ready"] == true;
    let text = |name: &str| pod["metadata"][name].as_str().unwrap().to_owned();
    ready.then(|| (text("name"), text("uid")))
}

/// Everything that this and earlier containers of the agent's pods said, as far as kubelet has it.
pub fn said() -> String {
    kubectl(&["-n", "tailrace", "logs", "-l", "app.kubernetes.io/name=tailrace", "--tail=40", "--prefix"], "")
}

/// The processes of the DaemonSet on this node.
pub fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    // Not those that another test starts without a pod.
    let command = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let ours = |pid: &u32| command(pid).starts_with("/tailrace\0run\0-c\0/etc/tailrace/");
    entries.filter_map(number).filter(ours).collect()
}

/// To its only process.
fn signal(signal: Signal) -> u32 {
    let [pid] = processes()[..] else { panic!("not one process: {:?}", processes()) };
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
    pid
}

/// SIGKILL for its only process; kubelet starts the container again.
pub fn kill() {
    let pid = signal(Signal::KILL);
    until("the agent's process to be another one", LONG, || matches!(processes()[..], [now] if now != pid));
    until_ready();
}

/// Its pod is deleted without any grace; the DaemonSet makes another. By force, it is gone from the API server before
/// its process is from the node: until then the new one stands by.
pub fn delete_pod() {
    let (name, uid) = pod().unwrap();
    let before = processes();
    kubectl(&["-n", "tailrace", "delete", "pod", &name, "--grace-period=0", "--force"], "");
    until_or("another pod", LONG, || pod().is_some_and(|(_, now)| now != uid), said);
    until_or("its process alone", LONG, || matches!(processes()[..], [now] if !before.contains(&now)), said);
    until_ready();
}

fn select(label: &str) {
    let patch = format!(r#"{{"spec": {{"template": {{"spec": {{"nodeSelector": {label}}}}}}}}}"#);
    kubectl(&["-n", "tailrace", "patch", "daemonset", "tailrace", "--type=merge", "-p", &patch], "");
}

/// No node is one of the DaemonSet's any more, and its process is killed before it can bring anything to an end.
pub fn take_away() {
    signal(Signal::STOP);
    select(r#"{"example.com/nowhere": "yes"}"#);
    // A container of a pod that is deleted is not started again.
    until_or("the pod to be deleted", LONG, || pods().is_empty(), said);
    signal(Signal::KILL);
    until_or("the agent to end", LONG, || processes().is_empty(), said);
}

/// This node is one again.
pub fn bring_back() {
    select(r#"{"example.com/nowhere": null}"#);
    until_or("a pod", LONG, || pod().is_some(), said);
    until_ready();
}

/// Another image: a rolling update. Returns the most processes that were there at once.
pub fn update(image: &str) -> usize {
    let (_, uid) = pod().unwrap();
    kubectl(&["-n", "tailrace", "set", "image", "daemonset/tailrace", &format!("tailrace={image}")], "");
    let mut most = 0;
    let done = || {
        most = most.max(processes().len());
        pod().is_some_and(|(_, now)| now != uid)
    };
    until_or("the new pod alone", LONG, done, said);
    until_rolled_out();
    until("the old process to end", LONG, || processes().len() == 1);
    until_ready();
    most
}

/// The agent follows the pods (again).
pub fn until_following() {
    let state = || Metrics::parse(&page("/metrics")).sum("tailrace_metadata_state", &[("state", "watching")]);
    until_or("the pod watch", LONG, || state() == Some(1.0), said);
}

fn until_ready() {
    let ready = || pod().is_some() && support::get(ADMIN, "/readyz").is_some_and(|(status, _)| status == 200);
    until_or("/readyz", LONG, ready, said);
}

/// A page of its admin port.
pub fn page(path: &str) -> String {
    support::get(ADMIN, path).map(|(_, body)| body).unwrap_or_default()
}

/// What its service account asked of the API server, by the audit log: how many requests, and those that it may not make.
pub fn requests() -> (usize, Vec<String>) {
    let log = fs::read_to_string(variable("KUBE_AUDIT_LOG")).unwrap();
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours: Vec<Value> =
        events.filter(|e| e["user"]["username"] == "system:serviceaccount:tailrace:tailrace").collect();
    let node = format!("fieldSelector=spec.nodeName%3D{}", variable("KUBE_NODE"));
    let right = |event: &Value| {
        let verb = event["verb"] == "list" || event["verb"] == "watch";
        let uri = event["requestURI"].as_str().unwrap();
        verb && uri.starts_with("/api/v1/pods?") && uri.contains(&node) && event["responseStatus"]["code"] == 200
    };
    (ours.len(), ours.iter().filter(|e| !right(e)).map(ToString::to_string).collect())
}

/// What is wrong with the process and the pod around it; nothing, as it should be.
pub fn trouble() -> Vec<String> {
    let mut trouble = Vec::new();
    let mut check = |right: bool, what: String| {
        if !right {
            trouble.push(what);
        }
    };
    let [pid] = processes()[..] else { return vec![format!("not one process: {:?}", processes())] };
    let file = |name: &str| fs::read_to_string(PathBuf::from(format!("/proc/{pid}")).join(name)).unwrap();
    let status = file("status");
    let value = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned()
    };
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        check(value(set) == DAC_READ_SEARCH, format!("{set} is {}", value(set)));
    }
    for set in ["CapInh", "CapAmb"] {
        check(value(set).trim_matches('0').is_empty(), format!("{set} is {}", value(set)));
    }
    check(value("NoNewPrivs") == "1", format!("NoNewPrivs is {}", value("NoNewPrivs")));
    check(value("Seccomp") == "2", format!("Seccomp is {}", value("Seccomp")));

    let mounts = file("mountinfo");
    let options = |point: &str| {
        let mut fields = mounts.lines().map(|l| l.split(' ').collect::<Vec<_>>());
        fields.rfind(|f| f.get(4) == Some(&point)).map(|f| f[5].to_owned()).unwrap_or_default()
    };
    for (point, mode) in [("/", "ro"), ("/var/log", "ro"), ("/etc/tailrace", "ro"), ("/var/lib/tailrace", "rw")] {
        let is = options(point);
        check(is.split(',').next() == Some(mode), format!("{point} is mounted {is:?}, not {mode}"));
    }
    let pods = pods();
    let spec = &pods[0]["spec"];
    check(spec["serviceAccountName"] == "tailrace", format!("service account {}", spec["serviceAccountName"]));
    trouble
}
