//! Every ready-made configuration in `config/` is right, as the real binary judges it.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn tailrace(args: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tailrace"))
        .args(args)
        .arg(file)
        .env_clear()
        .env("NODE_NAME", "node-1")
        .env("CLUSTER", "production")
        .env("BUCKET", "my-logs")
        .env("SEARCH_URL", "https://search.example.com:9200")
        .env("SEARCH_USER", "tailrace")
        .env("SEARCH_PASSWORD", "not-for-the-page")
        .env("SEARCH_CA", concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/print/ca.pem"))
        .output()
        .unwrap()
}

fn shipped() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

#[test]
fn every_ready_made_configuration_checks() {
    for file in shipped() {
        let output = tailrace(&["check", "-c"], &file);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.starts_with(&format!("{}: ok\n", file.display())), "{said}");
        assert!(!said.contains("read by no output"), "{said}");
    }
}

#[test]
fn what_print_config_makes_of_it_checks_too_and_holds_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    for file in shipped() {
        let printed = tailrace(&["print-config", "-c"], &file);
        assert_eq!(printed.status.code(), Some(0), "{}", String::from_utf8_lossy(&printed.stderr));
        let text = String::from_utf8(printed.stdout).unwrap();
        assert!(!text.contains("not-for-the-page"), "{text}");
        let copy = directory.path().join(file.file_name().unwrap());
        // What hides a password is no password: it is refused, in its place.
        let known = text.replace("\"(hidden)\"", "\"${SEARCH_PASSWORD}\"");
        if known != text {
            std::fs::write(&copy, &text).unwrap();
            let refused = tailrace(&["check", "-c"], &copy);
            let said = String::from_utf8(refused.stderr).unwrap();
            assert_eq!(refused.status.code(), Some(64), "{said}");
            assert!(said.contains("auth.password: is what `print-config` writes"), "{said}");
        }
        std::fs::write(&copy, &known).unwrap();
        let again = tailrace(&["print-config", "-c"], &copy);
        assert_eq!(String::from_utf8(again.stdout).unwrap(), text, "{}", String::from_utf8_lossy(&again.stderr));
    }
}

#[test]
fn a_variable_that_is_not_set_is_named_with_its_place() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/kubernetes-cloudwatch.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_tailrace")).args(["check", "-c"]).arg(&file).env_clear().output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(64));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said,
        format!(
            "{}:18:16: outputs.cloudwatch.log_group: the environment has no variable `CLUSTER`; set it, or write \
             `${{CLUSTER:-default}}`\n",
            file.display()
        )
    );
}
