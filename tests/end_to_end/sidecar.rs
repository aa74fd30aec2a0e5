//! Beside an application, on files that go with the pod: whose they are, and how the agent ends.

use crate::stage::{bodies, documents};
use crate::support::{Agent, Place, SOON, Services, until, until_or};
use rustix::process::Signal;
use std::path::PathBuf;
use std::time::Duration;
use tailrace::standin::{Fault, Rule};

/// What the downward API gives to containers.
const POD: [(&str, &str); 4] =
    [("POD_NAME", "cart-7"), ("POD_NAMESPACE", "shop"), ("POD_UID", "u-1"), ("NODE_NAME", "fargate-1")];

struct Sidecar {
    agent: Agent,
    services: Services,
    place: Place,
}

impl Sidecar {
    /// Reads `logs/*.log` as an input that is called `pods`, with this `metadata`.
    fn new(top: &str, metadata: &str) -> Sidecar {
        Sidecar::with(top, metadata, &[])
    }

    fn with(top: &str, metadata: &str, further: &[&str]) -> Sidecar {
        let (place, services) = (Place::new(), Services::start());
        let info = place.path().join("podinfo");
        std::fs::create_dir(&info).unwrap();
        std::fs::write(info.join("labels"), "app=\"cart\"\nversion=\"1.2\"").unwrap();
        std::fs::write(info.join("annotations"), "secret=\"no\"\nteam=\"a \\\"b\\\"\\n\"").unwrap();
        std::fs::create_dir(place.path().join("logs")).unwrap();
        let root = place.path().display();
        let text = format!(
            "data_dir: {root}/data\nadmin: {{listen: \"{}\"}}\nretain: {{min_free: 1%}}\n{}\ninputs:\n  pods:\n    type: file\n    \
             include: [\"{root}/logs/*.log\"]\n    {}\noutputs:\n{}",
            place.admin,
            top.replace("ROOT", &root.to_string()),
            metadata.replace("ROOT", &root.to_string()),
            services.outputs().replace(
                "{kubernetes.namespace_name}",
                if metadata.is_empty() { "x" } else { "{kubernetes.labels.app}" }
            )
        );
        let config = place.path().join("tailrace.yaml");
        std::fs::write(&config, text).unwrap();
        let args = [&["run", "-c", config.to_str().unwrap()], further].concat();
        let agent = Agent::start_with(place.path(), &args, place.admin, &POD);
        agent.until_ready();
        Sidecar { agent, services, place }
    }

    fn archive_is_down(&self) {
        let busy = Fault::Status { code: 503, error: "SlowDown".into(), retry_after: None };
        self.services.s3.control.fault(Rule::always(busy));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join("logs").join(name)
    }

    /// Waits for these bodies, in every output.
    fn until_bodies(&self, want: &[&str]) {
        for (name, standin) in self.services.each() {
            crate::stage::until_bodies(name, standin, want, &self.agent);
        }
    }
}

#[test]
fn a_sidecars_files_are_those_of_its_pod_as_the_downward_api_tells() {
    let metadata = "metadata: {source: downward, container_name: app, dir: \"ROOT/podinfo\", annotations: [team]}";
    let it = Sidecar::new("", metadata);
    std::fs::write(it.file("a.log"), "one\n").unwrap();
    it.until_bodies(&["one"]);
    for (name, standin) in it.services.each() {
        let documents = documents(standin);
        let said = &documents[0]["kubernetes"];
        let want = serde_json::json!({
            "pod_name": "cart-7", "namespace_name": "shop", "pod_id": "u-1", "host": "fargate-1", "container_name": "app",
            "labels": {"app": "cart", "version": "1.2"}, "annotations": {"team": "a \"b\"\n"},
        });
        assert_eq!(*said, want, "{name}: {documents:?}");
    }
    let objects = it.services.s3.control.receipts().kept();
    assert!(objects.iter().all(|object| object.place.contains("logs/cart/")), "{objects:?}");
}

#[test]
fn it_ends_by_itself_when_the_file_is_there_and_has_delivered_what_was_never_finished() {
    let mut it = Sidecar::new("exit_when: {file: \"ROOT/logs/done\"}", "");
    std::fs::write(it.file("a.log"), "one\ntwo\nlast words").unwrap();
    it.until_bodies(&["one", "two"]);
    std::fs::write(it.file("b.log"), "x").unwrap();
    std::fs::write(it.file("done"), "").unwrap();
    let ended = it.agent.wait(SOON);
    assert_eq!(ended.code(), Some(0), "{}", it.agent.log());
    it.until_bodies(&["one", "two", "last words", "x"]);
}

#[test]
fn it_ends_by_itself_when_nothing_is_written_any_more_but_not_before_anything_was() {
    let mut it = Sidecar::new("exit_when: {idle: 1s}", "");
    std::thread::sleep(Duration::from_millis(2_500));
    assert!(it.agent.is_running(), "{}", it.agent.log());
    std::fs::write(it.file("a.log"), "one\ntwo").unwrap();
    let ended = it.agent.wait(SOON);
    assert_eq!(ended.code(), Some(0), "{}", it.agent.log());
    it.until_bodies(&["one", "two"]);
}

#[test]
fn what_was_written_before_it_started_counts_too() {
    let mut it = Sidecar::new("exit_when: {idle: 1s}", "");
    std::fs::write(it.file("a.log"), "one\n").unwrap();
    assert_eq!(it.agent.wait(SOON).code(), Some(0), "{}", it.agent.log());
    std::fs::write(it.file("b.log"), "x").unwrap();
    let config = it.place.path().join("tailrace.yaml");
    // With something new, and with nothing: a container that crashed after all was delivered.
    for _ in 0..2 {
        let args = ["run", "-c", config.to_str().unwrap()];
        it.agent = Agent::start_with(it.place.path(), &args, it.place.admin, &POD);
        assert_eq!(it.agent.wait(SOON).code(), Some(0), "{}", it.agent.log());
        it.until_bodies(&["one", "x"]);
    }
}

#[test]
fn told_to_stop_it_takes_the_end_of_its_files_for_the_end() {
    let mut it = Sidecar::new("exit_when: stopped", "");
    std::fs::write(it.file("a.log"), "one\nlast words").unwrap();
    it.until_bodies(&["one"]);
    std::fs::write(it.file("b.log"), "x").unwrap();
    let ended = it.agent.stop(SOON);
    assert_eq!(ended.code(), Some(0), "{}", it.agent.log());
    it.until_bodies(&["one", "last words", "x"]);
}

#[test]
fn what_it_cannot_deliver_before_it_must_end_is_named_and_the_exit_is_1() {
    let mut it = Sidecar::new("exit_when: stopped\nshutdown_timeout: 10s", "");
    it.archive_is_down();
    std::fs::write(it.file("a.log"), "one\nlast words").unwrap();
    until_or("one", SOON, || bodies(&it.services.opensearch) == ["one"], || it.agent.log());
    let ended = it.agent.stop(SOON);
    let log = it.agent.log();
    assert_eq!(ended.code(), Some(1), "{log}");
    let line = log.lines().find(|line| line.contains("not settled")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("archive") && line.contains("SlowDown") && line.contains("a.log"), "{line}");
    assert_eq!(bodies(&it.services.opensearch), ["last words", "one"]);
}

#[test]
fn ending_by_itself_it_gives_up_on_a_destination_that_settles_nothing_and_the_exit_is_1() {
    let mut it = Sidecar::with("exit_when: {idle: 1s}", "", &["--give-up", "3s"]);
    it.archive_is_down();
    std::fs::write(it.file("a.log"), "one\nlast words").unwrap();
    let ended = it.agent.wait(SOON);
    let log = it.agent.log();
    assert_eq!(ended.code(), Some(1), "{log}");
    let line = log.lines().find(|line| line.contains("not settled")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("archive") && line.contains("a.log"), "{line}");
    assert_eq!(bodies(&it.services.opensearch), ["last words", "one"]);
}

#[test]
fn told_to_stop_while_it_ends_by_itself_it_has_its_shutdown_timeout_and_no_more() {
    let mut it = Sidecar::new("exit_when: {file: \"ROOT/logs/done\"}\nshutdown_timeout: 10s", "");
    it.archive_is_down();
    std::fs::write(it.file("a.log"), "one\n").unwrap();
    std::fs::write(it.file("done"), "").unwrap();
    let begun = || it.agent.log().contains("delivering what is there");
    until_or("the end", SOON, begun, || it.agent.log());
    let ended = it.agent.stop(SOON);
    assert_eq!(ended.code(), Some(1), "{}", it.agent.log());
}

#[test]
fn a_reload_brings_an_end_that_is_due_already() {
    let mut it = Sidecar::new("", "");
    std::fs::write(it.file("a.log"), "one\nlast words").unwrap();
    it.until_bodies(&["one"]);
    std::fs::write(it.file("done"), "").unwrap();
    let path = it.place.path().join("tailrace.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("exit_when: {{file: \"{}\"}}\n{text}", it.file("done").display())).unwrap();
    it.agent.signal(Signal::HUP);
    let ended = it.agent.wait(SOON);
    assert_eq!(ended.code(), Some(0), "{}", it.agent.log());
    it.until_bodies(&["one", "last words"]);
}

#[test]
fn who_stands_by_ends_by_itself_only_when_it_has_taken_over() {
    let mut it = Sidecar::new("", "");
    std::fs::write(it.file("a.log"), "one\n").unwrap();
    it.until_bodies(&["one"]);
    std::fs::write(it.file("done"), "").unwrap();
    let text = std::fs::read_to_string(it.place.path().join("tailrace.yaml")).unwrap();
    let second = it.place.path().join("second.yaml");
    std::fs::write(&second, format!("exit_when: {{file: \"{}\"}}\n{text}", it.file("done").display())).unwrap();
    let args = ["run", "-c", second.to_str().unwrap()];
    let mut second = Agent::start_with(it.place.path(), &args, it.place.admin, &POD);
    until_or("standing by", SOON, || second.log().contains("standing by"), || second.log());
    assert!(second.is_running() && it.agent.is_running());
    std::fs::write(it.file("b.log"), "x").unwrap();
    assert_eq!(it.agent.stop(SOON).code(), Some(0), "{}", it.agent.log());
    assert_eq!(second.wait(SOON).code(), Some(0), "{}", second.log());
    it.until_bodies(&["one", "x"]);
}

#[test]
fn a_second_signal_leaves_at_once() {
    let mut it = Sidecar::new("exit_when: stopped\nshutdown_timeout: 10m", "");
    it.services.s3.control.fault(Rule::always(Fault::Hang { done: false }));
    std::fs::write(it.file("a.log"), "one\n").unwrap();
    until("a request that hangs", SOON, || {
        it.services.s3.control.requests_of("PUT", "hang") > 0 || !bodies(&it.services.opensearch).is_empty()
    });
    it.agent.signal(Signal::TERM);
    let again = || it.agent.log().matches("started").count() > 1;
    until_or("the second look", SOON, again, || it.agent.log());
    it.agent.signal(Signal::TERM);
    assert_eq!(it.agent.wait(SOON).code(), Some(1), "{}", it.agent.log());
}
