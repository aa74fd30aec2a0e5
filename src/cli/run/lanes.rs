//! One lane a configured output: its settings, its thread, and what the thread does for it.

use super::Run;
use crate::body::chunks::Pool;
use crate::catalog::progress::Progress;
use crate::catalog::reader::Reader;
use crate::catalog::shelf::Shelf;
use crate::catalog::thread::{Sink, Told};
use crate::cli::output::{Use, answer, destination};
use crate::config::checked::Output;
use crate::lane::account::Left;
use crate::lane::batch::{Batch, Verdict};
use crate::lane::format::Format;
use crate::lane::step::{Event, Lane, Settings};
use crate::lane::thread::{self, Inbox, Outside};
use crate::store::dead_letter::DeadLetters;
use crate::store::saved::{LaneId, LaneState};
use crate::store::thread::StoreHandle;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// What a lane's share holds beside sealed bodies: the open body, its compressor, blocks.
const OPEN_BODY: u64 = 2 << 20;

/// Shared by all lanes.
pub struct Parts {
    /// Where notes go.
    pub store: StoreHandle,
    /// Where lanes report to the catalog.
    pub progress: Arc<Progress>,
    /// Where they find files.
    pub shelf: Arc<Shelf>,
    /// Where the supervisor hears of their ends.
    pub news: UnboundedSender<News>,
}

/// What the supervisor hears. A few for each lane: no more can wait.
pub enum News {
    /// The lane with this number ended: what it could not settle; `None` when its thread failed.
    Ended(usize, Option<Vec<Left>>),
    /// What the store has of a lane that is to start.
    Found(LaneId, Option<Box<LaneState>>),
}

/// Bytes of sealed bodies in a lane's share.
pub fn sealed(share: u64) -> usize {
    usize::try_from(share.saturating_sub(OPEN_BODY)).unwrap_or(usize::MAX)
}

/// What the catalog hands to a lane.
pub fn sink(inbox: Arc<Inbox>) -> Sink {
    Box::new(move |told: Told<'_>| match told {
        Told::Files(views) => inbox.post(views),
        Told::Scanned => inbox.push(Event::Scanned),
    })
}

/// Starts a lane of this output, under a number that no other had, with this pool for its sealed bodies.
pub fn start(
    run: &Run,
    output: &Output,
    number: usize,
    pool: Arc<Pool>,
    saved: Option<LaneState>,
    parts: &Parts,
) -> Result<Arc<Inbox>, String> {
    let wiring = Wiring { run, number, output, saved, parts, pool: pool.clone() };
    crate::cli::output::make(output, &run.config.node, pool, wiring)
}

struct Wiring<'a> {
    run: &'a Run,
    number: usize,
    output: &'a Output,
    saved: Option<LaneState>,
    parts: &'a Parts,
    pool: Arc<Pool>,
}

impl Wiring<'_> {
    fn settings(&self) -> Settings {
        let inputs = &self.run.config.inputs;
        let wanted = inputs.iter().filter(|i| self.output.inputs.contains(&i.name));
        Settings {
            output: self.output.name.clone(),
            id: LaneId(self.output.id.clone()),
            kind: self.output.kind.name(),
            inputs: wanted.map(|i| (i.name.clone(), (i.start, i.max_record))).collect(),
            max_age: self.output.max_age,
            select: self.output.select.clone(),
            merge_json: self.output.merge_json,
            concurrency: self.output.concurrency,
            catch_up: self.output.catch_up,
            stall_after: self.output.stall_after,
            once: self.run.once,
            seed: RandomState::new().build_hasher().finish(),
        }
    }

    fn outside<A, V>(&self, inbox: &Arc<Inbox>, gone: watch::Receiver<()>, attempt: A) -> Outside
    where
        A: Fn(Batch) -> V + Send + 'static,
        V: Future<Output = Verdict> + Send + 'static,
    {
        let (clock, number) = (self.run.clock, self.number);
        let runtime = tokio::runtime::Handle::current();
        let (store, to_lane) = (self.parts.store.clone(), inbox.clone());
        let dead = DeadLetters::open(&self.output.dead_letter_dir, &self.output.id, self.output.dead_letter_max);
        let (progress, board) = (self.parts.progress.clone(), self.run.board.clone());
        let mut reader = Reader::new(self.parts.shelf.clone());
        let (pool, name) = (self.pool.clone(), self.output.name.clone());
        let to: Arc<str> = destination(&self.output.kind).into();
        Outside {
            now: Box::new(move || clock.now()),
            read: Box::new(move |file, at, to| reader.read(file, at, to)),
            send: Box::new(move |batch, reply| drop(runtime.spawn(answer(attempt(batch), reply, gone.clone())))),
            save: Box::new(move |records, sync, then| match then {
                None => store.append(records),
                Some(ticket) => {
                    let to_lane = to_lane.clone();
                    let reply = Box::new(move |durable| to_lane.push(Event::Saved(ticket, durable)));
                    store.append_then(records, sync, reply);
                }
            }),
            bury: Box::new(move |lines| dead.append(lines).map_err(|e| e.to_string())),
            passed: Box::new(move |how_far| {
                how_far.iter().for_each(|(file, low)| progress.passed(number, *file, *low))
            }),
            report: Box::new(move |mut report| {
                let now = clock.now();
                report.to = to.clone();
                pool.trim(now.mono);
                board.beat(&name, now);
                board.lane(report);
            }),
        }
    }
}

impl Use for Wiring<'_> {
    type Made = Arc<Inbox>;
    /// The lane, its thread, and what the thread does for it.
    fn with<F, A, V>(self, format: F, attempt: A) -> Result<Arc<Inbox>, String>
    where
        F: Format,
        A: Fn(Batch) -> V + Send + 'static,
        V: Future<Output = Verdict> + Send + 'static,
    {
        let settings = self.settings();
        let (clock, number, pool) = (self.run.clock, self.number, self.pool.clone());
        let inbox = Arc::new(Inbox::default());
        let (alive, gone) = watch::channel(());
        let outside = self.outside(&inbox, gone, attempt);
        let lane = Lane::new(format, settings, pool, self.saved, clock.now());
        let (news, at, board) = (self.parts.news.clone(), inbox.clone(), self.run.board.clone());
        let name = self.output.name.to_string();
        let body = move || {
            let mut end = End { news, number, left: None, _alive: alive };
            let lane = thread::run(lane, &at, outside);
            board.beat_ended(&name);
            end.left = Some(lane.left());
        };
        let name = format!("lane {}", self.output.name);
        std::thread::Builder::new().name(name).spawn(body).map_err(|e| format!("no thread for a lane: {e}"))?;
        Ok(inbox)
    }
}

/// Tells the supervisor that a lane's thread is over, also when it failed.
struct End {
    news: UnboundedSender<News>,
    number: usize,
    left: Option<Vec<Left>>,
    /// Attempts end when it goes.
    _alive: watch::Sender<()>,
}

impl Drop for End {
    fn drop(&mut self) {
        // If nobody listens any more the process is ending.
        drop(self.news.send(News::Ended(self.number, self.left.take())));
    }
}
