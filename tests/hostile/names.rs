//! Names of pods and files that are meant for a terminal, a page or a path: what is said of them is plain.

use crate::logs::{append, container, cri};
use crate::stage::Stage;
use crate::support::{SOON, until_or};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const NAMES: &[&[u8]] = &[
    b"evil_\x1b[31mred\x1b[0m_00000000-0000-4000-8000-0000000000a1",
    b"evil_new\nline_00000000-0000-4000-8000-0000000000a2",
    b"evil_<script>alert(1)<script>_00000000-0000-4000-8000-0000000000a3",
    b"evil_\"quote\\_00000000-0000-4000-8000-0000000000a4",
    b"evil_\xff\xfe\x80_00000000-0000-4000-8000-0000000000a5",
    b"evil_..%Y{pod}_00000000-0000-4000-8000-0000000000a6",
    "evil_\u{202e}\u{9b}31m_00000000-0000-4000-8000-0000000000a7".as_bytes(),
];

/// Nothing that a terminal would obey.
pub fn assert_plain(what: &str, text: &str) {
    let bad = text
        .chars()
        .find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    assert_eq!(bad, None, "{what}: {}", text.escape_debug());
}

#[test]
fn what_is_said_of_hostile_names_holds_nothing_that_a_terminal_or_a_page_obeys() {
    let stage = Stage::new();
    for name in NAMES {
        let dir = stage.place.pods().join(OsStr::from_bytes(name)).join("main");
        std::fs::create_dir_all(&dir).unwrap();
        append(&dir.join("0.log"), cri("from a strange name"));
        // Said and shown: what is no file, and a compressed one that is broken.
        std::fs::create_dir(dir.join("1.log")).unwrap();
        std::fs::write(dir.join("0.log.20261122-101010.gz"), b"\x1f\x8b\x08\0\0\0\0\0\0\x03broken").unwrap();
    }
    let long = "x".repeat(200);
    append(&container(&stage.place, "evil", &long).join("0.log"), cri("from a long name"));
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("fine"));
    for (name, standin) in stage.services.each() {
        let there = |what: &str| crate::stage::bodies(standin).iter().any(|b| b == what);
        until_or(&format!("all in {name}"), SOON, || there("fine") && there("from a long name"), || stage.agent.log());
    }
    for path in ["/metrics", "/api/lanes", "/"] {
        let (status, body) = stage.agent.get(path).unwrap();
        assert_eq!(status, 200, "{path}");
        assert_plain(path, &body);
        assert!(!body.contains("<script>alert"), "{path}: {body}");
    }
    assert_plain("the log", &stage.agent.log());
    for args in [&["audit", "--files"][..], &["audit", "--files", "--json"], &["positions", "list"], &["doctor"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tailrace"));
        command.args(args).args(["-c", stage.config.to_str().unwrap()]).env("AWS_EC2_METADATA_DISABLED", "true");
        let out = command.output().unwrap();
        assert!(!out.stdout.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        assert_plain(&format!("{args:?}"), &String::from_utf8_lossy(&out.stdout));
        assert_plain(&format!("what {args:?} complains of"), &String::from_utf8_lossy(&out.stderr));
    }
}
