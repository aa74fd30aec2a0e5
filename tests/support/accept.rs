//! TLS before a stand-in, with a certificate made for this run.

use std::path::Path;
use std::sync::Arc;
use tailrace::standin::Control;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Answers as `localhost` and `127.0.0.1`; the certificate to trust is `ca.pem` in `dir`.
pub fn acceptor(dir: &Path) -> TlsAcceptor {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_string(), "127.0.0.1".to_string()]).unwrap();
    std::fs::write(dir.join("ca.pem"), certified.cert.pem()).unwrap();
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// The port at which this stand-in now answers TLS too.
pub fn before(runtime: &Runtime, acceptor: TlsAcceptor, control: Control) -> u16 {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, control) = (acceptor.clone(), control.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    control.serve(stream).await;
                }
            });
        }
    });
    port
}
