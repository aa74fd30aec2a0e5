//! The API server's answers: a list, a watch's lines, an error. Pure; bounded; pods that cannot be read are passed over.

use crate::metadata::pod::{Labels, Pod};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::time::Duration;

/// A longer list is refused: a node's pods are a few megabytes.
pub(super) const LIST_BYTES_MAX: usize = 64 << 20;
/// A longer line of a watch is passed over: etcd keeps no object above 1.5 MiB.
const LINE_BYTES_MAX: usize = 4 << 20;
/// A longer namespace or node is refused; the same bound.
pub(super) const OBJECT_BYTES_MAX: usize = 4 << 20;
/// Bytes of an error's body that are read.
pub(super) const ERROR_BYTES_MAX: usize = 64 << 10;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Version {
    resource_version: Option<String>,
}

#[derive(Deserialize)]
struct Mark {
    metadata: MarkMeta,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct MarkMeta {
    resource_version: Option<String>,
    annotations: Option<BTreeMap<String, Option<String>>>,
}

/// Of a namespace or a node: what `PartialObjectMetadata` has of it.
#[derive(Deserialize)]
struct Labelled {
    metadata: LabelledMeta,
}

#[derive(Deserialize)]
struct LabelledMeta {
    labels: Option<BTreeMap<Box<str>, Box<str>>>,
}

/// On the bookmark that ends the pods that were there when a watch began.
const INITIAL_END: &str = "k8s.io/initial-events-end";

#[derive(Deserialize)]
struct RawList<'a> {
    /// Kubelet's has none.
    #[serde(default)]
    metadata: Version,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// A list's pods, version, and how many could not be read.
#[derive(Debug)]
pub(super) struct List {
    pub pods: Vec<Pod>,
    /// Kubelet's has none.
    pub version: Option<String>,
    pub unreadable: u64,
}

pub(super) fn list(body: &[u8], annotations: &[String]) -> Result<List, String> {
    let raw: RawList<'_> = serde_json::from_slice(body).map_err(|e| format!("not a list of pods: {e}"))?;
    let version = raw.metadata.resource_version.filter(|v| !v.is_empty());
    let mut list = List { pods: Vec::new(), version, unreadable: 0 };
    for item in raw.items.unwrap_or_default() {
        match Pod::from_json(item.get().as_bytes(), annotations) {
            Ok(pod) => list.pods.push(pod),
            Err(_) => list.unreadable += 1,
        }
    }
    Ok(list)
}

/// One line of a watch.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// Added or modified. The version, where it could be read.
    Put(Box<Pod>, Option<String>),
    /// Deleted: the pod as it was last.
    Deleted(Box<Pod>, Option<String>),
    /// Only the version moved on; or (true) all pods that were there at the beginning are told.
    Bookmark(Option<String>, bool),
    /// The server ends the watch: its code.
    Error(u16, String),
    /// Nothing that we know; passed over.
    Unreadable,
}

#[derive(Deserialize)]
struct RawEvent<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Versioned {
    metadata: Version,
}

#[derive(Deserialize)]
struct Status {
    code: Option<u16>,
    message: Option<String>,
}

pub(super) fn event(line: &[u8], annotations: &[String]) -> Event {
    let Ok(raw) = serde_json::from_slice::<RawEvent<'_>>(line) else { return Event::Unreadable };
    let object = raw.object.get().as_bytes();
    let version = || serde_json::from_slice::<Versioned>(object).ok().and_then(|v| v.metadata.resource_version);
    match (raw.kind, Pod::from_json(object, annotations)) {
        ("ADDED" | "MODIFIED", Ok(pod)) => Event::Put(Box::new(pod), version()),
        ("DELETED", Ok(pod)) => Event::Deleted(Box::new(pod), version()),
        ("BOOKMARK", _) => {
            let of = serde_json::from_slice::<Mark>(object).map(|v| v.metadata).unwrap_or_default();
            let end = of
                .annotations
                .is_some_and(|all| all.get(INITIAL_END).is_some_and(|value| value.as_deref() == Some("true")));
            Event::Bookmark(of.resource_version, end)
        }
        ("ERROR", _) => {
            let (code, message) = status(object);
            Event::Error(code.unwrap_or(500), message)
        }
        (_, _) => Event::Unreadable,
    }
}

/// The labels of a namespace or a node.
pub(super) fn labels(body: &[u8]) -> Result<Labels, String> {
    let read: Labelled = serde_json::from_slice(body).map_err(|e| format!("no object with labels: {e}"))?;
    Ok(read.metadata.labels.unwrap_or_default().into_iter().collect())
}

/// Code and message of a Status object, or the beginning of whatever it is.
pub(super) fn status(body: &[u8]) -> (Option<u16>, String) {
    match serde_json::from_slice::<Status>(body) {
        Ok(status) => (status.code, status.message.unwrap_or_default()),
        Err(_) => (None, String::from_utf8_lossy(body).chars().take(200).collect()),
    }
}

/// `Retry-After` in whole seconds; a date is not taken.
pub(super) fn retry_after(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    /// The line that is being read is too long; passed over to its end.
    skipping: bool,
    /// Lines passed over.
    pub too_long: u64,
}

impl Lines {
    /// Gives each line that `bytes` completes to `each`, without its newline.
    pub(super) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(at);
            rest = after.get(1..).unwrap_or(&[]);
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.held.is_empty() {
                each(line);
            } else {
                self.held.extend_from_slice(line);
                each(&self.held);
                self.held.clear();
                // One large pod must not hold memory for ever.
                self.held.shrink_to(64 << 10);
            }
        }
        if !self.skipping && self.held.len().saturating_add(rest.len()) > LINE_BYTES_MAX {
            (self.held, self.skipping) = (Vec::new(), true);
            self.too_long += 1;
        }
        if !self.skipping {
            self.held.extend_from_slice(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = r#"{"metadata":{"uid":"u","name":"n","namespace":"s","resourceVersion":"9"}}"#;

    fn cut(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, u64) {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        pieces.iter().for_each(|piece| lines.push(piece, |line| got.push(line.to_vec())));
        (got, lines.too_long)
    }

    #[test]
    fn events_are_told_apart_and_what_is_unknown_is_passed_over() {
        let read =
            |kind: &str, object: &str| event(format!(r#"{{"type":"{kind}","object":{object}}}"#).as_bytes(), &[]);
        assert!(matches!(read("ADDED", POD), Event::Put(pod, Some(v)) if pod.uid.as_ref() == "u" && v == "9"));
        assert!(matches!(read("MODIFIED", POD), Event::Put(..)));
        assert!(matches!(read("DELETED", POD), Event::Deleted(pod, Some(v)) if pod.uid.as_ref() == "u" && v == "9"));
        let bookmark = r#"{"kind":"Pod","metadata":{"resourceVersion":"12","creationTimestamp":null}}"#;
        assert_eq!(read("BOOKMARK", bookmark), Event::Bookmark(Some("12".into()), false));
        let end =
            r#"{"kind":"Pod","metadata":{"resourceVersion":"12","annotations":{"k8s.io/initial-events-end":"true"}}}"#;
        assert_eq!(read("BOOKMARK", end), Event::Bookmark(Some("12".into()), true));
        let expired = r#"{"kind":"Status","code":410,"message":"too old","reason":"Expired"}"#;
        assert_eq!(read("ERROR", expired), Event::Error(410, "too old".into()));
        assert_eq!(read("ERROR", "{}"), Event::Error(500, String::new()));
        assert_eq!(read("NEW_KIND", POD), Event::Unreadable);
        assert_eq!(read("ADDED", "{}"), Event::Unreadable);
        assert_eq!(event(b"not json", &[]), Event::Unreadable);
    }

    #[test]
    fn labels_are_read_of_whatever_object_has_them() {
        let read = |text: &str| labels(text.as_bytes()).unwrap().to_vec();
        assert_eq!(read(r#"{"kind":"PartialObjectMetadata","metadata":{"labels":{"b":"2","a":"1"}}}"#).len(), 2);
        assert!(read(r#"{"metadata":{"name":"x"}}"#).is_empty());
        assert!(labels(b"{}").is_err() && labels(b"<html>").is_err());
    }

    #[test]
    fn a_list_passes_over_pods_that_cannot_be_read_and_kubelets_has_no_version() {
        let body = format!(r#"{{"metadata":{{"resourceVersion":"3"}},"items":[{POD},{{"metadata":{{}}}},7]}}"#);
        let read = list(body.as_bytes(), &[]).unwrap();
        assert_eq!((read.pods.len(), read.version.as_deref(), read.unreadable), (1, Some("3"), 2));
        assert_eq!(list(br#"{"metadata":{"resourceVersion":"3"},"items":null}"#, &[]).unwrap().pods.len(), 0);
        let kubelets = format!(r#"{{"kind":"PodList","metadata":{{}},"items":[{POD}]}}"#);
        assert_eq!(list(kubelets.as_bytes(), &[]).unwrap().version, None);
        assert!(list(b"<html>", &[]).unwrap_err().contains("not a list"));
    }

    #[test]
    fn errors_are_read_as_status_or_as_text() {
        assert_eq!(status(br#"{"code":403,"message":"no"}"#), (Some(403), "no".into()));
        assert_eq!(status(b"bad gateway"), (None, "bad gateway".into()));
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
        let long = vec![b'x'; LINE_BYTES_MAX];
        let (lines, too_long) = cut(&[b"a\n", &long, b"yy", &long, b"z\nb", b"c\n"]);
        assert_eq!((lines, too_long), (vec![b"a".to_vec(), b"bc".to_vec()], 1));
    }

    proptest::proptest! {
        #[test]
        fn any_cut_of_the_stream_gives_the_same_lines(
            text in "[a\n]{0,60}", cuts in proptest::collection::vec(0usize..60, 0..6))
        {
            let whole = text.as_bytes();
            let mut at: Vec<usize> = cuts.into_iter().map(|c| c.min(whole.len())).collect();
            at.extend([0, whole.len()]);
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|w| &whole[w[0]..w[1]]).collect();
            let mut want: Vec<Vec<u8>> = whole.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            want.pop();
            proptest::prop_assert_eq!(cut(&pieces).0, want);
        }
    }
}
