//! How long a start takes, with the real binary and three outputs: from before the process is made to the first read of a
//! log file that has new lines, pods known from an earlier life, the API server away; and to the first delivery after it.
//!
//! `cargo bench --bench start -- [--runs N] [--files N]`
//!
//! The kernel says when the file is read (inotify): the catalog's look at its beginning, with which the lane's first block
//! comes within a millisecond or two. An output's `max_age` is in the second figure.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench")]
#![allow(clippy::disallowed_methods, reason = "a bench measures wall time")]

#[path = "../../tests/metadata/api.rs"]
#[allow(dead_code, reason = "of a test, which uses all of it")]
mod api;
#[path = "../../tests/metadata/rig.rs"]
#[allow(dead_code, reason = "of a test, which uses all of it")]
mod rig;
#[path = "../../tests/support/mod.rs"]
mod support;

use api::{Api, Mode};
use rig::{Pod, Rig};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use std::path::Path;
use std::time::Instant;
use support::SOON;

fn main() {
    let (mut runs, mut files) = (9, 30);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{arg} N"));
        match arg.as_str() {
            "--runs" => runs = value(),
            "--files" => files = value(),
            "--bench" => {}
            other => panic!("unknown argument {other}; see the head of benches/start/main.rs"),
        }
    }
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let pods: Vec<Pod> = (0..files as u32).map(|n| Pod::new(n, &["app=web"])).collect();
    for (n, pod) in pods.iter().enumerate() {
        api.put(&pod.json());
        rig.say(pod, &format!("before {n}"));
    }
    let mut agent = rig.start(api.addr, ", wait: 60s");
    (0..pods.len()).for_each(|n| drop(rig.everywhere(&format!("before {n}"), &agent)));
    assert!(agent.stop(SOON).success());
    let addr = api.addr;
    drop(api);
    let (mut read, mut delivered) = (Vec::new(), Vec::new());
    for run in 0..runs {
        let pod = &pods[run % pods.len()];
        let line = format!("run {run}");
        rig.say(pod, &line);
        let first = first_read(&rig.file(pod, &pod.uid));
        let began = Instant::now();
        let mut agent = rig.start(addr, ", wait: 60s");
        let at = first.join().expect("a thread that waits for the kernel");
        read.push(at.duration_since(began).as_secs_f64() * 1e3);
        rig.everywhere(&line, &agent);
        delivered.push(began.elapsed().as_secs_f64() * 1e3);
        assert!(agent.stop(SOON).success());
    }
    println!("{files} files, {runs} starts with pods known from before, medians, min..max");
    for (what, mut times) in [("to the first read", read), ("to three deliveries", delivered)] {
        times.sort_by(f64::total_cmp);
        println!("{what:<20} {:>8.1} ms  {:.1}..{:.1}", times[runs / 2], times[0], times[runs - 1]);
    }
}

/// When this file is read for the first time from now on.
fn first_read(file: &Path) -> std::thread::JoinHandle<Instant> {
    let events = init(CreateFlags::CLOEXEC).expect("inotify");
    add_watch(&events, file, WatchFlags::ACCESS).expect("a watch");
    std::thread::spawn(move || {
        let most = Timespec { tv_sec: SOON.as_secs() as i64, tv_nsec: 0 };
        let came = poll(&mut [PollFd::new(&events, PollFlags::IN)], Some(&most)).expect("poll");
        assert!(came > 0, "the file was never read");
        Instant::now()
    })
}
