//! The agent itself is inside by default, says so, and refuses what it could not do any more.

use crate::kernel;
use crate::logs::{append, container, cri};
use crate::stage::{Stage, until_bodies};
use crate::support::{Agent, Place, SOON, Services, until_or};
use std::os::unix::fs::symlink;

/// A value of `/proc/PID/task/TID/status`, of each thread.
pub fn of_each_thread(agent: &Agent, key: &str) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    let status = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let value = |status: String| status.lines().find_map(|l| Some(l.strip_prefix(key)?.trim().to_owned())).unwrap();
    status.map(value).collect()
}

#[test]
fn the_agent_is_in_the_sandbox_by_default_with_all_its_threads_and_says_so() {
    let kernel = kernel();
    let stage = Stage::new();
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("fine"));
    stage.until_bodies(&["fine"]);
    let metrics = stage.agent.metrics();
    let on = |part: &str| metrics.sum("tailrace_sandbox", &[("part", part)]);
    let want = |has: bool| Some(if has { 1.0 } else { 0.0 });
    assert_eq!((on("landlock"), on("seccomp")), (want(kernel.landlock), want(kernel.seccomp)));
    let log = stage.agent.log();
    if kernel.seccomp {
        let filters = of_each_thread(&stage.agent, "Seccomp:");
        assert!(filters.len() > 4 && filters.iter().all(|mode| mode == "2"), "{filters:?}");
        assert!(log.contains("\"seccomp\":\"on\""), "{log}");
    }
    if kernel.landlock {
        let privileges = of_each_thread(&stage.agent, "NoNewPrivs:");
        assert!(privileges.iter().all(|no| no == "1"), "{privileges:?}");
        assert!(log.contains("\"landlock\":\"on\"") && log.contains(stage.place.path().to_str().unwrap()), "{log}");
    }
}

#[test]
fn it_can_be_switched_off() {
    let stage = Stage::with("sandbox: {landlock: false, seccomp: false}", |outputs| outputs);
    let modes = of_each_thread(&stage.agent, "Seccomp:");
    // As it is for whoever runs this test.
    let ours = std::fs::read_to_string("/proc/self/status").unwrap();
    assert!(modes.iter().all(|mode| ours.contains(&format!("Seccomp:\t{mode}\n"))), "{modes:?}");
    assert_eq!(stage.agent.metrics().sum("tailrace_sandbox", &[]), Some(0.0));
    let log = stage.agent.log();
    assert!(log.contains("off: by `sandbox: {landlock: false}`"), "{log}");
}

/// A `file` input below `logs`, in which a link leads to a file elsewhere.
fn with_a_link(sandbox: impl FnOnce(&Place) -> String) -> Stage {
    let (place, services) = (Place::new(), Services::start());
    let logs = place.path().join("a/b/logs");
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::create_dir_all(place.path().join("other")).unwrap();
    append(&place.path().join("other/real.log"), "behind the link\n");
    symlink(place.path().join("other/real.log"), logs.join("link.log")).unwrap();
    append(&logs.join("plain.log"), "plain\n");
    let input = format!("  f:\n    type: file\n    include: ['{}/*.log']\noutputs:\n", logs.display());
    let config = place.config(&sandbox(&place), &services.outputs().replace("[pods]", "[pods, f]"));
    let text = std::fs::read_to_string(&config).unwrap().replacen("outputs:\n", &input, 1);
    // The pods' own directory must not open what is beside it.
    let text = text
        .replace(&format!("path: {}", place.pods().display()), &format!("path: {}/p/q/pods", place.path().display()));
    std::fs::create_dir_all(place.path().join("p/q/pods")).unwrap();
    let dir = place.path().join("etc");
    std::fs::create_dir(&dir).unwrap();
    let config = dir.join("tailrace.yaml");
    std::fs::write(&config, text).unwrap();
    let agent = place.run(&config, &[]);
    agent.until_ready();
    Stage { agent, services, place, config }
}

#[test]
fn a_link_that_leads_out_of_what_is_granted_is_refused_and_counted_unless_its_end_is_granted_too() {
    if !kernel().landlock {
        return;
    }
    let stage = with_a_link(|_| String::new());
    stage.until_bodies(&["plain"]);
    let counted = || stage.agent.metrics().sum("tailrace_unreadable_files_total", &[("code", "EACCES")]) > Some(0.0);
    until_or("the link to be counted", SOON, counted, || format!("{:?}", stage.agent.get("/metrics")));
    let stage = with_a_link(|place| format!("sandbox: {{read: ['{}/other']}}", place.path().display()));
    for (name, standin) in stage.services.each() {
        until_bodies(name, standin, &["plain", "behind the link"], &stage.agent);
    }
}

#[test]
fn a_changed_configuration_that_needs_more_than_was_kept_is_refused_with_a_sentence() {
    if !kernel().landlock {
        return;
    }
    let stage = with_a_link(|_| String::new());
    stage.until_bodies(&["plain"]);
    let text = std::fs::read_to_string(&stage.config).unwrap();
    let change = |to: &str| std::fs::write(&stage.config, text.replacen("/*.log'", to, 1)).unwrap();
    // Beside what was granted: taken up.
    change("/*.log', '/nowhere/at/all/*.log'");
    let refused = || stage.agent.log().contains("/nowhere/at/all: this process gave up the right to read there");
    until_or("the refusal", SOON, refused, || stage.agent.log());
    assert!(stage.agent.log().contains("restart it"));
    let logs = stage.place.path().join("a/b/logs");
    std::fs::create_dir(logs.join("more")).unwrap();
    append(&logs.join("more/m.log"), "more\n");
    change(&format!("/*.log', '{}/more/*.log'", logs.display()));
    stage.until_bodies(&["plain", "more"]);
}

#[test]
fn log_directories_may_be_removed_and_made_anew_or_come_late() {
    let stage = Stage::new();
    std::fs::remove_dir_all(stage.place.pods()).unwrap();
    std::fs::create_dir(stage.place.pods()).unwrap();
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("anew"));
    stage.until_bodies(&["anew"]);
}

#[test]
fn a_data_dir_that_is_made_anew_is_said_and_delivery_goes_on() {
    if !kernel().landlock {
        return;
    }
    let mut stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("before"));
    stage.until_bodies(&["before"]);
    stage.until_settled();
    std::fs::remove_dir_all(stage.place.data_dir()).unwrap();
    std::fs::create_dir(stage.place.data_dir()).unwrap();
    append(&file, cri("after"));
    stage.until_bodies(&["before", "after"]);
    let shown = |what: &str| stage.agent.metrics().sum("tailrace_data_dir_unwritable", &[("what", what)]) == Some(1.0);
    let unwritable = || shown("positions") && shown("lock");
    until_or("it to be shown", SOON, unwritable, || format!("{:?}{}", stage.agent.get("/metrics"), stage.agent.log()));
    append(&file, cri("and more"));
    stage.until_bodies(&["before", "after", "and more"]);
    assert!(stage.agent.stop(SOON).success(), "{}", stage.agent.log());
    for said in ["data_dir cannot be written", "cannot be taken again: going on without"] {
        assert!(stage.agent.log().contains(said), "{said}: {}", stage.agent.log());
    }
    // The next process may use the new directory, and delivers what the old one could not note at worst twice.
    stage.start_again();
    append(&file, cri("last"));
    let there =
        |name: &str| crate::stage::bodies(stage.services.each().into_iter().find(|(n, _)| *n == name).unwrap().1);
    for name in ["cloudwatch", "archive", "search"] {
        let arrived = || there(name).iter().any(|body| body == "last");
        until_or(&format!("the last line in {name}"), SOON, arrived, || stage.agent.log());
    }
    assert_eq!(stage.agent.metrics().sum("tailrace_data_dir_unwritable", &[]), Some(0.0));
}

#[test]
fn without_landlock_a_data_dir_that_is_made_anew_is_written_again() {
    let stage = Stage::with("sandbox: {landlock: false}", |outputs| outputs);
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("before"));
    stage.until_bodies(&["before"]);
    std::fs::remove_dir_all(stage.place.data_dir()).unwrap();
    append(&file, cri("after"));
    stage.until_bodies(&["before", "after"]);
    let back = || stage.agent.log().contains("data_dir can be written again") && stage.place.data_dir().exists();
    until_or("it to be there again", SOON, back, || stage.agent.log());
    let unwritable = || stage.agent.metrics().sum("tailrace_data_dir_unwritable", &[]) == Some(0.0);
    until_or("it to be shown", SOON, unwritable, || stage.agent.log());
}
