//! A second name for a file that is somebody else's: another pod's log, or any file of this file system.

use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{SOON, until_or};
use std::fs::hard_link;

#[test]
fn a_hard_link_to_a_secret_is_not_read_and_is_counted() {
    let stage = Stage::new();
    let (evil, fine) = (container(&stage.place, "evil", "pod"), container(&stage.place, "shop", "cart"));
    let secret = stage.place.path().join("secret");
    append(&secret, cri("secret"));
    hard_link(&secret, evil.join("0.log")).unwrap();
    let counted = || stage.agent.metrics().sum("tailrace_unreadable_files_total", &[]) > Some(0.0);
    until_or("it to be counted", SOON, counted, || stage.agent.log());
    append(&fine.join("0.log"), cri("fine"));
    stage.until_bodies(&["fine"]);
    // A log of its own in its place.
    std::fs::remove_file(evil.join("0.log")).unwrap();
    append(&evil.join("0.log"), cri("its own"));
    stage.until_bodies(&["fine", "its own"]);
}

#[test]
fn a_hard_link_to_another_pods_log_neither_stops_nor_takes_it() {
    let mut stage = Stage::new();
    let (evil, fine) = (container(&stage.place, "evil", "pod"), container(&stage.place, "shop", "cart"));
    append(&fine.join("0.log"), cri("one"));
    stage.until_bodies(&["one"]);
    hard_link(fine.join("0.log"), evil.join("0.log")).unwrap();
    append(&fine.join("0.log"), cri("two"));
    stage.until_bodies(&["one", "two"]);
    // Also in another life of ours, when the other name may be seen first.
    assert!(stage.agent.stop(SOON).success());
    append(&fine.join("0.log"), cri("three"));
    stage.start_again();
    stage.until_bodies(&["one", "two", "three"]);
    // Rotated: the other name stays on what was rotated.
    std::fs::rename(fine.join("0.log"), fine.join("0.log.20261122-101010")).unwrap();
    append(&fine.join("0.log"), cri("four"));
    append(&evil.join("1.log"), cri("evil's own"));
    stage.until_bodies(&["one", "two", "three", "four", "evil's own"]);
    for document in crate::stage::documents(&stage.services.s3) {
        let evil = document["kubernetes"]["namespace_name"] == "evil";
        assert_eq!(evil, document["log"] == "evil's own", "{document}");
    }
}

#[test]
fn a_log_that_was_being_read_goes_on_when_somebody_gives_it_a_second_name() {
    let stage = Stage::new();
    let fine = container(&stage.place, "shop", "cart");
    append(&fine.join("0.log"), cri("one"));
    stage.until_bodies(&["one"]);
    // A backup by hard links.
    hard_link(fine.join("0.log"), stage.place.path().join("backup")).unwrap();
    append(&fine.join("0.log"), cri("two"));
    stage.until_bodies(&["one", "two"]);
    std::fs::rename(fine.join("0.log"), fine.join("0.log.20261122-101010")).unwrap();
    append(&fine.join("0.log.20261122-101010"), cri("three"));
    append(&fine.join("0.log"), cri("four"));
    stage.until_bodies(&["one", "two", "three", "four"]);
}
