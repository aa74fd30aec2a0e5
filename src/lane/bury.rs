//! The dead-letter line: what was refused, why, and where it stood.

use super::batch::Code;
use crate::origin::Origin;
use crate::record::{Record, Span, Stamp};
use base64::Engine;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Why records are buried, and where they were to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Burial {
    /// The output's name.
    pub output: String,
    /// Group and stream, object prefix or index.
    pub destination: String,
    /// The service's code, or ours.
    pub code: Code,
    /// The service's words, at most 512 characters.
    pub say: String,
}

impl Burial {
    /// Appends one JSON line: reason, destination, file, spans, time, body, and all that is known of the file, so that
    /// [`crate::decode::letter`] makes the same record of it. A body that is not UTF-8 stands as base64 beside its lossy
    /// text, so that nothing of it is lost.
    pub fn line(&self, origin: &Origin, record: &Record<'_>, spans: &[Span], out: &mut Vec<u8>) {
        let text = |s: &str| serde_json::Value::from(s).to_string();
        let mut head = String::new();
        let say: String = self.say.chars().take(512).collect();
        let parts: Vec<String> =
            spans.iter().map(|s| format!(r#"{{"file":"{}","start":{},"end":{}}}"#, s.file, s.start, s.end)).collect();
        let written = write!(
            head,
            r#"{{"reason":{},"say":{},"output":{},"destination":{},"input":{},"path":{},"spans":[{}],"time":{}"#,
            text(self.code.as_str()),
            text(&say),
            text(&self.output),
            text(&self.destination),
            text(&origin.input),
            text(&origin.path),
            parts.join(","),
            text(&time(&record.time)),
        );
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
        out.extend_from_slice(head.as_bytes());
        if let Some(channel) = record.channel {
            out.extend_from_slice(format!(r#","stream":"{}""#, channel.as_str()).as_bytes());
        }
        out.extend_from_slice(b",\"log\":\"");
        crate::body::escape::escape(record.body, out);
        out.push(b'"');
        if std::str::from_utf8(record.body).is_err() {
            out.extend_from_slice(b",\"log_base64\":\"");
            out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(record.body).as_bytes());
            out.push(b'"');
        }
        if record.cut {
            out.extend_from_slice(b",\"partial\":true");
        }
        let meta = origin.meta.load();
        let (now, first) = (meta.fields(), &origin.fields);
        let now_and_then: BTreeMap<&str, &str> = now.iter().collect();
        let differs = |(name, value): &(&str, &str)| now.get(name) != Some(value);
        let mut then: BTreeMap<&str, Option<&str>> = first.iter().filter(differs).map(|(n, v)| (n, Some(v))).collect();
        then.extend(now.iter().filter(|(name, _)| first.get(name).is_none()).map(|(name, _)| (name, None)));
        out.extend_from_slice(format!(r#","fields":{}"#, serde_json::json!(now_and_then)).as_bytes());
        if !then.is_empty() {
            out.extend_from_slice(format!(r#","key_fields":{}"#, serde_json::json!(then)).as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }
}

/// As the line said it, or, where it said nothing, when it was seen.
fn time(stamp: &Stamp<'_>) -> String {
    if !stamp.text.is_empty() {
        return String::from_utf8_lossy(stamp.text).into_owned();
    }
    jiff::Timestamp::from_nanosecond(i128::from(stamp.unix_ns)).map(|t| format!("{t:.9}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::letter;
    use crate::origin::{Fields, Meta};
    use crate::record::{Channel, FileId, Grammar, RecordId};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn fields(pairs: &BTreeMap<String, String>) -> Arc<Fields> {
        Arc::new(Fields::new(pairs.iter().map(|(n, v)| (n.clone().into(), v.as_str().into())).collect()))
    }

    fn some() -> impl Strategy<Value = BTreeMap<String, String>> {
        proptest::collection::btree_map("[abc]", any::<String>(), 0..4)
    }

    proptest! {
        #[test]
        fn what_is_buried_is_dug_up_as_it_was(
            (first, now) in (some(), some()), body: Vec<u8>, cut: bool, unix_ns: i64, say: String,
            (start, len) in (0u64..1 << 40, 1u64..1 << 20),
        ) {
            let origin = Origin {
                input: "in".into(),
                path: "/é".into(),
                grammar: Grammar::Cri,
                fields: fields(&first),
                meta: arc_swap::ArcSwap::from_pointee(Meta::new(fields(&now))),
            };
            let id = RecordId { file: FileId(7), start, end: start + len, piece: 0 };
            let time = Stamp { unix_ns, text: b"" };
            let record = Record { id, time, channel: Some(Channel::Stderr), body: &body, cut, processed: None };
            let burial = Burial { output: "o".into(), destination: "d".into(), code: Code::new("c"), say };
            let mut line = Vec::new();
            burial.line(&origin, &record, &[Span { file: FileId(7), start, end: start + len }], &mut line);
            prop_assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
            let letter = letter::parse(&line[..line.len() - 1]).unwrap();
            prop_assert_eq!((&letter.body, letter.cut, letter.unix_ns, letter.id), (&body, cut, unix_ns, id));
            let firsts: BTreeMap<&str, &str> = first.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            prop_assert_eq!(letter.first_fields(), firsts);
            prop_assert_eq!((&letter.fields, letter.output.as_str(), letter.input.as_str()), (&now, "o", "in"));
        }
    }
}
