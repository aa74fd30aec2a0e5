//! What the catalog keeps of a file, a directory and a group of siblings. Data, and questions to it.

use super::glob::State;
use super::identity::Head;
use super::measure::Measure;
use super::name::{self, LogName, PodDir, Suffix};
use super::shelf::Source;
use super::view::{Ages, File, FileView, Life, Place};
use crate::origin::{Fields, Meta};
use crate::record::{FileId, Grammar, Mark, Now};
use crate::ruling::Rulings;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Names a file, or a directory, inside this process; never used again.
pub type Key = u64;

/// One name of a file.
#[derive(Clone, Debug)]
pub struct Loc {
    /// In the entry's directory.
    pub name: Arc<OsStr>,
    /// Inode as the directory says it (of a link: the link's own).
    pub listed: u64,
    /// Inode and device as `stat` says them.
    pub inode: (u64, u64),
    /// The name is a link.
    pub link: bool,
}

/// Is it looked at each 100 ms?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heat {
    /// Yes.
    Hot,
    /// A modify watch was asked for; one more look, then cold.
    Arming,
    /// No: a watch tells, or no more bytes can come.
    Cold,
}

/// What became of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trail {
    /// It has at least one that we know.
    Named,
    /// So many listings in a row did not show it.
    Missing(u8),
    /// It has none any more; only a held handle reads it.
    Deleted,
    /// Its names are in a place we do not look at; a held handle reads it.
    Elsewhere,
    /// It was truncated in place at this time (mono): perhaps a copy of it turns up.
    Displaced(Duration),
    /// It has none any more; its copy in `data_dir/retained` is read.
    Kept,
    /// Nothing can be read any more.
    Gone,
}

/// One file.
#[derive(Debug)]
pub struct Entry {
    pub input: usize,
    /// Further inputs that match it.
    pub also: Box<[usize]>,
    pub dir: Key,
    pub group: u64,
    /// Its uncompressed name.
    pub plain: Option<Loc>,
    /// Its compressed name.
    pub gz: Option<Box<Loc>>,
    /// Held handle.
    pub source: Option<Source>,
    pub id: Option<FileId>,
    /// Without an id: of the bytes that were there when its handle was closed.
    pub head: Head,
    /// Of its plain bytes below the size it had when this was taken.
    pub proof: Mark,
    pub generation: u32,
    pub restart: u32,
    pub turn: u64,
    /// Its last name is the live one.
    pub live: bool,
    /// Plain bytes.
    pub size: u64,
    /// When its handle was closed.
    pub mtime_ns: i64,
    pub ages: Ages,
    /// Found, last grown, last renamed (mono).
    pub born: Duration,
    pub grew: Duration,
    pub moved: Duration,
    /// The look before the last one (unix ns): what grows was not there then.
    pub looked_ns: i64,
    pub heat: Heat,
    pub trail: Trail,
    pub life: Life,
    pub danger: bool,
    pub offered: Option<Arc<File>>,
    /// The lanes heard of size, life and danger as they are now.
    pub told: bool,
    /// Its id must be durable first.
    pub unsynced: bool,
    /// Looks like a copy of a sibling: no id before this time (mono).
    pub suspect: Option<Duration>,
    /// Inode and device of the name that it lost: a listing that ran beside a rename shows neither the old nor the new one.
    pub lost: Option<Box<(u64, u64)>>,
    /// Fields of the first offer, from an earlier life.
    pub first_fields: Option<Arc<Fields>>,
    /// What is decided about it, by input; also of an earlier life.
    pub rulings: Rulings,
    pub at_scan: Option<u64>,
    /// The page cache was told up to here that it is done with.
    pub advised: u64,
    /// And up to here that nobody works on it.
    pub called_cold: u64,
    /// What is below this was written long enough ago to be on disk.
    pub written_back: u64,
    /// Its size at some time, and when that is on disk (mono).
    pub staged: (u64, Duration),
    /// No pattern matches its name: it must be a file known from before.
    pub outside: bool,
    pub grammar: Grammar,
    /// What the store has of it is out of date, since this time (mono).
    pub unsaved: Option<Duration>,
    /// A `.gz` whose plain size is not known yet.
    pub measure: Option<Box<Measure>>,
}

impl Entry {
    /// Without names, bytes or identity.
    pub fn new(input: usize, group: u64, restart: u32, now: Now) -> Entry {
        Entry {
            input,
            also: Box::default(),
            dir: 0,
            group,
            plain: None,
            gz: None,
            source: None,
            id: None,
            head: (0, 0),
            proof: Mark::NONE,
            generation: 0,
            restart,
            turn: 0,
            live: false,
            size: 0,
            mtime_ns: 0,
            ages: super::ages::none(),
            born: now.mono,
            grew: now.mono,
            moved: Duration::ZERO,
            looked_ns: now.unix_ns,
            heat: Heat::Cold,
            trail: Trail::Named,
            life: Life::Growing,
            danger: false,
            offered: None,
            told: false,
            unsynced: false,
            suspect: None,
            lost: None,
            first_fields: None,
            rulings: Rulings::default(),
            at_scan: None,
            advised: 0,
            called_cold: 0,
            written_back: 0,
            staged: (0, now.mono),
            outside: false,
            grammar: Grammar::Plain,
            unsaved: None,
            measure: None,
        }
    }

    /// The name it goes by: plain if there is one.
    pub fn loc(&self) -> Option<&Loc> {
        self.plain.as_ref().or(self.gz.as_deref())
    }

    /// Its plain or its compressed name.
    pub fn loc_of(&self, gz: bool) -> Option<&Loc> {
        if gz { self.gz.as_deref() } else { self.plain.as_ref() }
    }

    /// Deleted but still held: its bytes take space that nobody sees.
    pub fn held_deleted(&self) -> bool {
        self.source.is_some() && self.trail == Trail::Deleted
    }

    /// No more bytes can come.
    pub fn complete(&self) -> bool {
        matches!(self.life, Life::Final | Life::Ended | Life::Gone)
    }

    /// Order among siblings.
    pub fn place(&self) -> Place {
        Place { chain: self.group, restart: self.restart, turn: self.turn }
    }

    /// What lanes are told.
    pub fn view(&self) -> Option<FileView> {
        let file = self.offered.clone()?;
        Some(FileView {
            file,
            size: self.size,
            life: self.life,
            danger: self.danger,
            grew: self.grew,
            ages: self.ages.clone(),
            rulings: self.rulings.clone(),
        })
    }
}

/// The siblings of a container, or of a path.
#[derive(Debug)]
pub struct Group {
    pub input: usize,
    pub who: Who,
    pub entries: Vec<Key>,
    /// Its directory is gone.
    pub over: bool,
    /// The greatest restart number seen.
    pub newest: u32,
    /// By restart number, in no order; seldom more than two.
    pub runs: Vec<(u32, Run)>,
}

/// What a group is named by.
#[derive(Clone, Debug)]
pub enum Who {
    /// A container's directory.
    Pod(Arc<PodName>, Arc<str>),
    /// A live path.
    Path,
}

impl Group {
    pub fn run(&self, restart: u32) -> Option<&Run> {
        self.runs.iter().find(|(n, _)| *n == restart).map(|(_, run)| run)
    }

    /// Made if need be.
    pub fn run_mut(&mut self, restart: u32) -> &mut Run {
        let at = self.runs.iter().position(|(n, _)| *n == restart).unwrap_or_else(|| {
            // Most have one for ever; there may be thousands of groups.
            self.runs.reserve_exact(1);
            self.runs.push((restart, Run::default()));
            self.runs.len() - 1
        });
        &mut self.runs[at].1
    }
}

/// A pod as its directory names it: one text, there are thousands.
#[derive(Debug)]
pub struct PodName {
    text: Box<str>,
    /// Where pod and UID begin.
    begins: (u32, u32),
}

impl PodName {
    /// Of a name taken apart.
    pub fn new(of: &PodDir<'_>) -> PodName {
        let pod = of.namespace.len();
        let begins = (pod as u32, pod.saturating_add(of.pod.len()) as u32);
        PodName { text: [of.namespace, of.pod, of.uid].concat().into(), begins }
    }
    pub fn namespace(&self) -> &str {
        self.text.get(..self.begins.0 as usize).unwrap_or_default()
    }
    pub fn pod(&self) -> &str {
        self.text.get(self.begins.0 as usize..self.begins.1 as usize).unwrap_or_default()
    }
    pub fn uid(&self) -> &str {
        self.text.get(self.begins.1 as usize..).unwrap_or_default()
    }
}

/// One restart of a group.
#[derive(Debug, Default)]
pub struct Run {
    pub latest_turn: u64,
    pub facts: Option<Facts>,
}

/// Fields and metadata as they are now, shared by the siblings of a restart.
#[derive(Clone, Debug)]
pub struct Facts {
    pub fields: Arc<Fields>,
    pub meta: Arc<Meta>,
    /// From the pod's own facts, not from its path.
    pub known: bool,
    pub complete: bool,
}

/// What a directory holds.
#[derive(Clone, Debug)]
pub enum DirKind {
    /// Pod directories.
    Root,
    /// Container directories of one pod.
    Pod(Arc<PodName>),
    /// kubelet's log files.
    Container(Arc<PodName>, Arc<str>),
    /// Whatever these pattern states match: (pattern, state).
    Glob(Vec<(usize, State)>),
}

/// A subdirectory. Its name is the end of its path.
#[derive(Debug)]
pub struct Child {
    pub key: Key,
    pub inode: u64,
}

/// Names of a directory with which there is something.
#[derive(Debug, Default)]
pub struct Odd {
    /// They came or went since the last scan: what is closed under them is looked at again.
    pub doubt: Vec<OsString>,
    /// Another name of a known file: not opened again while the inode is the same.
    pub skip: BTreeMap<OsString, u64>,
}

/// One directory.
#[derive(Debug)]
pub struct Dir {
    pub input: usize,
    /// Below the base's root.
    pub path: Arc<Path>,
    pub kind: DirKind,
    /// Subdirectories, by name.
    pub children: Vec<Child>,
    pub entries: Vec<Key>,
    /// Most have none.
    pub odd: Option<Box<Odd>>,
    /// A watch was asked for and not refused.
    pub watched: bool,
    /// An input begins here: that it is missing says nothing about its files.
    pub top: bool,
}

impl Dir {
    /// Made if need be.
    pub fn odd(&mut self) -> &mut Odd {
        self.odd.get_or_insert_default()
    }

    /// Every name is looked at again.
    pub fn skip_nothing(&mut self) {
        if let Some(odd) = &mut self.odd {
            odd.skip.clear();
        }
    }

    /// Takes a file's name apart, if it is one that this directory may hold.
    pub fn parse<'a>(&self, file: &'a OsStr) -> Option<LogName<'a>> {
        match self.kind {
            DirKind::Container(_, _) => name::kubelet(file),
            DirKind::Glob(_) => Some(name::plain(file)),
            DirKind::Root | DirKind::Pod(_) => None,
        }
    }

    /// The name without its rotation suffix is the live one.
    pub fn is_live(&self, file: &OsStr) -> bool {
        self.parse(file).is_some_and(|n| n.suffix == Suffix::Live && !n.gz)
    }
}
