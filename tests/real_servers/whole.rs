//! The whole agent, as the binary that is shipped: a node's log files, `tailrace run --once`, and what arrived.

use crate::material::{Noise, unix_ns};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Far more than any of these runs takes: a run that hangs must not hang the gate.
const LONGEST: Duration = Duration::from_secs(120);

/// A node's log directory, a configuration and a `data_dir`; gone with the test.
pub struct Node {
    dir: tempfile::TempDir,
    /// Every line that was written.
    written: Vec<String>,
}

impl Node {
    /// With one output that has these keys.
    pub fn new(keys: &str) -> Node {
        let node = Node { dir: tempfile::tempdir().unwrap(), written: Vec::new() };
        let (logs, data) = (node.path("pods"), node.path("data"));
        fs::create_dir(&logs).unwrap();
        let keys = keys.trim().replace('\n', "\n    ");
        let text = format!(
            "data_dir: {}\nnode: node-1\nadmin: {{listen: \"none\"}}\ninputs:\n  pods: {{type: kubernetes, path: {}, \
             metadata: {{source: path}}}}\noutputs:\n  real:\n    inputs: [pods]\n    {keys}\n",
            data.display(),
            logs.display()
        );
        fs::write(node.path("tailrace.yaml"), text).unwrap();
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As [`Node::write`], with lines of 9 KiB that hardly compress.
    pub fn write_noise(&mut self, lines: usize) {
        self.write_lines(lines, 9 * 1024);
    }

    /// Writes `lines` lines for each of two pods, as kubelet leaves them: a compressed, a rotated and a live file.
    pub fn write(&mut self, lines: usize) {
        self.write_lines(lines, 6);
    }

    fn write_lines(&mut self, lines: usize, noise: usize) {
        let mut source = Noise(1);
        let now = unix_ns();
        for pod in ["web", "db"] {
            let folder = self.path(&format!("pods/shop_{pod}-1_0b7c1c9e-{pod}/app"));
            fs::create_dir_all(&folder).unwrap();
            let mut line = |number: usize| {
                let text = format!("{pod} line {number} of {lines}: \"quoted\" \\ ü {}", source.text(noise));
                let at = now - 60_000_000_000 + number as i64 * 1_000;
                let time = jiff::Timestamp::from_nanosecond(at.into()).unwrap().strftime("%Y-%m-%dT%H:%M:%S.%9fZ");
                // Every tenth comes in two parts.
                let cri = if number.is_multiple_of(10) {
                    let (begin, end) = text.split_at(9);
                    format!("{time} stdout P {begin}\n{time} stdout F {end}\n")
                } else {
                    format!("{time} stdout F {text}\n")
                };
                self.written.push(text);
                cri
            };
            let mut part = |from: usize, to: usize| (from..to).map(&mut line).collect::<String>();
            let (oldest, rotated, live) = (part(0, lines / 3), part(lines / 3, lines / 2), part(lines / 2, lines));
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(oldest.as_bytes()).unwrap();
            fs::write(folder.join("0.log.20261122-100000.gz"), gzip.finish().unwrap()).unwrap();
            fs::write(folder.join("0.log.20261122-101500"), rotated).unwrap();
            fs::write(folder.join("0.log"), live).unwrap();
        }
    }

    fn start(&self) -> Child {
        let said = fs::File::options().create(true).append(true).open(self.path("said")).unwrap();
        Command::new(env!("CARGO_BIN_EXE_tailrace"))
            .args(["run", "--once", "-c"])
            .arg(self.path("tailrace.yaml"))
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap()
    }

    /// Runs to the end; fails unless all was delivered.
    pub async fn run_once(&self) {
        let mut child = self.start();
        let mut waited = Duration::ZERO;
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if waited > LONGEST => {
                    child.kill().unwrap();
                    panic!("did not end within {LONGEST:?}: {}", self.said());
                }
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            waited += Duration::from_millis(20);
        };
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }

    /// Starts a run and kills it (SIGKILL) as soon as `seen` says so, which has to be before its end.
    pub async fn run_and_kill_when(&self, mut seen: impl AsyncFnMut() -> bool) {
        let mut child = self.start();
        while !seen().await {
            assert_eq!(child.try_wait().unwrap(), None, "ended too soon: {}", self.said());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What it said so far.
    fn said(&self) -> String {
        fs::read_to_string(self.path("said")).unwrap_or_default()
    }

    /// Forgets all positions.
    pub fn lose_data_dir(&self) {
        fs::remove_dir_all(self.path("data")).unwrap();
    }

    /// Every line is among these documents, exactly once, and nothing else is.
    pub fn all_arrived_once(&self, documents: &[Value]) {
        let mut counts: BTreeMap<&str, i64> = self.written.iter().map(|line| (line.as_str(), -1)).collect();
        for document in documents {
            let log = document["log"].as_str().unwrap_or_else(|| panic!("{document}"));
            *counts.entry(log).or_default() += 1;
            let pod = format!("{}-1", log.split(' ').next().unwrap());
            assert_eq!(document["kubernetes"]["pod_name"], pod.as_str(), "{document}");
        }
        let lost = counts.values().filter(|count| **count < 0).count();
        let doubled = counts.values().filter(|count| **count > 0).count();
        assert_eq!(counts.len(), self.written.len(), "lines that nobody wrote");
        assert_eq!((lost, doubled), (0, 0), "lost and doubled, of {}: {}", self.written.len(), self.said());
    }
}
