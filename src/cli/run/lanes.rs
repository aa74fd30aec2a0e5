//! One lane a configured output: its settings, its thread, and what the thread does for it.

use super::Run;
use crate::body::chunks::Pool;
use crate::catalog::progress::Progress;
use crate::catalog::reader::Reader;
use crate::catalog::shelf::Shelf;
use crate::catalog::thread::{Sink, Told};
use crate::cli::lane;
use crate::cli::output::{Use, destination};
use crate::config::checked::Output;
use crate::lane::account::Left;
use crate::lane::batch::{Batch, Verdict};
use crate::lane::format::Format;
use crate::lane::step::{Event, Lane, Settings};
use crate::lane::thread::{Inbox, Outside};
use crate::store::dead_letter::DeadLetters;
use crate::store::saved::{LaneId, LaneState};
use crate::store::thread::StoreHandle;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

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
            seed: lane::seed(),
        }
    }

    fn outside<A, V>(&self, inbox: &Arc<Inbox>, gone: watch::Receiver<()>, attempt: A) -> Outside
    where
        A: Fn(Batch) -> V + Send + 'static,
        V: Future<Output = Verdict> + Send + 'static,
    {
        let (clock, number) = (self.run.clock, self.number);
        let dead = DeadLetters::open(&self.output.dead_letter_dir, &self.output.id, self.output.dead_letter_max);
        let (progress, board) = (self.parts.progress.clone(), self.run.board.clone());
        let mut reader = Reader::new(self.parts.shelf.clone());
        let (pool, name) = (self.pool.clone(), self.output.name.clone());
        let to: Arc<str> = destination(&self.output.kind).into();
        Outside {
            now: Box::new(move || clock.now()),
            read: Box::new(move |file, at, to| reader.read(file, at, to)),
            send: lane::send(attempt, gone),
            save: lane::save(self.parts.store.clone(), inbox.clone()),
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
        let (alive, gone) = lane::life();
        let outside = self.outside(&inbox, gone, attempt);
        let lane = Lane::new(format, settings, pool, self.saved, clock.now());
        let (news, board, name) = (self.parts.news.clone(), self.run.board.clone(), self.output.name.clone());
        let ended = move |left: Option<Vec<Left>>| {
            if left.is_some() {
                board.beat_ended(&name);
            }
            // If nobody listens any more the process is ending.
            drop(news.send(News::Ended(number, left)));
        };
        lane::start(&self.output.name, lane, inbox.clone(), outside, alive, ended)?;
        Ok(inbox)
    }
}
