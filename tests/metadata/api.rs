//! An API server for one node's pods: lists, watches, and troubles on demand.
//!
//! It is strict about the one thing that would hurt a cluster: a request that is not for the pods of the node `n1`, for
//! that node or for one namespace is noted, and fails the test when the server is dropped. At `/pods` it answers as that
//! node's kubelet.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What it does with requests.
#[derive(Clone, Debug, PartialEq)]
pub enum Mode {
    /// As a server should.
    Fine,
    /// This status and text.
    Status(u16, String),
    /// Takes requests and never answers.
    Hang,
}

struct State {
    mode: Mode,
    pods: BTreeMap<String, Value>,
    /// Labels by path of a namespace or node; a status where there are none.
    labels: BTreeMap<String, Result<Value, u16>>,
    /// Every change: its version, kind, and the pod.
    log: Vec<(u64, &'static str, Value)>,
    /// Watches from before this version are too old.
    oldest: u64,
    version: u64,
    asked: Vec<String>,
    strange: Vec<String>,
    /// Watches of earlier reigns end.
    reign: u64,
    over: bool,
}

/// The server; dropping it closes its port.
pub struct Api {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Api {
    pub fn start(mode: Mode) -> Api {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            mode,
            pods: BTreeMap::new(),
            labels: BTreeMap::new(),
            log: Vec::new(),
            oldest: 0,
            version: 100,
            asked: Vec::new(),
            strange: Vec::new(),
            reign: 0,
            over: false,
        }));
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().unwrap().over {
                    return;
                }
                let state = shared.clone();
                std::thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        Api { addr, state, thread: Some(thread) }
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
    /// From now on; open watches end.
    pub fn mode(&self, mode: Mode) {
        let mut state = self.state();
        state.mode = mode;
        state.reign += 1;
    }
    /// Labels of `namespaces/NAME` or `nodes/n1`, or the status that a request for them brings.
    pub fn labels(&self, of: &str, labels: Result<Value, u16>) {
        self.state().labels.insert(format!("/api/v1/{of}"), labels);
    }
    /// Adds or changes a pod; watches hear of it.
    pub fn put(&self, pod: &Value) {
        self.change(pod, |old| if old { "MODIFIED" } else { "ADDED" });
    }
    /// The pod is gone.
    pub fn delete(&self, pod: &Value) {
        self.change(pod, |_| "DELETED");
    }
    fn change(&self, pod: &Value, kind: impl FnOnce(bool) -> &'static str) {
        let mut state = self.state();
        state.version += 1;
        let (version, uid) = (state.version, pod["metadata"]["uid"].as_str().unwrap().to_owned());
        let mut pod = pod.clone();
        pod["metadata"]["resourceVersion"] = version.to_string().into();
        let kind = kind(state.pods.contains_key(&uid));
        if kind == "DELETED" {
            state.pods.remove(&uid);
        } else {
            state.pods.insert(uid, pod.clone());
        }
        state.log.push((version, kind, pod));
    }
    /// Forgets what changed so far, and ends watches: they may not go on from where they were.
    pub fn expire(&self) {
        let mut state = self.state();
        state.version += 1;
        (state.oldest, state.reign) = (state.version, state.reign + 1);
        state.log.clear();
    }
    /// Requests: the path with its query.
    pub fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }
    /// Requests for all of the node's pods.
    pub fn lists(&self) -> usize {
        let all = |path: &&String| path.contains("sendInitialEvents") || !path.contains("watch=1");
        self.asked().iter().filter(all).count()
    }
    /// How often this was asked for.
    pub fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|asked| *asked == path).count()
    }
    /// A kubeconfig that leads here.
    pub fn kubeconfig(addr: SocketAddr) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": format!("http://{addr}")}}],
            "users": [{"name": "it", "user": {"token": "t"}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        })
        .to_string()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.state().over = true;
        drop(TcpStream::connect(self.addr));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        if !std::thread::panicking() {
            let strange = self.state().strange.clone();
            assert!(strange.is_empty(), "asked for more than this node's pods: {strange:?}");
        }
    }
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap();
    let path = line.split(' ').nth(1).unwrap().to_owned();
    let reign = {
        let mut state = state.lock().unwrap();
        let pods = path.starts_with("/api/v1/pods?")
            && path.split(['?', '&']).any(|p| p == "fieldSelector=spec.nodeName%3Dn1");
        let namespace =
            path.strip_prefix("/api/v1/namespaces/").is_some_and(|n| !n.contains(['/', '?']) && !n.is_empty());
        let ours = pods || namespace || path == "/api/v1/nodes/n1" || path == "/pods";
        if !ours || !line.starts_with("GET ") {
            state.strange.push(line.to_owned());
        }
        state.asked.push(path.clone());
        state.reign
    };
    let mode = state.lock().unwrap().mode.clone();
    match mode {
        Mode::Hang => while still(state, reign) {},
        Mode::Status(code, text) => answer(&mut stream, code, &text),
        Mode::Fine if path.contains("watch=1") => watch(&mut stream, state, reign, &path),
        Mode::Fine if path.starts_with("/api/v1/n") => {
            let labels = state.lock().unwrap().labels.get(&path).cloned();
            match labels.unwrap_or(Err(404)) {
                Ok(labels) => answer(&mut stream, 200, &json!({"metadata": {"labels": labels}}).to_string()),
                Err(code) => answer(&mut stream, code, &json!({"kind": "Status", "code": code}).to_string()),
            }
        }
        Mode::Fine => {
            let state = state.lock().unwrap();
            let pods: Vec<&Value> = state.pods.values().collect();
            let list =
                json!({"kind": "PodList", "metadata": {"resourceVersion": state.version.to_string()}, "items": pods});
            answer(&mut stream, 200, &list.to_string());
        }
    }
}

/// False once the reign is over; looks at most every 5 ms.
fn still(state: &Mutex<State>, reign: u64) -> bool {
    std::thread::sleep(Duration::from_millis(5));
    let state = state.lock().unwrap();
    !state.over && state.reign == reign
}

fn answer(stream: &mut TcpStream, code: u16, text: &str) {
    let head = format!("HTTP/1.1 {code} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
    // A client that went away does not want it.
    drop(stream.write_all((head + text).as_bytes()));
}

fn watch(stream: &mut TcpStream, state: &Mutex<State>, reign: u64, path: &str) {
    let from = path.split("&resourceVersion=").nth(1).unwrap().split('&').next().unwrap();
    let mut seen: u64 = from.parse().unwrap();
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    if stream.write_all(head.as_bytes()).is_err() {
        return;
    }
    let send = |stream: &mut TcpStream, event: Value| {
        let line = event.to_string() + "\n";
        stream.write_all(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes()).is_ok()
    };
    if path.contains("sendInitialEvents=true") {
        // What is there, and that this was all.
        let there: Vec<Value> = {
            let state = state.lock().unwrap();
            seen = state.version;
            state.pods.values().cloned().collect()
        };
        let end = json!({"resourceVersion": seen.to_string(), "annotations": {"k8s.io/initial-events-end": "true"}});
        let mut all: Vec<Value> = there.iter().map(|pod| json!({"type": "ADDED", "object": pod})).collect();
        all.push(json!({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": end}}));
        if !all.into_iter().all(|event| send(stream, event)) {
            return;
        }
    }
    if seen < state.lock().unwrap().oldest {
        let status = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"});
        send(stream, json!({"type": "ERROR", "object": status}));
    } else {
        while still(state, reign) {
            let news: Vec<_> = state.lock().unwrap().log.iter().filter(|(v, ..)| *v > seen).cloned().collect();
            for (version, kind, pod) in news {
                seen = version;
                if !send(stream, json!({"type": kind, "object": pod})) {
                    return;
                }
            }
        }
    }
    drop(stream.write_all(b"0\r\n\r\n"));
}
