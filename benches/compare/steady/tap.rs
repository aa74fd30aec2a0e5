//! A destination that looks at what it is sent: TLS, the time of receipt, then the stand-in in counting mode, which
//! answers. What was received is decoded on a thread of its own, for numbers and times of lines. It can stall.

use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tailrace::standin::Standin;

/// What came, by the number of its line.
pub struct Received {
    /// How often each line came.
    pub times: Vec<u8>,
    /// Microseconds from write to receipt, of lines written in the window that is measured.
    pub delays: Histogram<u64>,
    /// By second of receipt: the same, of all lines.
    pub by_second: BTreeMap<i64, Histogram<u64>>,
    pub bytes: u64,
}

pub struct Tap {
    pub name: String,
    pub port: u16,
    shared: Arc<Shared>,
    _standin: Standin,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    stalled: AtomicBool,
    requests: AtomicU64,
    window: (AtomicI64, AtomicI64),
    received: Mutex<Received>,
    to: http::uri::Authority,
    client: Client<HttpConnector, Full<Bytes>>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap()
}

impl Tap {
    pub fn start(name: &str, dir: &Path) -> Tap {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let standin = crate::sink::standin(name, &runtime);
        let shared = Arc::new(Shared {
            stalled: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            window: (AtomicI64::new(i64::MAX), AtomicI64::new(i64::MAX)),
            received: Mutex::new(Received {
                times: Vec::new(),
                delays: histogram(),
                by_second: BTreeMap::new(),
                bytes: 0,
            }),
            to: standin.addr.to_string().parse().unwrap(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        });
        let (sender, bodies) = channel::<(i64, Bytes)>();
        let reader = shared.clone();
        std::thread::spawn(move || bodies.into_iter().for_each(|(at, body)| reader.read(at, &body)));
        let acceptor = crate::sink::acceptor(dir);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = shared.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, shared, sender) = (acceptor.clone(), serving.clone(), sender.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| take(shared.clone(), sender.clone(), request));
                    let http = hyper::server::conn::http1::Builder::new();
                    // Ended by the client: business as usual.
                    http.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
                });
            }
        });
        Tap { name: name.into(), port, shared, _standin: standin, _runtime: runtime }
    }
    pub fn stall(&self, on: bool) {
        self.shared.stalled.store(on, Ordering::Release);
    }
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Acquire)
    }
    /// Delays count of lines that were written in this time.
    pub fn measure(&self, from: i64, to: i64) {
        self.shared.window.0.store(from, Ordering::Release);
        self.shared.window.1.store(to, Ordering::Release);
    }
    pub fn with<T>(&self, look: impl FnOnce(&Received) -> T) -> T {
        look(&self.shared.received.lock().unwrap())
    }
    /// Lines below `written` that never came, and how many came more often than once.
    pub fn lost_and_twice(&self, written: u64) -> (u64, u64) {
        self.with(|r| {
            let came = r.times.iter().filter(|n| **n > 0).count() as u64;
            (written.saturating_sub(came), r.times.iter().map(|n| u64::from(n.saturating_sub(1))).sum())
        })
    }
}

async fn take(
    shared: Arc<Shared>,
    sender: Sender<(i64, Bytes)>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    while shared.stalled.load(Ordering::Acquire) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    shared.requests.fetch_add(1, Ordering::AcqRel);
    sender.send((super::node::unix_ns(), body.clone())).unwrap();
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| "/".parse().unwrap());
    parts.uri = http::Uri::builder().scheme("http").authority(shared.to.clone()).path_and_query(path).build().unwrap();
    parts.version = http::Version::HTTP_11;
    let answer = shared.client.request(Request::from_parts(parts, Full::new(body))).await.unwrap();
    let (parts, body) = answer.into_parts();
    Ok(Response::from_parts(parts, Full::new(body.collect().await?.to_bytes())))
}

impl Shared {
    fn read(&self, at: i64, body: &Bytes) {
        let plain = plain(body);
        let mut received = self.received.lock().unwrap();
        received.bytes += body.len() as u64;
        let (from, to) = (self.window.0.load(Ordering::Acquire), self.window.1.load(Ordering::Acquire));
        for found in memchr::memmem::find_iter(&plain, b"tr=") {
            let Some(tag) = plain.get(found..found + 42) else { continue };
            let Some((number, written)) = parse(tag) else { continue };
            let slot = number as usize;
            if received.times.len() <= slot {
                received.times.resize(slot + 1, 0);
            }
            received.times[slot] = received.times[slot].saturating_add(1);
            let delay = ((at - written) / 1_000).max(1) as u64;
            received.by_second.entry(at / 1_000_000_000).or_insert_with(histogram).saturating_record(delay);
            if (from..to).contains(&written) {
                received.delays.saturating_record(delay);
            }
        }
    }
}

/// `tr=` and 16 hexadecimal digits, a space, `at=` and 19 decimal digits.
fn parse(tag: &[u8]) -> Option<(u64, i64)> {
    let text = std::str::from_utf8(tag).ok()?;
    let (number, at) = text.strip_prefix("tr=")?.split_once(" at=")?;
    Some((u64::from_str_radix(number, 16).ok()?, at.parse().ok()?))
}

fn plain(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match body.get(..4) {
        Some([0x1f, 0x8b, ..]) => flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out).unwrap_or(0),
        Some([0x28, 0xb5, 0x2f, 0xfd]) => {
            zstd::stream::read::Decoder::new(body).unwrap().read_to_end(&mut out).unwrap_or(0)
        }
        _ => {
            out.extend_from_slice(body);
            0
        }
    };
    out
}
