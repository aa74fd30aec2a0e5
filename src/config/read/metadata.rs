//! `metadata` of a `kubernetes` input: where facts about pods come from, and which of them go into documents.

use super::ca_file::ca_file;
use crate::config::checked::{Kubelet, Metadata, MetadataSource};
use crate::config::expand::Env;
use crate::config::problem::{Wrong, nearest, shown};
use crate::config::section::Section;
use crate::config::units::{boolean, choice, duration, show_duration, within};
use crate::origin::ON_REQUEST;
use std::time::Duration;

/// The key `metadata` of this input, or what it stands for when it is absent.
pub(super) fn read(section: &Section<'_>, env: Env<'_>) -> Metadata {
    let in_cluster = env("KUBERNETES_SERVICE_HOST").is_some_and(|host| !host.is_empty());
    let mut metadata = Metadata {
        source: if in_cluster { MetadataSource::Api } else { MetadataSource::Path },
        wait: Duration::from_secs(10),
        labels: true,
        annotations: Vec::new(),
        fields: Vec::new(),
        namespace_labels: false,
        node_labels: false,
        kubelet: Kubelet { url: "https://127.0.0.1:10250".to_string(), ca_file: None, verify: true },
    };
    let Some(place) = section.get("metadata") else { return metadata };
    let Some(keys) = place.section("`metadata: {source: api}`") else {
        metadata.source = MetadataSource::Api;
        return metadata;
    };
    let sources = [("api", MetadataSource::Api), ("kubelet", MetadataSource::Kubelet), ("path", MetadataSource::Path)];
    let source = keys.value("source", |text| choice(text, &sources));
    // Of a source that is wrong nothing else is said: the one that asks is the one that most will mean.
    let unclear = source.is_none() && keys.get("source").is_some();
    metadata.source = source.unwrap_or(if unclear { MetadataSource::Api } else { metadata.source });
    let wait =
        keys.value("wait", |text| within(duration(text)?, Duration::ZERO, Duration::from_secs(300), show_duration));
    metadata.wait = wait.unwrap_or(metadata.wait);
    metadata.labels = keys.value("labels", boolean).unwrap_or(metadata.labels);
    metadata.annotations = keys.get("annotations").map(|place| place.items(annotation)).unwrap_or_default();
    metadata.fields = keys.get("fields").map(|place| place.items(fact)).unwrap_or_default();
    metadata.namespace_labels = keys.value("namespace_labels", boolean).unwrap_or(false);
    metadata.node_labels = keys.value("node_labels", boolean).unwrap_or(false);
    if let Some(own) = keys.get("kubelet").and_then(|place| place.section("`kubelet: {verify: false}`")) {
        kubelet(&mut metadata.kubelet, own);
    }
    let path_only = metadata.source == MetadataSource::Path;
    let too_much = [
        ("fields", "api", path_only && !metadata.fields.is_empty()),
        ("namespace_labels", "api", path_only && metadata.namespace_labels),
        ("node_labels", "api", path_only && metadata.node_labels),
        ("kubelet", "kubelet", metadata.source != MetadataSource::Kubelet && !unclear),
    ];
    for (key, source, _) in too_much.into_iter().filter(|(_, _, wrong)| *wrong) {
        let instead = || format!("write `source: {source}` beside it, or remove it");
        keys.refuse(key, || Wrong::new("is not for this source of metadata", instead()));
    }
    keys.done();
    metadata
}

fn kubelet(to: &mut Kubelet, keys: Section<'_>) {
    to.url = keys.value("url", url).unwrap_or_else(|| to.url.clone());
    to.ca_file = keys.value("ca_file", ca_file);
    to.verify = keys.value("verify", boolean).unwrap_or(to.verify);
    keys.done();
}

/// `https://HOST:PORT` and nothing behind it: our token goes there.
fn url(text: &str) -> Result<String, Wrong> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://127.0.0.1:"));
    if host.is_none_or(|host| host.is_empty() || host.contains(['/', '@', '?', '#']) || !host.is_ascii()) {
        return Err(Wrong::new(
            format!("{} is not kubelet's address", shown(text)),
            "write `https://HOST:10250`, with the node's name or address",
        ));
    }
    Ok(text.to_string())
}

/// The full name of a fact that documents can have on request.
fn fact(text: &str) -> Result<&'static str, Wrong> {
    let short = |name: &'static str| name.trim_start_matches("kubernetes.");
    ON_REQUEST.into_iter().find(|name| short(name) == text).ok_or_else(|| {
        let instead = match nearest(text, ON_REQUEST.into_iter().map(short)) {
            Some(meant) => format!("write `{meant}`"),
            None => format!("write some of {}", ON_REQUEST.map(short).join(", ")),
        };
        Wrong::new(format!("there is no fact {} to ask for", shown(text)), instead)
    })
}

/// An annotation's name, as Kubernetes has them: `prefix/name`.
pub(super) fn annotation(text: &str) -> Result<String, Wrong> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if !text.chars().all(fine) || text.len() > 317 {
        return Err(Wrong::new(
            format!("{} is not the name of an annotation", shown(text)),
            "write its exact name, such as `prometheus.io/port` (there are no patterns)",
        ));
    }
    Ok(text.to_string())
}
