//! What the API server said of this node's pods so far.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tailrace::catalog::pods::{Extra, PodPath, PodState, Pods};
use tailrace::origin::Fields;

#[derive(Clone, Default)]
pub struct SimPods(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// Namespace and name by UID; not told to the agent yet.
    unknown: BTreeMap<String, (String, String)>,
    known: BTreeMap<String, (String, String)>,
    terminated: BTreeSet<(String, String, u32)>,
    going: BTreeSet<String>,
    changed: Vec<String>,
}

impl SimPods {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub fn know(&self, uid: &str, namespace: &str, pod: &str) {
        self.table().unknown.insert(uid.into(), (namespace.into(), pod.into()));
    }
    /// The watch brings one more.
    pub fn learn_one(&self) {
        let mut table = self.table();
        if let Some((uid, names)) = table.unknown.pop_first() {
            table.changed.push(uid.clone());
            table.known.insert(uid, names);
        }
    }
    pub fn terminated(&self, uid: &str, container: &str, restart: u32) {
        let mut table = self.table();
        table.terminated.insert((uid.into(), container.into(), restart));
        table.changed.push(uid.into());
    }
    pub fn going(&self, uid: &str) {
        let mut table = self.table();
        table.going.insert(uid.into());
        table.changed.push(uid.into());
    }
    pub fn deleted(&self, uid: &str) {
        self.table().changed.push(uid.into());
    }
    pub fn any_news(&self) -> bool {
        !self.table().changed.is_empty()
    }
    /// A new process hears of everything.
    pub fn retell(&self) {
        let mut table = self.table();
        table.changed = table.known.keys().cloned().collect();
    }
}

impl Pods for SimPods {
    fn lookup(&self, of: &PodPath<'_>, extra: Extra) -> PodState {
        let table = self.table();
        let Some((namespace, pod)) = table.known.get(of.uid) else { return PodState::Unknown };
        let mut all = extra;
        let mut add = |name: &'static str, value: &str| all.push((Cow::Borrowed(name), value.into()));
        add("kubernetes.namespace_name", namespace);
        add("kubernetes.pod_name", pod);
        add("kubernetes.pod_id", of.uid);
        add("kubernetes.container_name", of.container);
        add("kubernetes.host", "node-1");
        PodState::Known { fields: Arc::new(Fields::new(all)), complete: true }
    }
    fn pod(&self, _uid: &str) -> Option<Arc<tailrace::metadata::pod::Pod>> {
        None
    }
    fn terminated(&self, of: &PodPath<'_>) -> bool {
        self.table().terminated.contains(&(of.uid.to_owned(), of.container.to_owned(), of.restart))
    }
    fn going(&self, uid: &str) -> bool {
        self.table().going.contains(uid)
    }
    fn changed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.table().changed)
    }
    fn forget(&mut self, _uid: &str) {}
}
