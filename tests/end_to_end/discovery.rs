//! A new pod is found within a second; files that nobody writes into cost nothing.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, bodies};
use crate::support::{SOON, now, until_or};
use std::path::Path;
use std::time::Duration;

/// Whether the agent has this file open.
fn is_open(stage: &Stage, file: &Path) -> bool {
    let handles = std::fs::read_dir(format!("/proc/{}/fd", stage.agent.pid())).unwrap().flatten();
    handles.into_iter().any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == file))
}

#[test]
fn a_new_pod_is_found_within_a_second() {
    let stage = Stage::with("", |outputs| outputs.replace("200ms", "100ms"));
    append(&container(&stage.place, "shop", "first").join("0.log"), cri("first"));
    stage.until_bodies(&["first"]);
    let (mut found, mut arrived) = (Vec::new(), Vec::new());
    for n in 0..16 {
        // Not in step with anything the agent does every second.
        std::thread::sleep(Duration::from_millis(n * 83 % 400));
        let begun = now().mono;
        let file = container(&stage.place, "shop", &format!("new-{n}")).join("0.log");
        append(&file, cri(format!("new {n}")));
        until_or("the file to be opened", SOON, || is_open(&stage, &file), || stage.agent.log());
        found.push(now().mono - begun);
        let body = format!("new {n}");
        let there = || bodies(&stage.services.opensearch).contains(&body);
        until_or("its line", SOON, there, || stage.agent.log());
        arrived.push(now().mono - begun);
    }
    found.sort_unstable();
    arrived.sort_unstable();
    let (middle, last) = (found.len() / 2, found.len() - 1);
    println!(
        "from the directory's making to the opened file: {:?} as a rule, {:?} at most; to the delivery of its line (max_age 100ms): {:?}, {:?}",
        found[middle], found[last], arrived[middle], arrived[last]
    );
    assert!(found[last] < Duration::from_secs(1), "{found:?}");
}

#[test]
fn a_container_s_next_restart_and_a_directory_that_stays_empty_for_a_while_are_found() {
    let stage = Stage::new();
    let dir = container(&stage.place, "shop", "cart");
    append(&dir.join("0.log"), cri("zero"));
    let late = container(&stage.place, "shop", "late");
    stage.until_bodies(&["zero"]);
    append(&dir.join("1.log"), cri("one"));
    append(&late.join("0.log"), "");
    std::thread::sleep(Duration::from_millis(300));
    append(&late.join("0.log"), cri("late"));
    stage.until_bodies(&["zero", "one", "late"]);
}
