//! Destination templates: literal text, `{field}` from facts fixed per file, `%Y`-style record time in UTC.
//!
//! Two steps, because fields are fixed for a file's life and time changes with every record:
//! [`Template::file_part`] fills in the fields once per file and leaves a *pattern*;
//! [`bucket_of`] and [`render`] put record time into a pattern. What a service allows is checked elsewhere.

mod time;

#[cfg(test)]
mod tests;

pub(crate) use time::civil;
pub use time::{Unit, bucket_in, bucket_of, render};

use crate::config::problem::shown;
use crate::origin::Fields;
use std::fmt;
use std::sync::Arc;

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub(crate) Vec<Segment>);

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// As it stands. Never empty, never two in a row.
    Text(String),
    /// A field's value; missing = empty.
    Field(String),
    /// `Y m d H M S`, UTC.
    Time(char),
}

/// Why a text is no template: the piece of it that is wrong, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

impl Template {
    /// Reads the syntax only; whether fields can exist and literals fit a service is for the caller.
    /// Names every mistake, not only the first.
    pub fn parse(text: &str) -> Result<Template, Vec<TemplateError>> {
        let mut segments = Vec::new();
        let mut errors = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['%', '{', '}']) {
            let (before, special) = rest.split_at(at);
            literal.push_str(before);
            let mut after = special.chars();
            match after.next() {
                Some('%') => {
                    let code = after.next();
                    match code {
                        Some('%') => literal.push('%'),
                        Some(c) if Unit::of(c).is_some() => push(&mut segments, &mut literal, Segment::Time(c)),
                        Some(c) => errors.push(bad_time(&format!("%{c}"))),
                        None => errors.push(bad_time("%")),
                    }
                    rest = after.as_str();
                }
                Some('{') => {
                    let inner = after.as_str();
                    let Some((name, tail)) = inner.split_once('}') else {
                        errors.push(TemplateError {
                            what: format!("{} has no closing brace", shown(special)),
                            instead: "write a field as `{kubernetes.namespace_name}`".into(),
                        });
                        rest = "";
                        continue;
                    };
                    push(&mut segments, &mut literal, Segment::Field(name.trim().to_string()));
                    rest = tail;
                }
                _ => {
                    errors.push(TemplateError {
                        what: "`}` without an opening brace".into(),
                        instead: "write a field as `{kubernetes.namespace_name}`; a brace cannot be literal text"
                            .into(),
                    });
                    rest = after.as_str();
                }
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            segments.push(Segment::Text(literal));
        }
        if errors.is_empty() { Ok(Template(segments)) } else { Err(errors) }
    }

    /// Fills in fields; time stays as `%X`, and a percent sign in text or values becomes `%%`.
    /// `clean` cuts each *value* to the service's alphabet (literal text was checked with the configuration).
    pub fn file_part(&self, fields: &Fields, clean: impl Fn(&str) -> String) -> Arc<str> {
        let mut out = String::new();
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => out.push_str(&text.replace('%', "%%")),
                Segment::Field(name) => out.push_str(&clean(fields.get(name).unwrap_or("")).replace('%', "%%")),
                Segment::Time(c) => {
                    out.push('%');
                    out.push(*c);
                }
            }
        }
        out.into()
    }

    /// Whether any part of it is record time.
    pub fn has_time(&self) -> bool {
        self.bucket().is_some()
    }

    /// The finest time unit in it; `None` where it has no time.
    pub fn bucket(&self) -> Option<Unit> {
        self.0
            .iter()
            .filter_map(|segment| match segment {
                Segment::Time(c) => Unit::of(*c),
                Segment::Text(_) | Segment::Field(_) => None,
            })
            .max()
    }

    /// Names of the fields, in order, with repetitions.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Field(name) => Some(name.as_str()),
            Segment::Text(_) | Segment::Time(_) => None,
        })
    }

    /// All literal text, in order.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Text(text) => Some(text.as_str()),
            Segment::Field(_) | Segment::Time(_) => None,
        })
    }

    /// The literal text it begins with, perhaps empty.
    pub fn literal_prefix(&self) -> &str {
        match self.0.first() {
            Some(Segment::Text(text)) => text,
            Some(Segment::Field(_) | Segment::Time(_)) | None => "",
        }
    }
}

/// As it was typed: what `parse` reads back to the same template.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Text(text) => f.write_str(&text.replace('%', "%%"))?,
                Segment::Field(name) => write!(f, "{{{name}}}")?,
                Segment::Time(c) => write!(f, "%{c}")?,
            }
        }
        Ok(())
    }
}

fn push(segments: &mut Vec<Segment>, literal: &mut String, next: Segment) {
    if !literal.is_empty() {
        segments.push(Segment::Text(std::mem::take(literal)));
    }
    segments.push(next);
}

fn bad_time(found: &str) -> TemplateError {
    TemplateError {
        what: format!("{} is not a part of time", shown(found)),
        instead: "write one of %Y %m %d %H %M %S, or %% for a percent sign".into(),
    }
}
