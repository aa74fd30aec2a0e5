//! A log that is replaced by a link: nothing behind it is read, and the others' logs go on.

use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{SOON, until_or};
use std::os::unix::fs::symlink;
use std::path::Path;

/// The pod's log was read; then it becomes a link to `to`, which `make` prepares.
fn log_becomes_a_link(make: impl FnOnce(&Path, &Path) -> String) {
    let stage = Stage::new();
    let (evil, fine) = (container(&stage.place, "evil", "pod"), container(&stage.place, "shop", "cart"));
    append(&evil.join("0.log"), cri("before"));
    append(&fine.join("0.log"), cri("fine"));
    stage.until_bodies(&["before", "fine"]);
    let to = make(stage.place.path(), &evil);
    std::fs::remove_file(evil.join("0.log")).unwrap();
    symlink(&to, evil.join("0.log")).unwrap();
    let refused = || stage.agent.metrics().sum("tailrace_unreadable_files_total", &[]) > Some(0.0);
    until_or(&format!("the link to {to} to be counted"), SOON, refused, || stage.agent.log());
    append(&fine.join("0.log"), cri("fine too"));
    stage.until_bodies(&["before", "fine", "fine too"]);
    // It is a file again: read from its beginning.
    std::fs::remove_file(evil.join("0.log")).unwrap();
    append(&evil.join("0.log"), cri("a file again"));
    stage.until_bodies(&["before", "fine", "fine too", "a file again"]);
    assert_eq!(stage.agent.get("/livez").unwrap().0, 200);
}

#[test]
fn a_log_that_becomes_a_link_to_a_secret_gives_nothing_away() {
    log_becomes_a_link(|_, _| "/etc/shadow".to_owned());
    log_becomes_a_link(|place, _| {
        let secret = place.join("secret.log");
        append(&secret, cri("secret"));
        secret.to_str().unwrap().to_owned()
    });
}

#[test]
fn a_log_that_becomes_a_link_to_another_pods_log_gives_nothing_away() {
    log_becomes_a_link(|_, evil| {
        let cart = std::fs::read_dir(evil.join("../..")).unwrap().map(|e| e.unwrap().file_name());
        let cart = cart.map(|name| name.to_str().unwrap().to_owned()).find(|name| name.contains("cart")).unwrap();
        format!("../../{cart}/main/0.log")
    });
}

#[test]
fn a_log_that_becomes_a_link_to_nothing_to_a_directory_or_to_itself_is_passed_over() {
    log_becomes_a_link(|_, _| "nowhere".to_owned());
    log_becomes_a_link(|_, _| "/etc".to_owned());
    log_becomes_a_link(|_, _| "0.log".to_owned());
}

#[test]
fn links_on_the_way_to_a_log_are_not_followed() {
    let stage = Stage::new();
    let fine = container(&stage.place, "shop", "cart");
    append(&fine.join("0.log"), cri("fine"));
    // Whole trees that look right, outside of the input's root.
    let outside = stage.place.path().join("outside");
    std::fs::create_dir_all(outside.join("main")).unwrap();
    append(&outside.join("main/0.log"), cri("outside"));
    let pods = stage.place.pods();
    symlink(&outside, pods.join("evil_pod_00000000-0000-4000-8000-000000000001")).unwrap();
    let pod = pods.join("evil_other_00000000-0000-4000-8000-000000000002");
    std::fs::create_dir(&pod).unwrap();
    symlink(outside.join("main"), pod.join("main")).unwrap();
    symlink("../../outside/main", pod.join("side")).unwrap();
    symlink(&fine, pod.join("cart")).unwrap();
    symlink(".", pod.join("loop")).unwrap();
    append(&fine.join("0.log"), cri("fine too"));
    stage.until_bodies(&["fine", "fine too"]);
    // A directory that was real when its files were found, and is a link when they are opened again.
    let evil = container(&stage.place, "evil", "later");
    append(&evil.join("0.log"), cri("before"));
    stage.until_bodies(&["fine", "fine too", "before"]);
    std::fs::rename(&evil, evil.with_file_name("away")).unwrap();
    symlink(outside.join("main"), &evil).unwrap();
    append(&fine.join("0.log"), cri("fine again"));
    stage.until_bodies(&["fine", "fine too", "before", "fine again"]);
}
