//! Offering: a file goes to the lanes when it has an id and its pod is known, or waited for long enough, or when it
//! is in danger. The fields of that moment are its fields for life.

use super::entry::{Facts, Key, Who};
use super::links::LINK_WAIT;
use super::pods::{Extra, PodState, Pods, path_fields};
use super::spec::SpecKind;
use super::stock::Stock;
use super::view::File;
use crate::origin::{Fields, Meta, Origin};
use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// So long a file in danger waits for its pod's facts to be confirmed or completed.
const IN_DANGER: Duration = Duration::from_secs(3);

impl Stock {
    pub fn offer<P: Pods>(&mut self, key: Key, pods: &P) {
        let Some(e) = self.entries.get(&key) else { return };
        let ready = e.offered.is_none() && !e.unsynced && e.measure.is_none() && e.turn > 0;
        let (Some(id), true) = (e.id, ready) else { return };
        let (chain, restart, danger) = (e.group, e.restart, e.danger);
        // Siblings wait together, or a younger one would overtake an older one.
        let siblings = self.groups.get(&chain).map(|g| g.entries.as_slice()).unwrap_or_default();
        let siblings = siblings.iter().filter_map(|k| self.entries.get(k)).filter(|s| s.restart == restart);
        let waited = self.now.mono.saturating_sub(siblings.map(|s| s.born).min().unwrap_or(e.born));
        let wait = match self.inputs.get(e.input).map(|i| &i.kind) {
            Some(SpecKind::Kubernetes { wait, .. }) => *wait,
            Some(SpecKind::File { .. }) | None => None,
        };
        // Whose it is decides whether it is read at all: also what is in danger waits for that.
        if self.undecided(e, pods).is_some_and(|wait| waited < wait) {
            self.active.insert(key);
            return;
        }
        let Some(facts) = self.facts(chain, restart, wait, pods) else { return };
        if !facts.complete {
            let patience = wait.unwrap_or(LINK_WAIT);
            // In danger it waits only for word on what is known of its pod; while it is held nothing of it is lost.
            let patience =
                if danger { patience.min(if facts.known { IN_DANGER } else { Duration::ZERO }) } else { patience };
            if waited < patience {
                self.active.insert(key);
                return;
            }
            self.without_metadata += u64::from(!facts.known && wait.is_some());
        }
        self.rule(key, pods);
        let Some(e) = self.entries.get(&key) else { return };
        // Of a file that is read from its copy: where it was.
        let was = || e.first_fields.as_ref().and_then(|f| f.get("path")).map(PathBuf::from);
        let path = self.path_of(e).or_else(was).unwrap_or_else(|| PathBuf::from(self.who(e)));
        let Some(input) = self.inputs.get(e.input) else { return };
        let fields = match &e.first_fields {
            Some(first) if **first == *facts.fields => facts.fields.clone(),
            Some(first) => first.clone(),
            None => facts.fields.clone(),
        };
        let origin = Origin {
            input: input.name.clone(),
            path: path.to_string_lossy().as_ref().into(),
            grammar: e.grammar,
            fields: self.with_further_inputs(fields, &e.also),
            meta: arc_swap::ArcSwap::new(facts.meta.clone()),
        };
        let file = File { id, place: e.place(), origin: Arc::new(origin), at_scan: e.at_scan };
        let at = e.input;
        if let Some(c) = self.counts.get_mut(at) {
            c.offered += 1;
        }
        if let Some(e) = self.entries.get_mut(&key) {
            e.offered = Some(Arc::new(file));
            e.first_fields = None;
            e.told = false;
        }
        self.progress.begin(id);
        self.save(key);
        self.touch_group(chain);
    }

    /// `tailrace.inputs`: the names of further inputs that match the file, each between commas.
    fn with_further_inputs(&self, fields: Arc<Fields>, also: &[usize]) -> Arc<Fields> {
        let names: Vec<&str> = also.iter().filter_map(|at| self.inputs.get(*at)).map(|i| i.name.as_ref()).collect();
        if names.is_empty() {
            return fields;
        }
        let mut pairs: Extra = fields.iter().map(|(k, v)| (Cow::Owned(k.to_owned()), v.into())).collect();
        pairs.push((Cow::Borrowed("tailrace.inputs"), format!(",{},", names.join(",")).into()));
        Arc::new(Fields::new(pairs))
    }

    /// What is known of a restart now, looked up again while it is not complete.
    fn facts<P: Pods>(&mut self, chain: u64, restart: u32, wait: Option<Duration>, pods: &P) -> Option<Facts> {
        let kept = self.groups.get(&chain)?.run(restart).and_then(|r| r.facts.clone());
        if let Some(facts) = kept.filter(|f| f.complete) {
            return Some(facts);
        }
        let facts = self.look_up(chain, restart, wait, pods)?;
        self.groups.get_mut(&chain)?.run_mut(restart).facts = Some(facts.clone());
        Some(facts)
    }

    fn look_up<P: Pods>(&mut self, chain: u64, restart: u32, wait: Option<Duration>, pods: &P) -> Option<Facts> {
        let mut extra = self.extra(chain, restart);
        let group = self.groups.get(&chain)?;
        let Some(of) = self.pod_path(group, restart) else {
            if let Some(SpecKind::File { pod, .. }) = self.inputs.get(group.input).map(|input| &input.kind) {
                extra.extend_from_slice(pod);
            }
            return Some(facts_of(Arc::new(Fields::new(extra)), false, true));
        };
        let state = if wait.is_some() { pods.lookup(&of, extra.clone()) } else { PodState::NeverKnown };
        let never = match state {
            PodState::Known { fields, complete } => return Some(facts_of(fields, true, complete)),
            PodState::Unknown => false,
            PodState::NeverKnown => true,
        };
        let newest = group.newest == restart;
        let id = self.linked_id(chain, restart);
        let of = self.groups.get(&chain).and_then(|group| self.pod_path(group, restart))?;
        let fields = path_fields(&of, id.as_deref().ok(), &self.host, extra);
        // The link of an earlier run is gone.
        let comes = id == Err(true) && newest;
        Some(facts_of(Arc::new(fields), false, never && !comes))
    }

    /// `path` (the live one: all siblings share it), `input`, `host`.
    fn extra(&self, chain: u64, restart: u32) -> Extra {
        let Some(group) = self.groups.get(&chain) else { return Extra::new() };
        let input = self.inputs.get(group.input).map_or("", |i| i.name.as_ref());
        let mut extra: Extra =
            vec![(Cow::Borrowed("input"), input.into()), (Cow::Borrowed("host"), (*self.host).into())];
        let first = group.entries.iter().filter_map(|k| self.entries.get(k)).find(|e| e.restart == restart);
        let dir = first.and_then(|e| self.dirs.get(&e.dir));
        if let (Some(dir), Some(e)) = (dir, first) {
            let stem = match (&group.who, e.loc()) {
                (Who::Pod(_, _), _) => Some(format!("{restart}.log").into_bytes()),
                (Who::Path, Some(loc)) => Some(super::name::plain(&loc.name).stem.to_vec()),
                (Who::Path, None) => None,
            };
            if let Some(stem) = stem {
                let path = self.absolute(group.input, &dir.path).join(std::ffi::OsStr::from_bytes(&stem));
                extra.push((Cow::Borrowed("path"), path.to_string_lossy().into()));
            }
        }
        extra
    }

    /// Its pod changed: documents say so from now on.
    pub fn refresh_facts<P: Pods>(&mut self, chain: u64, pods: &P) {
        let Some(group) = self.groups.get(&chain) else { return };
        let wait = match self.inputs.get(group.input).map(|i| &i.kind) {
            Some(SpecKind::Kubernetes { wait, .. }) => *wait,
            Some(SpecKind::File { .. }) | None => None,
        };
        let restarts: Vec<u32> = group.runs.iter().filter(|(_, r)| r.facts.is_some()).map(|(n, _)| *n).collect();
        for restart in restarts {
            let Some(new) = self.look_up(chain, restart, wait, pods).filter(|f| f.known) else { continue };
            let Some(run) = self.groups.get_mut(&chain).map(|g| g.run_mut(restart)) else { continue };
            if run.facts.as_ref().is_some_and(|old| *old.fields == *new.fields && old.complete == new.complete) {
                continue;
            }
            run.facts = Some(new.clone());
            let siblings = self.groups.get(&chain).map(|g| g.entries.clone()).unwrap_or_default();
            for e in siblings.iter().filter_map(|k| self.entries.get(k)).filter(|e| e.restart == restart) {
                if let Some(file) = &e.offered {
                    file.origin.meta.store(new.meta.clone());
                }
            }
        }
    }
}

fn facts_of(fields: Arc<Fields>, known: bool, complete: bool) -> Facts {
    Facts { meta: Arc::new(Meta::new(fields.clone())), fields, known, complete }
}
