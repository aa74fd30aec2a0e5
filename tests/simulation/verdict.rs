//! The verdict over a world at rest: every byte that was written, at every output that is configured.

use crate::outputs::Output;
use crate::plan::Kind;
use crate::truth::{CLOUDWATCH, Cell, KINDS, OPENSEARCH, kind};
use crate::world::World;

impl World {
    pub fn judge(&mut self) {
        self.say(|| format!("judgement over {:#?}", self.agent.as_ref().map(|a| a.catalog.report())));
        for output in &self.outputs.here {
            self.judge_cells(output);
            self.judge_sums(output);
        }
    }
    fn judge_cells(&self, output: &Output) {
        let (mut missing, mut twice) = (Vec::new(), Vec::new());
        for (number, cell) in self.truth.cells.iter().enumerate() {
            let Some(content) = self.truth.contents.get(cell.content) else { continue };
            if cell.at + 8 > content.bytes.len() as u64 {
                continue;
            }
            let came = |slot: &usize| cell.arrived.get(*slot).is_some_and(|n| *n > 0);
            let fell = |slot: &usize| cell.buried.get(*slot).is_some_and(|n| *n > 0);
            if !output.slots.iter().any(|slot| came(slot) || fell(slot)) && !self.may_miss(output, cell) {
                missing.push(number as u32);
            }
            for slot in &output.slots {
                let (arrived, buried) = (cell.arrived[*slot], cell.buried[*slot]);
                assert!(buried == 0 || cell.poison, "buried for nothing: {}", self.truth.describe(number as u32));
                let repeated = arrived > 1 || (buried > 1 && self.deaths == 0 && !self.outputs.renewed[*slot]);
                if repeated && !content.unsteady && !self.may_repeat(*slot, cell) {
                    twice.push(number as u32);
                }
            }
        }
        self.none("lost", output, &missing);
        self.none("delivered twice", output, &twice);
    }
    fn none(&self, what: &str, output: &Output, cells: &[u32]) {
        let some: Vec<String> = cells.iter().take(4).map(|n| self.truth.describe(*n)).collect();
        assert!(cells.is_empty(), "lane {}: {} cells {what}: {some:#?}", output.slot, cells.len());
    }
    fn may_miss(&self, output: &Output, cell: &Cell) -> bool {
        let Some(content) = self.truth.contents.get(cell.content) else { return true };
        // Moved away before the agent saw it under a name that its pattern has.
        let known = !self.forgot && self.ids.values().any(|c| *c == cell.content);
        let never_seen = !content.pods && !self.plan.wide && !known;
        // A copy may be moved on to a name that no pattern has before anybody looks.
        if content.unsteady && !self.plan.wide {
            return true;
        }
        // Past a cap files are let go; how much, the counters say, which the books check.
        if self.plan.sheds() && content.names == 0 {
            return true;
        }
        // What is dropped is checked against the counters, lane by lane and step by step.
        let dropped = kind(output.slot) == CLOUDWATCH && self.plan.clock_steps;
        content.excused || never_seen || dropped || output.blind.contains(&cell.content)
    }
    fn may_repeat(&self, slot: usize, cell: &Cell) -> bool {
        let pods = self.truth.contents.get(cell.content).is_some_and(|c| c.pods && !c.stub);
        let known_by_id = kind(slot) == OPENSEARCH;
        let anew = self.outputs.renewed[slot];
        kind(slot) == CLOUDWATCH
            || (self.forgot && (!known_by_id || !pods || cell.torn))
            || (anew && (!known_by_id || cell.torn || cell.part))
            || (known_by_id && (self.plan.kind != Kind::Steady || self.plan.sheds()) && self.truth.beheaded(cell))
    }

    /// Nothing is called lost that was not in danger of it; what came twice was counted as possible.
    fn judge_sums(&self, output: &Output) {
        let rig = self.agent.as_ref().and_then(|a| a.rigs.iter().find(|r| r.index == output.slot));
        let Some(sums) = rig.map(|r| r.lane.sums()).filter(|_| !self.forgot) else { return };
        let in_danger = |at: usize, c: &crate::truth::Content| {
            c.excused || c.unsteady || (self.plan.sheds() && c.names == 0) || output.blind.contains(&at)
        };
        let contents = self.truth.contents.iter().enumerate().filter(|(at, c)| in_danger(*at, c));
        let most: u64 = contents.map(|(_, c)| c.bytes.len() as u64).sum();
        let (lost, possible) = (sums.lost_bytes, sums.possible_duplicates);
        assert!(lost <= most, "lane {}: {lost} bytes are called lost, at most {most} can be", output.slot);
        let docs = self.services.opensearch[output.slot / KINDS].count();
        if kind(output.slot) == OPENSEARCH && output.slots.len() == 1 && !self.outputs.renewed[output.slot] {
            // What was lost may have arrived, its answer lost too.
            let whole = lost == 0 && self.truth.contents.iter().all(|c| !c.unsteady && !c.excused);
            let delivered = sums.delivered.0;
            let fits = if whole { delivered == docs } else { delivered <= docs };
            assert!(fits, "lane {}: {delivered} records delivered, {docs} documents there", output.slot);
        }
        if kind(output.slot) == CLOUDWATCH && !output.slots.iter().any(|slot| self.outputs.renewed[*slot]) {
            let repeats: u64 = output.slots.iter().map(|slot| self.truth.repeats[*slot]).sum();
            assert!(repeats <= possible, "{repeats} records came twice, {possible} were counted as possible");
        }
    }
}
