//! A kernel, or a container's own filter, that has not what the sandbox is made of: the agent says what is not in effect,
//! shows it, and delivers all the same.
//!
//! Such a kernel is made of the one here: a process of its own has calls refused by a filter, then becomes the agent.
//! Where a filter cannot be had the tests say that they were skipped.

use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{Agent, Place, Services};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use serde_json::Value;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Command;
use tailrace::cli::sandbox::kernel;

/// A call, and the error that it answers with; of `prctl` only the option that is another way to seccomp.
pub type Refused = (libc::c_long, i32);

pub const NO_SUCH_CALLS: &[Refused] = &[
    (libc::SYS_landlock_create_ruleset, libc::ENOSYS),
    (libc::SYS_landlock_add_rule, libc::ENOSYS),
    (libc::SYS_landlock_restrict_self, libc::ENOSYS),
];
const NOT_SWITCHED_ON: &[Refused] = &[(libc::SYS_landlock_create_ruleset, libc::EOPNOTSUPP)];
const NOT_PERMITTED: &[Refused] = &[(libc::SYS_landlock_restrict_self, libc::EPERM)];
// `seccomp` itself last: after it no filter can be added.
pub const NO_FILTERS: &[Refused] = &[(libc::SYS_prctl, libc::EINVAL), (libc::SYS_seccomp, libc::ENOSYS)];
const FILTERS_NOT_PERMITTED: &[Refused] = &[(libc::SYS_prctl, libc::EPERM), (libc::SYS_seccomp, libc::EPERM)];

/// How the child ends when it cannot have a filter; what it says goes before.
const NOT_HERE: i32 = 77;
const CHILD: [&str; 4] = ["--exact", "without::child", "--ignored", "--nocapture"];

#[test]
#[ignore = "the other half of the tests here: becomes the agent"]
fn child() {
    let (Ok(refused), Ok(program)) = (std::env::var("REFUSED"), std::env::var("PROGRAM")) else { return };
    for one in refused.split_whitespace() {
        let (call, errno) = one.split_once('=').unwrap();
        if let Err(error) = seccompiler::apply_filter(&refuse(call.parse().unwrap(), errno.parse().unwrap())) {
            std::io::stderr().write_all(error.to_string().as_bytes()).unwrap();
            std::process::exit(NOT_HERE);
        }
    }
    let args = std::env::var("ARGUMENTS").unwrap_or_default();
    let mut program = Command::new(program);
    let program = program.args(args.lines()).env_remove("REFUSED").env_remove("PROGRAM").env_remove("ARGUMENTS");
    panic!("{}", program.exec());
}

fn refuse(call: libc::c_long, errno: u32) -> BpfProgram {
    let option = u64::try_from(libc::PR_SET_SECCOMP).unwrap();
    let is_option = || SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, option).unwrap();
    let rules = if call == libc::SYS_prctl { vec![SeccompRule::new(vec![is_option()]).unwrap()] } else { Vec::new() };
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let errno = SeccompAction::Errno(errno);
    let filter = SeccompFilter::new([(call, rules)].into(), SeccompAction::Allow, errno, arch);
    filter.unwrap().try_into().unwrap()
}

fn text(refused: &[&[Refused]]) -> String {
    let each: Vec<String> = refused.concat().iter().map(|(call, errno)| format!("{call}={errno}")).collect();
    each.join(" ")
}

/// Whether these calls can be refused here; if not, it is said.
pub fn is_permitted(refused: &[&[Refused]]) -> bool {
    if !kernel().seccomp {
        println!("skipped: this kernel has no seccomp to refuse calls with");
        return false;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let out = child.args(CHILD).env("REFUSED", text(refused)).env("PROGRAM", "/bin/true").output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    match out.status.code() {
        Some(0) => true,
        Some(NOT_HERE) => {
            println!("skipped: no filter of system calls is permitted here: {said}");
            false
        }
        Some(_) | None => panic!("{}: {said}", out.status),
    }
}

/// The binary with these arguments where these calls are refused; `None`: that cannot be had here.
pub fn begin_without(refused: &[&[Refused]], place: &Place, args: &[&str]) -> Option<Agent> {
    if !is_permitted(refused) {
        return None;
    }
    let refused = text(refused);
    // What the test's harness says goes to nobody; the agent's log is the other one.
    let script = format!(
        "export REFUSED='{refused}' PROGRAM=\"$0\" ARGUMENTS=\"$(printf '%s\\n' \"$@\")\"; exec '{}' {} >/dev/null",
        std::env::current_exe().unwrap().display(),
        CHILD.join(" ")
    );
    Some(Agent::start_after(place.path(), args, place.admin, &script))
}

/// The agent there, running.
fn agent_without(refused: &[&[Refused]]) -> Option<Stage> {
    let (place, services) = (Place::new(), Services::start());
    let config = place.config("", &services.outputs());
    let agent = begin_without(refused, &place, &["run", "-c", config.to_str().unwrap()])?;
    agent.until_ready();
    Some(Stage { agent, services, place, config })
}

/// Said once as a warning, shown as a metric, and a line arrives: each part is on, or off with these words.
fn assert_said_shown_and_delivered(stage: &Stage, landlock: &str, seccomp: &str) {
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("all the same"));
    stage.until_bodies(&["all the same"]);
    let log = stage.agent.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<&Value> = lines.iter().filter(|line| line.get("landlock").is_some()).collect();
    let [said] = said.as_slice() else { panic!("said once: {log}") };
    assert_eq!(said["level"], "warn", "{said}");
    assert_eq!(said["msg"], "the sandbox is not whole here; the agent runs all the same", "{said}");
    let metrics = stage.agent.metrics();
    for (part, want) in [("landlock", landlock), ("seccomp", seccomp)] {
        let words = said[part].as_str().unwrap();
        assert!(words.starts_with(if want == ON { "on" } else { "off: " }) && words.contains(want), "{part}: {said}");
        let on = if want == ON { 1.0 } else { 0.0 };
        assert_eq!(metrics.sum("tailrace_sandbox", &[("part", part)]), Some(on), "{part}");
    }
}

const ON: &str = "on";
const NO_LANDLOCK: &str = "this kernel has no Landlock, or it is not switched on";

#[test]
fn on_a_kernel_without_landlock_and_seccomp_the_agent_says_so_and_delivers() {
    if let Some(stage) = agent_without(&[NO_SUCH_CALLS, NO_FILTERS]) {
        assert_said_shown_and_delivered(&stage, NO_LANDLOCK, "Function not implemented");
    }
}

#[test]
fn where_landlock_is_not_switched_on_the_agent_says_so_has_seccomp_and_delivers() {
    if let Some(stage) = agent_without(&[NOT_SWITCHED_ON]) {
        assert_said_shown_and_delivered(&stage, NO_LANDLOCK, ON);
    }
}

#[test]
fn where_both_are_there_and_not_permitted_the_agent_says_so_and_delivers() {
    if !crate::kernel().landlock {
        return;
    }
    if let Some(stage) = agent_without(&[NOT_PERMITTED, FILTERS_NOT_PERMITTED]) {
        assert_said_shown_and_delivered(&stage, "Operation not permitted", "Operation not permitted");
    }
}

#[test]
fn where_only_seccomp_is_refused_the_agent_says_so_has_landlock_and_delivers() {
    if !crate::kernel().landlock {
        return;
    }
    if let Some(stage) = agent_without(&[FILTERS_NOT_PERMITTED]) {
        assert_said_shown_and_delivered(&stage, ON, "Operation not permitted");
    }
}
