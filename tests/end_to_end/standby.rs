//! Two processes on one data_dir, as in a rolling update: the second waits, and goes on exactly where the first stood.

use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{Agent, SOON, free_port, now, until_or};
use std::net::SocketAddr;
use std::time::Duration;

/// A second process with the same configuration but for its admin port.
fn second(stage: &Stage) -> Agent {
    let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let text = std::fs::read_to_string(&stage.config).unwrap();
    let config = stage.place.path().join("second.yaml");
    std::fs::write(&config, text.replace(&stage.place.admin.to_string(), &admin.to_string())).unwrap();
    Agent::start(stage.place.path(), &["run", "-c", config.to_str().unwrap()], admin)
}

fn takes_over(end: impl FnOnce(&mut Agent)) {
    let mut stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("first"));
    stage.until_bodies(&["first"]);
    stage.until_settled();
    let mut second = second(&stage);
    second.until_ready();
    let holder = format!("pid {}", stage.agent.pid());
    assert!(second.get("/readyz").unwrap().1.contains("standing by"), "{:?}", second.get("/readyz"));
    assert!(second.log().lines().any(|l| l.contains("standing by") && l.contains(&holder)), "{}", second.log());
    append(&file, cri("second"));
    stage.until_bodies(&["first", "second"]);
    stage.until_settled();
    assert_eq!(second.get("/livez").unwrap().0, 200);
    assert!(second.is_running());
    append(&file, cri("third"));
    let begun = now().mono;
    end(&mut stage.agent);
    let running = || second.get("/readyz").is_some_and(|(_, page)| page.contains("running"));
    until_or("the second to take over", SOON, running, || second.log());
    println!("taken over {:?} after the signal", now().mono - begun);
    append(&file, cri("fourth"));
    stage.until_bodies(&["first", "second", "third", "fourth"]);
    let ended = second.stop(SOON);
    assert!(ended.success(), "{ended}");
    stage.until_bodies(&["first", "second", "third", "fourth"]);
}

#[test]
fn the_second_waits_and_takes_over_after_sigterm_without_loss_or_repeat() {
    takes_over(|first| assert!(first.stop(SOON).success()));
}

#[test]
fn the_second_takes_over_after_sigkill_without_loss_or_repeat() {
    takes_over(|first| assert!(!first.kill().success()));
}

#[test]
fn with_the_same_port_the_second_gets_it_too() {
    let mut stage = Stage::new();
    let mut second = stage.place.run(&stage.config, &[]);
    until_or("the second to stand by", SOON, || second.log().contains("standing by"), || second.log());
    assert!(stage.agent.stop(SOON).success());
    let there = || second.get("/readyz").is_some_and(|(_, page)| page.contains("running"));
    until_or("the second's page", SOON, there, || second.log());
    assert!(second.stop(SOON).success());
}

#[test]
fn who_stands_by_ends_at_once_when_told_to() {
    let mut stage = Stage::new();
    let mut second = second(&stage);
    second.until_ready();
    let begun = now().mono;
    assert!(second.stop(SOON).success());
    assert!(now().mono - begun < Duration::from_secs(2));
    assert!(stage.agent.is_running());
}
