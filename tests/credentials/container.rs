//! EKS Pod Identity, over IPv4 and IPv6, with its token; ECS at its fixed address.
//!
//! The addresses of the real services are there only in a network namespace of one's own; where none can be made, what
//! needs them is left out and says so.

use crate::rig::Rig;
use std::process::Command;
use tailrace::standin::{Clock, identity};

#[test]
fn pod_identity_is_asked_with_the_token_of_now_and_no_request_fails() {
    let mut rig = Rig::new();
    let env = rig.pod_identity(&rig.identity.url);
    let agent = rig.agent(&env, "");
    rig.flows(&agent, "ContainerCredentials");
    assert!(agent.log().contains("container credentials (EKS Pod Identity, ECS)"), "{}", agent.log());
}

/// The same stand-in at another address; ends with the runtime.
fn serve_at(rig: &Rig, runtime: &tokio::runtime::Runtime, address: &str) -> Option<std::net::SocketAddr> {
    let listener = std::net::TcpListener::bind(address).ok()?;
    let at = listener.local_addr().unwrap();
    let control = rig.identity.control.clone();
    listener.set_nonblocking(true).unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let control = control.clone();
            tokio::spawn(async move { control.serve(stream).await });
        }
    });
    Some(at)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn pod_identity_is_asked_over_ipv6() {
    let (mut rig, runtime) = (Rig::new(), runtime());
    let Some(at) = serve_at(&rig, &runtime, "[::1]:0") else { return };
    let env = rig.pod_identity(&format!("http://{at}"));
    let agent = rig.agent(&env, "");
    rig.flows(&agent, "ContainerCredentials");
}

/// Runs the test of this name in a network namespace that has the services' own addresses.
fn in_a_network_of_its_own(test: &str) {
    let script = "ip link set lo up && ip addr add 169.254.170.2/32 dev lo && ip -6 addr add fd00:ec2::23/128 dev lo nodad \
                  || exit 77; exec \"$0\" --exact \"$1\" --ignored";
    let me = std::env::current_exe().unwrap();
    let ended = Command::new("unshare").args(["-rn", "sh", "-c", script]).arg(me).arg(test).output();
    match ended {
        Ok(out) if out.status.success() => {
            assert!(String::from_utf8_lossy(&out.stdout).contains("1 passed"), "{test} did not run");
        }
        Ok(out) if !matches!(out.status.code(), Some(1 | 77)) => {
            panic!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
        }
        left_out => eprintln!("left out, no network namespace here: {left_out:?}"),
    }
}

#[test]
fn pod_identity_is_asked_at_its_own_ipv6_address() {
    in_a_network_of_its_own("container::pod_identity_inside");
}

#[test]
#[ignore = "needs fd00:ec2::23: the test above runs it"]
fn pod_identity_inside() {
    let (mut rig, runtime) = (Rig::new(), runtime());
    serve_at(&rig, &runtime, "[fd00:ec2::23]:80").unwrap();
    let env = rig.pod_identity("http://[fd00:ec2::23]");
    let agent = rig.agent(&env, "");
    rig.flows(&agent, "ContainerCredentials");
}

#[test]
fn a_tasks_role_is_fetched_anew_at_its_own_address() {
    in_a_network_of_its_own("container::task_role_inside");
}

#[test]
#[ignore = "needs 169.254.170.2: the test above runs it"]
fn task_role_inside() {
    let (mut rig, runtime) =
        (Rig::with(Clock::default(), |own| identity::Options { container_token: None, ..own }), runtime());
    serve_at(&rig, &runtime, "169.254.170.2:80").unwrap();
    let agent = rig.agent(&[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v1/credentials/0123")], "");
    rig.flows(&agent, "ContainerCredentials");
}
