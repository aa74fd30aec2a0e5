//! How processes begin and end in a world: start, SIGKILL, loss of power, a lost `data_dir`, drain, rolling update, another
//! configuration.

use crate::agent::Agent;
use crate::world::World;
use std::time::Duration;
use tailrace::lane::step::Event;
use tailrace::store::memory::Faults;

impl World {
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
    pub fn roll(&mut self) {
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
    pub fn reconfigure(&mut self) {
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

    pub fn mishap(&mut self) {
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
}
