//! Index names: what a template's values may hold, and whether a whole name is one that OpenSearch takes.

use crate::config::template::Template;
use crate::origin::Fields;
use std::sync::Arc;

/// OpenSearch takes no longer names, in bytes.
pub const MAX_NAME: usize = 255;
/// `%Y` grows by two bytes when time is filled in; no index needs more than a few of them.
const MAX_PATTERN: usize = MAX_NAME - 8;
/// Values are cut to these lengths in turn until the name fits.
const VALUE_CUTS: [usize; 5] = [128, 64, 32, 16, 0];

/// The file part of an index template.
pub fn pattern(template: &Template, fields: &Fields) -> Arc<str> {
    let cut_to = |cut: usize| template.file_part(fields, |value| clean_value(value, cut));
    let fitting = VALUE_CUTS.iter().map(|cut| cut_to(*cut)).find(|part| part.len() <= MAX_PATTERN);
    // Literal text alone that is too long: the name is refused later, by `fault`.
    fitting.unwrap_or_else(|| cut_to(0))
}

/// Lower case; anything but `[a-z0-9._-]` becomes `_`; at most `cut` characters.
pub fn clean_value(value: &str, cut: usize) -> String {
    let clean = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') => c,
        _ => '_',
    };
    value.chars().map(clean).take(cut).collect()
}

/// Why OpenSearch would refuse this name.
pub fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() || name == "." || name == ".." {
        Some("it is empty or only dots")
    } else if name.len() > MAX_NAME {
        Some("it is longer than 255 bytes")
    } else if name.starts_with(['_', '-', '+']) {
        Some("it starts with `_`, `-` or `+`")
    } else if name.chars().any(char::is_uppercase) {
        Some("it has upper-case letters")
    } else if name.contains(|c: char| c.is_control() || " \"*\\<>|,/?#:".contains(c)) {
        Some("it has one of the characters space \" * \\ < > | , / ? # :")
    } else {
        None
    }
}

/// As a segment of a URL.
pub fn in_url(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
