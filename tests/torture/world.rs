//! One world: a writer, an agent that is killed again and again, its destinations and its disk; all driven by one seed.
//!
//! Which things happen, in which order and how long they last comes from the seed; the moment of each is real time.
//! kubelet keeps a file until its lines were delivered (so that nothing may be lost at all), or, in a tight world, only
//! until a running agent has seen it.

mod settle;

use crate::books::{self, Books, Row};
use crate::case::{Case, Pace, Range, millis};
use crate::disk::Disk;
use crate::support::{Agent, Place, now};
use crate::weather::{Kind, Sky};
use rustix::process::Pid;
use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tailrace::standin::rng::Rng;
use tailrace::standin::writer::Writer;
use tailrace::standin::{self, Standin, Which, cloudwatch, opensearch, s3};
use tailrace::store::file::Store;
use tailrace::store::saved::{LaneId, Sums};

/// Names of the outputs, in the order of the destinations.
pub const OUTPUTS: [&str; 3] = ["cloudwatch", "archive", "search"];
/// Between two looks at the agent's counters and the destinations' receipts.
const LOOK: Duration = Duration::from_millis(400);
/// A tight kubelet deletes nothing before the agent has run so long.
const SEEN: Duration = Duration::from_millis(1_500);
/// And nothing so shortly before the agent is killed: nobody could know of it.
const BEFORE_KILL: Duration = Duration::from_millis(500);

/// Between two looks at what may be deleted.
const DELETE: Duration = Duration::from_millis(250);

/// How it ended.
pub struct Ended {
    pub case: Case,
    pub rows: Vec<Row>,
    /// For the table: lives, kills, what happened to files and destinations.
    pub notes: String,
    /// What is not as promised. Empty: all is well.
    pub wrong: Vec<String>,
    /// Where everything is kept when something is wrong.
    pub evidence: PathBuf,
}

/// In this order: the agent ends first, the directory goes last.
pub struct World {
    case: Case,
    pace: Pace,
    agent: Option<Agent>,
    disk: Disk,
    services: Vec<Standin>,
    _runtime: tokio::runtime::Runtime,
    skies: Vec<Sky>,
    lives: Rng,
    writer: Writer,
    books: Books,
    config: PathBuf,
    events: File,
    began: Duration,
    /// Of the agent: the next kill or start, and when it was first seen to be ready.
    turn: Duration,
    ready_since: Option<Duration>,
    looked: Duration,
    deletes_at: Duration,
    /// When there were ids below which.
    written: Vec<(Duration, u64)>,
    place: Place,
    good: bool,
}

impl World {
    /// `Err`: why it cannot be had on this machine.
    pub fn new(case: Case, pace: Pace, seed: u64) -> Result<World, String> {
        let pace = pace.of(&case);
        let mut rng = Rng::new(seed);
        let mut place = Place::new();
        place.admin = SocketAddr::from(([127, 0, 0, 1], port()));
        let disk = Disk::new(&place.data_dir(), case.trouble, pace, rng.bits())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let s3 = s3::Options { keep_bytes: 1 << 20, ..s3::Options::default() };
        let kinds = [
            Which::CloudWatch(cloudwatch::Options::default()),
            Which::S3(s3),
            Which::OpenSearch(opensearch::Options::default()),
        ];
        let start = |which| {
            let options = standin::Options { port: port(), keep_records: 5_000, ..standin::Options::default() };
            standin::start(runtime.handle(), which, options).unwrap()
        };
        let services: Vec<Standin> = kinds.into_iter().map(start).collect();
        let [a, b, c] = [0, 1, 2].map(|at: usize| services[at].url.as_str());
        let config = place.config("shutdown_timeout: 12s", &case.outputs([a, b, c]));
        // What is refused for good lies in data_dir: it may not be lost with it.
        let rejects = case.trouble != crate::case::Trouble::Lost;
        let kinds = [Kind::CloudWatch, Kind::S3, Kind::OpenSearch];
        let skies = kinds.map(|kind| Sky::new(kind, pace, rejects, rng.bits())).into();
        let writer = Writer::new(&place.pods(), rng.bits(), case.writer(&pace), now()).unwrap();
        let events = File::create(place.path().join("events.log")).unwrap();
        let books = Books::new(case.parts);
        Ok(World {
            case,
            pace,
            agent: None,
            disk,
            services,
            _runtime: runtime,
            skies,
            lives: rng,
            writer,
            books,
            config,
            events,
            began: now().mono,
            turn: Duration::ZERO,
            ready_since: None,
            looked: Duration::ZERO,
            deletes_at: Duration::ZERO,
            written: Vec::new(),
            place,
            good: false,
        })
    }

    /// From the first line to the account.
    pub fn run(mut self, lasts: Duration) -> Ended {
        while self.at() < lasts && self.books.wrong.is_empty() {
            self.step();
            std::thread::sleep(Duration::from_millis(4));
        }
        if self.books.wrong.is_empty() {
            let at = self.at();
            self.settle();
            self.books.settled = self.at() - at;
        } else {
            self.books.wrong.push("stopped here: what is still missing is not lost, nobody waited for it".into());
        }
        let sums = self.sums();
        let mut rows = Vec::new();
        for (n, output) in OUTPUTS.into_iter().enumerate().filter(|(n, _)| !self.case.parts || *n == 1) {
            let control = &self.services[n].control;
            rows.push(self.books.row(&self.case, output, &self.writer, control.receipts(), sums(output)));
        }
        let turns = self.writer.ledger().turns();
        let s3 = &self.services[1].control;
        let (parts, objects) = (s3.requests_of("UploadPart", "200"), s3.receipts().totals().objects);
        if self.case.parts && parts == 0 && lasts >= Duration::from_secs(60) {
            self.books.wrong.push("no part was uploaded: this run proves nothing about them".into());
        }
        let objects = format!("{objects} objects, {parts} parts;");
        let notes = format!("{} {objects} {turns:?} {}", self.books.notes(), self.disk.means());
        let wrong = std::mem::take(&mut self.books.wrong);
        self.good = wrong.is_empty();
        Ended { case: self.case, rows, notes, wrong, evidence: self.place.path().to_owned() }
    }

    fn at(&self) -> Duration {
        now().mono.saturating_sub(self.began)
    }
    fn pid(&self) -> Option<Pid> {
        self.agent.as_ref().and_then(|agent| Pid::from_raw(i32::try_from(agent.pid()).unwrap()))
    }
    fn tell(&mut self, what: &str) {
        let line = format!("{:8.3} {what}\n", self.at().as_secs_f64());
        self.events.write_all(line.as_bytes()).unwrap();
    }

    fn step(&mut self) {
        let at = self.at();
        let deletes = at >= self.deletes_at;
        if deletes {
            self.deletes_at = at + DELETE;
        }
        self.write(deletes);
        for (n, output) in OUTPUTS.into_iter().enumerate() {
            if let Some(period) = self.skies[n].tick(at, &mut self.services[n]) {
                self.books.saw(period.name);
                self.tell(&format!("{output}: {} for {:.3} s", period.name, period.lasts.as_secs_f64()));
            }
        }
        let pid = self.pid();
        if let Some(what) = self.disk.tick(at, pid) {
            self.books.saw("data_dir");
            self.tell(&what);
        }
        if at >= self.turn {
            self.turn_life(at);
        }
        if at >= self.looked + LOOK {
            self.looked = at;
            self.look();
        }
    }

    /// The agent is there, and has looked at all files.
    fn has_seen(&self) -> bool {
        self.agent.is_some() && self.ready_since.is_some_and(|since| self.at() >= since + SEEN)
    }
    /// The writer's step. What kubelet would delete is looked at only now and then: there may be thousands of files.
    fn write(&mut self, deletes: bool) {
        let (at, seen) = (self.at(), self.has_seen() && self.at() + BEFORE_KILL < self.turn);
        // Lines that were there when the agent looked, or would have been.
        let old = self.written.iter().rev().find(|(when, _)| at >= *when + SEEN).map_or(0, |(_, id)| *id);
        self.written.retain(|(when, _)| at < *when + 2 * SEEN);
        let ledger = self.writer.ledger();
        self.written.push((at, ledger.ids().next().unwrap_or_default() + ledger.written()));
        let (services, books, case) = (&self.services, &self.books, &self.case);
        let had = |id: &u64| had(services, books, case, *id);
        let may_go = |ids: &[u64]| {
            deletes && if case.tight { seen && ids.iter().all(|id| *id < old) } else { ids.iter().all(had) }
        };
        self.writer.step_keeping(now(), &may_go).unwrap();
    }

    fn turn_life(&mut self, at: Duration) {
        if self.agent.is_some() {
            self.look();
            self.kill();
            self.turn = at + self.some(self.pace.down);
        } else {
            self.start();
            self.turn = at + self.some(self.pace.life);
        }
    }
    fn some(&mut self, range: Range) -> Duration {
        // Mostly short.
        let (a, b) = (millis(&mut self.lives, range), millis(&mut self.lives, range));
        if self.lives.chance(0.5) { a.min(b) } else { a }
    }
    fn start(&mut self) {
        let args = ["run", "-c", self.config.to_str().unwrap()];
        let (dir, admin) = (self.place.path(), self.place.admin);
        self.agent = Some(match self.disk.first() {
            Some(first) => Agent::start_after(dir, &args, admin, first),
            None => Agent::start(dir, &args, admin),
        });
        self.books.lives += 1;
        self.ready_since = None;
        self.tell("the agent starts");
    }
    fn kill(&mut self) {
        let Some(mut agent) = self.agent.take() else { return };
        if !agent.is_running() {
            self.books.wrong.push("the agent ended by itself".into());
        }
        agent.kill();
        self.books.life_ended();
        self.books.kills += 1;
        self.tell("the agent is killed");
        if let Some(what) = self.disk.killed() {
            self.books.saw("data_dir");
            self.tell(&what);
        }
    }

    /// What the agent counts, and whether something is wrong already: the sooner a run ends then, the more can be seen.
    fn look(&mut self) {
        if let Some(agent) = &mut self.agent {
            if !agent.is_running() {
                self.books.wrong.push("the agent ended by itself".into());
                return;
            }
            self.books.look(&agent.metrics());
            if self.ready_since.is_none() && agent.get("/readyz").is_some_and(|(status, _)| status == 200) {
                self.ready_since = Some(self.at());
            }
        }
        self.books.read_dead_letters(&self.place.data_dir());
        for (n, output) in OUTPUTS.into_iter().enumerate() {
            let totals = self.services[n].control.receipts().totals();
            let twice = output != "cloudwatch" && !self.case.may_repeat(output) && totals.again > 0;
            if twice || totals.damaged > 0 {
                let say = format!("{output}: {} ids came again, {} are damaged", totals.again, totals.damaged);
                self.books.wrong.push(say);
            }
        }
    }

    /// By output, from the store: they survive kills.
    fn sums(&self) -> impl Fn(&str) -> Sums + use<> {
        let lanes = Store::open(&self.place.data_dir(), now()).map(|(_, state, _)| state.lanes).unwrap_or_default();
        move |output| lanes.get(&LaneId(output.into())).map(|lane| lane.sums.clone()).unwrap_or_default()
    }
}

/// Whether a line was delivered wherever it has to be, or refused for good.
fn had(services: &[Standin], books: &Books, case: &Case, id: u64) -> bool {
    let arrived = |n: usize| services[n].control.receipts().count(id) > 0;
    if case.parts { arrived(1) } else { arrived(0) && arrived(1) && (arrived(2) || books.dead.contains(&id)) }
}

/// A port that is free, and that no client's connection is given by the system: it has to be there again each time the
/// agent or a destination comes back.
fn port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 20_000).unwrap();
    loop {
        let port = 10_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.good {
            return;
        }
        self.place.keep();
        self.disk.save();
        println!("{}: everything is kept in {}", self.case.name, self.place.path().display());
        let mut text = format!("{}\n", self.books.notes());
        for (n, output) in OUTPUTS.iter().enumerate() {
            let receipts = self.services[n].control.receipts();
            text.push_str(&books::evidence(output, self.writer.ledger(), receipts));
            text.push_str(&format!("requests: {:?}\n\n", self.services[n].control.requests()));
        }
        drop(std::fs::write(self.place.path().join("evidence.txt"), text));
    }
}
