//! Each input: how many files the agent would find, which of them it cannot open, and why.
//!
//! The agent's own catalog looks, once, over a disk that takes notes and refuses to write.

use crate::catalog::disk::{Base, Content, Disk, Follow, Kind, Listed, Stat};
use crate::catalog::name::kubelet;
use crate::catalog::os::OsDisk;
use crate::catalog::pods::NodePods;
use crate::catalog::spec::{InputSpec, Setup, SpecKind};
use crate::catalog::{Catalog, WatchChange};
use crate::cli::clock::Clock;
use crate::config::checked::{Config, Input};
use crate::metadata::pods::Pods;
use crate::origin::{Fields, Meta, Origin};
use crate::record::Grammar;
use arc_swap::ArcSwap;
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Looking takes no longer; what was found until then is told.
const LOOK: Duration = Duration::from_secs(6);
/// Files of one input whose origin is kept: destinations are tried with some of them.
const SAMPLES: usize = 1_000;
/// Between two looks while there is more to find.
const STEP: Duration = Duration::from_millis(5);

/// A file that is there, or an example of one.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Where it comes from.
    pub origin: Arc<Origin>,
}

impl Sample {
    /// A pod's file that nobody has.
    pub fn example(node: &Arc<str>) -> Sample {
        let field = |name: &'static str, value: &str| (name.into(), value.into());
        let fields = Arc::new(Fields::new(vec![
            field("host", node),
            field("path", "/tailrace-doctor"),
            field("kubernetes.container_name", "tailrace-doctor"),
            field("kubernetes.host", node),
            field("kubernetes.namespace_name", "default"),
            field("kubernetes.pod_name", "tailrace-doctor"),
        ]));
        let meta = ArcSwap::from_pointee(Meta::new(fields.clone()));
        let (input, path) = ("".into(), "/tailrace-doctor".into());
        Sample { origin: Arc::new(Origin { input, path, grammar: Grammar::Plain, fields, meta }) }
    }
}

/// What one input's look brought.
#[derive(Debug, Default)]
pub struct Found {
    /// Files that were opened.
    pub opened: BTreeSet<PathBuf>,
    /// Files and directories that could not be, and the system's number for why.
    pub refused: BTreeMap<PathBuf, Errno>,
    /// Names that would be logs and are no regular files (a FIFO, a socket, a directory).
    pub irregular: BTreeSet<PathBuf>,
    /// Names that would be logs and are links, which are not followed.
    pub links: BTreeSet<PathBuf>,
    /// Directories that are watched.
    pub directories: usize,
    /// The input's root is not there.
    pub no_root: bool,
    /// Not everything was looked at.
    pub cut_short: bool,
}

/// Notes what the catalog asks for.
struct Notes {
    disk: OsDisk,
    spec: InputSpec,
    found: Mutex<Found>,
}

impl Notes {
    fn found(&self) -> MutexGuard<'_, Found> {
        // Whole after any panic.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing of our own directories.
    fn is_input(&self, base: &Base) -> bool {
        *base == *self.spec.base
    }

    /// Whether the input would read a file of this name.
    fn wants(&self, path: &Path) -> bool {
        let bytes = path.as_os_str().as_bytes();
        let left_out = self.spec.exclude.iter().any(|glob| glob.covers(bytes));
        !left_out
            && match &self.spec.kind {
                SpecKind::Kubernetes { .. } => path.file_name().is_some_and(|name| kubelet(name).is_some()),
                SpecKind::File { include, pod: _ } => include.iter().any(|glob| glob.covers(bytes)),
            }
    }

    fn note_names(&self, base: &Base, dir: &Path, listed: &[Listed]) {
        let mut found = self.found();
        for entry in listed {
            let to = match entry.kind {
                Kind::Other => &mut found.irregular,
                Kind::Link if base.follow == Follow::Never => &mut found.links,
                Kind::Link | Kind::File | Kind::Dir => continue,
            };
            let path = base.root.join(dir).join(&entry.name);
            if self.wants(&path) {
                to.insert(path);
            }
        }
    }

    fn note_refusal(&self, base: &Base, path: &Path, error: &io::Error) {
        let path = base.root.join(path);
        match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::NotFound, _) => {}
            // What a disk says of all that is no regular file.
            (io::ErrorKind::InvalidInput, None) => drop(self.found().irregular.insert(path)),
            (_, number) => {
                let number = number.map_or(Errno::IO, Errno::from_raw_os_error);
                self.found().refused.insert(path, number);
            }
        }
    }
}

impl Disk for Notes {
    fn list(&self, base: &Base, dir: &Path) -> io::Result<Vec<Listed>> {
        let listed = self.disk.list(base, dir);
        match &listed {
            _ if !self.is_input(base) => {}
            Ok(listed) => self.note_names(base, dir, listed),
            Err(error) if error.kind() == io::ErrorKind::NotFound && dir.as_os_str().is_empty() => {
                self.found().no_root = true;
            }
            Err(error) => self.note_refusal(base, dir, error),
        }
        listed
    }

    fn open(&self, base: &Base, path: &Path) -> io::Result<Arc<dyn Content>> {
        let opened = self.disk.open(base, path);
        match &opened {
            _ if !self.is_input(base) => {}
            Ok(_) => drop(self.found().opened.insert(base.root.join(path))),
            Err(error) => self.note_refusal(base, path, error),
        }
        opened
    }

    fn read_link(&self, base: &Base, path: &Path) -> io::Result<PathBuf> {
        self.disk.read_link(base, path)
    }

    fn peek(&self, base: &Base, path: &Path) -> io::Result<Stat> {
        self.disk.peek(base, path)
    }

    fn free_percent(&self, path: &Path) -> io::Result<u8> {
        self.disk.free_percent(path)
    }

    fn write_whole(&self, _: &Path, _: &mut dyn FnMut(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// Looks for an input's files as the agent would at its first start.
pub fn look(config: &Config, input: &Input) -> (Found, Vec<Sample>) {
    let own_pod = std::env::var("POD_UID").ok();
    let mut spec = InputSpec::of(input, own_pod.as_deref(), Vec::new());
    if let SpecKind::Kubernetes { wait, .. } = &mut spec.kind {
        *wait = None;
    }
    let notes = Arc::new(Notes { disk: OsDisk::default(), spec: spec.clone(), found: Mutex::new(Found::default()) });
    let mut next = 0u128;
    let setup = Setup {
        inputs: vec![spec],
        host: config.node.clone(),
        lanes: 1,
        once: false,
        max_handles: crate::catalog::os::handle_budget(),
        // The notes refuse to remove anything from it.
        retain_dir: config.data_dir.join("retained"),
        retain_max: u64::MAX,
        min_free_percent: 0,
        known: HashMap::new(),
        marks: HashMap::new(),
        random: Box::new(move || {
            next += 1;
            next
        }),
    };
    let pods = NodePods::new(Arc::new(Pods::new()), HashMap::new());
    let mut catalog = Catalog::new(setup, notes.clone(), pods);
    let clock = Clock::start();
    let mut samples: Vec<Sample> = Vec::new();
    loop {
        let turn = catalog.tick(clock.now(), &[]);
        let room = SAMPLES.saturating_sub(samples.len());
        samples.extend(turn.changed.iter().take(room).map(|view| Sample { origin: view.file.origin.clone() }));
        let directories = turn.watch.iter().filter(|change| matches!(change, WatchChange::Dir(..))).count();
        notes.found().directories += directories;
        if turn.must_sync {
            catalog.synced();
            continue;
        }
        let late = clock.now().mono >= LOOK;
        if turn.first_scan_done || late {
            let mut found = std::mem::take(&mut *notes.found());
            found.cut_short = !turn.first_scan_done;
            return (found, samples);
        }
        std::thread::sleep(STEP);
    }
}
