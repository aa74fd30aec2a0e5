//! Templates of destinations: which fields can exist, where time may stand, and the literal text they begin with.
//!
//! A name is fixed per file: fields of single records cannot be part of it. A name that begins with a field could be
//! steered anywhere by whoever names a pod, so groups, objects and indices begin with text of the configuration.

use super::input::Named;
use crate::config::checked::{InputKind, Metadata, MetadataSource, OwnPod};
use crate::config::problem::{Wrong, nearest, shown};
use crate::config::section::Place;
use crate::config::template::{Template, render};
use crate::origin::{Fields, ON_REQUEST};

/// What one kind of name must be like.
pub(super) struct Rules<'r> {
    /// `a log group`.
    pub what: &'static str,
    /// Must begin with literal text.
    pub prefix: bool,
    /// May hold parts of record time.
    pub time: bool,
    /// The service's rules for literal text; gets all of it, digits for time, one letter for each field.
    pub literal: &'r dyn Fn(&str) -> Result<(), Wrong>,
}

/// Fields that every file has.
const ALWAYS: [&str; 3] = ["path", "input", "host"];
/// Fields of pods that directory names or links tell.
const FROM_PATH: [&str; 6] = [
    "kubernetes.namespace_name",
    "kubernetes.pod_name",
    "kubernetes.pod_id",
    "kubernetes.host",
    "kubernetes.container_name",
    "kubernetes.docker_id",
];
/// Fields that only the API server tells.
const FROM_API: [&str; 2] = ["kubernetes.container_image", "kubernetes.deployment_name"];
const LABELS: &str = "kubernetes.labels.";
const ANNOTATIONS: &str = "kubernetes.annotations.";
const NAMESPACE_LABELS: &str = "kubernetes.namespace_labels.";
const NODE_LABELS: &str = "kubernetes.node_labels.";
/// Fields of which there is one for each name after the last dot.
const MAPS: [&str; 4] = [LABELS, ANNOTATIONS, NAMESPACE_LABELS, NODE_LABELS];
/// Fields that change from record to record.
const PER_RECORD: [&str; 8] = ["log", "stream", "time", "@timestamp", "message", "level", "log_processed", "part"];

/// The template at `place`, if everything about it is right.
pub(super) fn template(place: &Place<'_>, rules: &Rules<'_>, inputs: &[&Named]) -> Option<Template> {
    let text = place.text()?;
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(errors) => {
            for error in errors {
                place.wrong(Wrong::new(error.what, error.instead));
            }
            return None;
        }
    };
    let mut wrongs = Vec::new();
    for name in template.fields() {
        wrongs.extend(field(name, inputs).err());
    }
    if template.has_time() && !rules.time {
        wrongs.push(Wrong::new(
            format!("{} cannot hold record time", rules.what),
            "remove the parts that begin with `%` (`%%` is a percent sign)",
        ));
    }
    if rules.prefix && template.literal_prefix().trim_start_matches('/').is_empty() {
        let rest = text.trim_start_matches('/');
        let example = format!("logs{}{rest}", if rest.contains('/') { '/' } else { '-' });
        wrongs.push(Wrong::new(
            format!("{} must begin with literal text, so that no field can choose another one", rules.what),
            format!("write {}", shown(&example)),
        ));
    }
    wrongs.extend((rules.literal)(&literal(&template)).err());
    let fine = wrongs.is_empty();
    for wrong in wrongs {
        place.wrong(wrong);
    }
    fine.then_some(template)
}

/// The literal text, with digits in place of time and one letter in place of each field.
fn literal(template: &Template) -> String {
    render(&template.file_part(&Fields::default(), |_| "x".to_string()), 0)
}

/// Refuses a field that no file of these inputs can have.
pub(super) fn field(name: &str, inputs: &[&Named]) -> Result<(), Wrong> {
    // Of an input that is itself wrong anything may be true: its own problems come first.
    if ALWAYS.contains(&name) || inputs.iter().any(|named| named.input.is_none()) {
        return Ok(());
    }
    let named = shown(name);
    let first = name.split('.').next().unwrap_or(name);
    if PER_RECORD.contains(&first) {
        return Err(Wrong::new(
            format!("{named} changes from record to record, but the name is fixed for each file"),
            "write a field of the file, such as `{kubernetes.namespace_name}`",
        ));
    }
    if inputs.is_empty() {
        return Ok(());
    }
    if name.starts_with("kubernetes.") && inputs.iter().all(|named| pods(named).is_none() && own_pod(named).is_none()) {
        return Err(Wrong::new(
            format!("{named} cannot exist: none of the inputs knows of pods"),
            "write one of {path}, {input}, {host}",
        ));
    }
    if FROM_PATH.contains(&name) {
        return Ok(());
    }
    let api = |test: &dyn Fn(&Metadata) -> bool| {
        let mut read = inputs.iter().filter_map(|named| pods(named));
        read.any(|metadata| metadata.source != MetadataSource::Path && test(metadata))
    };
    let own = |test: &dyn Fn(&OwnPod) -> bool| inputs.iter().filter_map(|named| own_pod(named)).any(test);
    let (map, key) = match MAPS.iter().find_map(|map| Some((*map, name.strip_prefix(map)?))) {
        Some((map, key)) if !key.is_empty() => (map, key),
        Some(_) | None => ("", ""),
    };
    let (known, instead) = match map {
        LABELS => (api(&|read| read.labels) || own(&|pod| pod.labels), "{source: api, labels: true}".to_string()),
        ANNOTATIONS => (
            api(&|read| read.annotations.iter().any(|listed| listed == key))
                || own(&|pod| pod.annotations.iter().any(|listed| listed == key)),
            format!("{{source: api, annotations: [{key}]}}"),
        ),
        NAMESPACE_LABELS => (api(&|read| read.namespace_labels), "{source: api, namespace_labels: true}".to_string()),
        NODE_LABELS => (api(&|read| read.node_labels), "{source: api, node_labels: true}".to_string()),
        _ if FROM_API.contains(&name) => (api(&|_| true), "{source: api}".to_string()),
        _ if ON_REQUEST.contains(&name) => (
            api(&|read| read.fields.contains(&name)),
            format!("{{source: api, fields: [{}]}}", name.trim_start_matches("kubernetes.")),
        ),
        _ => return Err(unknown(name)),
    };
    if known {
        return Ok(());
    }
    let what = format!("{named} cannot exist: no input of this output reads it");
    Err(Wrong::new(what, format!("write `metadata: {instead}` in the input, or another field")))
}

fn unknown(name: &str) -> Wrong {
    let all = || ALWAYS.iter().chain(&FROM_PATH).chain(&FROM_API).chain(&ON_REQUEST).copied();
    let instead = match nearest(name, all()) {
        Some(meant) => format!("write `{{{meant}}}`"),
        None => format!(
            "write one of {}, kubernetes.labels.NAME, kubernetes.annotations.NAME",
            all().collect::<Vec<_>>().join(", ")
        ),
    };
    Wrong::new(format!("there is no field {}", shown(&format!("{{{name}}}"))), instead)
}

/// How the input learns of pods; `None` for one without pods.
fn pods(named: &Named) -> Option<&Metadata> {
    match &named.input.as_ref()?.kind {
        InputKind::Kubernetes { metadata, .. } => Some(metadata),
        InputKind::File { .. } => None,
    }
}

/// The pod whose files a `file` input reads, if it is said.
fn own_pod(named: &Named) -> Option<&OwnPod> {
    match &named.input.as_ref()?.kind {
        InputKind::File { pod, .. } => pod.as_ref(),
        InputKind::Kubernetes { .. } => None,
    }
}
