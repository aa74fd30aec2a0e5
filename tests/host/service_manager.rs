//! What a service manager hears on its socket, and when.

use crate::Stage;
use crate::support::{Agent, SOON, now, until_or};
use rustix::process::Signal;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tailrace::standin::{Fault, Rule};

/// Stands for systemd: everything it was told, with the time.
struct Ear {
    name: String,
    heard: Arc<Mutex<Vec<(Duration, String)>>>,
}

impl Ear {
    fn at(name: String, socket: UnixDatagram) -> Ear {
        let heard: Arc<Mutex<Vec<(Duration, String)>>> = Arc::default();
        let into = heard.clone();
        // Ends with the test's process: nobody closes a datagram socket from outside.
        std::thread::spawn(move || {
            let mut room = [0; 4_096];
            while let Ok(length) = socket.recv(&mut room) {
                let text = String::from_utf8(room[..length].to_vec()).unwrap();
                into.lock().unwrap().push((now().mono, text));
            }
        });
        Ear { name, heard }
    }
    fn in_the_file_system(stage: &Stage) -> Ear {
        let path = stage.place.path().join("notify");
        Ear::at(path.to_str().unwrap().to_owned(), UnixDatagram::bind(&path).unwrap())
    }
    fn abstract_one(stage: &Stage) -> Ear {
        let name = format!("tailrace-test-{}", stage.place.admin.port());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Ear::at(format!("@{name}"), UnixDatagram::bind_addr(&address).unwrap())
    }
    fn all(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }
    /// Without pings and what people read.
    fn words(&self) -> Vec<String> {
        let mut all = self.all();
        all.retain(|text| text != "WATCHDOG=1" && !text.starts_with("STATUS="));
        all
    }
    fn pings(&self) -> Vec<Duration> {
        self.heard.lock().unwrap().iter().filter(|(_, text)| text == "WATCHDOG=1").map(|(at, _)| *at).collect()
    }
    fn until(&self, what: &str, agent: &Agent, done: impl Fn(&Ear) -> bool) {
        until_or(what, SOON, || done(self), || format!("{:#?}\n{}", self.all(), agent.log()));
    }
}

#[test]
fn ready_comes_with_the_start_reloading_around_a_sighup_and_stopping_with_the_drain() {
    let stage = Stage::new("shutdown_timeout: 20s", |outputs| outputs);
    for ear in [Ear::in_the_file_system(&stage), Ear::abstract_one(&stage)] {
        let mut agent = stage.run(&[("NOTIFY_SOCKET", &ear.name)]);
        ear.until("READY", &agent, |ear| !ear.words().is_empty());
        assert_eq!(agent.get("/readyz").map(|(status, _)| status), Some(200));
        assert_eq!(ear.words(), ["READY=1"]);
        ear.until("the status", &agent, |ear| ear.all().contains(&"STATUS=running".to_owned()));
        agent.signal(Signal::HUP);
        ear.until("READY again", &agent, |ear| ear.words().len() >= 3);
        let words = ear.words();
        let when = words[1].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{words:?}"));
        let booted = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec.unsigned_abs();
        let when = when.parse::<u64>().unwrap() / 1_000_000;
        assert!(when <= booted && when + SOON.as_secs() > booted, "{when} {booted}");
        assert_eq!(words[2], "READY=1");
        assert!(agent.stop(SOON).success(), "{}", agent.log());
        // 20 s and what comes after it.
        ear.until("STOPPING", &agent, |ear| ear.words().len() >= 4);
        assert_eq!(ear.words()[3..], ["STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000"]);
        assert!(ear.pings().is_empty(), "nobody asked for pings");
    }
}

#[test]
fn a_reload_that_is_refused_ends_too_and_the_status_says_so() {
    let stage = Stage::new("", |outputs| outputs);
    let ear = Ear::in_the_file_system(&stage);
    let agent = stage.run(&[("NOTIFY_SOCKET", &ear.name), ("WATCHDOG_USEC", "300000")]);
    ear.until("READY", &agent, |ear| !ear.words().is_empty());
    std::fs::write(&stage.config, "inputs: 7\n").unwrap();
    agent.signal(Signal::HUP);
    ear.until("READY again", &agent, |ear| ear.words().len() >= 3);
    assert_eq!(ear.words()[2], "READY=1");
    let refused = |ear: &Ear| ear.all().iter().any(|text| text.contains("the changed configuration is refused"));
    ear.until("the status", &agent, refused);
}

#[test]
fn who_cannot_start_is_not_ready() {
    let stage = Stage::new("", |outputs| outputs);
    let ear = Ear::in_the_file_system(&stage);
    let taken = std::net::TcpListener::bind(stage.place.admin).unwrap();
    let mut agent = stage.run(&[("NOTIFY_SOCKET", &ear.name)]);
    assert_eq!(agent.wait(SOON).code(), Some(69), "{}", agent.log());
    drop(taken);
    assert_eq!(ear.words(), [""; 0]);
}

#[test]
fn who_stands_by_is_ready() {
    let stage = Stage::new("", |outputs| outputs);
    let first = stage.run(&[]);
    first.until_ready();
    let ear = Ear::in_the_file_system(&stage);
    let second = stage.run(&[("NOTIFY_SOCKET", &ear.name)]);
    ear.until("READY", &second, |ear| ear.words() == ["READY=1"]);
    ear.until("why", &second, |ear| ear.all().iter().any(|text| text.starts_with("STATUS=standing by")));
    drop(first);
    ear.until("it to take over", &second, |ear| ear.all().contains(&"STATUS=running".to_owned()));
    assert_eq!(ear.words(), ["READY=1"]);
}

/// 1.2 s, so pings every 0.4 s; that they are often enough is a matter of numbers, and tested as such beside the code.
const WATCHDOG: (&str, &str) = ("WATCHDOG_USEC", "1200000");

#[test]
fn pings_come_also_while_no_destination_answers_and_never_for_another_process() {
    let stage = Stage::new("", |outputs| outputs);
    for (_, standin) in stage.services.each() {
        standin.control.fault(Rule::always(Fault::Hang { done: false }));
    }
    let ear = Ear::in_the_file_system(&stage);
    let mut agent = stage.run(&[("NOTIFY_SOCKET", &ear.name), WATCHDOG]);
    stage.say("nobody takes it");
    ear.until("ten pings", &agent, |ear| ear.pings().len() >= 10);
    agent.kill();
    // Pings for another process are not ours to send.
    let ear = Ear::at(
        stage.place.path().join("other").to_str().unwrap().to_owned(),
        UnixDatagram::bind(stage.place.path().join("other")).unwrap(),
    );
    let agent = stage.run(&[("NOTIFY_SOCKET", &ear.name), WATCHDOG, ("WATCHDOG_PID", "1")]);
    ear.until("READY", &agent, |ear| !ear.words().is_empty());
    ear.until("the status", &agent, |ear| ear.all().contains(&"STATUS=running".to_owned()));
    assert!(ear.pings().is_empty());
}

#[test]
fn an_agent_that_hangs_stops_pinging_although_it_is_still_there() {
    // A profile that is a FIFO: the first request waits for who writes it, and with it everything on the main thread.
    let stage = Stage::new("", |outputs| outputs);
    std::fs::create_dir(stage.place.path().join(".aws")).unwrap();
    let fifo = stage.place.path().join(".aws/config");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    let ear = Ear::in_the_file_system(&stage);
    let mut agent = stage.run(&[("NOTIFY_SOCKET", &ear.name), WATCHDOG]);
    ear.until("a ping", &agent, |ear| !ear.pings().is_empty());
    stage.say("nobody gets it");
    // Longer than the watchdog waits: here systemd would kill it.
    let quiet = || now().mono.saturating_sub(*ear.pings().last().unwrap()) > Duration::from_secs(3);
    until_or("the pings to end", SOON, quiet, || agent.log());
    assert!(agent.is_running());
}
