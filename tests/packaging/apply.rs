//! Given to a real API server, which checks what no type can: `scripts/cluster/cluster up api`, then KUBECONFIG and KUBECTL
//! say where. Nothing stays there but namespaces that are going.

use crate::objects::folder;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn kubectl(args: &[&str], input: &[u8]) -> Output {
    assert!(std::env::var_os("KUBECONFIG").is_some(), "KUBECONFIG names the API server");
    let program = std::env::var_os("KUBECTL").map_or_else(|| PathBuf::from("kubectl"), PathBuf::from);
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn done(args: &[&str], input: &[u8]) -> String {
    let output = kubectl(args, input);
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "kubectl {args:?}: {said}");
    // What the server only warns of would be wrong one day.
    assert!(!said.contains("Warning"), "{said}");
    said
}

const APPLY: [&str; 3] = ["apply", "--server-side", "--validate=strict"];

#[test]
#[ignore = "needs an API server"]
fn an_api_server_takes_the_manifests() {
    let said =
        done(&["apply", "--server-side", "--validate=strict", "-k", folder("kubernetes").to_str().unwrap()], b"");
    for kind in
        ["namespace", "serviceaccount", "clusterrole", "clusterrolebinding", "configmap", "daemonset", "networkpolicy"]
    {
        assert!(said.contains(kind), "{kind}: {said}");
    }
    let path = folder("sidecar");
    let said = done(&[&APPLY[..], &["--dry-run=server", "-n", "tailrace", "-f", path.to_str().unwrap()]].concat(), b"");
    assert!(said.contains("deployment") && said.contains("job"), "{said}");
    // And what it says it may do it may, and no more.
    let may = |verb: &str, what: &str| {
        let asks = ["auth", "can-i", verb, what, "--as=system:serviceaccount:tailrace:tailrace", "-A"];
        kubectl(&asks, b"").status.success()
    };
    // The server's authorizer hears of a role a moment after it took it.
    let given = (0..300).any(|_| {
        let given = may("list", "pods") && may("watch", "pods");
        if !given {
            std::thread::sleep(Duration::from_millis(100));
        }
        given
    });
    assert!(given, "no right after a minute");
    assert!(!may("get", "secrets") && !may("get", "pods") && !may("get", "nodes") && !may("create", "pods"));
    done(&["delete", "-k", folder("kubernetes").to_str().unwrap(), "--wait=false"], b"");
}

#[test]
#[ignore = "needs helm and an API server"]
fn an_api_server_takes_what_the_chart_renders() {
    // Of the Prometheus operator this server knows nothing.
    let full = crate::chart::FULL.replace("serviceMonitor: {enabled: true", "serviceMonitor: {enabled: false");
    let full = full.replace("prometheusRule: {enabled: true}", "dashboards: {enabled: true}");
    for (number, values) in [
        "",
        "hostNetwork: false",
        "service: {enabled: true}",
        "updateStrategy: {type: OnDelete, rollingUpdate: null}",
        &full,
    ]
    .iter()
    .enumerate()
    {
        let name = format!("chart-{}-{number}", std::process::id());
        done(&["create", "namespace", &name], b"");
        let output = crate::chart::template(&format!("fullnameOverride: {name}\n{values}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let text = text.replace("namespace: tailrace", &format!("namespace: {name}"));
        let said = done(&[&APPLY[..], &["-f", "-"]].concat(), text.as_bytes());
        assert!(said.contains(&format!("daemonset.apps/{name}")), "{said}");
        done(&["delete", "--wait=false", "-f", "-"], text.as_bytes());
        done(&["delete", "namespace", &name, "--wait=false"], b"");
    }
}
