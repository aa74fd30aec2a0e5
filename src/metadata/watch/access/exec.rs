//! Credentials from a program that a kubeconfig names: it prints an ExecCredential, with a token, a certificate, or both,
//! and when they end.

use super::kubeconfig::Entry;
use super::{Access, Certificate, Login, bearer};
use crate::config::yaml::{self, Node};
use base64::Engine;
use jiff::Timestamp;
use serde_json::json;
use std::process::{Command, Stdio};

/// Runs it, and waits for its end.
pub(super) fn run(access: &mut Access, program: &Node, cluster: Entry<'_>) -> Result<(), String> {
    let name = program.text("command").ok_or("`exec` without `command`")?;
    let mut command = Command::new(name);
    command.args(program.list("args").iter().filter_map(Node::as_text));
    command.envs(program.list("env").iter().filter_map(|pair| Some((pair.text("name")?, pair.text("value")?))));
    command.env("KUBERNETES_EXEC_INFO", info(program, cluster)?).stdin(Stdio::null());
    let ended = command.output().map_err(|e| format!("{name}: {e}"))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(format!("{name} ended with {}: {}", ended.status, said.trim().escape_debug()));
    }
    take(access, &String::from_utf8_lossy(&ended.stdout)).map_err(|why| format!("{name}: {why}"))
}

/// What the program is told.
fn info(program: &Node, cluster: Entry<'_>) -> Result<String, String> {
    let mut spec = json!({"interactive": false});
    if program.text("provideClusterInfo") == Some("true") {
        let authority = cluster.bytes("certificate-authority")?;
        spec["cluster"] = json!({
            "server": cluster.node.text("server"),
            "tls-server-name": cluster.node.text("tls-server-name"),
            "insecure-skip-tls-verify": cluster.node.text("insecure-skip-tls-verify") == Some("true"),
            "certificate-authority-data": authority.map(|pem| base64::engine::general_purpose::STANDARD.encode(pem)),
        });
    }
    let version = program.text("apiVersion").unwrap_or("client.authentication.k8s.io/v1");
    Ok(json!({"kind": "ExecCredential", "apiVersion": version, "spec": spec}).to_string())
}

/// What it printed: JSON, or YAML, as kubectl takes both.
pub(super) fn take(access: &mut Access, printed: &str) -> Result<(), String> {
    let printed = yaml::of_others(printed)?;
    let status = printed.get("status").ok_or("no `status` in what it printed")?;
    if let (Some(chain), Some(key)) = (status.text("clientCertificateData"), status.text("clientKeyData")) {
        access.certificate = Some(Certificate::of(chain.as_bytes(), key.as_bytes())?);
    }
    if let Some(token) = status.text("token") {
        access.login = Login::Header(bearer(token)?);
    }
    if let Some(end) = status.text("expirationTimestamp") {
        let end: Timestamp = end.parse().map_err(|e| format!("`expirationTimestamp: {end}`: {e}"))?;
        access.until = Some(end.as_second());
    }
    Ok(())
}
