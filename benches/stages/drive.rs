//! A lane over bytes in memory, as its thread drives it, with a service that takes everything: what is left is what the
//! lane itself costs. Time stands still but where the lane has nothing to do before a later one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::Pool;
use tailrace::catalog::view::{Ages, File, FileView, Found, Life, Place};
use tailrace::config::checked::{CatchUp, CatchUpOrder, Start};
use tailrace::lane::batch::{Batch, Job, PartTag, Ticket, Verdict};
use tailrace::lane::format::Format;
use tailrace::lane::pump::BLOCK;
use tailrace::lane::step::{Action, Event, Lane, Settings};
use tailrace::origin::Origin;
use tailrace::record::{FileId, Now};
use tailrace::store::saved::LaneId;

/// 2026-11-22T10:15:00Z.
pub const NOON: i64 = 1_795_342_500_000_000_000;
/// No delivery needs the clock to go on so often.
const MOST_SLEEPS: u32 = 100;

/// What passed between a lane and the world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passed {
    pub blocks: u64,
    pub batches: u64,
    /// Chunks of bodies.
    pub chunks: u64,
    pub items: u64,
}

pub struct Driven<F: Format> {
    lane: Lane<F>,
    origin: Arc<Origin>,
    now: Now,
    /// Files that were ever offered.
    files: u64,
    /// Sent and not answered.
    out: Vec<(Ticket, Verdict)>,
}

impl<F: Format> Driven<F> {
    pub fn new(format: F, origin: Origin, pool: Arc<Pool>) -> Self {
        let now = Now { mono: Duration::from_secs(1), unix_ns: NOON };
        let settings = Settings {
            output: "bench".into(),
            id: LaneId("bench".into()),
            kind: "bench",
            inputs: BTreeMap::from([(origin.input.clone(), (Start::Beginning, 1 << 20))]),
            max_age: Duration::from_secs(5),
            select: Vec::new(),
            merge_json: false,
            concurrency: 4,
            catch_up: CatchUp { order: CatchUpOrder::Fair, share_percent: 100 },
            stall_after: Duration::from_secs(300),
            once: None,
            seed: 7,
        };
        let lane = Lane::new(format, settings, pool, None, now);
        Driven { lane, origin: Arc::new(origin), now, files: 0, out: Vec::new() }
    }

    /// From the first offer of these texts, each a file of a container of its own, until all of it is settled and the
    /// lane has forgotten them.
    pub fn deliver(&mut self, texts: &[&[u8]]) -> Passed {
        let first = self.files;
        self.files += texts.len() as u64;
        let mut views: Vec<FileView> = (first..).zip(texts).map(|(nth, text)| self.view(nth, text)).collect();
        let mut passed = Passed::default();
        self.run(Event::Files(views.clone()), first, texts, &mut passed);
        assert_eq!(self.lane.report().lag_bytes, 0, "all of it is settled");
        views.iter_mut().for_each(|view| view.life = Life::Gone);
        self.run(Event::Files(views), first, texts, &mut passed);
        passed
    }

    fn view(&self, nth: u64, text: &[u8]) -> FileView {
        let place = Place { chain: nth, restart: 0, turn: 1 };
        let file = File { id: FileId(nth.into()), place, origin: Arc::clone(&self.origin), at_scan: None };
        let size = text.len() as u64;
        FileView {
            file: Arc::new(file),
            size,
            life: Life::Final,
            danger: false,
            grew: self.now.mono,
            ages: Ages(Arc::new([(size, self.now.unix_ns)])),
            rulings: Default::default(),
        }
    }

    /// Until the lane has nothing in flight and sleeps for longer than its batches may wait.
    fn run(&mut self, mut event: Event, first: u64, texts: &[&[u8]], passed: &mut Passed) {
        let mut sleeps = 0;
        loop {
            event = match self.lane.step(self.now, event) {
                Action::Read { file, at, len, mut buffer } => {
                    passed.blocks += 1;
                    let nth = usize::try_from(file.0).expect("one of few") - first as usize;
                    let part = texts[nth].get(at as usize..).unwrap_or(&[]);
                    let part = &part[..part.len().min(len)];
                    // As the thread around a lane does.
                    buffer.resize(BLOCK, 0);
                    buffer[..part.len()].copy_from_slice(part);
                    Event::Block(buffer, Ok(Found::Bytes(part.len())))
                }
                Action::Save { then, .. } => then.map_or(Event::Tick, |ticket| Event::Saved(ticket, true)),
                Action::Send(batch) => {
                    passed.batches += 1;
                    passed.items += u64::from(batch.items);
                    passed.chunks += batch.bodies.iter().map(|body| body.chunks.len() as u64).sum::<u64>();
                    self.out.push((batch.ticket, answer(&batch)));
                    Event::Tick
                }
                Action::Bury { ticket, .. } => Event::Buried(ticket, Ok(())),
                Action::Passed(_) => Event::Tick,
                Action::Sleep(until) => match self.out.pop() {
                    Some((ticket, verdict)) => Event::Answer(ticket, verdict),
                    None if until >= self.now.mono + Duration::from_secs(60) => break,
                    None => {
                        sleeps += 1;
                        assert!(sleeps < MOST_SLEEPS, "the lane does not come to an end");
                        self.now.unix_ns += until.saturating_sub(self.now.mono).as_nanos() as i64;
                        self.now.mono = until;
                        Event::Tick
                    }
                },
                Action::Done => break,
            };
        }
    }
}

/// What a service says that takes everything.
fn answer(batch: &Batch) -> Verdict {
    match &batch.job {
        Job::Part { number, .. } => {
            let tag = PartTag { number: *number, etag: "\"e\"".into(), crc32c: "AAAAAA==".into() };
            Verdict::Staged { upload: "upload".into(), tag }
        }
        Job::Send | Job::Put { .. } | Job::Complete { .. } | Job::Abandon { .. } => Verdict::Delivered { already: 0 },
    }
}
