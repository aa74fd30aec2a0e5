//! One event's message and fields, and the two ways to write them. Pure.

use crate::record::Now;
use std::fmt::{Debug, Write};
use tracing::Level;
use tracing::field::{Field, Visit};

/// A field's value: JSON tells numbers and texts apart.
#[derive(Debug)]
enum Value {
    Text(String),
    /// Number or truth value, as JSON writes it.
    Bare(String),
}

/// What an event says.
#[derive(Debug, Default)]
pub(super) struct Line {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text) | Value::Bare(text)) => self.message = text,
            (name, value) => self.fields.push((name, value)),
        }
    }

    pub(super) fn add_number(&mut self, name: &'static str, value: u64) {
        self.fields.push((name, Value::Bare(value.to_string())));
    }

    /// The output or input it is about: limited apart.
    pub(super) fn scope(&self) -> Option<&str> {
        self.fields.iter().find_map(|(name, value)| match (*name, value) {
            ("output" | "input", Value::Text(text)) => Some(text.as_str()),
            (_, Value::Text(_) | Value::Bare(_)) => None,
        })
    }

    /// Message and fields; control characters are written as escapes.
    pub(super) fn plain(&self) -> String {
        let mut out = safe(&self.message);
        for (name, value) in &self.fields {
            let text = match value {
                Value::Bare(text) => text.clone(),
                Value::Text(text) => quoted(text),
            };
            // Writing to a String cannot fail.
            write!(out, " {name}={text}").unwrap_or_default();
        }
        out
    }

    pub(super) fn text(&self, now: Now, level: Level) -> String {
        format!("{} {level:<5} {}\n", time(now), self.plain())
    }

    pub(super) fn json(&self, now: Now, level: Level) -> String {
        let level = level.as_str().to_ascii_lowercase();
        let mut out = format!("{{\"time\":\"{}\",\"level\":\"{level}\",\"msg\":{}", time(now), json(&self.message));
        for (name, value) in &self.fields {
            let (name, clash) = (json(name), if matches!(*name, "time" | "level" | "msg") { "field_" } else { "" });
            out.push_str(",\"");
            out.push_str(clash);
            out.push_str(name.trim_start_matches('"'));
            out.push(':');
            match value {
                Value::Bare(text) => out.push_str(text),
                Value::Text(text) => out.push_str(&json(text)),
            }
        }
        out.push_str("}\n");
        out
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, Value::Text(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, Value::Text(value.to_owned()));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Bare(value.to_string()));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, Value::Bare(value.to_string()));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Bare(value.to_string()));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        let value = if value.is_finite() { Value::Bare(value.to_string()) } else { Value::Text(value.to_string()) };
        self.add(field, value);
    }
}

fn json(text: &str) -> String {
    // JSON escapes what is below the space; a terminal obeys more than that.
    plain(&serde_json::Value::from(text).to_string())
}

/// As it is, or quoted where that would be misread.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=');
    if plain { text.to_owned() } else { format!("\"{}\"", safe(&text.replace('\\', "\\\\").replace('"', "\\\""))) }
}

fn safe(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_obeyed(c) {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        out
    })
}

/// Characters that a terminal or a page obeys instead of showing them: control characters, and those that turn the
/// direction of writing.
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Such characters but for line breaks and tabs as escapes of JSON.
pub(crate) fn plain(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_obeyed(c) && !matches!(c, '\n' | '\t') {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
        out
    })
}

/// RFC 3339, milliseconds, UTC.
fn time(now: Now) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(now.unix_ns)).map_or_else(|_| "-".to_owned(), |t| format!("{t:.3}"))
}
