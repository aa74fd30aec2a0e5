//! What the tests drive: a simulated disk, time, pods, a store that takes everything, a lane that settles on request.

use crate::catalog::disk::{Base, Follow};
use crate::catalog::glob::Glob;
use crate::catalog::pods::{Extra, PodPath, PodState, Pods};
use crate::catalog::reader::Reader;
use crate::catalog::sim::SimDisk;
use crate::catalog::spec::{InputSpec, Setup, SpecKind};
use crate::catalog::view::{FileView, Found, Life};
use crate::catalog::{Catalog, Hint, Turn, WatchChange};
use crate::metadata::pod::Pod;
use crate::metadata::rules::Rules;
use crate::origin::Fields;
use crate::record::{FileId, Mark, Now};
use crate::store::saved::{KnownFile, Saved};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const POD: &str = "/var/log/pods/shop_web-1_uid1/app";
pub const START_NS: i64 = 1_800_000_000_000_000_000;

/// Pods that tests know, by UID.
#[derive(Clone, Default)]
pub struct FakePods(pub Arc<Mutex<FakeTable>>);

#[derive(Default)]
pub struct FakeTable {
    pub known: BTreeMap<String, Vec<(String, String)>>,
    pub terminated: Vec<(String, u32)>,
    pub going: Vec<String>,
    pub changed: Vec<String>,
    pub forgotten: Vec<String>,
    /// For rules, by UID.
    pub pods: BTreeMap<String, Arc<Pod>>,
}

impl FakePods {
    pub fn know(&self, uid: &str, fields: &[(&str, &str)]) {
        let mut t = self.0.lock().unwrap();
        t.known.insert(uid.into(), fields.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect());
        t.changed.push(uid.into());
    }
}

impl Pods for FakePods {
    fn lookup(&self, of: &PodPath<'_>, extra: Extra) -> PodState {
        match self.0.lock().unwrap().known.get(of.uid) {
            Some(fields) => {
                let mut all = extra;
                all.extend(fields.iter().map(|(k, v)| (Cow::Owned(k.clone()), v.as_str().into())));
                all.push((Cow::Borrowed("tailrace.pod"), "known".into()));
                PodState::Known { fields: Arc::new(Fields::new(all)), complete: true }
            }
            None => PodState::Unknown,
        }
    }
    fn pod(&self, uid: &str) -> Option<Arc<Pod>> {
        self.0.lock().unwrap().pods.get(uid).cloned()
    }
    fn terminated(&self, of: &PodPath<'_>) -> bool {
        self.0.lock().unwrap().terminated.iter().any(|(uid, restart)| uid == of.uid && *restart == of.restart)
    }
    fn going(&self, uid: &str) -> bool {
        self.0.lock().unwrap().going.iter().any(|u| u == uid)
    }
    fn changed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().changed)
    }
    fn forget(&mut self, uid: &str) {
        self.0.lock().unwrap().forgotten.push(uid.into());
    }
}

/// One life of the agent.
pub struct Rig {
    pub disk: SimDisk,
    pub pods: FakePods,
    pub catalog: Catalog<FakePods>,
    pub reader: Reader,
    pub now: Now,
    /// The newest view of each file.
    pub views: BTreeMap<FileId, FileView>,
    /// Every view ever sent, in order.
    pub sent: Vec<FileView>,
    /// What the store has.
    pub store: HashMap<FileId, KnownFile>,
    pub gone: Vec<FileId>,
    pub watched: BTreeMap<u64, WatchChange>,
    pub last: Turn,
    /// For the next life.
    pub max_handles: usize,
    /// Watches work.
    pub watching: bool,
    pending: Vec<Hint>,
}

pub fn pods_input() -> InputSpec {
    InputSpec {
        name: "pods".into(),
        base: Arc::new(Base { root: PathBuf::from("/var/log/pods"), follow: Follow::Never }),
        exclude: Vec::new(),
        rules: Rules::default(),
        kind: SpecKind::Kubernetes { wait: None, skip_pod: None },
    }
}

pub fn waiting_input(wait: Duration) -> InputSpec {
    InputSpec { kind: SpecKind::Kubernetes { wait: Some(wait), skip_pod: None }, ..pods_input() }
}

pub fn file_input(name: &str, include: &[&str]) -> InputSpec {
    InputSpec {
        name: name.into(),
        base: Arc::new(Base { root: PathBuf::from("/"), follow: Follow::Any }),
        exclude: Vec::new(),
        rules: Rules::default(),
        kind: SpecKind::File { include: include.iter().map(|g| Glob::new(g)).collect(), pod: Vec::new() },
    }
}

pub fn setup(inputs: Vec<InputSpec>) -> Setup {
    let mut next = 1000;
    Setup {
        inputs,
        host: "node-1".into(),
        lanes: 1,
        once: false,
        max_handles: 1000,
        retain_dir: "/data/retained".into(),
        retain_max: 1 << 30,
        min_free_percent: 20,
        known: HashMap::new(),
        marks: HashMap::new(),
        random: Box::new(move || {
            next += 1;
            next
        }),
    }
}

impl Rig {
    pub fn new(inputs: Vec<InputSpec>) -> Rig {
        Rig::with(SimDisk::new(), setup(inputs), Duration::from_secs(100))
    }

    pub fn with(disk: SimDisk, setup: Setup, mono: Duration) -> Rig {
        Rig::knowing(FakePods::default(), disk, setup, mono)
    }

    fn knowing(pods: FakePods, disk: SimDisk, setup: Setup, mono: Duration) -> Rig {
        let max_handles = setup.max_handles;
        let catalog = Catalog::new(setup, Arc::new(disk.clone()), pods.clone());
        let reader = Reader::new(catalog.shelf());
        let now = Now { mono, unix_ns: START_NS + mono.as_nanos() as i64 };
        disk.set_time(now.unix_ns);
        Rig {
            disk,
            pods,
            catalog,
            reader,
            now,
            views: BTreeMap::new(),
            sent: Vec::new(),
            store: HashMap::new(),
            gone: Vec::new(),
            watched: BTreeMap::new(),
            last: Turn::default(),
            max_handles,
            watching: true,
            pending: Vec::new(),
        }
    }

    /// The agent dies; the next one starts `down` later with what the store has and with these marks.
    pub fn restart(self, inputs: Vec<InputSpec>, down: Duration, marks: HashMap<FileId, Vec<Mark>>) -> Rig {
        let mut next = setup(inputs);
        next.known = self.store.clone();
        next.max_handles = self.max_handles;
        next.marks = marks;
        let seed = self.now.unix_ns as u128;
        let mut n = 0;
        next.random = Box::new(move || {
            n += 1;
            seed + n
        });
        let mut rig = Rig::knowing(self.pods.clone(), self.disk.clone(), next, self.now.mono + down);
        rig.store = self.store.clone();
        rig
    }

    pub fn tick_with(&mut self, hints: &[Hint]) {
        let mut turn = self.catalog.tick(self.now, hints);
        for job in std::mem::take(&mut turn.jobs) {
            self.catalog.copied(job.run());
        }
        for change in &turn.watch {
            match change {
                WatchChange::Dir(key, _) | WatchChange::File(key, _) => {
                    self.watched.insert(*key, change.clone());
                }
                WatchChange::Drop(key) => {
                    self.watched.remove(key);
                }
            }
        }
        if self.watching {
            self.pending.extend(self.disk.watch(&turn.watch));
        }
        for saved in &turn.saved {
            if let Saved::File(file) = saved {
                self.store.insert(file.id, file.clone());
            } else if let Saved::FileGone { id } = saved {
                self.store.remove(id);
                self.gone.push(*id);
            } else {
                panic!("not the catalog's: {saved:?}");
            }
        }
        for view in &turn.changed {
            if view.life == Life::Gone {
                self.views.remove(&view.file.id);
            } else {
                self.views.insert(view.file.id, view.clone());
            }
            self.sent.push(view.clone());
        }
        let again = turn.must_sync;
        self.last = turn;
        if again {
            // The store answers, and wakes the thread.
            self.catalog.synced();
            self.tick();
        }
    }

    pub fn tick(&mut self) {
        let mut hints = std::mem::take(&mut self.pending);
        if self.watching {
            hints.extend(self.disk.hints());
        }
        self.tick_with(&hints);
    }

    /// Time passes as the thread would let it: ticks when asked to, at the latest.
    pub fn run(&mut self, time: Duration) {
        let end = self.now.mono + time;
        self.tick();
        while self.now.mono < end {
            let wake = self.last.wake.max(self.now.mono + Duration::from_millis(10)).min(end);
            self.pass(wake - self.now.mono);
            self.tick();
        }
    }

    pub fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.unix_ns += time.as_nanos() as i64;
        self.disk.set_time(self.now.unix_ns);
    }

    pub fn secs(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    pub fn settle(&self, id: FileId, low: u64) {
        self.catalog.progress().passed(0, id, low);
    }

    pub fn settle_all(&self) {
        for (id, view) in &self.views {
            self.settle(*id, view.size);
        }
    }

    /// All plain bytes of a file, up to its size.
    pub fn read(&mut self, id: FileId) -> Vec<u8> {
        let size = self.views.get(&id).map_or(u64::MAX, |v| v.size);
        let (mut out, mut block) = (Vec::new(), [0; 1000]);
        while (out.len() as u64) < size {
            let want = block.len().min((size - out.len() as u64) as usize);
            match self.reader.read(id, out.len() as u64, &mut block[..want]) {
                Ok(Found::Bytes(0)) | Err(_) => break,
                Ok(Found::Bytes(n)) => out.extend_from_slice(&block[..n]),
                Ok(Found::Hole(to)) => out.resize(to as usize, 0),
            }
        }
        out
    }

    /// Views by path and name as people see them: (path at discovery, size, life).
    pub fn offered(&self) -> Vec<(String, u64, Life)> {
        let mut all: Vec<&FileView> = self.views.values().collect();
        all.sort_by_key(|v| v.file.place);
        all.iter().map(|v| (v.file.origin.path.to_string(), v.size, v.life)).collect()
    }

    pub fn only(&self) -> FileView {
        assert_eq!(self.views.len(), 1, "{:?}", self.offered());
        self.views.values().next().unwrap().clone()
    }
}

/// A CRI line; `n` makes its stamp.
pub fn line(n: u64, text: &str) -> Vec<u8> {
    format!("2026-11-22T10:15:{:02}.{:09}Z stdout F {text}\n", n / 1_000_000_000 % 60, n % 1_000_000_000).into_bytes()
}
