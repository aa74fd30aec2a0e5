//! The API server as the tests see it: kubectl with the administrator's certificate, and what the script tells about it.

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// What `scripts/cluster/cluster env` says.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests by scripts/cluster/test api"))
}

/// What a command prints with this input, or what it says when it fails.
pub fn printed(command: &mut Command, input: &str) -> Result<String, String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

/// kubectl; what it prints. Fails when it does.
pub fn kubectl(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(variable("KUBECTL"));
    printed(command.args(arguments), input).unwrap_or_else(|said| panic!("kubectl {arguments:?}: {said}"))
}

/// Creates or changes an object, and returns it as it is now.
pub fn apply(object: &Value) -> Value {
    serde_json::from_str(&kubectl(&["apply", "-o", "json", "-f", "-"], &object.to_string())).unwrap()
}

/// A namespace of its own; deleted with all that is in it as far as this server does that (it has no controllers).
pub struct Namespace(pub String);

impl Namespace {
    pub fn new(name: &str) -> Namespace {
        let name = format!("{name}-{}", std::process::id());
        kubectl(&["create", "namespace", &name], "");
        // No controller makes it.
        kubectl(&["-n", &name, "create", "serviceaccount", "default"], "");
        Namespace(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let pods = ["-n", &self.0, "delete", "pods", "--all", "--grace-period=0", "--force"];
        drop(Command::new(variable("KUBECTL")).args(pods).stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
}
