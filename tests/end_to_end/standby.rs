//! Two processes on one data_dir, as in a rolling update: the second waits, and goes on exactly where the first stood.

use crate::change::put;
use crate::logs::{append, container, cri};
use crate::stage::{Stage, busy};
use crate::support::{Agent, SOON, now, own_address, until_or, write_for, write_until};
use rustix::process::Signal;
use std::time::Duration;
use tailrace::standin::writer::Writer;

/// A second process with the same configuration but for its admin port.
fn second(stage: &Stage) -> Agent {
    let admin = own_address();
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

/// As a DaemonSet with host network and `maxSurge` does it, again and again: the next pod starts, is ready because
/// somebody answers on the port for both, and the one before gets its SIGTERM, its `POST /drain`, or dies.
#[test]
fn from_process_to_process_on_one_port_while_lines_come_nothing_is_lost_or_twice() {
    let mut stage = Stage::new();
    let mut writer = Writer::new(&stage.place.pods(), 81, busy(), now()).unwrap();
    for round in 0..6 {
        write_for(&mut writer, Duration::from_millis(500 + 70 * round));
        let next = stage.place.run(&stage.config, &[]);
        let waits = format!("standing by: another process holds data_dir\",\"holder\":\"pid {}", stage.agent.pid());
        write_until(&mut writer, "the next one to stand by", || next.log().contains(&waits));
        // What the next pod's probes see: the answers of the one before.
        assert_eq!((next.get("/readyz").unwrap().0, next.get("/livez").unwrap().0), (200, 200));
        let mut before = std::mem::replace(&mut stage.agent, next);
        let begun = now().mono;
        match round % 3 {
            0 => before.signal(Signal::TERM),
            1 => before.signal(Signal::KILL),
            _ => assert_eq!(crate::support::post(stage.place.admin, "/drain").unwrap().0, 202),
        }
        write_until(&mut writer, "the one before to end", || !before.is_running());
        let ended = now().mono;
        let next = stage.agent.pid();
        let in_place = || stage.agent.get("/api/lanes").is_some_and(|(_, page)| page.contains("\"phase\":\"running\""));
        write_until(&mut writer, "the next one to run", in_place);
        println!(
            "round {round}: {:?} to end, then {:?} until {next} runs and answers",
            ended - begun,
            now().mono - ended
        );
        assert_eq!(before.wait(SOON).success(), round % 3 != 1);
        assert!(stage.agent.is_running());
    }
    writer.finish(now()).unwrap();
    stage.until_all_arrived(&mut writer);
    stage.until_settled();
    stage.assert_once_or_counted(&writer);
}

#[test]
fn who_stands_by_takes_up_a_configuration_that_changed_meanwhile() {
    let mut stage = Stage::new();
    let mut second = second(&stage);
    second.until_ready();
    let config = stage.place.path().join("second.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    put(&config, &text.replace("outputs:", "output:"));
    second.signal(Signal::HUP);
    let count = |second: &Agent, name: &str| second.metrics().sum(name, &[]);
    let refused = || count(&second, "tailrace_config_reload_failures_total") == Some(1.0);
    until_or("the bad one to be refused", SOON, refused, || second.log());
    put(&config, &text.replace("archive:", "store:\n    id: archive"));
    second.signal(Signal::HUP);
    until_or("the new one", SOON, || count(&second, "tailrace_config_reloads_total") == Some(1.0), || second.log());
    assert!(stage.agent.stop(SOON).success());
    let store = || second.get("/api/lanes").is_some_and(|(_, page)| page.contains("\"output\":\"store\""));
    until_or("its output", SOON, store, || second.log());
    assert!(second.stop(SOON).success());
}

#[test]
fn who_stands_by_ends_at_once_when_told_to() {
    // Longer than anybody waits for its end.
    let mut stage = Stage::with("shutdown_timeout: 10m", |outputs| outputs);
    let mut second = second(&stage);
    second.until_ready();
    assert!(second.stop(SOON).success());
    assert!(stage.agent.is_running());
}
