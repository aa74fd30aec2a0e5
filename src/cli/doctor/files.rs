//! Each input: how many files the agent would find, which of them it cannot open, and why.
//!
//! The agent's own catalog looks, once, over a disk that takes notes and refuses to write.

use super::line::Line;
use crate::catalog::disk::{Base, Content, Disk, Kind, Listed, Stat};
use crate::catalog::os::OsDisk;
use crate::catalog::pods::NodePods;
use crate::catalog::spec::{InputSpec, Setup, SpecKind};
use crate::catalog::{Catalog, WatchChange};
use crate::cli::clock::Clock;
use crate::config::checked::{Config, Input, InputKind};
use crate::metadata::pods::Pods;
use crate::origin::{Fields, Meta, Origin};
use crate::record::Grammar;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Looking takes no longer; what was found until then is told.
const LOOK: Duration = Duration::from_secs(8);
/// Between two looks while there is more to find.
const STEP: Duration = Duration::from_millis(5);
/// Files of one input whose origin is kept: destinations are tried with one of them.
const SAMPLES: usize = 1;

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
    /// Files and directories that could not be, and why (errno).
    pub refused: BTreeMap<PathBuf, i32>,
    /// The first name that is a link where none may be, and how many.
    pub links: (Option<PathBuf>, usize),
    /// Directories that are watched.
    pub directories: usize,
    /// The root is not there.
    pub no_root: bool,
    /// Not everything was looked at.
    pub cut_short: bool,
}

/// Notes what the catalog asks for.
struct Notes {
    disk: OsDisk,
    root: PathBuf,
    found: Mutex<Found>,
}

impl Notes {
    fn found(&self) -> MutexGuard<'_, Found> {
        // Whole after any panic.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, base: &Base, path: &Path, error: &io::Error) {
        if base.root == self.root && error.kind() != io::ErrorKind::NotFound {
            self.found().refused.insert(base.root.join(path), error.raw_os_error().unwrap_or(0));
        }
    }
}

impl Disk for Notes {
    fn list(&self, base: &Base, dir: &Path) -> io::Result<Vec<Listed>> {
        let listed = self.disk.list(base, dir);
        match &listed {
            Ok(listed) if base.root == self.root => {
                let mut links = listed.iter().filter(|entry| entry.kind == Kind::Link);
                let mut found = self.found();
                if let Some(first) = links.next() {
                    found.links.0.get_or_insert_with(|| base.root.join(dir).join(&first.name));
                    found.links.1 += 1 + links.count();
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && dir.as_os_str().is_empty() => {
                self.found().no_root |= base.root == self.root;
            }
            Err(error) => self.refuse(base, dir, error),
        }
        listed
    }

    fn open(&self, base: &Base, path: &Path) -> io::Result<Arc<dyn Content>> {
        let opened = self.disk.open(base, path);
        match &opened {
            Ok(_) if base.root == self.root => drop(self.found().opened.insert(base.root.join(path))),
            Ok(_) => {}
            Err(error) => self.refuse(base, path, error),
        }
        opened
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
    let mut spec = InputSpec::of(input, own_pod.as_deref());
    if let SpecKind::Kubernetes { wait, .. } = &mut spec.kind {
        *wait = None;
    }
    let notes =
        Arc::new(Notes { disk: OsDisk::default(), root: spec.base.root.clone(), found: Mutex::new(Found::default()) });
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
    let mut samples = Vec::new();
    loop {
        let turn = catalog.tick(clock.now(), &[]);
        let views = turn.changed.into_iter().take(SAMPLES.saturating_sub(samples.len()));
        samples.extend(views.map(|view| Sample { origin: view.file.origin.clone() }));
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

/// What is to be said of an input.
pub fn lines(input: &Input, found: &Found, who: &Who) -> Vec<Line> {
    let of = format!("input {}", input.name);
    let mut lines = Vec::new();
    let more = if found.cut_short { " at least (there was no time for all)" } else { "" };
    if let Some((path, errno)) = found.refused.first_key_value() {
        let error = io::Error::from_raw_os_error(*errno);
        let (count, advice) = (found.refused.len(), advice(*errno, who));
        let all = count + found.opened.len();
        lines.push(Line::fail(&of, format!("{count} of {all} cannot be opened, first {}: {error}: {advice}", path.display())));
    }
    let kubernetes = match &input.kind {
        InputKind::Kubernetes { docker_roots, .. } => Some(docker_roots.is_empty()),
        InputKind::File { .. } => None,
    };
    if let (Some(first), Some(true)) = (&found.links.0, kubernetes) {
        let say = format!(
            "{} names are links, which are not followed below a directory that pods write into, first {}: with Docker set \
             `docker_roots: [/var/lib/docker/containers]`",
            found.links.1,
            first.display()
        );
        lines.push(Line::warn(&of, say));
    }
    if found.opened.is_empty() && found.refused.is_empty() {
        lines.push(nothing(&of, input, found));
    } else if !found.opened.is_empty() {
        lines.push(Line::ok(&of, format!("{} files can be read{more}", found.opened.len())));
    }
    lines
}

/// Nothing there: what is at the path?
fn nothing(of: &str, input: &Input, found: &Found) -> Line {
    match &input.kind {
        InputKind::Kubernetes { path, .. } if found.no_root => {
            let say = format!("{} does not exist: mount the node's (hostPath, read-only), or correct `path`", path.display());
            Line::fail(of, say)
        }
        InputKind::Kubernetes { path, .. } => {
            let say = format!("{} has no NAMESPACE_POD_UID/CONTAINER/N.log yet: is it the node's /var/log/pods?", path.display());
            Line::warn(of, say)
        }
        InputKind::File { include } => {
            let first = include.first().map(String::as_str).unwrap_or_default();
            Line::warn(of, format!("no file matches {}: {}", include.join(", "), at_path(Path::new(first))))
        }
    }
}

/// The longest part of a pattern that exists, and what it is.
fn at_path(pattern: &Path) -> String {
    let there = pattern.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    let what = match there.metadata() {
        Ok(meta) if meta.is_dir() => match std::fs::read_dir(there) {
            Ok(entries) => format!("is a directory of {} entries, none of which fits", entries.take(10_000).count()),
            Err(error) => format!("cannot be listed: {error}"),
        },
        Ok(meta) if meta.is_file() => "is a file".to_owned(),
        Ok(_) => "is neither a file nor a directory".to_owned(),
        Err(error) => format!("is a link that leads nowhere: {error}"),
    };
    format!("{} {what}", there.display())
}

/// Who we are, as far as opening files goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who {
    /// Effective user.
    pub uid: u32,
    /// CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE.
    pub reads_all: bool,
    /// SELinux is enforcing.
    pub selinux: bool,
}

impl Who {
    /// This process.
    pub fn now() -> Who {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let held = held.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
        let selinux = std::fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1");
        Who { uid: rustix::process::geteuid().as_raw(), reads_all: held & 0b110 != 0, selinux }
    }
}

fn advice(errno: i32, who: &Who) -> String {
    use rustix::io::Errno;
    match Errno::from_raw_os_error(errno) {
        Errno::ACCESS | Errno::PERM if who.reads_all && who.selinux => {
            "SELinux is enforcing: run the pod with seLinuxOptions {type: spc_t}, or allow its type to read logs".to_owned()
        }
        Errno::ACCESS | Errno::PERM if who.uid == 0 => {
            "root without CAP_DAC_READ_SEARCH: add the capability DAC_READ_SEARCH".to_owned()
        }
        Errno::ACCESS | Errno::PERM => {
            format!("this is user {}: run as root or with CAP_DAC_READ_SEARCH, or put the user into the files' group", who.uid)
        }
        Errno::LOOP | Errno::XDEV => {
            "a link out of the input's path, which a pod may have made: not followed; with Docker set `docker_roots`".to_owned()
        }
        Errno::MFILE | Errno::NFILE => "too few file descriptors: raise LimitNOFILE (ulimit -n)".to_owned(),
        Errno::IO => "the disk cannot be read: see the kernel's log".to_owned(),
        // What the disk says of all that is no regular file.
        _ if errno == 0 => "it is no regular file (a FIFO, a socket, a device): nothing is read from it".to_owned(),
        _ => "the agent goes on without it".to_owned(),
    }
}
