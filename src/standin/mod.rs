//! Strict loopback CloudWatch Logs, S3, OpenSearch and who hands out credentials, and a writer like kubelet and
//! containerd: for the demo and the tests.
//!
//! Promises: every documented limit that the agent has to keep is refused as the service refuses it; signatures
//! are recomputed by code of our own; what was taken in is counted record by record, so that an audit can say
//! what was lost or came twice. Faults are programmable, in process and over HTTP (`/_standin/`).
//! Only 127.0.0.1, no TLS: a bench that wants TLS hands its own streams to [`Control::serve`].

pub mod audit;
pub mod cloudwatch;
pub mod fault;
pub mod identity;
mod manage;
pub mod opensearch;
pub mod receipts;
mod request;
pub mod rights;
pub mod rng;
pub mod s3;
mod serve;
mod service;
mod sigv4;
mod wire;
pub mod writer;

pub use fault::{Fault, FaultId, Rule};
pub use receipts::{Receipts, Totals};
pub use serve::{Control, Seen};
pub use sigv4::Keys;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Which service, and what only that service has to be told.
#[derive(Clone, Debug)]
pub enum Which {
    /// CloudWatch Logs, JSON 1.1.
    CloudWatch(cloudwatch::Options),
    /// S3, path style.
    S3(s3::Options),
    /// An OpenSearch node, domain or collection.
    OpenSearch(opensearch::Options),
    /// STS, container credentials and instance metadata.
    Identity(identity::Options),
}

/// What all of them have in common.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may call the AWS services; `None`: signatures are not looked at.
    pub keys: Option<Keys>,
    /// Which rights those have who may call; `None`: all of them.
    pub guard: Option<rights::Guard>,
    /// Instead of `keys`: whoever has credentials that this handed out and that have not ended.
    pub issued: Option<identity::issuer::Issuer>,
    /// The region that a signature's scope has to name.
    pub region: String,
    /// The port; 0 = a free one.
    pub port: u16,
    /// Count items (S3: lines) and bytes only: documents are not parsed, ids not kept, objects not stored. For benches.
    pub count_only: bool,
    /// The last so many records are kept whole, for tests and for people to look at.
    pub keep_records: usize,
    /// Most ids in the receipt table (about 16 bytes each); past it [`Totals::full`] is set and no new id is noted.
    pub max_ids: usize,
    /// Wall clock.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            keys: Some(Keys::demo()),
            guard: None,
            issued: None,
            region: "us-east-1".into(),
            port: 0,
            count_only: false,
            keep_records: 1_000,
            max_ids: 20_000_000,
            clock: Clock::default(),
        }
    }
}

/// Wall clock of a stand-in: nanoseconds since 1970.
#[derive(Clone)]
pub struct Clock(pub Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub fn unix_ns(&self) -> i64 {
        (self.0)()
    }
}

impl Default for Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "a stand-in is the far side of the wire: the service's clock, not the agent's"
    )]
    fn default() -> Self {
        Clock(Arc::new(|| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        }))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A running stand-in; dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Standin {
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// The port.
    pub addr: SocketAddr,
    /// Faults, receipts, counters.
    pub control: Control,
    runtime: tokio::runtime::Handle,
    accept: Option<tokio::task::JoinHandle<()>>,
}

impl Standin {
    /// Closes the port and every connection, until [`Standin::come_back`]. What was taken in stays.
    pub fn go_away(&mut self) {
        if let Some(accept) = self.accept.take() {
            accept.abort();
        }
    }
    /// Listens again, where it did.
    ///
    /// # Errors
    /// When the port is not to be had (yet): it may be tried again.
    pub fn come_back(&mut self) -> io::Result<()> {
        if self.accept.is_none() {
            let listener = listen(&self.runtime, self.addr)?;
            self.accept = Some(self.runtime.spawn(serve::accept(listener, self.control.clone())));
        }
        Ok(())
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.go_away();
    }
}

fn listen(runtime: &tokio::runtime::Handle, addr: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let listener = std::net::TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let _inside = runtime.enter();
    tokio::net::TcpListener::from_std(listener)
}

/// Binds 127.0.0.1 and serves on `runtime` until the result is dropped.
///
/// # Errors
/// When the port cannot be bound.
pub fn start(runtime: &tokio::runtime::Handle, which: Which, options: Options) -> io::Result<Standin> {
    let listener = listen(runtime, SocketAddr::from(([127, 0, 0, 1], options.port)))?;
    let addr = listener.local_addr()?;
    let control = Control::new(which, options);
    let accept = Some(runtime.spawn(serve::accept(listener, control.clone())));
    Ok(Standin { url: format!("http://{addr}"), addr, control, runtime: runtime.clone(), accept })
}
