use super::*;
use crate::metadata::watch::access::Certificate;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use std::error::Error;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap()
}

fn signed(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap(), key)
}

/// A server `node-1`, which wants a certificate of that authority if one is given; what it was sent, request by request.
async fn server(authority: &Authority, wants: Option<&Authority>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (certificate, key) = signed(authority, "node-1");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let config = match wants {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            config.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, (heard, sent)) = (listener.local_addr().unwrap(), mpsc::unbounded_channel());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = tokio_rustls::TlsAcceptor::from(config.clone()).accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            heard.send(String::from_utf8(head).unwrap()).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            drop(stream.write_all(answer).await);
            drop(stream.shutdown().await);
        }
    });
    (at, sent)
}

fn access(at: SocketAddr, trust: Trust) -> Access {
    Access { trust, ..Access::to(format!("https://{at}/base/").parse().unwrap()) }
}

fn named(at: SocketAddr, trust: Trust) -> Access {
    Access { server_name: Some("node-1".into()), ..access(at, trust) }
}

/// The status, or the reasons.
async fn get(access: Access) -> Result<u16, String> {
    let error = match Client::new(access)?.get("/pods", "application/json").await {
        Ok(response) => return Ok(response.status().as_u16()),
        Err(error) => error,
    };
    let mut text = String::new();
    let mut cause: Option<&dyn Error> = Some(&error);
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        cause = error.source();
    }
    Err(text)
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_and_its_name() {
    let (ours, other) = (authority(), authority());
    let (at, _sent) = server(&ours, None).await;
    let these = |authority: &Authority| Trust::These(vec![authority.der().clone()]);
    assert_eq!(get(named(at, these(&ours))).await, Ok(200));
    // The address is not in its certificate.
    assert!(get(access(at, these(&ours))).await.unwrap_err().contains("certificate"));
    assert!(get(named(at, these(&other))).await.unwrap_err().contains("certificate"));
    assert!(get(named(at, Trust::System)).await.unwrap_err().contains("certificate"));
    assert_eq!(get(access(at, Trust::Anybody)).await, Ok(200));
}

#[tokio::test]
async fn a_certificate_of_our_own_is_shown_where_one_is_asked_for() {
    let (ours, clients) = (authority(), authority());
    let (at, _sent) = server(&ours, Some(&clients)).await;
    let access = named(at, Trust::These(vec![ours.der().clone()]));
    assert!(get(access.clone()).await.is_err());
    let (certificate, key) = signed(&clients, "us");
    let certificate = Certificate::of(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    assert_eq!(get(Access { certificate: Some(certificate), ..access }).await, Ok(200));
}

#[tokio::test]
async fn a_tokens_file_is_read_for_each_request_and_the_last_one_does_while_it_is_gone() {
    let (ours, file) = (authority(), tempfile::NamedTempFile::new().unwrap());
    let (at, mut sent) = server(&ours, None).await;
    let login = Login::File(file.path().to_owned());
    let mut client = Client::new(Access { login, ..access(at, Trust::Anybody) }).unwrap();
    for (content, want) in [(Some("one"), "one"), (Some("two\n"), "two"), (None, "two")] {
        match content {
            Some(token) => std::fs::write(file.path(), token).unwrap(),
            None => std::fs::remove_file(file.path()).unwrap(),
        }
        client.get("/api/v1/pods?limit=1", "application/json").await.unwrap();
        let head = sent.recv().await.unwrap();
        assert!(head.starts_with("GET /base/api/v1/pods?limit=1 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nauthorization: Bearer {want}\r\n")), "{head}");
    }
}
