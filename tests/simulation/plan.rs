//! What a world is like, drawn from its seed: which troubles it has, how its outputs are configured, how it ends.

use crate::chance::Chance;
use crate::node::{APPS, PODS};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tailrace::catalog::disk::{Base, Follow};
use tailrace::catalog::glob::Glob;
use tailrace::catalog::spec::{InputSpec, SpecKind};

/// Each is a test of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The agent lives on; everything around it fails.
    Steady,
    /// The process dies again and again.
    Crash,
    /// The machine loses power; `data_dir` is full or read-only for a while.
    Power,
    /// It ends with a drain, and another process goes on.
    Drain,
    /// It ends with `--once`.
    Once,
    /// Two processes on one `data_dir`: one stands by until the other drains or dies.
    Rolling,
    /// Outputs are added, removed, renamed, moved.
    Change,
}

impl Kind {
    pub const ALL: [Kind; 7] =
        [Kind::Steady, Kind::Crash, Kind::Power, Kind::Drain, Kind::Once, Kind::Rolling, Kind::Change];
    pub fn name(self) -> &'static str {
        match self {
            Kind::Steady => "steady",
            Kind::Crash => "crash",
            Kind::Power => "power",
            Kind::Drain => "drain",
            Kind::Once => "once",
            Kind::Rolling => "rolling",
            Kind::Change => "change",
        }
    }
}

#[derive(Debug)]
pub struct Plan {
    pub kind: Kind,
    pub acts: u64,
    pub apps: u64,
    /// The pattern also names what logrotate makes of a file.
    pub wide: bool,
    pub nasty: bool,
    pub poison: bool,
    pub clock_steps: bool,
    /// inotify refuses watches; its queue overflows.
    pub deaf: bool,
    pub short_reads: bool,
    /// Per cent of requests that meet trouble, at worst.
    pub trouble: u64,
    pub max_record: usize,
    pub zstd: bool,
    pub timed_stream: bool,
    pub wait: Duration,
    pub handles: usize,
    pub chunks: usize,
    /// Files of programs begin with the same line, all of them; so do first logs of containers, stamp and all.
    pub banner: bool,
    /// The first line of a file may be half written for a while.
    pub first_halves: bool,
    /// Deleted files may be held up to so many bytes.
    pub retain_max: u64,
    /// The node's disk fills up at times.
    pub little_room: bool,
    pub s3_max_age: Duration,
}

impl Plan {
    pub fn of(kind: Kind, chance: &mut Chance) -> Plan {
        Plan {
            kind,
            acts: 15 + chance.below(110),
            apps: chance.below(3),
            wide: chance.one_in(2),
            nasty: chance.one_in(2),
            poison: chance.one_in(3),
            clock_steps: chance.one_in(4),
            deaf: chance.one_in(5),
            short_reads: chance.one_in(2),
            trouble: chance.below(60),
            max_record: chance.pick(&[240, 800, 1 << 20]).unwrap_or(240),
            zstd: chance.one_in(2),
            timed_stream: chance.one_in(3),
            wait: Duration::from_secs(chance.below(2) * 10),
            handles: if chance.one_in(6) { 3 } else { 1_000 },
            chunks: 4 + chance.below(12) as usize,
            banner: chance.one_in(3),
            first_halves: chance.one_in(3),
            retain_max: if chance.one_in(6) { 2_000 } else { 1 << 30 },
            little_room: chance.one_in(8),
            s3_max_age: Duration::from_secs(if chance.one_in(2) { 2 } else { 60 }),
        }
    }
    /// Deleted files may be let go before everybody has read them.
    pub fn sheds(&self) -> bool {
        self.retain_max < 1 << 30 || self.little_room
    }
    pub fn inputs(&self) -> Vec<InputSpec> {
        let base = |root: &str| Arc::new(Base { root: PathBuf::from(root), follow: Follow::Never });
        let pods = SpecKind::Kubernetes { wait: Some(self.wait), skip_pod: None };
        let apps = SpecKind::File {
            include: vec![Glob::new(&format!("{APPS}/*/{}", if self.wide { "a.log*" } else { "*.log" }))],
            pod: Vec::new(),
        };
        vec![
            InputSpec {
                name: "pods".into(),
                base: base(PODS),
                exclude: Vec::new(),
                rules: Default::default(),
                kind: pods,
            },
            InputSpec {
                name: "apps".into(),
                base: base("/"),
                exclude: Vec::new(),
                rules: Default::default(),
                kind: apps,
            },
        ]
    }
}
