//! TLS before all stand-ins: its buffers belong to what is resident.

#[path = "../support/accept.rs"]
mod accept;

use crate::support::Services;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Who answers TLS, and the certificate to trust.
pub struct Tls {
    pub ca: PathBuf,
    acceptor: TlsAcceptor,
    runtime: Runtime,
}

impl Tls {
    /// The certificate lies in `dir`.
    pub fn new(dir: &Path) -> Tls {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Tls { ca: dir.join("ca.pem"), acceptor: accept::acceptor(dir), runtime }
    }
    /// The outputs' configuration, with these addresses in place of the plain ones.
    pub fn wrap(&self, services: &Services, mut outputs: String) -> String {
        for (_, at) in services.each() {
            let port = accept::before(&self.runtime, self.acceptor.clone(), at.control.clone());
            let url = format!("https://localhost:{port}");
            outputs = outputs.replace(&at.url, &format!("{url}\n    ca_file: {}", self.ca.display()));
        }
        outputs
    }
}
