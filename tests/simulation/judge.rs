//! The end of a world: everything heals, and then every byte that was written must be accounted for.

use crate::plan::Kind;
use crate::rig::Rig;
use crate::services::weather::Weather;
use crate::truth::{CLOUDWATCH, Content, LANES, OPENSEARCH};
use crate::world::World;
use std::time::Duration;
use tailrace::store::memory::Faults;

/// Longest parking, longest wait for an answer, and some probes.
const PATIENCE: Duration = Duration::from_secs(1_500);
/// A namespace: keys of all three outputs have it in their names.
const DENIED: &str = "tools";

impl World {
    pub fn finish(&mut self) {
        match self.plan.kind {
            Kind::Drain => self.end_with_a_drain(),
            Kind::Once => self.end_with_once(),
            Kind::Steady | Kind::Crash | Kind::Power | Kind::Rolling => {}
        }
        self.say(|| "everything heals".into());
        self.on_node(|node, _, hands| node.calm_down(hands));
        self.store.disk.set_faults(Faults::default());
        self.dead_letter_full = false;
        // A service that never answers changes nothing for the others.
        let last = self.chance.below(LANES as u64 + 1) as usize;
        (0..LANES).filter(|lane| *lane != last).for_each(|lane| self.services.heal(lane));
        self.settle((0..LANES).filter(|lane| *lane != last).collect());
        // A destination that refuses one key changes nothing for its other keys.
        if let Some(weather) = self.services.weather.get_mut(last) {
            *weather = Weather { lane: last, denied: Some(DENIED.into()), ..Weather::default() };
            self.settle_but(vec![last], DENIED);
        }
        self.services.heal(last);
        self.settle((0..LANES).collect());
        self.judge();
    }
    fn end_with_a_drain(&mut self) {
        let within = self.chance.millis(1_000, 40_000);
        self.stop(within);
        let away = self.chance.millis(0, 70_000);
        self.pass(away);
        self.start(false);
    }
    fn end_with_once(&mut self) {
        self.on_node(|node, _, hands| node.calm_down(hands));
        self.stop(Duration::from_secs(2));
        self.store.disk.set_faults(Faults::default());
        self.dead_letter_full = false;
        let fine = self.chance.one_in(2);
        if fine {
            (0..LANES).for_each(|lane| self.services.heal(lane));
        }
        self.on_node(|node, _, hands| node.tear(hands));
        self.start(true);
        let by = self.now.mono + Duration::from_secs(4_000);
        while self.agent.as_ref().is_some_and(|a| !a.done()) {
            assert!(self.now.mono < by, "--once ends");
            self.pass(Duration::from_secs(1));
        }
        let left = self.quit();
        self.say(|| format!("--once left {left}"));
        if fine {
            assert_eq!(left, 0, "--once with healthy services leaves nothing");
            // Nothing was written meanwhile, so this is all there is.
            return self.judge();
        }
        self.start(false);
    }
    /// Until these lanes have nothing left to do.
    pub fn settle(&mut self, lanes: Vec<usize>) {
        self.settle_but(lanes, "no key has this in its name");
    }
    /// The same, but for keys with this in their names.
    fn settle_but(&mut self, lanes: Vec<usize>, denied: &str) {
        let began = self.now.mono;
        // Ids of silent files, joins and torn ends wait for a minute.
        self.pass(Duration::from_secs(135));
        while !self.calm(&lanes, denied) {
            if self.now.mono - began > PATIENCE {
                self.accuse(&lanes, denied);
            }
            self.pass(Duration::from_secs(5));
        }
    }
    fn calm(&self, lanes: &[usize], denied: &str) -> bool {
        let Some(agent) = &self.agent else { return true };
        let still = |rig: &Rig| {
            let left = rig.lane.left();
            let (waits, others) = left.iter().partition::<Vec<_>, _>(|l| l.key.contains(denied));
            others.is_empty() && !rig.has_mail() && (!waits.is_empty() || self.services.in_flight(rig.index) == 0)
        };
        agent.rigs.iter().filter(|r| lanes.contains(&r.index)).all(still)
    }
    fn accuse(&mut self, lanes: &[usize], denied: &str) {
        let Some(agent) = &mut self.agent else { return };
        for rig in agent.rigs.iter_mut().filter(|r| lanes.contains(&r.index)) {
            if rig.lane.left().iter().any(|l| !l.key.contains(denied)) {
                panic!("lane {} is never through: {:#?}\n{:#?}", rig.index, rig.lane.left(), rig.lane.report());
            }
        }
        panic!("lanes {lanes:?} are never at rest");
    }

    /// Every cell, at every service.
    fn judge(&mut self) {
        self.say(|| format!("judgement over {:#?}", self.agent.as_ref().map(|a| a.catalog.report())));
        let mut possible = None;
        if let Some(agent) = &mut self.agent {
            possible = agent.rigs.get_mut(CLOUDWATCH).map(|r| r.lane.sums().possible_duplicates);
        }
        for lane in 0..LANES {
            let (mut missing, mut twice) = (Vec::new(), Vec::new());
            for (number, cell) in self.truth.cells.iter().enumerate() {
                let Some(content) = self.truth.contents.get(cell.content) else { continue };
                if cell.at + 8 > content.bytes.len() as u64 {
                    continue;
                }
                let (arrived, buried) = (cell.arrived[lane], cell.buried[lane]);
                if arrived == 0 && buried == 0 && !self.may_miss(lane, number) {
                    missing.push(number as u32);
                }
                assert!(buried == 0 || cell.poison, "buried for nothing: {}", self.truth.describe(number as u32));
                if (arrived > 1 || (buried > 1 && self.deaths == 0))
                    && !content.unsteady
                    && !self.may_repeat(lane, number)
                {
                    twice.push(number as u32);
                }
            }
            self.none("lost", lane, &missing);
            self.none("delivered twice", lane, &twice);
        }
        self.judge_losses();
        if let Some(possible) = possible.filter(|_| !self.forgot) {
            let repeats = self.truth.repeats[CLOUDWATCH];
            assert!(repeats <= possible, "{repeats} records came twice, {possible} were counted as possible");
        }
    }
    /// Nothing is called lost that was not in danger of it.
    fn judge_losses(&self) {
        let shed = |c: &Content| self.plan.sheds() && c.names == 0;
        let contents = self.truth.contents.iter().filter(|c| c.excused || c.unsteady || shed(c));
        let most: u64 = contents.map(|c| c.bytes.len() as u64).sum();
        for rig in self.agent.iter().flat_map(|a| &a.rigs).filter(|_| !self.forgot) {
            let lost = rig.lane.sums().lost_bytes;
            assert!(lost <= most, "lane {}: {lost} bytes are called lost, at most {most} can be", rig.index);
        }
    }
    fn may_miss(&self, lane: usize, number: usize) -> bool {
        let Some(cell) = self.truth.cells.get(number) else { return true };
        let Some(content) = self.truth.contents.get(cell.content) else { return true };
        // Moved away before the agent saw it under a name that its pattern has.
        let known = !self.forgot && self.ids.values().any(|c| *c == cell.content);
        let never_seen = !content.pods && !self.plan.wide && !known;
        if content.names == 0 && !known && !self.plan.last_words {
            return true;
        }
        if content.unsteady && !self.plan.wide && !self.plan.copies {
            return true;
        }
        // Past a cap files are let go; how much, the counters say, which the books check.
        if self.plan.sheds() && content.names == 0 {
            return true;
        }
        // What is dropped is checked against the counters, lane by lane and step by step.
        content.excused || never_seen || (lane == CLOUDWATCH && self.plan.clock_steps)
    }
    fn may_repeat(&self, lane: usize, number: usize) -> bool {
        let Some(cell) = self.truth.cells.get(number) else { return true };
        let pods = self.truth.contents.get(cell.content).is_some_and(|c| c.pods);
        let known_by_id = lane == OPENSEARCH;
        lane == CLOUDWATCH
            || (self.forgot && (!known_by_id || !pods || cell.torn))
            || (known_by_id && (self.plan.kind != Kind::Steady || self.plan.sheds()) && self.truth.beheaded(cell))
    }
    fn none(&self, what: &str, lane: usize, cells: &[u32]) {
        let some: Vec<String> = cells.iter().take(4).map(|n| self.truth.describe(*n)).collect();
        assert!(cells.is_empty(), "lane {lane}: {} cells {what}: {some:#?}", cells.len());
    }
}
