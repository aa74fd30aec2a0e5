//! The real binary: `data_dir` takes nothing for a while, or from the start; a dead-letter file that is full; a stderr
//! that is full, closed or read by nobody. Without privileges: a limit on the size of files stands for a full disk.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, bodies};
use crate::support::{self, Agent, Place, SOON, Services, until_or};
use rustix::process::{Pid, Resource, Rlimit, getuid, prlimit};
use std::fs::Permissions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use tailrace::standin::{Fault, Rule};

/// Three stand-ins, and the agent in a process that a shell did this in first.
fn stage(script: &str) -> Stage {
    let (services, place) = (Services::start(), Place::new());
    stage_of(services, place, script)
}

fn stage_of(services: Services, place: Place, script: &str) -> Stage {
    let config = place.config("", &services.outputs());
    let agent = start(&place, &config, script);
    Stage { agent, services, place, config }
}

fn start(place: &Place, config: &Path, script: &str) -> Agent {
    let agent = Agent::start_after(place.path(), &["run", "-c", config.to_str().unwrap()], place.admin, script);
    agent.until_ready();
    agent
}

fn unwritable(stage: &Stage, what: &str) -> Option<f64> {
    stage.agent.metrics().sum("tailrace_data_dir_unwritable", &[("what", what)])
}

fn until_unwritable(stage: &Stage, what: &str, want: bool) {
    let is = || unwritable(stage, what) == Some(f64::from(u8::from(want)));
    until_or(&format!("{what} unwritable: {want}"), SOON, is, || stage.agent.log());
}

/// No file of this process grows any more, or all may.
fn limit_files(agent: &Agent, most: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(agent.pid()).unwrap());
    prlimit(pid, Resource::Fsize, Rlimit { current: most, maximum: None }).unwrap();
}

#[test]
fn a_disk_that_takes_nothing_for_a_while_stops_nothing_and_is_caught_up_with() {
    // The signal that comes with the limit would kill the process; a full disk sends none.
    let mut stage = stage("trap '' 25");
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("before"));
    stage.until_bodies(&["before"]);
    stage.until_settled();
    until_unwritable(&stage, "positions", false);

    limit_files(&stage.agent, Some(0));
    append(&file, cri("meanwhile"));
    stage.until_bodies(&["before", "meanwhile"]);
    until_unwritable(&stage, "positions", true);
    let (status, page) = stage.agent.get("/").unwrap();
    assert!(status == 200 && page.contains("after a restart lines may be delivered again"), "{page}");
    // Its own log is such a file too.
    let left_out = stage.agent.metrics().sum("tailrace_log_lines_left_out_total", &[]);
    assert!(left_out >= Some(1.0), "{left_out:?}");
    append(&file, cri("and more"));
    stage.until_bodies(&["before", "meanwhile", "and more"]);

    limit_files(&stage.agent, None);
    until_unwritable(&stage, "positions", false);
    until_or(
        "a word of it",
        SOON,
        || stage.agent.log().contains("data_dir can be written again"),
        || stage.agent.log(),
    );
    stage.until_settled();
    // What was settled meanwhile is known to the next process.
    let saved = std::fs::read(stage.place.data_dir().join("checkpoints.log")).unwrap();
    assert!(!saved.is_empty());
    stage.agent.kill();
    stage.start_again();
    append(&file, cri("after"));
    stage.until_bodies(&["before", "meanwhile", "and more", "after"]);
}

/// What makes the agent somebody who cannot write everywhere; `None`: that cannot be had here.
fn somebody() -> Option<&'static str> {
    let can = || Command::new("setpriv").arg("--version").output().is_ok_and(|o| o.status.success());
    match getuid().is_root() {
        false => Some(":"),
        true if can() => Some("exec setpriv --reuid=65534 --clear-groups -- \"$0\" \"$@\""),
        true => {
            println!("skipped: root writes everywhere, and there is no setpriv");
            None
        }
    }
}

fn mode(place: &Place, mode: u32) {
    std::fs::set_permissions(place.path(), Permissions::from_mode(mode)).unwrap();
}

#[test]
fn of_two_that_could_not_lock_data_dir_one_stays_when_it_can_be_had() {
    let Some(script) = somebody() else { return };
    let (services, place) = (Services::start(), Place::new());
    let config = place.config("", &services.outputs());
    let port = support::free_port();
    let other_config = place.path().join("other.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&other_config, text.replace(&place.admin.to_string(), &format!("127.0.0.1:{port}"))).unwrap();
    std::fs::write(place.path().join("agent.log"), "").unwrap();
    mode(&place, 0o555);
    let first = start(&place, &config, script);
    let args = ["run", "-c", other_config.to_str().unwrap()];
    let second = Agent::start_after(place.path(), &args, SocketAddr::from(([127, 0, 0, 1], port)), script);
    second.until_ready();
    mode(&place, 0o777);
    let mut agents = [first, second];
    let mut running = || agents.iter_mut().filter_map(|a| a.is_running().then_some(())).count();
    until_or("one of them to end", SOON, || running() == 1, String::new);
    let stays = agents.iter_mut().position(Agent::is_running).unwrap();
    let locked = || agents[stays].metrics().sum("tailrace_data_dir_unwritable", &[("what", "lock")]) == Some(0.0);
    until_or("the lock", SOON, locked, || agents[stays].log());
    assert_eq!(agents[1 - stays].wait(SOON).code(), Some(1), "{}", agents[stays].log());
}

#[test]
fn a_data_dir_that_cannot_be_written_at_the_start_is_said_and_used_when_it_can() {
    let Some(script) = somebody() else { return };
    let (services, place) = (Services::start(), Place::new());
    let file = container(&place, "shop", "cart").join("0.log");
    append(&file, cri("first"));
    std::fs::write(place.path().join("agent.log"), "").unwrap();
    let config = place.config("", &services.outputs());
    mode(&place, 0o555);
    let agent = start(&place, &config, script);
    let stage = Stage { agent, services, place, config };
    stage.until_bodies(&["first"]);
    assert_eq!(unwritable(&stage, "lock"), Some(1.0), "{}", stage.agent.log());
    until_unwritable(&stage, "positions", true);

    mode(&stage.place, 0o777);
    until_unwritable(&stage, "positions", false);
    until_unwritable(&stage, "lock", false);
    append(&file, cri("second"));
    stage.until_bodies(&["first", "second"]);
    stage.until_settled();
    assert!(stage.place.data_dir().join("checkpoints.log").exists());
}

#[test]
fn a_dead_letter_file_that_takes_nothing_holds_its_key_alone_and_goes_on_when_it_does() {
    let stage = Stage::new();
    let file = stage.place.data_dir().join("dead-letter").join("search.jsonl");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    symlink("/dev/full", &file).unwrap();
    let refused =
        Fault::PartialItems { fraction: 1.0, status: 400, error: "mapper_parsing_exception".into(), field: None };
    stage.services.opensearch.control.fault(Rule::always(refused));
    let shop = container(&stage.place, "shop", "cart").join("0.log");
    append(&shop, cri("bad for search"));
    let parked = || stage.lane("search").to_string().contains("dead_letter");
    until_or("the key to be held", SOON, parked, || stage.agent.log());
    // The others, and what comes later, are not held up.
    for standin in [&stage.services.cloudwatch, &stage.services.s3] {
        until_or("the others", SOON, || bodies(standin) == ["bad for search"], || stage.agent.log());
    }
    let sum = || stage.agent.metrics().sum("tailrace_output_dead_lettered_records_total", &[("output", "search")]);
    assert_eq!(sum(), Some(0.0));
    std::fs::remove_file(&file).unwrap();
    until_or("the dead letter", SOON, || sum() == Some(1.0), || stage.agent.log());
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.lines().count() == 1 && text.contains("bad for search"), "{text}");
}

#[test]
fn a_stderr_that_is_full_closed_or_read_by_nobody_stops_nothing() {
    for script in ["exec 2>/dev/full", "exec 2>&-", "exec 2>fifo"] {
        let place = Place::new();
        let fifo = place.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // Opened for both, so that there is a reader, which never reads.
        let mut nobody = std::fs::File::options().read(true).write(true).open(&fifo).unwrap();
        rustix::io::ioctl_fionbio(&nobody, true).unwrap();
        while nobody.write(&[b'x'; 4096]).is_ok() {}
        let script = script.replace("fifo", fifo.to_str().unwrap());
        let stage = stage_of(Services::start(), place, &script);
        append(&container(&stage.place, "shop", "cart").join("0.log"), cri("all the same"));
        stage.until_bodies(&["all the same"]);
        let left_out = stage.agent.metrics().sum("tailrace_log_lines_left_out_total", &[]);
        // A closed one is /dev/null to a Rust program: its lines are written nowhere without an error.
        assert_eq!(left_out > Some(0.0), !script.ends_with("&-"), "{script}: {left_out:?}");
    }
}
