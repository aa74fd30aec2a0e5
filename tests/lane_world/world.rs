//! A world in which one lane lives: files that grow and rotate, a clock, a service that fails, a store that is torn.
//!
//! Everything follows from a seed. After each step the invariants of ARCHITECTURE.md are checked; at the end, with the
//! service healthy, every line must have arrived as often as its style promises.

mod service;

use crate::rig::settings;
use crate::toy::{Style, Toy};
use service::Taken;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::Pool;
use tailrace::catalog::view::{Ages, File, FileView, Found, Life, Place};
use tailrace::lane::batch::{Batch, Ticket};
use tailrace::lane::retry::Rng;
use tailrace::lane::step::{Action, Event, Lane};
use tailrace::origin::{Fields, Meta, Origin};
use tailrace::record::{FileId, Grammar, Now};
use tailrace::store::file::Store;
use tailrace::store::memory::MemoryStorage;
use tailrace::store::saved::LaneId;

const HOUR: i64 = 3_600_000_000_000;

struct SimFile {
    view: FileView,
    bytes: Vec<u8>,
    ages: Vec<(u64, i64)>,
    /// A line was written in part: its text so far.
    open: Option<String>,
    /// Never written.
    holes: Vec<Range<u64>>,
}

impl SimFile {
    fn read(&self, at: u64, len: usize, buffer: &mut Vec<u8>) -> Found {
        let next = self.holes.iter().find(|hole| hole.end > at);
        if let Some(hole) = next.filter(|hole| hole.start <= at) {
            return Found::Hole(hole.end);
        }
        let end = next.map_or(self.bytes.len(), |hole| hole.start as usize).min(at as usize + len);
        buffer.clear();
        buffer.extend_from_slice(self.bytes.get(at as usize..end).unwrap_or(&[]));
        Found::Bytes(buffer.len())
    }
}

pub struct World {
    pub rng: Rng,
    style: Style,
    now: Now,
    files: BTreeMap<FileId, SimFile>,
    newest: BTreeMap<u64, FileId>,
    lane: Option<Lane<Toy>>,
    sent: Vec<Batch>,
    saves: Vec<Ticket>,
    taken: Taken,
    disk: MemoryStorage,
    store: Store,
    written: Vec<String>,
    next_line: u64,
    next_file: u128,
    trouble: u64,
    trace: bool,
}

impl World {
    pub fn new(seed: u64, style: Style, trace: bool) -> World {
        let now = Now { mono: Duration::from_secs(1), unix_ns: 1_700_000_000 * 1_000_000_000 };
        let disk = MemoryStorage::default();
        let (store, _, _) = Store::open_in(Box::new(disk.clone()), now).unwrap();
        let mut rng = Rng::new(seed);
        let trouble = rng.bits() % 60;
        let mut world = World {
            rng,
            style,
            now,
            files: BTreeMap::new(),
            newest: BTreeMap::new(),
            lane: None,
            sent: Vec::new(),
            saves: Vec::new(),
            taken: Taken::default(),
            disk,
            store,
            written: Vec::new(),
            next_line: 0,
            next_file: 1,
            trouble,
            trace,
        };
        world.start();
        world
    }
    fn below(&mut self, n: u64) -> u64 {
        self.rng.bits() % n.max(1)
    }
    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("[{:?}] {}", self.now.mono, what());
        }
    }

    /// The agent starts (again): what it knows is what the store has.
    fn start(&mut self) {
        let state = self.store.state();
        let saved = state.lanes.get(&LaneId("sim".into())).cloned();
        let settings = settings(self.rng.bits());
        self.lane = Some(Lane::new(Toy::new(self.style), settings, Pool::new(1 << 20), saved, self.now));
        let views: Vec<FileView> = self.files.values().map(|f| f.view.clone()).collect();
        self.feed(Event::Files(views));
        self.feed(Event::Scanned);
    }
    fn crash(&mut self) {
        self.say(|| "crash".into());
        self.lane = None;
        // Requests on the wire may still be taken in after we are gone.
        for batch in std::mem::take(&mut self.sent) {
            if self.below(2) == 0 {
                self.take_in(&batch);
            }
        }
        self.saves.clear();
        let (store, _, _) = Store::open_in(Box::new(self.disk.clone()), self.now).unwrap();
        self.store = store;
        self.start();
    }

    /// One event, then steps until the lane sleeps.
    fn feed(&mut self, event: Event) {
        let mut event = event;
        for round in 0.. {
            assert!(round < 100_000, "the lane does not come to rest");
            let Some(lane) = &mut self.lane else { return };
            let action = lane.step(self.now, event);
            event = Event::Tick;
            match action {
                Action::Read { file, at, len, mut buffer } => {
                    let short = len.min(1 + (self.rng.bits() % 300) as usize);
                    let found = self.files.get(&file).map_or(Found::Bytes(0), |f| f.read(at, short, &mut buffer));
                    event = Event::Block(buffer, Ok(found));
                }
                Action::Send(batch) => {
                    self.say(|| format!("send {:?} {:?}", batch.ticket, batch.job));
                    self.sent.push(batch);
                }
                Action::Save { records, then, .. } => {
                    self.store.append(&records, self.now).unwrap();
                    self.saves.extend(then);
                }
                Action::Bury { ticket, lines } => {
                    for line in String::from_utf8(lines).unwrap().lines() {
                        let line: serde_json::Value = serde_json::from_str(line).unwrap();
                        let text = line["log"].as_str().unwrap().to_owned();
                        self.taken.lines.entry(text).or_insert(1);
                    }
                    event = Event::Buried(ticket, Ok(()));
                }
                Action::Passed(passed) => {
                    for (file, low) in passed {
                        let known = self.files.get(&file).map_or(0, |f| f.bytes.len() as u64);
                        assert!(low == u64::MAX || low <= known, "passed beyond the end");
                    }
                }
                Action::Sleep(_) => {
                    if let Some(ticket) = self.saves.pop() {
                        event = Event::Saved(ticket, true);
                        continue;
                    }
                    return;
                }
                Action::Done => return,
            }
        }
    }

    fn new_file(&mut self, chain: u64, restart: u32, turn: u64, namespace: &str) -> FileId {
        let id = FileId(self.next_file);
        self.next_file += 1;
        let fields = Fields::new(vec![("kubernetes.namespace_name".into(), namespace.into())]);
        let fields = Arc::new(fields);
        let origin = Origin {
            input: "pods".into(),
            path: format!("/c{chain}/{restart}.log.{turn}").into(),
            grammar: Grammar::Cri,
            meta: arc_swap::ArcSwap::from_pointee(Meta::new(fields.clone())),
            fields,
        };
        let file = File { id, place: Place { chain, restart, turn }, origin: Arc::new(origin), at_scan: None };
        let view = FileView {
            rulings: Default::default(),
            file: Arc::new(file),
            size: 0,
            life: Life::Growing,
            danger: false,
            grew: self.now.mono,
            ages: Ages(Arc::new([])),
        };
        self.files.insert(id, SimFile { view, bytes: Vec::new(), ages: Vec::new(), open: None, holes: Vec::new() });
        self.newest.insert(chain, id);
        id
    }
    fn write(&mut self) {
        let chain = self.below(5);
        let id = match self.newest.get(&chain) {
            Some(id) => *id,
            None => self.new_file(chain, 0, 0, if chain < 3 { "a" } else { "b" }),
        };
        let lines = 1 + self.below(12);
        for _ in 0..lines {
            let partial = self.below(6) == 0;
            let stamp = self.stamp();
            self.next_line += 1;
            let n = self.next_line;
            let text = format!("L{n}");
            self.say(|| format!("write {id} {text} partial {partial} at {}", self.files[&id].bytes.len()));
            let hole = if self.below(20) == 0 { 1 + self.below(3_000) } else { 0 };
            let (now, tag) = (self.now, if partial { "P" } else { "F" });
            let Some(file) = self.files.get_mut(&id) else { return };
            let piece = format!("L{n}-{}", "x".repeat((n % 23) as usize));
            file.bytes.extend_from_slice(format!("{stamp} stdout {tag} {piece}\n").as_bytes());
            let whole = file.open.take().unwrap_or_default() + &piece;
            if partial && whole.len() < 60 {
                file.open = Some(whole);
            } else if partial {
                // Keep joined records below the lane's longest record: end it with an F.
                file.bytes.extend_from_slice(format!("{stamp} stdout F .\n").as_bytes());
                self.written.push(whole + ".");
            } else {
                self.written.push(whole);
            }
            let end = file.bytes.len() as u64;
            if hole > 0 {
                file.bytes.resize((end + hole) as usize, 0);
                file.holes.push(end..end + hole);
            }
            file.ages.push((end + hole, now.unix_ns));
        }
        self.publish(id);
    }
    fn stamp(&self) -> String {
        let t = jiff::Timestamp::from_nanosecond(i128::from(self.now.unix_ns)).unwrap();
        format!("{t:.9}")
    }
    fn publish(&mut self, id: FileId) {
        let now = self.now;
        let Some(file) = self.files.get_mut(&id) else { return };
        file.view.size = file.bytes.len() as u64;
        file.view.grew = now.mono;
        file.view.ages = Ages(file.ages.clone().into());
        let view = file.view.clone();
        self.feed(Event::Files(vec![view]));
    }
    /// The file is renamed away; a joined record may go on in the next one. Or the container restarts.
    fn rotate(&mut self) {
        let chain = self.below(5);
        let Some(id) = self.newest.get(&chain).copied() else { return };
        let restart = self.below(3) == 0;
        let place = self.files[&id].view.file.place;
        let namespace = if chain < 3 { "a" } else { "b" };
        let open = self.files.get_mut(&id).and_then(|f| f.open.take());
        let file = self.files.get_mut(&id).unwrap();
        file.view.life = if restart { Life::Ended } else { Life::Final };
        let next = if restart {
            self.written.extend(open);
            self.new_file(chain, place.restart + 1, 0, namespace)
        } else {
            let next = self.new_file(chain, place.restart, place.turn + 1, namespace);
            self.files.get_mut(&next).unwrap().open = open;
            next
        };
        let views = vec![self.files[&id].view.clone(), self.files[&next].view.clone()];
        self.say(|| format!("rotate {id} restart {restart} -> {next}"));
        self.feed(Event::Files(views));
    }
    fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.unix_ns += time.as_nanos() as i64;
        self.feed(Event::Tick);
    }

    /// One random happening.
    pub fn act(&mut self) {
        match self.below(100) {
            0..30 => self.write(),
            30..36 => self.rotate(),
            36..66 => self.answer(false),
            66..92 => {
                let ms = self.below(3_000);
                self.pass(Duration::from_millis(ms));
            }
            92..94 => self.pass(Duration::from_nanos((HOUR / 3) as u64)),
            94..96 => self.pass(Duration::from_secs(61)),
            _ => self.crash(),
        }
    }

    /// Everything heals; then every line must be there as often as promised.
    pub fn finish(&mut self) {
        for file in self.files.values_mut() {
            file.view.life = if file.view.life == Life::Growing { Life::Ended } else { file.view.life };
            self.written.extend(file.open.take());
        }
        let views: Vec<FileView> = self.files.values().map(|f| f.view.clone()).collect();
        self.feed(Event::Files(views));
        for _ in 0..3_000 {
            while !self.sent.is_empty() {
                self.answer(true);
            }
            self.pass(Duration::from_secs(7));
            let lane = self.lane.as_mut().unwrap();
            if self.sent.is_empty() && lane.report().lag_bytes == 0 {
                break;
            }
        }
        let report = self.lane.as_mut().unwrap().report();
        assert_eq!(
            report.lag_bytes,
            0,
            "not everything settled: {report:#?} left {:#?}",
            self.lane.as_ref().unwrap().left()
        );
        let holes: u64 = self.files.values().flat_map(|f| &f.holes).map(|hole| hole.end - hole.start).sum();
        let dropped = report.sums.dropped.last().map_or(0, |(_, bytes)| *bytes);
        match self.style {
            Style::Items | Style::Notes => {
                let written: u64 = self.files.values().map(|f| f.bytes.len() as u64).sum();
                assert_eq!((dropped, report.sums.counted()), (holes, written), "every byte has one fate");
            }
            // What of a decided object's spans was dropped is not known any more after a restart.
            Style::Objects => {}
        }
        self.judge(&report);
    }
    /// Joins may be cut by the 60 s rules, so pieces are counted, and each line must be a run of pieces of one whole.
    fn judge(&self, report: &tailrace::telemetry::report::LaneReport) {
        let mut arrived: BTreeMap<&str, u32> = BTreeMap::new();
        let mut whole_of: BTreeMap<&str, &str> = BTreeMap::new();
        for whole in &self.written {
            whole_of.extend(pieces(whole).map(|p| (p, whole.as_str())));
        }
        for (line, times) in &self.taken.lines {
            for piece in pieces(line) {
                *arrived.entry(piece).or_default() += times;
                let whole = whole_of.get(piece);
                assert!(whole.is_some_and(|w| w.contains(line.as_str())), "a line nobody wrote: {line} in {whole:?}");
            }
        }
        let missing: Vec<_> = whole_of.keys().filter(|p| !arrived.contains_key(*p)).take(3).collect();
        assert!(missing.is_empty(), "lost: {missing:?}");
        let extra: u64 = arrived.values().map(|n| u64::from(*n) - 1).sum();
        match self.style {
            Style::Items | Style::Objects => {
                let twice: Vec<_> = arrived.iter().filter(|(_, n)| **n > 1).take(3).collect();
                assert!(twice.is_empty(), "delivered twice: {twice:?}");
            }
            Style::Notes => {
                let counted = report.sums.possible_duplicates * 8;
                assert!(extra <= counted, "{extra} duplicates, {counted} counted as possible");
            }
        }
    }
}

/// `L12-xxxL13-x.` → `L12-xxx`, `L13-x.`
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    line.split_inclusive('L')
        .scan(0usize, move |at, part| {
            let start = *at;
            *at += part.len();
            Some((start, *at))
        })
        .filter_map(move |(start, _)| {
            let begin = start.checked_sub(1)?;
            let rest = line.get(start..)?;
            let end = rest.find('L').map_or(line.len(), |n| start + n);
            line.get(begin..end)
        })
}
