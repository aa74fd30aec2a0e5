//! The JSON that OpenSearch answers with: a bulk's items, or one error for the whole request.
//!
//! Any bytes are a valid answer: what cannot be read yields `None`. Good items are counted and dropped while
//! parsing; memory follows the failed ones, and the caller bounds the size of an answer.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::fmt;

/// Texts of the service are cut here, in characters: some repeat the whole record.
const MAX_TEXT: usize = 300;

/// An error with its causes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// `type`, or empty.
    pub kind: String,
    /// `reason`, or empty; at most 300 characters.
    pub reason: String,
    /// `caused_by`.
    pub cause: Option<Box<Fault>>,
}

impl Fault {
    /// This error and its causes, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Fault> {
        std::iter::successors(Some(self), |fault| fault.cause.as_deref())
    }
}

/// One item that was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Its position in the request, from 0.
    pub at: u32,
    /// Its status.
    pub status: u16,
    /// Its error; empty where the answer has none.
    pub fault: Fault,
}

/// The items of a bulk's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bulk {
    /// How many were answered.
    pub count: u32,
    /// Those whose status is not 2xx, in order.
    pub failed: Vec<Failed>,
}

/// Reads a bulk's answer; `None` where it is none.
pub fn bulk(body: &[u8]) -> Option<Bulk> {
    all_stored(body).or_else(|| any(body))
}

fn any(body: &[u8]) -> Option<Bulk> {
    #[derive(Deserialize)]
    struct Answer {
        items: Bulk,
    }
    serde_json::from_slice::<Answer>(body).ok().map(|answer| answer.items)
}

/// What is answered nearly always, byte for byte: reading it as JSON would be a twentieth of all work for a record.
fn all_stored(body: &[u8]) -> Option<Bulk> {
    let mut rest = body.strip_prefix(br#"{"errors":false,"items":["#)?;
    let mut count = 0u32;
    while let Some(next) = rest.strip_prefix(br#"{"create":{"status":201}}"#) {
        count = count.saturating_add(1);
        match next {
            [b',', after @ ..] => rest = after,
            b"]}" => return Some(Bulk { count, failed: Vec::new() }),
            _ => return None,
        }
    }
    None
}

/// Reads the error of a whole request, in the shapes of OpenSearch and of the AWS front door (`message`, `Message`).
pub fn whole(body: &[u8]) -> Option<Fault> {
    #[derive(Deserialize)]
    struct Answer {
        error: Option<Fault>,
        #[serde(alias = "Message")]
        message: Option<String>,
    }
    let answer = serde_json::from_slice::<Answer>(body).ok()?;
    let message = || Some(Fault { reason: short(&answer.message?), ..Fault::default() });
    answer.error.or_else(message)
}

/// Whether it means to be JSON, whole or cut off.
pub fn is_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), None | Some(b'{'))
}

/// What something else than OpenSearch says: the beginning of its page.
pub fn words(body: &[u8]) -> String {
    short(&String::from_utf8_lossy(body.get(..4 * MAX_TEXT).unwrap_or(body)))
}

fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

impl<'de> Deserialize<'de> for Bulk {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Bulk, D::Error> {
        from.deserialize_seq(Items)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Bulk;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a bulk")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bulk, A::Error> {
        #[derive(Deserialize)]
        struct Item {
            // The others are asked for by `service/probe`.
            #[serde(alias = "index", alias = "delete")]
            create: Outcome,
        }
        #[derive(Deserialize)]
        struct Outcome {
            status: u16,
            error: Option<Fault>,
        }
        let mut bulk = Bulk::default();
        while let Some(Item { create: Outcome { status, error } }) = seq.next_element()? {
            if !(200..300).contains(&status) || error.is_some() {
                bulk.failed.push(Failed { at: bulk.count, status, fault: error.unwrap_or_default() });
            }
            bulk.count = bulk.count.saturating_add(1);
        }
        Ok(bulk)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fault, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Shape {
            Object {
                #[serde(rename = "type")]
                kind: Option<String>,
                reason: Option<String>,
                caused_by: Option<Box<Fault>>,
            },
            Text(String),
            Other(IgnoredAny),
        }
        Ok(match Shape::deserialize(from)? {
            Shape::Object { kind, reason, caused_by } => Fault {
                kind: short(&kind.unwrap_or_default()),
                reason: short(&reason.unwrap_or_default()),
                cause: caused_by,
            },
            Shape::Text(reason) => Fault { reason: short(&reason), ..Fault::default() },
            Shape::Other(IgnoredAny) => Fault::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_nearly_always_is_read_as_json_is() {
        let stored = r#"{"create":{"status":201}}"#;
        for items in 1..4 {
            let answer = format!(r#"{{"errors":false,"items":[{}]}}"#, vec![stored; items].join(","));
            let short = all_stored(answer.as_bytes());
            assert_eq!(short, Some(Bulk { count: items as u32, failed: Vec::new() }));
            assert_eq!(short, any(answer.as_bytes()));
            // What is cut off or differs in a byte is either not read here, or as JSON is.
            for at in 0..answer.len() {
                assert_eq!(all_stored(&answer.as_bytes()[..at]), None);
                let mut other = answer.clone().into_bytes();
                other[at] = b'#';
                assert_eq!(all_stored(&other), None);
            }
        }
        assert_eq!(all_stored(br#"{"errors":false,"items":[]}"#), None);
        let odd = br#"{"errors":false,"items":[{"create":{"status":201}},]}"#;
        assert_eq!((all_stored(odd), any(odd)), (None, None));
    }
}
