//! The counting sink: the stand-ins in `count_only` mode, behind TLS with a certificate made for this run.

#[path = "../../tests/support/accept.rs"]
mod accept;

pub use accept::acceptor;
use std::path::Path;
use tailrace::standin::{self, Options, Standin, Which, cloudwatch, opensearch, s3};

pub struct Sink {
    pub port: u16,
    standin: Standin,
    _runtime: tokio::runtime::Runtime,
}

impl Sink {
    pub fn start(output: &str, tls: bool, dir: &Path) -> Sink {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let standin = standin(output, &runtime);
        let port =
            if tls { accept::before(&runtime, acceptor(dir), standin.control.clone()) } else { standin.addr.port() };
        Sink { port, standin, _runtime: runtime }
    }
    pub fn totals(&self) -> tailrace::standin::receipts::Totals {
        self.standin.control.receipts().totals()
    }
    /// For S3: lines of finished objects.
    pub fn records(&self) -> u64 {
        self.totals().records
    }
    pub fn wire_bytes(&self) -> u64 {
        self.totals().wire_bytes
    }
}

/// The service that answers.
pub fn standin(output: &str, runtime: &tokio::runtime::Runtime) -> Standin {
    let which = match output {
        "cloudwatch" => Which::CloudWatch(cloudwatch::Options::default()),
        "s3" | "s3-gzip" => Which::S3(s3::Options::default()),
        "opensearch" => Which::OpenSearch(opensearch::Options::default()),
        other => panic!("no sink for {other}"),
    };
    let options = Options { count_only: true, keys: None, ..Options::default() };
    standin::start(runtime.handle(), which, options).unwrap()
}
