//! Instance metadata for one test.

use tailrace::standin::identity::{Options, issuer::Issuer};
use tailrace::standin::{self, Standin, Which};

pub struct Metadata {
    pub standin: Standin,
    _runtime: tokio::runtime::Runtime,
}

impl Metadata {
    /// Of an instance of this kind (`spot`, `on-demand`).
    pub fn start(kind: &str) -> Metadata {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = Options::new(Issuer::new(std::time::Duration::from_secs(3_600)));
        let standin = standin::start(runtime.handle(), Which::Identity(options), standin::Options::default()).unwrap();
        let it = Metadata { standin, _runtime: runtime };
        it.page("instance-life-cycle", kind);
        it
    }
    /// This page is there from now on.
    pub fn page(&self, path: &str, text: &str) {
        self.standin.control.identity().unwrap().imds().set(path, text);
    }
    /// Tokens that were handed out are over.
    pub fn end_tokens(&self) {
        self.standin.control.identity().unwrap().imds().end_tokens();
    }
    /// Questions (`ImdsToken`, `ImdsPage`) that ended so (a status, `hang`).
    pub fn asked(&self, operation: &str, outcome: &str) -> u64 {
        self.standin.control.requests_of(operation, outcome)
    }
    /// All questions.
    pub fn asked_at_all(&self) -> u64 {
        self.standin.control.requests().values().sum()
    }
}
