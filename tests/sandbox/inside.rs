//! A child process enters the sandbox of a configuration and tries what it should not be able to do.

use crate::kernel;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What the child was refused, and what not: a line each.
fn tried(dir: &Path, sandbox: &str) -> Vec<String> {
    tried_by(Command::new(std::env::current_exe().unwrap()), dir, sandbox)
}

/// The same with what begins the child.
fn tried_by(mut child: Command, dir: &Path, sandbox: &str) -> Vec<String> {
    for sub in ["logs/app", "data", "etc"] {
        fs::create_dir_all(dir.join(sub)).unwrap();
    }
    fs::write(dir.join("logs/app/a.log"), "log").unwrap();
    fs::write(dir.join("shadow"), "secret").unwrap();
    let config = dir.join("etc/t.yaml");
    let text = format!(
        "data_dir: {0}/data\n{sandbox}inputs:\n  f: {{type: file, include: ['{0}/logs/app/*.log']}}\noutputs:\n  s: {{type: \
         opensearch, inputs: [f], url: 'http://h', index: i, auth: {{type: none}}}}\n",
        dir.display()
    );
    fs::write(&config, text).unwrap();
    child.args(["--exact", "inside::child", "--ignored", "--nocapture"]).env("SANDBOX_DIR", dir).env("HOME", dir);
    let out = child.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    fs::read_to_string(dir.join("data/tried")).unwrap().lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "the other half of the tests here: runs in a process of its own"]
fn child() {
    let Ok(dir) = std::env::var("SANDBOX_DIR") else { return };
    let (dir, file) = (Path::new(&dir), Path::new(&dir).join("etc/t.yaml"));
    let text = fs::read_to_string(&file).unwrap();
    let config = tailrace::config::load(&text, "t", &|name| std::env::var(name).ok()).unwrap();
    let before = tailrace::cli::sandbox::Sandbox::begin(&config, &file);
    let mut said = Vec::new();
    let mut tell = |what: &str, result: Result<(), std::io::Error>| {
        let how = result.map_or_else(|error| format!("{:?}", error.kind()), |()| "done".to_owned());
        said.push(format!("{what}: {how}"));
    };
    tell("read a log", fs::read(dir.join("logs/app/a.log")).map(drop));
    tell("read the configuration", fs::read(&file).map(drop));
    tell("read name servers", fs::read("/etc/resolv.conf").map(drop));
    tell("read a secret", fs::read(dir.join("shadow")).map(drop));
    tell("read who there is", fs::read("/etc/passwd").map(drop));
    tell("read passwords", fs::read("/etc/shadow").map(drop));
    tell("list what is elsewhere", fs::read_dir("/root").map(drop));
    tell("write beside a log", fs::write(dir.join("logs/app/b.log"), "x"));
    tell("remove a log", fs::remove_file(dir.join("logs/app/a.log")));
    tell("write state", fs::write(dir.join("data/x"), "x"));
    tell("rename state", fs::rename(dir.join("data/x"), dir.join("data/y")));
    tell("make a directory of state", fs::create_dir_all(dir.join("data/retained")));
    let fifo = |name: &str| Ok(rustix::fs::mkfifoat(rustix::fs::CWD, dir.join(name), rustix::fs::Mode::RUSR)?);
    tell("make a FIFO", fifo("data/fifo"));
    tell("run a program", Command::new("/bin/true").spawn().and_then(|mut child| child.wait()).map(drop));
    let thread = std::thread::spawn(|| Command::new("/bin/true").spawn().map(drop));
    tell("run a program from another thread", thread.join().unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let connect = listener.and_then(|l| std::net::TcpStream::connect(l.local_addr()?)).map(drop);
    tell("listen and connect", connect);
    said.push(format!("landlock: {}", before.landlock));
    said.push(format!("seccomp: {}", before.seccomp));
    fs::write(dir.join("data/tried"), said.join("\n")).unwrap();
}

/// The child's answers to these questions.
fn assert_tried(tried: &[String], want: &[(&str, &str)]) {
    for (what, how) in want {
        assert!(tried.contains(&format!("{what}: {how}")), "{what}: {how}: {tried:#?}");
    }
}

const STILL: &[(&str, &str)] = &[
    ("read a log", "done"),
    ("read the configuration", "done"),
    ("read name servers", "done"),
    ("write state", "done"),
    ("rename state", "done"),
    ("make a directory of state", "done"),
    ("listen and connect", "done"),
];

#[test]
fn with_landlock_only_what_the_configuration_names_can_be_opened() {
    if !kernel().landlock {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tried = tried(dir.path(), "sandbox: {seccomp: false}\n");
    assert_tried(&tried, STILL);
    let no = "PermissionDenied";
    assert_tried(
        &tried,
        &[
            ("read a secret", no),
            ("list what is elsewhere", no),
            ("write beside a log", no),
            ("remove a log", no),
            ("make a FIFO", no),
            ("run a program", no),
            ("landlock", "on"),
            ("seccomp", "off: by `sandbox: {seccomp: false}`"),
        ],
    );
    assert!(dir.path().join("logs/app/a.log").exists());
}

#[test]
fn with_seccomp_no_program_can_be_run_by_any_thread_and_files_are_as_before() {
    if !kernel().seccomp {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tried = tried(dir.path(), "sandbox: {landlock: false}\n");
    assert_tried(&tried, STILL);
    let no = "PermissionDenied";
    let one = [("run a program", no), ("run a program from another thread", no), ("make a FIFO", no)];
    assert_tried(&tried, &one);
    assert_tried(&tried, &[("read a secret", "done"), ("write beside a log", "done"), ("seccomp", "on")]);
}

#[test]
fn without_both_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let tried = tried(dir.path(), "sandbox: {landlock: false, seccomp: false}\n");
    assert_tried(&tried, STILL);
    let all = ["read a secret", "write beside a log", "remove a log", "make a FIFO", "run a program"];
    all.iter().for_each(|what| assert_tried(&tried, &[(what, "done")]));
}

/// A shell in a mount namespace of its own, in which the first argument is done before the rest is run; `None`: not
/// permitted here.
fn in_own_mounts(first: &str) -> Option<Command> {
    // As root, else as the root of a user namespace.
    ["-m", "-rm"].into_iter().find_map(|how| {
        let with = |script: &str| {
            let mut command = Command::new("unshare");
            command.args([how, "sh", "-c", script]);
            command
        };
        let may = with(first).output().is_ok_and(|out| out.status.success());
        may.then(|| {
            let mut command = with(&format!("{first} && exec \"$0\" \"$@\""));
            command.arg(std::env::current_exe().unwrap());
            command
        })
    })
}

#[test]
fn where_name_servers_are_a_mount_as_in_a_pod_the_rest_of_etc_is_refused() {
    if !kernel().landlock {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Of another file system than /etc, as kubelet's file in a container is.
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    let mount = format!(
        "mount -t tmpfs none {0} && echo nameserver 192.0.2.1 > {0}/r && mount --bind {0}/r /etc/resolv.conf",
        other.display()
    );
    let Some(child) = in_own_mounts(&mount) else {
        println!("skipped: no mount namespace of our own is permitted here");
        return;
    };
    let tried = tried_by(child, dir.path(), "");
    assert_tried(&tried, STILL);
    let no = "PermissionDenied";
    assert_tried(
        &tried,
        &[("read who there is", no), ("read passwords", no), ("read a secret", no), ("landlock", "on")],
    );
}
