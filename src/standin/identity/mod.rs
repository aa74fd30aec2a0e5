//! Who hands out credentials: STS, the container's address (ECS, EKS Pod Identity) and instance metadata, on one port.
//!
//! Promises: each checks what it is sent (tokens against their files as they are at this moment, signatures, external
//! id, metadata tokens) and hands out session credentials that end when they say; services that know the same
//! [`Issuer`] take only these, and no longer than that.

mod container;
pub mod imds;
pub mod issuer;
mod sts;

use super::request::{Answer, Head};
use super::service::Operation;
use super::sigv4::{self, Payload, Refusal};
use imds::Imds;
use issuer::{Issuer, Session};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What only this has to be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hands out the credentials.
    pub issuer: Issuer,
    /// The token of AssumeRoleWithWebIdentity has to be what is in this file.
    pub web_token: Option<PathBuf>,
    /// The `Authorization` of the container's address has to be what is in this file.
    pub container_token: Option<PathBuf>,
    /// The role that may be assumed; `None`: any.
    pub role_arn: Option<String>,
    /// What AssumeRole has to bring.
    pub external_id: Option<String>,
    /// The session's name that AssumeRole has to bring.
    pub session_name: Option<String>,
}

impl Options {
    /// No tokens, any role.
    pub fn new(issuer: Issuer) -> Options {
        Options {
            issuer,
            web_token: None,
            container_token: None,
            role_arn: None,
            external_id: None,
            session_name: None,
        }
    }
}

/// The service.
#[derive(Debug)]
pub struct Identity {
    own: Options,
    common: super::Options,
    imds: Imds,
}

/// A token may be under way for so long when its file is replaced.
const UNDER_WAY: Duration = Duration::from_millis(250);
/// Where the container's credentials are.
const CONTAINER: &str = "/v1/credentials";

impl Identity {
    /// Most bytes of a body.
    pub(super) const MOST_BYTES: usize = 64 << 10;

    pub(super) fn new(own: Options, common: super::Options) -> Identity {
        let imds = Imds::new(&common.region);
        Identity { own, common, imds }
    }
    /// Instance metadata: pages can be set.
    pub fn imds(&self) -> &Imds {
        &self.imds
    }

    /// STS tells its actions in the body: see [`Identity::place`].
    pub(super) fn operation(head: &Head) -> Operation {
        let name = match (head.method.as_str(), head.path.as_str()) {
            ("PUT", "/latest/api/token") => "ImdsToken",
            ("GET", path) if path.starts_with(imds::CREDENTIALS) => "ImdsCredentials",
            ("GET", path) if path.starts_with("/latest/") => "ImdsPage",
            ("GET", path) if path.starts_with(CONTAINER) => "ContainerCredentials",
            // What is signed is AssumeRole: the other action has no keys yet.
            ("POST", "/") if head.header("authorization").is_some() => "AssumeRole",
            ("POST", "/") => "AssumeRoleWithWebIdentity",
            (_, _) => "unknown",
        };
        Operation::named(name)
    }
    /// The role.
    pub(super) fn place(body: &[u8]) -> Option<String> {
        sts::form(body).into_iter().find(|(name, _)| name == "RoleArn").map(|(_, value)| value)
    }

    pub(super) fn authorize(&self, head: &Head, body: &[u8]) -> Result<(), Answer> {
        if Identity::operation(head).name != "AssumeRole" {
            return Ok(());
        }
        // The keys that it is asked with may be fixed, or handed out here before.
        let fixed = self.common.keys.as_ref().is_some_and(|keys| sigv4::caller(head) == Some(&keys.access));
        let issued = (!fixed).then(|| self.own.issuer.clone());
        let common = super::Options { issued, ..self.common.clone() };
        common.verify(head, body, "sts", Payload::Hashed).map_err(|why| match why {
            Refusal::Expired => {
                sts::refuse(403, "ExpiredToken", "The security token included in the request is expired")
            }
            Refusal::UnknownKey | Refusal::Token => {
                sts::refuse(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
            }
            Refusal::Missing => {
                sts::refuse(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
            }
            Refusal::Malformed(what) => sts::refuse(400, "IncompleteSignature", &what),
            Refusal::Skewed(message) => sts::refuse(403, "SignatureDoesNotMatch", &message),
            Refusal::Scope(_)
            | Refusal::Unsigned(_)
            | Refusal::Mismatch
            | Refusal::NoPayloadHash
            | Refusal::Payload
            | Refusal::NotSupported => {
                let message = "The request signature we calculated does not match the signature you provided.";
                sts::refuse(403, "SignatureDoesNotMatch", message)
            }
        })
    }

    pub(super) fn handle(&self, head: &Head, operation: &Operation, body: &[u8]) -> Answer {
        let now = self.common.clock.unix_ns();
        let by = operation.name;
        let issue = || -> Session { self.own.issuer.issue(by, now) };
        match by {
            "ImdsToken" => self.imds.token(head, now),
            "ImdsCredentials" | "ImdsPage" => self.imds.page(head, now, issue),
            "ContainerCredentials" => container::page(head, self.own.container_token.as_deref(), issue),
            "AssumeRole" | "AssumeRoleWithWebIdentity" => sts::act(by, body, &self.own, now, issue),
            _ => Answer::new(404, "text/plain", "nothing here"),
        }
    }
    pub(super) fn refuse(status: u16, code: &str, message: &str) -> Answer {
        sts::refuse(status, code, message)
    }
}

/// Whether this is the file's content at this moment. An empty one is nobody's token. What was replaced a quarter of a
/// second ago may be under way, and real tokens are good for longer than that.
fn same_as_file(file: &Path, said: &str) -> bool {
    let fresh = std::fs::metadata(file)
        .and_then(|m| m.modified())
        .is_ok_and(|at| at.elapsed().is_ok_and(|age| age < UNDER_WAY));
    !said.is_empty() && std::fs::read_to_string(file).is_ok_and(|now| now == said || fresh)
}

/// RFC 3339 of whole seconds, as these services write it.
fn stamp(unix_ns: i64) -> String {
    jiff::Timestamp::from_second(unix_ns / 1_000_000_000).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
