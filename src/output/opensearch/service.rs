//! OpenSearch's other half: one `_bulk` request, one attempt.
//!
//! Promises: the credentials go to `url` and nowhere else (redirects are not followed); an index name that the
//! service would refuse, or that would change the URL, is never sent. Retry is the lane's business.

use super::index;
use super::verdict::{self, judge, refused};
use crate::config::checked::{self, Aws};
use crate::lane::batch::{Batch, Code, Job, Scope, Verdict};
use crate::output::aws::AwsAccess;
use crate::output::aws::faults::Fault;
use crate::output::aws::sign::Payload;
use crate::output::http::{Answer, Http};
use crate::output::retry_after::retry_after;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use std::time::Duration;

/// A bulk is answered within this, or its outcome is unknown.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// What is asked for of an answer: `errors,items.*.status,items.*.error`. Without `status` good items would vanish from
/// it and positions no longer match. Encoded as signatures see it.
const WANTED: &str = "_bulk?filter_path=errors%2Citems.%2A.status%2Citems.%2A.error";

/// One cluster, domain or collection.
#[derive(Debug)]
pub struct OpenSearchService {
    http: Http,
    url: String,
    auth: Auth,
    /// Documents have ids.
    ids: bool,
}

#[derive(Debug)]
enum Auth {
    None,
    Basic(HeaderValue),
    Aws(Box<AwsAccess>),
}

impl OpenSearchService {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// A user name or password that cannot stand in a header.
    pub fn new(config: &checked::OpenSearch, http: Http) -> Result<OpenSearchService, String> {
        let url = config.url.trim_end_matches('/').to_owned();
        let auth = match &config.auth {
            checked::Auth::None => Auth::None,
            checked::Auth::Basic { username, password } => {
                let pair = STANDARD.encode(format!("{username}:{}", password.0));
                let mut value = HeaderValue::from_str(&format!("Basic {pair}")).map_err(|e| e.to_string())?;
                value.set_sensitive(true);
                Auth::Basic(value)
            }
            checked::Auth::Aws { service, aws } => {
                let region = aws.region.clone().or_else(|| region_of(&url));
                Auth::Aws(Box::new(AwsAccess::new(&Aws { region, ..aws.clone() }, service)))
            }
        };
        Ok(OpenSearchService { http, url, auth, ids: config.derived_id })
    }

    /// One attempt, without retry.
    pub async fn attempt(&self, batch: &Batch) -> Verdict {
        match self.bulk(batch).await {
            Ok(verdict) | Err(verdict) => verdict,
        }
    }

    async fn bulk(&self, batch: &Batch) -> Result<Verdict, Verdict> {
        let hold = |code: &str, scope, say| Verdict::Hold { code: Code::new(code), scope, say };
        let (Job::Send, [body]) = (&batch.job, batch.bodies.as_slice()) else {
            let say = "a job that OpenSearch cannot do: please report this as a mistake of this program".to_owned();
            return Err(hold("job", Scope::Key, say));
        };
        let name = &batch.target.place;
        if let Some(wrong) = index::fault(name) {
            return Err(hold("invalid_index_name", Scope::Key, format!("index `{name}`: {wrong}: correct `index`")));
        }
        let answer = self.post(name, body.chunks.clone(), true).await?;
        let heard = verdict::Answer {
            status: answer.status,
            after: retry_after(&answer.headers),
            location: answer.headers.get(header::LOCATION).and_then(|v| v.to_str().ok()),
            body: &answer.body,
        };
        Ok(judge(&heard, batch.items))
    }

    /// Sends one bulk request to an index.
    async fn post(&self, name: &str, chunks: Vec<Bytes>, gzip: bool) -> Result<Answer, Verdict> {
        let url = format!("{}/{}/{WANTED}", self.url, index::in_url(name));
        let mut request = http::Request::new(chunks);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.parse().map_err(|cause| Verdict::Hold {
            code: Code::new("url"),
            scope: Scope::Lane,
            say: format!("`url` and `index` make no address: {url} ({cause})"),
        })?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        if gzip {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        match &self.auth {
            Auth::None => {}
            Auth::Basic(value) => drop(headers.insert(header::AUTHORIZATION, value.clone())),
            Auth::Aws(_) => {}
        }
        let sent = match &self.auth {
            Auth::Aws(aws) => {
                let payload = Payload::of(request.body());
                aws.send(&self.http, request, payload, ANSWER_WITHIN, means).await?
            }
            Auth::None | Auth::Basic(_) => self.http.send(request, ANSWER_WITHIN).await,
        };
        sent.map_err(|trouble| {
            // It was done, but cannot be heard: halves have shorter answers.
            if trouble.code.as_str() == "answer_too_large" {
                Verdict::Split { code: trouble.code }
            } else {
                trouble.verdict()
            }
        })
    }
}

/// What an answer says of the credentials and the clock.
fn means(answer: &Answer) -> Option<Fault> {
    refused(answer.status, &answer.body)
}

/// The region in the host name of an Amazon domain or collection: `search-x-abc.eu-west-1.es.amazonaws.com`.
fn region_of(url: &str) -> Option<String> {
    let host = url.split_once("://")?.1.split(['/', ':']).next()?;
    let mut labels = host.split('.').rev().skip_while(|label| *label != "es" && *label != "aoss").skip(1);
    let region = labels.next()?;
    (host.contains(".amazonaws.") && region.contains('-')).then(|| region.to_owned())
}

mod probe;
#[cfg(test)]
#[cfg(feature = "standin")]
mod strict;
#[cfg(test)]
mod tests;
