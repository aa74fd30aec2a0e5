//! Destination templates: literal text, `{field}` from facts fixed per file, `%Y`-style record time.

use crate::origin::Fields;
use std::sync::Arc;

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub(crate) Vec<Segment>);

/// One part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// As it stands.
    Text(String),
    /// A field's value; missing = empty.
    Field(String),
    /// `Y m d H M S`, UTC.
    Time(char),
}

impl Template {
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
}
