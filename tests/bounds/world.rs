//! What a scenario plays in: the stand-ins, a node's log directory, the agent, and the account at the end.

use crate::api::Api;
use crate::resident::{Resident, Watch};
use crate::support::{Agent, Place, Services, now, until_or};
use crate::tls::Tls;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tailrace::standin::{self, opensearch};

/// What the process may take beyond `memory_limit`.
pub const BESIDE_MIB: f64 = 24.0;
/// `memory_limit` of all scenarios: the default.
pub const LIMIT_MIB: f64 = 40.0;
/// Only a failing run waits so long.
const LONGEST: Duration = Duration::from_secs(900);

/// A scenario's end.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was played, with its numbers.
    #[allow(dead_code, reason = "for the table")]
    pub what: String,
    /// The most that was ever resident, and what is at the end.
    pub peak_mib: f64,
    #[allow(dead_code, reason = "for the table")]
    pub steady_mib: f64,
    /// What held it when it was most.
    #[allow(dead_code, reason = "for the table, and for whoever reads why a test failed")]
    pub at_peak: Resident,
    /// Seconds of CPU.
    #[allow(dead_code, reason = "for the table")]
    pub cpu: f64,
    /// Ids written, and what of them came, by output.
    pub written: u64,
    pub arrived: [u64; 3],
}

impl Outcome {
    /// Ids that an output did not get, summed over the outputs.
    pub fn lost(&self) -> u64 {
        self.arrived.iter().map(|arrived| self.written.saturating_sub(*arrived)).sum()
    }
    /// The bound, and nothing lost.
    pub fn holds(&self) -> bool {
        self.peak_mib < LIMIT_MIB + BESIDE_MIB && self.lost() == 0
    }
}

/// The agent first: it goes before what it talks to.
pub struct World {
    watch: Watch,
    pub agent: Agent,
    pub services: Services,
    pub api: Api,
    pub place: Place,
    config: PathBuf,
    written: u64,
    peak_mib: f64,
    shape: Shape,
    _tls: Option<Tls>,
}

/// Where the agent is told to look, and how keys are made; whole lines of configuration.
#[derive(Clone, Copy, Default)]
pub struct Shape {
    /// A key a pod in every output, not only in CloudWatch.
    pub key_per_pod: bool,
    /// No API server: what directories are called says it all.
    pub by_path: bool,
    /// So many keys in every output: pods in as many namespaces. 0: one namespace, and keys as above.
    pub spaces: usize,
    /// S3 takes gzip in place of zstd.
    pub gzip: bool,
    /// The services speak TLS.
    pub tls: bool,
}

impl Shape {
    fn space(self, n: usize) -> String {
        n.checked_rem(self.spaces).map_or("shop".to_owned(), |at| format!("shop-{at:02}"))
    }
}

impl World {
    /// Nothing runs yet but the stand-ins; `begin` starts the agent.
    pub fn new(shape: Shape, prepare: impl FnOnce(&mut Files)) -> World {
        let options = standin::Options { keep_records: 0, ..standin::Options::default() };
        let services = Services::with(options, opensearch::Options::default());
        let (place, api) = (Place::new(), Api::start(crate::api::Mode::Fine));
        std::fs::create_dir(place.path().join("files")).unwrap();
        let tls = shape.tls.then(|| Tls::new(place.path()));
        let mut files = Files { root: place.path().to_owned(), written: 0, shape };
        prepare(&mut files);
        let config = configure(&place, &services, &api, shape, tls.as_ref());
        let (agent, watch) = start(&place, &config);
        let written = files.written;
        World { watch, agent, services, api, place, config, written, peak_mib: 0.0, shape, _tls: tls }
    }
    /// Writes more.
    pub fn write(&mut self, write: impl FnOnce(&mut Files)) {
        let mut files = Files { root: self.place.path().to_owned(), written: self.written, shape: self.shape };
        write(&mut files);
        self.written = files.written;
    }
    /// Waits until this is so; what was resident meanwhile is in the peak.
    pub fn until(&self, what: &str, done: impl FnMut(&World) -> bool) {
        let mut done = done;
        let say = || format!("{:?} of {}\n{}", self.arrived(), self.written, self.agent.log());
        until_or(what, LONGEST, || std::iter::once(done(self)).inspect(|_| pause(20)).all(|d| d), say);
    }
    /// Waits until each id is in each output.
    pub fn until_arrived(&self) {
        self.until("every id in every output", |w| w.arrived().iter().all(|n| *n >= w.written));
    }
    /// Different ids in CloudWatch, S3, OpenSearch.
    pub fn arrived(&self) -> [u64; 3] {
        self.services.each().map(|(_, at)| at.control.receipts().distinct())
    }
    /// One of the agent's figures; 0 while there is none.
    pub fn figure(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.agent.metrics().sum(name, labels).unwrap_or(0.0)
    }
    /// Files known, and empty ones that are not watched.
    pub fn seen(&self) -> f64 {
        self.figure("tailrace_input_files", &[]) + self.figure("tailrace_unwatched_empty_files", &[])
    }
    /// Stops the agent and starts it again on what it knows.
    pub fn restart(&mut self) {
        self.peak_mib = self.peak_mib.max(resident(&self.agent, "VmHWM"));
        self.agent.stop(Duration::from_secs(60));
        (self.agent, self.watch) = start(&self.place, &self.config);
    }
    /// The account: what is resident now, and the most that ever was.
    pub fn end(self, what: String) -> Outcome {
        Outcome {
            what,
            peak_mib: self.peak_mib.max(resident(&self.agent, "VmHWM")),
            steady_mib: resident(&self.agent, "VmRSS"),
            at_peak: self.watch.most(),
            cpu: cpu_seconds(&self.agent),
            written: self.written,
            arrived: self.arrived(),
        }
    }
    pub fn resident_mib(&self) -> f64 {
        resident(&self.agent, "VmRSS")
    }
}

pub fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

fn start(place: &Place, config: &Path) -> (Agent, Watch) {
    let kubeconfig = place.path().join("kubeconfig");
    let args = ["run", "-c", config.to_str().unwrap()];
    let agent = Agent::start_with(place.path(), &args, place.admin, &[("KUBECONFIG", kubeconfig.to_str().unwrap())]);
    let watch = Watch::start(agent.pid());
    agent.until_ready();
    (agent, watch)
}

fn cpu_seconds(agent: &Agent) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", agent.pid())).unwrap();
    let fields: Vec<f64> = stat.rsplit(')').next().unwrap().split_whitespace().flat_map(str::parse).collect();
    // utime and stime are fields 14 and 15 of proc(5); the first number here is field 4.
    (fields[10] + fields[11]) / rustix::param::clock_ticks_per_second() as f64
}

fn resident(agent: &Agent, which: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find(|l| l.starts_with(which)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn configure(place: &Place, services: &Services, api: &Api, shape: Shape, tls: Option<&Tls>) -> PathBuf {
    std::fs::write(place.path().join("kubeconfig"), Api::kubeconfig(api.addr)).unwrap();
    let mut outputs = services.outputs().replace("[pods]", "[pods, files]");
    if let Some(tls) = tls {
        outputs = tls.wrap(services, outputs);
    }
    if shape.gzip {
        outputs = outputs.replace("type: s3\n", "type: s3\n    compression: gzip\n");
    }
    if shape.spaces > 0 {
        let stream = "/tailrace/test\n    log_stream: \"{kubernetes.namespace_name}\"\n";
        outputs = outputs.replace("/tailrace/test\n", stream);
        outputs = outputs.replace("logs-%Y", "logs-{kubernetes.namespace_name}-%Y");
    }
    if shape.key_per_pod {
        outputs =
            outputs.replace("namespace_name}/%Y", "pod_name}/%Y").replace("logs-%Y", "logs-{kubernetes.pod_name}-%Y");
    }
    let metadata = if shape.by_path { "{source: path}" } else { "{source: api, wait: 5s}" };
    let text = format!(
        "data_dir: {}\nnode: n1\nadmin: {{listen: \"{}\"}}\nmemory_limit: {LIMIT_MIB}MiB\nretain: {{min_free: 1%}}\ninputs:\n  \
         pods:\n    type: kubernetes\n    path: {}\n    metadata: {metadata}\n  files:\n    type: file\n    \
         include: [\"{}/**/*.log\"]\noutputs:\n{outputs}",
        place.data_dir().display(),
        place.admin,
        place.pods().display(),
        place.path().join("files").display(),
    );
    let path = place.path().join("tailrace.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Writes log files: each line with an id of its own.
pub struct Files {
    root: PathBuf,
    written: u64,
    shape: Shape,
}

impl Files {
    /// Where the input `files` looks.
    pub fn plain(&self) -> PathBuf {
        self.root.join("files")
    }
    /// The directory of a pod's only container.
    pub fn pod(&self, n: usize) -> PathBuf {
        self.root.join("pods").join(format!("{}_{}_{}/main", self.shape.space(n), pod_name(n), pod_uid(n)))
    }
    /// Appends so many lines to a container's file.
    pub fn lines(&mut self, n: usize, name: &str, lines: usize) {
        let dir = self.pod(n);
        let path = dir.join(name);
        let file = OpenOptions::new().create(true).append(true).open(&path).or_else(|_| {
            std::fs::create_dir_all(&dir)?;
            OpenOptions::new().create(true).append(true).open(&path)
        });
        let mut file = BufWriter::with_capacity(64 << 10, file.unwrap());
        let stamp = stamp();
        for _ in 0..lines {
            writeln!(file, "{stamp} stdout F {}", self.body()).unwrap();
        }
        file.flush().unwrap();
    }
    /// Appends a line to a file of the input `files`.
    pub fn plain_line(&mut self, path: &Path) {
        let line = self.body() + "\n";
        File::options().append(true).create(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
    /// The same, filled up with control characters.
    #[allow(dead_code, reason = "of the bench alone")]
    pub fn wide_line(&mut self, path: &Path, bytes: usize) {
        let mut line = self.body();
        line.truncate("tr=0123456789abcdef ".len());
        line.extend(std::iter::repeat_n('\u{1}', bytes - line.len() - 1));
        line.push('\n');
        File::options().append(true).create(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
    /// What the next line says.
    fn body(&mut self) -> String {
        self.written += 1;
        format!("tr={:016x} {}", self.written, text(self.written))
    }
}

/// About 240 bytes that compress as logs do.
pub fn text(n: u64) -> String {
    let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "INFO GET /api/v1/orders/{n}?trace={noise:016x} 200 {}ms user=u{} agent=\"Mozilla/5.0 (X11; Linux x86_64)\" \
         upstream=orders-{}.shop.svc:8080 retries=0 cache=miss region=eu-central-1 session={:08x} ",
        noise % 900,
        noise % 5_000,
        noise % 7,
        noise >> 32
    )
}

fn stamp() -> String {
    let time = jiff::Timestamp::from_nanosecond(now().unix_ns.into()).unwrap();
    format!("{time:.9}")
}

fn pod_name(n: usize) -> String {
    format!("checkout-service-7d4b9c6f5d-{n:05}")
}

fn pod_uid(n: usize) -> String {
    format!("{n:08x}-6f0c-4d59-9a3e-5f1e2d3c4b5a")
}

/// The pod as the API server has it.
pub fn pod_json(n: usize) -> Value {
    pod_json_in(Shape::default(), n)
}

/// The same where pods are in several namespaces.
pub fn pod_json_in(shape: Shape, n: usize) -> Value {
    json!({
        "metadata": {
            "uid": pod_uid(n), "name": pod_name(n), "namespace": shape.space(n),
            "labels": {
                "app.kubernetes.io/name": "checkout-service", "app.kubernetes.io/part-of": "shop",
                "app.kubernetes.io/version": "4.17.2", "pod-template-hash": "7d4b9c6f5d", "team": "payments",
            },
            "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"},
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "registry.example.com/shop/checkout:4.17.2"}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "main", "image": "registry.example.com/shop/checkout:4.17.2", "containerID": format!("containerd://{n:064x}"),
            "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }]},
    })
}
