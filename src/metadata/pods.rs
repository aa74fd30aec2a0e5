//! The table of this node's pods: the watch and the cache fill it, the catalog looks pods up in it.
//!
//! A pod is found by its UID or, for a static pod, by the hash in its annotations. A deleted pod's entry stays until the
//! catalog forgets it, because its files may still be read; at most [`PODS_MAX`] entries are kept, the longest deleted
//! go first. Every call is short and does no I/O. Fields are built outside the lock, once for each call.

mod table;
#[cfg(test)]
mod tests;

use super::pod::{self, Around, Base, Labels, Pod, Wanted};
use crate::origin::Fields;
use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
pub use table::PODS_MAX;
use table::Table;

/// What a lookup found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The file's fields as the pod is now.
    pub fields: Arc<Fields>,
    /// The container id of this restart is among them, and labels of namespace and node where they are wanted: nothing
    /// more will become known.
    pub complete: bool,
}

/// The table.
#[derive(Default)]
pub struct Pods {
    table: Mutex<Table>,
    bell: OnceLock<Bell>,
    missing: OnceLock<Bell>,
}

/// What is rung after each change; it must not wait for anything.
pub type Bell = Box<dyn Fn() + Send + Sync>;

/// A namespace's name and labels.
pub type Named = (Box<str>, Arc<Labels>);

impl Pods {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `bell` rings after each change, so that new pods' files need not wait for somebody to look. The first
    /// bell stays.
    pub fn ring(&self, bell: Bell) {
        self.bell.get_or_init(|| bell);
    }

    /// From now on `bell` rings whenever somebody asks for what is not here (yet). The first bell stays.
    pub fn ring_when_missing(&self, bell: Bell) {
        self.missing.get_or_init(|| bell);
    }

    /// Runs a change and rings when it was one; never under the lock.
    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.table();
        let before = table.version;
        let out = change(&mut table);
        let changed = table.version != before;
        drop(table);
        if let Some(bell) = self.bell.get().filter(|_| changed) {
            bell();
        }
        out
    }

    // The table is valid after any panic: each change is a few map operations.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds or replaces a pod; true when anything about it is new.
    pub fn put(&self, pod: Pod) -> bool {
        self.change(|table| table.put(pod))
    }

    /// The pod is deleted; its facts stay until forgotten.
    pub fn deleted(&self, uid: &str) {
        self.change(|table| table.mark_gone(uid));
    }

    /// A complete list of the node's pods: what is not in it is deleted.
    pub fn replace(&self, pods: Vec<Pod>) {
        self.change(|table| {
            let listed = pods.iter().map(|pod| pod.uid.clone()).collect();
            for pod in pods {
                table.put(pod);
            }
            table.listed(&listed);
        });
    }

    /// Nobody can tell for now: what an earlier life knew will do.
    pub fn rely_on_these(&self) {
        self.change(Table::confirm);
    }

    /// The UIDs of all of the node's pods, each of which was put: what is not among them is deleted.
    pub fn listed(&self, uids: &HashSet<Box<str>>) {
        self.change(|table| table.listed(uids));
    }

    /// Pods of an earlier life of this process. What is known of them may be out of date: it is not complete until the
    /// next list, or [`Pods::rely_on_these`]. That list says which are gone.
    pub fn preload(&self, pods: Vec<Pod>) {
        self.change(|table| {
            table.unconfirmed = !pods.is_empty();
            for pod in pods {
                table.put(pod);
            }
        });
    }

    /// The fields of a log file: `uid` is what its directory says (a UID or a static pod's hash), `base` what the
    /// caller adds. `None` when the pod is not known (yet).
    pub fn lookup(&self, uid: &str, container: &str, restart: u32, wanted: &Wanted, base: Base) -> Option<Found> {
        let (known, confirmed) = {
            let table = self.table();
            (table.around(uid), !table.unconfirmed)
        };
        let found = known.map(|(pod, namespace, node)| {
            let around = Around { namespace: namespace.as_deref(), node: node.as_deref() };
            let fields = pod::fields(&pod, container, restart, wanted, around, base);
            let namespace_known = namespace.is_some() || !wanted.namespace_labels;
            let node_known = node.is_some() || !wanted.node_labels;
            let has_id = fields.get("kubernetes.docker_id").is_some();
            Found { complete: confirmed && namespace_known && node_known && has_id, fields: Arc::new(fields) }
        });
        if found.is_none() {
            self.table().missed = true;
        }
        if let Some(bell) = self.missing.get().filter(|_| found.as_ref().is_none_or(|f| !f.complete)) {
            bell();
        }
        found
    }

    /// Namespaces of the pods that are kept, each once.
    pub fn namespaces(&self) -> BTreeSet<Box<str>> {
        self.table().by_uid.values().map(|entry| entry.pod.namespace.clone()).collect()
    }

    /// Labels of a namespace; its pods changed where these are new.
    pub fn put_namespace(&self, name: &str, labels: Labels) {
        self.change(|table| table.put_namespace(name, labels));
    }

    /// Labels of namespaces that no kept pod is in go.
    pub fn keep_namespaces(&self, names: &BTreeSet<Box<str>>) {
        self.table().namespaces.retain(|name, _| names.contains(name));
    }

    /// Labels of this node; every pod changed where these are new.
    pub fn put_node(&self, labels: Labels) {
        self.change(|table| table.put_node(labels));
    }

    /// Labels that are kept: of namespaces by name, and of the node.
    pub fn surroundings(&self) -> (Vec<Named>, Option<Arc<Labels>>) {
        let table = self.table();
        (table.namespaces.iter().map(|(name, labels)| (name.clone(), labels.clone())).collect(), table.node.clone())
    }

    /// The pod's facts, by UID or hash.
    pub fn get(&self, uid: &str) -> Option<Arc<Pod>> {
        self.table().find(uid).map(|entry| entry.pod.clone())
    }

    /// Whether this run of the container is known to be over. An unknown pod's is not; nor is a deleted pod's by that
    /// alone: one deleted by force runs on for a while.
    pub fn terminated(&self, uid: &str, container: &str, restart: u32) -> bool {
        self.get(uid).is_some_and(|pod| pod.terminated(container, restart))
    }

    /// Whether the pod is deleted or about to be: kubelet removes its logs soon.
    pub fn going(&self, uid: &str) -> bool {
        let table = self.table();
        table.find(uid).is_some_and(|entry| entry.gone.is_some() || entry.pod.deleting)
    }

    /// UIDs and hashes (whatever a directory may be called after) of pods that changed since the last call.
    pub fn take_changed(&self) -> Vec<String> {
        self.table().changed.drain().map(|name| name.to_string()).collect()
    }

    /// The catalog has no more files of this pod: a deleted pod's entry goes. A live one's stays.
    pub fn forget(&self, uid: &str) {
        let mut table = self.table();
        let gone = table.find(uid).and_then(|entry| entry.gone.map(|at| (at, entry.pod.clone())));
        if let Some((at, pod)) = gone {
            table.remove(at, &pod);
        }
    }

    /// A file waits, or waited, for a pod that nobody knew when it was looked up.
    pub fn is_missed(&self) -> bool {
        self.table().missed
    }

    /// The API server's list was read in this process.
    pub fn is_loaded(&self) -> bool {
        self.table().loaded
    }

    /// Grows with every change.
    pub fn version(&self) -> u64 {
        self.table().version
    }

    /// All pods that are kept, for the cache: live ones first, deleted ones from the newest.
    pub fn all(&self) -> Vec<Arc<Pod>> {
        let table = self.table();
        let live = table.by_uid.values().filter(|e| e.gone.is_none()).map(|e| e.pod.clone());
        let gone = table.gone.iter().rev().filter_map(|(_, uid)| table.by_uid.get(uid)).map(|e| e.pod.clone());
        live.chain(gone).collect()
    }

    /// Live pods, deleted pods still kept, and pods that the bound threw away or refused.
    pub fn counts(&self) -> (u64, u64, u64) {
        let table = self.table();
        let gone = table.gone.len() as u64;
        (table.by_uid.len() as u64 - gone, gone, table.shed)
    }

    /// Bytes that the table costs, roughly.
    pub fn cost(&self) -> u64 {
        self.table().by_uid.values().map(|e| e.pod.cost() as u64 + 200).sum()
    }
}

impl std::fmt::Debug for Pods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (live, deleted, shed) = self.counts();
        f.debug_struct("Pods").field("live", &live).field("deleted", &deleted).field("shed", &shed).finish()
    }
}
