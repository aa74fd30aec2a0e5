//! The end of a world: everything heals, and then every byte that was written must be accounted for.

use crate::plan::Kind;
use crate::rig::Rig;
use crate::services::weather::Weather;
use crate::truth::SLOTS;
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
            Kind::Steady | Kind::Crash | Kind::Power | Kind::Rolling | Kind::Change => {}
        }
        self.say(|| "everything heals".into());
        self.on_node(|node, _, hands| node.calm_down(hands));
        self.store.disk.set_faults(Faults::default());
        self.dead_letter_full = false;
        // A service that never answers changes nothing for the others.
        let last = self.chance.below(SLOTS as u64) as usize;
        (0..SLOTS).filter(|lane| *lane != last).for_each(|lane| self.services.heal(lane));
        self.settle((0..SLOTS).filter(|lane| *lane != last).collect());
        // A destination that refuses one key changes nothing for its other keys.
        if let Some(weather) = self.services.weather.get_mut(last) {
            *weather = Weather { lane: last, denied: Some(DENIED.into()), ..Weather::default() };
            self.settle_but(vec![last], DENIED);
        }
        self.services.heal(last);
        self.settle((0..SLOTS).collect());
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
            (0..SLOTS).for_each(|lane| self.services.heal(lane));
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
}
