//! A world: a node, an agent, three services, a store and a clock, moved along by chance.

use crate::agent::Agent;
use crate::books::Ids;
use crate::chance::Chance;
use crate::fs::Fs;
use crate::node::{Hands, Node};
use crate::outputs::Outputs;
use crate::plan::{Kind, Plan};
use crate::rig::Outside;
use crate::services::weather::{Down, Weather};
use crate::services::{At, Services};
use crate::store::SimStore;
use crate::truth::Truth;
use std::time::Duration;
use tailrace::lane::step::Event;
use tailrace::record::Now;

const START_NS: i64 = 1_700_000_000 * 1_000_000_000;

pub struct World {
    pub plan: Plan,
    pub chance: Chance,
    pub now: Now,
    pub fs: Fs,
    pub truth: Truth,
    pub ids: Ids,
    pub node: Node,
    pub outputs: Outputs,
    pub services: Services,
    pub store: SimStore,
    pub agent: Option<Agent>,
    /// A loss of power, or a disk that took nothing, may have cost positions.
    pub forgot: bool,
    /// Crashes so far.
    pub deaths: u64,
    pub dead_letter_full: bool,
    /// Another process waits for the lock.
    pub standby: bool,
    pub trace: bool,
}

/// `self.outside()` would borrow all of a world.
macro_rules! outside {
    ($w:expr, $agent:expr) => {
        Outside {
            now: $w.now,
            true_ns: START_NS + $w.now.mono.as_nanos() as i64,
            truth: &mut $w.truth,
            ids: &mut $w.ids,
            services: &mut $w.services,
            store: &mut $w.store,
            progress: &$agent.catalog.progress(),
            chance: &mut $w.chance,
            dead_letter_full: $w.dead_letter_full,
            short_reads: $w.plan.short_reads,
            trace: $w.trace,
        }
    };
}

impl World {
    pub fn new(kind: Kind, seed: u64, trace: bool) -> World {
        let mut chance = Chance::new(seed << 3 | kind as u64);
        let plan = Plan::of(kind, &mut chance);
        let now = Now { mono: Duration::from_secs(1), unix_ns: START_NS + 1_000_000_000 };
        let mut services = Services::default();
        services.opensearch.iter_mut().for_each(|o| o.most_plain = 1_500 + chance.below(6_000) as usize);
        for (lane, weather) in services.weather.iter_mut().enumerate() {
            let (slow, trouble) = (chance.one_in(2), chance.below(plan.trouble + 1));
            *weather = Weather { lane, slow, trouble, hangs: 8, ..Weather::default() };
        }
        let mut world = World {
            node: Node::new(&plan),
            outputs: Outputs::new(),
            fs: Fs::new(plan.handles < 100),
            plan,
            chance,
            now,
            truth: Truth::default(),
            ids: Ids::new(),
            services,
            store: SimStore::new(now),
            agent: None,
            forgot: false,
            deaths: 0,
            dead_letter_full: false,
            standby: false,
            trace,
        };
        world.say(|| format!("{:?}", world.plan));
        world.fs.disk.mkdir(crate::node::PODS);
        world.fs.disk.mkdir(crate::node::APPS);
        world.on_node(|node, plan, hands| (0..3).for_each(|_| node.act(plan, hands)));
        world.start(false);
        world
    }
    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            crate::say(&format!("[{:.3}] {}", self.now.mono.as_secs_f64(), what()));
        }
    }
    pub fn on_node(&mut self, act: impl FnOnce(&mut Node, &Plan, &mut Hands<'_>)) {
        let (pods, mut stamps) = (self.node.pods.clone(), self.node.stamps);
        let mut hands = Hands {
            fs: &mut self.fs,
            truth: &mut self.truth,
            chance: &mut self.chance,
            pods: &pods,
            unix_ns: self.now.unix_ns,
            mono: self.now.mono,
            stamps: &mut stamps,
            trace: self.trace,
        };
        act(&mut self.node, &self.plan, &mut hands);
        self.node.stamps = stamps;
    }
    pub fn at<T>(&mut self, act: impl FnOnce(&mut Services, &mut At<'_>) -> T) -> T {
        let true_ns = START_NS + self.now.mono.as_nanos() as i64;
        let mut at = At { truth: &mut self.truth, slot: 0, true_ns, mono: self.now.mono, chance: &mut self.chance };
        act(&mut self.services, &mut at)
    }

    /// One thing happens.
    pub fn act(&mut self) {
        match self.chance.below(100) {
            0..48 => self.on_node(Node::act),
            48..86 => {
                let time = self.chance.millis(0, 3_000);
                self.pass(time);
            }
            86..88 => self.pass(Duration::from_secs(61)),
            88..89 => self.pass(Duration::from_secs(1_300)),
            89..93 => self.weather(),
            93..95 if self.plan.clock_steps => self.step_clock(),
            95..97 if self.plan.kind == Kind::Crash => self.crash(),
            95..97 if self.plan.kind == Kind::Power => self.mishap(),
            95..97 if self.plan.kind == Kind::Rolling => self.roll(),
            95..97 if self.plan.kind == Kind::Change => self.reconfigure(),
            94 if self.plan.little_room => self.fs.disk.set_free_percent(if self.chance.one_in(2) { 5 } else { 60 }),
            97 => self.dead_letter_full = self.chance.one_in(2),
            _ => self.pass(Duration::from_millis(100)),
        }
    }
    fn weather(&mut self) {
        let lane = self.chance.pick(&self.outputs.here).map_or(0, |o| o.slot);
        let trouble = self.chance.below(self.plan.trouble + 1);
        let downs = [Down::Credentials, Down::Unreachable, Down::Hanging, Down::Throttling];
        let down = if self.chance.one_in(3) { self.chance.pick(&downs) } else { None };
        let denied = self.chance.one_in(3).then(|| "tools".to_owned());
        let weather = Weather { lane, slow: self.chance.one_in(2), trouble, hangs: 8, denied, down };
        self.say(|| format!("{weather:?}"));
        if let Some(of_lane) = self.services.weather.get_mut(lane) {
            *of_lane = weather;
        }
    }
    fn step_clock(&mut self) {
        let seconds = self.chance.pick(&[1i64, 30, 400, 4_000, 11_000]).unwrap_or(1);
        let seconds = if self.chance.one_in(2) { seconds } else { -seconds };
        self.say(|| format!("the wall clock steps by {seconds} s"));
        self.now.unix_ns += seconds * 1_000_000_000;
        self.fs.disk.set_time(self.now.unix_ns);
    }
    /// Time goes on, from one thing that is due to the next.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        loop {
            let due = self.next_due().unwrap_or(end);
            // Nobody wakes on the dot.
            let late = self.chance.millis(1, 250);
            let next = (due.max(self.now.mono) + late).min(end);
            self.now.unix_ns += (next - self.now.mono).as_nanos() as i64;
            self.now.mono = next;
            self.fs.disk.set_time(self.now.unix_ns);
            self.run();
            if self.now.mono >= end {
                return;
            }
        }
    }
    fn next_due(&self) -> Option<Duration> {
        let agent = self.agent.as_ref();
        let lanes = agent.into_iter().flat_map(|a| a.rigs.iter()).filter(|r| !r.done);
        let lanes = lanes.map(|r| if r.has_mail() { Duration::ZERO } else { r.wake });
        let hints = (agent.is_some() && self.fs.watches.any()).then_some(Duration::ZERO);
        let store = agent.and_then(|_| self.store.next_due());
        lanes.chain(agent.map(|a| a.wake)).chain(hints).chain(store).chain(self.services.next_due()).min()
    }
    /// Everybody for whom something is due does it, in any order.
    pub fn run(&mut self) {
        self.on_node(|node, _, hands| node.go_on(hands));
        let lanes = self.agent.as_ref().map_or(0, |a| a.rigs.len());
        let mut turns: Vec<usize> = (0..3 + lanes).collect();
        self.chance.shuffle(&mut turns);
        for turn in turns {
            match turn {
                0 => self.catalog(),
                1 => self.keep(),
                2 => self.answers(),
                lane => self.lane(lane - 3),
            }
        }
    }
    fn catalog(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        if self.now.mono >= agent.wake || self.fs.watches.any() || agent.synced > 0 || self.node.pods.any_news() {
            let changed = agent.tick(&self.plan, self.now, &mut self.fs, &mut self.store, &mut self.chance);
            if !changed.is_empty() {
                self.say(|| format!("catalog:{changed}"));
            }
        }
    }
    /// The store's thread; sometimes its disk is slow.
    fn keep(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        if self.store.next_due().is_some_and(|due| due <= self.now.mono) && !self.chance.one_in(4) {
            for (to, good) in self.store.turn(self.now, false) {
                agent.reply(to, good);
            }
        }
    }
    fn answers(&mut self) {
        while let Some((lane, ticket, verdict)) = self.at(|services, at| services.answer(at)) {
            self.say(|| format!("lane {lane}: {ticket:?} is answered {verdict:?}"));
            if let Some(rig) = self.agent.as_mut().and_then(|a| a.lane(lane)) {
                rig.push(Event::Answer(ticket, verdict));
            }
        }
    }
    fn lane(&mut self, index: usize) {
        let Some(mut agent) = self.agent.take() else { return };
        let now = self.now.mono;
        if let Some(rig) = agent.rigs.get_mut(index).filter(|r| r.has_mail() || r.wake <= now)
            && !self.chance.one_in(6)
        {
            rig.drive(&mut outside!(self, agent));
        }
        self.agent = Some(agent);
    }
}
