//! What reading does to the node's page cache: three lanes read 500 MB of logs, once as they are written and once when
//! they are there already; and how much of them stays in memory, and on the list of active pages, which kubelet counts
//! as used memory. The list is the whole machine's: only on a quiet one does it say much.

use super::agent::{self, Running};
use super::node::{self, Habits, Node};
use super::tap::Tap;
use super::{Plan, late};
use crate::corpus::{self, Random};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Bytes of logs that are there at the start.
const THERE: u64 = 500_000_000;
/// Between two looks.
const LOOK: u64 = 15;

pub fn cache(plan: &Plan) {
    println!("cache: what of the logs is in memory, and how the machine's Active(file) changed, MiB");
    println!("\n| case | agent | seconds | logs | of them resident | Active(file) |\n|---|---|---|---|---|---|");
    for program in &plan.agents {
        for there in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let logs = dir.path().join("pods");
            let corpus = corpus::write(&logs, 0, plan.files, 900);
            let case = if there { "there" } else { "written meanwhile" };
            if there {
                lay(&logs, &corpus);
            }
            let taps = agent::taps(dir.path(), plan);
            let before = active_mib();
            let running = agent::start(program, dir.path(), &logs, &corpus, &taps, plan);
            let habits = Habits { rate: plan.rate, rotate_at: plan.rotate, life: None };
            let node = (!there).then(|| Node::start(&logs, &corpus.pods, plan.files as usize, habits));
            watch(plan, (case, program.name()), &logs, before);
            drop(node);
            end(running, taps);
        }
    }
}

fn end(running: Running, taps: Vec<Tap>) {
    running.end();
    drop(taps);
}

/// Logs that were written a while ago, and are on disk.
fn lay(logs: &Path, corpus: &corpus::Corpus) {
    let mut random = Random(99);
    let (mut number, part) = (0, THERE / corpus.pods.len() as u64);
    for pod in &corpus.pods {
        let path = node::dir_of(logs, pod).join("0.log");
        let mut text = String::new();
        while (text.len() as u64) < part {
            text += &node::line(&mut random, number);
            number += 1;
        }
        fs::write(&path, text).unwrap();
        fs::File::options().write(true).open(&path).unwrap().sync_all().unwrap();
    }
    late::pause(61);
}

fn watch(plan: &Plan, (case, agent): (&str, &str), logs: &Path, before: f64) {
    for at in (0..=plan.seconds).step_by(LOOK as usize) {
        let (size, resident) = in_memory(logs);
        println!("| {case} | {agent} | {at} | {size:.0} | {resident:.0} | {:+.0} |", active_mib() - before);
        late::pause(LOOK);
    }
}

fn active_mib() -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find(|l| l.starts_with("Active(file):")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Bytes of all logs and what of them is in memory, in MiB, as `fincore` of util-linux says.
fn in_memory(logs: &Path) -> (f64, f64) {
    let mut files = Vec::new();
    for pod in fs::read_dir(logs).unwrap().flatten() {
        let inside = fs::read_dir(pod.path().join("app")).into_iter().flatten().flatten();
        files.extend(inside.map(|file| file.path()));
    }
    let told = Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES,SIZE"]).args(&files).output();
    let text = String::from_utf8(told.expect("fincore of util-linux is needed").stdout).unwrap();
    let mut sums = (0.0, 0.0);
    for line in text.lines() {
        let mut numbers = line.split_whitespace().map(|n| n.parse::<f64>().unwrap() / (1 << 20) as f64);
        sums.1 += numbers.next().unwrap_or(0.0);
        sums.0 += numbers.next().unwrap_or(0.0);
    }
    sums
}
