//! HTTP/1.1 to one server with one [`Access`]: rustls, keep-alive, and a bound on connecting. One attempt a request; how
//! long an answer may take, and what it means, is the asker's business.

use super::access::{Access, Login, Trust, bearer};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;

/// TCP; TLS is in the time of the answer.
const CONNECT: Duration = Duration::from_secs(5);

/// A client with its connections.
pub(super) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    access: Access,
    /// What the token's file held when it could be read.
    last: Option<HeaderValue>,
}

impl Client {
    pub(super) fn new(access: Access) -> Result<Client, String> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT));
        let mut https = HttpsConnectorBuilder::new().with_tls_config(tls(&access)?).https_or_http();
        if let Some(name) = &access.server_name {
            let name = ServerName::try_from(name.clone()).map_err(|_| format!("{name:?} is no server's name"))?;
            https = https.with_server_name_resolver(FixedServerNameResolver::new(name));
        }
        let http = legacy::Client::builder(TokioExecutor::new()).build(https.enable_http1().wrap_connector(tcp));
        Ok(Client { http, access, last: None })
    }

    /// Its credentials end before that second since 1970.
    pub(super) fn ends_before(&self, unix: i64) -> bool {
        self.access.until.is_some_and(|until| until < unix)
    }

    /// The head of whatever comes back. `path` begins with a slash.
    pub(super) async fn get(&mut self, path: &str, accept: &'static str) -> Result<Response<Incoming>, Unsent> {
        let url = &self.access.url;
        let base = (url.scheme_str().unwrap_or("https"), url.authority().map_or("", |at| at.as_str()), url.path());
        let request = Request::get(format!("{}://{}{}{path}", base.0, base.1, base.2.trim_end_matches('/')))
            .header(header::USER_AGENT, concat!("tailrace/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, accept);
        let request = match self.authorization() {
            Some(value) => request.header(header::AUTHORIZATION, value),
            None => request,
        };
        Ok(self.http.request(request.body(Empty::new())?).await?)
    }

    /// A file is read anew for each request, which is a few times a minute at most; while it cannot be read, what it held
    /// before may do.
    fn authorization(&mut self) -> Option<HeaderValue> {
        match &self.access.login {
            Login::Nobody => None,
            Login::Header(value) => Some(value.clone()),
            Login::File(path) => {
                let now = std::fs::read_to_string(path).ok().and_then(|text| bearer(&text).ok());
                self.last = now.or(self.last.take());
                self.last.clone()
            }
        }
    }
}

/// Why a request did not get out, or nothing came back.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsent {
    #[error(transparent)]
    Request(#[from] http::Error),
    #[error(transparent)]
    Exchange(#[from] legacy::Error),
}

fn tls(access: &Access) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let wrong = |cause: rustls::Error| format!("TLS cannot be set up: {cause}");
    let verifier: Arc<dyn ServerCertVerifier> = match &access.trust {
        Trust::System => Arc::new(rustls_platform_verifier::Verifier::new(provider.clone()).map_err(wrong)?),
        Trust::These(certificates) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots.add(certificate.clone()).map_err(wrong)?;
            }
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
            verifier.map_err(|cause| format!("TLS cannot be set up: {cause}"))?
        }
        Trust::Anybody => Arc::new(Anybody(provider.clone())),
    };
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(wrong)?;
    let config = config.dangerous().with_custom_certificate_verifier(verifier);
    match &access.certificate {
        None => Ok(config.with_no_client_auth()),
        Some(ours) => {
            let (chain, key) = ours.chain_and_key();
            config.with_client_auth_cert(chain, key).map_err(|cause| format!("our own certificate: {cause}"))
        }
    }
}

/// Takes any certificate, of whomever: the configuration says `verify: false`, or a kubeconfig the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
