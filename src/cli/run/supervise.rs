//! While the agent runs: words from outside, lanes that end, a changed configuration; and when it is over.

use super::agent::{self, Agent};
use super::change::{self, Change};
use super::config_file::Content;
use super::finish::Finish;
use super::lanes::News;
use super::outside::{Outside, Word};
use super::spot::Notice;
use super::state::Held;
use super::{Exit, Run};
use crate::cli::heap;
use crate::lane::account::Left;
use crate::telemetry::advice::say;
use crate::telemetry::board::Phase;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Between two looks at our own memory and CPU, and at the pod cache.
const UPKEEP: Duration = Duration::from_secs(1);
/// Between two looks for lanes that left long ago, and for free memory.
const REMEMBER: Duration = Duration::from_secs(60);
/// Copies of deleted files that only this process holds are made within this time, if they can be made.
const COPIED_WITHIN: Duration = Duration::from_secs(15);
/// Destinations named at a stop, per output.
const NAMED_MOST: usize = 50;

/// What comes after an agent.
pub enum Next {
    /// The end of the process.
    End(Exit),
    /// Another agent, in this process, for the configuration that is in effect now.
    Anew(Agent),
}

/// How far an agent is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Stays,
    /// Everything is built anew once deleted files that only this process holds are read or copied, or at that time.
    Soon {
        by: Duration,
    },
    /// Everything is built anew once all lanes have ended.
    Anew,
    /// The process ends once all lanes have.
    Out,
}

struct Watcher<'a> {
    agent: Agent,
    finish: &'a mut Finish,
    way: Way,
    failed: bool,
    left: Vec<(Arc<str>, Vec<Left>)>,
}

/// Runs until all lanes have ended, for whatever reason.
pub async fn supervise(
    agent: Agent,
    run: &mut Run,
    outside: &mut Outside,
    lock: &mut Held,
    finish: &mut Finish,
) -> Next {
    let mut it = Watcher { agent, finish, way: Way::Stays, failed: false, left: Vec::new() };
    let (mut upkeep, mut remember) = (every(UPKEEP), every(REMEMBER));
    loop {
        tokio::select! {
            news = it.agent.news.recv() => match news {
                Some(News::Ended(number, left)) => it.ended(run, number, left),
                Some(News::Found(id, saved)) => {
                    if let Err(why) = it.agent.fleet.found(run, &id, saved.map(|saved| *saved)) {
                        it.fail(run, &why);
                    }
                }
                // Not reached: the fleet has a sender itself.
                None => it.fail(run, "nobody tells of lanes any more"),
            },
            word = outside.next() => match word {
                Word::Signal if it.finish.signalled => {
                    tracing::warn!("second signal: leaving at once");
                    return Next::End(Exit::Failed);
                }
                Word::Signal => {
                    it.finish.signalled = true;
                    it.stop(run);
                }
                Word::Drain => it.stop(run),
                Word::Config(content) => it.reload(run, content),
                Word::Spot(notice) => it.hurry(run, &notice),
            },
            _ = upkeep.tick() => {
                it.agent.upkeep(run);
                if it.way == Way::Stays
                    && let Err(by) = lock.try_again(run)
                {
                    // It has what is ours; the next process of ours stands by.
                    it.fail(run, &format!("data_dir can be locked again, and {by} was first"));
                }
                it.end(run);
                it.anew(run);
            }
            _ = remember.tick() => {
                it.agent.fleet.remember(run);
                heap::give_back();
            }
        }
        if it.agent.fleet.is_over() && (matches!(it.way, Way::Anew | Way::Out) || run.once.is_some()) {
            return it.over(run);
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

impl Watcher<'_> {
    fn ended(&mut self, run: &Run, number: usize, left: Option<Vec<Left>>) {
        let Some((output, asked)) = self.agent.fleet.ended(run, number) else { return };
        let Some(left) = left else {
            // The next process goes on where this lane stood.
            return self.fail(run, "a lane's thread failed");
        };
        if matches!(self.way, Way::Stays | Way::Soon { .. }) && run.once.is_none() {
            let not_settled = left.iter().map(|l| l.bytes).sum::<u64>();
            if run.leaving {
                tracing::info!(%output, not_settled, "drained for the spot notice, and goes on");
            } else {
                tracing::info!(%output, not_settled, "ended for the changed configuration");
            }
            return match (asked, self.way) {
                (true, Way::Stays) => self.agent.fleet.arrange(run),
                // It comes again with all the others.
                (true, Way::Soon { .. } | Way::Anew | Way::Out) => {}
                (false, _) => self.fail(run, "a lane ended by itself"),
            };
        }
        self.left.push((output, left));
    }

    fn fail(&mut self, run: &Run, why: &str) {
        tracing::error!(why, "stopping");
        self.failed = true;
        self.drain(run);
    }

    fn drain(&mut self, run: &Run) {
        let within = run.config.shutdown_timeout;
        self.drain_by(run, run.clock.now().mono.saturating_add(within));
    }

    fn drain_by(&mut self, run: &Run, by: Duration) {
        if self.way == Way::Out {
            return;
        }
        self.way = Way::Out;
        let within = by.saturating_sub(run.clock.now().mono);
        tracing::info!(within_seconds = within.as_secs(), "draining: everything is due now");
        run.phase(Phase::Draining);
        self.agent.fleet.drain(by);
    }

    /// Told to end. What is not read yet is the next process's business, if there will be one.
    fn stop(&mut self, run: &mut Run) {
        let alone = run.once.is_some() && !self.finish.begun;
        match run.config.exit_when {
            Some(_) if !alone => self.finish(run, Some(run.config.shutdown_timeout)),
            Some(_) | None => self.drain(run),
        }
    }

    /// Ends by itself when that is due, and in time when it was told to.
    fn end(&mut self, run: &mut Run) {
        if self.finish.begun {
            if let (Way::Stays, Some(by)) = (self.way, self.finish.closing(run)) {
                self.drain_by(run, by);
            }
        } else if self.way == Way::Stays
            && run.once.is_none()
            && let Some(why) = self.finish.due(run)
        {
            tracing::info!(why, "exit_when");
            self.finish(run, None);
        }
    }

    /// All lanes again, from where they stand to the end of what is there now: unfinished lines too.
    fn finish(&mut self, run: &mut Run, limit: Option<Duration>) {
        if self.way == Way::Out {
            return;
        }
        let begun = self.finish.begun;
        self.finish.begin(run, limit);
        run.phase(Phase::Draining);
        tracing::info!(within_seconds = limit.map(|limit| limit.as_secs()), "delivering what is there, to its end");
        if self.way == Way::Stays && !begun {
            self.begin_anew(run, limit.map_or(COPIED_WITHIN, |limit| COPIED_WITHIN.min(limit / 3)));
        }
    }

    /// Every lane drains, for a few seconds at most, and goes on in a hurry: as for a changed configuration.
    fn hurry(&mut self, run: &mut Run, notice: &Notice) {
        run.leave_soon(notice);
        if self.way == Way::Out || self.finish.begun {
            return;
        }
        run.phase(Phase::Leaving);
        if self.way == Way::Stays {
            self.agent.fleet.arrange(run);
        }
    }

    /// All of a changed configuration is checked; then what differs is built anew. Nothing changes otherwise.
    fn reload(&mut self, run: &mut Run, content: Content) {
        if self.way == Way::Out || self.finish.begun {
            return;
        }
        let Some((config, change)) = run.judge(content, |run, config| {
            let change = change::between(&run.config, config)?;
            agent::check(run, config).map(|()| change)
        }) else {
            return;
        };
        run.config = config;
        match (change, self.way) {
            (_, Way::Out | Way::Anew | Way::Soon { .. }) => {}
            (Change::Everything, Way::Stays) => {
                tracing::info!("inputs changed: everything is built anew");
                self.begin_anew(run, COPIED_WITHIN);
            }
            (Change::Outputs, Way::Stays) => {
                self.agent.retain(run);
                self.agent.fleet.arrange(run);
            }
        }
    }

    fn begin_anew(&mut self, run: &Run, copied_within: Duration) {
        self.way = Way::Soon { by: run.clock.now().mono.saturating_add(copied_within) };
        self.anew(run);
    }

    /// A handle does not survive what comes: the catalog makes copies of what is held, within seconds.
    fn anew(&mut self, run: &Run) {
        let Way::Soon { by } = self.way else { return };
        let (held, bytes) = run.board.snapshot().catalog.held;
        let late = run.clock.now().mono >= by;
        if held > 0 && late {
            tracing::warn!(
                files = held,
                bytes,
                "deleted files could not be copied in time: what was not read of them is lost, and counted"
            );
        }
        if held == 0 || late {
            self.way = Way::Anew;
            self.agent.fleet.leave(run);
        }
    }

    fn over(mut self, run: &Run) -> Next {
        self.agent.stop(run);
        if self.way == Way::Anew {
            return Next::Anew(self.agent);
        }
        self.agent.close();
        let unsettled = report_left(&self.left);
        Next::End(if self.failed || (unsettled && run.once.is_some()) { Exit::Failed } else { Exit::Done })
    }
}

/// One line for each output that did not get everything, naming its destinations. True when there was one.
fn report_left(left: &[(Arc<str>, Vec<Left>)]) -> bool {
    let mut any = false;
    for (output, of_lane) in left.iter().filter(|(_, of_lane)| !of_lane.is_empty()) {
        any = true;
        let bytes: u64 = of_lane.iter().map(|l| l.bytes).sum();
        let why = |l: &Left| match &l.why {
            Some((code, said)) => format!("{code}: {}", say(code, said)),
            None => "not answered yet".to_string(),
        };
        let named = |l: &Left| format!("{} ({} bytes of {}): {}", l.key, l.bytes, l.who, why(l));
        let mut what: Vec<String> = of_lane.iter().take(NAMED_MOST).map(named).collect();
        if of_lane.len() > NAMED_MOST {
            what.push(format!("and {} more", of_lane.len() - NAMED_MOST));
        }
        tracing::warn!(%output, bytes, destinations = of_lane.len(), what = %what.join("; "), "not settled");
    }
    if !any {
        tracing::info!("stopped: everything read is settled");
    }
    any
}
