//! `transforms` of an output: a list of `select` and `merge_json`.

use super::input::Named;
use super::target;
use crate::config::problem::{Wrong, nearest, shown};
use crate::config::section::{Place, Section};
use crate::transform::select::Predicate;

/// Transforms that will be there one day and are refused until then, with a sentence of their own.
const LATER: [&str; 12] = [
    "multiline",
    "parse_json",
    "parse_regex",
    "redact",
    "throttle",
    "sample",
    "dedupe",
    "rename",
    "remove_fields",
    "add_fields",
    "flatten",
    "route",
];

/// Fields of single records that predicates may look at.
const PER_RECORD: [&str; 2] = ["stream", "log"];

const THERE: [&str; 2] = ["select", "merge_json"];

/// What a record goes through.
#[derive(Debug, Default)]
pub(super) struct Transforms {
    pub select: Vec<Predicate>,
    pub merge_json: bool,
}

/// The transforms of one output, in any order: `select` looks only at what `merge_json` does not change.
pub(super) fn read(output: &Section<'_>, inputs: &[&Named]) -> Transforms {
    let mut all = Transforms::default();
    let Some(list) = output.get("transforms") else { return all };
    for item in list.list() {
        one(&item, inputs, &mut all);
    }
    all
}

fn one(item: &Place<'_>, inputs: &[&Named], all: &mut Transforms) {
    let example = "`select: {keep: '…'}` or `merge_json: {}`";
    let Some(section) = item.section(example) else { return };
    let mut found = section.named();
    match (found.next(), found.next()) {
        (None, _) => item.wrong(Wrong::new("names no transform", format!("write {example}"))),
        (Some(_), Some(_)) => {
            item.wrong(Wrong::new("names several transforms", "write each in an item of its own, beginning with `- `"));
        }
        (Some(("select", place)), None) => {
            if let Some(keys) = place.section("`select: {keep: 'kubernetes.namespace_name != \"kube-system\"'}`") {
                let keep = keys.required("keep", "'kubernetes.namespace_name != \"kube-system\"'");
                all.select.extend(keep.and_then(|keep| keep.parse(|text| predicate(text, inputs))));
                keys.done();
            }
        }
        (Some(("merge_json", place)), None) => {
            if let Some(keys) = place.section("`merge_json: {}`") {
                keys.done_without_keys("merge_json");
            }
            if all.merge_json {
                item.wrong(Wrong::new("`merge_json` is there already", "remove one of the two"));
            }
            all.merge_json = true;
        }
        (Some((name, place)), None) if LATER.contains(&name) => {
            let wrong = Wrong::new(format!("not there yet: the transform {}", shown(name)), "remove it");
            place.wrong_key(wrong);
        }
        (Some((name, place)), None) => {
            let instead = match nearest(name, THERE) {
                Some(meant) => format!("write `{meant}`"),
                None => format!("write one of {}", THERE.join(", ")),
            };
            place.wrong_key(Wrong::new(format!("there is no transform {}", shown(name)), instead));
        }
    }
}

fn predicate(text: &str, inputs: &[&Named]) -> Result<Predicate, Wrong> {
    let predicate = Predicate::parse(text).map_err(|problem| {
        // Its place is in bytes; people count characters.
        let at = text.char_indices().take_while(|(at, _)| *at < problem.at).count() + 1;
        let instead = "write a predicate such as `kubernetes.namespace_name != \"kube-system\"`";
        Wrong::new(format!("at character {at}: {}", problem.what), instead)
    })?;
    for name in predicate.fields() {
        if !PER_RECORD.contains(&name) {
            target::field(name, inputs)?;
        }
    }
    Ok(predicate)
}
