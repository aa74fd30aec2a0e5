//! `tailrace demo`: one command, a table, exit 0; nothing stays behind, however it ends.

use crate::logs::{append, container, cri};
use crate::support::{Place, SOON, get, until, until_or};
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

struct Demo {
    child: Child,
    place: Place,
}

impl Demo {
    fn start(args: &[&str]) -> Demo {
        Demo::start_in(Place::new(), args)
    }
    fn start_in(place: Place, args: &[&str]) -> Demo {
        let file = |name| std::fs::File::create(place.path().join(name)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_tailrace"))
            .arg("demo")
            .args(args)
            .env("TMPDIR", place.path())
            // Nothing of this environment reaches the agent.
            .env("AWS_ACCESS_KEY_ID", "wrong")
            .env("AWS_PROFILE", "wrong")
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .unwrap();
        Demo { child, place }
    }
    fn said(&self) -> String {
        let read = |name| std::fs::read_to_string(self.place.path().join(name)).unwrap_or_default();
        read("out") + &read("err")
    }
    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        let (out, err) = (self.place.path().join("out"), self.place.path().join("err"));
        let ended = || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        };
        let say = || std::fs::read_to_string(out).unwrap() + &std::fs::read_to_string(err).unwrap();
        until_or("the demo to end", SOON * 2, ended, say);
        status.unwrap()
    }
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
    /// Its own directory.
    fn room(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.place.path()).unwrap().flatten().map(|e| e.path());
        entries.into_iter().find(|p| p.file_name().unwrap().to_string_lossy().starts_with("tailrace-demo-"))
    }
    /// The pid of the agent that runs in its directory.
    fn agent(&self) -> Option<i32> {
        let config = self.room()?.join("tailrace.yaml");
        let config = config.to_str()?;
        std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            (line.contains(config) && line.contains("run")).then_some(pid)
        })
    }
    fn page(&self) -> Option<SocketAddr> {
        let said = self.said();
        let (_, rest) = said.split_once("admin: {listen: \"")?;
        rest.split_once('"')?.0.parse().ok()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether it runs: a process that ended and was not waited for does not.
fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn it_needs_nothing_ends_with_0_and_leaves_nothing_behind() {
    let mut demo = Demo::start(&["--seconds", "3"]);
    let ended = demo.wait();
    let said = demo.said();
    assert!(ended.success(), "{ended}\n{said}");
    for word in ["type: cloudwatch_logs", "written", "lost", "duplicates", "on the wire", "of CPU", "Nothing was lost"]
    {
        assert!(said.contains(word), "{word}: {said}");
    }
    for output in ["cloudwatch", "archive", "search"] {
        let row = said.lines().find(|l| l.starts_with(output)).unwrap_or_else(|| panic!("{said}"));
        let cells: Vec<&str> = row.split_whitespace().collect();
        let number = |at: usize| cells[at].replace(',', "").parse::<u64>().unwrap();
        assert!(number(1) > 5_000 && number(1) == number(2) && number(3) == 0, "{row}");
    }
    assert_eq!(demo.room(), None);
}

#[test]
fn keep_leaves_it_running_until_ctrl_c_and_then_nothing_but_its_directory() {
    let mut demo = Demo::start(&["--keep", "--seconds", "1"]);
    until_or("the page to be named", SOON, || demo.said().contains("for the agent's status page"), || demo.said());
    let page = demo.page().unwrap();
    until_or(
        "the page",
        SOON,
        || get(page, "/").is_some_and(|(status, body)| status == 200 && body.contains("cloudwatch")),
        || demo.said(),
    );
    assert!(demo.said().contains(&format!("http://{page}/")), "{}", demo.said());
    let agent = demo.agent().unwrap();
    assert!(runs(agent));
    // Longer than --seconds: it goes on.
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(demo.child.try_wait().unwrap().is_none());
    demo.signal(Signal::INT);
    let ended = demo.wait();
    assert!(ended.success(), "{ended}\n{}", demo.said());
    assert!(!runs(agent));
    let room = demo.room().unwrap();
    assert!(room.join("agent.log").is_file() && room.join("data").is_dir());
}

#[test]
fn killed_it_takes_its_agent_with_it() {
    let mut demo = Demo::start(&["--keep"]);
    // Asked once: an agent that begins anew with one heap has no command line for a moment.
    let mut agent = None;
    until("its agent", SOON, || {
        agent = agent.or_else(|| demo.agent());
        agent.is_some()
    });
    let agent = agent.unwrap();
    let page = demo.page().unwrap();
    until_or("the page", SOON, || get(page, "/livez").is_some(), || demo.said());
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    until("the agent to end", SOON, || !runs(agent));
}

#[test]
fn files_of_somebody_else_are_delivered_counted_and_left_alone() {
    let place = Place::new();
    let (a, b) = (container(&place, "shop", "a").join("0.log"), container(&place, "jobs", "b").join("3.log"));
    append(&a, (0..300).flat_map(|n| cri(format!("a {n}"))).collect::<Vec<u8>>());
    append(&b, (0..200).flat_map(|n| cri(format!("b {n}"))).collect::<Vec<u8>>());
    let before = std::fs::read(&a).unwrap();
    let logs = place.pods().to_str().unwrap().to_owned();
    let mut demo = Demo::start_in(place, &["--logs", &logs]);
    let ended = demo.wait();
    let said = demo.said();
    assert!(ended.success(), "{ended}\n{said}");
    for output in ["cloudwatch", "archive", "search"] {
        let row = said.lines().find(|l| l.starts_with(output)).unwrap_or_else(|| panic!("{said}"));
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells[1..4], ["500", "0", "500"], "{said}");
    }
    assert!(said.contains("Not our files"), "{said}");
    assert_eq!(std::fs::read(&a).unwrap(), before);
    assert_eq!(demo.room(), None);
}

#[test]
fn logs_that_are_not_there_are_64() {
    let mut demo = Demo::start(&["--logs", "/nonexistent"]);
    let ended = demo.wait();
    assert_eq!(ended.code(), Some(64), "{}", demo.said());
    assert!(demo.said().contains("/nonexistent"), "{}", demo.said());
}

#[test]
fn a_directory_without_pod_logs_is_64_and_says_what_was_expected() {
    let place = Place::new();
    let logs = place.path().join("flat");
    std::fs::create_dir(&logs).unwrap();
    std::fs::write(logs.join("app.log"), "one line\n").unwrap();
    let logs = logs.to_str().unwrap().to_owned();
    let mut demo = Demo::start_in(place, &["--logs", &logs]);
    assert_eq!(demo.wait().code(), Some(64), "{}", demo.said());
    assert!(demo.said().contains("no log was found below"), "{}", demo.said());
}
