//! `ca_file`: opened while the configuration is checked, so that a file that is not there is a mistake in it and not a
//! failure at the first connection. Whether TLS takes the certificates is the client's business.

use super::values::absolute;
use crate::config::checked::CaFile;
use crate::config::problem::Wrong;
use crate::config::units::{MIB, show_size};
use sha2::{Digest, Sha256};

/// An absolute path of a PEM file with a certificate in it.
pub(super) fn ca_file(text: &str) -> Result<CaFile, Wrong> {
    let path = absolute(text)?;
    let unreadable = |error: std::io::Error| {
        Wrong::new(
            format!("the file cannot be read here: {error}"),
            "name a PEM file that is there wherever this configuration is read, or remove the key",
        )
    };
    let found = std::fs::metadata(&path).map_err(unreadable)?;
    if !found.is_file() || found.len() > MIB {
        let instead = format!("name a PEM file of at most {}", show_size(&MIB));
        return Err(Wrong::new("is not a file of certificates", instead));
    }
    let content = std::fs::read(&path).map_err(unreadable)?;
    if memchr::memmem::find(&content, b"-----BEGIN CERTIFICATE-----").is_none() {
        return Err(Wrong::new(
            "there is no certificate in the file",
            "name a PEM file: it has a line `-----BEGIN CERTIFICATE-----`",
        ));
    }
    Ok(CaFile { path, sha256: Sha256::digest(&content).into() })
}
