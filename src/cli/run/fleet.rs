//! Which lanes run: those of the configuration in effect, and for a while those that it no longer wants.
//!
//! [`Fleet::arrange`] compares what runs with what should and does the next step, whatever happened before: lanes that do
//! not fit drain for a few seconds, whatever their destinations do; when the last of them has ended (the memory of one
//! is the next one's) those that are missing start from what the store knows. Lanes that fit are not touched. What a
//! lane had in flight when its time was over is unread again, or a durable intent, as after a crash.

use super::Run;
use super::change::Made;
use super::lanes::{self, News, Parts};
use super::state::{self, Presence};
use crate::body::chunks::Pool;
use crate::catalog::thread::Caller;
use crate::config::memory;
use crate::lane::step::Event;
use crate::lane::thread::Inbox;
use crate::store::saved::{LaneId, LaneState};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A lane that is to be built anew gets so long for what is in flight.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// All lanes.
pub struct Fleet {
    parts: Parts,
    caller: Caller,
    running: Vec<Running>,
    coming: BTreeMap<LaneId, Coming>,
    /// Every lane that the store knows.
    known: BTreeMap<LaneId, Presence>,
    last: usize,
    /// All lanes are on their way out: another life goes on where they stood, so what they have not read is kept.
    ending: bool,
}

struct Running {
    number: usize,
    output: Arc<str>,
    id: LaneId,
    made: Made,
    inbox: Arc<Inbox>,
    pool: Arc<Pool>,
    leaving: bool,
}

/// A lane that is to start. The catalog keeps files for it already.
struct Coming {
    number: usize,
    /// The store was asked for its positions.
    asked: bool,
}

impl Fleet {
    /// One lane for each output; `lanes` are those of earlier lives.
    pub fn start(
        run: &Run,
        parts: Parts,
        caller: Caller,
        mut lanes: HashMap<LaneId, LaneState>,
    ) -> Result<Fleet, String> {
        let known = state::presence(&lanes);
        let mut fleet =
            Fleet { parts, caller, running: Vec::new(), coming: BTreeMap::new(), known, last: 0, ending: false };
        run.board.outputs(run.config.outputs.iter().map(|output| output.name.clone()).collect());
        let ids: Vec<LaneId> = run.config.outputs.iter().map(|output| LaneId(output.id.clone())).collect();
        ids.iter().for_each(|id| fleet.expect(id.clone()));
        for id in ids {
            fleet.found(run, &id, lanes.remove(&id))?;
        }
        Ok(fleet)
    }

    /// From now on the catalog keeps files for this lane.
    fn expect(&mut self, id: LaneId) {
        self.last += 1;
        self.parts.progress.join(self.last);
        self.coming.insert(id, Coming { number: self.last, asked: false });
    }

    /// No lane runs, and none is to start.
    pub fn is_over(&self) -> bool {
        self.running.is_empty() && self.coming.is_empty()
    }

    /// Does what is to be done next for the configuration in effect.
    pub fn arrange(&mut self, run: &Run) {
        let config = &run.config;
        let wanted = |id: &LaneId| config.outputs.iter().find(|output| *output.id == *id.0);
        for lane in self.running.iter_mut().filter(|lane| !lane.leaving) {
            if wanted(&lane.id).is_none_or(|output| Made::of(output, config) != lane.made) {
                lane.leaving = true;
                lane.inbox.push(Event::Drain { by: run.clock.now().mono.saturating_add(LEAVE_WITHIN) });
            }
        }
        for (output, share) in config.outputs.iter().zip(memory::shares(config)) {
            let id = LaneId(output.id.clone());
            match self.running.iter().find(|lane| lane.id == id && !lane.leaving) {
                Some(lane) => lane.pool.set_budget(memory::bodies(output, share)),
                None if self.coming.contains_key(&id) => {}
                None => self.expect(id),
            }
        }
        let (progress, coming) = (&self.parts.progress, &mut self.coming);
        coming.retain(|id, lane| {
            let wanted = wanted(id).is_some();
            if !wanted {
                progress.leave(lane.number);
            }
            wanted
        });
        self.remember(run);
        run.board.outputs(config.outputs.iter().map(|output| output.name.clone()).collect());
        self.ask();
    }

    /// The store says what it knows of lanes that start, once nobody is in their way.
    fn ask(&mut self) {
        if self.running.iter().any(|lane| lane.leaving) {
            return;
        }
        for (id, lane) in self.coming.iter_mut().filter(|(_, lane)| !lane.asked) {
            lane.asked = true;
            let (id, news) = (id.clone(), self.parts.news.clone());
            let answer = move |store: &crate::store::file::Store| {
                let state = store.lane(&id).map(Box::new);
                // If nobody listens any more the process is ending.
                drop(news.send(News::Found(id, state)));
            };
            self.parts.store.ask(Box::new(answer));
        }
    }

    /// The store's answer: the lane starts, if it is still wanted and nobody is in its way.
    pub fn found(&mut self, run: &Run, id: &LaneId, saved: Option<LaneState>) -> Result<(), String> {
        if self.running.iter().any(|lane| lane.leaving) {
            if let Some(coming) = self.coming.get_mut(id) {
                coming.asked = false;
            }
            return Ok(());
        }
        let outputs = run.config.outputs.iter().zip(memory::shares(&run.config));
        let Some((output, share)) = outputs.into_iter().find(|(output, _)| *output.id == *id.0) else { return Ok(()) };
        let Some(Coming { number, .. }) = self.coming.remove(id) else { return Ok(()) };
        let pool = Pool::new(memory::bodies(output, share));
        let inbox = lanes::start(run, output, number, pool.clone(), saved, &self.parts)?;
        self.caller.join(number, lanes::sink(inbox.clone()));
        let (made, output) = (Made::of(output, &run.config), output.name.clone());
        self.running.push(Running { number, output, id: id.clone(), made, inbox, pool, leaving: false });
        self.remember(run);
        Ok(())
    }

    /// A lane's thread is over: the output, and whether that was asked for by `arrange`. Only then the catalog stops
    /// keeping files for it.
    pub fn ended(&mut self, run: &Run, number: usize) -> Option<(Arc<str>, bool)> {
        let at = self.running.iter().position(|lane| lane.number == number)?;
        let lane = self.running.swap_remove(at);
        self.caller.leave(number);
        if lane.leaving && !self.ending {
            self.parts.progress.leave(number);
        }
        if run.config.outputs.iter().all(|output| output.name != lane.output) {
            run.board.lane_gone(&lane.output);
        }
        Some((lane.output, lane.leaving))
    }

    /// All lanes send what they have and end; none starts any more.
    pub fn drain(&mut self, by: Duration) {
        self.ending = true;
        self.coming.clear();
        for lane in &mut self.running {
            lane.inbox.push(Event::Drain { by });
        }
    }

    /// The same, for a start anew inside this process.
    pub fn leave(&mut self, run: &Run) {
        self.drain(run.clock.now().mono.saturating_add(LEAVE_WITHIN));
        self.running.iter_mut().for_each(|lane| lane.leaving = true);
    }

    /// The store is told which lanes are there, which left, and which left long ago. Not before all have started: a lane
    /// that the store knows is not at its first start.
    pub fn remember(&mut self, run: &Run) {
        if !self.coming.is_empty() {
            return;
        }
        let now = run.clock.now().unix_ns;
        let notes = state::lanes_that_came_and_went(&run.config.outputs, &mut self.known, now);
        if !notes.is_empty() {
            self.parts.store.append(notes);
        }
    }
}
