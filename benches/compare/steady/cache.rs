//! What reading does to the node's page cache: three lanes read logs, once as they are written and once when they are
//! there already; how much of them stays in memory, and how much of that is active, which kubelet counts as used memory.
//! Beside them the same without an agent: what the writer alone leaves there. Needs root.

use super::agent::{self, Running};
use super::node::{self, Habits, Node};
use super::pages::in_memory;
use super::tap::Tap;
use super::{Plan, late};
use crate::corpus::{self, Random};
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of logs that are there at the start.
const THERE: u64 = 500_000_000;
/// Between two looks.
const LOOK: u64 = 15;

pub fn cache(plan: &Plan) {
    println!(
        "cache: logs of {} lines/s in {} files, and {} MB that are there already, max_age {} s; what of them is in memory, MiB",
        plan.rate,
        plan.files,
        THERE / 1_000_000,
        plan.max_age
    );
    println!("\n| case | agent | seconds | logs | resident | active |\n|---|---|---|---|---|---|");
    for program in plan.agents.iter().map(Some).chain([None]) {
        for there in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let logs = dir.path().join("pods");
            let corpus = corpus::write(&logs, 0, plan.files, 900);
            let case = if there { "there" } else { "written meanwhile" };
            if there {
                lay(&logs, &corpus);
            }
            let taps = agent::taps(dir.path(), plan);
            let running = program.map(|program| agent::start(program, dir.path(), &logs, &corpus, &taps, plan));
            let habits = Habits { rate: plan.rate, rotate_at: plan.rotate, life: None };
            let node = (!there).then(|| Node::start(&logs, &corpus.pods, plan.files as usize, habits));
            watch(plan, (case, program.map_or("none", |program| program.name())), &logs);
            if let Some(node) = node {
                node.end();
            }
            end(running, taps);
        }
    }
}

fn end(running: Option<Running>, taps: Vec<Tap>) {
    if let Some(running) = running {
        running.end();
    }
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

fn watch(plan: &Plan, (case, agent): (&str, &str), logs: &Path) {
    for at in (0..=plan.seconds).step_by(LOOK as usize) {
        let seen = in_memory(&files(logs));
        println!("| {case} | {agent} | {at} | {:.0} | {:.0} | {:.0} |", seen.size, seen.resident, seen.active);
        late::pause(LOOK);
    }
}

fn files(logs: &Path) -> Vec<PathBuf> {
    let pods = fs::read_dir(logs).unwrap().flatten();
    pods.flat_map(|pod| fs::read_dir(pod.path().join("app")).into_iter().flatten().flatten().map(|file| file.path()))
        .collect()
}
