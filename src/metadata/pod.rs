//! One pod's facts, taken from what the API server says of it, and the fields that a log file gets from them.
//!
//! Pure: bytes in, facts out. Only what a document, a key or the catalog uses is kept (a pod is 10 to 20 KB of JSON and
//! less than 1 KB here), so that two pods compare equal exactly when nothing that anybody sees has changed.
//! Which annotations are kept is the input's allow-list; the two that name static pods are kept apart.

mod api;
#[cfg(test)]
mod tests;

use crate::origin::Fields;
#[cfg(doc)]
use crate::origin::ON_REQUEST;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A base list of fields that the caller adds: `path`, `input`, `host`.
pub type Base = Vec<(Cow<'static, str>, Box<str>)>;

/// What the API server says of one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pod {
    /// `metadata.uid`; never empty.
    pub uid: Box<str>,
    /// `metadata.name`.
    pub name: Box<str>,
    /// `metadata.namespace`.
    pub namespace: Box<str>,
    /// `spec.nodeName`.
    pub node: Box<str>,
    /// Sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// Allow-listed ones only, sorted by key.
    pub annotations: Box<[(Box<str>, Box<str>)]>,
    /// Values of `kubernetes.io/config.hash` and `kubernetes.io/config.mirror`: a static pod's log directory has one of
    /// them where others have the UID.
    pub hashes: Box<[Box<str>]>,
    /// From the controlling ReplicaSet's name and the label `pod-template-hash`.
    pub deployment: Option<Box<str>>,
    /// Who looks after it in the end: the Deployment of its ReplicaSet, the CronJob of its Job, else its controller.
    pub owner: Option<Owner>,
    /// `status.podIP`; empty until there is one.
    pub ip: Box<str>,
    /// Ordinary, init and ephemeral ones.
    pub containers: Box<[Container]>,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Phase Succeeded or Failed: no container will run again.
    pub finished: bool,
}

/// What a pod is a part of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// `Deployment`, `StatefulSet`, `CronJob`, ...
    pub kind: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// One container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Unique within the pod.
    pub name: Box<str>,
    /// As the status says it, or the spec while the status only knows a digest.
    pub image: Box<str>,
    /// Name and digest of the image that runs (`registry/web@sha256:..`); empty until the runtime has pulled it.
    pub image_id: Box<str>,
    /// Restart number of `id`: the N of N.log.
    pub restart: u32,
    /// Without its scheme (`containerd://`); `None` until the runtime made one.
    pub id: Option<Box<str>>,
    /// Id of the restart before, without its scheme.
    pub previous: Option<Box<str>>,
    /// The one with `id` runs no more.
    pub ended: bool,
    /// The one with `id` runs.
    pub running: bool,
}

/// What an input wants in its documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Labels go in.
    pub labels: bool,
    /// Annotations that go in, by exact name.
    pub annotations: Box<[String]>,
    /// Some of [`ON_REQUEST`].
    pub facts: Box<[&'static str]>,
    /// The namespace's labels go in.
    pub namespace_labels: bool,
    /// The node's labels go in.
    pub node_labels: bool,
}

/// Labels of a namespace or a node, sorted by name.
pub type Labels = Box<[(Box<str>, Box<str>)]>;

/// What is known of a pod's surroundings; `None`: not known yet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// Labels of its namespace.
    pub namespace: Option<&'a Labels>,
    /// Labels of its node.
    pub node: Option<&'a Labels>,
}

/// The path of a pod log file, read apart: `NAMESPACE_POD_UID/CONTAINER/RESTART.log`.
#[derive(Clone, Copy, Debug)]
pub struct LogPath<'a> {
    /// First part of the directory's name.
    pub namespace: &'a str,
    /// Second part.
    pub pod: &'a str,
    /// Third part: the UID, or a static pod's hash.
    pub uid: &'a str,
    /// The directory below.
    pub container: &'a str,
}

impl Pod {
    /// Reads a Pod object. Unknown members are passed over; an object without UID, name or namespace is an error.
    /// `annotations` are the names to keep.
    pub fn from_json(json: &[u8], annotations: &[String]) -> Result<Pod, String> {
        api::read(json, annotations)
    }

    /// The container's facts.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|c| c.name.as_ref() == name)
    }

    /// Whether this container's run number `restart` is over: its own state says so, a later run exists, or the whole
    /// pod is finished. Old kubelets call an evicted pod Failed while its containers still run: that is believed only of
    /// a container that is not said to run.
    pub fn terminated(&self, container: &str, restart: u32) -> bool {
        match self.container(container) {
            Some(c) => restart < c.restart || (restart == c.restart && c.ended) || (self.finished && !c.running),
            None => self.finished,
        }
    }

    /// Bytes that keeping it costs, roughly: texts and a pointer pair for each.
    pub fn cost(&self) -> usize {
        let pair = |(k, v): &(Box<str>, Box<str>)| k.len() + v.len() + 32;
        let id = |id: &Option<Box<str>>| id.as_ref().map_or(0, |i| i.len());
        let container =
            |c: &Container| c.name.len() + c.image.len() + c.image_id.len() + id(&c.id) + id(&c.previous) + 96;
        320 + self.uid.len()
            + self.ip.len()
            + self.owner.as_ref().map_or(0, |o| o.kind.len() + o.name.len())
            + self.name.len()
            + self.namespace.len()
            + self.node.len()
            + self.labels.iter().chain(&self.annotations).map(pair).sum::<usize>()
            + self.hashes.iter().map(|h| h.len() + 16).sum::<usize>()
            + self.containers.iter().map(container).sum::<usize>()
    }
}

impl Container {
    /// The id of run number `restart`, as long as the status still tells it: the newest run's and the one's before.
    pub fn id_of(&self, restart: u32) -> Option<&str> {
        if restart == self.restart {
            return self.id.as_deref();
        }
        // In CrashLoopBackOff the "last state" is that of the newest run itself, which is over.
        let before = self.previous.as_deref().filter(|p| Some(*p) != self.id.as_deref());
        if restart.checked_add(1) == Some(self.restart) { before } else { None }
    }
}

/// The fields of a log file whose pod is known. They say `tailrace.pod=known`, by which a lane tells a pod without a
/// label from a pod that nobody knows.
pub fn fields(pod: &Pod, container: &str, restart: u32, wanted: &Wanted, around: Around<'_>, base: Base) -> Fields {
    let mut all = base;
    let mut put = |name: &'static str, value: &str| {
        if !value.is_empty() {
            all.push((Cow::Borrowed(name), value.into()));
        }
    };
    put("kubernetes.pod_name", &pod.name);
    put("kubernetes.namespace_name", &pod.namespace);
    put("kubernetes.pod_id", &pod.uid);
    put("kubernetes.host", &pod.node);
    put("kubernetes.container_name", container);
    put("kubernetes.deployment_name", pod.deployment.as_deref().unwrap_or(""));
    let status = pod.container(container);
    if let Some(c) = status {
        put("kubernetes.container_image", &c.image);
        put("kubernetes.docker_id", c.id_of(restart).unwrap_or(""));
    }
    let owner = pod.owner.as_ref();
    for name in &wanted.facts {
        match *name {
            "kubernetes.pod_ip" => put(name, &pod.ip),
            // Of an earlier run nobody knows it.
            "kubernetes.container_hash" => {
                put(name, status.filter(|c| c.restart == restart).map_or("", |c| &c.image_id))
            }
            "kubernetes.owner_kind" => put(name, owner.map_or("", |o| &o.kind)),
            "kubernetes.owner_name" => put(name, owner.map_or("", |o| &o.name)),
            "kubernetes.restart_count" => put(name, &restart.to_string()),
            _ => {}
        }
    }
    put("tailrace.pod", "known");
    let mut map = |prefix: &str, labels: &mut dyn Iterator<Item = &(Box<str>, Box<str>)>| {
        all.extend(labels.map(|(k, v)| (Cow::Owned(format!("kubernetes.{prefix}.{k}")), v.clone())));
    };
    if wanted.labels {
        map("labels", &mut pod.labels.iter());
    }
    let listed = |name: &str| wanted.annotations.iter().any(|w| w.as_str() == name);
    map("annotations", &mut pod.annotations.iter().filter(|(k, _)| listed(k)));
    if wanted.namespace_labels {
        map("namespace_labels", &mut around.namespace.into_iter().flatten());
    }
    if wanted.node_labels {
        map("node_labels", &mut around.node.into_iter().flatten());
    }
    Fields::new(all)
}

/// The fields of a log file whose pod is not known, or with `metadata: {source: path}`: what the path says, and the
/// container id where a link in /var/log/containers tells it. No `tailrace.pod`.
pub fn path_fields(path: LogPath<'_>, docker_id: Option<&str>, host: &str, base: Base) -> Fields {
    let mut all = base;
    let said = [
        ("kubernetes.pod_name", path.pod),
        ("kubernetes.namespace_name", path.namespace),
        ("kubernetes.pod_id", path.uid),
        ("kubernetes.host", host),
        ("kubernetes.container_name", path.container),
        ("kubernetes.docker_id", docker_id.unwrap_or("")),
    ];
    all.extend(said.into_iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (Cow::Borrowed(k), v.into())));
    Fields::new(all)
}
