//! What we call an object is one for serde_json; what is one for serde_json and is not deep, large, double or no field of an
//! index, is one for us.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tailrace::transform::merge_json::{MAX_DEPTH, MAX_KEYS, Merge, object};

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn keys(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.len() + members.values().map(keys).sum::<usize>(),
        Value::Array(elements) => elements.iter().map(keys).sum(),
        _ => 0,
    }
}

/// Nothing in it that no index takes: blank steps in a name, what is no finite `float`.
fn fits(value: &Value) -> bool {
    let name = |name: &String| name.len() <= 1024 && name.split('.').all(|part| !part.trim().is_empty());
    match value {
        Value::Object(members) => members.iter().all(|(key, value)| name(key) && fits(value)),
        Value::Array(elements) => elements.iter().all(fits),
        Value::Number(number) => number.as_f64().is_some_and(|n| n.abs() < 3.4e38),
        _ => true,
    }
}

fuzz_target!(|body: &[u8]| {
    let theirs = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
    match object(body) {
        Merge::Object(text) => {
            // Numbers past f64 are JSON, but not for a `Value`.
            let strict = serde_json::from_slice::<&serde_json::value::RawValue>(text).is_ok();
            assert!(strict);
            if let Some(value) = theirs {
                assert!(depth(&value) <= MAX_DEPTH && keys(&value) <= MAX_KEYS);
            }
        }
        Merge::TooDeep => {}
        Merge::NotObject => {
            let number = |byte: &u8| b"+-.eE0123456789".contains(byte);
            let long = body.split(|byte| !number(byte)).any(|run| run.len() > 100);
            if let Some(value) = theirs.filter(|value| fits(value) && !long) {
                // Names twice are the one thing that they forgive: theirs then has fewer than there are colons.
                let colons = body.iter().filter(|b| **b == b':').count();
                assert!(keys(&value) < colons, "a good object was refused");
            }
        }
    }
});
