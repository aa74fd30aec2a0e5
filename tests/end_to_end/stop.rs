//! SIGTERM and SIGINT drain; what is left is said; a second signal leaves at once.

use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{SOON, until_or};
use rustix::process::Signal;
use tailrace::standin::{Fault, Rule};

/// Longer than any test waits: who ends sooner did not wait for it.
const PATIENT: &str = "shutdown_timeout: 10m";

/// Nothing would be due for hours.
fn late(outputs: String) -> String {
    outputs.replace("max_age: 200ms", "max_age: 1h").replace("max_age: 500ms", "max_age: 1h")
}

fn drains(signal: Signal) {
    let mut stage = Stage::with(PATIENT, late);
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, [cri("one"), cri("two")].concat());
    let seen = || stage.lane("archive")["lag"]["bytes"].as_u64() > Some(0);
    until_or("the file to be offered", SOON, seen, || stage.agent.log());
    for (name, standin) in stage.services.each() {
        assert_eq!(standin.control.receipts().totals().records, 0, "{name}: sent before it was due");
    }
    stage.agent.signal(signal);
    let ended = stage.agent.wait(SOON);
    assert!(ended.success(), "{ended}");
    stage.until_bodies(&["one", "two"]);
    let log = stage.agent.log();
    assert!(log.contains("everything read is settled") && !log.contains("not settled"), "{log}");
}

#[test]
fn sigterm_sends_what_was_not_due_yet_and_ends_with_0() {
    drains(Signal::TERM);
}

#[test]
fn sigint_does_the_same() {
    drains(Signal::INT);
}

#[test]
fn a_drain_says_what_is_left_within_shutdown_timeout_and_the_next_process_delivers_it() {
    let mut stage = Stage::with("shutdown_timeout: 10s", |outputs| outputs);
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("before"));
    stage.until_bodies(&["before"]);
    stage.services.s3.control.fault(Rule::always(Fault::Status {
        code: 503,
        error: "SlowDown".into(),
        retry_after: None,
    }));
    append(&file, cri("after"));
    crate::stage::until_bodies("search", &stage.services.opensearch, &["after", "before"], &stage.agent);
    let ended = stage.agent.stop(SOON);
    assert!(ended.success(), "{ended}");
    let log = stage.agent.log();
    let line = log.lines().find(|l| l.contains("not settled")).unwrap_or_else(|| panic!("{log}"));
    for word in ["archive", "shop/cart/main", "SlowDown"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    stage.services.s3.control.clear_faults();
    stage.start_again();
    stage.until_bodies(&["before", "after"]);
}

#[test]
fn a_second_signal_leaves_at_once() {
    let mut stage = Stage::with(PATIENT, |outputs| outputs);
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("before"));
    stage.until_bodies(&["before"]);
    stage.services.opensearch.control.fault(Rule::always(Fault::Hang { done: false }));
    append(&file, cri("after"));
    let hangs = || stage.services.opensearch.control.requests_of("_bulk", "hang") > 0;
    until_or("a request that hangs", SOON, hangs, || stage.agent.log());
    stage.agent.signal(Signal::TERM);
    until_or("it to drain", SOON, || stage.agent.log().contains("draining"), || stage.agent.log());
    assert!(stage.agent.is_running());
    stage.agent.signal(Signal::INT);
    let ended = stage.agent.wait(SOON);
    assert_eq!(ended.code(), Some(1), "{}", stage.agent.log());
    stage.services.opensearch.control.clear_faults();
    stage.start_again();
    stage.until_bodies(&["after", "before"]);
}

#[test]
fn a_drain_that_was_asked_for_over_http_is_one_and_a_sigterm_behind_it_is_no_second_signal() {
    let mut stage = Stage::with("shutdown_timeout: 1m", late);
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, [cri("one"), cri("two")].concat());
    let seen = || stage.lane("archive")["lag"]["bytes"].as_u64() > Some(0);
    until_or("the file to be offered", SOON, seen, || stage.agent.log());
    // So that it is still at it when the signal comes.
    stage.services.opensearch.control.fault(Rule::times(1, Fault::Slow { millis: 1_500 }).on("_bulk"));
    let (status, _) = crate::support::post(stage.place.admin, "/drain").unwrap();
    assert_eq!(status, 202);
    until_or("it to drain", SOON, || stage.agent.log().contains("draining"), || stage.agent.log());
    stage.agent.signal(Signal::TERM);
    let ended = stage.agent.wait(SOON);
    assert!(ended.success(), "{ended} {}", stage.agent.log());
    stage.until_bodies(&["one", "two"]);
}
