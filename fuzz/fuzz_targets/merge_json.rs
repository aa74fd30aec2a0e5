//! What we call an object is one for serde_json; what is one for serde_json and is not deep, large or double, is one for us.
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
            if let Some(value) = theirs {
                // Names twice are the one thing that they forgive: theirs then has fewer than there are colons.
                let colons = body.iter().filter(|b| **b == b':').count();
                assert!(keys(&value) < colons, "a good object was refused");
            }
        }
    }
});
