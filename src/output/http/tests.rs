use super::*;
use crate::lane::batch::{Scope, Verdict};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener};
use tokio::task::JoinHandle;

const SOON: Duration = Duration::from_secs(20);

fn post(url: &str, chunks: &[&'static str]) -> Request<Vec<Bytes>> {
    Request::post(url).body(chunks.iter().map(|chunk| Bytes::from_static(chunk.as_bytes())).collect()).unwrap()
}

/// A server that does one thing to its first connection.
fn raw(
    act: impl FnOnce(std::net::TcpStream) -> std::io::Result<()> + Send + 'static,
) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    let listener = StdListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    (at, tokio::task::spawn_blocking(move || act(listener.accept()?.0)))
}

/// Reads until the blank line after the head.
fn read_head(from: &mut impl Read) -> std::io::Result<String> {
    let (mut head, mut byte) = (String::new(), [0]);
    while !head.ends_with("\r\n\r\n") {
        from.read_exact(&mut byte)?;
        head.push(char::from(byte[0]));
    }
    Ok(head)
}

#[tokio::test]
async fn chunks_go_out_as_one_body_and_the_connection_is_used_again() {
    // One connection is all that this server takes.
    let (at, server) = raw(|mut stream| {
        for length in [5, 5, 0] {
            let head = read_head(&mut stream)?.to_ascii_lowercase();
            assert!(head.contains(&format!("\r\ncontent-length: {length}\r\n")), "{head}");
            assert!(!head.contains("transfer-encoding"), "{head}");
            let mut body = vec![0; length];
            stream.read_exact(&mut body)?;
            let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(&[head.as_bytes(), &body].concat())?;
        }
        Ok(())
    });
    let http = Http::new(None).unwrap();
    for chunks in [["ab", "", "cde"].as_slice(), &["abcde"], &[]] {
        let sent = http.send(post(&format!("http://{at}"), chunks), SOON).await.unwrap();
        assert_eq!((sent.status, &sent.body[..]), (201, chunks.concat().as_bytes()));
    }
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refused_connection_was_never_sent() {
    let at = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let trouble = Http::new(None).unwrap().send(post(&format!("http://{at}"), &["x"]), SOON).await.unwrap_err();
    assert_eq!((trouble.code.as_str(), trouble.never_sent), ("connect_refused", true));
    assert!(trouble.say.contains(&at.to_string()), "{}", trouble.say);
    assert!(matches!(trouble.verdict(), Verdict::Retry { scope: Scope::Lane, .. }));
}

#[tokio::test]
async fn an_unknown_name_was_never_sent() {
    // A label of 64 characters is no name, so that no resolver is asked.
    let url = format!("http://{}.invalid", "x".repeat(64));
    let trouble = Http::new(None).unwrap().send(post(&url, &["x"]), SOON).await.unwrap_err();
    assert_eq!((trouble.code.as_str(), trouble.never_sent), ("dns", true), "{}", trouble.say);
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer_leaves_the_outcome_unknown() {
    let (at, server) = raw(|mut stream| read_head(&mut stream).map(drop));
    let trouble = Http::new(None).unwrap().send(post(&format!("http://{at}"), &["x"]), SOON).await.unwrap_err();
    server.await.unwrap().unwrap();
    assert_eq!((trouble.code.as_str(), trouble.never_sent), ("reset", false), "{}", trouble.say);
    assert!(matches!(trouble.verdict(), Verdict::Unknown { scope: Scope::Key, .. }));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let (at, server) = raw(|mut stream| {
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
    });
    let trouble = Http::new(None).unwrap().send(post(&format!("http://{at}"), &[]), SOON).await.unwrap_err();
    server.await.unwrap().unwrap();
    assert_eq!((trouble.code.as_str(), trouble.never_sent), ("reset", false), "{}", trouble.say);
}

#[tokio::test]
async fn a_server_that_does_not_answer_times_out() {
    let (at, server) = raw(|mut stream| {
        read_head(&mut stream)?;
        // Until the client gives up.
        stream.read(&mut [0; 64]).map(drop)
    });
    let http = Http::new(None).unwrap();
    let trouble = http.send(post(&format!("http://{at}"), &[]), Duration::from_millis(80)).await.unwrap_err();
    assert_eq!((trouble.code.as_str(), trouble.never_sent), ("timeout", false));
    drop(http);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_is_sent_counts() {
    let (at, server) = raw(|mut stream| {
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 413 Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        // As nginx does: what comes is read for a while and thrown away.
        let mut read = [0; 65_536];
        while stream.read(&mut read)? > 0 {}
        Ok(())
    });
    let chunks = vec![Bytes::from(vec![b'x'; 65_536]); 128];
    let request = Request::post(format!("http://{at}/")).body(chunks).unwrap();
    let sent = Http::new(None).unwrap().send(request, SOON).await.unwrap();
    assert_eq!(sent.status, 413);
    drop(server.await);
}

#[tokio::test]
async fn what_is_not_http_is_said_to_be() {
    let (at, server) = raw(|mut stream| {
        read_head(&mut stream)?;
        stream.write_all(b"220 mail.example.com ESMTP\r\n\r\n")
    });
    let trouble = Http::new(None).unwrap().send(post(&format!("http://{at}"), &[]), SOON).await.unwrap_err();
    server.await.unwrap().unwrap();
    assert_eq!(trouble.code.as_str(), "not_http", "{}", trouble.say);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let (at, server) = raw(|mut stream| {
        read_head(&mut stream)?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        let block = vec![b' '; 1 << 20];
        while stream.write_all(&block).is_ok() {}
        Ok(())
    });
    let trouble = Http::new(None).unwrap().send(post(&format!("http://{at}"), &[]), SOON).await.unwrap_err();
    assert_eq!(trouble.code.as_str(), "answer_too_large", "{}", trouble.say);
    server.await.unwrap().unwrap();
}

/// A server certificate for `name`, and the authority that signed it.
fn certificate(name: &str, days: (i32, i32)) -> (rustls::ServerConfig, String) {
    let mut ca = CertificateParams::new(vec![]).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(days.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(days.1, 1, 1);
    let signed = params.signed_by(&key, &ca).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.der().clone()], key)
        .unwrap();
    (config, ca.pem())
}

fn tls_server(config: rustls::ServerConfig) -> (SocketAddr, JoinHandle<std::io::Result<()>>) {
    raw(move |stream| {
        let session = rustls::ServerConnection::new(Arc::new(config)).map_err(std::io::Error::other)?;
        let mut stream = rustls::StreamOwned::new(session, stream);
        let head = read_head(&mut stream)?;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{head}", head.len());
        stream.write_all(answer.as_bytes())
    })
}

/// Sends to `https://localhost` with this authority's file, if any.
async fn over_tls(at: SocketAddr, ca: Option<&str>) -> Result<Answer, Trouble> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca.unwrap_or_default()).unwrap();
    let http = Http::new(ca.map(|_| file.path())).unwrap();
    http.send(post(&format!("https://localhost:{}/", at.port()), &[]), SOON).await
}

#[tokio::test]
async fn a_private_authority_is_trusted_through_its_file() {
    let (config, ca) = certificate("localhost", (2020, 2100));
    let (at, server) = tls_server(config);
    let sent = over_tls(at, Some(&ca)).await.unwrap();
    server.await.unwrap().unwrap();
    assert!(sent.body.starts_with(b"POST / HTTP/1.1\r\n"));
}

#[tokio::test]
async fn trouble_with_certificates_holds_the_lane_and_says_what_to_do() {
    let other = certificate("localhost", (2020, 2100)).1;
    for (name, days, authority, says) in [
        ("localhost", (2020, 2100), None, "`ca_file`"),
        ("localhost", (2020, 2100), Some(&other), "`ca_file`"),
        ("elsewhere.test", (2020, 2100), Some(&String::new()), "another name"),
        ("localhost", (2020, 2021), Some(&String::new()), "expired"),
        ("localhost", (2099, 2100), Some(&String::new()), "not valid yet"),
    ] {
        let (config, own) = certificate(name, days);
        // An empty one stands for the right one.
        let authority = authority.map(|pem| if pem.is_empty() { own.as_str() } else { pem });
        let (at, server) = tls_server(config);
        let trouble = over_tls(at, authority).await.unwrap_err();
        assert!(server.await.unwrap().is_err());
        assert_eq!((trouble.code.as_str(), trouble.never_sent), ("tls", true), "{}", trouble.say);
        assert!(trouble.say.contains(says), "{name} {says}: {}", trouble.say);
        assert!(matches!(trouble.verdict(), Verdict::Hold { scope: Scope::Lane, .. }));
    }
}

#[tokio::test]
async fn https_to_a_port_without_tls_is_told() {
    let (at, server) = raw(|mut stream| {
        stream.read_exact(&mut [0; 64])?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    });
    let trouble = over_tls(at, None).await.unwrap_err();
    server.await.unwrap().unwrap();
    assert_eq!(trouble.code.as_str(), "tls");
    assert!(trouble.say.contains("http://"), "{}", trouble.say);
}

#[tokio::test]
async fn a_handshake_that_hangs_ends_before_the_answer_is_due() {
    let (at, server) = raw(|mut stream| {
        let mut read = [0; 4096];
        while stream.read(&mut read)? > 0 {}
        Ok(())
    });
    let trouble = over_tls(at, None).await.unwrap_err();
    assert_eq!((trouble.code.as_str(), trouble.never_sent), ("connect_timeout", true), "{}", trouble.say);
    server.await.unwrap().unwrap();
}

#[test]
fn a_useless_ca_file_is_named_with_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    let wrong = |content: Option<&str>, says: &str| {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let error = Http::new(Some(&file)).unwrap_err();
        assert!(error.contains("ca.pem") && error.contains(says), "{error}");
    };
    wrong(None, "No such file");
    wrong(Some("hello"), "no certificate");
    wrong(Some("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n"), "");
    wrong(Some("-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"), "cannot be used");
}

#[tokio::test]
async fn a_machine_without_any_authority_is_told_so() {
    let (config, _) = certificate("localhost", (2020, 2100));
    let (at, server) = tls_server(config);
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "output::http::tests::without_authorities", "--ignored"]);
    // The system's are told by environment, and read once in a process.
    child.env("SSL_CERT_DIR", dir.path()).env_remove("SSL_CERT_FILE").env("TEST_OUT", out.path());
    let ended = child.env("TEST_PORT", at.port().to_string()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert!(server.await.unwrap().is_err());
    let said = std::fs::read_to_string(out.path()).unwrap();
    assert!(said.starts_with("tls true ") && said.contains("package ca-certificates"), "{said}");
}

#[tokio::test]
#[ignore = "the other half of the test above: runs in a process of its own"]
async fn without_authorities() {
    let Ok((out, port)) = std::env::var("TEST_OUT").and_then(|out| Ok((out, std::env::var("TEST_PORT")?))) else {
        return;
    };
    let trouble = over_tls(format!("127.0.0.1:{port}").parse().unwrap(), None).await.unwrap_err();
    std::fs::write(out, format!("{} {} {}", trouble.code.as_str(), trouble.hold, trouble.say)).unwrap();
}

#[tokio::test]
async fn whom_the_system_trusts_is_trusted_beside_a_ca_file() {
    let (config, ca) = certificate("localhost", (2020, 2100));
    let (at, server) = tls_server(config);
    let system = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(system.path(), ca).unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "output::http::tests::beside_a_ca_file", "--ignored"]);
    child.env("SSL_CERT_FILE", system.path()).env_remove("SSL_CERT_DIR");
    let ended = child.env("TEST_PORT", at.port().to_string()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    server.await.unwrap().unwrap();
}

#[tokio::test]
#[ignore = "the other half of the test above: runs in a process of its own"]
async fn beside_a_ca_file() {
    let Ok(port) = std::env::var("TEST_PORT") else { return };
    let of_another = certificate("localhost", (2020, 2100)).1;
    over_tls(format!("127.0.0.1:{port}").parse().unwrap(), Some(&of_another)).await.unwrap();
}
