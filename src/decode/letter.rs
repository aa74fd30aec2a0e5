//! A line of a dead-letter file: the record that it was, to be sent again as it would have been sent then.
//!
//! Written by `lane::bury`. What it says of where the record stood is the record's identity, not the place of the line.

use super::stamp::{self, DateCache};
use crate::record::{Channel, FileId, Record, RecordId, Stamp};
use base64::Engine;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Name of the output that refused it.
    pub output: String,
    /// Why: the service's code, or ours.
    pub reason: String,
    /// The service's words.
    pub say: String,
    /// Name of the input.
    pub input: String,
    /// The file's path at discovery.
    pub path: String,
    /// Who the record is.
    pub id: RecordId,
    /// When it was written.
    pub unix_ns: i64,
    /// The same as text.
    pub time: String,
    /// Standard output or error.
    pub channel: Option<Channel>,
    /// Any bytes.
    pub body: Vec<u8>,
    /// A piece of a longer line.
    pub cut: bool,
    /// What documents say of the file, when it was refused.
    pub fields: BTreeMap<String, String>,
    /// Where they differ, the values that its key was made of.
    pub key_fields: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct Line {
    reason: String,
    #[serde(default)]
    say: String,
    output: String,
    #[serde(default)]
    input: String,
    #[serde(default)]
    path: String,
    spans: Vec<Part>,
    time: String,
    stream: Option<String>,
    log: String,
    log_base64: Option<String>,
    #[serde(default)]
    partial: bool,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    key_fields: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct Part {
    file: String,
    start: u64,
    end: u64,
}

/// Reads a line (without its newline). `None`: it is none, or says too little to be sent.
pub fn parse(line: &[u8]) -> Option<Letter> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let (first, last) = (line.spans.first()?, line.spans.last()?);
    let file = FileId(u128::from_str_radix(&first.file, 16).ok()?);
    let body = match line.log_base64 {
        Some(text) => base64::engine::general_purpose::STANDARD.decode(text).ok()?,
        None => line.log.into_bytes(),
    };
    Some(Letter {
        id: RecordId { file, start: first.start, end: last.end, piece: 0 },
        unix_ns: stamp::parse(line.time.as_bytes(), &mut DateCache::default())?,
        channel: match line.stream.as_deref() {
            Some("stdout") => Some(Channel::Stdout),
            Some("stderr") => Some(Channel::Stderr),
            Some(_) | None => None,
        },
        output: line.output,
        reason: line.reason,
        say: line.say,
        input: line.input,
        path: line.path,
        time: line.time,
        body,
        cut: line.partial,
        fields: line.fields,
        key_fields: line.key_fields,
    })
}

impl Letter {
    /// The record that it was.
    pub fn record(&self) -> Record<'_> {
        let time = Stamp { unix_ns: self.unix_ns, text: self.time.as_bytes() };
        Record { id: self.id, time, channel: self.channel, body: &self.body, cut: self.cut, processed: None }
    }
    /// The values that its key was made of.
    pub fn first_fields(&self) -> BTreeMap<&str, &str> {
        let mut fields: BTreeMap<&str, &str> = self.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        for (name, value) in &self.key_fields {
            match value {
                Some(value) => fields.insert(name, value),
                None => fields.remove(name.as_str()),
            };
        }
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHOLE: &str = r#"{"reason":"r","say":"s","output":"search","destination":"i","input":"pods","path":"/a/0.log",
        "spans":[{"file":"000000000000000000000000000000ff","start":5,"end":9},{"file":"01","start":0,"end":7}],
        "time":"2026-11-22T10:15:00.5+01:00","stream":"stderr","log":"a\u0000b","partial":true,
        "fields":{"a":"1","b":"2"},"key_fields":{"b":null,"c":"3"}}"#;

    #[test]
    fn a_letter_is_the_record_that_it_was() {
        let letter = parse(WHOLE.as_bytes()).unwrap();
        let record = letter.record();
        assert_eq!(record.id, RecordId { file: FileId(255), start: 5, end: 7, piece: 0 });
        assert_eq!(
            (record.time.unix_ns, record.time.text),
            (1_795_338_900_500_000_000, &b"2026-11-22T10:15:00.5+01:00"[..])
        );
        assert_eq!((record.channel, record.body, record.cut), (Some(Channel::Stderr), &b"a\0b"[..], true));
        assert_eq!(letter.first_fields(), BTreeMap::from([("a", "1"), ("c", "3")]));
    }

    #[test]
    fn a_body_that_is_no_text_comes_back_as_it_was() {
        let line = WHOLE.replace(r#""partial""#, r#""log_base64":"/w==","partial""#);
        assert_eq!(parse(line.as_bytes()).unwrap().body, b"\xff");
    }

    #[test]
    fn what_says_too_little_is_no_letter() {
        for (from, to) in [
            (r#""output":"search","#, ""),
            ("2026-11-22T10:15:00.5+01:00", ""),
            (r#""reason":"r","#, ""),
            ("000000000000000000000000000000ff", "x"),
            (r#""log":"a\u0000b","#, ""),
            ("}}", "}"),
        ] {
            let line = WHOLE.replacen(from, to, 1);
            assert_ne!(line, WHOLE, "{from}");
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_letter_or_none(line: Vec<u8>) {
            prop_assert!(parse(&line).is_none());
        }
    }
}
