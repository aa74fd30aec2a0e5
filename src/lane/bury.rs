//! The dead-letter line: what was refused, why, and where it stood.

use super::batch::Code;
use crate::origin::Origin;
use crate::record::{Record, Span};
use base64::Engine;
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
    /// Appends one JSON line: reason, destination, file, spans, time, body. A body that is not UTF-8 stands as
    /// base64 beside its lossy text, so that nothing of it is lost.
    pub fn line(&self, origin: &Origin, record: &Record<'_>, spans: &[Span], out: &mut Vec<u8>) {
        let text = |s: &str| serde_json::Value::from(s).to_string();
        let mut head = String::new();
        let say: String = self.say.chars().take(512).collect();
        let parts: Vec<String> =
            spans.iter().map(|s| format!(r#"{{"file":"{}","start":{},"end":{}}}"#, s.file, s.start, s.end)).collect();
        let written = write!(
            head,
            r#"{{"reason":{},"say":{},"output":{},"destination":{},"path":{},"spans":[{}],"time":{}"#,
            text(self.code.as_str()),
            text(&say),
            text(&self.output),
            text(&self.destination),
            text(&origin.path),
            parts.join(","),
            text(&String::from_utf8_lossy(record.time.text)),
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
        let meta = origin.meta.load();
        out.extend_from_slice(meta.plain());
        out.extend_from_slice(b"}\n");
    }
}
