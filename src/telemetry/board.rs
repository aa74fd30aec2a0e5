//! Where the parts of the agent publish how they are, for metrics, health and the status page.
//!
//! A publisher swaps a pointer under a short lock and never waits for a reader. A report replaces the one before; nothing
//! queues up.

use super::recent::{Line, Recent};
use super::report::{CatalogReport, ConfigReport, LaneReport, MetadataReport, ProcessReport, StoreReport, Written};
use super::{advice, notice};
use crate::record::Now;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A thread that did not beat for so long is stuck, and `/livez` says so.
pub const BEAT_MAX: Duration = Duration::from_secs(60);

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Configuration is read; lanes do not run yet.
    #[default]
    Starting,
    /// Another process holds `data_dir`: alive and ready, reading nothing.
    StandingBy,
    /// Lanes run.
    Started,
    /// The machine is about to go: everything is sent at once, reading goes on to the end.
    Leaving,
    /// Told to stop: what is read goes out.
    Draining,
}

impl Phase {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::StandingBy => "standing by: another process holds data_dir",
            Phase::Started => "running",
            Phase::Leaving => "sending everything at once: this machine is about to be taken back",
            Phase::Draining => "draining",
        }
    }
}

/// What never changes about the process.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// This node's name.
    pub node: Arc<str>,
    /// When the process started (unix ns).
    pub started_unix_ns: i64,
}

/// The board; shared by reference count.
#[derive(Debug, Default)]
pub struct Board {
    about: About,
    recent: Arc<Recent>,
    now: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    phase: Phase,
    lanes: BTreeMap<Arc<str>, Arc<LaneReport>>,
    order: Vec<Arc<str>>,
    config: Arc<ConfigReport>,
    store: StoreReport,
    catalog: Arc<CatalogReport>,
    metadata: Option<Arc<MetadataReport>>,
    process: ProcessReport,
    unwritable: BTreeMap<Written, String>,
    beats: BTreeMap<Arc<str>, Duration>,
}

/// Everything as it is now.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What never changes.
    pub about: About,
    /// Where the process is in its life.
    pub phase: Phase,
    /// What the process was told to do.
    pub config: Arc<ConfigReport>,
    /// What it found in its `data_dir`.
    pub store: StoreReport,
    /// In the order of the configuration.
    pub lanes: Vec<Arc<LaneReport>>,
    /// The catalog.
    pub catalog: Arc<CatalogReport>,
    /// `None` where no pods are watched.
    pub metadata: Option<Arc<MetadataReport>>,
    /// Memory and processor.
    pub process: ProcessReport,
    /// What cannot be written in `data_dir` now, and why.
    pub unwritable: BTreeMap<Written, String>,
    /// Last beat of each thread, monotonic.
    pub beats: Vec<(Arc<str>, Duration)>,
    /// Warnings and errors of our own log, newest first.
    pub recent: Vec<Line>,
}

impl Board {
    /// `recent` is what the log fills ([`super::recent::Recent`]).
    pub fn new(about: About, recent: Arc<Recent>) -> Self {
        Board { about, recent, now: Mutex::default() }
    }

    // Each change is one assignment: the slots are valid after any panic.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process moved on.
    pub fn phase(&self, phase: Phase) {
        self.slots().phase = phase;
    }

    /// Outputs are shown in this order from now on.
    pub fn outputs(&self, names: Vec<Arc<str>>) {
        let old = std::mem::replace(&mut self.slots().order, names);
        drop(old);
    }

    /// A lane published, under its output's name. What is new and matters goes into the log.
    pub fn lane(&self, report: LaneReport) {
        let report = Arc::new(report);
        // The old report is compared and freed after the lock.
        let old = self.slots().lanes.insert(report.output.clone(), report.clone());
        notice::log(&report.output, &report.to, notice::changes(old.as_deref(), &report));
    }

    /// The output left the configuration, and its lane has ended.
    pub fn lane_gone(&self, output: &str) {
        let old = self.slots().lanes.remove(output);
        drop(old);
    }

    /// A configuration was taken up, or was refused.
    pub fn config(&self, report: ConfigReport) {
        let report = Arc::new(report);
        let old = std::mem::replace(&mut self.slots().config, report);
        drop(old);
    }

    /// The store was opened.
    pub fn store(&self, report: StoreReport) {
        self.slots().store = report;
    }

    /// The catalog published.
    pub fn catalog(&self, report: CatalogReport) {
        let report = Arc::new(report);
        let old = std::mem::replace(&mut self.slots().catalog, report);
        drop(old);
    }

    /// The pod watch published.
    pub fn metadata(&self, report: MetadataReport) {
        let report = Some(Arc::new(report));
        let old = std::mem::replace(&mut self.slots().metadata, report);
        drop(old);
    }

    /// No pods are watched for now.
    pub fn metadata_gone(&self) {
        let old = self.slots().metadata.take();
        drop(old);
    }

    /// Memory and processor were read.
    pub fn process(&self, report: ProcessReport) {
        self.slots().process = report;
    }

    /// This part of `data_dir` can be written, or why not.
    pub fn writes(&self, what: Written, trouble: Option<String>) {
        let mut slots = self.slots();
        match trouble {
            Some(why) => drop(slots.unwritable.insert(what, why)),
            None => drop(slots.unwritable.remove(&what)),
        }
    }

    /// The thread called `name` is alive. The first beat enrols it: from then on it must beat within [`BEAT_MAX`].
    pub fn beat(&self, name: &str, now: Now) {
        let mut slots = self.slots();
        match slots.beats.get_mut(name) {
            Some(last) => *last = now.mono,
            None => drop(slots.beats.insert(name.into(), now.mono)),
        }
    }

    /// The thread called `name` ended as it should.
    pub fn beat_ended(&self, name: &str) {
        self.slots().beats.remove(name);
    }

    /// Everything as it is now; cheap, reports are shared.
    pub fn snapshot(&self) -> Snapshot {
        let slots = self.slots();
        let mut lanes: Vec<Arc<LaneReport>> = slots.lanes.values().cloned().collect();
        let place = |lane: &Arc<LaneReport>| slots.order.iter().position(|name| *name == lane.output);
        lanes.sort_by_key(|lane| place(lane).unwrap_or(usize::MAX));
        Snapshot {
            about: self.about.clone(),
            phase: slots.phase,
            config: slots.config.clone(),
            store: slots.store,
            lanes,
            catalog: slots.catalog.clone(),
            metadata: slots.metadata.clone(),
            process: slots.process,
            unwritable: slots.unwritable.clone(),
            beats: slots.beats.iter().map(|(name, at)| (name.clone(), *at)).collect(),
            recent: self.recent.newest_first(),
        }
    }
}

impl Snapshot {
    /// Threads that are stuck, and for how long.
    pub fn stuck(&self, now: Now) -> Vec<(&str, Duration)> {
        let since = |(name, at): &'_ (Arc<str>, Duration)| (name.clone(), now.mono.saturating_sub(*at));
        self.beats.iter().map(|b| (b.0.as_ref(), since(b).1)).filter(|(_, age)| *age > BEAT_MAX).collect()
    }

    /// Started, draining or standing by.
    pub fn ready(&self) -> bool {
        match self.phase {
            Phase::Starting => false,
            Phase::StandingBy | Phase::Started | Phase::Leaving | Phase::Draining => true,
        }
    }

    /// One sentence for each lane that is behind and settles nothing. Empty: delivery is healthy.
    pub fn stalled(&self) -> Vec<String> {
        self.lanes.iter().filter(|lane| lane.stalled).map(|lane| stall(lane)).collect()
    }
}

fn stall(lane: &LaneReport) -> String {
    let mut text = format!("output {} is {} bytes behind and settles nothing", lane.output, lane.lag_bytes);
    if let Some((code, say)) = &lane.lane_parked {
        text.push_str(&format!(": {code}: {}", advice::say(code, say)));
    } else if let Some(parked) = lane.parked.first() {
        let (keys, first, say) = (lane.parked.len(), &parked.key, advice::say(&parked.code, &parked.say));
        text.push_str(&format!(": {keys} keys are parked, the first is {first}: {}: {say}", parked.code));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::batch::Code;
    use crate::telemetry::report::Parked;

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), unix_ns: 0 }
    }

    #[test]
    fn a_thread_that_does_not_beat_for_a_minute_is_stuck_and_one_that_ended_is_not() {
        let board = Board::default();
        board.beat("lane s3", at(10));
        board.beat("catalog", at(10));
        board.beat("ended", at(10));
        board.beat("catalog", at(60));
        board.beat_ended("ended");
        assert!(board.snapshot().stuck(at(70)).is_empty());
        assert_eq!(board.snapshot().stuck(at(71)), [("lane s3", Duration::from_secs(61))]);
    }

    #[test]
    fn standing_by_is_ready_and_starting_is_not() {
        let board = Board::default();
        assert!(!board.snapshot().ready());
        for phase in [Phase::StandingBy, Phase::Started, Phase::Leaving, Phase::Draining] {
            board.phase(phase);
            assert!(board.snapshot().ready(), "{phase:?}");
        }
    }

    #[test]
    fn outputs_are_shown_in_the_order_of_the_configuration_and_go_with_their_lanes() {
        let board = Board::default();
        for output in ["b", "gone", "a"] {
            board.lane(LaneReport { output: output.into(), ..Default::default() });
        }
        let shown = || -> Vec<String> { board.snapshot().lanes.iter().map(|l| l.output.to_string()).collect() };
        board.outputs(vec!["b".into(), "c".into(), "a".into()]);
        assert_eq!(shown(), ["b", "a", "gone"]);
        board.lane_gone("gone");
        board.outputs(vec!["a".into(), "b".into()]);
        assert_eq!(shown(), ["a", "b"]);
    }

    #[test]
    fn a_stalled_lane_says_why() {
        let board = Board::default();
        let lane =
            |stalled, parked| LaneReport { output: "s3".into(), stalled, parked, lag_bytes: 7, ..Default::default() };
        board.lane(lane(false, Vec::new()));
        assert!(board.snapshot().stalled().is_empty());
        let parked = Parked {
            key: "logs/a".into(),
            code: Code::new("AccessDenied"),
            say: "allow s3:PutObject".into(),
            since: 0,
            waiting_bytes: 7,
        };
        board.lane(lane(true, vec![parked]));
        let said = board.snapshot().stalled();
        assert!(said.len() == 1 && said[0].contains("output s3") && said[0].contains("allow s3:PutObject"), "{said:?}");
    }
}
