//! Whose files are left out: what the rules of an input and the pod itself say, decided at the first offer and again at
//! each change of the pod. A decision holds from the line on that is being written when it is made; what was written
//! before keeps the one of its time. Lanes hear of it with the next view, the store at once.

use super::disk::read_full;
use super::entry::{Entry, Key, PodName, Trail, Who};
use super::pods::Pods;
use super::revive::container_of;
use super::spec::{InputSpec, SpecKind};
use super::stock::Stock;
use crate::ruling::{self, Ruling, Rulings, Steps};
use std::sync::Arc;
use std::time::Duration;

/// Read at once when the beginning of a line is looked for, and how often: CRI lines have at most 16 KiB.
const BLOCK: u64 = 64 * 1024;
const BLOCKS: usize = 4;
/// Pods that ask for a parser that there is not, remembered at most.
const STRANGE_MAX: usize = 100;

/// A container as far as rules go.
struct Of {
    pod: Arc<PodName>,
    container: Arc<str>,
}

impl Stock {
    /// Inputs that show the file and have rules.
    fn ruling_inputs<'a>(&'a self, e: &'a Entry) -> impl Iterator<Item = &'a InputSpec> {
        let inputs = std::iter::once(e.input).chain(e.also.iter().copied());
        inputs.filter_map(|at| self.inputs.get(at)).filter(|input| !input.rules.is_empty())
    }

    fn of(&self, e: &Entry) -> Option<Of> {
        match &self.groups.get(&e.group)?.who {
            Who::Pod(pod, container) => Some(Of { pod: pod.clone(), container: container.clone() }),
            // A `file` input found it first.
            Who::Path => {
                let (pod, container) = container_of(&self.path_of(e)?)?;
                Some(Of { pod: pod.into(), container })
            }
        }
    }

    fn now_ruled<P: Pods>(&self, input: &InputSpec, of: &Of, pods: &P) -> Ruling {
        let pod = asks(input).and_then(|_| pods.pod(of.pod.uid()));
        input.rules.rule(of.pod.namespace(), &of.container, pod.as_deref())
    }

    /// How long the file may wait for its pod because that decides whether it is read at all; `None`: it is decided.
    pub fn undecided<P: Pods>(&self, e: &Entry, pods: &P) -> Option<Duration> {
        let inputs: Vec<&InputSpec> = self.ruling_inputs(e).collect();
        if inputs.is_empty() || e.trail == Trail::Gone {
            return None;
        }
        let of = self.of(e)?;
        let open = |input: &&InputSpec| {
            let earlier = e.rulings.of(&input.name).last().is_some_and(|(_, ruling)| !ruling.unsure);
            !earlier && self.now_ruled(input, &of, pods).unsure
        };
        inputs.into_iter().filter(open).filter_map(asks).max()
    }

    /// Decides, and tells when that is something new.
    pub fn rule<P: Pods>(&mut self, key: Key, pods: &P) {
        let Some(e) = self.entries.get(&key) else { return };
        // Also one whose rules are gone from the configuration: what they hid while they held stays hidden.
        let all = std::iter::once(e.input).chain(e.also.iter().copied()).filter_map(|at| self.inputs.get(at));
        let ruled = |input: &&InputSpec| !input.rules.is_empty() || !e.rulings.of(&input.name).is_empty();
        let inputs: Vec<&InputSpec> = all.filter(ruled).collect();
        if inputs.is_empty() && e.rulings == Rulings::default() {
            return;
        }
        let Some(of) = self.of(e) else { return };
        let (mut all, mut begun, mut strange) = (Vec::new(), None, None);
        for input in inputs {
            let mut steps: Steps = e.rulings.of(&input.name).to_vec();
            let unsure = steps.last().is_some_and(|(_, last)| last.unsure);
            if steps.is_empty() && (e.offered.is_some() || e.first_fields.is_some()) {
                // Nothing was decided about it so far.
                steps.push((0, Ruling::default()));
            }
            let ruling = self.now_ruled(input, &of, pods);
            let over = e.complete() && !unsure && !steps.is_empty();
            if !over && steps.last().is_none_or(|(_, last)| *last != ruling) {
                let at = if steps.is_empty() { 0 } else { *begun.get_or_insert_with(|| self.line_begun(e)) };
                ruling::decide(&mut steps, at, ruling);
            }
            if steps.iter().any(|(_, ruling)| *ruling != Ruling::default()) {
                all.push((input.name.clone(), steps));
            }
            let asked = pods.pod(of.pod.uid()).filter(|_| asks(input).is_some());
            strange = strange.or_else(|| input.rules.unheard(&of.container, asked?.as_ref()));
        }
        let rulings = Rulings::new(all);
        if let Some(unheard) = strange {
            let who = format!("{}/{}/{}", of.pod.namespace(), of.pod.pod(), of.container);
            self.hear(who, &unheard.name, &unheard.parser);
        }
        let Some(e) = self.entries.get_mut(&key).filter(|e| e.rulings != rulings) else { return };
        e.rulings = rulings;
        e.told = false;
        if let (Some(id), Some(_)) = (e.id, &e.offered) {
            // Whoever did not want it may want it now.
            self.progress.ask_again(id);
            self.save(key);
            self.touch(key);
        } else if e.first_fields.is_none() {
            let size = e.size;
            self.count_left_out(key, size);
        }
    }

    /// The container's pod changed.
    pub fn rule_group<P: Pods>(&mut self, chain: u64, pods: &P) {
        let entries = self.groups.get(&chain).map(|g| g.entries.clone()).unwrap_or_default();
        for key in entries {
            let Some(e) = self.entries.get(&key).filter(|e| e.offered.is_some()) else { continue };
            if !e.complete() && self.ruling_inputs(e).next().is_some() {
                // What was written until now was written before.
                self.last_look(key);
            }
            self.rule(key, pods);
        }
    }

    /// So many bytes came: who does not get them?
    pub fn count_left_out(&mut self, key: Key, more: u64) {
        let Some(e) = self.entries.get(&key) else { return };
        for (name, steps) in e.rulings.all() {
            let Some((_, ruling)) = steps.last().filter(|(_, ruling)| ruling.all_out()) else { continue };
            let input = self.inputs.iter().position(|input| input.name == *name);
            if let Some(sum) = input.and_then(|at| self.counts.get_mut(at)?.left_out.get_mut(ruling.why as usize)) {
                *sum = sum.saturating_add(more);
            }
        }
    }

    /// A pod asks for what we do not have: said once.
    fn hear(&mut self, who: String, name: &str, parser: &str) {
        if self.strange.get(&who).is_some_and(|(_, known)| **known == *parser) {
            return;
        }
        let there = crate::metadata::rules::PARSERS.join(", ");
        tracing::warn!(
            pod = who,
            name,
            parser,
            there,
            "a pod asks for a parser that there is not: its lines stay text"
        );
        if self.strange.len() < STRANGE_MAX || self.strange.contains_key(&who) {
            self.strange.insert(who, (name.into(), parser.into()));
        }
        self.strange_pods += 1;
    }

    /// Where the last line that is not complete begins: what is decided now holds from there on.
    fn line_begun(&self, e: &Entry) -> u64 {
        let named = || e.plain.as_ref().and_then(|loc| self.open_proven(e, &self.path_in(e.dir, &loc.name)));
        let Some(source) = e.source.clone().or_else(named).filter(|source| !source.gz) else { return e.size };
        let (mut upto, mut bytes) = (e.size, vec![0; BLOCK as usize]);
        for _ in 0..BLOCKS {
            let from = upto.saturating_sub(BLOCK);
            let Some(block) = usize::try_from(upto - from).ok().and_then(|len| bytes.get_mut(..len)) else { break };
            if !read_full(source.content.as_ref(), from, block).is_ok_and(|got| got == block.len()) {
                break;
            }
            match memchr::memrchr(b'\n', block) {
                Some(at) => return from + at as u64 + 1,
                None if from == 0 => return 0,
                None => upto = from,
            }
        }
        e.size
    }
}

/// How long it waits for a pod; `None`: it does not ask.
fn asks(input: &InputSpec) -> Option<Duration> {
    match input.kind {
        SpecKind::Kubernetes { wait, .. } => wait,
        SpecKind::File { .. } => None,
    }
}
