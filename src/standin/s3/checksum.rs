//! Checksums of bodies: what a request says of its own is recomputed.

use super::Refused;
use crate::standin::request::Head;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use sha2::Sha256;

/// The headers that are understood, and the element that Complete uses.
const KNOWN: [(&str, &str, &str); 3] = [
    ("x-amz-checksum-crc32c", "CRC32C", "ChecksumCRC32C"),
    ("x-amz-checksum-crc32", "CRC32", "ChecksumCRC32"),
    ("x-amz-checksum-sha256", "SHA256", "ChecksumSHA256"),
];

/// The header for an algorithm's name.
pub(super) fn header_of(algorithm: &str) -> Option<&'static str> {
    KNOWN.iter().find(|k| k.1 == algorithm).map(|k| k.0)
}

/// The element that carries this header's value in Complete.
pub(super) fn element_of(header: &str) -> &'static str {
    KNOWN.iter().find(|k| k.0 == header).map_or("", |k| k.2)
}

fn compute(header: &str, body: &[u8]) -> Vec<u8> {
    match header {
        "x-amz-checksum-crc32c" => crc32c::crc32c(body).to_be_bytes().to_vec(),
        "x-amz-checksum-crc32" => {
            let mut crc = flate2::Crc::new();
            crc.update(body);
            crc.sum().to_be_bytes().to_vec()
        }
        _ => Sha256::digest(body).to_vec(),
    }
}

/// The checksum of checksums of an object made of parts, with `-N`.
pub(super) fn composite(header: &str, parts: &[String]) -> String {
    let raw: Vec<u8> = parts.iter().flat_map(|p| STANDARD.decode(p).unwrap_or_default()).collect();
    format!("{}-{}", STANDARD.encode(compute(header, &raw)), parts.len())
}

/// Verifies what the request says of its body; the checksum header's name and value where there is one.
pub(super) fn verify(head: &Head, body: &[u8]) -> Result<Option<(&'static str, String)>, Refused> {
    if let Some(md5) = head.header("content-md5") {
        let raw = STANDARD.decode(md5).ok().filter(|r| r.len() == 16);
        let raw =
            raw.ok_or_else(|| Refused(400, "InvalidDigest", "The Content-MD5 you specified is not valid.".into()))?;
        if raw != Md5::digest(body).to_vec() {
            return Err(bad("Content-MD5"));
        }
    }
    let said = head.headers.keys().map(http::HeaderName::as_str).filter(|n| {
        n.starts_with("x-amz-checksum-") && !matches!(*n, "x-amz-checksum-algorithm" | "x-amz-checksum-type")
    });
    let said: Vec<&str> = said.collect();
    let name = match said[..] {
        [] if head.header("x-amz-sdk-checksum-algorithm").is_some() => {
            let message =
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* headers were found.";
            return Err(Refused(400, "InvalidRequest", message.into()));
        }
        [] => return Ok(None),
        [one] => one,
        _ => return Err(Refused(400, "InvalidRequest", "Expecting a single x-amz-checksum- header".into())),
    };
    let Some((header, algorithm, _)) = KNOWN.iter().find(|k| k.0 == name) else {
        return Err(Refused(501, "NotImplemented", format!("the stand-in does not know {name}")));
    };
    if head.header("x-amz-sdk-checksum-algorithm").is_some_and(|a| a != *algorithm) {
        let message = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
        return Err(Refused(400, "InvalidRequest", message.into()));
    }
    let value = head.header(name).unwrap_or("");
    if value != STANDARD.encode(compute(header, body)) {
        return Err(bad(algorithm));
    }
    Ok(Some((header, value.to_owned())))
}

fn bad(what: &str) -> Refused {
    Refused(400, "BadDigest", format!("The {what} you specified did not match the calculated checksum."))
}

/// An ETag of these bytes, with quotes.
pub(super) fn etag(body: &[u8]) -> String {
    format!("\"{}\"", crate::standin::request::hex(&Md5::digest(body)))
}

/// An ETag of an object made of parts with these ETags.
pub(super) fn etag_of_parts(etags: &[&str]) -> String {
    let mut md5 = Md5::new();
    for etag in etags {
        let hex = etag.trim_matches('"').as_bytes();
        let raw = hex.chunks(2).filter_map(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
        md5.update(raw.collect::<Vec<u8>>());
    }
    format!("\"{}-{}\"", crate::standin::request::hex(&md5.finalize()), etags.len())
}
