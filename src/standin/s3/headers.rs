//! Headers of an object: which are kept with it, which values are refused.

use super::Refused;
use crate::standin::request::Head;
use std::collections::BTreeMap;

const CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
];

/// Headers that stay with the object.
pub(super) fn kept(head: &Head) -> Result<BTreeMap<String, String>, Refused> {
    if head.header("x-amz-storage-class").is_some_and(|c| !CLASSES.contains(&c)) {
        return Err(Refused(400, "InvalidStorageClass", "The storage class you specified is not valid".into()));
    }
    let sse = head.header("x-amz-server-side-encryption");
    if sse.is_some_and(|s| !matches!(s, "AES256" | "aws:kms" | "aws:kms:dsse")) {
        return Err(Refused(400, "InvalidArgument", "The encryption method specified is not supported".into()));
    }
    let key = head.header("x-amz-server-side-encryption-aws-kms-key-id");
    if key.is_some() && !sse.is_some_and(|s| s.starts_with("aws:kms")) {
        let message = "a KMS key id needs x-amz-server-side-encryption: aws:kms";
        return Err(Refused(400, "InvalidArgument", message.into()));
    }
    if head.header("content-encoding").is_some_and(|e| e.contains("aws-chunked")) {
        return Err(Refused(501, "NotImplemented", "aws-chunked bodies are not taken here".into()));
    }
    let keep = |name: &str| {
        matches!(name, "content-type" | "content-encoding" | "cache-control" | "x-amz-storage-class" | "x-amz-tagging")
            || name.starts_with("x-amz-server-side-encryption")
            || name.starts_with("x-amz-meta-")
    };
    let text =
        |(n, v): (&http::HeaderName, &http::HeaderValue)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned()));
    Ok(head.headers.iter().filter(|(n, _)| keep(n.as_str())).filter_map(text).collect())
}

/// `If-None-Match`: true when the name has to be free. Anything but `*` is not a condition for writing.
pub(super) fn must_be_new(head: &Head) -> Result<bool, Refused> {
    let other = || Refused(501, "NotImplemented", "only If-None-Match: * is a condition here".into());
    if head.header("if-match").is_some() {
        return Err(other());
    }
    match head.header("if-none-match") {
        None => Ok(false),
        Some("*") => Ok(true),
        Some(_) => Err(other()),
    }
}
