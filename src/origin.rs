//! Where a file's records come from: facts fixed for the file's life, and the metadata as it is now.
//!
//! Keys and lifted predicates use `Origin::fields`, fixed at the file's first offer; documents carry
//! `Origin::meta`, replaced when the pod changes. Rendering is lazy: a file nobody reads costs no rendered bytes.

use crate::metadata::render::{self, Dots};
use crate::record::Grammar;
use arc_swap::ArcSwap;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// Dotted field names and their values, e.g. `kubernetes.namespace_name`; sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Box<[(Cow<'static, str>, Box<str>)]>);

impl Fields {
    /// Sorts the pairs; of two with one name the last wins.
    pub fn new(mut pairs: Vec<(Cow<'static, str>, Box<str>)>) -> Self {
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, first| later.0 == first.0);
        Fields(pairs.into_boxed_slice())
    }
    /// The value, or `None` where the file has no such field (a template or predicate takes that as empty text).
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(n, _)| n.as_ref().cmp(name)).ok()?;
        self.0.get(at).map(|(_, v)| v.as_ref())
    }
    /// All pairs, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_ref(), v.as_ref()))
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
