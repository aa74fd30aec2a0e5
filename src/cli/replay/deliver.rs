//! Sends batches through the lanes that deliver everything else: one lane an output, once, reading runs of letters.

use super::batch::INPUT;
use super::work::Work;
use crate::body::chunks::Pool;
use crate::catalog::view::{FileView, Found};
use crate::cli::clock::Clock;
use crate::cli::lane;
use crate::cli::output::{self, Use};
use crate::config::checked::{Output, OutputKind, Start};
use crate::decode::letter;
use crate::lane::account::Left;
use crate::lane::batch::{Batch, Verdict};
use crate::lane::format::Format;
use crate::lane::step::{Event, Lane, Settings};
use crate::lane::thread::{Inbox, Outside};
use crate::record::{FileId, Span};
use crate::store::saved::{LaneId, LaneState};
use crate::store::thread::StoreHandle;
use crate::telemetry::report::LaneReport;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::sync::watch;

/// Where the runs lie.
#[derive(Default)]
pub struct Runs {
    /// By id: which batch, where it begins there, how long it is.
    pub places: HashMap<FileId, (usize, u64, u64)>,
    /// The batches, with their names.
    pub batches: Vec<(String, File)>,
}

impl Runs {
    fn read(&self, id: FileId, at: u64, to: &mut [u8]) -> io::Result<usize> {
        let (batch, start, len) = self.places.get(&id).ok_or(io::ErrorKind::NotFound)?;
        let (_, file) = self.batches.get(*batch).ok_or(io::ErrorKind::NotFound)?;
        let most = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX).min(to.len());
        file.read_at(to.get_mut(..most).unwrap_or_default(), start.saturating_add(at))
    }
    /// Where these bytes of a run lie in its batch.
    pub fn in_batch(&self, span: &Span) -> Option<(usize, u64, u64)> {
        let (batch, start, _) = self.places.get(&span.file)?;
        Some((*batch, start + span.start, start + span.end))
    }
}

/// What the lanes of one replay tell and share.
pub struct Shared {
    pub clock: Clock,
    pub work: Work,
    pub store: StoreHandle,
    pub runs: Runs,
    /// By output: the last report.
    pub reports: Mutex<BTreeMap<usize, LaneReport>>,
    /// By output and reason: letters that were refused again, and what the service said.
    pub refused: Mutex<BTreeMap<(usize, String), (u64, String)>>,
}

/// How a lane ended.
pub type End = (usize, Option<Vec<Left>>);

/// One lane to be.
pub struct Delivery<'a> {
    pub index: usize,
    pub output: &'a Output,
    pub views: Vec<FileView>,
    pub saved: LaneState,
    pub give_up: Duration,
    pub shared: Arc<Shared>,
    pub ended: Sender<End>,
}

impl Delivery<'_> {
    /// Starts the lane; what comes back stops it early.
    pub fn start(self, node: &Arc<str>, memory: u64) -> Result<Arc<Inbox>, String> {
        let pool = Pool::new(usize::try_from(memory).unwrap_or(usize::MAX));
        let output = self.output;
        output::make(output, node, pool.clone(), Wired { delivery: self, pool })
    }

    fn settings(&self) -> Settings {
        let output = self.output;
        Settings {
            output: output.name.clone(),
            id: LaneId(output.id.clone()),
            kind: output.kind.name(),
            // A letter is much longer than its record, which was cut to size long ago.
            inputs: BTreeMap::from([(INPUT.into(), (Start::Beginning, usize::MAX / 2))]),
            max_age: output.max_age,
            // Who replays says where to; a filter that changed since would throw letters away.
            select: Vec::new(),
            merge_json: output.merge_json,
            concurrency: output.concurrency,
            catch_up: output.catch_up,
            stall_after: output.stall_after,
            once: Some(self.give_up),
            seed: lane::seed(),
        }
    }
}

struct Wired<'a> {
    delivery: Delivery<'a>,
    pool: Arc<Pool>,
}

impl Use for Wired<'_> {
    type Made = Arc<Inbox>;
    fn with<F, A, V>(self, format: F, attempt: A) -> Result<Arc<Inbox>, String>
    where
        F: Format,
        A: Fn(Batch) -> V + Send + 'static,
        V: Future<Output = Verdict> + Send + 'static,
    {
        let Wired { delivery, pool } = self;
        let settings = delivery.settings();
        let inbox = Arc::new(Inbox::default());
        let (shared, index, ended) = (delivery.shared.clone(), delivery.index, delivery.ended);
        let (alive, gone) = lane::life();
        let outside = outside(&shared, index, &inbox, gone, attempt);
        let lane = Lane::new(format, settings, pool, Some(delivery.saved), shared.clock.now());
        inbox.post(&delivery.views);
        inbox.push(Event::Scanned);
        // The channel has room for every lane.
        let ended = move |left| drop(ended.try_send((index, left)));
        lane::start(&delivery.output.name, lane, inbox.clone(), outside, alive, ended)?;
        Ok(inbox)
    }
}

fn outside<A, V>(
    shared: &Arc<Shared>,
    index: usize,
    inbox: &Arc<Inbox>,
    gone: watch::Receiver<()>,
    attempt: A,
) -> Outside
where
    A: Fn(Batch) -> V + Send + 'static,
    V: Future<Output = Verdict> + Send + 'static,
{
    let clock = shared.clock;
    let (reads, buries, reports) = (shared.clone(), shared.clone(), shared.clone());
    Outside {
        now: Box::new(move || clock.now()),
        read: Box::new(move |file, at, to| reads.runs.read(file, at, to).map(Found::Bytes)),
        send: lane::send(attempt, gone),
        save: lane::save(shared.store.clone(), inbox.clone()),
        bury: Box::new(move |lines| buries.refused_again(index, lines).map_err(|e| e.to_string())),
        // Nobody deletes batches under us.
        passed: Box::new(|_| {}),
        report: Box::new(move |report| {
            reports.reports.lock().unwrap_or_else(PoisonError::into_inner).insert(index, report);
        }),
    }
}

impl Shared {
    /// What the lane would bury names the letters that stay as they are.
    fn refused_again(&self, index: usize, lines: &[u8]) -> io::Result<()> {
        let mut letters: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        let mut reasons: Vec<(String, String)> = Vec::new();
        for line in lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let said = letter::parse(line).ok_or(io::ErrorKind::InvalidData)?;
            let span = Span { file: said.id.file, start: said.id.start, end: said.id.end };
            let (batch, start, end) = self.runs.in_batch(&span).ok_or(io::ErrorKind::NotFound)?;
            let (_, from) = self.runs.batches.get(batch).ok_or(io::ErrorKind::NotFound)?;
            let mut letter = vec![0; usize::try_from(end - start).unwrap_or(0)];
            from.read_exact_at(&mut letter, start)?;
            letters.entry(batch).or_default().append(&mut letter);
            reasons.push((said.reason, said.say));
        }
        for (batch, letters) in letters {
            if let Some((name, _)) = self.runs.batches.get(batch) {
                self.work.refused(name, &letters)?;
            }
        }
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for (reason, say) in reasons {
            let count = refused.entry((index, reason)).or_insert((0, say));
            count.0 += 1;
        }
        Ok(())
    }
}

/// An output that dead-letters what it would else drop: it is on disk already, and a person is looking.
pub fn keeping(output: &Output) -> Output {
    let mut output = output.clone();
    match &mut output.kind {
        OutputKind::CloudWatch(config) => config.dead_letter_out_of_window = true,
        OutputKind::S3(_) | OutputKind::OpenSearch(_) => {}
    }
    output
}
