//! The follower against a fake API server that answers as scripted, one connection a request.

mod beginning;

use super::*;
use crate::metadata::pod::Wanted;
use crate::telemetry::board::Snapshot;
use crate::telemetry::report::{MetadataReport, MetadataState};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// One answer: bytes, and whether the connection then stays open.
#[derive(Clone, Debug)]
struct Answer {
    bytes: String,
    stays: bool,
}

fn status(code: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer {
        bytes: format!("HTTP/1.1 {code} X\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"),
        stays: false,
    }
}

fn list(version: &str, pods: &[Value]) -> Answer {
    status(200, "", &json!({"kind": "PodList", "metadata": {"resourceVersion": version}, "items": pods}).to_string())
}

/// A watch's head and events; without a length, so it lasts until the connection ends.
fn watch(events: &[(&str, Value)], stays: bool) -> Answer {
    let lines: String =
        events.iter().map(|(kind, object)| json!({"type": kind, "object": object}).to_string() + "\n").collect();
    Answer { bytes: format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{lines}"), stays }
}

fn hang(bytes: &str) -> Answer {
    Answer { bytes: bytes.to_owned(), stays: true }
}

fn pod(uid: &str, label: &str, version: &str) -> Value {
    json!({"metadata": {"uid": uid, "name": "web", "namespace": "prod", "resourceVersion": version, "labels": {"app": label}},
        "spec": {"nodeName": "n1"}})
}

fn expired() -> Value {
    json!({"kind": "Status", "code": 410, "message": "too old resource version", "reason": "Expired"})
}

#[derive(Default)]
struct Script {
    /// As of a server that cannot begin a watch with what is there: such requests are refused, and not of the script.
    old: bool,
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<String>>,
}

async fn serve(listener: TcpListener, script: Arc<Script>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        tokio::spawn(answer(stream, script.clone()));
    }
}

async fn answer(mut stream: TcpStream, script: Arc<Script>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let line = String::from_utf8(head).unwrap().lines().next().unwrap_or("").to_owned();
    if script.old && line.contains("sendInitialEvents") {
        let text = "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled";
        let refused = status(422, "", &json!({"kind": "Status", "code": 422, "message": text}).to_string());
        drop(stream.write_all(refused.bytes.as_bytes()).await);
        return;
    }
    script.asked.lock().unwrap().push(line);
    // With nothing more scripted the server is silent.
    let next = script.answers.lock().unwrap().pop_front().unwrap_or_else(|| hang(""));
    drop(stream.write_all(next.bytes.as_bytes()).await);
    if next.stays {
        std::future::pending::<()>().await;
    }
}

fn clock() -> Now {
    static BEGAN: std::sync::OnceLock<tokio::time::Instant> = std::sync::OnceLock::new();
    Now { mono: BEGAN.get_or_init(tokio::time::Instant::now).elapsed(), unix_ns: 1 }
}

fn settings(address: SocketAddr) -> Settings {
    let access = Access::to(format!("http://{address}").parse().unwrap());
    let ms = Duration::from_millis;
    let timing = Timing {
        spread: ms(20),
        pause_first: ms(5),
        pause_max: ms(20),
        answer: ms(1500),
        silence: Duration::from_secs(30),
        ..Timing::default()
    };
    Settings {
        api: Api::At(Box::new(access)),
        kubelet: None,
        node: "n1".into(),
        annotations: Vec::new(),
        namespace_labels: false,
        node_labels: false,
        timing,
    }
}

/// The follower, the script, and what they brought about.
struct World {
    pods: Arc<Pods>,
    board: Arc<Board>,
    script: Arc<Script>,
    runtime: tokio::runtime::Runtime,
}

impl World {
    fn new(answers: Vec<Answer>) -> World {
        World::with(answers, |settings| settings)
    }

    /// A server that has to be asked for a list first.
    fn with(answers: Vec<Answer>, change: impl FnOnce(Settings) -> Settings) -> World {
        World::start(Script { old: true, answers: Mutex::new(answers.into()), ..Script::default() }, change)
    }

    /// One that begins a watch with what is there.
    fn recent(answers: Vec<Answer>) -> World {
        World::start(Script { answers: Mutex::new(answers.into()), ..Script::default() }, |settings| settings)
    }

    fn start(script: Script, change: impl FnOnce(Settings) -> Settings) -> World {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let script = Arc::new(script);
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let settings = change(settings(listener.local_addr().unwrap()));
        runtime.spawn(serve(listener, script.clone()));
        let (pods, board) = (Arc::new(Pods::new()), Arc::new(Board::default()));
        let follower = Watch::new(settings, pods.clone(), board.clone(), clock).unwrap();
        runtime.spawn(async move { follower.run(false).await });
        World { pods, board, script, runtime }
    }

    /// Waits until `good`, at most 20 s.
    fn until(&self, what: &str, good: impl Fn(&World) -> bool) {
        let wait = async {
            while !good(self) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = self.runtime.block_on(async { timeout(Duration::from_secs(20), wait).await });
        assert!(waited.is_ok(), "{what}: {:?} {:?}", self.asked(), self.report());
    }

    fn asked(&self) -> Vec<String> {
        self.script.asked.lock().unwrap().clone()
    }

    fn report(&self) -> MetadataReport {
        let Snapshot { metadata, .. } = self.board.snapshot();
        metadata.map(|m| (*m).clone()).unwrap_or_default()
    }

    fn label(&self, uid: &str) -> Option<String> {
        let wanted = Wanted { labels: true, ..Wanted::default() };
        let found = self.pods.lookup(uid, "main", 0, &wanted, Vec::new())?;
        found.fields.get("kubernetes.labels.app").map(str::to_owned)
    }

    fn is_label(&self, uid: &str, label: &str) -> bool {
        self.label(uid).as_deref() == Some(label)
    }
}

#[test]
fn a_list_and_a_watch_fill_the_table_and_ask_for_this_node_only() {
    let events = [
        ("ADDED", pod("u2", "b", "11")),
        ("MODIFIED", pod("u1", "a2", "12")),
        ("BOOKMARK", json!({"metadata": {"resourceVersion": "20"}})),
        ("DELETED", pod("u2", "b", "21")),
    ];
    let world = World::new(vec![list("10", &[pod("u1", "a", "5")]), watch(&events, true)]);
    world.until("the deletion", |w| w.pods.going("u2"));
    assert!(world.is_label("u1", "a2") && world.is_label("u2", "b") && world.pods.is_loaded());
    let asked = world.asked();
    assert_eq!(asked[0], "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn1&resourceVersion=0 HTTP/1.1");
    for want in ["fieldSelector=spec.nodeName%3Dn1", "watch=1", "allowWatchBookmarks=true", "resourceVersion=10 "] {
        assert!(asked[1].contains(want), "{want}: {}", asked[1]);
    }
    world.until("the report", |w| w.report().deleted == 1);
    let report = world.report();
    assert_eq!(
        (report.state, report.pods, report.lists, report.watches, report.events),
        (MetadataState::Watching, 1, 1, 1, 3)
    );
}

#[test]
fn a_watch_that_ends_goes_on_from_its_last_version_without_a_list() {
    let first =
        watch(&[("ADDED", pod("u2", "b", "11")), ("BOOKMARK", json!({"metadata": {"resourceVersion": "15"}}))], false);
    let second = watch(&[("MODIFIED", pod("u2", "c", "16"))], true);
    let world = World::new(vec![list("10", &[]), first, second]);
    world.until("the second watch", |w| w.is_label("u2", "c"));
    assert!(world.asked()[2].contains("resourceVersion=15 "), "{:?}", world.asked());
    assert_eq!(world.report().lists, 1);
}

#[test]
fn a_version_that_is_too_old_lists_anew_and_what_is_gone_is_gone() {
    let gone = status(410, "", &expired().to_string());
    let by_event = watch(&[("ERROR", expired())], false);
    for too_old in [gone, by_event] {
        let answers =
            vec![list("10", &[pod("u1", "a", "1"), pod("u2", "a", "1")]), too_old, list("20", &[pod("u1", "b", "19")])];
        let world = World::new(answers);
        world.until("the second list", |w| w.is_label("u1", "b"));
        assert!(world.pods.going("u2") && world.report().failures.is_empty());
        assert!(world.asked()[2].ends_with("&resourceVersion=0 HTTP/1.1"));
    }
}

#[test]
fn two_versions_in_a_row_that_are_too_old_lead_past_the_servers_cache() {
    let gone = || status(410, "", &expired().to_string());
    let answers = vec![list("10", &[]), gone(), list("10", &[]), gone(), list("20", &[pod("u1", "a", "1")])];
    let world = World::new(answers);
    world.until("the third list", |w| w.is_label("u1", "a"));
    assert!(world.asked()[4].ends_with("nodeName%3Dn1 HTTP/1.1"), "{:?}", world.asked());
}

#[test]
fn refusals_and_errors_are_published_and_tried_again_until_they_pass() {
    let forbidden =
        json!({"kind": "Status", "code": 403, "message": "pods is forbidden: User \"system:serviceaccount:x:y\""});
    let cases = [
        (status(401, "", "Unauthorized"), "http_401", "token"),
        (status(403, "", &forbidden.to_string()), "http_403", "verbs: [\"list\", \"watch\"]"),
        (status(429, "retry-after: 0\r\n", "slow down"), "http_429", "busy"),
        (status(500, "", "boom"), "http_500", "boom"),
        (status(200, "", "<html>"), "answer", "not a list"),
        (Answer { bytes: String::new(), stays: false }, "connect", "cannot be reached"),
        (
            Answer { bytes: "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_owned(), stays: false },
            "broken",
            "broke off",
        ),
        (hang(""), "timeout", "1.5 s"),
        (hang("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"), "timeout", "1.5 s"),
    ];
    for (bad, code, say) in cases {
        let world = World::new(vec![bad.clone(), list("10", &[pod("u1", "a", "1")]), watch(&[], true)]);
        world.until(code, |w| w.report().failures.contains_key(&crate::lane::batch::Code::new(code)));
        world.until("recovery", |w| w.is_label("u1", "a") && w.report().state == MetadataState::Watching);
        assert_eq!(world.report().failures.values().sum::<u64>(), 1, "{code}");
        assert!(world.report().trouble.is_none(), "{code}");
        // What a person reads while it lasts.
        let forever = World::new(vec![bad; 50]);
        forever.until(code, |w| w.report().trouble.is_some());
        let (got, text) = forever.report().trouble.unwrap();
        assert!(got.as_str() == code && text.contains(say), "{code}: {text}");
        assert_eq!(forever.report().state, MetadataState::Failing);
    }
}

#[test]
fn a_watch_that_breaks_off_is_no_trouble_while_the_next_one_works() {
    let torn = Answer {
        bytes: format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{}\n",
            json!({"type": "ADDED", "object": pod("u1", "a", "11")})
        ),
        stays: false,
    };
    let world = World::new(vec![list("10", &[]), torn, watch(&[("MODIFIED", pod("u1", "b", "12"))], true)]);
    world.until("the second watch", |w| w.is_label("u1", "b"));
    assert!(world.asked()[2].contains("resourceVersion=11 "));
    let report = world.report();
    assert_eq!((report.state, report.trouble), (MetadataState::Watching, None));
    assert_eq!(report.failures.get(&crate::lane::batch::Code::new("broken")), Some(&1));
}

#[test]
fn a_failing_watch_keeps_what_is_known_and_goes_on_from_its_version() {
    let answers = vec![
        list("10", &[pod("u1", "a", "1")]),
        watch(&[("ADDED", pod("u2", "b", "12"))], false),
        status(500, "", "boom"),
        status(503, "", "boom"),
        watch(&[("ADDED", pod("u3", "c", "13"))], true),
    ];
    let world = World::new(answers);
    world.until("the third pod", |w| w.is_label("u3", "c"));
    assert!(world.is_label("u1", "a") && world.is_label("u2", "b"));
    assert!(world.asked()[4].contains("resourceVersion=12 "));
    assert_eq!(world.report().lists, 1);
}

#[test]
fn a_watch_that_falls_silent_is_opened_anew() {
    let quick = |s: Settings| Settings { timing: Timing { silence: Duration::from_millis(200), ..s.timing }, ..s };
    let answers = vec![list("10", &[]), watch(&[], true), watch(&[("ADDED", pod("u1", "a", "11"))], true)];
    let world = World::with(answers, quick);
    world.until("the second watch", |w| w.is_label("u1", "a"));
    assert!(world.report().failures.is_empty(), "silence is no failure");
}

#[test]
fn pods_of_other_nodes_and_odd_objects_are_passed_over() {
    let mut foreign = pod("u9", "x", "1");
    foreign["spec"]["nodeName"] = json!("n2");
    let events = [("ADDED", foreign.clone()), ("ADDED", json!({"metadata": {}})), ("ADDED", pod("u1", "a", "11"))];
    let world = World::new(vec![list("10", &[foreign, json!({"metadata": {}})]), watch(&events, true)]);
    world.until("our pod", |w| w.is_label("u1", "a"));
    assert_eq!(world.pods.get("u9"), None);
    world.until("the count", |w| w.report().unreadable == 2);
}

#[test]
fn an_absent_server_is_said_to_be_absent() {
    // Bound and let go: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let world = World::with(Vec::new(), |_| settings(nobody));
    world.until("the failure", |w| w.report().trouble.is_some());
    let (code, text) = world.report().trouble.unwrap();
    assert!(code.as_str() == "connect" && text.contains("refused"), "{text}");
    assert!(!world.pods.is_loaded());
}

#[test]
fn without_a_nodes_name_nothing_is_followed() {
    let address = "127.0.0.1:1".parse().unwrap();
    for name in ["", "n1,spec.x=y", "a b", "ä"] {
        let settings = Settings { node: name.into(), ..settings(address) };
        let error = Watch::new(settings, Arc::default(), Arc::default(), clock).err().unwrap();
        assert!(error.contains("NODE_NAME"), "{error}");
    }
}
