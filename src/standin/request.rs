//! A request's head and an answer, as the three services see them; percent coding; bodies undone.

use http::{HeaderMap, Method};
use std::io::Read;

/// Everything before the body.
#[derive(Clone, Debug)]
pub struct Head {
    /// Verb.
    pub method: Method,
    /// As on the wire, percent-encoded, without the query.
    pub path: String,
    /// Decoded pairs, in order; a name without `=` has an empty value.
    pub query: Vec<(String, String)>,
    /// Headers.
    pub headers: HeaderMap,
}

impl Head {
    /// From hyper's parts.
    pub fn new(parts: &http::request::Parts) -> Head {
        let pair = |p: &str| match p.split_once('=') {
            Some((name, value)) => (decode(name), decode(value)),
            None => (decode(p), String::new()),
        };
        Head {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or("").split('&').filter(|p| !p.is_empty()).map(pair).collect(),
            headers: parts.headers.clone(),
        }
    }
    /// A header's text; `None` when absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
    /// A query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What goes back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers beyond date and length.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer with a typed body.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        Answer { status, headers: vec![("content-type", content_type.to_owned())], body: body.into() }
    }
    /// No body.
    pub fn empty(status: u16) -> Answer {
        Answer { status, ..Answer::default() }
    }
    /// One more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

/// Percent-decodes; what is not UTF-8 becomes U+FFFD, a lone `%` stays.
pub fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((&b, rest)) = bytes.split_first() {
        let hex = rest.get(..2).filter(|_| b == b'%').and_then(|h| std::str::from_utf8(h).ok());
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(value) => {
                out.push(value);
                bytes = rest.get(2..).unwrap_or_default();
            }
            None => {
                out.push(b);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Percent-encodes all but AWS's unreserved characters, and all but `keep`.
pub fn encode(text: &str, keep: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) || keep.as_bytes().contains(&b) {
            out.push(char::from(b));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(b >> 4)]));
            out.push(char::from(HEX[usize::from(b & 15)]));
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Why a body could not be undone.
#[derive(Debug, PartialEq, Eq)]
pub enum Undone {
    /// Not gzip, or cut short, or something behind it.
    Bad,
    /// More than the limit.
    TooLarge,
    /// An encoding that the service does not take.
    Unknown,
}

/// Undoes `content-encoding: gzip`; at most `limit` plain bytes.
pub fn plain(head: &Head, body: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Undone> {
    match head.header("content-encoding").map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => {
            if body.len() > limit {
                return Err(Undone::TooLarge);
            }
            Ok(None)
        }
        Some("gzip") => {
            let mut out = Vec::with_capacity((body.len() * 4).min(limit));
            let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
            flate2::read::MultiGzDecoder::new(body).take(most).read_to_end(&mut out).map_err(|_| Undone::Bad)?;
            if out.len() > limit { Err(Undone::TooLarge) } else { Ok(Some(out)) }
        }
        Some(_) => Err(Undone::Unknown),
    }
}
