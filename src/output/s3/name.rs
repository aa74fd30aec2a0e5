//! Object names: `{key}{first record's time}-{node}-{16 hex}.json.zst|.gz`, and what a key prefix may hold.
//!
//! Pure. The node and 64 random bits make a name nobody else can choose, so that `If-None-Match: *` refuses
//! nothing but our own earlier attempt. A name with a cleaned prefix is at most 1,024 bytes, S3's limit.

use crate::config::checked::Compression;
use crate::config::template::Template;
use crate::origin::Fields;
use std::sync::Arc;

/// S3 takes no longer names, in bytes of UTF-8.
pub const MAX_NAME: usize = 1024;
/// The node's name is cut here: it is for people, the random bits make the difference.
const MAX_NODE: usize = 100;
/// `20261122T101500Z` `-` node `-` 16 hex digits `.json.zst`.
const MAX_SUFFIX: usize = 16 + 1 + MAX_NODE + 1 + 16 + 9;
/// Values are cut to these lengths in turn until the prefix fits.
const VALUE_CUTS: [usize; 6] = [512, 128, 64, 32, 16, 0];

/// The name of an object whose first record is of `unix_ns`; `random` are 64 bits nobody used before.
pub fn object_name(prefix: &str, unix_ns: i64, node: &str, random: u64, compression: Compression) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = time.strftime("%Y%m%dT%H%M%SZ");
    let node = clean_node(node);
    let extension = match compression {
        Compression::Zstd => ".json.zst",
        Compression::Gzip => ".json.gz",
    };
    format!("{prefix}{time}-{node}-{random:016x}{extension}")
}

/// Letters, digits, `.`, `_` and `-` stay; anything else becomes `_`; cut to [`MAX_NODE`] bytes.
fn clean_node(node: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    node.chars().take(MAX_NODE).map(clean).collect()
}

/// The file part of a key template, short enough for every name made of it.
pub fn prefix(template: &Template, fields: &Fields) -> Arc<str> {
    for cut in VALUE_CUTS {
        let part = plain_segments(template, &template.file_part(fields, |value| clean_value(value, cut)));
        if rendered_len(&part) <= MAX_NAME - MAX_SUFFIX {
            return part;
        }
    }
    let shortest = plain_segments(template, &template.file_part(fields, |_| String::new()));
    // What is cut may end in dots.
    plain_segments(template, &cut_pattern(&shortest))
}

/// A value holds no `/` and no `..`, nothing that AWS's manual advises against in names, and at most `cut` bytes.
pub fn clean_value(value: &str, cut: usize) -> String {
    let mut out = String::with_capacity(value.len().min(cut));
    for c in value.chars() {
        let avoid = c.is_control()
            || matches!(c, '/' | '\\' | '{' | '}' | '^' | '%' | '`' | '[' | ']' | '"' | '<' | '>' | '~' | '#' | '|');
        let c = if avoid || (c == '.' && out.ends_with('.')) { '_' } else { c };
        if out.len() + c.len_utf8() > cut {
            break;
        }
        out.push(c);
    }
    out
}

/// `.` and `..` as whole segments mean directories to many readers of a bucket, and some services refuse them. So they do
/// with an empty segment, which a missing value would make, unless the template itself has one.
fn plain_segments(template: &Template, pattern: &str) -> Arc<str> {
    let wished = template.literals().any(|text| text.contains("//"));
    let count = pattern.split('/').count();
    let segments = pattern.split('/').enumerate().map(|(at, segment)| match segment {
        "." => "_",
        ".." => "__",
        // The last one is followed by the object's own name.
        "" if !wished && at + 1 < count => "_",
        fine => fine,
    });
    segments.collect::<Vec<&str>>().join("/").into()
}

/// Bytes of the pattern once time is filled in: `%Y` becomes four, the others two, `%%` one.
fn rendered_len(pattern: &str) -> usize {
    let mut len = 0;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        len += match c {
            '%' => match chars.next() {
                Some('%') | None => 1,
                Some('Y') => 4,
                Some(_) => 2,
            },
            c => c.len_utf8(),
        };
    }
    len
}

/// The longest start of the pattern that fits and does not end within a `%X`.
fn cut_pattern(pattern: &str) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let mut piece = String::from(c);
        if c == '%' {
            piece.extend(chars.next());
        }
        if rendered_len(&out) + rendered_len(&piece) > MAX_NAME - MAX_SUFFIX {
            break;
        }
        out.push_str(&piece);
    }
    out
}
