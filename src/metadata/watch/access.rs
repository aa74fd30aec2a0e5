//! Where the API server is, and what it is asked with: the service account of the cluster that we run in, else what a
//! kubeconfig says (`kubeconfig`). Files are read here, and a program that a kubeconfig names is run (`exec`); nothing
//! is asked. What is read may be replaced on disk at any time: whoever is denied reads it again.

mod exec;
mod kubeconfig;
#[cfg(test)]
mod tests;

use http::{HeaderValue, Uri};
pub use kubeconfig::kubeconfigs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where kubelet mounts a service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A server, and what it is asked with.
#[derive(Clone, Debug)]
pub struct Access {
    /// Scheme and authority; a path goes before every path that is asked for.
    pub url: Uri,
    /// Whose certificate of the server is taken.
    pub trust: Trust,
    /// The name in that certificate, where it is not the host's.
    pub server_name: Option<String>,
    /// Who we say we are.
    pub login: Login,
    /// Our own certificate, and its key.
    pub certificate: Option<Certificate>,
    /// Seconds since 1970: what is here does not hold any longer then.
    pub until: Option<i64>,
}

/// Whose certificates are taken.
#[derive(Clone, Debug)]
pub enum Trust {
    /// What the system trusts.
    System,
    /// What these signed.
    These(Vec<CertificateDer<'static>>),
    /// Any: somebody asked for that in so many words.
    Anybody,
}

/// The `Authorization` of a request.
#[derive(Clone)]
pub enum Login {
    /// None.
    Nobody,
    /// Always this.
    Header(HeaderValue),
    /// The token in this file, which is replaced from time to time.
    File(PathBuf),
}

impl Login {
    /// The token that is in this file now, and whatever will be.
    fn of_file(path: PathBuf) -> Result<Login, String> {
        bearer(&read_text(&path)?)?;
        Ok(Login::File(path))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Login::Nobody => f.write_str("Nobody"),
            Login::Header(_) => f.write_str("Header"),
            Login::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// A certificate with what it was signed by, and its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    // Its `Debug` hides it.
    key: Arc<PrivateKeyDer<'static>>,
}

impl Access {
    /// That server, asked by nobody in particular.
    pub fn to(url: Uri) -> Access {
        Access { url, trust: Trust::System, server_name: None, login: Login::Nobody, certificate: None, until: None }
    }

    /// The cluster that we run in, else what KUBECONFIG or `~/.kube/config` says. May run a program, and take its time.
    pub(super) fn infer() -> Result<Access, String> {
        match std::env::var("KUBERNETES_SERVICE_HOST") {
            Ok(host) => in_cluster(&host, std::env::var("KUBERNETES_SERVICE_PORT").ok().as_deref(), Path::new(ACCOUNT)),
            Err(_) => kubeconfig::load(),
        }
    }
}

impl Certificate {
    /// From PEM.
    pub(super) fn of(chain: &[u8], key: &[u8]) -> Result<Certificate, String> {
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|e| format!("a client key that cannot be read: {e}"))?;
        Ok(Certificate { chain: certificates(chain)?, key: Arc::new(key) })
    }

    pub(super) fn chain_and_key(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.key.clone_key())
    }
}

/// The service account's, from where it is mounted.
fn in_cluster(host: &str, port: Option<&str>, account: &Path) -> Result<Access, String> {
    let port = port.unwrap_or("443");
    let port = port.parse().map_err(|_| format!("KUBERNETES_SERVICE_PORT is {port:?}, no port"))?;
    let trust = Trust::These(certificates_in(&account.join("ca.crt"))?);
    let login = Login::of_file(account.join("token"))?;
    Ok(Access { trust, login, ..Access::to(url(host, port)?) })
}

fn url(host: &str, port: u16) -> Result<Uri, String> {
    let authority = match host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, port).to_string(),
        Err(_) => format!("{host}:{port}"),
    };
    format!("https://{authority}").parse().map_err(|e| format!("KUBERNETES_SERVICE_HOST is {host:?}: {e}"))
}

/// The header of a token as it stands in a file.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, String> {
    secret(format!("Bearer {}", token.trim()))
}

fn secret(text: String) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(text).map_err(|_| "a token that is no text for a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

/// The certificates of a PEM file.
pub(super) fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    certificates(&read(file)?).map_err(|why| format!("{}: {why}", file.display()))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|e| format!("a certificate that cannot be read: {e}"))?;
    if found.is_empty() { Err("no certificate".to_owned()) } else { Ok(found) }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))
}

fn read_text(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}
