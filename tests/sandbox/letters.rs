//! `tailrace replay` reads what others wrote: it is in the sandbox too, with the directory of letters in place of the inputs.

use crate::agent::of_each_thread;
use crate::kernel;
use crate::logs::{append, container, cri};
use crate::stage::{Stage, until_bodies};
use crate::support::{Agent, SOON, until_or};
use crate::without::{NO_FILTERS, NO_SUCH_CALLS, begin_without, is_permitted};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tailrace::standin::{Fault, Rule};

/// OpenSearch refused a line; its letter is there, and OpenSearch takes all again.
fn refused() -> (Stage, PathBuf) {
    let stage = Stage::new();
    let error = "mapper_parsing_exception".to_owned();
    let all = Fault::PartialItems { fraction: 1.0, status: 400, error, field: None };
    stage.services.opensearch.control.fault(Rule::always(all));
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("refused"));
    let dir = stage.place.data_dir().join("dead-letter");
    let there = || std::fs::read_to_string(dir.join("search.jsonl")).is_ok_and(|text| text.ends_with('\n'));
    until_or("the letter", SOON, there, || stage.agent.log());
    stage.services.opensearch.control.clear_faults();
    (stage, dir)
}

/// The arguments of its replay.
fn arguments<'a>(stage: &'a Stage, dir: &'a Path) -> [&'a str; 4] {
    ["replay", dir.to_str().unwrap(), "-c", stage.config.to_str().unwrap()]
}

#[test]
fn a_replay_is_in_the_sandbox_with_all_its_threads() {
    if !is_permitted(&[NO_SUCH_CALLS]) {
        return;
    }
    // Whoever runs this test may be in a filter already, as in a container; before Linux 5.9 they are not counted.
    let key = "Seccomp_filters:";
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let Some(ours) = status.lines().find_map(|line| line.strip_prefix(key)?.trim().parse::<u32>().ok()) else {
        println!("skipped: this kernel does not count filters");
        return;
    };
    let (stage, dir) = refused();
    let busy = Fault::Status { code: 503, error: "down".into(), retry_after: None };
    stage.services.opensearch.control.fault(Rule::always(busy));
    let args = [arguments(&stage, &dir).as_slice(), &["--give-up", "10m"]].concat();
    let replay = Agent::start(stage.place.path(), &args, stage.place.admin);
    let filters = || of_each_thread(&replay, key);
    let all = |filters: Vec<String>| filters.len() > 2 && filters.iter().all(|n| n.parse() == Ok(ours + 1));
    until_or("all threads to be inside", SOON, || all(filters()), || format!("{:?} {}", filters(), replay.log()));
}

#[test]
fn a_replay_reads_no_letters_elsewhere_that_a_link_leads_to_unless_they_are_granted() {
    if !kernel().landlock {
        return;
    }
    let (stage, dir) = refused();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::rename(dir.join("search.jsonl"), elsewhere.path().join("real")).unwrap();
    symlink(elsewhere.path().join("real"), dir.join("search.jsonl")).unwrap();
    let args = [arguments(&stage, &dir).as_slice(), &["--dry-run"]].concat();
    let ended = || Agent::start(stage.place.path(), &args, stage.place.admin).wait(SOON).code();
    assert_eq!(ended(), Some(69), "{}", stage.agent.log());
    assert!(stage.agent.log().contains("Permission denied"), "{}", stage.agent.log());
    // An agent's directory that this configuration names is not the replay's business, nor made.
    let (data, other) = (stage.place.data_dir(), stage.place.path().join("other"));
    let text = std::fs::read_to_string(&stage.config).unwrap();
    let text = text.replace(&format!("data_dir: {}", data.display()), &format!("data_dir: {}", other.display()));
    let granted = format!("sandbox: {{read: ['{}']}}\n{text}", elsewhere.path().display());
    std::fs::write(&stage.config, granted).unwrap();
    assert_eq!(ended(), Some(0), "{}", stage.agent.log());
    assert!(text.contains("/other") && !other.exists());
}

#[test]
fn where_the_kernel_has_no_sandbox_a_replay_says_so_and_delivers() {
    let (stage, dir) = refused();
    let args = arguments(&stage, &dir);
    let Some(mut replay) = begin_without(&[NO_SUCH_CALLS, NO_FILTERS], &stage.place, &args) else { return };
    assert_eq!(replay.wait(SOON).code(), Some(0), "{}", replay.log());
    until_bodies("search", &stage.services.opensearch, &["refused"], &stage.agent);
    let said = "the sandbox is not whole here (Landlock off: this kernel has no Landlock, or it is not switched on; \
                seccomp off: Error calling `seccomp`: Function not implemented (os error 38)); the replay runs all the same";
    assert!(replay.log().contains(said), "{}", replay.log());
}
