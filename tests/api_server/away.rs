//! An API server that is killed, away for a while, and back: its own for each test.

use crate::rig::{Rig, Server, rule};
use crate::support::{SOON, until_or};
use rustix::process::Signal;
use serde_json::json;

const PODS: &[&str] = &["list", "watch"];

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn after_its_restart_the_watch_goes_on_where_it_was() {
    let rig = Rig::new(Server::own(""), &[rule("pods", PODS)]);
    let pod = rig.pod(&rig.name, "a", &json!({"colour": "red"}));
    let mut agent = rig.start("");
    rig.until_label(&pod, ("colour", "red"), &agent);
    rig.server.restart(20);
    Rig::until_state(&agent, "failing");
    // Nothing waits for it.
    rig.say(&pod, "meanwhile");
    assert_eq!(rig.arrived("meanwhile", &agent)["labels"]["colour"], "red");
    rig.server.until_ready();
    Rig::until_state(&agent, "watching");
    rig.server.kubectl(&["-n", &rig.name, "label", "pod", "a", "colour=blue", "--overwrite"], "");
    rig.until_label(&pod, ("colour", "blue"), &agent);
    let warnings = agent.log().matches("cannot follow the pods").count();
    assert!((1..=3).contains(&warnings), "{}", agent.log());
    assert!(agent.stop(SOON).success());
    // What reached the server: the beginning, and then only watches of this node's pods.
    let asked = rig.requests();
    assert!(asked.iter().all(|line| line.starts_with(&rig.watch())), "{asked:#?}");
    assert_eq!(asked.first(), Some(&rig.begin()), "{asked:#?}");
}

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn a_version_that_its_restart_made_too_old_begins_anew_and_nothing_is_missed() {
    let rig = Rig::new(Server::own(""), &[rule("pods", PODS)]);
    let (stays, goes) = (rig.pod(&rig.name, "a", &json!({"colour": "red"})), rig.pod(&rig.name, "b", &json!({})));
    let mut agent = rig.start("");
    rig.until_label(&stays, ("colour", "red"), &agent);
    rig.say(&goes, "hello");
    rig.arrived("hello", &agent);
    // The first restart ends its watch, so that it hears nothing of the changes; after the second one the server knows
    // of no change before it.
    agent.signal(Signal::STOP);
    rig.server.restart(1);
    rig.server.until_ready();
    rig.server.kubectl(&["-n", &rig.name, "label", "pod", "a", "colour=blue", "--overwrite"], "");
    rig.delete(&rig.name, "b");
    rig.server.restart(1);
    rig.server.until_ready();
    let comes = rig.pod(&rig.name, "c", &json!({"app": "c"}));
    agent.signal(Signal::CONT);
    rig.until_label(&stays, ("colour", "blue"), &agent);
    rig.say(&comes, "new");
    assert_eq!(rig.arrived("new", &agent)["labels"]["app"], "c");
    let live = || agent.metrics().sum("tailrace_metadata_pods", &[]) == Some(2.0);
    until_or("the deletion", SOON, live, || agent.log());
    assert!(!agent.log().contains("cannot follow"), "no trouble to a person: {}", agent.log());
    assert!(agent.stop(SOON).success());
    let asked = rig.requests();
    let from = |line: &str| line.rsplit("&resourceVersion=").next().unwrap_or_default().to_owned();
    assert_eq!(asked.len(), 3, "{asked:#?}");
    assert_eq!((&asked[0], &asked[2]), (&rig.begin(), &rig.begin()), "the beginning, and again after 410");
    assert!(asked[1].starts_with(&rig.watch()) && !from(&asked[1]).starts_with("0 "), "{asked:#?}");
}

#[test]
#[ignore = "needs an API server: scripts/cluster/test api"]
fn an_agent_that_starts_while_it_is_away_goes_on_and_finds_it_later() {
    let rig = Rig::new(Server::own(""), &[rule("pods", PODS)]);
    let pod = rig.pod(&rig.name, "a", &json!({"colour": "red"}));
    rig.new_token(&[]);
    let away = std::thread::scope(|scope| {
        let restart = scope.spawn(|| rig.server.restart(8));
        until_or("its end", SOON, || rig.server.try_kubectl(&["get", "--raw", "/readyz"], "").is_err(), String::new);
        let agent = rig.start("");
        Rig::until_state(&agent, "failing");
        restart.join().unwrap();
        agent
    });
    Rig::until_state(&away, "watching");
    rig.say(&pod, "hello");
    assert_eq!(rig.arrived("hello", &away)["labels"]["colour"], "red");
}
