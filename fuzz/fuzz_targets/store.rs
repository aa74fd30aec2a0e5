//! Any bytes are a store, torn or rotten; what was understood of it, written anew, is understood the same.
//! Damage to a log hides most of its payloads from a fuzzer, so the same bytes are taken as one whole record, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailrace::store::replay::{replay, snapshot};
use tailrace::store::{codec, log};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut whole = Vec::new();
    log::write_header(&mut whole);
    if log::write_record(7, bytes, &mut whole).is_ok() {
        check(&whole);
    }
});

fn check(bytes: &[u8]) {
    let Ok((state, found)) = replay(bytes) else { return };
    assert!(found.end.valid_len <= bytes.len() as u64);
    let mut again = Vec::new();
    log::write_header(&mut again);
    for saved in snapshot(&state) {
        let mut payload = Vec::new();
        codec::encode(&saved, &mut payload);
        log::write_record(0, &payload, &mut again).expect("a state that was read fits");
    }
    let (same, clean) = replay(&again).expect("a log of our own");
    assert!(clean.end.torn.is_none() && clean.foreign == 0 && clean.unreadable == 0, "{clean:?}");
    assert_eq!(same, state);
}
