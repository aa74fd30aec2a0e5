//! What the catalog is told at its start: inputs, limits, and what an earlier life knew.

use super::disk::{Base, Follow};
use super::glob::Glob;
use super::pods::Extra;
use crate::config::checked::{Input, InputKind, MetadataSource};
use crate::metadata::rules::Rules;
use crate::record::{FileId, Mark};
use crate::store::saved::KnownFile;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One input, as the catalog needs it.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// Its name.
    pub name: Arc<str>,
    /// Where paths begin, and how links are treated.
    pub base: Arc<Base>,
    /// Absolute paths that are left out, with all below them.
    pub exclude: Vec<Glob>,
    /// What is looked for.
    pub kind: SpecKind,
    /// Whose logs its lanes get.
    pub rules: Rules,
}

/// What an input looks for.
#[derive(Clone, Debug)]
pub enum SpecKind {
    /// namespace_pod_uid/container/N.log below the base's root.
    Kubernetes {
        /// How long a file waits for its pod's facts; `None`: not at all.
        wait: Option<Duration>,
        /// UID of the pod that is left out: our own.
        skip_pod: Option<Box<str>>,
    },
    /// Files whose paths match; the base's root is `/`.
    File {
        /// At least one.
        include: Vec<Glob>,
        /// Fields of the pod that they belong to, if that is known: for all of them, for this life.
        pod: Extra,
    },
}

impl InputSpec {
    /// From the configuration; `own_pod`: the UID of the pod we run in; `fields`: what is known of a `file` input's pod.
    pub fn of(input: &Input, own_pod: Option<&str>, fields: Extra) -> InputSpec {
        let mut rules = Rules::default();
        let (root, follow, kind) = match &input.kind {
            InputKind::Kubernetes { path, docker_roots, metadata, include_self, rules: own } => {
                rules.clone_from(own);
                let follow = if docker_roots.is_empty() { Follow::Never } else { Follow::Into(docker_roots.clone()) };
                let wait = match metadata.source {
                    MetadataSource::Api | MetadataSource::Kubelet => Some(metadata.wait),
                    MetadataSource::Path => None,
                };
                let skip_pod = own_pod.filter(|_| !include_self).map(Into::into);
                (path.clone(), follow, SpecKind::Kubernetes { wait, skip_pod })
            }
            InputKind::File { include, pod: _ } => {
                let include = include.iter().map(|text| Glob::new(text)).collect();
                (PathBuf::from("/"), Follow::Any, SpecKind::File { include, pod: fields })
            }
        };
        let exclude = input.exclude.iter().map(|text| Glob::new(text)).collect();
        InputSpec { name: input.name.clone(), base: Arc::new(Base { root, follow }), exclude, kind, rules }
    }
}

/// Limits and circumstances.
pub struct Setup {
    /// In the order of the configuration.
    pub inputs: Vec<InputSpec>,
    /// This node's name, for documents.
    pub host: Arc<str>,
    /// How many lanes report their progress.
    pub lanes: usize,
    /// `--once`: what the first scan finds is all there is.
    pub once: bool,
    /// Handles that the catalog may hold: half of RLIMIT_NOFILE.
    pub max_handles: usize,
    /// Where copies of files are kept that will be gone too soon; ours alone.
    pub retain_dir: PathBuf,
    /// Bytes of deleted files that may be held and copied.
    pub retain_max: u64,
    /// Per cent of the file system that must stay free while copies are made.
    pub min_free_percent: u8,
    /// Files known from an earlier life.
    pub known: HashMap<FileId, KnownFile>,
    /// All marks of all lanes' positions, at least one a lane that wants the file: without proof (length 0) if need be.
    pub marks: HashMap<FileId, Vec<Mark>>,
    /// 128 random bits.
    pub random: Box<dyn FnMut() -> u128 + Send>,
}
