//! Signature Version 4, recomputed from the request as it came over the wire.
//!
//! Written from AWS's description and not from the crate that the agent signs with, so that a fault in one shows
//! in the other. Only the `Authorization` header; presigned queries and chunked payloads are refused.

use super::request::{Head, encode, hex};
use jiff::civil::DateTime;
use sha2::{Digest, Sha256};
use std::fmt;

/// Seconds that a request's date may be off; S3 allows 15 min.
const SKEW: i64 = 300;
const SKEW_S3: i64 = 900;

/// One caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Access key id.
    pub access: String,
    /// Secret.
    pub secret: String,
    /// Session token that has to come along, where there is one.
    pub token: Option<String>,
}

impl Keys {
    /// Invented credentials, the same everywhere.
    pub fn demo() -> Keys {
        Keys { access: "AKIDTAILRACEDEMO".into(), secret: "not-a-secret/only-for-loopback".into(), token: None }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.access)
    }
}

/// How the service reads a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The hash is always that of the body; a header that says otherwise is refused.
    Hashed,
    /// The same, and the header has to be there (aoss).
    HeaderNeeded,
    /// S3: the header has to be there, may say UNSIGNED-PAYLOAD; the path is encoded once.
    S3,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No `Authorization`.
    Missing,
    /// It cannot be read.
    Malformed(String),
    /// No such access key.
    UnknownKey,
    /// Session token missing, wrong, or not asked for.
    Token,
    /// Handed out, and ended since.
    Expired,
    /// The date is too far off; in the words of most services.
    Skewed(String),
    /// Scope for another region, service or day.
    Scope(String),
    /// A header that has to be signed is not.
    Unsigned(String),
    /// The signature is not the one for this request.
    Mismatch,
    /// No `x-amz-content-sha256`.
    NoPayloadHash,
    /// The body is not the one that was hashed.
    Payload,
    /// A way of signing that the stand-in does not know.
    NotSupported,
}

/// What a request is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expect<'a> {
    /// Who may call.
    pub keys: &'a Keys,
    /// Scope's region.
    pub region: &'a str,
    /// Scope's service: `logs`, `s3`, `es`, `aoss`.
    pub service: &'a str,
    /// How payload and path are read.
    pub payload: Payload,
    /// Seconds since 1970.
    pub now: i64,
}

struct Authorization<'a> {
    access: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl super::Options {
    /// Whether this is a request of somebody who may call: with the keys of the options, or, where there is an issuer,
    /// with what that handed out and what has not ended.
    pub(super) fn verify(&self, head: &Head, body: &[u8], service: &str, payload: Payload) -> Result<(), Refusal> {
        let Some(fixed) = &self.keys else { return Ok(()) };
        let unix_ns = self.clock.unix_ns();
        let session = match &self.issued {
            Some(issuer) => {
                let access = caller(head).ok_or(Refusal::Missing)?;
                let session = issuer.find(access).ok_or(Refusal::UnknownKey)?;
                if session.ends <= unix_ns {
                    return Err(Refusal::Expired);
                }
                Some(session.keys)
            }
            None => None,
        };
        let keys = session.as_ref().unwrap_or(fixed);
        let now = unix_ns / 1_000_000_000;
        verify(head, body, &Expect { keys, region: &self.region, service, payload, now })
    }
}

/// The access key id that a request names; nothing is verified.
pub fn caller(head: &Head) -> Option<&str> {
    let (_, credential) = head.header("authorization")?.split_once("Credential=")?;
    credential.split('/').next()
}

/// Whether this is a request of the expected caller.
pub fn verify(head: &Head, body: &[u8], expect: &Expect<'_>) -> Result<(), Refusal> {
    let auth = parse(head.header("authorization").ok_or(Refusal::Missing)?)?;
    if auth.access != expect.keys.access {
        return Err(Refusal::UnknownKey);
    }
    if head.header("x-amz-security-token") != expect.keys.token.as_deref() {
        return Err(Refusal::Token);
    }
    let date = head.header("x-amz-date").ok_or_else(|| Refusal::Malformed("no x-amz-date".into()))?;
    let when = unix(date).ok_or_else(|| Refusal::Malformed(format!("x-amz-date {date}")))?;
    let allowed = if expect.payload == Payload::S3 { SKEW_S3 } else { SKEW };
    if (when - expect.now).abs() > allowed {
        return Err(Refusal::Skewed(skewed(date, when, expect.now, allowed)));
    }
    if auth.region != expect.region || auth.service != expect.service || !date.starts_with(auth.day) {
        return Err(Refusal::Scope(format!("{}/{}/{}", auth.day, auth.region, auth.service)));
    }
    headers_signed(head, &auth.signed)?;
    let hash = payload_hash(head, body, expect.payload)?;
    let canonical = canonical(head, &auth.signed, &hash, expect.payload);
    let scope = format!("{}/{}/{}/aws4_request", auth.day, auth.region, auth.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let mut key = hmac(format!("AWS4{}", expect.keys.secret).as_bytes(), auth.day.as_bytes());
    for part in [auth.region, auth.service, "aws4_request", &to_sign] {
        key = hmac(&key, part.as_bytes());
    }
    if hex(&key) == auth.signature { Ok(()) } else { Err(Refusal::Mismatch) }
}

fn parse(text: &str) -> Result<Authorization<'_>, Refusal> {
    let bad = |what: &str| Refusal::Malformed(format!("Authorization header: {what}"));
    let rest = text.strip_prefix("AWS4-HMAC-SHA256 ").ok_or(Refusal::NotSupported)?;
    let field = |name: &str| {
        let found = rest.split(',').map(str::trim).find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
        found.ok_or_else(|| bad(name))
    };
    let credential: Vec<&str> = field("Credential")?.split('/').collect();
    let [access, day, region, service, "aws4_request"] = credential[..] else { return Err(bad("Credential")) };
    let signed: Vec<&str> = field("SignedHeaders")?.split(';').collect();
    if !signed.is_sorted() || signed.iter().any(|h| h.is_empty() || h.bytes().any(|b| b.is_ascii_uppercase())) {
        return Err(bad("SignedHeaders"));
    }
    Ok(Authorization { access, day, region, service, signed, signature: field("Signature")? })
}

fn unix(date: &str) -> Option<i64> {
    let civil = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?.as_second())
}

fn skewed(date: &str, when: i64, now: i64, allowed: i64) -> String {
    let stamp = |second| {
        let at = jiff::Timestamp::from_second(second).unwrap_or_default();
        at.strftime("%Y%m%dT%H%M%SZ").to_string()
    };
    let (here, minutes) = (stamp(now), allowed / 60);
    if when < now {
        let limit = stamp(now - allowed);
        format!("Signature expired: {date} is now earlier than {limit} ({here} - {minutes} min.)")
    } else {
        let limit = stamp(now + allowed);
        format!("Signature not yet current: {date} is still later than {limit} ({here} + {minutes} min.)")
    }
}

/// `host` and every `x-amz-` header that is there; a content type too, where it is there, is usual but not asked for.
fn headers_signed(head: &Head, signed: &[&str]) -> Result<(), Refusal> {
    let here = head.headers.keys().map(http::HeaderName::as_str).filter(|n| n.starts_with("x-amz-"));
    for name in here.chain(["host"]) {
        if !signed.contains(&name) {
            return Err(Refusal::Unsigned(name.to_owned()));
        }
    }
    Ok(())
}

fn payload_hash(head: &Head, body: &[u8], payload: Payload) -> Result<String, Refusal> {
    let said = head.header("x-amz-content-sha256");
    match (said, payload) {
        (None, Payload::S3 | Payload::HeaderNeeded) => return Err(Refusal::NoPayloadHash),
        (Some("UNSIGNED-PAYLOAD"), Payload::S3) => return Ok("UNSIGNED-PAYLOAD".into()),
        (Some(s), _) if s.starts_with("STREAMING-") => return Err(Refusal::NotSupported),
        (Some(_) | None, Payload::S3 | Payload::HeaderNeeded | Payload::Hashed) => {}
    }
    let hash = hex(&Sha256::digest(body));
    if said.is_some_and(|s| s != hash) { Err(Refusal::Payload) } else { Ok(hash) }
}

fn canonical(head: &Head, signed: &[&str], hash: &str, payload: Payload) -> String {
    let mut out = format!("{}\n", head.method);
    match payload {
        Payload::S3 => encode(&super::request::decode(&head.path), "/", &mut out),
        // Everyone else folds dots and slashes away, and encodes the encoded path once more.
        Payload::Hashed | Payload::HeaderNeeded => encode(&normal(&head.path), "/", &mut out),
    }
    out.push('\n');
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in &head.query {
        let (mut n, mut v) = (String::new(), String::new());
        encode(name, "", &mut n);
        encode(value, "", &mut v);
        pairs.push((n, v));
    }
    pairs.sort();
    let query: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
    out.push_str(&query.join("&"));
    out.push('\n');
    for name in signed {
        let values = head.headers.get_all(*name).iter().filter_map(|v| v.to_str().ok());
        let squeezed: Vec<String> = values.map(|v| v.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        out.push_str(&format!("{name}:{}\n", squeezed.join(",")));
    }
    out.push_str(&format!("\n{}\n{hash}", signed.join(";")));
    out
}

/// Without `.`, `..` and empty segments; a slash at the end stays.
fn normal(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let end = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}", kept.join("/"))
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    let short = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    for (b, k) in block.iter_mut().zip(short) {
        *b = k;
    }
    let inner = Sha256::new().chain_update(block.map(|b| b ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|b| b ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

#[cfg(test)]
mod tests;
