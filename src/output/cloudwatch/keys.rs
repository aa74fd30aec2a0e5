//! Names of log groups and streams, from facts fixed per file.
//!
//! Names are patterns as [`FileKey`] wants them: a percent sign stands doubled. Values are cut to what the service
//! takes; literal text was checked with the configuration.

use crate::config::checked;
use crate::config::template::Template;
use crate::lane::batch::FileKey;
use crate::origin::{Fields, Origin};
use std::sync::Arc;

/// CreateLogGroup and CreateLogStream take 1 to 512 characters.
const LONGEST: usize = 512;

/// Makes an output's keys.
#[derive(Debug)]
pub struct Keys {
    group: Template,
    stream: Option<Template>,
    node: Arc<str>,
}

impl Keys {
    /// `node` stands for the host where a file's facts name none.
    pub fn new(output: &checked::CloudWatch, node: &Arc<str>) -> Keys {
        Keys { group: output.log_group.clone(), stream: output.log_stream.clone(), node: Arc::clone(node) }
    }

    /// The group and stream of a file's records.
    pub fn of(&self, origin: &Origin) -> FileKey {
        let place = self.group.file_part(&origin.fields, |value| clean(value, in_group));
        let stream = match &self.stream {
            Some(template) => template.file_part(&origin.fields, |value| clean(value, in_stream)),
            None => self.default_stream(origin).replace('%', "%%").into(),
        };
        FileKey { place: fit(place), stream: fit(stream) }
    }

    /// AWS's own naming: the tag that the Fluent Bit of Container Insights gives a container's log.
    fn default_stream(&self, origin: &Origin) -> String {
        let field = |name: &str| value(&origin.fields, name);
        let host = clean(field("kubernetes.host").unwrap_or(&self.node), in_stream);
        let (Some(pod), Some(namespace), Some(container)) =
            (field("kubernetes.pod_name"), field("kubernetes.namespace_name"), field("kubernetes.container_name"))
        else {
            // A path is a file's name here; its slashes become dots, as in the tags of Fluent Bit's tail.
            let path = origin.path.trim_start_matches('/').replace('/', ".");
            return format!("{host}-{}", clean(&path, in_stream));
        };
        let of_pod = clean(&format!("{pod}_{namespace}_{container}"), in_stream);
        match field("kubernetes.docker_id") {
            Some(id) => {
                format!("{host}-application.var.log.containers.{of_pod}-{}.log", clean(id, in_stream))
            }
            None => format!("{host}-application.{of_pod}"),
        }
    }
}

/// A field's value, unless it is missing or empty.
fn value<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).filter(|text| !text.is_empty())
}

/// CreateLogGroup: `[\.\-_/#A-Za-z0-9]+`; a slash from a value would move the group to another place.
fn in_group(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '#')
}

/// CreateLogStream: anything but `:` and `*`; a slash is left out for the same reason as in a group.
fn in_stream(c: char) -> bool {
    !matches!(c, ':' | '*' | '/') && !c.is_control()
}

/// What is not allowed becomes `_`, and so does `..`.
fn clean(value: &str, allowed: fn(char) -> bool) -> String {
    let cut: String = value.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    cut.replace("..", "__")
}

/// Between 1 and 512 characters once time is filled in. What is cut off is told apart by its checksum.
fn fit(pattern: Arc<str>) -> Arc<str> {
    if pattern.is_empty() {
        return "-".into();
    }
    if units(&pattern).map(|(_, length)| length).sum::<usize>() <= LONGEST {
        return pattern;
    }
    let mark = format!("-{:08x}", crc32c::crc32c(pattern.as_bytes()));
    let mut room = LONGEST - mark.len();
    let mut fitted = String::new();
    for (unit, length) in units(&pattern) {
        if length > room {
            break;
        }
        room -= length;
        fitted.push_str(unit);
    }
    fitted.push_str(&mark);
    fitted.into()
}

/// A pattern in pieces that must not be cut, each with the characters that it renders to: a character, `%%`, a part of
/// the time.
fn units(pattern: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = pattern;
    std::iter::from_fn(move || {
        let mut chars = rest.chars();
        let length = match (chars.next()?, chars.clone().next()) {
            ('%', Some('Y')) => 4,
            ('%', Some('m' | 'd' | 'H' | 'M' | 'S')) => 2,
            (_, _) => 1,
        };
        if rest.starts_with('%') {
            chars.next();
        }
        let (unit, after) = rest.split_at(rest.len() - chars.as_str().len());
        rest = after;
        Some((unit, length))
    })
}

#[cfg(test)]
mod tests;
