//! The agents: our own `run --once` (this build, and others of it), and others from a template of their configuration.

use crate::corpus::Corpus;
use crate::measure::{self, Cost};
use crate::sink::Sink;
use crate::template::{self, Values};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tailrace::record::Now;

#[derive(Clone)]
pub enum Agent {
    Tailrace { name: String, program: String },
    Other { name: String, program: String, template: String },
}

impl Agent {
    /// This build.
    pub fn tailrace() -> Agent {
        Agent::Tailrace { name: "tailrace".into(), program: env!("CARGO_BIN_EXE_tailrace").into() }
    }
    /// Another build, to be compared with this one.
    pub fn build(number: usize, program: String) -> Agent {
        Agent::Tailrace { name: format!("tailrace {number}"), program }
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
            Agent::Tailrace { name, .. } | Agent::Other { name, .. } => name,
        }
    }
    /// Whether it can be had for this output.
    pub fn knows(&self, output: &str) -> bool {
        match self {
            Agent::Tailrace { .. } => true,
            Agent::Other { template, .. } => template::knows(&std::fs::read_to_string(template).unwrap(), output),
        }
    }
}

/// Where an agent sends: a name of its own, and which kind of service is there.
#[derive(Clone)]
pub struct Target {
    pub name: String,
    pub kind: String,
}

/// The services behind an output of the command line; `all` is one of each.
pub fn targets(output: &str) -> Vec<Target> {
    let kinds = if output == "all" { vec!["opensearch", "s3", "cloudwatch"] } else { vec![output] };
    kinds.into_iter().map(|kind| Target { name: kind.into(), kind: kind.into() }).collect()
}

/// What all runs of a table share.
pub struct World<'a> {
    /// Has `pods/`, `containers/`, `facts/`.
    pub place: &'a Path,
    pub corpus: &'a Corpus,
    pub tls: bool,
    /// The agent gets this many of the machine's cores.
    pub cores: Option<usize>,
}

struct Running {
    target: Target,
    sink: Sink,
    ca: PathBuf,
}

fn output_yaml(to: &Running, tls: bool) -> String {
    let Target { name, kind } = &to.target;
    let url = format!("{}://localhost:{}", if tls { "https" } else { "http" }, to.sink.port);
    let ca = if tls { format!("    ca_file: {}\n", to.ca.display()) } else { String::new() };
    match kind.as_str() {
        "cloudwatch" => format!(
            "  {name}:\n    type: cloudwatch_logs\n    inputs: [pods]\n    region: us-east-1\n    endpoint: {url}\n    log_group: /bench/application\n{ca}"
        ),
        "s3" | "s3-gzip" => format!(
            "  {name}:\n    type: s3\n    inputs: [pods]\n    region: us-east-1\n    endpoint: {url}\n    bucket: logs\n    key: \"logs/%Y/%m/%d/%H/\"\n    compression: {}\n{ca}",
            if kind == "s3" { "zstd" } else { "gzip" }
        ),
        _ => format!(
            "  {name}:\n    type: opensearch\n    inputs: [pods]\n    url: {url}\n    index: \"logs-%Y.%m.%d\"\n{ca}"
        ),
    }
}

/// Nobody answers there, and what is known of the pods is relied on at once. An API server would be asked for it only after
/// up to a second, chosen at random so that the nodes of a cluster do not ask together: wall times would be a lottery.
const METADATA: &str = r#"{source: kubelet, wait: 10s, kubelet: {url: "https://127.0.0.1:9"}}"#;

fn config(dir: &Path, world: &World<'_>, sinks: &[Running]) -> String {
    let outputs: String = sinks.iter().map(|to| output_yaml(to, world.tls)).collect();
    // The default is for three; each output more gets as much.
    let memory = if sinks.len() > 3 { format!("memory_limit: {}MiB\n", sinks.len() * 14) } else { String::new() };
    format!(
        "data_dir: {}\nnode: bench-node\n{memory}admin: {{listen: none}}\ninputs:\n  pods:\n    type: kubernetes\n    path: {}\n    metadata: {METADATA}\noutputs:\n{outputs}",
        dir.join("data").display(),
        world.place.join("pods").display()
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

fn values(dir: &Path, world: &World<'_>, sinks: &[Running]) -> Values {
    let mut values = Values(Vec::new());
    let containers = world.place.join("containers");
    values.path("logs", &world.place.join("pods"));
    values.path("containers", &containers);
    values.add("containers.tag", containers.display().to_string().trim_start_matches('/').replace('/', "."));
    values.path("facts", &world.place.join("facts"));
    values.path("data", dir);
    for to in sinks {
        values.add(format!("port.{}", to.target.kind), to.sink.port.to_string());
        values.path(&format!("ca.{}", to.target.kind), &to.ca);
    }
    if let Some(to) = sinks.first() {
        values.add("port", to.sink.port.to_string());
        values.path("ca", &to.ca);
        values.add("output", to.target.kind.clone());
    }
    values
}

/// The program and its arguments, configured.
fn command_line(agent: &Agent, output: &str, dir: &Path, world: &World<'_>, sinks: &[Running]) -> Vec<String> {
    match agent {
        Agent::Tailrace { program, .. } => {
            known_pods(dir, world.corpus);
            let file = dir.join("tailrace.yaml");
            std::fs::write(&file, config(dir, world, sinks)).unwrap();
            [program, "run", "--once", "-c", &file.display().to_string()].map(String::from).to_vec()
        }
        Agent::Other { program, template, .. } => {
            let text = std::fs::read_to_string(template).unwrap();
            let extension = Path::new(template).extension().map_or("conf".into(), |e| e.to_string_lossy().to_string());
            let file = dir.join(format!("other.{extension}"));
            std::fs::write(&file, template::fill(&text, output, &values(dir, world, sinks))).unwrap();
            program.split_whitespace().map(String::from).chain([file.display().to_string()]).collect()
        }
    }
}

fn spawn(line: &[String], cores: Option<usize>, log: &Path) -> std::process::Child {
    let pinned: Vec<String> = match cores {
        Some(n) => ["taskset".into(), "-c".into(), format!("0-{}", n - 1)].into_iter().chain(line.to_vec()).collect(),
        None => line.to_vec(),
    };
    let (out, err) = (std::fs::File::create(log).unwrap(), std::fs::File::options().append(true).open(log).unwrap());
    let (program, arguments) = pinned.split_first().unwrap();
    Command::new(program)
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", "AKIDBENCH")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("KUBECONFIG", "/nonexistent")
        .stdin(Stdio::null())
        .stdout(Stdio::from(out))
        .stderr(err)
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}"))
}

/// One run of one agent; `output` is the name that a template knows.
pub fn run(agent: &Agent, output: &str, targets: &[Target], world: &World<'_>) -> Cost {
    let dir = tempfile::tempdir().unwrap();
    let start = |target: &Target| {
        let own = dir.path().join(&target.name);
        std::fs::create_dir_all(&own).unwrap();
        Running { target: target.clone(), sink: Sink::start(&target.kind, world.tls, &own), ca: own.join("ca.pem") }
    };
    let sinks: Vec<Running> = targets.iter().map(start).collect();
    let line = command_line(agent, output, dir.path(), world, &sinks);
    let total = || sinks.iter().map(|to| to.sink.records()).sum::<u64>();
    let expected = world.corpus.lines * sinks.len() as u64;
    let ends = if matches!(agent, Agent::Tailrace { .. }) { measure::Ends::Itself } else { measure::Ends::WhenDone };
    let before = measure::before();
    let child = spawn(&line, world.cores, &dir.path().join("agent.log"));
    let used = measure::watch(child, before, ends, || total() >= expected);
    if !used.ok {
        let log = std::fs::read_to_string(dir.path().join("agent.log")).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(10).collect();
        println!("{} failed:\n{}", agent.name(), last.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    let wire_bytes = sinks.iter().map(|to| to.sink.wire_bytes()).sum();
    let unreadable = sinks.iter().map(|to| to.sink.totals().unreadable).sum();
    Cost { used, records: total(), lines: expected, wire_bytes, unreadable }
}
