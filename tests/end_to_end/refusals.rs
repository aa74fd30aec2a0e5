//! What it cannot do it says, with what to type; what it can do without, it does without.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, until_bodies};
use crate::support::{Agent, Place, SOON, Services, free_port, until_or};
use std::net::{SocketAddr, TcpListener};

#[test]
fn an_admin_port_in_use_is_69_with_the_address_and_what_to_type() {
    let place = Place::new();
    let services = Services::start();
    let holder = TcpListener::bind(place.admin).unwrap();
    let mut agent = place.run(&place.config("", &services.outputs()), &[]);
    let ended = agent.wait(SOON);
    let log = agent.log();
    assert_eq!(ended.code(), Some(69), "{log}");
    assert!(log.contains(&place.admin.to_string()) && log.contains("admin: {listen: \""), "{log}");
    drop(holder);
}

#[test]
fn a_store_of_another_version_is_moved_aside_said_and_shown() {
    let mut stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("one"));
    stage.until_bodies(&["one"]);
    assert!(stage.agent.stop(SOON).success());
    let store = stage.place.data_dir().join("checkpoints.log");
    let mut bytes = std::fs::read(&store).unwrap();
    // The version stands behind the eight bytes of "tailrlog".
    bytes[8] = 0x63;
    std::fs::write(&store, &bytes).unwrap();
    stage.start_again();
    assert_eq!(moved_aside(&stage), Some(1.0));
    append(&file, cri("two"));
    // Positions are gone: pod logs keep their ids, so that OpenSearch knows them; the others get them again.
    until_bodies("search", &stage.services.opensearch, &["one", "two"], &stage.agent);
    let log = stage.agent.log();
    let line = log.lines().find(|l| l.contains("version 99")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("error") && line.contains("kept as"), "{line}");
    let aside = std::fs::read_dir(stage.place.data_dir()).unwrap().flatten().map(|e| e.path());
    let kept: Vec<_> = aside.filter(|p| *p != store && std::fs::read(p).is_ok_and(|b| b == bytes)).collect();
    assert_eq!(kept.len(), 1, "the old bytes are not there any more");
    assert!(stage.agent.stop(SOON).success());
    stage.start_again();
    assert_eq!(moved_aside(&stage), Some(0.0));
}

fn moved_aside(stage: &Stage) -> Option<f64> {
    stage.agent.metrics().sum("tailrace_store_moved_aside", &[])
}

#[test]
fn https_to_a_plain_port_parks_the_output_with_a_reason_and_the_others_go_on() {
    let stage = Stage::with("", |outputs| {
        let (before, after) = outputs.split_once("endpoint: http://").unwrap();
        format!("{before}endpoint: https://{after}")
    });
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("one"));
    for (name, standin) in &stage.services.each()[1..] {
        until_bodies(name, standin, &["one"], &stage.agent);
    }
    let parked = || stage.lane("cloudwatch")["parked"].clone();
    until_or("a parked lane", SOON, || !parked().is_null(), || stage.lane("cloudwatch").to_string());
    let parked = parked();
    println!("{parked}");
    assert_eq!(parked["code"], "tls", "{parked}");
    let port = stage.services.cloudwatch.addr.port().to_string();
    let say = parked["say"].as_str().unwrap().to_owned();
    assert!(say.contains("http://") || say.contains(&port) || say.contains("TLS"), "{say}");
    assert_eq!(stage.agent.metrics().sum("tailrace_output_parked", &[("output", "cloudwatch")]), Some(1.0));
    assert_eq!(stage.services.cloudwatch.control.receipts().totals().records, 0);
}

#[test]
fn nobody_at_the_endpoint_parks_the_output_and_it_goes_on_when_somebody_comes() {
    let port = free_port();
    let stage = Stage::with("", |outputs| {
        let at = outputs.find("url: http://").unwrap();
        let end = at + outputs[at..].find('\n').unwrap();
        outputs.replace(&outputs[at..end], &format!("url: http://127.0.0.1:{port}"))
    });
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("one"));
    let parked = || stage.lane("search")["parked"].clone();
    until_or("a parked lane", SOON, || !parked().is_null(), || stage.lane("search").to_string());
    assert_eq!(parked()["code"], "connect_refused", "{}", parked());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let which = tailrace::standin::Which::OpenSearch(tailrace::standin::opensearch::Options::default());
    let options = tailrace::standin::Options { port, ..tailrace::standin::Options::default() };
    let late = tailrace::standin::start(runtime.handle(), which, options).unwrap();
    until_bodies("search", &late, &["one"], &stage.agent);
    until_or("the lane to be free", SOON, || parked().is_null(), || stage.lane("search").to_string());
}

#[test]
fn a_data_dir_that_cannot_be_written_stops_no_delivery_and_is_said() {
    let place = Place::new();
    let services = Services::start();
    let config = place.config("", &services.outputs());
    let text = std::fs::read_to_string(&config).unwrap();
    // /proc takes no new files from anybody, root included.
    std::fs::write(&config, text.replace(place.data_dir().to_str().unwrap(), "/proc/tailrace")).unwrap();
    let agent = place.run(&config, &[]);
    agent.until_ready();
    let stage = Stage { agent, services, place, config };
    append(&container(&stage.place, "shop", "cart").join("0.log"), [cri("one"), cri("two")].concat());
    stage.until_bodies(&["one", "two"]);
    let log = stage.agent.log();
    let line = log.lines().find(|l| l.contains("\"error\"") && l.contains("/proc/tailrace"));
    assert!(line.is_some(), "{log}");
}

#[test]
fn a_data_dir_that_is_a_file_is_69() {
    let place = Place::new();
    let services = Services::start();
    let config = place.config("", &services.outputs());
    std::fs::write(place.data_dir(), "").unwrap();
    let mut agent = place.run(&config, &[]);
    let ended = agent.wait(SOON);
    assert_eq!(ended.code(), Some(69), "{}", agent.log());
    assert!(
        agent.log().contains(&format!("data_dir {} is not a directory", place.data_dir().display())),
        "{}",
        agent.log()
    );
}

#[test]
fn a_wrong_configuration_starts_nothing_and_is_64() {
    let place = Place::new();
    let services = Services::start();
    let config = place.config("", &services.outputs().replace("max_age: 500ms", "max_aeg: 500ms"));
    let mut agent =
        Agent::start(place.path(), &["run", "-c", config.to_str().unwrap()], SocketAddr::from(([127, 0, 0, 1], 1)));
    let ended = agent.wait(SOON);
    assert_eq!(ended.code(), Some(64), "{}", agent.log());
    assert!(agent.log().contains("max_aeg") && agent.log().contains("max_age"), "{}", agent.log());
    assert!(!place.data_dir().exists());
}
