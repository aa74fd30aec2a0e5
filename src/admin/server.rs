//! The admin HTTP server: HTTP/1.1, one request a connection, at most [`CONNECTIONS_MAX`] at once.
//!
//! Edge. `POST /drain` is the only request that does anything: it is handed on once it is answered. A peer that is slow to ask or to read is cut off; bodies are not read. It runs on the runtime of the senders: when
//! that is stuck, `/livez` does not answer, which is the truth.

use super::answer;
use crate::record::Now;
use crate::telemetry::board::Board;
use crate::telemetry::process;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// Connections at once; further ones wait to be accepted.
pub const CONNECTIONS_MAX: usize = 64;
/// From connecting to the end of the request's head. Tests have not the time to wait for it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });
/// From connecting to the end of the answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// After a failed accept (no more file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Why the address cannot be listened on, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("admin: cannot listen on {address}: {cause}; {advice}")]
pub struct BindError {
    /// As configured.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub cause: io::Error,
    /// What to type.
    pub advice: String,
}

impl BindError {
    fn new(address: SocketAddr, cause: io::Error) -> Self {
        let port = address.port();
        let other = SocketAddr::new(address.ip(), port.checked_add(1).unwrap_or(9780));
        let choose =
            format!("choose another with `admin: {{listen: \"{other}\"}}`, or none with `admin: {{listen: \"none\"}}`");
        let kind = cause.kind();
        let advice = if kind == io::ErrorKind::AddrInUse {
            format!("another program has this port (`ss -ltnp 'sport = :{port}'` names it): {choose}")
        } else if kind == io::ErrorKind::AddrNotAvailable {
            format!(
                "this host has no such address: `127.0.0.1:{port}` is for this host alone, `0.0.0.0:{port}` for all"
            )
        } else if kind == io::ErrorKind::PermissionDenied {
            format!("this user may not have this port: {choose}")
        } else {
            choose
        };
        BindError { address, cause, advice }
    }

    /// Somebody else has the port: a process that stands by tries again.
    pub fn in_use(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }
}

/// A port that is listened on and not yet served.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the port. Needs no runtime.
    pub fn bind(address: SocketAddr) -> Result<Server, BindError> {
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(Server { address: listener.local_addr()?, listener })
        });
        bound.map_err(|cause| BindError::new(address, cause))
    }

    /// The address with its port, also when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is dropped; returns only when the listener cannot be handed to the runtime. `drain` is told of
    /// each `POST /drain` that may.
    pub async fn serve<C>(self, board: Arc<Board>, clock: C, drain: Arc<Notify>) -> io::Result<Infallible>
    where
        C: Fn() -> Now + Clone + Send + Sync + 'static,
    {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            // Never closed, so never an error; if it were, connections would be unbounded rather than refused.
            let permit = room.clone().acquire_owned().await.ok();
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "the admin port could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (board, clock, drain) = (board.clone(), clock.clone(), drain.clone());
            tokio::spawn(async move {
                let asked = AtomicBool::new(false);
                let service = hyper::service::service_fn(|request| {
                    let response = respond(&request, peer.ip(), &asked, &board, clock());
                    async move { Ok::<_, Infallible>(response) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_TIMEOUT)
                    .keep_alive(false)
                    .max_buf_size(16 << 10)
                    .serve_connection(TokioIo::new(stream), service);
                // What goes wrong with one peer concerns nobody else.
                drop(tokio::time::timeout(CONNECTION_TIMEOUT, connection).await);
                drop(permit);
                // Only now: the process may end at once, and the answer is out.
                if asked.into_inner() {
                    drain.notify_one();
                }
            });
        }
    }
}

fn respond(
    request: &Request<Incoming>,
    peer: IpAddr,
    asked: &AtomicBool,
    board: &Board,
    now: Now,
) -> Response<Full<Bytes>> {
    let (method, path) = (request.method(), request.uri().path());
    let read = *method == Method::GET || *method == Method::HEAD;
    let answer = if path == "/drain" && *method == Method::POST {
        let (answer, drain) = answer::drain(peer, request.headers().contains_key(header::ORIGIN));
        asked.fetch_or(drain, Ordering::Relaxed);
        answer
    } else if path == "/drain" || !read {
        let allow = if path == "/drain" { "POST" } else { "GET, HEAD" };
        let mut response = Response::new(Full::from(format!("only {allow}\n")));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        return response;
    } else {
        board.process(process::read());
        answer::get(path, &board.snapshot(), now)
    };
    // hyper leaves the body of an answer to HEAD out and keeps its length.
    let mut response = Response::new(Full::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
