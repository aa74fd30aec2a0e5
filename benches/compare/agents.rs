//! The agents: our own `run --once`, and others from a template of their configuration.

use crate::corpus::Corpus;
use crate::measure::{self, Cost};
use crate::plan::Plan;
use crate::sink::Sink;
use std::path::Path;
use std::process::{Command, Stdio};
use tailrace::record::Now;

pub enum Agent {
    Tailrace,
    Other { name: String, program: String, template: String },
}

impl Agent {
    pub fn tailrace() -> Agent {
        Agent::Tailrace
    }
    pub fn other(text: &str) -> Agent {
        let mut parts = text.splitn(3, '=').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(program), Some(template)) => Agent::Other { name, program, template },
            _ => panic!("--other takes NAME=PROGRAM=TEMPLATE"),
        }
    }
    pub fn name(&self) -> &str {
        match self {
            Agent::Tailrace => "tailrace",
            Agent::Other { name, .. } => name,
        }
    }
}

const OUTPUTS: [&str; 3] = ["opensearch", "s3", "cloudwatch"];

fn output_yaml(output: &str, port: u16, tls: bool, ca: &Path) -> String {
    let url = format!("{}://localhost:{port}", if tls { "https" } else { "http" });
    let ca = if tls { format!("    ca_file: {}\n", ca.display()) } else { String::new() };
    match output {
        "cloudwatch" => format!(
            "  {output}:\n    type: cloudwatch_logs\n    inputs: [pods]\n    region: us-east-1\n    endpoint: {url}\n    log_group: /bench/application\n{ca}"
        ),
        "s3" | "s3-gzip" => format!(
            "  {output}:\n    type: s3\n    inputs: [pods]\n    region: us-east-1\n    endpoint: {url}\n    bucket: logs\n    key: \"logs/%Y/%m/%d/%H/\"\n    compression: {}\n{ca}",
            if output == "s3" { "zstd" } else { "gzip" }
        ),
        _ => format!(
            "  {output}:\n    type: opensearch\n    inputs: [pods]\n    url: {url}\n    index: \"logs-%Y.%m.%d\"\n{ca}"
        ),
    }
}

fn config(dir: &Path, logs: &Path, sinks: &[(String, Sink)], tls: bool) -> String {
    let outputs: String = sinks
        .iter()
        .map(|(name, sink)| output_yaml(name, sink.port, tls, &dir.join(format!("{name}/ca.pem"))))
        .collect();
    format!(
        "data_dir: {}\nnode: bench-node\nadmin: {{listen: none}}\ninputs:\n  pods:\n    type: kubernetes\n    path: {}\n    metadata: {{source: api, wait: 10s}}\noutputs:\n{outputs}",
        dir.join("data").display(),
        logs.display()
    )
}

/// The pods as an earlier life left them, so that metadata is known without an API server.
pub fn known_pods(dir: &Path, corpus: &Corpus) {
    let storage = tailrace::store::storage::OsStorage::new(&dir.join("data"));
    let pods = tailrace::metadata::pods::Pods::new();
    pods.replace(corpus.pods.clone());
    let now = Now { mono: std::time::Duration::from_secs(1), unix_ns: 0 };
    tailrace::metadata::cache::Cache::new(storage).write(now, &pods);
}

pub fn run(agent: &Agent, output: &str, plan: &Plan, corpus: &Corpus, logs: &Path) -> Cost {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<&str> = if output == "all" { OUTPUTS.to_vec() } else { vec![output] };
    let sinks: Vec<(String, Sink)> = names
        .iter()
        .map(|name| {
            let own = dir.path().join(name);
            std::fs::create_dir_all(&own).unwrap();
            ((*name).to_string(), Sink::start(name, plan.tls, &own))
        })
        .collect();
    let mut command = match agent {
        Agent::Tailrace => {
            known_pods(dir.path(), corpus);
            let file = dir.path().join("tailrace.yaml");
            std::fs::write(&file, config(dir.path(), logs, &sinks, plan.tls)).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_tailrace"));
            command.args(["run", "--once", "-c"]).arg(file);
            command
        }
        Agent::Other { program, template, .. } => {
            let text = std::fs::read_to_string(template).unwrap();
            let (name, sink) = sinks.first().unwrap();
            let ca = dir.path().join(format!("{name}/ca.pem"));
            let text = text
                .replace("{logs}", &logs.display().to_string())
                .replace("{port}", &sink.port.to_string())
                .replace("{ca}", &ca.display().to_string())
                .replace("{data}", &dir.path().display().to_string())
                .replace("{output}", name);
            let extension = Path::new(template).extension().map_or("conf".into(), |e| e.to_string_lossy().to_string());
            let file = dir.path().join(format!("other.{extension}"));
            std::fs::write(&file, text).unwrap();
            let mut parts = program.split_whitespace();
            let mut command = Command::new(parts.next().unwrap());
            command.args(parts).arg(file);
            command
        }
    };
    let log = std::fs::File::create(dir.path().join("agent.log")).unwrap();
    command
        .env("AWS_ACCESS_KEY_ID", "AKIDBENCH")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("KUBECONFIG", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let before = measure::before();
    let child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", agent.name()));
    let by_itself = matches!(agent, Agent::Tailrace);
    let total = |sinks: &[(String, Sink)]| sinks.iter().map(|(_, s)| s.records()).sum::<u64>();
    let expected = corpus.lines * sinks.len() as u64;
    let (cpu, wall, peak_mib, ok) = measure::watch(child, before, || !by_itself && total(&sinks) >= expected);
    if !ok {
        let log = std::fs::read_to_string(dir.path().join("agent.log")).unwrap_or_default();
        println!("{} failed:\n{}", agent.name(), log.lines().rev().take(10).collect::<Vec<_>>().join("\n"));
    }
    let wire_bytes = sinks.iter().map(|(_, s)| s.wire_bytes()).sum();
    let uncounted = names.iter().any(|n| n.starts_with("s3"));
    Cost { cpu, wall, peak_mib, records: total(&sinks), lines: expected, wire_bytes, uncounted, ok }
}
