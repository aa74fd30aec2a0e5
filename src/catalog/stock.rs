//! Everything the catalog holds, and the small moves that the rules in the other files are made of.

use super::Turn;
use super::dense::DenseMap;
use super::disk::{Base, Disk};
use super::doubt::Unopened;
use super::entry::{Dir, Entry, Group, Heat, Key, Trail, Who};
use super::identity;
use super::known::Known;
use super::links::Links;
use super::progress::Progress;
use super::retain::Retained;
use super::shed::Space;
use super::shelf::{Closed, Shelf, Source};
use super::spec::{InputSpec, Setup, SpecKind};
use crate::lane::batch::Code;
use crate::record::{FileId, Now};
use crate::ruling::Why;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Names in the report of what was lost, before the rest is summed under "other".
const LOST_NAMES: usize = 1000;
/// Files that could not be read, remembered at most.
const REFUSED_MAX: usize = 10_000;

/// Counters of one input since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub files: u64,
    pub hot: u64,
    pub bytes: u64,
    pub offered: u64,
    /// Bytes left out, by [`crate::ruling::Why`].
    pub left_out: [u64; Why::ALL.len()],
}

/// The catalog but for the pods.
pub(super) struct Stock {
    pub disk: Arc<dyn Disk>,
    pub shelf: Arc<Shelf>,
    pub progress: Arc<Progress>,
    pub inputs: Vec<InputSpec>,
    pub counts: Vec<Counts>,
    pub host: Arc<str>,
    pub once: bool,
    pub max_handles: usize,
    pub retain_max: u64,
    pub min_free_percent: u8,
    pub random: Box<dyn FnMut() -> u128 + Send>,
    pub dirs: HashMap<Key, Box<Dir>>,
    pub entries: HashMap<Key, Box<Entry>>,
    pub groups: HashMap<u64, Box<Group>>,
    /// Sums of pod UIDs, as directories say them, each with a group.
    pub uids: DenseMap<(u64, u64), ()>,
    pub by_inode: DenseMap<(u64, u64), Key>,
    pub by_id: DenseMap<FileId, Key>,
    pub known: Known,
    next_key: Key,
    pub now: Now,
    /// Directories to list in this tick; in the next; when a second has passed.
    pub due: BTreeSet<Key>,
    pub again: BTreeSet<Key>,
    pub later: BTreeSet<Key>,
    /// What could not be opened when its directory was last listed.
    pub unopened: BTreeMap<Key, Vec<Unopened>>,
    /// Something was listed since copies were last compared with what is there.
    pub listed: bool,
    /// Looked at each 100 ms.
    pub hot: BTreeSet<Key>,
    /// Looked after each second: something about them depends on time or on the lanes.
    pub active: BTreeSet<Key>,
    /// Something about them changed in this tick.
    pub touched: BTreeSet<Key>,
    /// `.gz` files being measured.
    pub measuring: BTreeSet<Key>,
    pub out: Turn,
    /// Everything that was there at the start has been listed.
    pub scanned: bool,
    /// Directories of inputs that are not there, and that was said.
    pub missing: BTreeSet<Key>,
    /// Files that may still be taken in in this tick.
    pub room: usize,
    /// Files without a byte that may still be taken in in this tick.
    pub room_for_empty: usize,
    /// Files without a byte for which there was none, since everything was last listed.
    pub overlooked: u64,
    pub most_rotated: usize,
    pub open: usize,
    /// Until then (mono) directories are scanned each second.
    pub polling_until: Option<Duration>,
    pub overflows: u64,
    pub without_metadata: u64,
    pub lost: BTreeMap<String, u64>,
    pub refused: HashMap<PathBuf, Code>,
    /// What the disk said of its free space, while anything is kept.
    pub space: Option<Space>,
    /// Deleted files held, and their bytes.
    pub held: (u64, u64),
    /// Copies of files that will be gone before all lanes have read them.
    pub retained: Retained,
    /// Files whose random ids are being made durable, a batch for each time the store was asked.
    pub syncing: VecDeque<Vec<Key>>,
    /// Those of this tick.
    pub to_sync: Vec<Key>,
    /// Links that name containers.
    pub links: Links,
    /// Everything is to be looked at in this tick.
    pub reconcile: bool,
    /// The next look at really everything (mono).
    pub next_whole: Duration,
    /// Something that should be watched could not be.
    pub unwatched: bool,
    /// While polling: the next look at cold files (mono).
    pub next_cold_look: Duration,
    /// What pods asked for that we do not have: the annotation and the parser, by `namespace/pod/container`.
    pub strange: BTreeMap<String, (Box<str>, Box<str>)>,
    pub strange_pods: u64,
}

impl Stock {
    pub fn new(setup: Setup, disk: Arc<dyn Disk>) -> Stock {
        Stock {
            shelf: Arc::new(Shelf::new(disk.clone(), (setup.max_handles / 4).max(1))),
            disk,
            progress: Arc::new(Progress::new(setup.lanes)),
            counts: vec![Counts::default(); setup.inputs.len()],
            inputs: setup.inputs,
            host: setup.host,
            once: setup.once,
            max_handles: setup.max_handles,
            retain_max: setup.retain_max,
            min_free_percent: setup.min_free_percent,
            random: setup.random,
            dirs: HashMap::new(),
            entries: HashMap::new(),
            groups: HashMap::new(),
            uids: DenseMap::default(),
            by_inode: DenseMap::default(),
            by_id: DenseMap::default(),
            known: Known::new(setup.known, setup.marks),
            next_key: 1,
            now: Now { mono: Duration::ZERO, unix_ns: 0 },
            due: BTreeSet::new(),
            again: BTreeSet::new(),
            later: BTreeSet::new(),
            unopened: BTreeMap::new(),
            listed: true,
            hot: BTreeSet::new(),
            active: BTreeSet::new(),
            touched: BTreeSet::new(),
            measuring: BTreeSet::new(),
            out: Turn::default(),
            scanned: false,
            missing: BTreeSet::new(),
            room: 0,
            room_for_empty: 0,
            overlooked: 0,
            most_rotated: 0,
            open: 0,
            polling_until: None,
            overflows: 0,
            without_metadata: 0,
            lost: BTreeMap::new(),
            strange: BTreeMap::new(),
            strange_pods: 0,
            refused: HashMap::new(),
            space: None,
            held: (0, 0),
            retained: Retained::new(&setup.retain_dir),
            syncing: VecDeque::new(),
            to_sync: Vec::new(),
            links: Links::default(),
            reconcile: false,
            next_whole: Duration::ZERO,
            unwatched: false,
            next_cold_look: Duration::ZERO,
        }
    }

    pub fn key(&mut self) -> Key {
        self.next_key += 1;
        self.next_key
    }

    pub fn base(&self, input: usize) -> Arc<Base> {
        self.inputs.get(input).map_or_else(
            || Arc::new(Base { root: PathBuf::from("/"), follow: super::disk::Follow::Never }),
            |i| i.base.clone(),
        )
    }

    pub fn kubernetes(&self, input: usize) -> bool {
        matches!(self.inputs.get(input).map(|i| &i.kind), Some(SpecKind::Kubernetes { .. }))
    }

    /// Groups of a pod, by its UID as directories say it.
    pub fn groups_of(&self, uid: &str) -> Vec<u64> {
        let sum = identity::chain(&[uid.as_bytes()]);
        let named = |chain: &u64| match self.groups.get(chain).map(|g| &g.who) {
            Some(Who::Pod(pod, _)) => pod.uid() == uid,
            Some(Who::Path) | None => false,
        };
        self.uids.keys_from(&(sum, 0)).take_while(|(of, _)| *of == sum).map(|(_, chain)| *chain).filter(named).collect()
    }

    /// A group is one of this pod's.
    pub fn note_uid(&mut self, uid: &str, chain: u64) {
        self.uids.insert((identity::chain(&[uid.as_bytes()]), chain), ());
    }

    /// Below the input's root.
    pub fn path_in(&self, dir: Key, name: &OsStr) -> PathBuf {
        self.dirs.get(&dir).map(|d| d.path.join(name)).unwrap_or_else(|| PathBuf::from(name))
    }

    /// For people, watches and comparison: absolute.
    pub fn path_of(&self, e: &Entry) -> Option<PathBuf> {
        let dir = self.dirs.get(&e.dir)?;
        Some(self.base(e.input).root.join(&dir.path).join(&*e.loc()?.name))
    }

    pub fn absolute(&self, input: usize, path: &Path) -> PathBuf {
        self.base(input).root.join(path)
    }

    /// It is looked after in this tick.
    pub fn touch(&mut self, key: Key) {
        self.touched.insert(key);
    }

    /// All siblings are looked after in this tick.
    pub fn touch_group(&mut self, group: u64) {
        if let Some(group) = self.groups.get(&group) {
            self.touched.extend(group.entries.iter().copied());
        }
    }

    /// Its size is looked at each 100 ms from now on.
    pub fn heat(&mut self, key: Key) {
        let Some(e) = self.entries.get_mut(&key) else { return };
        if e.heat != Heat::Hot && self.hot.insert(key) {
            let input = e.input;
            e.heat = Heat::Hot;
            if let Some(c) = self.counts.get_mut(input) {
                c.hot += 1;
            }
        }
        e.heat = Heat::Hot;
        self.active.insert(key);
    }

    pub fn cool(&mut self, key: Key) {
        if self.hot.remove(&key)
            && let Some(c) = self.entries.get(&key).and_then(|e| self.counts.get_mut(e.input))
        {
            c.hot = c.hot.saturating_sub(1);
        }
        if let Some(e) = self.entries.get_mut(&key) {
            e.heat = Heat::Cold;
        }
    }

    /// Holds a handle; lanes read through it.
    pub fn hold(&mut self, key: Key, source: Source) {
        let Some(e) = self.entries.get_mut(&key) else { return };
        if e.source.replace(source.clone()).is_none() {
            self.open += 1;
        }
        if let Some(id) = e.id {
            self.shelf.put(id, source);
        }
    }

    /// Lets the handle go; lanes open the file again by its name, if it has one.
    pub fn close(&mut self, key: Key) {
        let Some(source) = self.entries.get(&key).and_then(|e| e.source.clone()) else { return self.shelve(key) };
        let stat = source.content.stat().unwrap_or_default();
        // A last look: there may be no other way to it any more.
        let grown = self.entries.get(&key).is_some_and(|e| stat.size > e.size);
        if !source.gz && grown && !self.once && !self.grow_or_replace(key, stat) {
            return;
        }
        if !source.gz {
            self.prove(key, &source);
        }
        if let Some(e) = self.entries.get_mut(&key)
            && e.source.take().is_some()
        {
            e.mtime_ns = stat.mtime_ns;
            self.open = self.open.saturating_sub(1);
        }
        self.shelve(key);
    }

    /// Takes the proof of its bytes as far as they are known.
    pub fn prove(&mut self, key: Key, source: &Source) {
        if let Some(e) = self.entries.get_mut(&key)
            && e.proof.at != e.size
            && let Some(proof) = super::identity::proof_at(source.content.as_ref(), e.size)
        {
            e.proof = proof;
        }
    }

    /// Tells the shelf where a closed file is now.
    pub fn shelve(&mut self, key: Key) {
        let Some(e) = self.entries.get(&key) else { return };
        let Some(id) = e.id else { return };
        match (&e.source, e.loc()) {
            (Some(source), _) => self.shelf.put(id, source.clone()),
            (None, Some(loc)) => {
                let closed = Closed {
                    base: self.base(e.input),
                    dir: self.dirs.get(&e.dir).map_or_else(|| Path::new("").into(), |d| d.path.clone()),
                    name: loc.name.clone(),
                    inode: loc.inode,
                    head: e.head,
                    proof: e.proof,
                    gz: e.plain.is_none(),
                };
                self.shelf.close(id, closed);
            }
            (None, None) => match self.closed_copy(key, e).filter(|_| e.trail == Trail::Kept) {
                Some(closed) => self.shelf.close(id, closed),
                None => self.shelf.remove(id),
            },
        }
    }

    /// A path could not be read: shown in the report until it can, or is gone.
    pub fn refuse(&mut self, path: PathBuf, e: &io::Error) {
        if self.refused.len() < REFUSED_MAX || self.refused.contains_key(&path) {
            self.refused.insert(path, code(e));
        }
    }

    /// Bytes nobody will ever read.
    pub fn count_lost(&mut self, who: String, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let who = if self.lost.len() < LOST_NAMES || self.lost.contains_key(&who) { who } else { "other".to_owned() };
        let sum = self.lost.entry(who).or_default();
        *sum = sum.saturating_add(bytes);
    }

    /// What all lanes have settled; nothing of a file that they do not know.
    pub fn settled(&self, e: &Entry) -> u64 {
        match (e.id, &e.offered) {
            (Some(id), Some(_)) => self.progress.settled_by_all(id),
            (_, _) => 0,
        }
    }

    /// `namespace/pod/container`, or the path.
    pub fn who(&self, e: &Entry) -> String {
        match (&e.offered, self.groups.get(&e.group).map(|g| &g.who)) {
            (_, Some(Who::Pod(pod, container))) => format!("{}/{}/{container}", pod.namespace(), pod.pod()),
            (Some(file), _) => file.origin.who(),
            (None, _) => match (self.path_of(e), &e.first_fields) {
                (Some(path), _) => path.to_string_lossy().into_owned(),
                (None, first) => first.as_ref().and_then(|f| f.get("path")).unwrap_or_default().to_owned(),
            },
        }
    }
}

/// The errno's name, for the report.
pub(super) fn code(e: &io::Error) -> Code {
    let name = match e.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::ACCESS) => "EACCES",
        Some(rustix::io::Errno::PERM) => "EPERM",
        Some(rustix::io::Errno::IO) => "EIO",
        Some(rustix::io::Errno::LOOP) => "ELOOP",
        Some(rustix::io::Errno::XDEV) => "EXDEV",
        Some(rustix::io::Errno::MFILE) => "EMFILE",
        Some(rustix::io::Errno::NFILE) => "ENFILE",
        Some(rustix::io::Errno::NOENT) => "ENOENT",
        Some(rustix::io::Errno::MLINK) => "EMLINK",
        Some(rustix::io::Errno::STALE) => "ESTALE",
        Some(rustix::io::Errno::NOTDIR) => "ENOTDIR",
        Some(_) => "other_errno",
        None if e.kind() == io::ErrorKind::InvalidInput => "not_regular",
        None if e.kind() == io::ErrorKind::PermissionDenied => "EACCES",
        None if e.kind() == io::ErrorKind::Unsupported => "sparse",
        None => "other",
    };
    Code::new(name)
}
