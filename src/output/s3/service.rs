//! S3's other half: one attempt at one job. PutObject, a part of an upload, Complete, Abandon.
//!
//! Promises: a body is never sent without its CRC-32C; an object is only made where there is none of its name
//! (`If-None-Match: *`), so a replay can make no second copy; a Complete that turns out to be needless or impossible
//! leaves no upload behind if it can help it. Retry, intents and the order of jobs are the lane's business.

use super::address::{bucket_url, encode};
use super::verdict::{Fault, Request, judge};
use super::xml;
use crate::config::checked::{self, Compression};
use crate::lane::batch::{Batch, Code, Job, PartTag, Scope, Sealed, Verdict};
use crate::output::aws::sign::Payload;
use crate::output::aws::{AwsAccess, faults};
use crate::output::http::{Answer, Http};
use crate::output::retry_after::retry_after;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A request, with its answer, takes no longer: 5 MiB over a slow line of 1 Mbit/s take 42 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// With it a body needs no signature over TLS: 3.4 instead of 12.6 ms per 8 MiB.
const CHECKSUM: &str = "x-amz-checksum-crc32c";
/// Uploads remembered whose first part is not in yet. A lane has far fewer at once; a forgotten one is found by name.
const REMEMBERED: usize = 64;

/// One bucket.
#[derive(Debug)]
pub struct S3Service {
    http: Http,
    aws: AwsAccess,
    bucket: String,
    endpoint: Option<String>,
    encoding: HeaderValue,
    /// Of what makes an object: storage class and encryption.
    options: Vec<(HeaderName, HeaderValue)>,
    sign_payload: bool,
    /// Name and id of uploads that were created but whose first part failed: the next attempt goes on with them.
    created: Mutex<VecDeque<(Arc<str>, Arc<str>)>>,
    /// Names under which an upload was perhaps created whose id was never heard.
    strays: Mutex<VecDeque<Arc<str>>>,
}

type Headers = Vec<(HeaderName, HeaderValue)>;

impl S3Service {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// An option that cannot stand in a header.
    pub fn new(config: &checked::S3, http: Http) -> Result<S3Service, String> {
        S3Service::with(config, http, AwsAccess::new(&config.aws, "s3"))
    }

    /// The same with credentials of the caller's choosing.
    ///
    /// # Errors
    /// As [`S3Service::new`].
    pub fn with(config: &checked::S3, http: Http, aws: AwsAccess) -> Result<S3Service, String> {
        let named = [
            ("x-amz-storage-class", &config.storage_class),
            ("x-amz-server-side-encryption", &config.sse),
            ("x-amz-server-side-encryption-aws-kms-key-id", &config.kms_key_id),
        ];
        let mut options = Headers::new();
        for (name, value) in named {
            if let Some(value) = value {
                let value = HeaderValue::from_str(value).map_err(|_| format!("{name} cannot be {value:?}"))?;
                options.push((HeaderName::from_static(name), value));
            }
        }
        let encoding = match config.compression {
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        };
        Ok(S3Service {
            http,
            aws,
            bucket: config.bucket.clone(),
            endpoint: config.aws.endpoint.clone(),
            encoding: HeaderValue::from_static(encoding),
            options,
            sign_payload: config.sign_payload,
            created: Mutex::default(),
            strays: Mutex::default(),
        })
    }

    /// One attempt, without retry.
    pub async fn attempt(&self, batch: &Batch) -> Verdict {
        let body = batch.bodies.first();
        let done = match (&batch.job, body) {
            (Job::Put { name }, Some(body)) => self.put(name, body, batch.items).await,
            (Job::Part { name, upload, number }, Some(body)) => self.part(name, upload.as_ref(), *number, body).await,
            (Job::Complete { name, upload, parts }, _) => self.complete(name, upload, parts, batch.items).await,
            (Job::Abandon { name, upload }, _) => self.abandon(name, upload.as_ref()).await,
            (Job::Send | Job::Put { .. } | Job::Part { .. }, _) => {
                let say = "a job that S3 cannot do: please report this as a mistake of this program".to_owned();
                Err(Verdict::Hold { code: Code::new("job"), scope: Scope::Key, say })
            }
        };
        match done {
            Ok(verdict) | Err(verdict) => verdict,
        }
    }

    async fn put(&self, name: &str, body: &Sealed, items: u32) -> Result<Verdict, Verdict> {
        let mut headers = self.object_headers();
        headers.push((header::IF_NONE_MATCH, HeaderValue::from_static("*")));
        headers.push(checksum(&crc32c_of(&body.chunks))?);
        let answer = self.send(Method::PUT, name, "", headers, body.chunks.clone()).await?;
        if answer.status != 200 || xml::is_error(&answer.body) {
            return Err(fault(Request::Put, &answer, items));
        }
        // Anything on the way can say 200; only who stored it knows its ETag.
        if etag(&answer).is_none() {
            return Err(not_s3(&answer));
        }
        Ok(Verdict::Delivered { already: 0 })
    }

    async fn part(
        &self,
        name: &Arc<str>,
        upload: Option<&Arc<str>>,
        number: u16,
        body: &Sealed,
    ) -> Result<Verdict, Verdict> {
        let id = match upload {
            Some(id) => Arc::clone(id),
            None => match self.recall(name) {
                Some(id) => id,
                None => self.create(name).await?,
            },
        };
        let crc = crc32c_of(&body.chunks);
        let query = format!("partNumber={number}&uploadId={}", encode(&id, false));
        let answer = self.send(Method::PUT, name, &query, vec![checksum(&crc)?], body.chunks.clone()).await?;
        if answer.status != 200 {
            let verdict = fault(Request::Part, &answer, 0);
            if verdict == Verdict::NoUpload && upload.is_none() {
                // Nothing of it is known to the lane: the next attempt creates another.
                self.forget(name);
                let (code, say) = (Code::new("NoSuchUpload"), "the upload just created is not there".to_owned());
                return Err(Verdict::Retry { after: None, code, scope: Scope::Key, say });
            }
            return Err(verdict);
        }
        let Some(etag) = etag(&answer) else { return Err(not_s3(&answer)) };
        self.forget(name);
        Ok(Verdict::Staged { upload: id, tag: PartTag { number, etag: etag.into(), crc32c: crc.into() } })
    }

    async fn create(&self, name: &Arc<str>) -> Result<Arc<str>, Verdict> {
        let mut headers = self.object_headers();
        headers.push((HeaderName::from_static("x-amz-checksum-algorithm"), HeaderValue::from_static("CRC32C")));
        let answer = self.send(Method::POST, name, "uploads=", headers, Vec::new()).await;
        if let Err(Verdict::Unknown { .. }) = &answer {
            self.note_stray(name);
        }
        let answer = answer?;
        if answer.status != 200 {
            return Err(fault(Request::Create, &answer, 0));
        }
        let id: Arc<str> = xml::upload_id(&answer.body).ok_or_else(|| not_s3(&answer))?.into();
        self.remember(name, &id);
        Ok(id)
    }

    async fn complete(&self, name: &Arc<str>, upload: &str, parts: &[PartTag], items: u32) -> Result<Verdict, Verdict> {
        let done = self.complete_only(name, upload, parts, items).await;
        if let Ok(Verdict::Delivered { .. }) | Err(Verdict::Delivered { .. }) = &done
            && self.take_stray(name)
        {
            // The object is there, so whatever else is open under its name is waste. A failure costs no more than that.
            drop(self.abandon(name, None).await);
        }
        done
    }

    async fn complete_only(&self, name: &str, upload: &str, parts: &[PartTag], items: u32) -> Result<Verdict, Verdict> {
        let headers = vec![
            (header::IF_NONE_MATCH, HeaderValue::from_static("*")),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/xml")),
        ];
        let query = format!("uploadId={}", encode(upload, false));
        let answer = self.send(Method::POST, name, &query, headers, vec![xml::complete(parts).into()]).await?;
        if answer.status == 200 && xml::is_completed(&answer.body) {
            return Ok(Verdict::Delivered { already: 0 });
        }
        if answer.status == 200 && !xml::is_error(&answer.body) {
            return Err(unknown("unreadable_answer", "the answer cannot be read: it may have been cut off"));
        }
        let verdict = fault(Request::Complete, &answer, items);
        if matches!(verdict, Verdict::Delivered { .. } | Verdict::NoUpload) {
            // The upload is of no use any more, and its parts cost money. If this fails a lifecycle rule has to do it.
            drop(self.abort(name, upload).await);
        }
        Err(verdict)
    }

    async fn abandon(&self, name: &Arc<str>, upload: Option<&Arc<str>>) -> Result<Verdict, Verdict> {
        self.forget(name);
        if let Some(upload) = upload {
            return self.abort(name, upload).await;
        }
        let query = format!("max-uploads=1000&prefix={}&uploads=", encode(name, false));
        let answer = self.send(Method::GET, "", &query, Headers::new(), Vec::new()).await?;
        if answer.status != 200 {
            return Err(fault(Request::Abandon, &answer, 0));
        }
        for upload in xml::uploads_of(name, &answer.body) {
            let (Ok(verdict) | Err(verdict)) = self.abort(name, &upload).await;
            if !matches!(verdict, Verdict::Delivered { .. }) {
                return Err(verdict);
            }
        }
        Ok(Verdict::Delivered { already: 0 })
    }

    async fn abort(&self, name: &str, upload: &str) -> Result<Verdict, Verdict> {
        let query = format!("uploadId={}", encode(upload, false));
        let answer = self.send(Method::DELETE, name, &query, Headers::new(), Vec::new()).await?;
        if matches!(answer.status, 200 | 204) {
            return Ok(Verdict::Delivered { already: 0 });
        }
        Err(fault(Request::Abandon, &answer, 0))
    }

    async fn send(
        &self,
        method: Method,
        name: &str,
        query: &str,
        headers: Headers,
        chunks: Vec<Bytes>,
    ) -> Result<Answer, Verdict> {
        let region = if self.endpoint.is_some() { "".into() } else { self.aws.region().await? };
        let bucket = bucket_url(self.endpoint.as_deref(), &self.bucket, &region);
        let question = if query.is_empty() { "" } else { "?" };
        let url = format!("{bucket}/{}{question}{query}", encode(name, true));
        let payload = self.payload(&url, &headers, &chunks);
        let mut request = http::Request::new(chunks);
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().map_err(|cause| Verdict::Hold {
            code: Code::new("endpoint"),
            scope: Scope::Lane,
            say: format!("`endpoint` and `bucket` make no address: {url} ({cause})"),
        })?;
        request.headers_mut().extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
        let sent = self.aws.send(&self.http, request, payload, ANSWER_WITHIN, means).await?;
        sent.map_err(|trouble| trouble.verdict())
    }

    /// Over TLS a body with a checksum goes unsigned, unless signing is asked for.
    fn payload(&self, url: &str, headers: &Headers, chunks: &[Bytes]) -> Payload {
        let checked = headers.iter().any(|(name, _)| *name == CHECKSUM);
        let unsigned = checked && !self.sign_payload && url.starts_with("https://");
        if unsigned { Payload::Unsigned } else { Payload::of(chunks) }
    }

    fn object_headers(&self) -> Headers {
        let mut headers = self.options.clone();
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")));
        headers.push((header::CONTENT_ENCODING, self.encoding.clone()));
        headers
    }

    fn note_stray(&self, name: &Arc<str>) {
        let mut strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        if strays.len() >= REMEMBERED {
            strays.pop_front();
        }
        strays.push_back(Arc::clone(name));
    }

    fn take_stray(&self, name: &str) -> bool {
        let mut strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        let before = strays.len();
        strays.retain(|stray| **stray != *name);
        strays.len() < before
    }

    fn recall(&self, name: &str) -> Option<Arc<str>> {
        let created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        created.iter().find(|(of, _)| **of == *name).map(|(_, id)| Arc::clone(id))
    }

    fn remember(&self, name: &Arc<str>, id: &Arc<str>) {
        let mut created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        if created.len() >= REMEMBERED {
            created.pop_front();
        }
        created.push_back((Arc::clone(name), Arc::clone(id)));
    }

    fn forget(&self, name: &str) {
        self.created.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _)| **of != *name);
    }
}

/// Judges an answer that is not success.
fn fault(request: Request, answer: &Answer, items: u32) -> Verdict {
    judge(request, &read(answer), items)
}

fn read(answer: &Answer) -> Fault {
    let region = answer.headers.get("x-amz-bucket-region").and_then(|v| v.to_str().ok());
    xml::fault(answer.status, region, retry_after(&answer.headers), &answer.body)
}

/// What an answer says of the credentials and the clock. A Complete may say it with 200.
fn means(answer: &Answer) -> Option<faults::Fault> {
    if matches!(answer.status, 200 | 204) && !xml::is_error(&answer.body) {
        return None;
    }
    let fault = read(answer);
    faults::fault(&fault.code, &fault.message)
}

/// CRC-32C of a body, base64 of its big-endian bytes.
fn crc32c_of(chunks: &[Bytes]) -> String {
    let crc = chunks.iter().fold(0, |crc, chunk| crc32c::crc32c_append(crc, chunk));
    STANDARD.encode(crc.to_be_bytes())
}

fn checksum(crc: &str) -> Result<(HeaderName, HeaderValue), Verdict> {
    let value =
        HeaderValue::from_str(crc).map_err(|_| unknown("checksum", "the checksum does not fit into a header"))?;
    Ok((HeaderName::from_static(CHECKSUM), value))
}

fn etag(answer: &Answer) -> Option<&str> {
    answer.headers.get(header::ETAG).and_then(|v| v.to_str().ok())
}

/// A 200 that S3 would not give: a login page, a web server, a proxy. Nothing counts as delivered.
fn not_s3(answer: &Answer) -> Verdict {
    let words: String = String::from_utf8_lossy(&answer.body).chars().filter(|c| !c.is_control()).take(80).collect();
    Verdict::Hold {
        code: Code::new("not_s3"),
        scope: Scope::Lane,
        say: format!(
            "this is not S3: check `endpoint`, and proxies on the way. It answers {} with: {words}",
            answer.status
        ),
    }
}

fn unknown(code: &str, say: &str) -> Verdict {
    Verdict::Unknown { code: Code::new(code), scope: Scope::Key, say: say.to_owned() }
}

mod probe;
#[cfg(test)]
#[cfg(feature = "standin")]
mod strict;
#[cfg(test)]
mod tests;
