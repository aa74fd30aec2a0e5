//! The parts of a running agent, in the order in which they start and stop.
//!
//! Start: store (before), pods, catalog, lanes. Stop: lanes drain while the catalog goes on finding and reading goes
//! on; then the catalog says its last words, then the store is synced. Whatever a lane could not settle is reported.

use super::lanes::{self, Parts};
use super::state::{self, Opened};
use super::{Exit, Run, Signals};
use crate::catalog::os::{OsDisk, handle_budget, random_id};
use crate::catalog::pods::NodePods;
use crate::catalog::spec::{InputSpec, Setup};
use crate::catalog::thread::{Around, Caller};
use crate::catalog::view::FileView;
use crate::catalog::{self, Catalog};
use crate::config::checked::{Input, InputKind, MetadataSource};
use crate::config::memory;
use crate::lane::account::Left;
use crate::lane::step::Event;
use crate::lane::thread::Inbox;
use crate::metadata::cache::Cache;
use crate::metadata::pod::Wanted;
use crate::metadata::pods::Pods;
use crate::metadata::watch::{Api, Settings, Watch};
use crate::store::saved::LaneId;
use crate::store::storage::OsStorage;
use crate::store::thread::StoreHandle;
use crate::telemetry::advice::say;
use crate::telemetry::board::Phase;
use crate::telemetry::report::Kept;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, channel};

/// Between two looks at our own memory and CPU, and at the pod cache.
const UPKEEP: Duration = Duration::from_secs(1);
/// Destinations named at a stop, per output.
const NAMED_MOST: usize = 50;
/// The store's last sync may take this long.
const LAST_SYNC: Duration = Duration::from_secs(5);

/// All threads of a running agent.
pub struct Agent {
    store: StoreHandle,
    caller: Caller,
    catalog: Option<JoinHandle<()>>,
    inboxes: Vec<Arc<Inbox>>,
    ended: Receiver<(usize, Option<Vec<Left>>)>,
    pods: Arc<Pods>,
    cache: Option<SharedCache>,
}

/// Written by a thread of its own; at most one at a time.
type SharedCache = Arc<Mutex<Cache<OsStorage>>>;

impl Agent {
    /// Starts everything; an error names what could not be.
    pub fn start(run: &Run, opened: Opened) -> Result<Agent, String> {
        let pods = Arc::new(Pods::new());
        let wanted = wanted(run);
        let mut cache = (!wanted.is_empty()).then(|| Cache::new(OsStorage::new(&run.config.data_dir)));
        let cached = cache.as_mut().map_or(0, |c| c.load(&pods)) > 0;
        watch_pods(run, &wanted, &pods, cached)?;
        let Opened { store, mut state } = opened;
        let setup = Setup { marks: state::marks(&state.lanes), known: std::mem::take(&mut state.files), ..setup(run) };
        let catalog = Catalog::new(setup, Arc::new(OsDisk::default()), NodePods::new(pods.clone(), wanted));
        let caller = Caller::new().map_err(|e| format!("no eventfd: {e}"))?;
        let bell = caller.clone();
        pods.ring(Box::new(move || bell.wake()));
        let outputs = run.config.outputs.len();
        let (sender, ended) = channel(outputs.max(1));
        let parts = Parts { store: store.clone(), progress: catalog.progress(), ended: sender };
        let shares = memory::shares(&run.config);
        let mut inboxes = Vec::new();
        for (index, output) in run.config.outputs.iter().enumerate() {
            let saved = state.lanes.remove(&LaneId(output.id.clone()));
            let share = shares.get(index).copied().unwrap_or(0);
            inboxes.push(lanes::start(run, index, share, saved, catalog.shelf(), &parts)?);
        }
        drop(state);
        let around = around(run, &inboxes, &store);
        let called = caller.clone();
        let body = move || catalog::thread::run(catalog, &called, around);
        let thread = std::thread::Builder::new().name("catalog".into()).spawn(body);
        let thread = thread.map_err(|e| format!("no thread for the catalog: {e}"))?;
        let cache = cache.map(|cache| Arc::new(Mutex::new(cache)));
        Ok(Agent { store, caller, catalog: Some(thread), inboxes, ended, pods, cache })
    }

    /// Hands signals on, keeps up appearances, and ends when all lanes have.
    pub async fn supervise(&mut self, run: &Run, signals: &mut Signals) -> Exit {
        let mut left: Vec<(usize, Vec<Left>)> = Vec::new();
        let (mut failed, mut draining, mut running) = (false, false, self.inboxes.len());
        while running > 0 {
            tokio::select! {
                end = self.ended.recv() => {
                    running -= 1;
                    match end {
                        Some((index, Some(of_lane))) => left.push((index, of_lane)),
                        Some((_, None)) | None => failed = true,
                    }
                    // A lane whose thread failed takes the process down: the next one goes on where it stood.
                    if failed && !draining {
                        tracing::error!("a lane's thread failed: stopping");
                        draining = self.drain(run);
                    }
                }
                () = signals.next() => {
                    if draining {
                        tracing::warn!("second signal: leaving at once");
                        return Exit::Failed;
                    }
                    draining = self.drain(run);
                }
                () = tokio::time::sleep(UPKEEP) => self.upkeep(run),
            }
        }
        self.stop(run);
        let unsettled = report_left(run, &left);
        if failed || (unsettled && run.once.is_some()) { Exit::Failed } else { Exit::Done }
    }
    fn drain(&self, run: &Run) -> bool {
        let within = run.config.shutdown_timeout;
        tracing::info!(within_seconds = within.as_secs(), "draining: everything is due now");
        run.board.phase(Phase::Draining);
        let by = run.clock.now().mono.saturating_add(within);
        self.inboxes.iter().for_each(|inbox| inbox.push(Event::Drain { by }));
        true
    }
    fn upkeep(&self, run: &Run) {
        run.board.process(crate::telemetry::process::read());
        run.board.writes(Kept::Positions, self.store.trouble());
        // Not while it is just being written: a disk may hang.
        if let Some(trouble) = self.cache.as_ref().and_then(|cache| Some(cache.try_lock().ok()?.trouble())) {
            run.board.writes(Kept::Pods, trouble);
        }
        let now = run.clock.now();
        if let Some(cache) = &self.cache
            // Taken: it is just being written.
            && cache.try_lock().is_ok_and(|cache| cache.is_due(now, &self.pods))
        {
            // A disk may hang, and senders share this thread.
            let (cache, pods) = (cache.clone(), self.pods.clone());
            drop(tokio::task::spawn_blocking(move || locked(&cache).write(now, &pods)));
        }
    }
    fn stop(&mut self, run: &Run) {
        self.caller.stop();
        if let Some(thread) = self.catalog.take()
            && thread.join().is_err()
        {
            tracing::error!("the catalog's thread failed");
        }
        if let Some(cache) = &self.cache {
            locked(cache).write(run.clock.now(), &self.pods);
        }
        if let Err(why) = self.store.clone().stop(LAST_SYNC) {
            tracing::error!(%why, "the last positions could not be saved");
        }
    }
}

// A cache is whole after any panic: what it last wrote is all that it knows.
fn locked(cache: &Mutex<Cache<OsStorage>>) -> MutexGuard<'_, Cache<OsStorage>> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

fn setup(run: &Run) -> Setup {
    let own_pod = std::env::var("POD_UID").ok();
    Setup {
        inputs: run.config.inputs.iter().map(|i| InputSpec::of(i, own_pod.as_deref())).collect(),
        host: run.config.node.clone(),
        lanes: run.config.outputs.len(),
        once: run.once.is_some(),
        max_handles: handle_budget(),
        retain_dir: run.config.data_dir.join("retained"),
        retain_max: run.config.retain.max_bytes,
        min_free_percent: run.config.retain.min_free_percent,
        known: Default::default(),
        marks: Default::default(),
        random: Box::new(|| {
            // Without the system's randomness an id that repeats would be worse than none: use what differs anyway.
            random_id().unwrap_or_else(|_| fallback_id())
        }),
    }
}
fn fallback_id() -> u128 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}

/// What each input that asks the API server wants of a pod.
fn wanted(run: &Run) -> HashMap<Arc<str>, Wanted> {
    let of = |input: &Input| match &input.kind {
        InputKind::Kubernetes { metadata, .. } if metadata.source == MetadataSource::Api => {
            let annotations = metadata.annotations.clone().into_boxed_slice();
            Some((input.name.clone(), Wanted { labels: metadata.labels, annotations }))
        }
        InputKind::Kubernetes { .. } | InputKind::File { .. } => None,
    };
    run.config.inputs.iter().filter_map(of).collect()
}

/// Follows this node's pods, where an input wants more than paths say.
fn watch_pods(run: &Run, wanted: &HashMap<Arc<str>, Wanted>, pods: &Arc<Pods>, cached: bool) -> Result<(), String> {
    if wanted.is_empty() {
        return Ok(());
    }
    let mut annotations: Vec<String> = wanted.values().flat_map(|w| w.annotations.iter().cloned()).collect();
    annotations.sort();
    annotations.dedup();
    let settings = Settings { api: Api::Infer, node: run.config.node.clone(), annotations, timing: Default::default() };
    let clock = run.clock;
    let watch = Watch::new(settings, pods.clone(), run.board.clone(), move || clock.now())?;
    drop(tokio::spawn(async move { watch.run(cached).await }));
    Ok(())
}

/// What the catalog's thread does beside finding files.
fn around(run: &Run, inboxes: &[Arc<Inbox>], store: &StoreHandle) -> Around {
    let (clock, store) = (run.clock, store.clone());
    let sink = |inbox: &Arc<Inbox>| {
        let inbox = inbox.clone();
        Box::new(move |views: &[FileView]| inbox.post(views)) as Box<dyn Fn(&[FileView]) + Send>
    };
    let scanned: Vec<Arc<Inbox>> = inboxes.to_vec();
    let (board, beats) = (run.board.clone(), run.board.clone());
    Around {
        clock: Box::new(move || clock.now()),
        sinks: inboxes.iter().map(sink).collect(),
        save: Box::new(move |records, durable| match durable {
            None => store.append(records),
            // Dropped either way: written, or it cannot be written now; reading never needs a write.
            Some(durable) => store.append_then(records, true, Box::new(move |_| drop(durable))),
        }),
        report: Box::new(move |report| board.catalog(report)),
        first_scan_done: Box::new(move || scanned.iter().for_each(|inbox| inbox.push(Event::Scanned))),
        beat: Box::new(move |now| beats.beat("catalog", now)),
    }
}

/// One line for each output that did not get everything, naming its destinations. True when there was one.
fn report_left(run: &Run, left: &[(usize, Vec<Left>)]) -> bool {
    let mut any = false;
    for (index, of_lane) in left.iter().filter(|(_, of_lane)| !of_lane.is_empty()) {
        any = true;
        let output = run.config.outputs.get(*index).map_or("", |o| &o.name);
        let bytes: u64 = of_lane.iter().map(|l| l.bytes).sum();
        let why = |l: &Left| match &l.why {
            Some((code, said)) => format!("{code}: {}", say(code, said)),
            None => "not answered yet".to_string(),
        };
        let named = |l: &Left| format!("{} ({} bytes of {}): {}", l.key, l.bytes, l.who, why(l));
        let mut what: Vec<String> = of_lane.iter().take(NAMED_MOST).map(named).collect();
        if of_lane.len() > NAMED_MOST {
            what.push(format!("and {} more", of_lane.len() - NAMED_MOST));
        }
        tracing::warn!(%output, bytes, destinations = of_lane.len(), what = %what.join("; "), "not settled");
    }
    if !any {
        tracing::info!("stopped: everything read is settled");
    }
    any
}
