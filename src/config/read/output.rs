//! `outputs`: the keys that all outputs share, and which type reads the rest.

use super::input::{self, Named};
use super::transforms::{self, Transforms};
use super::{ca_file, cloudwatch, opensearch, s3, values};
use crate::config::checked::{CatchUp, CatchUpOrder, Output, OutputKind};
use crate::config::memory;
use crate::config::problem::Wrong;
use crate::config::section::{Place, Section};
use crate::config::units::{GIB, MIB, choice, count, duration, percent, show_duration, show_size, size, within};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    CloudWatch,
    S3,
    OpenSearch,
}

const TYPES: [(&str, Type); 3] =
    [("cloudwatch_logs", Type::CloudWatch), ("s3", Type::S3), ("opensearch", Type::OpenSearch)];

/// Keys of one type only: says where a key belongs that stands elsewhere. A test holds it to the readers.
const KEYS: [(&str, &[&str]); 4] = [
    (
        "cloudwatch_logs",
        &["log_group", "log_stream", "create", "retention_days", "log_class", "format", "out_of_window"],
    ),
    ("s3", &["bucket", "key", "compression", "object_size", "storage_class", "sse", "sign_payload"]),
    ("opensearch", &["url", "index", "auth", "document_id"]),
    ("cloudwatch_logs` or `s3", &["endpoint", "kms_key_id"]),
];

/// Keys of every type that talks to AWS.
const AWS_KEYS: [&str; 5] = ["region", "role_arn", "external_id", "session_name", "profile"];

/// What the outputs are, and what they need even where they are wrong.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    /// In the order of the file; without those that lack something.
    pub list: Vec<Output>,
    /// Bytes that all lanes together need at least.
    pub memory: u64,
}

impl Type {
    fn memory(self) -> u64 {
        match self {
            Type::CloudWatch => memory::CLOUDWATCH,
            Type::S3 => memory::S3,
            Type::OpenSearch => memory::OPENSEARCH,
        }
    }
}

/// All outputs, in the order of the file.
pub(super) fn all(top: &Section<'_>, inputs: &[Named], data_dir: &Path) -> Outputs {
    let example = "outputs below it, such as `archive: {type: s3, …}`";
    let mut all = Outputs::default();
    let Some(place) = top.required("outputs", "{archive: {type: s3, …}}") else { return all };
    let Some(outputs) = place.section(example) else { return all };
    let surroundings = Surroundings { inputs, data_dir };
    let mut seen = BTreeMap::new();
    for (name, place) in outputs.named() {
        let (kind, output) = one(name, &place, &surroundings, &mut seen);
        all.memory = all.memory.saturating_add(kind.map_or(0, Type::memory));
        all.list.extend(output);
    }
    if outputs.is_empty() {
        place.wrong_key(Wrong::new("has no output", format!("write {example}")));
    }
    all
}

/// What an output refers to.
struct Surroundings<'s> {
    inputs: &'s [Named],
    data_dir: &'s Path,
}

fn one(
    name: &str,
    place: &Place<'_>,
    around: &Surroundings<'_>,
    seen: &mut BTreeMap<String, String>,
) -> (Option<Type>, Option<Output>) {
    if let Err(wrong) = values::name(name) {
        place.wrong_key(wrong);
    }
    let Some(section) = place.section("`type: cloudwatch_logs`, `type: s3` or `type: opensearch`") else {
        return (None, None);
    };
    let id = identity(name, place, &section, seen);
    let kind = section.required("type", "s3").and_then(|place| place.parse(|text| choice(text, &TYPES)));
    let listed = listed(&section, around.inputs);
    let transforms = transforms::read(&section, &listed);
    let (age, most_age, requests, most_requests) = match kind {
        Some(Type::S3) => (Duration::from_secs(300), Duration::from_secs(86_400), 4, 8),
        Some(Type::CloudWatch | Type::OpenSearch) | None => (Duration::from_secs(5), Duration::from_secs(3600), 16, 32),
    };
    let max_age = span(&section, "max_age", Duration::from_millis(100), most_age, age);
    let concurrency =
        section.value("concurrency", |text| within(count(text)?, 1, most_requests, u64::to_string)).unwrap_or(requests);
    let (dead_letter_dir, dead_letter_max) = dead_letter(&section, around.data_dir);
    let minute = Duration::from_secs(60);
    let day = Duration::from_secs(86_400);
    let own = of_type(kind, &section, &listed, &transforms);
    let forget_after = span(&section, "forget_after", minute, day * 365, day);
    let stall_after = span(&section, "stall_after", Duration::from_secs(10), day, minute * 5);
    let catch_up = catch_up(&section);
    let ca_file = section.value("ca_file", ca_file::ca_file);
    section.finish(elsewhere);
    let output = own.map(|own| Output {
        name: name.into(),
        id,
        inputs: listed.iter().map(|named| named.name.clone()).collect(),
        max_age,
        select: transforms.select,
        merge_json: transforms.merge_json,
        dead_letter_dir,
        dead_letter_max,
        forget_after,
        stall_after,
        catch_up,
        concurrency: concurrency as usize,
        ca_file,
        kind: own,
    });
    (kind, output)
}

/// Reads what only this type has. Of an output without a type nothing more is judged but keys that no type has.
fn of_type(
    kind: Option<Type>,
    section: &Section<'_>,
    inputs: &[&Named],
    transforms: &Transforms,
) -> Option<OutputKind> {
    match kind {
        Some(Type::CloudWatch) => cloudwatch::read(section, inputs, transforms).map(OutputKind::CloudWatch),
        Some(Type::S3) => s3::read(section, inputs).map(OutputKind::S3),
        Some(Type::OpenSearch) => opensearch::read(section, inputs).map(OutputKind::OpenSearch),
        None => {
            for key in KEYS.iter().flat_map(|(_, keys)| keys.iter()).chain(&AWS_KEYS) {
                section.get(key);
            }
            None
        }
    }
}

fn elsewhere(key: &str) -> Option<String> {
    let (kind, _) = KEYS.iter().find(|(_, keys)| keys.contains(&key))?;
    Some(format!("remove it: it belongs to outputs of `type: {kind}`"))
}

/// The lane's name in the store; two lanes must not share one.
fn identity(name: &str, place: &Place<'_>, section: &Section<'_>, seen: &mut BTreeMap<String, String>) -> Arc<str> {
    let given = section.get("id");
    let id = given.as_ref().and_then(|place| place.parse(values::name)).unwrap_or_else(|| name.to_string());
    if let Some(other) = seen.get(&id) {
        let wrong = Wrong::new(
            format!("output `{other}` has the id `{id}` already"),
            "write another `id`: it names the saved positions",
        );
        match &given {
            Some(given) => given.wrong(wrong),
            None => place.wrong_key(wrong),
        }
    } else {
        seen.insert(id.clone(), name.to_string());
    }
    id.into()
}

/// The inputs that the output reads; each once.
fn listed<'i>(section: &Section<'_>, inputs: &'i [Named]) -> Vec<&'i Named> {
    let first = inputs.first().map_or("pods", |named| &named.name);
    let Some(place) = section.required("inputs", &format!("[{first}]")) else { return Vec::new() };
    place.not_empty();
    let mut listed: Vec<&Named> = Vec::new();
    for item in place.list() {
        let Some(named) = item.parse(|name| input::find(name, inputs)) else { continue };
        if listed.iter().any(|other| other.name == named.name) {
            item.wrong(Wrong::new(format!("input `{}` is listed twice", named.name), "remove one of the two"));
        } else {
            listed.push(named);
        }
    }
    listed
}

fn dead_letter(section: &Section<'_>, data_dir: &Path) -> (PathBuf, u64) {
    let (mut dir, mut max) = (data_dir.join("dead-letter"), 256 * MIB);
    let example = "`dead_letter: {dir: /var/lib/tailrace/dead-letter, max_bytes: 256MiB}`";
    if let Some(keys) = section.get("dead_letter").and_then(|place| place.section(example)) {
        dir = keys.value("dir", values::absolute).unwrap_or(dir);
        max = keys.value("max_bytes", |text| within(size(text)?, MIB, 1024 * GIB, show_size)).unwrap_or(max);
        keys.done();
    }
    (dir, max)
}

fn catch_up(section: &Section<'_>) -> CatchUp {
    let mut catch_up = CatchUp { order: CatchUpOrder::Fair, share_percent: 50 };
    if let Some(keys) = section.get("catch_up").and_then(|place| place.section("`catch_up: {order: fair, share: 50%}`"))
    {
        let orders = [("fair", CatchUpOrder::Fair), ("oldest", CatchUpOrder::Oldest), ("newest", CatchUpOrder::Newest)];
        catch_up.order = keys.value("order", |text| choice(text, &orders)).unwrap_or(catch_up.order);
        let share = keys.value("share", |text| within(percent(text)?, 1, 100, |n| format!("{n}%")));
        catch_up.share_percent = share.unwrap_or(catch_up.share_percent);
        keys.done();
    }
    catch_up
}

fn span(section: &Section<'_>, key: &'static str, least: Duration, most: Duration, default: Duration) -> Duration {
    section.value(key, |text| within(duration(text)?, least, most, show_duration)).unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn every_key_in_the_list_is_read_by_its_type_and_by_no_other() {
        let kinds = |text: &str| text.split("` or `").map(str::to_string).collect::<Vec<_>>();
        for (owner, keys) in KEYS {
            for key in keys {
                for (kind, _) in TYPES {
                    let text = format!("outputs:\n  o:\n    type: {kind}\n    {key}: 1\n");
                    let problems = load(&text, "f", &|_| None).unwrap_err();
                    let path = format!("outputs.o.{key}");
                    let refused = problems.list.iter().any(|p| p.path == path && p.what == "is not a key here");
                    assert_eq!(refused, !kinds(owner).contains(&kind.to_string()), "{kind}.{key}: {problems}");
                }
            }
        }
    }
}
