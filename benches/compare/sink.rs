//! The counting sink: the stand-ins in `count_only` mode, behind TLS with a certificate made for this run.

use std::path::Path;
use std::sync::Arc;
use tailrace::standin::{self, Options, Standin, Which, cloudwatch, opensearch, s3};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

pub struct Sink {
    pub port: u16,
    standin: Standin,
    _runtime: tokio::runtime::Runtime,
}

impl Sink {
    pub fn start(output: &str, tls: bool, dir: &Path) -> Sink {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let standin = standin(output, &runtime);
        let port = if tls { behind_tls(&runtime, &standin, dir) } else { standin.addr.port() };
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

/// TLS with a certificate made now, whose authority is `ca.pem` in `dir`.
pub fn acceptor(dir: &Path) -> TlsAcceptor {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_string(), "127.0.0.1".to_string()]).unwrap();
    std::fs::write(dir.join("ca.pem"), certified.cert.pem()).unwrap();
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn behind_tls(runtime: &tokio::runtime::Runtime, standin: &Standin, dir: &Path) -> u16 {
    let acceptor = acceptor(dir);
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let control = standin.control.clone();
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, control) = (acceptor.clone(), control.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    control.serve(stream).await;
                }
            });
        }
    });
    port
}
