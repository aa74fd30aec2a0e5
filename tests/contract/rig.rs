//! A lane on its thread between files in memory and a stand-in: what a test writes, breaks, waits for and ends.

use crate::clock::Clock;
use crate::files::Files;
use crate::record::Record;
use crate::rows::{Login, Row, Site};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tailrace::body::chunks::Pool;
use tailrace::catalog::view::Found;
use tailrace::config::checked::{CatchUp, CatchUpOrder, Start};
use tailrace::lane::account::Left;
use tailrace::lane::batch::{Batch, Ticket, Verdict};
use tailrace::lane::format::Format;
use tailrace::lane::step::{Event, Lane, Settings};
use tailrace::lane::thread::{self, Inbox, Outside};
use tailrace::output::http::Http;
use tailrace::record::FileId;
use tailrace::standin::receipts::{body_of, ids_in};
use tailrace::standin::{self, Control, Keys, Receipts, Rule, Standin};
use tailrace::store::replay::fold;
use tailrace::store::saved::{LaneId, LaneState, Position, Saved, State};
use tailrace::telemetry::report::LaneReport;

/// Longest wait for anything; only a failing test uses it up.
const SOON: Duration = Duration::from_secs(40);
/// Oldest unsent byte.
const MAX_AGE: Duration = Duration::from_secs(1);

/// One attempt of a service.
pub type Attempt = Arc<dyn Fn(Batch) -> Pin<Box<dyn Future<Output = Verdict> + Send>> + Send + Sync>;

/// How the world is when the lane starts.
pub struct Setup {
    /// Group, bucket or index is not there, and the output may not make it.
    pub missing: bool,
    /// What the agent logs in with.
    pub keys: Keys,
    /// Longest wait for an answer, in real time.
    pub patience: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Setup { missing: false, keys: Keys::demo(), patience: Duration::from_secs(20) }
    }
}

/// What the lane, the service and the test share.
pub struct Shared {
    pub clock: Clock,
    pub record: Record,
    files: Mutex<Files>,
    state: Mutex<State>,
    report: Mutex<LaneReport>,
    buried: Mutex<BTreeSet<u64>>,
    excused: Mutex<BTreeSet<u64>>,
    receipts: Receipts,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a lane ended.
pub struct Ended {
    pub left: Vec<Left>,
    pub pool: Arc<Pool>,
}

/// All but the format.
pub struct Launch {
    settings: Settings,
    saved: Option<LaneState>,
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    outside: Outside,
}

impl Launch {
    /// Runs the lane on a thread of its own.
    pub fn run<F: Format>(self, format: F, pool: Arc<Pool>) -> JoinHandle<Ended> {
        let lane = Lane::new(format, self.settings, pool.clone(), self.saved, self.shared.clock.now());
        std::thread::spawn(move || {
            let lane = thread::run(lane, &self.inbox, self.outside);
            Ended { left: lane.left(), pool }
        })
    }
}

pub struct Rig {
    pub row: Row,
    pub at: Standin,
    pub login: Login,
    pub shared: Arc<Shared>,
    pub life: u32,
    site: Site,
    attempt: Attempt,
    inbox: Arc<Inbox>,
    lane: Option<JoinHandle<Ended>>,
    runtime: tokio::runtime::Runtime,
}

impl Rig {
    pub fn new(row: &Row) -> Rig {
        Rig::with(row, Setup::default())
    }
    pub fn with(row: &Row, setup: Setup) -> Rig {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let which = (row.which)(&setup);
        let at = standin::start(runtime.handle(), which, standin::Options::default()).unwrap();
        let login = Login::new(setup.keys);
        let http = Http::new(None).unwrap().patience(setup.patience);
        let site = Site { url: at.url.clone(), http, login: login.clone(), missing: setup.missing };
        let shared = Arc::new(Shared {
            clock: Clock::start(),
            record: Record::default(),
            files: Mutex::new(Files::new()),
            state: Mutex::default(),
            report: Mutex::default(),
            buried: Mutex::default(),
            excused: Mutex::default(),
            receipts: at.control.receipts().clone(),
        });
        let attempt = (row.connect)(&site);
        let inbox = Arc::new(Inbox::default());
        let mut rig = Rig { row: row.clone(), at, login, shared, life: 0, site, attempt, inbox, lane: None, runtime };
        rig.start();
        rig
    }

    /// The agent starts, with what its store holds.
    pub fn start(&mut self) {
        self.life += 1;
        self.inbox = Arc::new(Inbox::default());
        *lock(&self.shared.report) = LaneReport::default();
        let id = LaneId("contract".into());
        let launch = Launch {
            settings: settings(id.clone(), self.row.name, self.life),
            saved: lock(&self.shared.state).lanes.get(&id).cloned(),
            shared: self.shared.clone(),
            inbox: self.inbox.clone(),
            outside: self.outside(),
        };
        self.lane = Some((self.row.spawn)(&self.site, launch));
        self.inbox.post(&lock(&self.shared.files).views());
        self.inbox.push(Event::Scanned);
        let inbox = Arc::downgrade(&self.inbox);
        // A lane that sleeps does so in real time: it is woken for its own.
        self.runtime.spawn(async move {
            while let Some(inbox) = inbox.upgrade() {
                inbox.push(Event::Tick);
                drop(inbox);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    fn outside(&self) -> Outside {
        let shared = || self.shared.clone();
        let (of_now, of_read, of_send, of_save, of_bury, of_report) =
            (shared(), shared(), shared(), shared(), shared(), shared());
        let (runtime, attempt, life) = (self.runtime.handle().clone(), self.attempt.clone(), self.life);
        let inbox = self.inbox.clone();
        Outside {
            now: Box::new(move || of_now.clock.now()),
            read: Box::new(move |file, at, to| Ok(Found::Bytes(lock(&of_read.files).read(file, at, to)))),
            send: Box::new(move |batch, reply| {
                let shared = of_send.clone();
                let number = shared.record.began(life, &batch, shared.clock.now().mono);
                let answer = attempt(batch);
                drop(runtime.spawn(async move {
                    let verdict = answer.await;
                    shared.record.ended(number, &verdict, shared.clock.now().mono);
                    reply.answer(verdict);
                }));
            }),
            save: Box::new(move |records, _, then| {
                of_save.save(records);
                if let Some(ticket) = then {
                    saved(&inbox, ticket);
                }
            }),
            bury: Box::new(move |lines| {
                let bodies = lines.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(body_of);
                lock(&of_bury.buried).extend(bodies.flat_map(|body| ids_in(&body).collect::<Vec<_>>()));
                Ok(())
            }),
            passed: Box::new(|_| {}),
            report: Box::new(move |report| {
                of_report.record.told(life, &report.retries, of_report.clock.now().mono);
                *lock(&of_report.report) = report;
            }),
        }
    }

    /// Appends lines to a key's files.
    pub fn write(&self, key: &str, lines: usize) {
        self.write_old(key, lines, Duration::ZERO);
    }
    /// Appends lines whose time is this long ago.
    pub fn write_old(&self, key: &str, lines: usize, age: Duration) {
        let now = self.shared.clock.now();
        let views = lock(&self.shared.files).write(key, lines, self.row.pad, age, now);
        self.inbox.post(&views);
    }
    /// The next line is one that need not arrive.
    pub fn excuse(&self, ids: impl IntoIterator<Item = u64>) {
        lock(&self.shared.excused).extend(ids);
    }
    pub fn fault(&self, rule: Rule) {
        self.at.control.fault(rule);
    }
    pub fn control(&self) -> &Control {
        &self.at.control
    }
    pub fn report(&self) -> LaneReport {
        lock(&self.shared.report).clone()
    }
    /// Numbers of the lines written so far.
    pub fn written(&self) -> BTreeSet<u64> {
        lock(&self.shared.files).written.clone()
    }
    pub fn written_bytes(&self) -> u64 {
        lock(&self.shared.files).bytes
    }
    pub fn buried(&self) -> BTreeSet<u64> {
        lock(&self.shared.buried).clone()
    }
    pub fn excused(&self) -> BTreeSet<u64> {
        lock(&self.shared.excused).clone()
    }
    /// Each file's size and where the store says that the lane is.
    pub fn positions(&self) -> BTreeMap<FileId, (u64, Option<Position>)> {
        let state = lock(&self.shared.state);
        let lane = state.lanes.get(&LaneId("contract".into()));
        let at = |file| lane.and_then(|l| l.positions.get(&file)).cloned();
        lock(&self.shared.files).sizes().into_iter().map(|(file, size)| (file, (size, at(file)))).collect()
    }
    /// What of the lane is still open in the store.
    pub fn saved(&self) -> LaneState {
        lock(&self.shared.state).lanes.get(&LaneId("contract".into())).cloned().unwrap_or_default()
    }

    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let since = |begun: Duration| (self.shared.clock.now().mono - begun) / crate::clock::SPEED;
        let begun = self.shared.clock.now().mono;
        while !done() {
            let dead = self.lane.as_ref().is_none_or(JoinHandle::is_finished);
            let told = || format!("{:#?}\n{:#?}", self.shared.record.names(), self.report());
            assert!(!dead && since(begun) < SOON, "{} waited for: {what}\n{}", self.row.name, told());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    /// Waits until every byte written has met its fate.
    pub fn settled(&self) {
        self.until("all to be settled", || crate::truth::fates(&self.report().sums).1 == self.written_bytes());
    }
    /// The lane is gone from one moment to the next; what it sent may still arrive.
    pub fn crash(&mut self) {
        self.inbox.push(Event::Drain { by: Duration::ZERO });
        self.join();
    }
    /// Ends the lane as a stop does.
    pub fn drain(&mut self) -> Ended {
        self.inbox.push(Event::Drain { by: self.shared.clock.now().mono + Duration::from_secs(60) });
        self.join()
    }
    fn join(&mut self) -> Ended {
        let lane = self.lane.take().unwrap();
        lane.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
    }
    pub fn wait_for<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.inbox.push(Event::Drain { by: Duration::ZERO });
    }
}

impl Shared {
    /// Takes notes in as the store does. A position may only say of a line what has come true of it.
    fn save(&self, records: Vec<Saved>) {
        let mut state = lock(&self.state);
        for saved in records {
            if let Saved::Position { file, position, .. } = &saved {
                let (buried, excused) = (lock(&self.buried), lock(&self.excused));
                for id in lock(&self.files).below(*file, position) {
                    let there = self.receipts.count(id) > 0 || buried.contains(&id) || excused.contains(&id);
                    assert!(there, "line {id} was passed and is nowhere: {position:?}");
                }
            }
            fold(&mut state, saved);
        }
    }
}

fn saved(inbox: &Inbox, ticket: Ticket) {
    inbox.push(Event::Saved(ticket, true));
}

fn settings(id: LaneId, kind: &'static str, life: u32) -> Settings {
    Settings {
        output: "contract".into(),
        id,
        kind,
        inputs: BTreeMap::from([("pods".into(), (Start::Beginning, 1 << 20))]),
        max_age: MAX_AGE,
        select: Vec::new(),
        merge_json: false,
        concurrency: 8,
        catch_up: CatchUp { order: CatchUpOrder::Fair, share_percent: 100 },
        stall_after: Duration::from_secs(300),
        once: None,
        seed: u64::from(life),
    }
}
