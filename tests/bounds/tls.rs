//! TLS before the stand-ins, with a certificate made for this run: its buffers belong to what is resident.

use crate::support::Services;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tailrace::standin::Control;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Who answers TLS, and the certificate to trust.
pub struct Tls {
    pub ca: PathBuf,
    acceptor: TlsAcceptor,
    runtime: Runtime,
}

impl Tls {
    /// The certificate lies in `dir`.
    pub fn new(dir: &Path) -> Tls {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
        let ca = dir.join("ca.pem");
        std::fs::write(&ca, certified.cert.pem()).unwrap();
        let key = certified.signing_key.serialize_der().try_into().unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Tls { ca, acceptor: TlsAcceptor::from(Arc::new(config)), runtime }
    }
    /// The outputs' configuration, with these addresses in place of the plain ones.
    pub fn wrap(&self, services: &Services, mut outputs: String) -> String {
        for (_, at) in services.each() {
            let url = format!("https://localhost:{}", self.before(at.control.clone()));
            outputs = outputs.replace(&at.url, &format!("{url}\n    ca_file: {}", self.ca.display()));
        }
        outputs
    }
    fn before(&self, control: Control) -> u16 {
        let listener = self.runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = self.acceptor.clone();
        self.runtime.spawn(async move {
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
}
