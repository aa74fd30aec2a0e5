//! S3, path style: objects, multipart uploads, conditions, checksums.
//!
//! Stored bodies stay in memory up to `keep_bytes`, the oldest go first (their names, sizes and ETags stay); parts of
//! open uploads up to `part_bytes`, past which the answer is SlowDown.

mod checksum;
mod headers;
mod lines;
mod multipart;
mod objects;
mod xml;

use super::receipts::Receipts;
use super::request::{self, Answer, Head};
use super::serve::lock;
use super::service::Operation;
use super::sigv4::{Payload, Refusal};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What only S3 has to be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Buckets that are there; others are NoSuchBucket.
    pub buckets: Vec<String>,
    /// Least bytes of a part that is not the last: 5 MiB at AWS.
    pub part_min: u64,
    /// Bytes of finished objects that are kept for GetObject.
    pub keep_bytes: u64,
    /// Bytes of parts of open uploads.
    pub part_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { buckets: vec!["logs".into()], part_min: 5 << 20, keep_bytes: 256 << 20, part_bytes: 1 << 30 }
    }
}

/// A finished object.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// Its bytes, unless they were let go.
    pub body: Option<Bytes>,
    /// Size.
    pub len: u64,
    /// With quotes.
    pub etag: String,
    /// Checksum header's name and value, where the client gave one (`-N` behind it for N parts).
    pub checksum: Option<(&'static str, String)>,
    /// Content type, encoding, storage class, encryption, user metadata: as they came, by header name.
    pub headers: BTreeMap<String, String>,
    /// Parts; 0 for PutObject.
    pub parts: usize,
    /// Access key ids that signed the parts.
    pub signers: BTreeSet<String>,
    /// Nanoseconds since 1970.
    pub modified: i64,
}

/// An open upload.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its object's key.
    pub key: String,
    /// The checksum that each part has to carry.
    pub checksum: Option<&'static str>,
    /// See [`Object::headers`].
    pub headers: BTreeMap<String, String>,
    /// Parts by number.
    pub parts: BTreeMap<u16, Part>,
    /// Nanoseconds since 1970.
    pub started: i64,
}

/// A part taken in.
#[derive(Clone, Debug)]
pub struct Part {
    body: Bytes,
    /// Size: the body itself is not kept when only counting.
    pub len: u64,
    /// Its lines, when only counting.
    counted: u64,
    /// With quotes.
    pub etag: String,
    /// Base64.
    pub checksum: Option<String>,
    /// Access key id that signed it.
    pub by: String,
}

#[derive(Debug, Default)]
struct Bucket {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Upload>,
}

#[derive(Debug, Default)]
struct Store {
    buckets: BTreeMap<String, Bucket>,
    /// Objects with a body, oldest first.
    kept: VecDeque<(String, String)>,
    kept_bytes: u64,
    part_bytes: u64,
}

/// The service.
#[derive(Debug)]
pub struct S3 {
    own: Options,
    common: super::Options,
    receipts: Receipts,
    store: Mutex<Store>,
    numbers: AtomicU64,
}

/// A refusal: status, code, message.
#[derive(Debug)]
struct Refused(u16, &'static str, String);

/// An error in the service's shape.
pub(super) fn refuse(status: u16, code: &str, message: &str) -> Answer {
    let mut body = xml::Xml::document();
    body.open("Error");
    body.text("Code", code);
    body.text("Message", message);
    body.text("RequestId", "STANDIN0000000");
    body.close("Error");
    Answer::new(status, "application/xml", body.finish())
}

/// Where a request goes.
struct Place<'a> {
    bucket: &'a str,
    key: &'a str,
}

impl S3 {
    /// Most bytes of a body.
    pub(super) const MOST_BYTES: usize = 256 << 20;

    pub(super) fn new(own: Options, common: super::Options, receipts: Receipts) -> S3 {
        let buckets = own.buckets.iter().map(|name| (name.clone(), Bucket::default())).collect();
        let store = Mutex::new(Store { buckets, ..Store::default() });
        S3 { own, common, receipts, store, numbers: AtomicU64::new(1) }
    }
    /// Finished objects of a bucket.
    pub fn objects(&self, bucket: &str) -> BTreeMap<String, Object> {
        lock(&self.store).buckets.get(bucket).map(|b| b.objects.clone()).unwrap_or_default()
    }
    /// Open uploads of a bucket, by upload id.
    pub fn uploads(&self, bucket: &str) -> BTreeMap<String, Upload> {
        lock(&self.store).buckets.get(bucket).map(|b| b.uploads.clone()).unwrap_or_default()
    }
    /// Forgets an upload, as a lifecycle rule would.
    pub fn forget_upload(&self, bucket: &str, id: &str) -> bool {
        let mut store = lock(&self.store);
        let upload = store.buckets.get_mut(bucket).and_then(|b| b.uploads.remove(id));
        store.part_bytes -= upload.iter().flat_map(|u| u.parts.values()).map(|p| p.body.len() as u64).sum::<u64>();
        upload.is_some()
    }
    /// Makes a bucket.
    pub fn add_bucket(&self, name: &str) {
        lock(&self.store).buckets.entry(name.to_owned()).or_default();
    }

    pub(super) fn operation(head: &Head) -> Operation {
        let path = request::decode(&head.path);
        let (_, key) = split(&path);
        let has = |name: &str| head.param(name).is_some();
        let name = match (head.method.as_str(), key.is_empty()) {
            ("GET", true) if has("uploads") => "ListMultipartUploads",
            ("GET", true) if head.param("list-type") == Some("2") => "ListObjectsV2",
            ("HEAD", true) => "HeadBucket",
            ("PUT", false) if has("partNumber") || has("uploadId") => "UploadPart",
            ("PUT", false) => "PutObject",
            ("POST", false) if has("uploads") => "CreateMultipartUpload",
            ("POST", false) if has("uploadId") => "CompleteMultipartUpload",
            ("DELETE", false) if has("uploadId") => "AbortMultipartUpload",
            ("GET", false) if has("uploadId") => "ListParts",
            ("GET", false) => "GetObject",
            ("HEAD", false) => "HeadObject",
            (_, _) => "unknown",
        };
        Operation { name, place: (!key.is_empty()).then(|| key.to_owned()) }
    }

    pub(super) fn authorize(&self, head: &Head, body: &[u8]) -> Result<(), Answer> {
        let (status, code, message) = match self.common.verify(head, body, "s3", Payload::S3) {
            Ok(()) => return Ok(()),
            Err(Refusal::Missing) => (403, "AccessDenied", "Access Denied".to_owned()),
            Err(Refusal::Malformed(what)) => (400, "AuthorizationHeaderMalformed", what),
            Err(Refusal::NotSupported) => (501, "NotImplemented", "this way of signing is not here".to_owned()),
            Err(Refusal::UnknownKey) => {
                let message = "The AWS Access Key Id you provided does not exist in our records.";
                (403, "InvalidAccessKeyId", message.to_owned())
            }
            Err(Refusal::Token) => {
                (400, "InvalidToken", "The provided token is malformed or otherwise invalid.".to_owned())
            }
            Err(Refusal::Expired) => (400, "ExpiredToken", "The provided token has expired.".to_owned()),
            Err(Refusal::Skewed(_)) => {
                let message = "The difference between the request time and the current time is too large.";
                (403, "RequestTimeTooSkewed", message.to_owned())
            }
            Err(Refusal::Scope(scope)) => {
                let region = &self.common.region;
                (
                    400,
                    "AuthorizationHeaderMalformed",
                    format!("the scope '{scope}' is wrong; expecting '{region}' and s3"),
                )
            }
            Err(Refusal::Unsigned(name)) => {
                let message = format!("There were headers present in the request which were not signed: {name}");
                (403, "AccessDenied", message)
            }
            Err(Refusal::NoPayloadHash) => {
                let message = "Missing required header for this request: x-amz-content-sha256";
                (400, "InvalidRequest", message.to_owned())
            }
            Err(Refusal::Payload) => {
                let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
                (400, "XAmzContentSHA256Mismatch", message.to_owned())
            }
            Err(Refusal::Mismatch) => {
                let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
                (403, "SignatureDoesNotMatch", message.to_owned())
            }
        };
        Err(refuse(status, code, &message))
    }

    pub(super) fn handle(&self, head: &Head, operation: &Operation, body: &[u8]) -> Answer {
        let path = request::decode(&head.path);
        let (bucket, key) = split(&path);
        let answer = self.work(head, operation.name, &Place { bucket, key }, body);
        let answer = answer.unwrap_or_else(|Refused(status, code, message)| refuse(status, code, &message));
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        answer.with("x-amz-request-id", format!("STANDIN{number:09X}")).with("x-amz-id-2", "loopback")
    }

    fn work(&self, head: &Head, name: &str, place: &Place<'_>, body: &[u8]) -> Result<Answer, Refused> {
        if !lock(&self.store).buckets.contains_key(place.bucket) {
            return Err(Refused(404, "NoSuchBucket", format!("The specified bucket does not exist: {}", place.bucket)));
        }
        if place.key.len() > 1_024 {
            return Err(Refused(400, "KeyTooLongError", "Your key is too long".into()));
        }
        match name {
            "PutObject" => self.put_object(head, place, body),
            "GetObject" | "HeadObject" => self.get_object(place, name == "GetObject"),
            "HeadBucket" => Ok(Answer::empty(200).with("x-amz-bucket-region", self.common.region.clone())),
            "ListObjectsV2" => self.list_objects(head, place),
            "CreateMultipartUpload" => self.create_upload(head, place),
            "UploadPart" => self.upload_part(head, place, body),
            "CompleteMultipartUpload" => self.complete(head, place, body),
            "AbortMultipartUpload" => self.abort(head, place),
            "ListMultipartUploads" => self.list_uploads(head, place),
            "ListParts" => self.list_parts(head, place),
            _ => Err(Refused(
                501,
                "NotImplemented",
                "A header you provided implies functionality that is not implemented".into(),
            )),
        }
    }
}

fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split_once('/').unwrap_or((path, ""))
}

fn no_upload() -> Refused {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    Refused(404, "NoSuchUpload", message.into())
}

fn precondition() -> Refused {
    Refused(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold".into())
}
