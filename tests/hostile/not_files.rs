//! What has a log's name and is no regular file: nobody opens it for long, nobody waits for it, it is counted.

use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{SOON, until_or};
use rustix::fs::{CWD, FileType, mknodat};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// The pod's log becomes what `make` makes of its name, while another pod goes on.
fn log_becomes(make: impl FnOnce(&Path)) {
    let stage = Stage::new();
    let (evil, fine) = (container(&stage.place, "evil", "pod"), container(&stage.place, "shop", "cart"));
    append(&evil.join("0.log"), cri("before"));
    append(&fine.join("0.log"), cri("fine"));
    stage.until_bodies(&["before", "fine"]);
    std::fs::remove_file(evil.join("0.log")).unwrap();
    make(&evil.join("0.log"));
    let counted = || stage.agent.metrics().sum("tailrace_unreadable_files_total", &[]) > Some(0.0);
    until_or("it to be counted", SOON, counted, || stage.agent.log());
    append(&fine.join("0.log"), cri("fine too"));
    stage.until_bodies(&["before", "fine", "fine too"]);
    assert_eq!(stage.agent.get("/livez").unwrap().0, 200);
    let mut agent = stage.agent;
    assert!(agent.stop(SOON).success(), "{}", agent.log());
}

#[test]
fn a_log_that_becomes_a_fifo_blocks_nobody_with_and_without_a_writer() {
    let fifo = |path: &Path| mknodat(CWD, path, FileType::Fifo, 0o600.into(), 0).unwrap();
    log_becomes(fifo);
    let mut held = None;
    log_becomes(|path| {
        fifo(path);
        // Read and write: opening does not wait. Its buffer is full of what looks like lines.
        let open = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        std::io::Write::write_all(&mut &open, &cri("from a pipe")).unwrap();
        held = Some(open);
    });
    drop(held);
}

#[test]
fn a_log_that_becomes_a_socket_or_a_directory_is_passed_over() {
    let mut held = None;
    log_becomes(|path| {
        // A socket's name may be 107 bytes long; a temporary directory's is shorter than that and our tail.
        let short = path.with_file_name("s");
        let dir = std::env::temp_dir().join(format!("tr-{}", std::process::id()));
        held = Some(UnixListener::bind(&dir).unwrap());
        if std::fs::rename(&dir, &short).is_err() {
            std::fs::remove_file(&dir).unwrap();
            held = Some(UnixListener::bind(&short).unwrap());
        }
        std::fs::rename(&short, path).unwrap();
    });
    drop(held);
    log_becomes(|path| {
        std::fs::create_dir(path).unwrap();
        append(&path.join("0.log"), cri("deeper"));
    });
}

#[test]
fn a_log_that_becomes_a_device_is_passed_over() {
    // /dev/zero's numbers: read by mistake it would never end.
    let zero = rustix::fs::makedev(1, 5);
    let probe = tempfile::tempdir().unwrap();
    if let Err(error) = mknodat(CWD, probe.path().join("d"), FileType::CharacterDevice, 0o600.into(), zero) {
        return println!("skipped: this user may not make devices: {error}");
    }
    log_becomes(|path| mknodat(CWD, path, FileType::CharacterDevice, 0o600.into(), zero).unwrap());
}
