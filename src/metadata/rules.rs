//! Whose logs an input reads: the operator's selectors, and what a pod may say of itself when the operator allows it.
//!
//! A pod speaks by annotations or labels: `fluentbit.io/exclude[_STREAM][-CONTAINER]: "true"` and
//! `fluentbit.io/parser[_STREAM][-CONTAINER]: json`, or `tailrace.io/` in front. The most specific one counts: stream and
//! container before container, before stream, before neither. Pure: a pod in, a [`Ruling`] out.

pub mod selector;

use super::pod::Pod;
use crate::record::Channel;
use crate::ruling::{Ruling, Streams, Why};
use selector::{Glob, Labels};

/// Which names are ours. Of two that say the same thing the first counts.
const PREFIXES: [&str; 2] = ["tailrace.io/", "fluentbit.io/"];

/// Names of parsers that there are.
pub const PARSERS: [&str; 1] = ["json"];

/// Rules of one input. The default reads everything and listens to no pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Namespaces that are read; none: all.
    pub include: Vec<Glob>,
    /// Namespaces that are not.
    pub exclude: Vec<Glob>,
    /// Labels that a pod must have.
    pub labels: Option<Labels>,
    /// A pod may leave itself out.
    pub may_exclude: bool,
    /// A pod may choose its parser.
    pub may_parse: bool,
}

/// What a pod asks for that we do not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// The annotation or label.
    pub name: Box<str>,
    /// The parser.
    pub parser: Box<str>,
}

/// One word of a pod about one of its containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Exclude,
    Parser,
}

/// Whether a pod speaks to us by this name: it is kept though no document shows it.
pub fn is_word(name: &str) -> bool {
    word(name).is_some()
}

/// What the name speaks of, and the rest of it: `[_STREAM][-CONTAINER]`.
fn word(name: &str) -> Option<(Word, &str)> {
    let name = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let (word, rest) = match name.strip_prefix("exclude") {
        Some(rest) => (Word::Exclude, rest),
        None => (Word::Parser, name.strip_prefix("parser")?),
    };
    matches!(rest.as_bytes().first(), None | Some(b'_' | b'-')).then_some((word, rest))
}

/// For which streams of the container `rest` speaks, and how specifically; `None`: for another container, or nothing that
/// we understand.
fn scope(rest: &str, container: &str) -> Option<(Streams, u8)> {
    let (stream, of) = match rest.split_once('-') {
        Some((stream, of)) => (stream, Some(of)),
        None => (rest, None),
    };
    let (streams, one) = match stream {
        "" => (Streams::BOTH, 0),
        "_stdout" => (Streams::only(Channel::Stdout), 1),
        "_stderr" => (Streams::only(Channel::Stderr), 1),
        _ => return None,
    };
    match of {
        Some(name) if name == container => Some((streams, one + 2)),
        Some(_) => None,
        None => Some((streams, one)),
    }
}

/// As Fluent Bit reads it: anything else is false.
fn is_true(value: &str) -> bool {
    ["true", "on", "yes"].iter().any(|yes| value.trim().eq_ignore_ascii_case(yes))
}

impl Rules {
    /// They decide nothing, whatever a pod is or says.
    pub fn is_empty(&self) -> bool {
        *self == Rules::default()
    }
    /// The pod's own facts matter, not only its namespace.
    pub fn need_pod(&self) -> bool {
        self.labels.is_some() || self.may_exclude || self.may_parse
    }

    /// What holds for a container of a pod. What an unknown pod would have said is not held against it.
    pub fn rule(&self, namespace: &str, container: &str, pod: Option<&Pod>) -> Ruling {
        let out = |why| Ruling { out: Streams::BOTH, why, ..Ruling::default() };
        let listed = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(namespace));
        if listed(&self.exclude) || !(self.include.is_empty() || listed(&self.include)) {
            return out(Why::Namespace);
        }
        let Some(pod) = pod else { return Ruling { unsure: self.need_pod(), ..Ruling::default() } };
        if self.labels.as_ref().is_some_and(|labels| !labels.match_pod(&pod.labels)) {
            return out(Why::Labels);
        }
        let mut ruling = Ruling::default();
        if self.may_exclude {
            ruling.out = streams(|stream| said(pod, Word::Exclude, container, stream).any(|(_, value)| is_true(value)));
        }
        if self.may_parse {
            ruling.json = streams(|stream| parser(pod, container, stream).is_some_and(|(_, parser)| parser == "json"));
        }
        ruling
    }

    /// The parser that the pod asks for and that we do not have.
    pub fn unheard(&self, container: &str, pod: &Pod) -> Option<Unheard> {
        let strange = |stream| parser(pod, container, stream).filter(|(_, parser)| !PARSERS.contains(parser));
        let asked = [Channel::Stdout, Channel::Stderr].into_iter().find_map(strange);
        let (name, parser) = asked.filter(|_| self.may_parse)?;
        Some(Unheard { name: name.into(), parser: parser.into() })
    }
}

fn streams(holds: impl Fn(Channel) -> bool) -> Streams {
    let of = |stream| if holds(stream) { Streams::only(stream) } else { Streams::NONE };
    of(Channel::Stdout).or(of(Channel::Stderr))
}

fn parser<'p>(pod: &'p Pod, container: &str, stream: Channel) -> Option<(&'p str, &'p str)> {
    let said = said(pod, Word::Parser, container, stream).map(|(name, value)| (name, value.trim()));
    // Sorted by name within annotations and labels: ours stand last.
    said.filter(|(_, value)| !value.is_empty()).max_by_key(|(name, _)| name.starts_with(PREFIXES[0]))
}

/// The most specific of what the pod says about this stream of the container, annotations first.
fn said<'p>(pod: &'p Pod, about: Word, container: &str, stream: Channel) -> impl Iterator<Item = (&'p str, &'p str)> {
    let mut found: Vec<(u8, &str, &str)> = Vec::new();
    for (name, value) in pod.annotations.iter().chain(&pod.labels) {
        let Some((word, rest)) = word(name) else { continue };
        if word == about
            && let Some((streams, specific)) = scope(rest, container)
            && streams.has(Some(stream))
        {
            found.push((specific, name, value));
        }
    }
    let most = found.iter().map(|(specific, ..)| *specific).max();
    found.into_iter().filter(move |(specific, ..)| Some(*specific) == most).map(|(_, name, value)| (name, value))
}

#[cfg(test)]
mod tests;
