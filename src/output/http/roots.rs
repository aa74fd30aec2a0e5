//! Whom the system trusts: read from disk when the first certificate is to be judged, once for all clients of
//! outputs without a `ca_file`. It is hundreds of files on some systems; such a start waits for none of them, and who
//! speaks plain HTTP never reads one.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, OtherError, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::sync::{Arc, Mutex, PoisonError};

/// What was read; not that there was nothing, which somebody may mend.
static READ: Mutex<Option<Arc<Verifier>>> = Mutex::new(None);

/// Judges by the system's roots.
#[derive(Debug)]
pub(super) struct System(pub Arc<CryptoProvider>);

/// There is not one root on this machine.
#[derive(Debug, thiserror::Error)]
#[error("no CA certificates: {0}")]
pub(super) struct NoRoots(Error);

impl System {
    fn verifier(&self) -> Result<Arc<Verifier>, Error> {
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verifier) = &*read {
            return Ok(Arc::clone(verifier));
        }
        let verifier = Verifier::new(Arc::clone(&self.0));
        let verifier = verifier.map_err(|cause| Error::Other(OtherError(Arc::new(NoRoots(cause)))))?;
        Ok(Arc::clone(read.insert(Arc::new(verifier))))
    }
}

impl ServerCertVerifier for System {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier()?.verify_server_cert(server, between, name, ocsp, now)
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
