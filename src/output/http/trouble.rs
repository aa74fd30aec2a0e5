//! Why no answer came, and what that means for a batch.
//!
//! The one distinction that matters: can the service have seen the request? If not, it is simply tried again; if so,
//! its outcome is unknown. Every sentence names the server; those about TLS say what to do.

use super::ConnectTimeout;
use super::roots::NoRoots;
use crate::lane::batch::{Code, Scope, Verdict};
use hyper_util::client::legacy;
use rustls::CertificateError as Cert;
use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

/// No whole answer came.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// `dns`, `connect_refused`, `connect_timeout`, `connect_failed`, `tls`, `not_sent`, `reset`, `timeout`, `not_http`,
    /// `answer_too_large`, `failed`.
    pub code: Code,
    /// No byte of the request can have reached the service.
    pub never_sent: bool,
    /// Waiting does not help: somebody has to change something.
    pub hold: bool,
    /// For people.
    pub say: String,
}

impl Trouble {
    /// What it means for the batch.
    pub fn verdict(self) -> Verdict {
        if self.hold {
            Verdict::Hold { code: self.code, scope: Scope::Lane, say: self.say }
        } else if self.never_sent {
            Verdict::Retry { after: None, code: self.code, scope: Scope::Lane, say: self.say }
        } else {
            Verdict::Unknown { code: self.code, scope: Scope::Key, say: self.say }
        }
    }

    pub(super) fn timeout(at: &str, after: Duration) -> Trouble {
        let say = format!("{at}: no answer within {} s", after.as_secs_f32());
        Trouble { code: Code::new("timeout"), never_sent: false, hold: false, say }
    }

    pub(super) fn answer_too_large(at: &str, limit: usize) -> Trouble {
        let say = format!("{at}: the answer is longer than {} MiB", limit >> 20);
        Trouble { code: Code::new("answer_too_large"), never_sent: false, hold: false, say }
    }

    /// The request failed before a head came back.
    pub(super) fn of_request(at: &str, error: &legacy::Error) -> Trouble {
        let never_sent = error.is_connect() || find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled);
        let make = |code: &str, hold: bool, say: &str| Trouble {
            code: Code::new(code),
            never_sent,
            hold,
            say: format!("{at}: {say}"),
        };
        if find::<ConnectTimeout>(error).is_some() {
            return make("connect_timeout", false, "no connection within 5 s");
        }
        if let Some(cause) = find::<rustls::Error>(error) {
            return make("tls", true, &tls_advice(cause));
        }
        if let Some(cause) = find::<hyper::Error>(error)
            && cause.is_parse()
        {
            return make("not_http", false, &format!("what came back is not HTTP: {cause}"));
        }
        let cause = chain(error);
        if error.is_connect() && cause.contains("dns error") {
            return make("dns", false, &format!("the name cannot be looked up: {cause}"));
        }
        let code = match find::<std::io::Error>(error).map(std::io::Error::kind) {
            Some(ErrorKind::ConnectionRefused) => "connect_refused",
            Some(ErrorKind::TimedOut) if never_sent => "connect_timeout",
            Some(
                ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::UnexpectedEof,
            ) => "reset",
            _ if error.is_connect() => "connect_failed",
            _ if never_sent => "not_sent",
            // The peer closed without an answer: hyper says "incomplete message", no I/O error.
            _ if find::<hyper::Error>(error).is_some_and(|e| e.is_incomplete_message() || e.is_closed()) => "reset",
            _ => "failed",
        };
        make(code, false, &cause)
    }

    /// The answer's head came, its body broke off.
    pub(super) fn of_answer(at: &str, error: &(dyn Error + 'static)) -> Trouble {
        let say = format!("{at}: the answer broke off: {}", chain(error));
        Trouble { code: Code::new("reset"), never_sent: false, hold: false, say }
    }
}

/// What to do about a failed handshake.
fn tls_advice(cause: &rustls::Error) -> String {
    use rustls::Error as E;
    if let E::Other(other) = cause
        && other.0.is::<NoRoots>()
    {
        return "this machine has no CA certificates at all: install them (package ca-certificates), or name a PEM file \
                in `ca_file`"
            .into();
    }
    let certificate = if let E::InvalidCertificate(wrong) = cause { Some(wrong) } else { None };
    // A bad signature: an authority of the trusted one's name, with another key.
    let advice = if matches!(certificate, Some(Cert::UnknownIssuer | Cert::BadSignature)) {
        "its certificate comes from an authority that is not trusted here: put that authority's PEM into `ca_file`"
    } else if matches!(certificate, Some(Cert::NotValidForName | Cert::NotValidForNameContext { .. })) {
        "its certificate is for another name: use the name in the certificate"
    } else if matches!(certificate, Some(Cert::Expired | Cert::ExpiredContext { .. })) {
        "its certificate has expired: renew it, or set this machine's clock"
    } else if matches!(certificate, Some(Cert::NotValidYet | Cert::NotValidYetContext { .. })) {
        "its certificate is not valid yet: set this machine's clock"
    } else if matches!(cause, E::InvalidMessage(_)) {
        "it does not speak TLS there: use http://, or another port"
    } else {
        "the TLS handshake failed"
    };
    format!("{advice} ({cause})")
}

/// The first error of this type in the chain, also inside `io::Error`s (whose `source` skips what they hold).
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    // A chain is a handful long; the bound is for one that bites its tail.
    for _ in 0..16 {
        let here = next?;
        if let Some(found) = here.downcast_ref::<T>() {
            return Some(found);
        }
        next = match here.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => here.source(),
        };
    }
    None
}

/// All causes in one line, at most 400 characters.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    for _ in 0..16 {
        let Some(cause) = next else { break };
        let text = cause.to_string();
        if !said.contains(&text) {
            said.push_str(": ");
            said.push_str(&text);
        }
        next = cause.source();
    }
    // Some causes are lists over several lines.
    let mut line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(400) {
        line.truncate(end);
        line.push_str("...");
    }
    line
}
