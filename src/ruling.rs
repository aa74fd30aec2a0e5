//! What is decided about the records of a pod's log file: left out or not, by stream, and what reads their bodies.
//!
//! Made by the catalog from the operator's selectors and the pod's own wishes (`metadata::rules`), kept by lanes. A decision
//! holds from a byte of the file on, the beginning of a line: what was written before a change keeps the decision of its
//! time, whenever it is read, also after a restart. Pure data.

use crate::record::Channel;
use std::sync::Arc;

/// Some of the two streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Streams(u8);

impl Streams {
    /// Neither.
    pub const NONE: Streams = Streams(0);
    /// Both: all there is, also lines that say no stream.
    pub const BOTH: Streams = Streams(3);

    /// One.
    pub fn only(channel: Channel) -> Streams {
        match channel {
            Channel::Stdout => Streams(1),
            Channel::Stderr => Streams(2),
        }
    }
    /// Whether it is among them; a line without a stream only with both.
    pub fn has(self, channel: Option<Channel>) -> bool {
        let wanted = channel.map_or(Streams::BOTH, Streams::only);
        self.0 & wanted.0 == wanted.0
    }
    /// Those in either.
    pub fn or(self, other: Streams) -> Streams {
        Streams(self.0 | other.0)
    }
    /// Those in both.
    pub fn and(self, other: Streams) -> Streams {
        Streams(self.0 & other.0)
    }
}

/// Who left something out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Why {
    /// The pod itself, by annotation or label.
    #[default]
    Pod,
    /// `namespaces` of the input.
    Namespace,
    /// `pods: {labels: ...}` of the input.
    Labels,
}

impl Why {
    /// All of them, for metrics.
    pub const ALL: [Why; 3] = [Why::Pod, Why::Namespace, Why::Labels];
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Pod => "pod",
            Why::Namespace => "namespace",
            Why::Labels => "labels",
        }
    }
}

/// One decision. The default changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ruling {
    /// Left out.
    pub out: Streams,
    /// Who said so; means nothing while nothing is left out.
    pub why: Why,
    /// Bodies are merged as by `merge_json`.
    pub json: Streams,
    /// The pod was not known and could have said otherwise: what it says once it is known holds from where this one does.
    pub unsure: bool,
}

impl Ruling {
    /// Everything is left out.
    pub fn all_out(self) -> bool {
        self.out == Streams::BOTH
    }
    /// As the store has it.
    pub fn code(self) -> u8 {
        let why = match self.why {
            Why::Pod => 0,
            Why::Namespace => 1,
            Why::Labels => 2,
        };
        self.out.0 | self.json.0 << 2 | why << 4 | u8::from(self.unsure) << 6
    }
    /// From the store; what makes no sense is a newer version's, and changes nothing.
    pub fn of_code(code: u8) -> Ruling {
        let why = match code >> 4 & 3 {
            1 => Why::Namespace,
            2 => Why::Labels,
            _ => Why::Pod,
        };
        Ruling { out: Streams(code & 3), json: Streams(code >> 2 & 3), why, unsure: code & 64 != 0 }
    }
}

/// Decisions and from where on each holds: ascending, the first from 0.
pub type Steps = Vec<(u64, Ruling)>;

/// More changes than this in one file: what is oldest is judged by what came after it.
const MOST: usize = 32;

/// Takes in what is decided now, for bytes from `at` on. True when that changes anything.
pub fn decide(steps: &mut Steps, at: u64, ruling: Ruling) -> bool {
    let Some((from, last)) = steps.last_mut() else {
        steps.push((0, ruling));
        return true;
    };
    if *last == ruling || (ruling.unsure && !last.unsure) {
        return false;
    }
    if last.unsure || at <= *from {
        *last = ruling;
        if let [.., (_, before), (_, last)] = steps.as_slice()
            && before == last
        {
            steps.pop();
        }
        return true;
    }
    steps.push((at, ruling));
    if steps.len() > MOST {
        steps.remove(0);
        if let Some(first) = steps.first_mut() {
            first.0 = 0;
        }
    }
    true
}

/// The decision that holds at `offset`.
pub fn at(steps: &[(u64, Ruling)], offset: u64) -> Ruling {
    let after = steps.partition_point(|(from, _)| *from <= offset);
    after.checked_sub(1).and_then(|last| steps.get(last)).map_or_else(Ruling::default, |(_, ruling)| *ruling)
}

/// From here to the end everything is left out, as it is now; `u64::MAX`: nothing is.
pub fn until(steps: &[(u64, Ruling)]) -> u64 {
    let out = steps.iter().rev().take_while(|(_, ruling)| ruling.all_out());
    out.last().map_or(u64::MAX, |(from, _)| *from)
}

/// Ranges of which everything is left out and behind which something is not.
pub fn holes(steps: &[(u64, Ruling)]) -> impl Iterator<Item = (u64, u64)> + '_ {
    steps.windows(2).filter_map(|pair| match pair {
        [(start, ruling), (end, _)] if ruling.all_out() => Some((*start, *end)),
        _ => None,
    })
}

/// What holds for a reader to whom two inputs show the same file: left out is what both leave out.
pub fn either(a: &[(u64, Ruling)], b: &[(u64, Ruling)]) -> Steps {
    let mut places: Vec<u64> = a.iter().chain(b).map(|(from, _)| *from).collect();
    places.sort_unstable();
    places.dedup();
    let mut steps = Steps::new();
    for place in places {
        let (a, b) = (at(a, place), at(b, place));
        let both = Ruling { out: a.out.and(b.out), json: a.json.or(b.json), why: a.why, unsure: false };
        if steps.last().is_none_or(|(_, last)| *last != both) {
            steps.push((place, both));
        }
    }
    steps
}

/// What is decided about one file, by input; an input that is not here decides nothing. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Rulings(Option<Arc<ByInput>>);

type ByInput = Vec<(Arc<str>, Steps)>;

impl PartialEq for Rulings {
    fn eq(&self, other: &Rulings) -> bool {
        let same = |a: &Arc<ByInput>, b: &Arc<ByInput>| Arc::ptr_eq(a, b) || a == b;
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Eq for Rulings {}

impl Rulings {
    /// By name of input.
    pub fn new(by_input: Vec<(Arc<str>, Steps)>) -> Rulings {
        Rulings((!by_input.is_empty()).then(|| Arc::new(by_input)))
    }
    /// All, by name of input.
    pub fn all(&self) -> &[(Arc<str>, Steps)] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
    /// Of one input.
    pub fn of(&self, input: &str) -> &[(u64, Ruling)] {
        self.all().iter().find(|(name, _)| **name == *input).map_or(&[], |(_, steps)| steps)
    }
    /// For a reader of these inputs, which all show the file. Empty: nothing is decided.
    pub fn for_inputs<'a>(&self, inputs: impl Iterator<Item = &'a str>) -> Steps {
        if self.0.is_none() {
            return Steps::new();
        }
        let steps = inputs.map(|input| self.of(input).to_vec()).reduce(|a, b| either(&a, &b)).unwrap_or_default();
        let nothing = |(_, ruling): &(u64, Ruling)| ruling.out == Streams::NONE && ruling.json == Streams::NONE;
        if steps.iter().all(nothing) { Steps::new() } else { steps }
    }
}

#[cfg(test)]
mod tests;
