//! `metadata` of a `file` input: its files are those of the pod that we run in.

use super::{metadata, values};
use crate::config::checked::OwnPod;
use crate::config::expand::Env;
use crate::config::problem::{Wrong, shown};
use crate::config::section::Section;
use crate::config::units::{boolean, choice};
use std::path::PathBuf;

/// What the downward API calls the facts that every pod has, and the variables in which they are looked for.
const FACTS: [(&str, &str, &str); 3] = [
    ("pod_name", "POD_NAME", "metadata.name"),
    ("namespace_name", "POD_NAMESPACE", "metadata.namespace"),
    ("pod_id", "POD_UID", "metadata.uid"),
];

pub(super) fn read(input: &Section<'_>, env: Env<'_>) -> Option<OwnPod> {
    let keys = input.get("metadata")?.section("`metadata: {source: downward}`")?;
    if let Some(place) = keys.required("source", "downward") {
        place.parse(|text| match text {
            "api" | "kubelet" | "path" => Err(Wrong::new(
                format!("{} is for inputs of `type: kubernetes`", shown(text)),
                "write `downward`: these files are those of the pod that the agent runs in",
            )),
            _ => choice(text, &[("downward", ())]),
        });
    }
    let [name, namespace, uid] = FACTS.map(|(key, variable, field)| match keys.value(key, fact) {
        Some(said) => said,
        None => {
            let set = env(variable).filter(|value| !value.is_empty());
            let instead = format!("set it with `fieldRef: {{fieldPath: {field}}}`");
            let known = match set {
                Some(set) => {
                    fact(&set).map_err(|wrong| format!("is not known: the variable {variable}: {}", wrong.what))
                }
                None => Err(format!("is not known: the environment has no variable {variable}")),
            };
            known.unwrap_or_else(|what| {
                if keys.get(key).is_none() {
                    keys.missing(key, Wrong::new(what, instead));
                }
                String::new()
            })
        }
    });
    let pod = OwnPod {
        name,
        namespace,
        uid,
        container: keys.value("container_name", fact),
        dir: keys.value("dir", values::absolute).unwrap_or_else(|| PathBuf::from("/etc/podinfo")),
        labels: keys.value("labels", boolean).unwrap_or(true),
        annotations: keys.get("annotations").map(|place| place.items(metadata::annotation)).unwrap_or_default(),
    };
    keys.done();
    Some(pod)
}

/// The name of a pod, namespace or container, or a UID.
fn fact(text: &str) -> Result<String, Wrong> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if text.len() > 253 || !text.chars().all(fine) {
        return Err(Wrong::new(
            format!("{} is not a name of Kubernetes", shown(text)),
            "write letters, digits, `-` and `.` alone",
        ));
    }
    Ok(text.to_string())
}
