//! What the catalog asks about pods: the table of this node's pods, or nobody.

use crate::metadata::pod::{self, LogPath, Pod, Wanted};
use crate::metadata::pods::Pods as Table;
use crate::origin::Fields;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Fields that the catalog adds to a pod's own.
pub type Extra = Vec<(Cow<'static, str>, Box<str>)>;

/// One container of one pod, as its directory names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PodPath<'a> {
    /// Name of the input: what documents shall say is configured there.
    pub input: &'a str,
    /// Pod UID, or a static pod's configuration hash.
    pub uid: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Pod name.
    pub pod: &'a str,
    /// Container name.
    pub container: &'a str,
    /// Restart number.
    pub restart: u32,
}

/// What is known of a pod.
#[derive(Clone, Debug)]
pub enum PodState {
    /// Its facts.
    Known {
        /// With the catalog's extra fields.
        fields: Arc<Fields>,
        /// The status of this very restart is in (the container's id); else it is worth waiting for a moment.
        complete: bool,
    },
    /// Not yet.
    Unknown,
    /// Nobody will ever know (`source: path`).
    NeverKnown,
}

/// Asked by the catalog's thread alone; must not wait for anything.
pub trait Pods: Send {
    /// Facts for documents and keys.
    fn lookup(&self, of: &PodPath<'_>, extra: Extra) -> PodState;
    /// The pod itself, for rules that need more than its path; `None`: not known.
    fn pod(&self, uid: &str) -> Option<Arc<Pod>>;
    /// This run of the container is over.
    fn terminated(&self, of: &PodPath<'_>) -> bool;
    /// The pod is deleted or about to be.
    fn going(&self, uid: &str) -> bool;
    /// UIDs and hashes of pods that changed since the last call.
    fn changed(&mut self) -> Vec<String>;
    /// The catalog has no more files of this pod.
    fn forget(&mut self, uid: &str);
}

/// No table at all: what directory names say.
#[derive(Clone, Copy, Debug, Default)]
pub struct PathOnly;

impl Pods for PathOnly {
    fn lookup(&self, _of: &PodPath<'_>, _extra: Extra) -> PodState {
        PodState::NeverKnown
    }
    fn pod(&self, _uid: &str) -> Option<Arc<Pod>> {
        None
    }
    fn terminated(&self, _of: &PodPath<'_>) -> bool {
        false
    }
    fn going(&self, _uid: &str) -> bool {
        false
    }
    fn changed(&mut self) -> Vec<String> {
        Vec::new()
    }
    fn forget(&mut self, _uid: &str) {}
}

/// The table of this node's pods, and what each input wants of them.
pub struct NodePods {
    table: Arc<Table>,
    wanted: HashMap<Arc<str>, Wanted>,
}

impl NodePods {
    /// `wanted` by name of input.
    pub fn new(table: Arc<Table>, wanted: HashMap<Arc<str>, Wanted>) -> NodePods {
        NodePods { table, wanted }
    }
}

impl Pods for NodePods {
    fn lookup(&self, of: &PodPath<'_>, extra: Extra) -> PodState {
        let none = Wanted::default();
        let wanted = self.wanted.get(of.input).unwrap_or(&none);
        match self.table.lookup(of.uid, of.container, of.restart, wanted, extra) {
            Some(found) => PodState::Known { fields: found.fields, complete: found.complete },
            None => PodState::Unknown,
        }
    }
    fn pod(&self, uid: &str) -> Option<Arc<Pod>> {
        self.table.get(uid)
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

/// The fields of a container whose pod is not known: what its path says, and a link.
pub fn path_fields(of: &PodPath<'_>, docker_id: Option<&str>, host: &str, extra: Extra) -> Fields {
    let path = LogPath { namespace: of.namespace, pod: of.pod, uid: of.uid, container: of.container };
    pod::path_fields(path, docker_id, host, extra)
}
