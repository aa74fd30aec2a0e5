//! The pods of an earlier life: `pods.log` in `data_dir`, one pod a record, in the one log format of the store; and the
//! labels of their namespaces and node, where they are wanted, which earlier versions pass over as pods without a UID.
//!
//! Written whole, beside the old one, at most every [`WRITE_EVERY`] while pods change, and at the end. It is only a
//! cache: what is torn, odd or missing is left out and the next list of the API server makes it good; what cannot be written is told and tried
//! again. Not synced: after a loss of power an older or a shorter one will do.

use super::pod::{Labels, Pod};
use super::pods::Pods;
use crate::record::Now;
use crate::store::log;
use crate::store::storage::Storage;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::Duration;

/// Name in `data_dir`.
pub const NAME: &str = "pods.log";
/// The next one, while it is written.
const NEW: &str = "pods.log.new";
/// Shortest time between two writings.
pub const WRITE_EVERY: Duration = Duration::from_secs(30);

/// The cache in a directory.
#[derive(Debug)]
pub struct Cache<S> {
    storage: S,
    /// The table's version that is on disk.
    written: u64,
    /// When it was tried last.
    tried: Option<Duration>,
    /// Why that failed.
    trouble: Option<String>,
}

impl<S: Storage> Cache<S> {
    /// Touches nothing yet.
    pub fn new(storage: S) -> Self {
        Cache { storage, written: 0, tried: None, trouble: None }
    }

    /// Puts the pods of the earlier life into the table, and says how many.
    pub fn load(&mut self, pods: &Pods) -> usize {
        let found = match self.storage.read(NAME) {
            Ok(bytes) => read(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, file = NAME, "the pods of an earlier life cannot be read; the API server has them too");
                Vec::new()
            }
        };
        let mut all = Vec::new();
        for kept in found {
            match kept {
                Kept::Pod(pod) => all.push(*pod),
                Kept::Namespace(name, labels) => pods.put_namespace(&name, labels),
                Kept::Node(labels) => pods.put_node(labels),
            }
        }
        let count = all.len();
        pods.preload(all);
        self.written = pods.version();
        count
    }

    /// The table changed, and the last writing is long enough ago. Ask every few seconds.
    pub fn is_due(&self, now: Now, pods: &Pods) -> bool {
        let since = self.tried.map_or(WRITE_EVERY, |at| now.mono.saturating_sub(at));
        since >= WRITE_EVERY && pods.version() != self.written
    }

    /// Writes the table when it changed.
    pub fn write(&mut self, now: Now, pods: &Pods) {
        let version = pods.version();
        if version == self.written {
            return;
        }
        self.tried = Some(now.mono);
        match self.replace(&bytes(now, pods)) {
            Ok(()) => (self.written, self.trouble) = (version, None),
            Err(error) => {
                tracing::warn!(%error, file = NAME, "the known pods cannot be kept for the next start");
                self.trouble = Some(error.to_string());
            }
        }
    }

    /// Why the last writing failed.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.clone()
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.storage.prepare()?;
        self.storage.create(NEW)?;
        self.storage.append(NEW, bytes)?;
        self.storage.rename(NEW, NAME)
    }
}

fn bytes(now: Now, pods: &Pods) -> Vec<u8> {
    let mut out = Vec::new();
    log::write_header(&mut out);
    let (namespaces, node) = pods.surroundings();
    let namespaces = namespaces.iter().map(|(name, labels)| Surrounding { namespace: Some(name), labels });
    let around = namespaces.chain(node.iter().map(|labels| Surrounding { namespace: None, labels }));
    let around = around.map(|surrounding| serde_json::to_vec(&surrounding).unwrap_or_default());
    let all = pods.all();
    for payload in all.iter().map(|pod| serde_json::to_vec(&**pod).unwrap_or_default()).chain(around) {
        // A pod above the format's limit does not exist (etcd's is a tenth of it); it would only be missing.
        if log::write_record(now.unix_ns, &payload, &mut out).is_err() {
            continue;
        }
    }
    out
}

/// What a record says.
enum Kept {
    Pod(Box<Pod>),
    Namespace(Box<str>, Labels),
    Node(Labels),
}

/// As it is written, for those who tell a pod by its UID.
#[derive(Serialize)]
struct Surrounding<'a> {
    #[serde(rename = "of_namespace")]
    namespace: Option<&'a str>,
    labels: &'a Labels,
}

/// As it is read.
#[derive(Deserialize)]
struct Told {
    of_namespace: Option<Box<str>>,
    labels: Labels,
}

fn kept(payload: &[u8]) -> Option<Kept> {
    let pod = serde_json::from_slice::<Pod>(payload).ok()?;
    if !pod.uid.is_empty() {
        return Some(Kept::Pod(Box::new(pod)));
    }
    // Whatever else a later version may write lacks this name.
    memchr::memmem::find(payload, b"\"of_namespace\":")?;
    let told = serde_json::from_slice::<Told>(payload).ok()?;
    Some(told.of_namespace.map_or(Kept::Node(told.labels.clone()), |name| Kept::Namespace(name, told.labels)))
}

fn read(bytes: &[u8]) -> Vec<Kept> {
    match log::Reader::new(bytes) {
        Ok(records) => records.filter_map(|(_, payload)| kept(payload)).collect(),
        Err(error) => {
            tracing::warn!(%error, file = NAME, "the pods of an earlier life cannot be read; the API server has them too");
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::storage::OsStorage;
    use std::path::Path;

    fn cache(dir: &Path) -> Cache<OsStorage> {
        Cache::new(OsStorage::new(dir))
    }

    /// As the agent's upkeep does it.
    fn tick(cache: &mut Cache<OsStorage>, now: Now, pods: &Pods) {
        if cache.is_due(now, pods) {
            cache.write(now, pods);
        }
    }

    fn at(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), unix_ns: 7 }
    }

    fn pod(uid: &str) -> Pod {
        let labels = Box::new([("app".into(), "web \"é\"".into())]);
        Pod { uid: uid.into(), name: "n".into(), namespace: "s".into(), labels, ..Pod::default() }
    }

    fn uids(pods: &Pods) -> Vec<String> {
        let mut all: Vec<String> = pods.all().iter().map(|p| p.uid.to_string()).collect();
        all.sort();
        all
    }

    fn loaded(dir: &Path) -> Vec<String> {
        let pods = Pods::new();
        cache(dir).load(&pods);
        uids(&pods)
    }

    #[test]
    fn pods_are_there_after_a_restart_also_deleted_ones() {
        let dir = tempfile::tempdir().unwrap();
        let (pods, mut first) = (Pods::new(), cache(&dir.path().join("sub")));
        assert_eq!(first.load(&pods), 0, "no file is no trouble");
        pods.put(pod("a"));
        pods.put(pod("b"));
        pods.deleted("b");
        first.write(at(0), &pods);
        let again = Pods::new();
        assert_eq!(cache(&dir.path().join("sub")).load(&again), 2);
        assert_eq!(again.get("a"), pods.get("a"));
        assert!(again.get("b").is_some() && !again.is_loaded(), "the list will say that it is gone");
    }

    #[test]
    fn labels_of_namespaces_and_node_are_there_too_and_are_no_pods_to_an_earlier_version() {
        let dir = tempfile::tempdir().unwrap();
        let pods = Pods::new();
        pods.put(pod("a"));
        pods.put_namespace("s", Box::new([("team".into(), "blue".into())]));
        pods.put_node(Box::new([("zone".into(), "1a".into())]));
        cache(dir.path()).write(at(0), &pods);
        let again = Pods::new();
        assert_eq!(cache(dir.path()).load(&again), 1);
        assert_eq!(again.surroundings(), pods.surroundings());
        // What an earlier version makes of each record.
        let bytes = std::fs::read(dir.path().join(NAME)).unwrap();
        let read = log::Reader::new(&bytes).unwrap().map(|(_, record)| serde_json::from_slice::<Pod>(record).unwrap());
        let uids: Vec<Box<str>> = read.map(|pod| pod.uid).collect();
        assert_eq!(uids.iter().filter(|uid| !uid.is_empty()).count(), 1, "{uids:?}");
    }

    #[test]
    fn it_is_written_at_most_every_half_minute_and_only_after_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (pods, mut cache) = (Pods::new(), cache(dir.path()));
        let file = dir.path().join(NAME);
        tick(&mut cache, at(0), &pods);
        assert!(!file.exists(), "nothing to keep");
        pods.put(pod("a"));
        tick(&mut cache, at(1), &pods);
        assert_eq!(loaded(dir.path()), ["a"]);
        pods.put(pod("b"));
        tick(&mut cache, at(30), &pods);
        assert_eq!(loaded(dir.path()), ["a"], "too early");
        tick(&mut cache, at(31), &pods);
        assert_eq!(loaded(dir.path()), ["a", "b"]);
        std::fs::remove_file(&file).unwrap();
        tick(&mut cache, at(100), &pods);
        cache.write(at(100), &pods);
        assert!(!file.exists(), "nothing changed since");
    }

    #[test]
    fn what_was_loaded_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let pods = Pods::new();
        pods.put(pod("a"));
        cache(dir.path()).write(at(0), &pods);
        let (again, mut second) = (Pods::new(), cache(dir.path()));
        second.load(&again);
        std::fs::remove_file(dir.path().join(NAME)).unwrap();
        tick(&mut second, at(1000), &again);
        assert!(!dir.path().join(NAME).exists());
    }

    #[test]
    fn a_torn_or_foreign_file_gives_what_is_whole_and_never_fails() {
        let dir = tempfile::tempdir().unwrap();
        let pods = Pods::new();
        pods.put(pod("a"));
        pods.put(pod("b"));
        cache(dir.path()).write(at(0), &pods);
        let whole = std::fs::read(dir.path().join(NAME)).unwrap();
        for cut in 0..whole.len() {
            let got = read(&whole[..cut]).len();
            assert!(got <= 1, "{cut}");
        }
        let mut other = whole.clone();
        other[8] = 99;
        assert!(read(&other).is_empty() && read(b"#!/bin/sh\n....").is_empty() && read(b"").is_empty());
        let mut odd = Vec::new();
        log::write_header(&mut odd);
        log::write_record(0, b"not json", &mut odd).unwrap();
        log::write_record(0, b"{\"uid\":\"\"}", &mut odd).unwrap();
        log::write_record(0, br#"{"uid":"u","name":"n","namespace":"s","of_a_later_version":1}"#, &mut odd).unwrap();
        assert_eq!(read(&odd).len(), 1);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_tried_again_and_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("x");
        std::fs::write(&place, "a file where the directory should be").unwrap();
        let (pods, mut cache) = (Pods::new(), cache(&place));
        assert_eq!(cache.load(&pods), 0);
        pods.put(pod("a"));
        tick(&mut cache, at(0), &pods);
        std::fs::remove_file(&place).unwrap();
        tick(&mut cache, at(29), &pods);
        assert!(!place.exists(), "not yet");
        tick(&mut cache, at(30), &pods);
        assert_eq!(loaded(&place), ["a"]);
    }
}
