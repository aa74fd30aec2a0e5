//! An agent that follows, and what the system says of it: CPU, wake-ups and calls by thread, memory.

use super::Plan;
use super::tap::Tap;
use crate::agents::Agent;
use crate::corpus::Corpus;
use crate::template::{self, Values};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whether it can be had for these.
pub fn takes(agent: &Agent, outputs: &[String]) -> bool {
    agent.knows(named(outputs))
}

/// What templates call these outputs.
fn named(outputs: &[String]) -> &str {
    match outputs {
        [one] => one,
        _ => "all",
    }
}

fn values(dir: &Path, logs: &Path, taps: &[Tap]) -> Values {
    let mut values = Values(Vec::new());
    let containers = dir.join("containers");
    values.path("logs", logs);
    values.path("containers", &containers);
    values.add("containers.tag", containers.display().to_string().trim_start_matches('/').replace('/', "."));
    values.path("facts", &dir.join("facts"));
    values.path("data", dir);
    for tap in taps {
        values.add(format!("port.{}", tap.name), tap.port.to_string());
        values.path(&format!("ca.{}", tap.name), &dir.join(&tap.name).join("ca.pem"));
    }
    if let Some(tap) = taps.first() {
        values.add("port", tap.port.to_string());
        values.path("ca", &dir.join(&tap.name).join("ca.pem"));
        values.add("output", tap.name.clone());
    }
    values
}

/// A running agent; ended when it goes.
pub struct Running {
    child: Child,
    dir: std::path::PathBuf,
}

/// The destinations of a run, each with its certificate below `dir`.
pub fn taps(dir: &Path, plan: &Plan) -> Vec<Tap> {
    let tap = |name: &String| {
        let own = dir.join(name);
        std::fs::create_dir_all(&own).unwrap();
        Tap::start(name, &own)
    };
    plan.outputs.iter().map(tap).collect()
}

fn output(dir: &Path, tap: &Tap, plan: &Plan) -> String {
    let (name, port, ca) = (&tap.name, tap.port, dir.join(&tap.name).join("ca.pem"));
    let stream = if plan.shared_key { "    log_stream: \"{kubernetes.namespace_name}\"\n" } else { "" };
    let own = match name.as_str() {
        "cloudwatch" => format!(
            "    type: cloudwatch_logs\n    region: us-east-1\n    endpoint: https://localhost:{port}\n    log_group: /bench/application\n{stream}"
        ),
        "opensearch" => {
            format!("    type: opensearch\n    url: https://localhost:{port}\n    index: \"logs-%Y.%m.%d\"\n")
        }
        _ => format!(
            "    type: s3\n    region: us-east-1\n    endpoint: https://localhost:{port}\n    bucket: logs\n    key: \"logs/%Y/%m/%d/%H/\"\n    compression: {}\n",
            if name == "s3" { "zstd" } else { "gzip" }
        ),
    };
    format!("  {name}:\n    inputs: [pods]\n{own}    max_age: {}s\n    ca_file: {}\n", plan.max_age, ca.display())
}

/// Starts it on these logs; the pods are known as from an earlier life.
pub fn start(agent: &Agent, dir: &Path, logs: &Path, corpus: &Corpus, taps: &[Tap], plan: &Plan) -> Running {
    let mut command = match agent {
        Agent::Tailrace { program, .. } => {
            crate::agents::known_pods(dir, corpus);
            let outputs: String = taps.iter().map(|tap| output(dir, tap, plan)).collect();
            let text = format!(
                "data_dir: {}\nnode: bench-node\nadmin: {{listen: none}}\nretain: {{min_free: 1%}}\ninputs:\n  pods:\n    type: kubernetes\n    path: {}\n    metadata: {{source: api, wait: 10s}}\noutputs:\n{outputs}",
                dir.join("data").display(),
                logs.display()
            );
            let file = dir.join("tailrace.yaml");
            std::fs::write(&file, text).unwrap();
            let mut command = Command::new(program);
            command.args(["run", "-c"]).arg(file);
            command
        }
        Agent::Other { program, template, .. } => {
            crate::node::lay(dir, corpus);
            let text = std::fs::read_to_string(template).unwrap();
            let extension = Path::new(template).extension().map_or("conf".into(), |e| e.to_string_lossy().to_string());
            let file = dir.join(format!("other.{extension}"));
            std::fs::write(&file, template::fill(&text, named(&plan.outputs), &values(dir, logs, taps))).unwrap();
            let mut parts = program.split_whitespace();
            let mut command = Command::new(parts.next().unwrap());
            command.args(parts).arg(file);
            command
        }
    };
    command
        .env("AWS_ACCESS_KEY_ID", "AKIDBENCH")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("KUBECONFIG", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(dir.join("agent.log")).unwrap());
    Running { child: command.spawn().unwrap(), dir: dir.to_owned() }
}

/// What was spent up to a moment.
#[derive(Clone, Default)]
pub struct Spent {
    at: Option<Instant>,
    /// By thread name: CPU seconds, voluntary switches.
    pub threads: BTreeMap<String, (f64, u64)>,
    /// `read` and `write` calls of any kind, as the kernel counts them.
    pub calls: u64,
}

impl Spent {
    pub fn since(&self, before: &Spent) -> Used {
        let seconds = (self.at.unwrap() - before.at.unwrap()).as_secs_f64();
        let part = |name: &String, (cpu, woken): &(f64, u64)| {
            let (cpu_before, woken_before) = before.threads.get(name).copied().unwrap_or_default();
            (name.clone(), ((cpu - cpu_before) / seconds, (woken.saturating_sub(woken_before)) as f64 / seconds))
        };
        let threads: BTreeMap<String, (f64, f64)> =
            self.threads.iter().map(|(name, spent)| part(name, spent)).collect();
        Used {
            cores: threads.values().map(|t| t.0).sum(),
            wakes: threads.values().map(|t| t.1).sum(),
            calls: (self.calls - before.calls) as f64 / seconds,
            threads,
        }
    }
}

/// What was spent a second.
pub struct Used {
    pub cores: f64,
    pub wakes: f64,
    pub calls: f64,
    pub threads: BTreeMap<String, (f64, f64)>,
}

impl Used {
    /// The dearest threads: per mille of a core, and wake-ups a second.
    pub fn by_thread(&self) -> String {
        let mut all: Vec<_> = self.threads.iter().collect();
        all.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
        let one = |(name, (cores, wakes)): &(&String, &(f64, f64))| format!("{name} {:.2}/{wakes:.1}", cores * 1e3);
        all.iter().take(7).map(one).collect::<Vec<_>>().join(", ")
    }
}

fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|l| l.starts_with(name));
    line.and_then(|l| l.split_whitespace().nth(1)).and_then(|n| n.parse().ok()).unwrap_or(0.0)
}

impl Running {
    fn proc(&self, what: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{what}", self.child.id())).unwrap_or_default()
    }
    pub fn spent(&self) -> Spent {
        let mut threads: BTreeMap<String, (f64, u64)> = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten() {
            let read = |what: &str| std::fs::read_to_string(task.path().join(what)).unwrap_or_default();
            let name = read("comm").trim().to_owned();
            let cpu = read("schedstat").split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
            let sum = threads.entry(name).or_default();
            sum.0 += cpu / 1e9;
            sum.1 += field(&read("status"), "voluntary_ctxt_switches:") as u64;
        }
        let io = self.proc("io");
        let calls = (field(&io, "syscr:") + field(&io, "syscw:")) as u64;
        Spent { at: Some(Instant::now()), threads, calls }
    }
    pub fn resident_mib(&self) -> f64 {
        field(&self.proc("status"), "VmRSS:") / 1024.0
    }
    pub fn peak_mib(&self) -> f64 {
        field(&self.proc("status"), "VmHWM:") / 1024.0
    }
    /// Panics with its log when it has ended by itself.
    pub fn must_live(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            let log = std::fs::read_to_string(self.dir.join("agent.log")).unwrap_or_default();
            panic!("the agent ended: {status}\n{log}");
        }
    }
    /// Asks it to end, and waits.
    pub fn end(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let since = Instant::now();
        while self.child.try_wait().unwrap().is_none() && since.elapsed() < Duration::from_secs(40) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
