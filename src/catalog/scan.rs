//! Directories: which there are, what is in them, which of them are watched.

use super::disk::{Kind, Listed};
use super::entry::{Child, Dir, DirKind, Group, Key, PodName, Who};
use super::glob::State;
use super::identity;
use super::spec::SpecKind;
use super::stock::Stock;
use super::{WatchChange, name};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// New files that one tick takes in, give or take one directory: lanes get them in portions.
const FILES_AT_ONCE: usize = 1000;
/// Files without a byte that are watched; what is beyond them is looked at with each reconcile, until it has bytes.
pub(super) const EMPTY_MAX: usize = 10_000;
/// Directories known at most; patterns with `**` could name the whole disk.
const DIRS_MAX: usize = 100_000;

impl Stock {
    /// The directories that inputs begin at.
    pub(super) fn plant(&mut self) {
        for input in 0..self.inputs.len() {
            let kind = self.inputs.get(input).map(|spec| spec.kind.clone());
            match kind {
                Some(SpecKind::Kubernetes { .. }) => {
                    self.add_top(input, PathBuf::new(), DirKind::Root);
                }
                Some(SpecKind::File { include, .. }) => {
                    let mut roots: BTreeMap<PathBuf, Vec<(usize, State)>> = BTreeMap::new();
                    for (at, glob) in include.iter().enumerate() {
                        let (names, state) = glob.fixed();
                        let path = names.iter().map(|n| OsString::from_vec(n.to_vec())).collect();
                        roots.entry(path).or_default().push((at, state));
                    }
                    for (path, states) in roots {
                        self.add_top(input, path, DirKind::Glob(states));
                    }
                }
                None => {}
            }
        }
    }

    fn add_top(&mut self, input: usize, path: PathBuf, kind: DirKind) {
        if let Some(dir) = self.add_dir(input, path, kind).and_then(|key| self.dirs.get_mut(&key)) {
            dir.top = true;
        }
    }

    fn add_dir(&mut self, input: usize, path: PathBuf, kind: DirKind) -> Option<Key> {
        if self.dirs.len() >= DIRS_MAX {
            return None;
        }
        let key = self.key();
        let dir = Dir {
            input,
            path: path.into(),
            kind,
            children: Vec::new(),
            entries: Vec::new(),
            odd: None,
            watched: false,
            top: false,
        };
        self.dirs.insert(key, Box::new(dir));
        self.due.insert(key);
        Some(key)
    }

    /// Lists what is due, and what turns up below it.
    pub fn scan_due(&mut self) {
        self.room = FILES_AT_ONCE;
        let empty = || self.entries.values().filter(|e| e.size == 0 && e.id.is_none()).count();
        self.room_for_empty = EMPTY_MAX.saturating_sub(if self.due.is_empty() { 0 } else { empty() });
        while self.room > 0
            && let Some(key) = self.due.pop_first()
        {
            self.scan_dir(key);
            self.listed = true;
        }
        self.known.tidy();
    }

    fn scan_dir(&mut self, key: Key) {
        let Some(dir) = self.dirs.get(&key) else { return };
        let (input, path, is_top) = (dir.input, dir.path.clone(), dir.top);
        let listed = self.disk.list(&self.base(input), &path);
        let absolute = self.absolute(input, &path);
        match listed {
            Ok(listed) => {
                self.refused.remove(&absolute);
                self.missing.remove(&key);
                if let Some(dir) = self.dirs.get_mut(&key).filter(|d| !d.watched) {
                    dir.watched = true;
                    self.out.watch.push(WatchChange::Dir(key, absolute));
                    // What came between the listing and the watch.
                    self.again.insert(key);
                }
                self.scan_children(key, &listed);
                self.scan_files(key, &listed);
            }
            Err(e) if is_top => {
                // An input's own directory may be mounted late, or away for a moment: nothing is concluded from that.
                self.say_missing(key, &absolute, &e);
                if e.kind() != io::ErrorKind::NotFound {
                    self.refuse(absolute, &e);
                }
                self.later.insert(key);
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => self.dir_gone(key),
            Err(e) => {
                self.refuse(absolute, &e);
                self.later.insert(key);
            }
        }
    }

    /// Once for each time that it goes missing.
    fn say_missing(&mut self, key: Key, path: &Path, error: &io::Error) {
        let input = self.dirs.get(&key).and_then(|dir| self.inputs.get(dir.input)).map(|spec| spec.name.clone());
        if self.missing.insert(key) {
            let (input, path) = (input.unwrap_or_default(), path.display());
            tracing::warn!(%input, %path, %error, "an input's directory cannot be listed: nothing is read from it until it can");
        }
    }

    /// `--once`: an input that found nothing is perhaps misspelt.
    pub fn say_inputs_without_files(&self) {
        for (spec, _) in self.inputs.iter().zip(&self.counts).filter(|(_, counts)| counts.files == 0) {
            tracing::warn!(input = %spec.name, "no log file was found for this input: are its paths right?");
        }
    }

    /// Subdirectories that came and went.
    fn scan_children(&mut self, key: Key, listed: &[Listed]) {
        let Some(dir) = self.dirs.get_mut(&key) else { return };
        let (input, path, kind) = (dir.input, dir.path.clone(), dir.kind.clone());
        if matches!(kind, DirKind::Container(_, _)) {
            return;
        }
        let now: BTreeMap<&OsStr, u64> =
            listed.iter().filter(|l| l.kind == Kind::Dir).map(|l| (l.name.as_os_str(), l.inode)).collect();
        let mut children = std::mem::take(&mut dir.children);
        let gone = |child: &mut Child| now.get(self.dir_name(child)) != Some(&child.inode);
        let gone: Vec<Key> = children.extract_if(.., gone).map(|child| child.key).collect();
        if let Some(dir) = self.dirs.get_mut(&key) {
            dir.children = children;
        }
        for child in gone {
            self.dir_gone(child);
        }
        for (name, inode) in now {
            let children = self.dirs.get(&key).map(|d| d.children.as_slice()).unwrap_or_default();
            let Err(at) = children.binary_search_by(|child| self.dir_name(child).cmp(name)) else { continue };
            let Some(child_kind) = self.child_kind(input, &kind, name) else { continue };
            let child_path = path.join(name);
            if self.excluded(input, &child_path) {
                continue;
            }
            if let Some(child) = self.add_dir(input, child_path, child_kind)
                && let Some(dir) = self.dirs.get_mut(&key)
            {
                dir.children.reserve_exact(usize::from(dir.children.is_empty()));
                dir.children.insert(at, Child { key: child, inode });
            }
        }
    }

    fn dir_name(&self, child: &Child) -> &OsStr {
        self.dirs.get(&child.key).and_then(|dir| dir.path.file_name()).unwrap_or_default()
    }

    /// Whether an input leaves a path out.
    pub fn excluded(&self, input: usize, path: &std::path::Path) -> bool {
        let Some(spec) = self.inputs.get(input).filter(|spec| !spec.exclude.is_empty()) else { return false };
        let absolute = spec.base.root.join(path);
        spec.exclude.iter().any(|glob| glob.covers(absolute.as_os_str().as_bytes()))
    }

    /// What a subdirectory is to its parent; `None`: nothing.
    fn child_kind(&self, input: usize, parent: &DirKind, child: &OsStr) -> Option<DirKind> {
        let spec = self.inputs.get(input)?;
        match (parent, &spec.kind) {
            (DirKind::Root, SpecKind::Kubernetes { skip_pod, .. }) => {
                let found = name::pod_dir(child.to_str()?)?;
                (skip_pod.as_deref() != Some(found.uid)).then(|| DirKind::Pod(Arc::new(PodName::new(&found))))
            }
            (DirKind::Pod(pod), _) => Some(DirKind::Container(pod.clone(), child.to_str()?.into())),
            (DirKind::Glob(states), SpecKind::File { include, .. }) => {
                let mut next = Vec::new();
                for (at, state) in states {
                    let mut entered = Vec::new();
                    include.get(*at)?.enter(*state, child.as_bytes(), &mut entered);
                    next.extend(entered.into_iter().map(|state| (*at, state)));
                }
                next.sort_unstable();
                next.dedup();
                (!next.is_empty()).then_some(DirKind::Glob(next))
            }
            (DirKind::Root | DirKind::Glob(_) | DirKind::Container(_, _), _) => None,
        }
    }

    /// The directory is no more, with all below it.
    pub fn dir_gone(&mut self, key: Key) {
        let Some(mut dir) = self.dirs.remove(&key) else { return };
        self.out.watch.push(WatchChange::Drop(key));
        for set in [&mut self.due, &mut self.again, &mut self.later] {
            set.remove(&key);
        }
        self.unopened.remove(&key);
        for child in std::mem::take(&mut dir.children) {
            self.dir_gone(child.key);
        }
        for file in std::mem::take(&mut dir.entries) {
            if let Some(group) = self.entries.get(&file).map(|e| e.group)
                && let Some(group) = self.groups.get_mut(&group)
                && matches!(group.who, Who::Pod(_, _))
            {
                group.over = true;
            }
            self.unname_all(file);
        }
        if let DirKind::Container(pod, container) = &dir.kind {
            let chain = identity::chain(&[pod.uid().as_bytes(), container.as_bytes()]);
            if let Some(group) = self.groups.get_mut(&chain) {
                group.over = true;
                if group.entries.is_empty() {
                    self.drop_group(chain);
                }
            }
        }
    }

    /// What names the siblings of a live path of a `file` input.
    pub fn chain_of_path(&self, input: usize, dir: &Path, stem: &[u8]) -> Option<u64> {
        let name = self.inputs.get(input)?.name.as_bytes();
        Some(identity::chain(&[name, dir.as_os_str().as_bytes(), stem]))
    }

    /// What names the siblings of a file of this name in this directory.
    pub fn chain_in(&self, key: Key, stem: &[u8]) -> Option<u64> {
        let dir = self.dirs.get(&key)?;
        match &dir.kind {
            DirKind::Container(pod, container) => Some(identity::chain(&[pod.uid().as_bytes(), container.as_bytes()])),
            DirKind::Glob(_) => self.chain_of_path(dir.input, &dir.path, stem),
            DirKind::Root | DirKind::Pod(_) => None,
        }
    }

    /// The group of a file of this name in this directory, made if need be.
    pub fn group_of(&mut self, key: Key, stem: &[u8]) -> Option<u64> {
        let dir = self.dirs.get(&key)?;
        let input = dir.input;
        let chain = self.chain_in(key, stem)?;
        let who = match &dir.kind {
            DirKind::Container(pod, container) => Who::Pod(pod.clone(), container.clone()),
            DirKind::Glob(_) => Who::Path,
            DirKind::Root | DirKind::Pod(_) => return None,
        };
        if !self.groups.contains_key(&chain) {
            if let Who::Pod(pod, _) = &who {
                self.note_uid(pod.uid(), chain);
            }
            let group = Group { input, who, entries: Vec::with_capacity(1), over: false, newest: 0, runs: Vec::new() };
            self.groups.insert(chain, Box::new(group));
        }
        // A directory that came back (its pod's static, say) is not over.
        let group = self.groups.get_mut(&chain)?;
        group.over = false;
        Some(chain)
    }

    /// The first complete look at everything is done; with `once` everything is also offered.
    pub fn first_scan_done(&self) -> bool {
        let looked = self.scanned && self.measuring.is_empty();
        // The second listing of each directory counts too: it closes the gap before the watch.
        looked && self.again.is_empty() && (!self.once || self.all_offered())
    }

    fn all_offered(&self) -> bool {
        self.entries.values().all(|e| e.offered.is_some() || e.id.is_none())
    }
}
