//! What lanes and the catalog publish of themselves, at most ten times a second: plain snapshots.
//! Rendering them (metrics, `/api/lanes`, the status page) is `telemetry`'s and `admin`'s business.

use crate::lane::batch::{Code, Reason};
use crate::ruling::Why;
use crate::store::saved::Sums;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One parked key.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Where it goes, for people.
    pub key: String,
    /// Why.
    pub code: Code,
    /// What to do about it, from the verdict; may be empty.
    pub say: String,
    /// Since (unix ns).
    pub since: i64,
    /// Source bytes that wait.
    pub waiting_bytes: u64,
}

/// One lane as it is now. Counters only grow.
#[derive(Clone, Debug, Default)]
pub struct LaneReport {
    /// Output name.
    pub output: Arc<str>,
    /// `cloudwatch_logs`, `s3`, `opensearch`.
    pub kind: &'static str,
    /// Where it delivers, as configured, for people. Whoever wires a lane sets it: the lane itself does not know.
    pub to: Arc<str>,
    /// What the configuration allows the oldest byte to wait.
    pub max_age: Duration,
    /// What was read, by name of input (this process).
    pub read: BTreeMap<Arc<str>, Read>,
    /// Request body bytes handed to the service (this process, each attempt).
    pub bytes_sent: u64,
    /// Requests (attempts).
    pub requests: u64,
    /// Fates over the lane's life.
    pub sums: Sums,
    /// Items that the service had already.
    pub already: u64,
    /// Items rejected by the service, by code (they end in the dead-letter file).
    pub rejected: BTreeMap<Code, u64>,
    /// Retried attempts and items, by code.
    pub retries: BTreeMap<Code, u64>,
    /// Bytes known and not settled.
    pub lag_bytes: u64,
    /// Age of the oldest unsettled byte.
    pub oldest_unsettled: Option<Duration>,
    /// Files with unsettled bytes.
    pub files_behind: u64,
    /// Files whose 1,024 settled spans are used up: read no further for now.
    pub files_span_full: u64,
    /// Keys that are parked.
    pub parked: Vec<Parked>,
    /// The whole lane is parked: why.
    pub lane_parked: Option<(Code, String)>,
    /// Since when (unix ns); 0 when it is not.
    pub lane_parked_since: i64,
    /// Requests in flight, and the AIMD limit.
    pub in_flight: (usize, usize),
    /// Bytes in sealed bodies, and the budget.
    pub sealed_bytes: (u64, u64),
    /// Last time anything was settled (unix ns), 0 = never in this process.
    pub last_settled: i64,
    /// Behind, and settled nothing for `stall_after`.
    pub stalled: bool,
    /// Quantiles in seconds of one attempt: p50, p90, p99, max; and how many.
    pub request_seconds: Quantiles,
    /// From the stamp in the line to the answer.
    pub delivery_seconds: Quantiles,
    /// Unread bytes that deleted files took with them, by `namespace/pod/container` (at most 1,000 names, then "other").
    pub lost: BTreeMap<String, u64>,
    /// Bytes that were never written, in sparse files, by the same names.
    pub holes: BTreeMap<String, u64>,
}

/// What was read of one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Physical lines.
    pub lines: u64,
    /// Records decoded; one that is read again counts again.
    pub records: u64,
    /// Plain bytes.
    pub bytes: u64,
}

impl Read {
    /// Adds another reading.
    pub fn add(&mut self, other: Read) {
        self.lines += other.lines;
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

impl LaneReport {
    /// What was read of all inputs together.
    pub fn read_of_all(&self) -> Read {
        let mut sum = Read::default();
        self.read.values().for_each(|read| sum.add(*read));
        sum
    }
}

/// From an hdrhistogram.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantiles {
    /// Seconds.
    pub p50: f64,
    /// Seconds.
    pub p90: f64,
    /// Seconds.
    pub p99: f64,
    /// Seconds.
    pub max: f64,
    /// Samples.
    pub count: u64,
    /// Seconds, all samples.
    pub sum: f64,
}

/// The catalog as it is now.
#[derive(Clone, Debug, Default)]
pub struct CatalogReport {
    /// Per input name.
    pub inputs: BTreeMap<Arc<str>, InputReport>,
    /// Handles open.
    pub open_files: u64,
    /// Deleted files held for a lane, and their bytes.
    pub held: (u64, u64),
    /// Copies of files that will be, or are, deleted before all lanes have read them, and their bytes on disk.
    pub copies: (u64, u64),
    /// Copies made since the start, and their bytes.
    pub copied: (u64, u64),
    /// Copies that could not be made, by errno name.
    pub not_copied: BTreeMap<Code, u64>,
    /// inotify is not usable or overflowed: directories are scanned instead.
    pub polling: bool,
    /// Files without a byte past the limit: looked at once a minute, not watched.
    pub overlooked: u64,
    /// Times the event queue overflowed.
    pub overflows: u64,
    /// Files that could not be read, by errno name.
    pub unreadable: BTreeMap<Code, u64>,
    /// Files whose pod stayed unknown for `metadata.wait`.
    pub without_metadata: u64,
    /// Unread bytes that deleted files took with them, by `namespace/pod/container` (at most 1,000 names, then "other").
    pub lost: BTreeMap<String, u64>,
    /// Times a pod asked for a parser that there is not; the annotation and the parser, by `namespace/pod/container` (at
    /// most 100 names).
    pub strange_parsers: (u64, BTreeMap<String, Asked>),
}

/// An annotation, and the parser that it asks for.
pub type Asked = (Box<str>, Box<str>);

/// One input as it is now.
#[derive(Clone, Debug, Default)]
pub struct InputReport {
    /// Files known.
    pub files: u64,
    /// Of these hot.
    pub hot: u64,
    /// Bytes that appeared since the start (plain).
    pub bytes: u64,
    /// Files offered since the start.
    pub offered: u64,
    /// Bytes of the input's files that it leaves out, by [`Why`].
    pub left_out: [u64; Why::ALL.len()],
}

/// The pod metadata as it is now.
#[derive(Clone, Debug, Default)]
pub struct MetadataReport {
    /// How it goes with the API server, or kubelet.
    pub state: MetadataState,
    /// While `Failing`: why, and what to do about it.
    pub trouble: Option<(Code, String)>,
    /// Since when the state is what it is (unix ns).
    pub since: i64,
    /// Live pods in the table.
    pub pods: u64,
    /// Deleted pods kept for files that are still read.
    pub deleted: u64,
    /// Pods thrown away or refused because the table was full.
    pub shed: u64,
    /// Bytes that the table costs, roughly.
    pub bytes: u64,
    /// Requests sent, by what was asked for: `list`, `watch`, `namespace`, `node`, `kubelet`.
    pub requests: BTreeMap<&'static str, u64>,
    /// Bytes of answers, as JSON (without TLS and headers).
    pub received: u64,
    /// Complete lists read.
    pub lists: u64,
    /// Watches begun.
    pub watches: u64,
    /// Pod events read.
    pub events: u64,
    /// Objects and lines that could not be read, passed over.
    pub unreadable: u64,
    /// Requests that failed, by code: `connect`, `timeout`, `auth`, `http_403`, ...
    pub failures: BTreeMap<Code, u64>,
}

/// How it goes with the API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetadataState {
    /// No list was read yet.
    #[default]
    Starting,
    /// The watch is open, or was closed in good order a moment ago.
    Watching,
    /// The last request failed: what is known stays known, and it is tried again.
    Failing,
}

impl MetadataState {
    /// All of them, for metrics.
    pub const ALL: [MetadataState; 3] = [MetadataState::Starting, MetadataState::Watching, MetadataState::Failing];
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            MetadataState::Starting => "starting",
            MetadataState::Watching => "watching",
            MetadataState::Failing => "failing",
        }
    }
}

/// What the process was told to do.
#[derive(Clone, Debug, Default)]
pub struct ConfigReport {
    /// Names the configuration in effect: the beginning of its text's SHA-256.
    pub hash: Arc<str>,
    /// Since when it is in effect (unix ns).
    pub since: i64,
    /// Changed configurations that were taken up.
    pub reloads: u64,
    /// Changed configurations that were refused.
    pub failures: u64,
    /// The last one was: when (unix ns), and everything that is wrong with it.
    pub refused: Option<(i64, Arc<str>)>,
}

/// What was found in `data_dir` at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreReport {
    /// The checkpoint store could not be read and was moved aside: positions began anew.
    pub moved_aside: bool,
    /// Records and entries of it that were passed over: damaged, or of kinds that this version does not know.
    pub passed_over: u64,
}

/// The process as the system sees it; 0 where it could not be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessReport {
    /// Resident bytes.
    pub rss: u64,
    /// The most that were ever resident.
    pub rss_peak: u64,
    /// User and system time of all threads.
    pub cpu: Duration,
    /// Threads.
    pub threads: u64,
    /// Lines of our own log that could not be written to stderr.
    pub log_left_out: u64,
    /// Seconds that services are ahead of this machine's clock, as their refusals told; 0 when none did.
    pub clock_skew: i64,
}

/// What the agent writes into `data_dir` for its next life, and can go on without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// The checkpoint store: positions, intents, file identities.
    Positions,
    /// The lock that keeps a second process standing by.
    Lock,
    /// The pods of this life, for the next one.
    Pods,
}

impl Written {
    /// All of them.
    pub const ALL: [Written; 3] = [Written::Positions, Written::Lock, Written::Pods];
    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Written::Positions => "positions",
            Written::Lock => "lock",
            Written::Pods => "pods",
        }
    }
    /// What it means for people that it cannot be written.
    pub fn meaning(self) -> &'static str {
        match self {
            Written::Positions => "positions are kept in memory only: after a restart lines may be delivered again",
            Written::Lock => "data_dir is not locked: a second process would read too",
            Written::Pods => "the known pods are not kept for the next start",
        }
    }
}

/// The label for a drop reason; one place so that metrics and pages agree.
pub fn reason_label(index: usize) -> &'static str {
    Reason::ALL.get(index).map_or("other", |r| r.as_str())
}
