//! The few members of a Kubernetes Pod object that we read. Every one may be absent or null.

use super::{Container, Owner, Pod};
use crate::metadata::rules;
use serde::Deserialize;
use std::collections::BTreeMap;

type Map = BTreeMap<Box<str>, Option<Box<str>>>;

#[derive(Deserialize)]
struct Object {
    metadata: Option<Meta>,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Meta {
    uid: Option<Box<str>>,
    name: Option<Box<str>>,
    namespace: Option<Box<str>>,
    labels: Option<Map>,
    annotations: Option<Map>,
    owner_references: Option<Vec<Reference>>,
    creation_timestamp: Option<Box<str>>,
    deletion_timestamp: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Reference {
    kind: Option<Box<str>>,
    name: Option<Box<str>>,
    controller: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: Option<Box<str>>,
    containers: Option<Vec<Wish>>,
    init_containers: Option<Vec<Wish>>,
    ephemeral_containers: Option<Vec<Wish>>,
}

#[derive(Deserialize)]
struct Wish {
    name: Option<Box<str>>,
    image: Option<Box<str>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Status {
    phase: Option<Box<str>>,
    #[serde(rename = "podIP")]
    pod_ip: Option<Box<str>>,
    container_statuses: Option<Vec<State>>,
    init_container_statuses: Option<Vec<State>>,
    ephemeral_container_statuses: Option<Vec<State>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    name: Option<Box<str>>,
    image: Option<Box<str>>,
    #[serde(rename = "containerID")]
    container_id: Option<Box<str>>,
    #[serde(rename = "imageID")]
    image_id: Option<Box<str>>,
    restart_count: Option<i64>,
    state: Option<Phase>,
    last_state: Option<Phase>,
}

#[derive(Deserialize)]
struct Phase {
    running: Option<serde::de::IgnoredAny>,
    terminated: Option<Terminated>,
}

#[derive(Deserialize)]
struct Terminated {
    #[serde(rename = "containerID")]
    container_id: Option<Box<str>>,
}

pub(super) fn read(json: &[u8], annotations: &[String]) -> Result<Pod, String> {
    let object: Object = serde_json::from_slice(json).map_err(|e| e.to_string())?;
    let meta = object.metadata.unwrap_or_default();
    let spec = object.spec.unwrap_or_default();
    let status = object.status.unwrap_or_default();
    let need = |value: Option<Box<str>>, what: &str| match value {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) | None => Err(format!("a pod without metadata.{what}")),
    };
    let labels = pairs(meta.labels);
    let all_annotations = pairs(meta.annotations);
    let hashes = hashes(&all_annotations);
    let owner = owner(meta.owner_references.unwrap_or_default(), &labels, meta.creation_timestamp.as_deref());
    Ok(Pod {
        uid: need(meta.uid, "uid")?,
        name: need(meta.name, "name")?,
        namespace: need(meta.namespace, "namespace")?,
        node: spec.node_name.clone().unwrap_or_default(),
        deployment: owner.as_ref().filter(|o| &*o.kind == "Deployment").map(|o| o.name.clone()),
        owner,
        ip: status.pod_ip.clone().unwrap_or_default(),
        hashes,
        annotations: all_annotations
            .into_iter()
            .filter(|(k, _)| annotations.iter().any(|a| a.as_str() == k.as_ref()) || rules::is_word(k))
            .collect(),
        labels: labels.into(),
        deleting: meta.deletion_timestamp.is_some(),
        finished: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
        containers: containers(spec, status),
    })
}

fn pairs(map: Option<Map>) -> Vec<(Box<str>, Box<str>)> {
    map.unwrap_or_default().into_iter().map(|(k, v)| (k, v.unwrap_or_default())).collect()
}

/// Static pods: the directory's name carries a hash of the file that made the pod, and the API server's object (the
/// mirror pod) carries that hash in annotations.
fn hashes(annotations: &[(Box<str>, Box<str>)]) -> Box<[Box<str>]> {
    let named = |k: &str| matches!(k, "kubernetes.io/config.hash" | "kubernetes.io/config.mirror");
    let mut found: Vec<Box<str>> =
        annotations.iter().filter(|(k, v)| named(k) && !v.is_empty()).map(|(_, v)| v.clone()).collect();
    found.dedup();
    found.into()
}

/// The controller, or the one behind it, as names tell without asking for either: a ReplicaSet of a Deployment is
/// called DEPLOYMENT-HASH, and its pods carry the hash as a label; a Job of a CronJob is called CRONJOB-MINUTES, after
/// the minute that it was due.
fn owner(owners: Vec<Reference>, labels: &[(Box<str>, Box<str>)], created: Option<&str>) -> Option<Owner> {
    let controller = owners.into_iter().find(|o| o.controller == Some(true))?;
    let (kind, name) = (controller.kind?, controller.name?);
    let hash = labels.iter().find(|(k, _)| k.as_ref() == "pod-template-hash").map_or("", |(_, hash)| hash);
    let (before, after) = name.rsplit_once('-').filter(|(before, _)| !before.is_empty()).unwrap_or((&*name, ""));
    Some(match &*kind {
        "ReplicaSet" if !hash.is_empty() && after == hash => Owner { kind: "Deployment".into(), name: before.into() },
        "Job" if is_due_minute(after, created) => Owner { kind: "CronJob".into(), name: before.into() },
        _ => Owner { kind, name },
    })
}

/// Whether these digits are minutes since 1970 of the week before the pod was made: a name like `import-20261122`, which
/// somebody gave a Job, is not taken for a CronJob's.
fn is_due_minute(digits: &str, created: Option<&str>) -> bool {
    const WEEK: i64 = 7 * 24 * 60;
    let due = if digits.len() == 8 { digits.parse::<i64>().ok() } else { None };
    let created = created.and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(|at| at.as_second() / 60);
    due.zip(created).is_some_and(|(due, made)| (-1..=WEEK).contains(&(made - due)))
}

fn containers(spec: Spec, status: Status) -> Box<[Container]> {
    let mut all: Vec<Container> = Vec::new();
    let wishes = [spec.containers, spec.init_containers, spec.ephemeral_containers];
    for wish in wishes.into_iter().flatten().flatten() {
        if let Some(name) = wish.name {
            all.push(Container { name, image: wish.image.unwrap_or_default(), ..Container::default() });
        }
    }
    let states = [status.container_statuses, status.init_container_statuses, status.ephemeral_container_statuses];
    for state in states.into_iter().flatten().flatten() {
        let Some(name) = &state.name else { continue };
        match all.iter_mut().find(|c| c.name == *name) {
            Some(container) => observe(container, state),
            None => {
                let mut container = Container { name: name.clone(), ..Container::default() };
                observe(&mut container, state);
                all.push(container);
            }
        }
    }
    all.into()
}

fn observe(container: &mut Container, state: State) {
    // containerd reports a bare digest when several tags name one image: the spec is what people know.
    if let Some(image) = state.image.filter(|i| !i.is_empty() && !i.starts_with("sha256:")) {
        container.image = image;
    }
    // Docker's has a scheme before it.
    container.image_id = bare(state.image_id).unwrap_or_default();
    container.restart = u32::try_from(state.restart_count.unwrap_or(0)).unwrap_or(0);
    container.id = bare(state.container_id);
    let (now, last) = (state.state, state.last_state);
    container.running = now.as_ref().is_some_and(|s| s.running.is_some());
    let terminated = now.is_some_and(|s| s.terminated.is_some());
    container.previous = bare(last.and_then(|s| s.terminated).and_then(|t| t.container_id));
    // Waiting to be started again (CrashLoopBackOff): the status still names the run that is over.
    let waiting_again = !container.running && container.id.is_some() && container.previous == container.id;
    container.ended = terminated || waiting_again;
}

/// `containerd://ID` without its scheme; nothing for an empty one.
fn bare(id: Option<Box<str>>) -> Option<Box<str>> {
    let id = id?;
    let text = id.split_once("://").map_or(id.as_ref(), |(_, rest)| rest);
    (!text.is_empty()).then(|| text.into())
}
