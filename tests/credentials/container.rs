//! EKS Pod Identity, over IPv4 and IPv6, with its token; ECS at its fixed address.

use crate::rig::Rig;

#[test]
fn pod_identity_is_asked_with_the_token_of_now_and_no_request_fails() {
    let mut rig = Rig::new();
    let (token, url) = (rig.token.display().to_string(), format!("{}/v1/credentials", rig.identity.url));
    let env =
        [("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)];
    let agent = rig.agent(&env, "");
    rig.flows(&agent, "ContainerCredentials");
    assert!(agent.log().contains("container credentials (EKS Pod Identity, ECS)"), "{}", agent.log());
}

/// The same stand-in, behind `[::1]`: loopback is the one IPv6 address that is allowed and there everywhere.
#[test]
fn pod_identity_is_asked_over_ipv6() {
    let mut rig = Rig::new();
    let Ok(listener) = std::net::TcpListener::bind("[::1]:0") else { return };
    let url = format!("http://{}/v1/credentials", listener.local_addr().unwrap());
    let control = rig.identity.control.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    listener.set_nonblocking(true).unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let control = control.clone();
            tokio::spawn(async move { control.serve(stream).await });
        }
    });
    let token = rig.token.display().to_string();
    let env =
        [("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)];
    let agent = rig.agent(&env, "");
    rig.flows(&agent, "ContainerCredentials");
}
