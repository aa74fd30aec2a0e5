//! Connections, the order in which a request is judged (reset, body, signature, faults, work), and `/_standin/`.

use super::cloudwatch::CloudWatch;
use super::fault::{Act, Fault, FaultId, Faults, Items, Rule};
use super::identity::Identity;
use super::opensearch::OpenSearch;
use super::receipts::Receipts;
use super::request::{Answer, Head};
use super::rights::{self, Guard};
use super::s3::S3;
use super::service::{Operation, Service};
use super::wire::{Cut, Wire};
use super::{Clock, Options, Which, sigv4};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Connections served at a time; more wait in the listener's queue.
const CONNECTIONS: usize = 1_024;

/// Locks; a panic elsewhere does not make the numbers worse.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request, as it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Operation.
    pub operation: &'static str,
    /// Group, key or index, where known.
    pub place: Option<String>,
    /// Status, or `reset`, `lost`, `hang`.
    pub outcome: String,
    /// Body bytes as sent.
    pub wire_bytes: usize,
    /// Access key id that signed it.
    pub caller: Option<String>,
}

#[derive(Debug, Default)]
struct Log {
    counts: BTreeMap<(&'static str, String), u64>,
    recent: VecDeque<Seen>,
    unauthorized: u64,
}

#[derive(Debug)]
struct Shared {
    service: Service,
    guard: Option<(Guard, String)>,
    clock: Clock,
    faults: Mutex<Faults>,
    log: Mutex<Log>,
    receipts: Receipts,
}

/// A stand-in's handle; clones share it.
#[derive(Clone, Debug)]
pub struct Control(Arc<Shared>);

impl Control {
    pub(super) fn new(which: Which, options: Options) -> Control {
        let receipts = Receipts::new(options.max_ids, options.keep_records);
        let guard = options.guard.clone().map(|guard| (guard, options.region.clone()));
        let clock = options.clock.clone();
        let service = Service::new(which, options, receipts.clone());
        Control(Arc::new(Shared { service, guard, clock, faults: Mutex::default(), log: Mutex::default(), receipts }))
    }
    /// Sets a fault.
    pub fn fault(&self, rule: Rule) -> FaultId {
        lock(&self.0.faults).add(rule)
    }
    /// Takes one fault away; false when it was not there.
    pub fn remove_fault(&self, id: FaultId) -> bool {
        lock(&self.0.faults).remove(id)
    }
    /// Takes all faults away.
    pub fn clear_faults(&self) {
        lock(&self.0.faults).clear();
    }
    /// The faults that are set, and how often each hit.
    pub fn faults(&self) -> Vec<(FaultId, Rule, u64)> {
        lock(&self.0.faults).list()
    }
    /// What was taken in.
    pub fn receipts(&self) -> &Receipts {
        &self.0.receipts
    }
    /// Requests by operation and outcome (status, or `reset`, `lost`, `hang`).
    pub fn requests(&self) -> BTreeMap<(&'static str, String), u64> {
        lock(&self.0.log).counts.clone()
    }
    /// Requests of one operation with one outcome.
    pub fn requests_of(&self, operation: &str, outcome: &str) -> u64 {
        let log = lock(&self.0.log);
        log.counts.iter().filter(|((op, out), _)| *op == operation && out == outcome).map(|(_, n)| n).sum()
    }
    /// Requests that were refused for their signature, credentials or date.
    pub fn unauthorized(&self) -> u64 {
        lock(&self.0.log).unauthorized
    }
    /// The last requests, oldest first; at most 1,000.
    pub fn recent(&self) -> Vec<Seen> {
        lock(&self.0.log).recent.iter().cloned().collect()
    }
    /// CloudWatch's groups and streams, when this is one.
    pub fn cloudwatch(&self) -> Option<&CloudWatch> {
        if let Service::CloudWatch(it) = &self.0.service { Some(it) } else { None }
    }
    /// S3's buckets, when this is one.
    pub fn s3(&self) -> Option<&S3> {
        if let Service::S3(it) = &self.0.service { Some(it) } else { None }
    }
    /// OpenSearch's indices, when this is one.
    pub fn opensearch(&self) -> Option<&OpenSearch> {
        if let Service::OpenSearch(it) = &self.0.service { Some(it) } else { None }
    }
    /// Who hands out credentials, when this is that.
    pub fn identity(&self) -> Option<&Identity> {
        if let Service::Identity(it) = &self.0.service { Some(it) } else { None }
    }
    /// Serves one connection to its end: for streams that were accepted elsewhere (TLS). A reset is a plain close here.
    pub async fn serve<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, io: I) {
        self.serve_with(io, Cut::default()).await;
    }
    async fn serve_with<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, io: I, cut: Cut) {
        let service = service_fn(move |request| answer(self.clone(), cut.clone(), request));
        let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service).await;
        // Ended by the client, or by a fault: both are business as usual here.
        served.unwrap_or_default();
    }
    fn saw(&self, head: &Head, operation: &Operation, outcome: &str, wire_bytes: usize) {
        let mut log = lock(&self.0.log);
        *log.counts.entry((operation.name, outcome.to_owned())).or_insert(0) += 1;
        if log.recent.len() >= 1_000 {
            log.recent.pop_front();
        }
        let (operation, place, outcome) = (operation.name, operation.place.clone(), outcome.to_owned());
        let caller = sigv4::caller(head).map(str::to_owned);
        log.recent.push_back(Seen { operation, place, outcome, wire_bytes, caller });
    }
}

/// Accepts until aborted; aborting it ends its connections too.
pub(super) async fn accept(listener: TcpListener, control: Control) {
    let mut open = JoinSet::new();
    loop {
        while open.try_join_next().is_some() {}
        if open.len() >= CONNECTIONS {
            open.join_next().await;
            continue;
        }
        let Ok((stream, _)) = listener.accept().await else {
            // Out of handles: give the connections that are open a moment to end.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            continue;
        };
        let control = control.clone();
        open.spawn(async move {
            let cut = Cut::default();
            if let Ok(wire) = Wire::new(stream, cut.clone()) {
                control.serve_with(wire, cut).await;
            }
        });
    }
}

/// The connection ends here, without an answer.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closed by a fault")
    }
}

impl std::error::Error for Closed {}

async fn answer(control: Control, cut: Cut, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Closed> {
    let (parts, body) = request.into_parts();
    let head = Head::new(&parts);
    let own = head.path.strip_prefix("/_standin/").map(str::to_owned);
    let mut operation = control.0.service.operation(&head);
    if own.is_none() && lock(&control.0.faults).before_body(&operation.facts(0)) {
        control.saw(&head, &operation, "reset", 0);
        cut.reset();
        return Err(Closed);
    }
    let body = match Limited::new(body, control.0.service.most_bytes()).collect().await {
        Ok(body) => body.to_bytes(),
        Err(e) if e.is::<LengthLimitError>() => {
            control.saw(&head, &operation, "413", 0);
            return Ok(control.response(control.0.service.too_large()));
        }
        Err(_) => return Err(Closed),
    };
    if let Some(page) = own {
        return Ok(control.response(super::manage::answer(&control, &page, &head.method, &body)));
    }
    let wire = body.len();
    match judge(&control, &head, &body, &mut operation) {
        Err(refused) => {
            control.saw(&head, &operation, &refused.status.to_string(), wire);
            Ok(control.response(refused))
        }
        Ok((plain, act)) => end(&control, &cut, &head, &operation, plain, wire, act).await,
    }
}

/// Signature first, then the body's encoding, then which faults hit.
fn judge<'a>(
    control: &Control,
    head: &Head,
    body: &'a Bytes,
    operation: &mut Operation,
) -> Result<(Cow<'a, [u8]>, Act), Answer> {
    let service = &control.0.service;
    if let Err(refused) = service.authorize(head, body) {
        lock(&control.0.log).unauthorized += 1;
        return Err(refused);
    }
    let plain = service.plain(head, body)?;
    if let Some((guard, region)) = &control.0.guard
        && !rights::of(service, region, head, operation, &plain).iter().all(|right| (guard.0)(right))
    {
        return Err(service.deny(operation));
    }
    let mut faults = lock(&control.0.faults);
    if faults.want_place() && operation.place.is_none() {
        operation.place = service.place(&plain);
    }
    let act = faults.after_body(&operation.facts(plain.len()));
    Ok((plain, act))
}

async fn end(
    control: &Control,
    cut: &Cut,
    head: &Head,
    operation: &Operation,
    plain: Cow<'_, [u8]>,
    wire: usize,
    mut act: Act,
) -> Result<Response<Full<Bytes>>, Closed> {
    if !act.slow.is_zero() {
        tokio::time::sleep(act.slow).await;
    }
    let service = &control.0.service;
    let ending = act.end.take();
    let mut work = || service.handle(head, operation, &plain, wire, act.items.as_mut());
    let answer = match ending {
        None => work(),
        Some(Fault::Status { code, error, retry_after }) => {
            let refused = service.refuse(code, &error, "injected by a fault");
            match retry_after {
                Some(seconds) => refused.with("retry-after", seconds.to_string()),
                None => refused,
            }
        }
        // OpenSearch says item by item that an index may not be written.
        Some(Fault::Deny) if operation.name == "_bulk" => {
            service.handle(head, operation, &plain, wire, Some(&mut Items::all(403, "security_exception")))
        }
        Some(Fault::Deny) => service.deny(operation),
        Some(Fault::TooLarge { .. }) => service.too_large(),
        Some(Fault::ErrorInOk { error }) => {
            Answer { status: 200, ..service.refuse(200, &error, "injected by a fault") }
        }
        Some(Fault::LoseAnswer) => {
            work();
            control.saw(head, operation, "lost", wire);
            return Err(Closed);
        }
        Some(Fault::ResetAfterBody { done }) => {
            if done {
                work();
            }
            control.saw(head, operation, "reset", wire);
            cut.reset();
            return Err(Closed);
        }
        Some(Fault::Hang { done }) => {
            if done {
                work();
            }
            control.saw(head, operation, "hang", wire);
            std::future::pending::<()>().await;
            return Err(Closed);
        }
        // These never end a request: `fault` sorts them elsewhere.
        Some(Fault::ResetBeforeBody | Fault::Slow { .. } | Fault::PartialItems { .. }) => work(),
    };
    control.saw(head, operation, &answer.status.to_string(), wire);
    Ok(control.response(answer))
}

impl Control {
    fn response(&self, answer: Answer) -> Response<Full<Bytes>> {
        let mut builder = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            builder = builder.header(name, value);
        }
        // By the service's clock, not by the machine's.
        let now = jiff::Timestamp::from_second(self.0.clock.unix_ns() / 1_000_000_000).unwrap_or_default();
        builder = builder.header(http::header::DATE, now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        builder.body(Full::new(Bytes::from(answer.body))).unwrap_or_else(|_| {
            let mut broken = Response::new(Full::new(Bytes::from_static(b"stand-in: answer could not be built")));
            *broken.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
            broken
        })
    }
}
