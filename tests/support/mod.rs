//! For tests with the real binary: the three stand-ins, a configuration for them, the agent as a child process.
//!
//! Everything is on free ports and in a directory of its own, goes with its owner, and is waited for by condition.
#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod client;
pub mod metrics;

use metrics::Metrics;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tailrace::record::Now;
use tailrace::standin::writer::Writer;
use tailrace::standin::{self, Keys, Standin, Which, audit, cloudwatch, opensearch, s3};

/// Longest wait for anything that should be there soon; only a failing test uses it up.
pub const SOON: Duration = Duration::from_secs(30);

/// The clock, for the writer.
#[expect(clippy::disallowed_methods, reason = "a test with real processes lives in real time")]
pub fn now() -> Now {
    static START: OnceLock<Instant> = OnceLock::new();
    let mono = START.get_or_init(Instant::now).elapsed();
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Now { mono, unix_ns: i64::try_from(unix.as_nanos()).unwrap() }
}

/// Waits until `done`; fails with `what` and whatever `say` tells when it takes too long.
pub fn until_or(what: &str, limit: Duration, mut done: impl FnMut() -> bool, say: impl FnOnce() -> String) {
    let begun = now().mono;
    while !done() {
        assert!(now().mono - begun < limit, "waited {limit:?} for: {what}\n{}", say());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `done`.
pub fn until(what: &str, limit: Duration, done: impl FnMut() -> bool) {
    until_or(what, limit, done, String::new);
}

/// An address that nobody else has: a free port of 127.0.0.1 may be gone before the agent takes it, as any connection of
/// this machine may get it for its own end. Other loopback addresses, and ports below those, are nobody's.
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [_, a, b, c] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, a | 128, b, c], NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// A port that nobody listens on right now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Status and body of a GET; `None` when nobody answers.
pub fn get(addr: SocketAddr, path: &str) -> Option<(u16, String)> {
    ask(addr, "GET", path)
}

/// Status and body of a POST; `None` when nobody answers.
pub fn post(addr: SocketAddr, path: &str) -> Option<(u16, String)> {
    ask(addr, "POST", path)
}

fn ask(addr: SocketAddr, method: &str, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream
        .write_all(format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n").as_bytes())
        .ok()?;
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).ok()?;
    let text = String::from_utf8_lossy(&raw);
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// Lets the writer go on in real time until it has written so many more ids, and everything is on disk.
pub fn write(writer: &mut Writer, ids: u64) {
    let goal = writer.ledger().written() + ids;
    while writer.ledger().written() < goal {
        writer.step(now()).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.finish(now()).unwrap();
}

/// Lets the writer go on in real time for so long.
pub fn write_for(writer: &mut Writer, time: Duration) {
    let end = now().mono + time;
    write_until(writer, "the time to pass", || now().mono >= end);
}

/// Lets the writer go on in real time until `done`; fails with `what` when it takes too long.
pub fn write_until(writer: &mut Writer, what: &str, mut done: impl FnMut() -> bool) {
    let step = || {
        writer.step(now()).unwrap();
        done()
    };
    until(what, SOON, step);
}

/// The three stand-ins, with a runtime of their own.
pub struct Services {
    pub cloudwatch: Standin,
    pub s3: Standin,
    pub opensearch: Standin,
    _runtime: tokio::runtime::Runtime,
}

impl Services {
    pub fn start() -> Services {
        Services::with(standin::Options::default(), opensearch::Options::default())
    }
    pub fn with(options: standin::Options, own: opensearch::Options) -> Services {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let start = |which| standin::start(runtime.handle(), which, options.clone()).unwrap();
        Services {
            cloudwatch: start(Which::CloudWatch(cloudwatch::Options::default())),
            s3: start(Which::S3(s3::Options::default())),
            opensearch: start(Which::OpenSearch(own)),
            _runtime: runtime,
        }
    }
    /// Outputs `cloudwatch`, `archive` and `search`, as they stand below `outputs:`.
    pub fn outputs(&self) -> String {
        format!(
            "  cloudwatch:\n    type: cloudwatch_logs\n    inputs: [pods]\n    region: us-east-1\n    endpoint: {}\n    \
             log_group: /tailrace/test\n    max_age: 200ms\n  archive:\n    type: s3\n    inputs: [pods]\n    \
             region: us-east-1\n    endpoint: {}\n    bucket: logs\n    \
             key: \"logs/{{kubernetes.namespace_name}}/%Y/%m/%d/%H/\"\n    max_age: 500ms\n  search:\n    \
             type: opensearch\n    inputs: [pods]\n    url: {}\n    index: \"logs-%Y.%m.%d\"\n    max_age: 200ms\n",
            self.cloudwatch.url, self.s3.url, self.opensearch.url
        )
    }
    /// By output name.
    pub fn each(&self) -> [(&'static str, &Standin); 3] {
        [("cloudwatch", &self.cloudwatch), ("archive", &self.s3), ("search", &self.opensearch)]
    }
    /// What arrived where.
    pub fn audit(&self, writer: &Writer) -> Vec<audit::Outcome> {
        let compare = |(name, at): (&str, &Standin)| audit::compare(name, writer.ledger(), at.control.receipts());
        self.each().map(compare).into()
    }
    /// Waits until every output has every id.
    pub fn until_all_arrived(&self, writer: &Writer, limit: Duration, agent: &Agent) {
        let done = || self.audit(writer).iter().all(|o| o.lost == 0);
        let say = || format!("{:#?}\n{}", self.audit(writer), agent.log());
        until_or("every id in every output", limit, done, say);
    }
}

/// A directory with room for pods, state and a configuration.
pub struct Place {
    dir: tempfile::TempDir,
    pub admin: SocketAddr,
}

impl Place {
    pub fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("pods")).unwrap();
        Place { dir, admin: own_address() }
    }
    pub fn path(&self) -> &Path {
        self.dir.path()
    }
    /// It stays when its owner goes: evidence.
    pub fn keep(&mut self) {
        self.dir.disable_cleanup(true);
    }
    /// Stands for `/var/log/pods`.
    pub fn pods(&self) -> PathBuf {
        self.dir.path().join("pods")
    }
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }
    /// A configuration of the input `pods` and these outputs; `top` is further top-level text.
    pub fn config(&self, top: &str, outputs: &str) -> PathBuf {
        let (data, pods) = (self.data_dir(), self.pods());
        // A machine with a nearly full disk would let deleted files go at once; what is tested is not its disk.
        let retain = if top.contains("retain") { "" } else { "retain: {min_free: 1%}\n" };
        let text = format!(
            "data_dir: {}\nadmin: {{listen: \"{}\"}}\n{retain}{top}\ninputs:\n  pods:\n    type: kubernetes\n    path: {}\n    \
             metadata: {{source: path}}\noutputs:\n{outputs}",
            data.display(),
            self.admin,
            pods.display()
        );
        let path = self.dir.path().join("tailrace.yaml");
        std::fs::write(&path, text).unwrap();
        path
    }
    /// Starts `tailrace run -c CONFIG ARGS`.
    pub fn run(&self, config: &Path, args: &[&str]) -> Agent {
        let args: Vec<&str> = ["run", "-c", config.to_str().unwrap()].into_iter().chain(args.iter().copied()).collect();
        Agent::start(self.dir.path(), &args, self.admin)
    }
}

/// The agent's process; killed when dropped.
pub struct Agent {
    child: Child,
    log: PathBuf,
    admin: SocketAddr,
}

impl Agent {
    /// The binary with these arguments, the stand-ins' credentials, and nothing else of this environment.
    pub fn start(dir: &Path, args: &[&str], admin: SocketAddr) -> Agent {
        Agent::start_with(dir, args, admin, &[])
    }
    /// The same with further variables; an empty value takes one away.
    pub fn start_with(dir: &Path, args: &[&str], admin: SocketAddr, env: &[(&str, &str)]) -> Agent {
        Agent::begin(dir, args, admin, env, None)
    }
    /// With so many handles at most.
    pub fn start_limited(dir: &Path, args: &[&str], admin: SocketAddr, handles: u32) -> Agent {
        Agent::start_after(dir, args, admin, &format!("ulimit -Sn {handles}; ulimit -Hn {handles}"))
    }
    /// In a process that a shell did this in first.
    pub fn start_after(dir: &Path, args: &[&str], admin: SocketAddr, script: &str) -> Agent {
        Agent::begin(dir, args, admin, &[], Some(script))
    }
    fn begin(dir: &Path, args: &[&str], admin: SocketAddr, env: &[(&str, &str)], first: Option<&str>) -> Agent {
        let log = dir.join("agent.log");
        let out = File::options().create(true).append(true).open(&log).unwrap();
        let keys = Keys::demo();
        let mut command = match first {
            Some(first) => {
                let mut shell = Command::new("/bin/sh");
                let script = format!("{first}; exec \"$0\" \"$@\"");
                shell.args(["-c", &script, env!("CARGO_BIN_EXE_tailrace")]);
                shell
            }
            None => Command::new(env!("CARGO_BIN_EXE_tailrace")),
        };
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir)
            .env("AWS_ACCESS_KEY_ID", keys.access)
            .env("AWS_SECRET_ACCESS_KEY", keys.secret)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out);
        for (name, value) in env {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        Agent { child: command.spawn().unwrap(), log, admin }
    }
    /// Everything it said, over all starts in this directory.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
    /// SIGTERM, then its end.
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(limit)
    }
    /// SIGKILL, then its end.
    pub fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }
    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let mut status = None;
        let log = self.log.clone();
        let ended = || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        };
        until_or("the agent to end", limit, ended, || std::fs::read_to_string(log).unwrap_or_default());
        status.unwrap()
    }
    /// A page of its admin port; `None` when it does not answer.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        get(self.admin, path)
    }
    /// Its metrics; none while it does not answer.
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.get("/metrics").map(|(_, body)| body).unwrap_or_default())
    }
    /// Waits for `/readyz`.
    pub fn until_ready(&self) {
        let ready = || self.get("/readyz").is_some_and(|(status, _)| status == 200);
        until_or("/readyz", SOON, ready, || self.log());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Ended already: nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(8_000);
            let tail = (tail..=log.len()).find_map(|at| log.get(at..)).unwrap_or_default();
            std::io::stderr().write_all(format!("--- the agent said:\n{tail}\n---\n").as_bytes()).unwrap_or_default();
        }
    }
}
