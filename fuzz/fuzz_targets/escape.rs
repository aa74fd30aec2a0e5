//! Escaping once and twice is what serde_json writes of the lossy text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailrace::body::escape::{escape, escape_twice};

fn theirs(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a string has JSON");
    quoted[1..quoted.len() - 1].to_owned()
}

fuzz_target!(|src: &[u8]| {
    let want = theirs(&String::from_utf8_lossy(src));
    let mut out = b"kept".to_vec();
    escape(src, &mut out);
    assert_eq!(out, format!("kept{want}").into_bytes());
    out.truncate(4);
    escape_twice(src, &mut out);
    assert_eq!(out, format!("kept{}", theirs(&want)).into_bytes());
});
