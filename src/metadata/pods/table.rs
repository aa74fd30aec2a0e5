//! What the table of pods holds, and what each change makes of it. Pure, and without a lock: [`super::Pods`] has it.
//!
//! `version` grows with every change, and who looked something up before finds it in `changed`. Bounded: see [`PODS_MAX`].

use crate::metadata::pod::{Labels, Pod};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Most pods kept, live and deleted. A node runs at most a few hundred (kubelet's default is 110).
pub const PODS_MAX: usize = 10_000;

/// A pod with labels of its namespace and of the node, where they are known.
type Known = (Arc<Pod>, Option<Arc<Labels>>, Option<Arc<Labels>>);

/// Pods by name, what changed, and labels of what is around them.
#[derive(Default)]
pub(super) struct Table {
    pub by_uid: HashMap<Arc<str>, Entry>,
    /// A static pod's hash -> UID of the newest pod that carries it.
    by_hash: HashMap<Box<str>, Arc<str>>,
    /// Deleted pods by when, oldest first.
    pub gone: BTreeSet<(u64, Arc<str>)>,
    /// UIDs and hashes whose pod changed since they were last taken.
    pub changed: HashSet<Arc<str>>,
    /// Labels by namespace, and the node's, as far as anybody asked for them.
    pub namespaces: HashMap<Box<str>, Arc<Labels>>,
    pub node: Option<Arc<Labels>>,
    /// Counts changes of any kind.
    pub version: u64,
    /// The API server's list was read in this process.
    pub loaded: bool,
    /// What is known is an earlier life's.
    pub unconfirmed: bool,
    /// Pods refused or thrown away because the table was full.
    pub shed: u64,
    /// Somebody asked for a pod that is not here.
    pub missed: bool,
}

/// One pod.
pub(super) struct Entry {
    pub pod: Arc<Pod>,
    /// `version` at its deletion.
    pub gone: Option<u64>,
}

impl Table {
    /// By UID, or a static pod's hash.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.by_uid.get(name).or_else(|| self.by_uid.get(self.by_hash.get(name)?))
    }

    /// The same with the labels of namespace and node.
    pub fn around(&self, name: &str) -> Option<Known> {
        let pod = self.find(name)?.pod.clone();
        let namespace = self.namespaces.get(&pod.namespace).cloned();
        Some((pod, namespace, self.node.clone()))
    }

    /// Its pods changed where these labels are new.
    pub fn put_namespace(&mut self, name: &str, labels: Labels) {
        if self.namespaces.get(name).is_some_and(|old| **old == labels) {
            return;
        }
        self.namespaces.insert(name.into(), Arc::new(labels));
        let inside = |entry: &&Entry| *entry.pod.namespace == *name;
        let pods: Vec<Arc<Pod>> = self.by_uid.values().filter(inside).map(|entry| entry.pod.clone()).collect();
        pods.iter().for_each(|pod| self.note(pod));
        self.version += 1;
    }

    /// Every pod changed where these labels are new.
    pub fn put_node(&mut self, labels: Labels) {
        if self.node.as_ref().is_some_and(|old| **old == labels) {
            return;
        }
        self.node = Some(Arc::new(labels));
        let pods: Vec<Arc<Pod>> = self.by_uid.values().map(|entry| entry.pod.clone()).collect();
        pods.iter().for_each(|pod| self.note(pod));
        self.version += 1;
    }

    /// True when anything about it is new.
    pub fn put(&mut self, pod: Pod) -> bool {
        if let Some(entry) = self.by_uid.get_mut(pod.uid.as_ref()) {
            if entry.gone.is_none() && *entry.pod == pod {
                return false;
            }
        } else if self.by_uid.len() >= PODS_MAX && !self.shed_one() {
            self.shed += 1;
            return false;
        }
        let uid: Arc<str> = pod.uid.as_ref().into();
        if let Some(entry) = self.by_uid.get(&uid)
            && let Some(at) = entry.gone
        {
            self.gone.remove(&(at, uid.clone()));
        }
        for hash in &pod.hashes {
            self.by_hash.insert(hash.clone(), uid.clone());
        }
        let pod = Arc::new(pod);
        self.by_uid.insert(uid, Entry { pod: pod.clone(), gone: None });
        self.note(&pod);
        true
    }

    /// What is live and not among these is deleted.
    pub fn listed(&mut self, listed: &HashSet<Box<str>>) {
        let live = self.by_uid.iter().filter(|(_, entry)| entry.gone.is_none()).map(|(uid, _)| uid);
        let missing: Vec<Arc<str>> = live.filter(|uid| !listed.contains(uid.as_ref())).cloned().collect();
        missing.iter().for_each(|uid| self.mark_gone(uid));
        self.loaded = true;
        self.confirm();
    }

    /// Whoever waited for that looks again.
    pub fn confirm(&mut self) {
        if std::mem::take(&mut self.unconfirmed) {
            let pods: Vec<Arc<Pod>> = self.by_uid.values().map(|entry| entry.pod.clone()).collect();
            pods.iter().for_each(|pod| self.note(pod));
        }
    }

    /// It is deleted; its facts stay.
    pub fn mark_gone(&mut self, uid: &str) {
        let at = self.version;
        let Some((key, _)) = self.by_uid.get_key_value(uid) else { return };
        let key = key.clone();
        let Some(entry) = self.by_uid.get_mut(uid).filter(|e| e.gone.is_none()) else { return };
        entry.gone = Some(at);
        let pod = entry.pod.clone();
        self.gone.insert((at, key));
        self.note(&pod);
    }

    fn note(&mut self, pod: &Pod) {
        self.version += 1;
        self.changed.insert(pod.uid.as_ref().into());
        self.changed.extend(pod.hashes.iter().map(|h| Arc::from(h.as_ref())));
    }

    /// Makes room by the longest deleted pod; false when every pod is live.
    fn shed_one(&mut self) -> bool {
        let Some((at, uid)) = self.gone.first().cloned() else { return false };
        let Some(pod) = self.by_uid.get(&uid).map(|e| e.pod.clone()) else { return false };
        self.remove(at, &pod);
        self.shed += 1;
        true
    }

    /// Nobody needs a pod that was deleted then any more.
    pub fn remove(&mut self, at: u64, pod: &Pod) {
        let uid: Arc<str> = pod.uid.as_ref().into();
        self.by_uid.remove(&uid);
        self.gone.remove(&(at, uid.clone()));
        self.changed.remove(&uid);
        for hash in &pod.hashes {
            // A newer mirror pod may carry the same hash.
            if self.by_hash.get(hash).is_some_and(|of| *of == uid) {
                self.by_hash.remove(hash);
                self.changed.remove(hash.as_ref());
            }
        }
        self.version += 1;
    }
}
