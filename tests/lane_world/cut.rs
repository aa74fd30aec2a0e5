//! What silence, or the end of a file, made a record stays that record, whatever is written behind it.

use crate::toy::{Style, Toy};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::Pool;
use tailrace::catalog::view::{Ages, File, FileView, Life, Place};
use tailrace::config::checked::{CatchUp, CatchUpOrder, Start};
use tailrace::lane::batch::{Batch, Code, Scope, Ticket, Verdict};
use tailrace::lane::step::{Action, Event, Lane, Settings};
use tailrace::origin::{Fields, Meta, Origin};
use tailrace::record::{FileId, Grammar, Now};
use tailrace::store::file::Store;
use tailrace::store::memory::MemoryStorage;
use tailrace::store::saved::LaneId;

/// One lane of a service that tells records by their ids, one file, a store.
struct Rig {
    now: Now,
    bytes: Vec<u8>,
    view: FileView,
    disk: MemoryStorage,
    store: Store,
    lane: Lane<Toy>,
    sent: Vec<Batch>,
    out: Vec<Ticket>,
}

fn settings() -> Settings {
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
        seed: 7,
    }
}

fn view(now: Now) -> FileView {
    let fields = Arc::new(Fields::new(vec![("kubernetes.namespace_name".into(), "a".into())]));
    let meta = arc_swap::ArcSwap::from_pointee(Meta::new(fields.clone()));
    let origin = Origin { input: "pods".into(), path: "/0.log".into(), grammar: Grammar::Cri, meta, fields };
    let place = Place { chain: 1, restart: 0, turn: 1 };
    let file = Arc::new(File { id: FileId(1), place, origin: Arc::new(origin), at_scan: None });
    let ages = Ages(Arc::new([(u64::MAX, now.unix_ns)]));
    FileView { file, size: 0, life: Life::Growing, danger: false, grew: now.mono, ages }
}

impl Rig {
    fn new() -> Rig {
        let now = Now { mono: Duration::from_secs(1), unix_ns: 1_700_000_000_000_000_000 };
        let disk = MemoryStorage::default();
        let (store, _, _) = Store::open_in(Box::new(disk.clone()), now).unwrap();
        let lane = Lane::new(Toy::new(Style::Items), settings(), Pool::new(1 << 20), None, now);
        Rig { now, bytes: Vec::new(), view: view(now), disk, store, lane, sent: Vec::new(), out: Vec::new() }
    }
    fn write(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        (self.view.size, self.view.grew) = (self.bytes.len() as u64, self.now.mono);
        self.feed(Event::Files(vec![self.view.clone()]));
    }
    fn pass(&mut self, seconds: u64) {
        self.now.mono += Duration::from_secs(seconds);
        self.now.unix_ns += seconds as i64 * 1_000_000_000;
        self.feed(Event::Tick);
    }
    /// SIGKILL, and the next process.
    fn kill(&mut self) {
        let (store, state, _) = Store::open_in(Box::new(self.disk.clone()), self.now).unwrap();
        let saved = state.lanes.get(&LaneId("sim".into())).cloned();
        self.store = store;
        self.lane = Lane::new(Toy::new(Style::Items), settings(), Pool::new(1 << 20), saved, self.now);
        self.view.grew = self.now.mono;
        self.feed(Event::Files(vec![self.view.clone()]));
    }
    fn feed(&mut self, mut event: Event) {
        loop {
            event = match self.lane.step(self.now, event) {
                Action::Read { at, len, mut buffer, .. } => {
                    let part = self.bytes.get(at as usize..at as usize + len).unwrap_or(&[]);
                    buffer.clear();
                    buffer.extend_from_slice(part);
                    Event::Block(buffer, Ok(part.len()))
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
    fn records(&mut self) -> Vec<String> {
        let bodies = self.sent.drain(..).flat_map(|batch| batch.bodies);
        let bytes: Vec<u8> = bodies.flat_map(|body| body.chunks.concat()).collect();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}

const ONE: &str = "2023-11-14T22:13:20.000000001Z stdout P one\n";
const REST: &str = "2023-11-14T22:13:20.000000002Z stdout F two\n";

/// Cut `first` by a minute's silence, lose the answer, write `more`, and read it all again by `again`.
fn read_again_after_more(first: &str, more: &str, again: impl Fn(&mut Rig)) {
    let mut rig = Rig::new();
    rig.write(first);
    rig.pass(30);
    assert_eq!(rig.records(), [] as [&str; 0], "it may go on");
    rig.pass(31);
    let cut = rig.records();
    assert_eq!(cut.len(), 1, "{cut:?}");
    rig.write(more);
    again(&mut rig);
    rig.pass(6);
    rig.pass(6);
    let then = rig.records();
    assert!(then.contains(&cut[0]), "{cut:?} is not the same record in {then:?}");
    assert_eq!(then.len(), 2, "{then:?}");
}

fn refused(rig: &mut Rig) {
    while let Some(ticket) = rig.out.pop() {
        let (code, scope) = (Code::new("denied"), Scope::Key);
        rig.feed(Event::Answer(ticket, Verdict::Hold { code, scope, say: String::new() }));
    }
    rig.records();
    rig.pass(600);
}

#[test]
fn a_partial_line_that_silence_cut_is_cut_there_again_after_a_crash() {
    read_again_after_more(ONE, REST, Rig::kill);
}

#[test]
fn a_line_without_newline_that_silence_cut_is_cut_there_again_after_a_crash() {
    let (first, more) = REST.split_at(36);
    read_again_after_more(first, more, Rig::kill);
    let (first, more) = REST.split_at(20);
    read_again_after_more(first, more, Rig::kill);
}

#[test]
fn what_silence_cut_and_the_service_did_not_take_is_cut_there_again() {
    read_again_after_more(ONE, REST, refused);
}

#[test]
fn a_cut_is_written_before_its_record_leaves() {
    let mut rig = Rig::new();
    rig.write(ONE);
    rig.now.mono += Duration::from_secs(61);
    rig.now.unix_ns += 61_000_000_000;
    let mut event = Event::Tick;
    let (mut cuts, mut waits) = (Vec::new(), false);
    loop {
        event = match rig.lane.step(rig.now, event) {
            Action::Read { mut buffer, .. } => {
                buffer.clear();
                buffer.extend_from_slice(ONE.as_bytes());
                Event::Block(buffer, Ok(ONE.len()))
            }
            Action::Save { records, then, .. } => {
                rig.store.append(&records, rig.now).unwrap();
                waits |= then.is_some();
                Event::Tick
            }
            Action::Send(batch) => panic!("{batch:?} leaves before the store has answered"),
            Action::Bury { .. } | Action::Passed(_) => Event::Tick,
            Action::Sleep(_) | Action::Done => break,
        };
        let state = rig.store.state();
        let positions = state.lanes.values().flat_map(|lane| lane.positions.values());
        cuts = positions.flat_map(|p| p.cuts.clone()).collect();
    }
    assert!(waits, "the batch waits for the store");
    assert_eq!(cuts, [ONE.len() as u64]);
}
