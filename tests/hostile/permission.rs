//! A log whose permissions are taken away.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, until_bodies};
use crate::support::{Agent, Place, SOON, Services, until_or};
use std::os::unix::fs::PermissionsExt;

/// Not root: root reads everything. Nobody's id, with all that it needs given to it.
const NOBODY: u32 = 65_534;

#[test]
fn a_log_whose_permissions_are_taken_away_is_counted_and_the_others_go_on() {
    let (place, services) = (Place::new(), Services::start());
    let (evil, fine) =
        (container(&place, "evil", "pod").join("0.log"), container(&place, "shop", "cart").join("0.log"));
    append(&evil, cri("before"));
    append(&fine, cri("fine"));
    let config = place.config("", &services.outputs());
    let agent = if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        append(&place.path().join("agent.log"), "");
        // The binary may stand where nobody may look: a shell opens it by its number.
        let script = format!("exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups \"$0\" \"$@\"");
        let args = ["run", "-c", config.to_str().unwrap()];
        Agent::start_after(place.path(), &args, place.admin, &script)
    } else {
        place.run(&config, &[])
    };
    agent.until_ready();
    let stage = Stage { agent, services, place, config };
    stage.until_bodies(&["before", "fine"]);
    // A new file of the same container, closed before it is seen.
    let closed = evil.with_file_name("1.log");
    let made = evil.with_file_name("x");
    append(&made, cri("closed"));
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o000)).unwrap();
    std::fs::rename(&made, &closed).unwrap();
    let counted = || stage.agent.metrics().sum("tailrace_unreadable_files_total", &[]) > Some(0.0);
    until_or("it to be counted", SOON, counted, || stage.agent.log());
    // What is open stays readable, whatever becomes of its name.
    std::fs::set_permissions(&evil, std::fs::Permissions::from_mode(0o000)).unwrap();
    append(&fine, cri("fine too"));
    stage.until_bodies(&["before", "fine", "fine too"]);
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o644)).unwrap();
    append(&closed, cri("open again"));
    for (name, standin) in stage.services.each() {
        until_bodies(name, standin, &["before", "fine", "fine too", "closed", "open again"], &stage.agent);
    }
}
