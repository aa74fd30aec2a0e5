//! Which pods are followed and what is wanted of them, from the configuration.

use crate::config::checked::{Config, Input, InputKind, Metadata, MetadataSource};
use crate::metadata::pod::Wanted;
use crate::metadata::watch::plan::Timing;
use crate::metadata::watch::{Api, Kubelet, Settings};
use std::collections::HashMap;
use std::sync::Arc;

/// What each input that asks for more than paths say wants of a pod.
pub fn wanted(config: &Config) -> HashMap<Arc<str>, Wanted> {
    let of = |input: &Input| match &input.kind {
        InputKind::Kubernetes { metadata, .. } if metadata.source != MetadataSource::Path => {
            // Named one by one: whoever adds a key decides here whether it is about a pod.
            let Metadata { labels, annotations, fields, namespace_labels, node_labels, source: _, wait: _, kubelet: _ } =
                metadata;
            let wanted = Wanted {
                labels: *labels,
                annotations: annotations.clone().into_boxed_slice(),
                facts: fields.clone().into_boxed_slice(),
                namespace_labels: *namespace_labels,
                node_labels: *node_labels,
            };
            Some((input.name.clone(), wanted))
        }
        InputKind::Kubernetes { .. } | InputKind::File { .. } => None,
    };
    config.inputs.iter().filter_map(of).collect()
}

/// Whom to ask, and for what, for all inputs together.
pub fn settings(config: &Config, timing: Timing) -> Settings {
    let wanted = wanted(config);
    let mut annotations: Vec<String> = wanted.values().flat_map(|w| w.annotations.iter().cloned()).collect();
    annotations.sort();
    annotations.dedup();
    let sources = config.inputs.iter().filter_map(|input| match &input.kind {
        InputKind::Kubernetes { metadata, .. } => Some((metadata.source, &metadata.kubelet)),
        InputKind::File { .. } => None,
    });
    // All inputs that want pods name one source: there is one table of them.
    let mut kubelet = sources.filter(|(source, _)| *source == MetadataSource::Kubelet).map(|(_, at)| at);
    let kubelet = kubelet.next().map(|at| Kubelet {
        url: at.url.clone(),
        ca_file: at.ca_file.as_ref().map(|file| file.path.clone()),
        verify: at.verify,
    });
    Settings {
        api: Api::Infer,
        kubelet,
        node: config.node.clone(),
        annotations,
        namespace_labels: wanted.values().any(|w| w.namespace_labels),
        node_labels: wanted.values().any(|w| w.node_labels),
        timing,
    }
}
