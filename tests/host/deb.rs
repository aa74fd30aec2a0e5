//! The Debian package: what is in it, and what installing, upgrading, removing and purging it does to a machine.

use crate::skip;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CONFIG: &str = "etc/tailrace/tailrace.yaml";

fn packaging(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/deb").join(path)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// A package of this version. Any program will do: nobody runs it here.
fn build(dir: &Path, version: &str) -> PathBuf {
    let mut build = Command::new(packaging("build"));
    let built =
        build.arg("/bin/sh").arg(dir).env("DEB_VERSION", version).env("SOURCE_DATE_EPOCH", "1").output().unwrap();
    assert!(built.status.success(), "{}", said(&built));
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim())
}

fn run(program: &str, args: &[&str], dir: &Path) -> String {
    let done = Command::new(program).args(args).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "{program} {args:?}: {}", said(&done));
    String::from_utf8(done.stdout).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_package_holds_the_program_its_unit_and_a_configuration_that_checks() {
    if !has("ar") {
        return skip("no ar here");
    }
    let dir = tempfile::tempdir().unwrap();
    let package = build(dir.path(), "1.2.3");
    let again = tempfile::tempdir().unwrap();
    assert!(
        std::fs::read(&package).unwrap() == std::fs::read(build(again.path(), "1.2.3")).unwrap(),
        "not the same bytes"
    );
    let name = package.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name == "tailrace_1.2.3_amd64.deb" || name == "tailrace_1.2.3_arm64.deb", "{name}");
    // By hand, as where there is no dpkg.
    let members = run("ar", &["t", &name], dir.path());
    assert_eq!(members.lines().collect::<Vec<_>>(), ["debian-binary", "control.tar.gz", "data.tar.gz"]);
    run("ar", &["x", &name], dir.path());
    for (archive, to) in [("control.tar.gz", "control"), ("data.tar.gz", "data")] {
        std::fs::create_dir(dir.path().join(to)).unwrap();
        run("tar", &["xpzf", archive, "-C", to], dir.path());
        let owners = run("tar", &["tvzf", archive, "--numeric-owner"], dir.path());
        assert!(owners.lines().all(|line| line.contains(" 0/0 ")), "{owners}");
    }
    let (data, control) = (dir.path().join("data"), dir.path().join("control"));
    assert_eq!(std::fs::read_to_string(dir.path().join("debian-binary")).unwrap(), "2.0\n");
    for (path, want) in [
        ("usr/bin/tailrace", 0o755),
        ("usr/lib/systemd/system/tailrace.service", 0o644),
        (CONFIG, 0o644),
        ("usr/share/doc/tailrace/README.md", 0o644),
        ("usr/share/doc/tailrace/changelog.gz", 0o644),
        ("usr/share/doc/tailrace/copyright", 0o644),
        ("usr/share/doc/tailrace/examples/iam/cloudwatch.json", 0o644),
        ("etc/tailrace", 0o755),
        ("usr/bin", 0o755),
    ] {
        assert_eq!(mode(&data.join(path)), want, "{path}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        assert_eq!(mode(&control.join(script)), 0o755, "{script}");
        run("sh", &["-n", script], &control);
    }
    assert_eq!(std::fs::read_to_string(control.join("conffiles")).unwrap(), format!("/{CONFIG}\n"));
    let sums = std::fs::read_to_string(control.join("md5sums")).unwrap();
    assert!(sums.contains("usr/bin/tailrace") && !sums.contains("etc/"), "{sums}");
    run("md5sum", &["--check", "--quiet", "../control/md5sums"], &data);
    let fields = std::fs::read_to_string(control.join("control")).unwrap();
    let field =
        |name: &str| fields.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default();
    assert_eq!((field("Package"), field("Version")), ("tailrace", "1.2.3"));
    assert!(name.contains(field("Architecture")), "{fields}");
    assert!(field("Depends").contains("libc6 (>= 2.") && field("Depends").contains("ca-certificates"), "{fields}");
    assert!(field("Installed-Size").parse::<u64>().unwrap() > 50, "{fields}");
    // Nothing of the environment, as after an installation.
    let mut check = Command::new(env!("CARGO_BIN_EXE_tailrace"));
    let checked = check.args(["check", "-c"]).arg(data.join(CONFIG)).env_clear().output().unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
}

/// A machine in a directory, with programs that only note that they were called.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let it = Machine { dir: tempfile::tempdir().unwrap() };
        for dir in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "run/systemd/system", "etc", "tools"] {
            std::fs::create_dir_all(it.at(dir)).unwrap();
        }
        for file in ["var/lib/dpkg/status", "var/lib/dpkg/available", "etc/passwd", "calls"] {
            std::fs::write(it.at(file), "").unwrap();
        }
        for tool in ["systemctl", "deb-systemd-invoke", "useradd"] {
            let text = format!("#!/bin/sh\necho \"{tool} $*\" >>\"$DPKG_ROOT/calls\"\n");
            std::fs::write(it.at("tools").join(tool), text).unwrap();
            std::fs::set_permissions(it.at("tools").join(tool), PermissionsExt::from_mode(0o755)).unwrap();
        }
        it
    }
    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }
    /// What it says, and what was called.
    fn dpkg(&self, action: &str, what: &str) -> (String, Vec<String>) {
        std::fs::write(self.at("calls"), "").unwrap();
        let path = format!("{}:{}", self.at("tools").display(), std::env::var("PATH").unwrap());
        let done = Command::new("dpkg")
            .arg(format!("--root={}", self.dir.path().display()))
            .args([
                "--force-script-chrootless",
                "--force-not-root",
                "--force-depends",
                "--force-bad-path",
                "--force-architecture",
            ])
            .args(["--log=/dev/null", action, what])
            .env("PATH", path)
            .output()
            .unwrap();
        assert!(done.status.success(), "{action}: {}", said(&done));
        let calls = std::fs::read_to_string(self.at("calls")).unwrap();
        let root = self.dir.path().to_str().unwrap();
        (said(&done), calls.lines().map(|line| line.replace(root, "ROOT")).collect())
    }
}

#[test]
fn installed_it_waits_to_be_started_upgraded_it_goes_on_and_only_a_purge_takes_its_state() {
    if !has("dpkg") || !has("ar") {
        return skip("no dpkg here");
    }
    let (dir, machine) = (tempfile::tempdir().unwrap(), Machine::new());
    let package = |version| build(dir.path(), version).to_str().unwrap().to_owned();
    let (said, calls) = machine.dpkg("--install", &package("0.1.0"));
    assert!(said.contains("systemctl enable --now tailrace") && said.contains("/etc/tailrace/tailrace.yaml"), "{said}");
    let user = "useradd --prefix ROOT --system --user-group --home-dir /var/lib/tailrace --no-create-home --shell \
                /usr/sbin/nologin tailrace";
    assert_eq!(calls, [user, "systemctl daemon-reload"], "nothing is enabled or started");
    // Somebody uses it.
    std::fs::write(machine.at("etc/passwd"), "tailrace:x:999:999::/var/lib/tailrace:/usr/sbin/nologin\n").unwrap();
    let config = std::fs::read_to_string(machine.at(CONFIG)).unwrap() + "# ours\n";
    std::fs::write(machine.at(CONFIG), &config).unwrap();
    std::fs::write(machine.at("etc/tailrace/environment"), "SECRET=x\n").unwrap();
    std::fs::create_dir_all(machine.at("var/lib/tailrace")).unwrap();
    std::fs::write(machine.at("var/lib/tailrace/positions"), "x").unwrap();
    let still_there = || {
        assert_eq!(std::fs::read_to_string(machine.at(CONFIG)).unwrap(), config);
        assert!(machine.at("var/lib/tailrace/positions").exists() && machine.at("etc/tailrace/environment").exists());
    };
    let (said, calls) = machine.dpkg("--install", &package("0.2.0"));
    assert!(!said.contains("not started yet"), "{said}");
    assert_eq!(calls, ["systemctl daemon-reload", "deb-systemd-invoke try-restart tailrace.service"]);
    still_there();
    let (_, calls) = machine.dpkg("--remove", "tailrace");
    let disabled = "systemctl --root=ROOT --quiet disable tailrace.service";
    assert_eq!(calls, ["deb-systemd-invoke stop tailrace.service", disabled, "systemctl daemon-reload"]);
    assert!(!machine.at("usr/bin/tailrace").exists());
    still_there();
    let (_, calls) = machine.dpkg("--purge", "tailrace");
    assert_eq!(calls, [""; 0]);
    assert!(!machine.at("etc/tailrace").exists() && !machine.at("var/lib/tailrace").exists());
    // Where no systemd runs (an image that is being built) nobody asks it anything.
    std::fs::remove_dir_all(machine.at("run")).unwrap();
    let (_, calls) = machine.dpkg("--install", &package("0.2.0"));
    assert_eq!(calls, [""; 0]);
}
