//! The one HTTP client of all outputs: HTTP/1.1, keep-alive, rustls with the system's roots and a `ca_file`.
//!
//! Promises: one attempt and no more, a bound on connecting, on the whole exchange and on the answer's size; bodies go
//! out as the chunks they lie in, never copied together. What went wrong is told as [`Trouble`], which knows whether
//! the service can have seen the request. Signing, retry and what an answer means are left to others.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, SizeHint};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::convert::Infallible;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower_service::Service;

mod roots;
mod trouble;
use roots::Roots;
pub use trouble::Trouble;
pub(crate) use trouble::chain;

/// Name look-up, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(5);
/// Load balancers close idle connections after 20 to 60 s; a request sent into a closing one has no answer.
const IDLE: Duration = Duration::from_secs(15);
/// More of an answer is not read: a bulk answer of 10,000 items is about 3 MiB.
const LARGEST_ANSWER: usize = 32 << 20;

/// A client with its pool; clones share it.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client<Dial, Chunks>,
    /// Nobody may wait longer for an answer.
    patience: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// As sent by the server.
    pub headers: HeaderMap,
    /// At most 32 MiB.
    pub body: Bytes,
}

impl Http {
    /// A client that trusts the system's roots and the certificates in `ca_file` (PEM).
    ///
    /// # Errors
    /// A sentence that names the file and what is wrong with it.
    pub fn new(ca_file: Option<&Path>) -> Result<Http, String> {
        let tls = tls(ca_file)?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_keepalive(Some(Duration::from_secs(60)));
        let https = HttpsConnector::from((tcp, tls));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(64)
            .build(Dial { https });
        Ok(Http { client, patience: Duration::MAX })
    }

    /// No answer is waited for longer than this, whatever the caller of [`Http::send`] allows: for tests of what hangs.
    pub fn patience(self, most: Duration) -> Http {
        Http { patience: most, ..self }
    }

    /// Sends one request and reads its answer, all within `answer_within`. The content-length is set here.
    ///
    /// # Errors
    /// No whole answer came.
    pub async fn send(&self, request: Request<Vec<Bytes>>, answer_within: Duration) -> Result<Answer, Trouble> {
        let at = authority(&request);
        let answer_within = answer_within.min(self.patience);
        match tokio::time::timeout(answer_within, self.exchange(request, &at)).await {
            Ok(done) => done,
            Err(_) => Err(Trouble::timeout(&at, answer_within)),
        }
    }

    async fn exchange(&self, request: Request<Vec<Bytes>>, at: &str) -> Result<Answer, Trouble> {
        let (mut parts, chunks) = request.into_parts();
        let body = Chunks::new(chunks);
        if body.left > 0 || !matches!(parts.method, Method::GET | Method::HEAD | Method::DELETE) {
            parts.headers.insert(header::CONTENT_LENGTH, body.left.into());
        }
        let sent = self.client.request(Request::from_parts(parts, body)).await;
        let (head, body) = sent.map_err(|e| Trouble::of_request(at, &e))?.into_parts();
        let body = match Limited::new(body, LARGEST_ANSWER).collect().await {
            Ok(body) => body.to_bytes(),
            Err(e) if e.is::<LengthLimitError>() => return Err(Trouble::answer_too_large(at, LARGEST_ANSWER)),
            Err(e) => return Err(Trouble::of_answer(at, e.as_ref())),
        };
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }
}

/// `scheme://host:port`, for people.
fn authority<B>(request: &Request<B>) -> String {
    let uri = request.uri();
    format!("{}://{}", uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |a| a.as_str()))
}

fn tls(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS cannot be set up: {e}"))?;
    let verifier: Arc<dyn ServerCertVerifier> = match ca_file {
        None => Arc::new(Roots::of_system(provider)),
        Some(file) => {
            let wrong = |e| format!("ca_file {}: a certificate in it cannot be used: {e}", file.display());
            Arc::new(Roots::with(certificates(file)?, provider).map_err(wrong)?)
        }
    };
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The certificates of a PEM file: at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |cause: &dyn std::fmt::Display| format!("ca_file {}: {cause}", file.display());
    // Read first: "no such file" and "not PEM" are different mistakes.
    let pem = std::fs::read(file).map_err(|e| wrong(&e))?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|e| wrong(&e))?;
    if found.is_empty() {
        return Err(wrong(&"no certificate in it (PEM, `-----BEGIN CERTIFICATE-----`)"));
    }
    Ok(found)
}

/// A request body in the chunks it lies in.
struct Chunks {
    chunks: std::vec::IntoIter<Bytes>,
    left: u64,
}

impl Chunks {
    fn new(mut chunks: Vec<Bytes>) -> Chunks {
        chunks.retain(|chunk| !chunk.is_empty());
        let left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Chunks { chunks: chunks.into_iter(), left }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let next = self.chunks.next();
        if let Some(chunk) = &next {
            self.left = self.left.saturating_sub(chunk.len() as u64);
        }
        Poll::Ready(next.map(|chunk| Ok(Frame::data(chunk))))
    }
    fn is_end_stream(&self) -> bool {
        self.left == 0
    }
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Connects within [`CONNECT`], TLS included: the connector below bounds only TCP.
#[derive(Clone, Debug)]
struct Dial {
    https: HttpsConnector<HttpConnector>,
}

/// Marks a connection that did not come about in time, so that [`Trouble`] can tell.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {} s", CONNECT.as_secs())]
struct ConnectTimeout;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Service<http::Uri> for Dial {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.https.poll_ready(cx)
    }
    fn call(&mut self, to: http::Uri) -> Self::Future {
        let dialled = self.https.call(to);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT, dialled).await {
                Ok(stream) => stream,
                Err(_) => Err(ConnectTimeout.into()),
            }
        })
    }
}

#[cfg(test)]
mod tests;
