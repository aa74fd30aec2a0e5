//! Which pods live, which container says something, when files are rotated: decided from a seed and the time.

use super::Options;
use super::disk::Op;
use super::files::{Container, MayGo};
use super::ledger::Ledger;
use crate::record::Now;
use crate::standin::rng::Rng;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug)]
struct Pod {
    dir: PathBuf,
    containers: Vec<Container>,
    /// Its container dies again and again: next at this time.
    crashes: Option<Duration>,
    /// It falls silent at this time.
    ends: Option<Duration>,
    /// It is silent, and its files go at this time.
    goes: Option<Duration>,
}

/// The plan; every call yields the operations that carry it on.
#[derive(Debug)]
pub struct Plan {
    options: Options,
    rng: Rng,
    ledger: Ledger,
    pods: Vec<Pod>,
    stepped: Duration,
    /// Billionths of a line that are owed.
    owed: u128,
    rotate_at: Duration,
    restart_at: Option<Duration>,
    born: u64,
}

const NAMESPACES: [&str; 3] = ["shop", "payments", "kube-system"];
const NAMES: [&str; 5] = ["cart", "checkout", "frontend", "worker", "gateway"];

impl Plan {
    /// Nothing is there until [`Plan::begin`].
    pub fn new(seed: u64, options: Options) -> Plan {
        Plan {
            rng: Rng::new(seed ^ 0x7A11),
            ledger: Ledger::new(seed),
            pods: Vec::new(),
            stepped: Duration::ZERO,
            owed: 0,
            rotate_at: Duration::ZERO,
            restart_at: None,
            born: 0,
            options,
        }
    }
    /// What was written.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }
    pub(super) fn ledger_mut(&mut self) -> &mut Ledger {
        &mut self.ledger
    }
    /// See [`super::Writer::containers`].
    pub fn containers(&self) -> Vec<(String, PathBuf)> {
        let living = self.pods.iter().filter(|p| p.goes.is_none()).flat_map(|p| &p.containers);
        living.map(|c| (self.ledger.name_of(c.who).to_owned(), c.path())).collect()
    }
    /// The pods that are there from the start.
    pub fn begin(&mut self, now: Now) -> Vec<Op> {
        let mut ops = Vec::new();
        for _ in 0..self.options.pods {
            self.add_pod(None, None, &mut ops);
        }
        for _ in 0..self.options.crashing_pods {
            self.add_pod(Some(now.mono), None, &mut ops);
        }
        self.stepped = now.mono;
        self.rotate_at = now.mono + self.options.rotate_every;
        self.restart_at = self.options.restart_every.map(|every| now.mono + every);
        ops
    }

    fn add_pod(&mut self, crashes: Option<Duration>, ends: Option<Duration>, ops: &mut Vec<Op>) {
        let namespace = self.rng.pick(&NAMESPACES).copied().unwrap_or("default");
        let name = self.rng.pick(&NAMES).copied().unwrap_or("app");
        let (a, b) = (self.rng.bits(), self.rng.bits());
        let pod = format!("{name}-{:08x}-{:05x}", self.born, a & 0xF_FFFF);
        let uid = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a >> 32,
            a & 0xFFFF,
            b >> 52,
            b & 0xFFF,
            a ^ b & 0xFFFF_FFFF_FFFF
        );
        let uid: String = uid.chars().take(36).collect();
        self.born += 1;
        let dir = PathBuf::from(format!("{namespace}_{pod}_{uid}"));
        let mut containers = Vec::new();
        for i in 0..self.options.containers {
            let container = if i == 0 { "main".to_owned() } else { format!("sidecar-{i}") };
            let who = self.ledger.name(format!("{namespace}/{pod}/{container}"));
            let offset = if self.rng.chance(0.2) { 3_600 } else { 0 };
            containers.push(Container::start(who, dir.join(container), offset, ops));
        }
        self.pods.push(Pod { dir, containers, crashes, ends, goes: None });
    }

    /// Everything that is due; what is deleted only when it may go.
    pub fn step(&mut self, now: Now, may_go: MayGo<'_>) -> Vec<Op> {
        let mut ops = Vec::new();
        for container in self.pods.iter_mut().flat_map(|p| &mut p.containers) {
            container.tend(now, may_go, &mut ops, &mut self.ledger);
        }
        self.turn_over(now, may_go, &mut ops);
        self.crash(now, &mut ops);
        let passed = now.mono.saturating_sub(self.stepped).as_nanos();
        self.stepped = now.mono.max(self.stepped);
        self.owed += passed * u128::from(self.options.lines_per_second);
        let lines = u64::try_from(self.owed / 1_000_000_000).unwrap_or(0);
        self.owed %= 1_000_000_000;
        ops.extend(self.lines(now, lines));
        if now.mono >= self.rotate_at {
            self.rotate_at = now.mono + self.options.rotate_every;
            let limit = self.options.rotate_at;
            self.rotate(now, |c| c.size() >= limit, may_go, &mut ops);
        }
        if self.restart_at.is_some_and(|at| at <= now.mono) {
            self.restart_at = self.options.restart_every.map(|every| now.mono + every);
            self.restart_one(now, &mut ops);
        }
        ops
    }

    /// Containers that never live long: a line or none at the start, one or two or none at the end.
    fn crash(&mut self, now: Now, ops: &mut Vec<Op>) {
        for pod in self.pods.iter_mut().filter(|p| p.crashes.is_some_and(|at| at <= now.mono)) {
            pod.crashes = Some(now.mono + self.options.crash_every);
            for container in &mut pod.containers {
                for _ in 0..self.rng.below(3) {
                    container.say(now, false, &self.options, &mut self.rng, &mut self.ledger);
                }
                let unended = self.rng.chance(0.4);
                container.restart(now, unended, &self.options, ops, &mut self.ledger);
                if self.rng.chance(0.4) {
                    container.say(now, false, &self.options, &mut self.rng, &mut self.ledger);
                }
            }
        }
    }

    /// Pods that come and go.
    fn turn_over(&mut self, now: Now, may_go: MayGo<'_>, ops: &mut Vec<Op>) {
        for pod in &mut self.pods {
            if pod.goes.is_none() && pod.ends.is_some_and(|at| at <= now.mono) {
                for container in &mut pod.containers {
                    let unfinished = self.rng.chance(0.5);
                    container.say(now, unfinished, &self.options, &mut self.rng, &mut self.ledger);
                    container.finish(ops);
                }
                pod.goes = Some(now.mono + self.options.remove_after);
            }
        }
        self.remove_ended(now, may_go, ops);
        let passing = self.pods.iter().filter(|p| p.ends.is_some() && p.goes.is_none()).count();
        for _ in passing..self.options.passing_pods {
            // Not all at once: between half a life and a whole one.
            let half = self.options.pod_life / 2;
            let more = self.rng.below(u64::try_from(half.as_millis()).unwrap_or(0) + 1);
            self.add_pod(None, Some(now.mono + half + Duration::from_millis(more)), ops);
        }
    }

    fn remove_ended(&mut self, now: Now, may_go: MayGo<'_>, ops: &mut Vec<Op>) {
        let ledger = &mut self.ledger;
        self.pods.retain_mut(|pod| {
            if pod.goes.is_none_or(|at| at > now.mono) {
                return true;
            }
            pod.containers.retain_mut(|container| !container.vanish(may_go, ops, ledger));
            if pod.containers.is_empty() {
                ops.push(Op::RemoveDir(pod.dir.clone()));
            }
            !pod.containers.is_empty()
        });
    }
    /// See [`super::Writer::clean_up`].
    pub fn clean_up(&mut self, now: Now, may_go: MayGo<'_>) -> Vec<Op> {
        let mut ops = Vec::new();
        for container in self.pods.iter_mut().flat_map(|p| &mut p.containers) {
            container.tend(now, may_go, &mut ops, &mut self.ledger);
        }
        self.remove_ended(now, may_go, &mut ops);
        ops
    }

    /// So many lines by the living.
    pub fn lines(&mut self, now: Now, lines: u64) -> Vec<Op> {
        let mut ops = Vec::new();
        let living = |p: &&mut Pod| p.goes.is_none() && p.crashes.is_none();
        let mut living: Vec<&mut Container> =
            self.pods.iter_mut().filter(living).flat_map(|p| &mut p.containers).collect();
        // The least of three draws: of twenty containers the first says 14 % and the last one line in 8,000.
        let draws = if self.options.uneven { 3 } else { 1 };
        for _ in 0..lines {
            let at = (0..draws).map(|_| self.rng.below(living.len() as u64)).min().unwrap_or(0);
            if let Some(container) = usize::try_from(at).ok().and_then(|at| living.get_mut(at)) {
                container.say(now, false, &self.options, &mut self.rng, &mut self.ledger);
            }
        }
        for container in self.pods.iter_mut().filter(|p| p.goes.is_none()).flat_map(|p| &mut p.containers) {
            container.flush(self.options.torn.then_some(&mut self.rng), &mut ops);
        }
        ops
    }

    fn rotate(&mut self, now: Now, due: impl Fn(&Container) -> bool, may_go: MayGo<'_>, ops: &mut Vec<Op>) {
        let most = u64::try_from(self.options.reopen_within.as_millis()).unwrap_or(0);
        for pod in self.pods.iter_mut().filter(|p| p.goes.is_none()) {
            for container in pod.containers.iter_mut().filter(|c| due(c)) {
                let wait = Duration::from_millis(self.rng.below(most + 1));
                container.rotate(now, wait, self.options.max_files, may_go, ops, &mut self.ledger);
            }
        }
    }
    /// See [`super::Writer::rotate_all`].
    pub fn rotate_all(&mut self, now: Now) -> Vec<Op> {
        let mut ops = Vec::new();
        self.rotate(now, |_| true, &|_| true, &mut ops);
        ops
    }

    fn restart_one(&mut self, now: Now, ops: &mut Vec<Op>) {
        let mut living: Vec<&mut Container> =
            self.pods.iter_mut().filter(|p| p.goes.is_none()).flat_map(|p| &mut p.containers).collect();
        let at = usize::try_from(self.rng.below(living.len() as u64)).unwrap_or(0);
        if let Some(container) = living.get_mut(at) {
            let unfinished = self.rng.chance(0.5);
            container.say(now, unfinished, &self.options, &mut self.rng, &mut self.ledger);
            container.restart(now, false, &self.options, ops, &mut self.ledger);
        }
    }
    /// See [`super::Writer::restart_all`].
    pub fn restart_all(&mut self, now: Now) -> Vec<Op> {
        let mut ops = Vec::new();
        for container in self.pods.iter_mut().filter(|p| p.goes.is_none()).flat_map(|p| &mut p.containers) {
            container.restart(now, false, &self.options, &mut ops, &mut self.ledger);
        }
        ops
    }
    /// Nothing is held back any more, and nothing deleted.
    pub fn finish(&mut self, now: Now) -> Vec<Op> {
        let mut ops = Vec::new();
        for container in self.pods.iter_mut().flat_map(|p| &mut p.containers) {
            container.tend(now, &|_| false, &mut ops, &mut self.ledger);
            container.finish(&mut ops);
        }
        ops
    }
}
