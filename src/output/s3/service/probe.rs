//! Which rights there are below a prefix, found out without leaving an object or an upload.
//!
//! First whether uploads can be ended, with one that never was; only then is one begun, and ended. Without that right a
//! body is sent whose checksum is of another one: rights are looked at before bodies.

use super::{CHECKSUM, Headers, S3Service, checksum, crc32c_of, etag};
use crate::lane::batch::{Code, Verdict};
use crate::output::http::Answer;
use crate::output::probe::{Came, Probe, nobodys_name, refused};
use crate::output::s3::verdict::{Fault, Request, judge};
use crate::output::s3::{address::encode, xml};
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use std::sync::Arc;

const PUT: &str = "s3:PutObject";
const ABORT: &str = "s3:AbortMultipartUpload";
const LIST: &str = "s3:ListBucketMultipartUploads";

impl S3Service {
    /// Tries the rights on objects below this prefix.
    pub async fn probe(&self, prefix: &str) -> Probe {
        let mut probe = Probe::default();
        if let Err(verdict) = probe.signs(&self.aws).await {
            probe.refused(PUT, verdict);
            return probe;
        }
        let name: Arc<str> = format!("{prefix}{}", nobodys_name()).into();
        let query = format!("uploadId={}", encode(&nobodys_name(), false));
        let ended = match self.send(Method::DELETE, &name, &query, Headers::new(), Vec::new()).await {
            Ok(answer) => answer,
            Err(verdict) => {
                probe.refused(PUT, verdict);
                return probe;
            }
        };
        probe.hears(&ended.headers);
        let fault = fault(&ended);
        if matches!(ended.status, 200 | 204) || fault.code == "NoSuchUpload" {
            self.begin_and_end(&name, &mut probe).await;
            self.list(&name, &mut probe).await;
        } else if fault.code == "AccessDenied" {
            self.send_what_is_refused(&name, &mut probe).await;
            let advice = "parts of objects that are given up stay and cost money: allow it";
            probe.note(ABORT, Came::Wanted(Code::new(&fault.code), with_words(advice, &fault)));
        } else {
            probe.refused(PUT, judge(Request::Create, &fault, 0));
        }
        probe
    }

    async fn begin_and_end(&self, name: &Arc<str>, probe: &mut Probe) {
        let upload = match self.create(name).await {
            Ok(upload) => upload,
            Err(verdict) => return probe.refused(PUT, verdict),
        };
        self.forget(name);
        probe.note(PUT, Came::Allowed);
        match self.abort(name, &upload).await {
            Ok(Verdict::Delivered { .. }) => probe.note(ABORT, Came::Allowed),
            Ok(verdict) | Err(verdict) => {
                let (Came::Refused(code, say) | Came::Wanted(code, say)) = refused(verdict) else { return };
                probe.note(ABORT, Came::Wanted(code, format!("an upload without parts was left under {name}: {say}")));
            }
        }
    }

    /// Uploads whose id was never heard are looked for by name.
    async fn list(&self, name: &str, probe: &mut Probe) {
        let query = format!("max-uploads=1&prefix={}&uploads=", encode(name, false));
        let answer = match self.send(Method::GET, "", &query, Headers::new(), Vec::new()).await {
            Ok(answer) => answer,
            Err(verdict) => return probe.refused(LIST, verdict),
        };
        let fault = fault(&answer);
        let came = if answer.status == 200 {
            Came::Allowed
        } else if fault.code == "AccessDenied" {
            let advice = "uploads whose answer was lost stay and cost money: allow it on the bucket";
            Came::Wanted(Code::new(&fault.code), with_words(advice, &fault))
        } else {
            Came::Untried(format!("{} {}", answer.status, fault.code))
        };
        probe.note(LIST, came);
    }

    async fn send_what_is_refused(&self, name: &str, probe: &mut Probe) {
        let Ok(wrong) = checksum(&crc32c_of(&[Bytes::from_static(b"another body")])) else { return };
        let mut headers = self.object_headers();
        headers.extend([(header::IF_NONE_MATCH, HeaderValue::from_static("*")), wrong]);
        let body = vec![Bytes::from_static(b"tailrace doctor")];
        let answer = match self.send(Method::PUT, name, "", headers, body).await {
            Ok(answer) => answer,
            Err(verdict) => return probe.refused(PUT, verdict),
        };
        let fault = fault(&answer);
        let of_the_body = ["BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest", "InvalidRequest"];
        let came = if answer.status == 200 && etag(&answer).is_some() {
            let say = format!("the server does not look at {CHECKSUM}; the object {name} was left");
            Came::Wanted(Code::new("no_checksums"), say)
        } else if of_the_body.contains(&fault.code.as_str()) {
            Came::Allowed
        } else {
            refused(judge(Request::Put, &fault, 0))
        };
        probe.note(PUT, came);
    }
}

fn fault(answer: &Answer) -> Fault {
    let region = answer.headers.get("x-amz-bucket-region").and_then(|v| v.to_str().ok());
    xml::fault(answer.status, region, None, &answer.body)
}

fn with_words(advice: &str, fault: &Fault) -> String {
    if fault.message.is_empty() { advice.to_owned() } else { format!("{advice} ({})", fault.message) }
}
