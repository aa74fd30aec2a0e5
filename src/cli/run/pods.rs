//! The catalog's view of the pod table: what each input wants of a pod, and whether it wants anything.

use crate::catalog::pods::{Extra, PodPath, PodState};
use crate::config::checked::{Config, InputKind, MetadataSource};
use crate::metadata::pod::Wanted;
use crate::metadata::pods::Pods;
use std::collections::BTreeMap;
use std::sync::Arc;

/// This node's pods, for the catalog.
pub struct NodePods {
    table: Arc<Pods>,
    wanted: BTreeMap<Arc<str>, Wanted>,
    host: Arc<str>,
}

impl NodePods {
    /// `table` is what the watch fills.
    pub fn new(config: &Config, table: Arc<Pods>) -> NodePods {
        let mut wanted = BTreeMap::new();
        for input in &config.inputs {
            match &input.kind {
                InputKind::Kubernetes { metadata, .. } if metadata.source == MetadataSource::Api => {
                    let annotations = metadata.annotations.clone().into_boxed_slice();
                    wanted.insert(input.name.clone(), Wanted { labels: metadata.labels, annotations });
                }
                InputKind::Kubernetes { .. } | InputKind::File { .. } => {}
            }
        }
        NodePods { table, wanted, host: config.node.clone() }
    }
    /// Some input wants more than paths say.
    pub fn watched(&self) -> bool {
        !self.wanted.is_empty()
    }
    /// Annotations that any input wants.
    pub fn annotations(&self) -> Vec<String> {
        let mut all: Vec<String> = self.wanted.values().flat_map(|w| w.annotations.iter().cloned()).collect();
        all.sort();
        all.dedup();
        all
    }
}

impl crate::catalog::pods::Pods for NodePods {
    fn lookup(&self, of: &PodPath<'_>, mut extra: Extra) -> PodState {
        let Some(wanted) = self.wanted.get(of.input) else { return PodState::NeverKnown };
        extra.push(("kubernetes.host".into(), self.host.as_ref().into()));
        match self.table.lookup(of.uid, of.container, of.restart, wanted, extra) {
            Some(found) => PodState::Known { fields: found.fields, complete: found.complete },
            None => PodState::Unknown,
        }
    }
    fn terminated(&self, of: &PodPath<'_>) -> bool {
        self.table.terminated(of.uid, of.container, of.restart)
    }
    fn going(&self, uid: &str) -> bool {
        self.table.going(uid)
    }
    fn changed(&mut self) -> Vec<String> {
        self.table.take_changed()
    }
    fn forget(&mut self, uid: &str) {
        self.table.forget(uid);
    }
}
