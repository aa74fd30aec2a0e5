//! Where a file's records come from: facts fixed for the file's life, and the metadata as it is now.
//!
//! Keys and lifted predicates use `Origin::fields`, fixed at the file's first offer; documents carry
//! `Origin::meta`, replaced when the pod changes. Rendering is lazy: a file nobody reads costs no rendered bytes.

use crate::metadata::render::{self, Dots};
use crate::record::Grammar;
use arc_swap::ArcSwap;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// Names that need no memory of their own, in any order.
const NAMES: [&str; 18] = [
    "host",
    "input",
    "path",
    "kubernetes.container_image",
    "kubernetes.container_name",
    "kubernetes.deployment_name",
    "kubernetes.docker_id",
    "kubernetes.host",
    "kubernetes.namespace_name",
    "kubernetes.pod_id",
    "kubernetes.pod_name",
    "tailrace.inputs",
    "tailrace.pod",
    "kubernetes.container_hash",
    "kubernetes.owner_kind",
    "kubernetes.owner_name",
    "kubernetes.pod_ip",
    "kubernetes.restart_count",
];

/// Facts of a pod that a file has only where its input asks for them: each costs bytes in every document.
pub const ON_REQUEST: [&str; 5] = [
    "kubernetes.pod_ip",
    "kubernetes.container_hash",
    "kubernetes.owner_kind",
    "kubernetes.owner_name",
    "kubernetes.restart_count",
];

/// Dotted field names and their values, e.g. `kubernetes.namespace_name`; sorted by name. There are some for each
/// container, and thousands of those: two pieces of memory for all pairs together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Name (where it is none of [`NAMES`]) and value of each pair, one behind the other.
    text: Box<str>,
    pairs: Box<[Pair]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    /// Which of [`NAMES`].
    name: Option<u8>,
    /// Where its name and its value end in the text.
    name_end: u32,
    end: u32,
}

impl Fields {
    /// Sorts the pairs; of two with one name the last wins. What is beyond 4 GiB of text is left out.
    pub fn new(mut pairs: Vec<(Cow<'static, str>, Box<str>)>) -> Self {
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(pairs.len()));
        for (name, value) in pairs {
            let known = NAMES.iter().zip(0u8..).find(|(known, _)| **known == name).map(|(_, at)| at);
            if known.is_none() {
                text.push_str(&name);
            }
            let name_end = text.len();
            text.push_str(&value);
            let (Ok(name_end), Ok(end)) = (u32::try_from(name_end), u32::try_from(text.len())) else { break };
            ends.push(Pair { name: known, name_end, end });
        }
        Fields { text: text.into(), pairs: ends.into() }
    }
    /// The value, or `None` where the file has no such field (a template or predicate takes that as empty text).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }
    /// All pairs, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.pairs.iter().map(move |pair| {
            let from = std::mem::replace(&mut start, pair.end as usize);
            let part = |from: usize, to: u32| self.text.get(from..to as usize).unwrap_or_default();
            let own = || part(from, pair.name_end);
            let name = pair.name.and_then(|at| NAMES.get(usize::from(at)).copied()).unwrap_or_else(own);
            (name, part(pair.name_end as usize, pair.end))
        })
    }
}

/// A file's origin as it goes into documents: a pod's facts under `"kubernetes"`, without a pod `"host"` and `"path"`.
#[derive(Debug)]
pub struct Meta {
    fields: Arc<Fields>,
    plain: OnceLock<Box<[u8]>>,
    escaped: OnceLock<Box<[u8]>>,
    dedotted: OnceLock<Box<[u8]>>,
}

impl Meta {
    /// Nothing is rendered until somebody asks.
    pub fn new(fields: Arc<Fields>) -> Self {
        Meta { fields, plain: OnceLock::new(), escaped: OnceLock::new(), dedotted: OnceLock::new() }
    }
    /// Somebody asked.
    pub fn is_rendered(&self) -> bool {
        self.plain.get().is_some() || self.dedotted.get().is_some()
    }
    /// What it is rendered from.
    pub fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }
    /// `,"kubernetes":{...}` (or `,"host":..,"path":..`) as JSON members with their leading comma, or nothing.
    pub fn plain(&self) -> &[u8] {
        self.plain.get_or_init(|| render::member(&self.fields, Dots::Keep))
    }
    /// The same with dots in label and annotation names replaced, for OpenSearch.
    pub fn dedotted(&self) -> &[u8] {
        self.dedotted.get_or_init(|| render::member(&self.fields, Dots::Underscore))
    }
    /// The same as `plain`, escaped once more: for a document that is itself a JSON string.
    pub fn escaped(&self) -> &[u8] {
        self.escaped.get_or_init(|| {
            let mut out = Vec::new();
            crate::body::escape::escape(self.plain(), &mut out);
            out.into_boxed_slice()
        })
    }
}

/// One file's origin: shared by the catalog and all lanes.
#[derive(Debug)]
pub struct Origin {
    /// Name of the input in the configuration.
    pub input: Arc<str>,
    /// The path at discovery: for people, never for identity.
    pub path: Arc<str>,
    /// How lines are read.
    pub grammar: Grammar,
    /// Values at the first offer: for keys and lifted predicates, for the file's life.
    pub fields: Arc<Fields>,
    /// Values now: for documents.
    pub meta: ArcSwap<Meta>,
}

impl Origin {
    /// Whether this input found the file: the first that did, or a further one (`tailrace.inputs`).
    pub fn listed_by(&self, input: &str) -> bool {
        let further = || self.fields.get("tailrace.inputs").unwrap_or("").split(',').any(|name| name == input);
        *self.input == *input || further()
    }
    /// `namespace/pod/container` for people and counters; the path where there is no pod.
    pub fn who(&self) -> String {
        match (
            self.fields.get("kubernetes.namespace_name"),
            self.fields.get("kubernetes.pod_name"),
            self.fields.get("kubernetes.container_name"),
        ) {
            (Some(ns), Some(pod), Some(container)) => format!("{ns}/{pod}/{container}"),
            (_, _, _) => self.path.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn fields_are_a_sorted_map_in_which_the_last_of_a_name_wins(
            pairs in proptest::collection::vec((prop_oneof!["host", "kubernetes.pod_id", "[a-c]{0,2}", ".{0,3}"], ".{0,4}"), 0..12)
        ) {
            let model: BTreeMap<String, String> = pairs.iter().cloned().collect();
            let owned = pairs.into_iter().map(|(name, value)| (Cow::Owned(name), value.into())).collect();
            let fields = Fields::new(owned);
            let model: Vec<(&str, &str)> = model.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            prop_assert_eq!(fields.iter().collect::<Vec<_>>(), model.clone());
            prop_assert!(model.iter().all(|(name, value)| fields.get(name) == Some(value)));
            prop_assert_eq!(fields.get("missing"), None);
        }
    }
}
