//! Whom an output trusts: the certificates of its `ca_file`, and the system's, which are read from disk when a
//! certificate is to be judged that `ca_file` does not vouch for, once for all clients. That is hundreds of files on some
//! systems; no start waits for them, and who needs none of them never reads one.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::sync::{Arc, Mutex, PoisonError};

/// What was read; not that there was nothing, which somebody may mend.
static READ: Mutex<Option<Arc<Verifier>>> = Mutex::new(None);

/// Judges by the roots of a `ca_file`, if there is one, and by the system's.
#[derive(Debug)]
pub(super) struct Roots {
    provider: Arc<CryptoProvider>,
    own: Option<Arc<WebPkiServerVerifier>>,
}

/// There is not one root on this machine.
#[derive(Debug, thiserror::Error)]
#[error("no CA certificates: {0}")]
pub(super) struct NoRoots(Error);

impl Roots {
    /// The system's alone.
    pub(super) fn of_system(provider: Arc<CryptoProvider>) -> Roots {
        Roots { provider, own: None }
    }

    /// These too.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub(super) fn with(own: Vec<CertificateDer<'static>>, provider: Arc<CryptoProvider>) -> Result<Roots, Error> {
        let mut roots = RootCertStore::empty();
        own.into_iter().try_for_each(|root| roots.add(root))?;
        let own = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
        let own = own.map_err(|cause| Error::Other(OtherError(Arc::new(cause))))?;
        Ok(Roots { provider, own: Some(own) })
    }

    fn system(&self) -> Result<Arc<Verifier>, Error> {
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verifier) = &*read {
            return Ok(Arc::clone(verifier));
        }
        let verifier = Verifier::new(Arc::clone(&self.provider));
        let verifier = verifier.map_err(|cause| Error::Other(OtherError(Arc::new(NoRoots(cause)))))?;
        Ok(Arc::clone(read.insert(Arc::new(verifier))))
    }
}

impl ServerCertVerifier for Roots {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_system = || self.system()?.verify_server_cert(server, between, name, ocsp, now);
        let Some(own) = &self.own else { return by_system() };
        own.verify_server_cert(server, between, name, ocsp, now).or_else(|cause| {
            // Whoever knows who signed it knows best what is wrong with it.
            let stranger = cause == Error::InvalidCertificate(CertificateError::UnknownIssuer);
            by_system().map_err(|error| {
                let judged = matches!(error, Error::InvalidCertificate(_));
                if stranger && judged { error } else { cause }
            })
        })
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
