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
use tailrace::store::memory::Faults;

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

    /// The agent starts; what it knows is what the store has.
    pub fn start(&mut self, once: bool) {
        let mut state = self.store.reopen(self.now);
        let notes = self.outputs.came_and_went(&mut state, self.now.unix_ns);
        if !notes.is_empty() {
            self.store.append(notes, false, None);
        }
        self.say(|| format!("start, once {once}"));
        let there = (&self.fs, &self.node.pods);
        let agent = Agent::start((&self.plan, &self.outputs), once, state, self.now, there, &mut self.chance);
        self.agent = Some(agent);
    }
    /// SIGKILL: what was written stays, perhaps torn; what waited in queues is gone.
    pub fn crash(&mut self) {
        self.die();
        self.rise();
    }
    fn die(&mut self) {
        let torn = match self.chance.below(3) {
            0 => None,
            1 => Some(self.chance.below(400)),
            _ => Some(u64::MAX >> 1),
        };
        self.say(|| format!("crash, torn {torn:?}"));
        self.store.die(torn, self.now);
        self.end();
    }
    fn power(&mut self) {
        self.say(|| "loss of power".into());
        self.store.die(None, self.now);
        let chance = &mut self.chance;
        self.store.disk.lose_power(|n| chance.below(n + 1));
        self.forgot = true;
        self.end();
        self.rise();
    }
    fn end(&mut self) {
        self.agent = None;
        self.deaths += 1;
        self.fs.agent_gone(&mut self.truth);
        self.at(|services, at| services.hang_up(at));
    }
    /// The next process.
    fn rise(&mut self) {
        if std::mem::take(&mut self.standby) {
            return self.take_over();
        }
        let away = self.chance.millis(0, 8_000);
        self.pass(away);
        if self.chance.one_in(3) {
            self.on_node(|node, plan, hands| (0..4).for_each(|_| node.act(plan, hands)));
        }
        self.start(false);
    }
    /// The lock is free: whoever stood by has it as soon as it looks.
    fn take_over(&mut self) {
        let looks = self.chance.millis(0, 100);
        self.say(|| format!("it is taken over in {looks:?}"));
        self.pass(looks);
        self.start(false);
    }
    /// A rolling update: the new process comes before the old one goes.
    fn roll(&mut self) {
        if !std::mem::replace(&mut self.standby, true) {
            return self.say(|| "another process stands by".into());
        }
        if self.chance.one_in(2) {
            return self.crash();
        }
        let within = self.chance.millis(1_000, 30_000);
        self.stop(within);
        self.standby = false;
        self.take_over();
    }
    /// The process ends, well or badly, and the next one has another configuration.
    fn reconfigure(&mut self) {
        let within = self.chance.millis(1_000, 30_000);
        if self.chance.one_in(3) {
            self.die();
        } else {
            self.stop(within);
        }
        for _ in 0..1 + self.chance.below(2) {
            let said = self.outputs.change(&self.truth, &mut self.chance);
            self.say(|| said);
        }
        self.start(false);
    }
    /// SIGTERM: drains, says its last words, syncs. What is left comes back.
    pub fn stop(&mut self, within: Duration) -> usize {
        let by = self.now.mono + within;
        self.say(|| format!("drain by {by:?}"));
        if let Some(agent) = &mut self.agent {
            agent.rigs.iter_mut().for_each(|rig| rig.push(Event::Drain { by }));
        }
        while self.agent.as_ref().is_some_and(|a| !a.done()) {
            assert!(self.now.mono <= by + Duration::from_secs(1), "a drain ends in time");
            self.pass(Duration::from_millis(200));
        }
        self.quit()
    }
    /// All lanes are done: the catalog's last words, the last sync.
    pub fn quit(&mut self) -> usize {
        let Some(mut agent) = self.agent.take() else { return 0 };
        self.store.append(agent.catalog.last_words(), false, None);
        self.store.turn(self.now, true);
        self.fs.agent_gone(&mut self.truth);
        self.at(|services, at| services.hang_up(at));
        agent.rigs.iter().map(|rig| rig.lane.left().len()).sum()
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
    fn mishap(&mut self) {
        match self.chance.below(8) {
            0 | 1 => self.power(),
            2 => self.crash(),
            3 => {
                // The process may go on for long in a directory that is not there any more.
                self.say(|| "data_dir is lost".into());
                self.forgot = true;
                self.store.lose_all();
                if self.chance.one_in(2) {
                    self.crash();
                }
            }
            4 => {
                self.say(|| "fsync lies".into());
                self.store.disk.set_faults(Faults { sync_lies: true, ..Faults::default() });
            }
            5 | 6 => {
                let room = Some(self.chance.below(2_000));
                let read_only = self.chance.one_in(3);
                let sync_fails = self.chance.one_in(3);
                let faults = Faults { read_only, room, sync_fails, ..Faults::default() };
                self.say(|| format!("{faults:?}"));
                self.forgot = true;
                self.store.disk.set_faults(faults);
            }
            _ => self.store.disk.set_faults(Faults::default()),
        }
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
