//! One lane of a service that tells records by their ids, a few files, a store: for scenes step by step.

use crate::toy::{Style, Toy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::Pool;
use tailrace::catalog::view::{Ages, File, FileView, Found, Life, Place};
use tailrace::config::checked::{CatchUp, CatchUpOrder, Start};
use tailrace::lane::batch::{Batch, Ticket, Verdict};
use tailrace::lane::step::{Action, Event, Lane, Settings};
use tailrace::origin::{Fields, Meta, Origin};
use tailrace::record::{FileId, Grammar, Now};
use tailrace::store::file::Store;
use tailrace::store::memory::MemoryStorage;
use tailrace::store::saved::LaneId;

pub struct Rig {
    style: Style,
    pub now: Now,
    files: Vec<(FileView, Vec<u8>)>,
    disk: MemoryStorage,
    pub store: Store,
    pub lane: Lane<Toy>,
    sent: Vec<Batch>,
    unreadable: Option<FileId>,
    /// Batches that were not answered.
    pub out: Vec<Ticket>,
}

/// Of a lane with short times; everything that it leaves to chance follows from the seed.
pub fn settings(seed: u64) -> Settings {
    Settings {
        output: "sim".into(),
        id: LaneId("sim".into()),
        kind: "sim",
        inputs: BTreeMap::from([("pods".into(), (Start::Beginning, 120))]),
        max_age: Duration::from_secs(5),
        select: Vec::new(),
        merge_json: false,
        concurrency: 4,
        catch_up: CatchUp { order: CatchUpOrder::Fair, share_percent: 50 },
        stall_after: Duration::from_secs(300),
        once: None,
        seed,
    }
}

fn view(now: Now, chain: u64, turn: u64) -> FileView {
    view_in("a", now, chain, turn)
}

/// A file of this namespace, which is a key of its own.
pub fn view_in(namespace: &str, now: Now, chain: u64, turn: u64) -> FileView {
    let fields = Arc::new(Fields::new(vec![("kubernetes.namespace_name".into(), namespace.into())]));
    let meta = arc_swap::ArcSwap::from_pointee(Meta::new(fields.clone()));
    let origin = Origin { input: "pods".into(), path: "/0.log".into(), grammar: Grammar::Cri, meta, fields };
    let place = Place { chain, restart: 0, turn };
    let id = FileId(u128::from(chain) << 64 | u128::from(turn));
    let file = Arc::new(File { id, place, origin: Arc::new(origin), at_scan: None });
    let ages = Ages(Arc::new([(u64::MAX, now.unix_ns)]));
    FileView { file, size: 0, life: Life::Growing, danger: false, grew: now.mono, ages, rulings: Default::default() }
}

impl Rig {
    pub fn new() -> Rig {
        Rig::of(Style::Items)
    }
    pub fn of(style: Style) -> Rig {
        let now = Now { mono: Duration::from_secs(1), unix_ns: 1_700_000_000_000_000_000 };
        let disk = MemoryStorage::default();
        let (store, _, _) = Store::open_in(Box::new(disk.clone()), now).unwrap();
        let lane = Lane::new(Toy::new(style), settings(7), Pool::new(1 << 20), None, now);
        Rig {
            style,
            now,
            files: vec![(view(now, 1, 1), Vec::new())],
            disk,
            store,
            lane,
            sent: Vec::new(),
            unreadable: None,
            out: Vec::new(),
        }
    }
    /// To the newest file.
    pub fn write(&mut self, text: &str) {
        let (view, bytes) = self.files.last_mut().unwrap();
        bytes.extend_from_slice(text.as_bytes());
        (view.size, view.grew) = (bytes.len() as u64, self.now.mono);
        let view = view.clone();
        self.feed(Event::Files(vec![view]));
    }
    /// The newest file is complete, and will soon be deleted; another one follows when it is written to.
    pub fn rotate(&mut self) {
        self.follow(true);
    }
    /// The newest file is complete, and another one follows.
    pub fn follow(&mut self, danger: bool) {
        let (view, _) = self.files.last_mut().unwrap();
        (view.life, view.danger) = (Life::Final, danger);
        let before = view.clone();
        let Place { chain, turn, .. } = before.file.place;
        self.files.push((self::view(self.now, chain, turn + Place::STEP), Vec::new()));
        self.feed(Event::Files(vec![before]));
    }
    /// What is written from now on is another pod's, which goes where all the others go.
    pub fn another_pod(&mut self) {
        let chain = self.files.last().map_or(1, |(view, _)| view.file.place.chain + 1);
        self.files.push((view(self.now, chain, 1), Vec::new()));
    }
    /// The newest file cannot be read from now on.
    pub fn spoil(&mut self) {
        self.unreadable = self.files.last().map(|(view, _)| view.file.id);
    }
    /// The catalog says that the file that was spoilt is gone.
    pub fn lose(&mut self) {
        let gone = self.files.iter_mut().find(|(view, _)| Some(view.file.id) == self.unreadable);
        let (view, _) = gone.unwrap();
        view.life = Life::Gone;
        let view = view.clone();
        self.feed(Event::Files(vec![view]));
    }
    /// One of the files, oldest first, is gone; `told`: and the catalog says so now.
    pub fn delete(&mut self, at: usize, told: bool) {
        let (view, _) = &mut self.files[at];
        view.life = Life::Gone;
        let view = view.clone();
        self.unreadable = Some(view.file.id);
        if told {
            self.feed(Event::Files(vec![view]));
        }
    }
    /// Answers all that is out.
    pub fn answer(&mut self, verdict: &Verdict) {
        for ticket in std::mem::take(&mut self.out) {
            self.feed(Event::Answer(ticket, verdict.clone()));
        }
    }
    pub fn pass(&mut self, seconds: u64) {
        self.now.mono += Duration::from_secs(seconds);
        self.now.unix_ns += seconds as i64 * 1_000_000_000;
        self.feed(Event::Tick);
    }
    /// SIGKILL, and the next process.
    pub fn kill(&mut self) {
        let (store, state, _) = Store::open_in(Box::new(self.disk.clone()), self.now).unwrap();
        let saved = state.lanes.get(&LaneId("sim".into())).cloned();
        self.store = store;
        self.lane = Lane::new(Toy::new(self.style), settings(7), Pool::new(1 << 20), saved, self.now);
        for (view, _) in &mut self.files {
            view.grew = self.now.mono;
        }
        let views = self.files.iter().map(|(view, _)| view.clone()).collect();
        self.feed(Event::Files(views));
    }
    pub fn feed(&mut self, mut event: Event) {
        loop {
            event = match self.lane.step(self.now, event) {
                Action::Read { file, at, len, mut buffer } => {
                    let (_, bytes) = self.files.iter().find(|(view, _)| view.file.id == file).unwrap();
                    if self.unreadable == Some(file) {
                        event = Event::Block(buffer, Err(std::io::ErrorKind::NotFound.into()));
                        continue;
                    }
                    let part = bytes.get(at as usize..at as usize + len).unwrap_or(&[]);
                    buffer.clear();
                    buffer.extend_from_slice(part);
                    Event::Block(buffer, Ok(Found::Bytes(part.len())))
                }
                Action::Save { records, then, .. } => {
                    self.store.append(&records, self.now).unwrap();
                    then.map_or(Event::Tick, |ticket| Event::Saved(ticket, true))
                }
                Action::Send(batch) => {
                    self.out.push(batch.ticket);
                    self.sent.push(batch);
                    Event::Tick
                }
                Action::Bury { ticket, .. } => Event::Buried(ticket, Ok(())),
                Action::Passed(_) => Event::Tick,
                Action::Sleep(_) | Action::Done => return,
            };
        }
    }
    /// What was sent since the last call: id and text of each record.
    pub fn records(&mut self) -> Vec<String> {
        let bodies = self.sent.drain(..).flat_map(|batch| batch.bodies);
        let bytes: Vec<u8> = bodies.flat_map(|body| body.chunks.concat()).collect();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}
