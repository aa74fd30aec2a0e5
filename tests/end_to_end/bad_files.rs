//! What is no log, cannot be read, or is broken: said or passed over, in nobody's way, and nothing else is lost for it.

use crate::logs::{append, container, cri, pack};
use crate::stage::{Stage, bodies};
use crate::support::{Agent, Place, SOON, Services, until_or};
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn fifos_directories_and_links_that_look_like_logs_are_passed_over() {
    let place = Place::new();
    let services = Services::start();
    let secret = place.path().join("secret.log");
    append(&secret, cri("secret"));
    let dir = container(&place, "shop", "cart");
    append(&dir.join("0.log"), cri("fine"));
    std::fs::create_dir(dir.join("1.log")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, dir.join("2.log"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    symlink(&secret, dir.join("3.log")).unwrap();
    symlink("../../../../secret.log", dir.join("4.log")).unwrap();
    symlink("/dev/zero", dir.join("5.log")).unwrap();
    symlink("nowhere", dir.join("6.log")).unwrap();
    // A whole pod that is a link out of the root.
    let outside = place.path().join("outside").join("main");
    std::fs::create_dir_all(&outside).unwrap();
    append(&outside.join("0.log"), cri("outside"));
    symlink(place.path().join("outside"), place.pods().join("shop_linked_0000")).unwrap();
    let config = place.config("", &services.outputs());
    let agent = place.run(&config, &[]);
    let stage = Stage { agent, services, place, config };
    stage.until_bodies(&["fine"]);
    append(&dir.join("0.log"), cri("still fine"));
    stage.until_bodies(&["fine", "still fine"]);
    assert_eq!(stage.agent.get("/livez").unwrap().0, 200);
    let mut once = stage;
    assert!(once.agent.stop(SOON).success());
    // Nor do they keep `--once` from ending well.
    once.agent = once.place.run(&once.config, &["--once"]);
    let ended = once.agent.wait(SOON);
    assert_eq!(ended.code(), Some(0), "{}", once.agent.log());
    once.until_bodies(&["fine", "still fine"]);
}

#[test]
fn a_truncated_gzip_gives_what_is_whole_in_it_and_the_next_file_is_read() {
    let place = Place::new();
    let services = Services::start();
    let dir = container(&place, "shop", "cart");
    let rotated = dir.join("0.log.20261122-101010");
    let lines: Vec<Vec<u8>> =
        (0..900).map(|n| cri(format!("packed {n:04} {:08x}", crc32c::crc32c(&[n as u8, (n >> 8) as u8])))).collect();
    append(&rotated, lines.concat());
    let packed = pack(&rotated);
    let bytes = std::fs::read(&packed).unwrap();
    std::fs::write(&packed, &bytes[..bytes.len() * 3 / 4]).unwrap();
    append(&dir.join("0.log"), cri("after"));
    let config = place.config("", &services.outputs());
    let mut agent = place.run(&config, &["--once", "--give-up", "3s"]);
    let ended = agent.wait(SOON);
    println!("a truncated gzip under --once: {ended}");
    for (name, standin) in services.each() {
        let got = bodies(standin);
        let packed: Vec<&String> = got.iter().filter(|b| b.starts_with("packed")).collect();
        assert!(got.contains(&"after".to_owned()), "{name}: what stands behind the broken file did not arrive");
        assert!(packed.len() >= 400, "{name}: only {} lines of the broken file", packed.len());
        // The last of them may be torn.
        let torn = packed.iter().filter(|b| b.len() != "packed 0000 00000000".len()).count();
        assert!(torn <= 1, "{name}: {packed:?}");
    }
    assert!(agent.log().contains(".gz"), "nobody was told: {}", agent.log());
}

#[test]
fn a_file_that_may_not_be_read_is_said_and_counted_and_read_when_it_may() {
    if rustix::process::geteuid().is_root() {
        // Root may read everything; there is nothing to show.
        return println!("skipped: run as root");
    }
    let stage = Stage::new();
    let dir = container(&stage.place, "shop", "cart");
    append(&dir.join("1.log"), cri("closed"));
    std::fs::set_permissions(dir.join("1.log"), std::fs::Permissions::from_mode(0o000)).unwrap();
    append(&dir.join("0.log"), cri("open"));
    stage.until_bodies(&["open"]);
    let count = || stage.agent.metrics().sum("tailrace_unreadable_files_total", &[]);
    until_or("it to be counted", SOON, || count() > Some(0.0), || stage.agent.log());
    std::fs::set_permissions(dir.join("1.log"), std::fs::Permissions::from_mode(0o600)).unwrap();
    append(&dir.join("1.log"), cri("open now"));
    stage.until_bodies(&["open", "closed", "open now"]);
}

#[test]
fn files_that_vanish_at_any_moment_disturb_nobody() {
    let stage = Stage::new();
    let steady = container(&stage.place, "shop", "steady").join("0.log");
    for n in 0..60 {
        let dir = container(&stage.place, "jobs", &format!("job-{n}"));
        append(&dir.join("0.log"), cri("short-lived"));
        append(&steady, cri(format!("steady {n:02}")));
        if n % 3 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(n % 7));
        }
        std::fs::remove_dir_all(dir.parent().unwrap()).unwrap();
    }
    for (name, standin) in stage.services.each() {
        let count = || bodies(standin).iter().filter(|b| b.starts_with("steady")).count();
        until_or(&format!("the steady pod's lines in {name}"), SOON, || count() == 60, || stage.agent.log());
    }
    stage.until_settled();
    assert_eq!(stage.agent.get("/livez").unwrap().0, 200);
    let log = stage.agent.log();
    assert!(!log.contains("panicked") && !log.contains("thread failed"), "{log}");
}

#[test]
fn lines_that_are_no_cri_arrive_as_they_are() {
    let stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("fine"));
    append(&file, b"no stamp at all\n\n2026-13-99T99:99:99Z stdout F bad stamp\n");
    append(&file, cri("fine again"));
    for (name, standin) in stage.services.each() {
        until_or(&format!("all in {name}"), SOON, || bodies(standin).len() >= 4, || format!("{:?}", bodies(standin)));
        let got = bodies(standin);
        for want in ["fine", "fine again", "no stamp at all"] {
            assert!(got.iter().any(|b| b == want), "{name}: {want}: {got:?}");
        }
    }
}

#[test]
fn more_empty_files_than_handles_keep_no_new_pod_waiting() {
    let place = Place::new();
    let services = Services::start();
    let mut empty = Vec::new();
    for n in 0..400 {
        empty.push(container(&place, "idle", &format!("pod-{n}")).join("0.log"));
        append(empty.last().unwrap(), b"");
    }
    let config = place.config("", &services.outputs());
    let args = ["run", "-c", config.to_str().unwrap()];
    let agent = Agent::start_limited(place.path(), &args, place.admin, 256);
    agent.until_ready();
    let stage = Stage { agent, services, place, config };
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("new"));
    stage.until_bodies(&["new"]);
    append(&empty[399], cri("first"));
    append(&empty[0], cri("first too"));
    stage.until_bodies(&["new", "first", "first too"]);
    let open = std::fs::read_dir(format!("/proc/{}/fd", stage.agent.pid())).unwrap().count();
    assert!(open < 200, "{open} handles are open");
    let log = stage.agent.log();
    assert!(!log.contains("Too many open files"), "{log}");
}
