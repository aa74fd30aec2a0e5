//! What is tortured in which way, and how fast things happen.

use std::time::Duration;
use tailrace::standin::rng::Rng;
use tailrace::standin::writer::{Options, Shape};

/// What happens to `data_dir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Nothing,
    /// The checkpoint store is cut at any byte at each kill.
    Torn,
    /// No byte can be written for a while.
    Full,
    /// Nothing can be changed for a while.
    ReadOnly,
    /// All of it is removed, mostly between two lives.
    Lost,
}

/// One world: it has its own writer, agent and destinations.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    pub trouble: Trouble,
    /// `max_age` of the objects.
    pub archive_age: &'static str,
    /// Only objects, and of several parts each.
    pub parts: bool,
    /// kubelet deletes whether or not a line was delivered: lines may be lost, and every one is counted.
    pub tight: bool,
}

const USUAL: Case = Case { name: "killed", trouble: Trouble::Nothing, archive_age: "2s", parts: false, tight: false };

/// All of them.
pub const CASES: [Case; 8] = [
    USUAL,
    Case { name: "objects-of-a-minute", archive_age: "60s", ..USUAL },
    Case { name: "objects-in-parts", archive_age: "10s", parts: true, ..USUAL },
    Case { name: "store-torn", trouble: Trouble::Torn, ..USUAL },
    Case { name: "disk-full", trouble: Trouble::Full, ..USUAL },
    Case { name: "disk-read-only", trouble: Trouble::ReadOnly, ..USUAL },
    Case { name: "store-lost", trouble: Trouble::Lost, ..USUAL },
    Case { name: "kubelet-deletes-early", tight: true, ..USUAL },
];

impl Case {
    /// Whether this output may deliver a line twice without having counted it: the second table of the design's chapter
    /// on duplicates.
    pub fn may_repeat(&self, output: &str) -> bool {
        self.trouble != Trouble::Nothing && output != "search"
    }
    /// What the writer does.
    pub fn writer(&self, pace: &Pace) -> Options {
        let usual = Options {
            pods: 6,
            containers: 2,
            passing_pods: 3,
            pod_life: pace.pod_life,
            crashing_pods: 2,
            crash_every: Duration::from_millis(700),
            uneven: true,
            lines_per_second: pace.lines_per_second,
            rotate_at: 24 << 10,
            max_files: 3,
            rotate_every: Duration::from_secs(1),
            reopen_within: Duration::from_millis(200),
            restart_every: Some(Duration::from_secs(2)),
            remove_after: pace.remove_after,
            ..Options::default()
        };
        if !self.parts {
            return usual;
        }
        // Few files in danger: what is in danger is sent at once, in an object that is whole.
        Options {
            pods: 2,
            containers: 1,
            passing_pods: 0,
            crashing_pods: 0,
            restart_every: Some(Duration::from_secs(7)),
            lines_per_second: 600,
            rotate_at: 20 << 20,
            mix: vec![(Shape::Noise, 1)],
            ..usual
        }
    }
    /// Outputs below `outputs:`, in the order of [`crate::world::OUTPUTS`].
    pub fn outputs(&self, [cloudwatch, s3, opensearch]: [&str; 3]) -> String {
        let age = self.archive_age;
        // One key when there are parts: each has to fill 5 MiB between two kills.
        let key = if self.parts { "logs/%Y/%m/%d/%H/" } else { "logs/{kubernetes.namespace_name}/%Y/%m/%d/%H/" };
        let archive = format!(
            "  archive:\n    type: s3\n    inputs: [pods]\n    region: us-east-1\n    endpoint: {s3}\n    bucket: logs\n    \
             key: \"{key}\"\n    max_age: {age}\n"
        );
        if self.parts {
            return archive;
        }
        format!(
            "  cloudwatch:\n    type: cloudwatch_logs\n    inputs: [pods]\n    region: us-east-1\n    endpoint: \
             {cloudwatch}\n    log_group: /tailrace/torture\n    max_age: 300ms\n{archive}  search:\n    \
             type: opensearch\n    inputs: [pods]\n    url: {opensearch}\n    index: \"logs-%Y.%m.%d\"\n    \
             max_age: 300ms\n    transforms:\n      - merge_json: {{}}\n"
        )
    }
}

/// From and to, in milliseconds.
pub type Range = (u64, u64);

/// How fast things happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    pub lines_per_second: u64,
    /// From a start to the kill.
    pub life: Range,
    /// From a kill to the next start.
    pub down: Range,
    pub weather: Range,
    pub denied: Range,
    pub gone: Range,
    /// How long `data_dir` is well, and then is not.
    pub disk: Range,
    pub slow: Duration,
    pub pod_life: Duration,
    pub remove_after: Duration,
    /// Everything has to be there so long after the last fault.
    pub settle: Duration,
}

impl Pace {
    /// For some seconds.
    pub fn short() -> Pace {
        Pace {
            lines_per_second: 600,
            life: (50, 3_000),
            down: (0, 600),
            weather: (200, 1_500),
            denied: (500, 2_000),
            gone: (500, 2_500),
            disk: (500, 2_500),
            slow: Duration::from_millis(800),
            pod_life: Duration::from_secs(3),
            remove_after: Duration::from_secs(2),
            settle: Duration::from_secs(90),
        }
    }
    /// For minutes and hours: the same, and now and then much longer.
    pub fn long() -> Pace {
        Pace {
            life: (50, 12_000),
            down: (0, 3_000),
            weather: (200, 6_000),
            denied: (500, 15_000),
            gone: (500, 40_000),
            disk: (500, 15_000),
            slow: Duration::from_secs(3),
            pod_life: Duration::from_secs(6),
            remove_after: Duration::from_secs(4),
            settle: Duration::from_secs(300),
            ..Pace::short()
        }
    }
    /// The life of a process that has parts to upload: longer.
    pub fn of(self, case: &Case) -> Pace {
        if case.parts { Pace { life: (self.life.0, self.life.1 * 2), ..self } } else { self }
    }
}

/// A time in a range.
pub fn millis(rng: &mut Rng, (from, to): Range) -> Duration {
    Duration::from_millis(from + rng.below(to - from + 1))
}
