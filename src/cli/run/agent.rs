//! The parts of a running agent, in the order in which they start and stop.
//!
//! Start: store (before), pods, catalog, lanes. Stop: lanes drain while the catalog goes on finding and reading goes
//! on; then the catalog says its last words, then the store is synced. Which lanes there are is `fleet`'s business, and
//! when to stop `supervise`'s.

use super::Run;
use super::fleet::Fleet;
use super::followed;
use super::lanes::{News, Parts};
use super::own_pod;
use super::state::{self, Opened};
use crate::catalog::os::{OsDisk, handle_budget, random_id};
use crate::catalog::pods::NodePods;
use crate::catalog::spec::{InputSpec, Setup};
use crate::catalog::thread::{Around, Caller};
use crate::catalog::{self, Catalog};
use crate::config::checked::{Config, Input};
use crate::metadata::cache::Cache;
use crate::metadata::pods::Pods;
use crate::metadata::watch::Watch;
use crate::store::saved::marks;
use crate::store::storage::OsStorage;
use crate::store::thread::StoreHandle;
use crate::telemetry::board::Board;
use crate::telemetry::report::Written;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::AbortHandle;

/// The store's last sync may take this long.
const LAST_SYNC: Duration = Duration::from_secs(5);

/// All threads of a running agent.
pub struct Agent {
    /// Its lanes.
    pub fleet: Fleet,
    /// What happens to them.
    pub news: UnboundedReceiver<News>,
    store: StoreHandle,
    caller: Caller,
    catalog: Option<JoinHandle<()>>,
    pods: Arc<Pods>,
    watch: Option<AbortHandle>,
    cache: Option<SharedCache>,
}

/// Written by a thread of its own; at most one at a time.
type SharedCache = Arc<Mutex<Cache<OsStorage>>>;

/// Whether an agent could be started with `config`, as far as that can be told without starting it.
pub fn check(run: &Run, config: &Config) -> Result<(), String> {
    config.outputs.iter().try_for_each(crate::cli::output::check)?;
    let wanted = followed::wanted(config);
    if wanted.is_empty() { Ok(()) } else { pod_watch(run, config, &Arc::new(Pods::new())).map(drop) }
}

impl Agent {
    /// Starts everything; an error names what could not be.
    pub fn start(run: &Run, opened: Opened) -> Result<Agent, String> {
        run.config.outputs.iter().try_for_each(crate::cli::output::check)?;
        let pods = Arc::new(Pods::new());
        let wanted = followed::wanted(&run.config);
        let mut cache = (!wanted.is_empty()).then(|| Cache::new(OsStorage::new(&run.config.data_dir)));
        let cached = cache.as_mut().map_or(0, |c| c.load(&pods)) > 0;
        let watch = match wanted.is_empty() {
            true => None,
            false => {
                let watch = pod_watch(run, &run.config, &pods)?;
                Some(tokio::spawn(async move { watch.run(cached).await }).abort_handle())
            }
        };
        let Opened { store, state } = opened;
        let setup = Setup { marks: marks(&state.lanes), known: state.files, ..setup(run) };
        let catalog = Catalog::new(setup, Arc::new(OsDisk::default()), NodePods::new(pods.clone(), wanted));
        let caller = Caller::new().map_err(|e| format!("no eventfd: {e}"))?;
        let bell = caller.clone();
        pods.ring(Box::new(move || bell.wake()));
        let (sender, news) = unbounded_channel();
        let (progress, shelf) = (catalog.progress(), catalog.shelf());
        let parts = Parts { store: store.clone(), progress, shelf, news: sender };
        // Lanes first: the catalog's first look is theirs.
        let fleet = Fleet::start(run, parts, caller.clone(), state.lanes)?;
        let around = around(run, &store);
        let called = caller.clone();
        let body = move || catalog::thread::run(catalog, &called, around);
        let thread = std::thread::Builder::new().name("catalog".into()).spawn(body);
        let thread = thread.map_err(|e| format!("no thread for the catalog: {e}"))?;
        let cache = cache.map(|cache| Arc::new(Mutex::new(cache)));
        Ok(Agent { fleet, news, store, caller, catalog: Some(thread), pods, watch, cache })
    }

    /// Caps that need nobody built anew.
    pub fn retain(&self, run: &Run) {
        self.caller.retain(run.config.retain.max_bytes, run.config.retain.min_free_percent);
    }

    /// Writes what should be on disk now and then.
    pub fn upkeep(&self, run: &Run) {
        run.board.process(crate::telemetry::process::read());
        self.store.lose_patience();
        run.board.writes(Written::Positions, self.store.trouble());
        // Not while it is just being written: a disk may hang.
        if let Some(trouble) = self.cache.as_ref().and_then(|cache| Some(cache.try_lock().ok()?.trouble())) {
            run.board.writes(Written::Pods, trouble);
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

    /// Ends all but the store, once no lane runs any more.
    pub fn stop(&mut self, run: &Run) {
        if let Some(watch) = self.watch.take() {
            watch.abort();
        }
        self.caller.stop();
        if let Some(thread) = self.catalog.take()
            && thread.join().is_err()
        {
            tracing::error!("the catalog's thread failed");
        }
        run.board.beat_ended(CATALOG);
        if let Some(cache) = &self.cache {
            locked(cache).write(run.clock.now(), &self.pods);
        }
    }

    /// Ends the store too.
    pub fn close(self) {
        if let Err(why) = self.store.stop(LAST_SYNC) {
            tracing::error!(%why, "the last positions could not be saved");
        }
    }

    /// After `stop`: the store with what it knows now, for the next agent in this process.
    pub async fn reopen(self, board: &Board) -> Result<Opened, String> {
        let store = self.store.clone();
        // What belongs to this agent goes before the next one starts.
        drop(self);
        board.metadata_gone();
        state::reopen(store).await
    }
}

/// The catalog's thread, as it is called everywhere.
const CATALOG: &str = "catalog";

// A cache is whole after any panic: what it last wrote is all that it knows.
fn locked(cache: &Mutex<Cache<OsStorage>>) -> MutexGuard<'_, Cache<OsStorage>> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

fn setup(run: &Run) -> Setup {
    let own_pod = std::env::var("POD_UID").ok();
    let spec = |input: &Input| {
        let fields = own_pod::fields(input, &run.config.node);
        InputSpec::of(input, own_pod.as_deref(), fields)
    };
    Setup {
        inputs: run.config.inputs.iter().map(spec).collect(),
        host: run.config.node.clone(),
        // Each joins as it starts.
        lanes: 0,
        once: run.once.is_some(),
        max_handles: handle_budget(),
        retain_dir: run.config.data_dir.join(state::RETAINED),
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

/// Follows this node's pods, where an input wants more than paths say.
fn pod_watch(run: &Run, config: &Config, pods: &Arc<Pods>) -> Result<Watch, String> {
    let clock = run.clock;
    let settings = followed::settings(config, Default::default());
    Watch::new(settings, pods.clone(), run.board.clone(), move || clock.now())
}

/// What the catalog's thread does beside finding files.
fn around(run: &Run, store: &StoreHandle) -> Around {
    let (clock, store) = (run.clock, store.clone());
    let (board, beats) = (run.board.clone(), run.board.clone());
    Around {
        clock: Box::new(move || clock.now()),
        save: Box::new(move |records, durable| match durable {
            None => store.append(records),
            // Dropped either way: written, or it cannot be written now; reading never needs a write.
            Some(durable) => store.append_then(records, true, Box::new(move |_| drop(durable))),
        }),
        report: Box::new(move |report| board.catalog(report)),
        beat: Box::new(move |now| beats.beat(CATALOG, now)),
    }
}
