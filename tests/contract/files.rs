//! Log files in memory: two for each key, whose lines carry a number and a checksum that the stand-ins know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tailrace::catalog::view::{Ages, File, FileView, Life, Place};
use tailrace::lane::retry::Rng;
use tailrace::origin::{Fields, Meta, Origin};
use tailrace::record::{FileId, Grammar, Now};
use tailrace::store::saved::Position;

/// One line, with its newline.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub id: u64,
    pub start: u64,
    pub end: u64,
}

#[derive(Debug)]
pub struct Log {
    view: FileView,
    bytes: Vec<u8>,
    ages: Vec<(u64, i64)>,
    lines: Vec<Line>,
}

#[derive(Debug)]
pub struct Files {
    logs: BTreeMap<FileId, Log>,
    ids: BTreeMap<(String, usize), FileId>,
    rng: Rng,
    pub written: BTreeSet<u64>,
    pub bytes: u64,
}

impl Files {
    pub fn new() -> Files {
        let (logs, ids, written) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Files { logs, ids, rng: Rng::new(7), written, bytes: 0 }
    }

    /// Appends lines of this age to the key's files, in turn; each line has about `pad` bytes that do not compress.
    pub fn write(&mut self, key: &str, lines: usize, pad: usize, age: Duration, now: Now) -> Vec<FileView> {
        let unix = now.unix_ns - i64::try_from(age.as_nanos()).unwrap();
        let mut touched = BTreeSet::new();
        for nth in 0..lines {
            let id = self.log(key, nth % 2);
            touched.insert(id);
            let number = self.written.len() as u64 + 1;
            self.written.insert(number);
            let noise: String =
                std::iter::repeat_with(|| self.rng.bits()).take(pad / 16).map(|b| format!("{b:016x}")).collect();
            let text = with_sum(&format!("tr={number:016x} of \"{key}\" {noise}"));
            let stamp = jiff::Timestamp::from_nanosecond(i128::from(unix + nth as i64 * 1_000_000)).unwrap();
            let log = self.logs.get_mut(&id).unwrap();
            let start = log.bytes.len() as u64;
            log.bytes.extend_from_slice(format!("{stamp:.9} stdout F {text}\n").as_bytes());
            let end = log.bytes.len() as u64;
            log.lines.push(Line { id: number, start, end });
            self.bytes += end - start;
        }
        touched.into_iter().map(|id| self.logs.get_mut(&id).unwrap().grown(now)).collect()
    }
    fn log(&mut self, key: &str, nth: usize) -> FileId {
        let next = FileId(self.ids.len() as u128 + 1);
        let id = *self.ids.entry((key.to_owned(), nth)).or_insert(next);
        self.logs.entry(id).or_insert_with(|| Log::new(id, key, nth));
        id
    }

    pub fn read(&self, file: FileId, at: u64, to: &mut [u8]) -> usize {
        let bytes = &self.logs[&file].bytes;
        let from = bytes.get(usize::try_from(at).unwrap()..).unwrap_or(&[]);
        let n = from.len().min(to.len());
        to[..n].copy_from_slice(&from[..n]);
        n
    }
    pub fn views(&self) -> Vec<FileView> {
        self.logs.values().map(|log| log.view.clone()).collect()
    }
    /// Numbers of the lines that this position says are settled.
    pub fn below(&self, file: FileId, position: &Position) -> Vec<u64> {
        let settled = |l: &&Line| {
            l.end <= position.low || position.above.iter().any(|(from, to)| *from <= l.start && l.end <= *to)
        };
        self.logs[&file].lines.iter().filter(settled).map(|l| l.id).collect()
    }
    /// Size of each file.
    pub fn sizes(&self) -> BTreeMap<FileId, u64> {
        self.logs.iter().map(|(id, log)| (*id, log.bytes.len() as u64)).collect()
    }
}

impl Log {
    fn new(id: FileId, key: &str, nth: usize) -> Log {
        let facts = [("namespace_name", key), ("pod_name", "web"), ("container_name", "main")];
        let fact = |(name, value): (&str, &str)| (format!("kubernetes.{name}").into(), value.into());
        let fields = Arc::new(Fields::new(facts.into_iter().map(fact).collect()));
        let origin = Origin {
            input: "pods".into(),
            path: format!("/{key}/{nth}.log").into(),
            grammar: Grammar::Cri,
            meta: arc_swap::ArcSwap::from_pointee(Meta::new(Arc::clone(&fields))),
            fields,
        };
        let chain = u64::try_from(id.0).unwrap();
        let place = Place { chain, restart: 0, turn: 0 };
        let view = FileView {
            rulings: Default::default(),
            file: Arc::new(File { id, place, origin: Arc::new(origin), at_scan: None }),
            size: 0,
            life: Life::Growing,
            danger: false,
            grew: Duration::ZERO,
            ages: Ages(Arc::new([])),
        };
        Log { view, bytes: Vec::new(), ages: Vec::new(), lines: Vec::new() }
    }
    fn grown(&mut self, now: Now) -> FileView {
        self.ages.push((self.bytes.len() as u64, now.unix_ns));
        self.view.size = self.bytes.len() as u64;
        self.view.grew = now.mono;
        self.view.ages = Ages(self.ages.clone().into());
        self.view.clone()
    }
}

/// The stand-ins take a line whose sum is not that of the rest as damaged.
fn with_sum(text: &str) -> String {
    let text = format!("{text} sum=");
    format!("{text}{:08x}", crc32c::crc32c(text.as_bytes()))
}
