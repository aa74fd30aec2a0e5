//! `filter_path`: which members of an answer are sent. Names, `*` in or for one, `**` for any depth.

use serde_json::{Map, Value};

/// Keeps what one of the comma-separated paths leads to; an empty object when none does.
pub(super) fn filter(value: Value, paths: &str) -> Value {
    let paths: Vec<Vec<&str>> = paths.split(',').map(|p| p.trim().split('.').collect()).collect();
    let live: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
    keep(value, &live).unwrap_or_else(|| Value::Object(Map::new()))
}

/// `None`: nothing below is wanted.
fn keep(value: Value, live: &[&[&str]]) -> Option<Value> {
    if live.iter().any(|p| p.is_empty()) {
        return Some(value);
    }
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            for (name, member) in map {
                let next = step(live, &name);
                if !next.is_empty()
                    && let Some(kept) = keep(member, &next)
                {
                    out.insert(name, kept);
                }
            }
            (!out.is_empty()).then_some(Value::Object(out))
        }
        // Elements of a list are reached by the same path as the list.
        Value::Array(list) => {
            let kept: Vec<Value> = list.into_iter().filter_map(|v| keep(v, live)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn step<'p>(live: &[&'p [&'p str]], name: &str) -> Vec<&'p [&'p str]> {
    let mut next = Vec::new();
    for path in live {
        let Some((first, rest)) = path.split_first() else { continue };
        if *first == "**" {
            next.push(*path);
            next.extend(step(&[rest], name));
        } else if matches(first, name) {
            next.push(rest);
        }
    }
    next
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => {
            let Some(rest) = name.strip_prefix(head) else { return false };
            (0..=rest.len()).any(|i| rest.get(i..).is_some_and(|r| matches(tail, r)))
        }
    }
}
