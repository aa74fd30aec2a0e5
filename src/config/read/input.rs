//! `inputs`: where data comes from.

use super::{metadata, own_pod, rules, values};
use crate::config::checked::{Input, InputKind, MetadataSource, Start};
use crate::config::expand::Env;
use crate::config::problem::{Wrong, nearest, shown};
use crate::config::section::{Place, Section};
use crate::config::units::{KIB, MIB, boolean, choice, show_size, size, within};
use std::path::PathBuf;
use std::sync::Arc;

/// An input's name, which outputs may use even when the rest of it is wrong.
#[derive(Debug)]
pub(super) struct Named {
    pub name: Arc<str>,
    /// `None` when not even its type is known.
    pub input: Option<Input>,
}

const KEYS: [(&str, &[&str]); 2] = [
    ("kubernetes", &["path", "metadata", "docker_roots", "include_self", "namespaces", "pods", "pods_may"]),
    ("file", &["include", "metadata"]),
];

/// Types that will be there one day and are refused until then, with a sentence of their own.
const LATER: [&str; 3] = ["journald", "forward", "host_metrics"];

/// All inputs, in the order of the file.
pub(super) fn all(top: &Section<'_>, env: Env<'_>) -> Vec<Named> {
    let example = "inputs below it, such as `pods: {type: kubernetes}`";
    let Some(place) = top.required("inputs", "{pods: {type: kubernetes}}") else { return Vec::new() };
    let Some(inputs) = place.section(example) else { return Vec::new() };
    if inputs.is_empty() {
        place.wrong_key(Wrong::new("has no input", format!("write {example}")));
    }
    let all: Vec<Named> = inputs.named().map(|(name, place)| one(name, &place, env)).collect();
    let from = |wanted: MetadataSource| {
        all.iter().any(|named| match named.input.as_ref().map(|input| &input.kind) {
            Some(InputKind::Kubernetes { metadata, .. }) => metadata.source == wanted,
            Some(InputKind::File { .. }) | None => false,
        })
    };
    if from(MetadataSource::Api) && from(MetadataSource::Kubelet) {
        let instead = "write the same `metadata: {source: ...}` in all of them";
        place.wrong_key(Wrong::new("ask the API server and kubelet for the same pods", instead));
    }
    all
}

fn one(name: &str, place: &Place<'_>, env: Env<'_>) -> Named {
    if let Err(wrong) = values::name(name) {
        place.wrong_key(wrong);
    }
    let name: Arc<str> = name.into();
    let Some(section) = place.section("`type: kubernetes` or `type: file`") else {
        return Named { name, input: None };
    };
    let kind = section.required("type", "kubernetes").and_then(|place| place.parse(kind));
    let start = section.value("start", |text| choice(text, &[("beginning", Start::Beginning), ("end", Start::End)]));
    let exclude = section.get("exclude").map(|place| place.items(values::glob));
    let max_record = section.value("max_record", |text| within(size(text)?, KIB, MIB, show_size)).unwrap_or(MIB);
    section.not_yet("multiline", "records of several lines");
    let kind = match kind {
        Some("kubernetes") => Some(kubernetes(&section, env)),
        Some(_) => Some(file(&section, env)),
        None => {
            // Which keys it may have is not known; judge only what no type has.
            for key in KEYS.iter().flat_map(|(_, keys)| keys.iter()) {
                section.get(key);
            }
            None
        }
    };
    section.finish(|key| {
        let (kind, _) = KEYS.iter().find(|(_, keys)| keys.contains(&key))?;
        Some(format!("remove it: it belongs to inputs of `type: {kind}`"))
    });
    let input = kind.map(|kind| Input {
        name: name.clone(),
        start: start.unwrap_or(Start::Beginning),
        exclude: exclude.unwrap_or_default(),
        max_record: max_record as usize,
        kind,
    });
    Named { name, input }
}

fn kind(text: &str) -> Result<&'static str, Wrong> {
    if LATER.contains(&text) {
        return Err(Wrong::new(
            format!("not there yet: inputs of type {}", shown(text)),
            "write `kubernetes` or `file`",
        ));
    }
    choice(text, &[("kubernetes", "kubernetes"), ("file", "file")])
}

fn file(section: &Section<'_>, env: Env<'_>) -> InputKind {
    let include = section.required("include", "[/var/log/messages]").map(|place| {
        place.not_empty();
        place.items(values::glob)
    });
    InputKind::File { include: include.unwrap_or_default(), pod: own_pod::read(section, env) }
}

fn kubernetes(section: &Section<'_>, env: Env<'_>) -> InputKind {
    let metadata = metadata::read(section, env);
    let rules = rules::read(section, metadata.source != MetadataSource::Path);
    InputKind::Kubernetes {
        path: section.value("path", values::absolute).unwrap_or_else(|| PathBuf::from("/var/log/pods")),
        docker_roots: section.get("docker_roots").map(|place| place.items(values::absolute)).unwrap_or_default(),
        metadata,
        include_self: section.value("include_self", boolean).unwrap_or(false),
        rules,
    }
}

/// The input that `name` means, or a problem that names the nearest one.
pub(super) fn find<'i>(name: &str, inputs: &'i [Named]) -> Result<&'i Named, Wrong> {
    let names = || inputs.iter().map(|named| named.name.as_ref());
    inputs.iter().find(|named| named.name.as_ref() == name).ok_or_else(|| {
        let instead = match nearest(name, names()) {
            Some(meant) => format!("write `{meant}`"),
            None => format!("write one of {}", names().take(20).collect::<Vec<_>>().join(", ")),
        };
        Wrong::new(format!("there is no input {}", shown(name)), instead)
    })
}
