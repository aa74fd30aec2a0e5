//! One GET at the API server or at kubelet, with timeouts and bounds. Everything that is sent and comes back is counted
//! here.
//!
//! Credentials are replaced on disk while we run: an answer that denies us is asked for once more with what is there now,
//! before anybody hears of it.

use super::access::{self, Access, Trust};
use super::client::Client;
use super::tell::Tell;
use super::trouble::Trouble;
use super::wire;
use http::{Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The server's address and our credentials are found within this time.
const INFER_WITHIN: Duration = Duration::from_secs(30);
/// Credentials that end in so many seconds are replaced before they are used again.
const ENDS_SOON: i64 = 60;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// This node's pods.
    List,
    /// Their changes.
    Watch,
    /// A namespace's labels.
    Namespace,
    /// This node's labels.
    Node,
    /// Kubelet's pods.
    Kubelet,
}

impl What {
    /// Metric label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            What::List => "list",
            What::Watch => "watch",
            What::Namespace => "namespace",
            What::Node => "node",
            What::Kubelet => "kubelet",
        }
    }

    /// Who is asked.
    pub(super) fn server(self) -> &'static str {
        match self {
            What::List | What::Watch | What::Namespace | What::Node => "the API server",
            What::Kubelet => "kubelet",
        }
    }

    /// Resource and verbs of the rule that allows it.
    pub(super) fn right(self) -> (&'static str, &'static str) {
        match self {
            What::List | What::Watch => ("pods", "\"list\", \"watch\""),
            What::Namespace => ("namespaces", "\"get\""),
            What::Node => ("nodes", "\"get\""),
            What::Kubelet => ("nodes/pods", "\"get\""),
        }
    }

    /// Of namespaces and nodes only their metadata is sent: a node's status is 20 KB.
    fn accept(self) -> &'static str {
        match self {
            What::List | What::Watch | What::Kubelet => "application/json",
            What::Namespace | What::Node => {
                "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
            }
        }
    }
}

/// Where the API server is.
#[derive(Clone, Debug)]
pub enum Api {
    /// The cluster that we run in, else what KUBECONFIG (or ~/.kube/config) says.
    Infer,
    /// There.
    At(Box<Access>),
}

/// Where this node's kubelet is.
#[derive(Clone, Debug)]
pub struct Kubelet {
    /// `https://HOST:PORT`.
    pub url: String,
    /// Who signed its certificate; else the cluster's authority.
    pub ca_file: Option<PathBuf>,
    /// Its certificate is checked.
    pub verify: bool,
}

/// Whom requests go to.
#[derive(Clone, Debug)]
pub(super) enum To {
    Api(Api),
    /// This node's kubelet, with the credentials for that API server.
    Kubelet(Api, Kubelet, Arc<str>),
}

/// Sends requests, one after the other.
pub(super) struct Asker {
    to: To,
    client: Option<Client>,
    /// From a request to the head of its answer, and for each further piece.
    limit: Duration,
    tell: Arc<Tell>,
}

impl Asker {
    pub(super) fn new(to: To, limit: Duration, tell: Arc<Tell>) -> Asker {
        Asker { to, client: None, limit, tell }
    }

    /// The head of a good answer, or why there is none.
    pub(super) async fn get(&mut self, what: What, uri: &str) -> Result<Response<Incoming>, Trouble> {
        let fresh = self.client.is_none();
        let trouble = match self.send(what, uri).await {
            Err(trouble) if trouble.again_from_scratch => trouble,
            other => return other,
        };
        // Credentials and addresses may have changed: look for them again.
        self.client = None;
        if fresh || !trouble.denied {
            return Err(trouble);
        }
        self.tell.failed(&trouble.code);
        let answer = self.send(what, uri).await;
        if answer.as_ref().is_err_and(|trouble| trouble.again_from_scratch) {
            self.client = None;
        }
        answer
    }

    async fn send(&mut self, what: What, uri: &str) -> Result<Response<Incoming>, Trouble> {
        let soon = self.tell.unix().saturating_add(ENDS_SOON);
        let client = match self.client.take().filter(|client| !client.ends_before(soon)) {
            Some(client) => self.client.insert(client),
            None => self.client.insert(connect(&self.to).await.map_err(|why| Trouble::config(&why))?),
        };
        self.tell.asked(what);
        let sent = timeout(self.limit, client.get(uri, what.accept())).await;
        let response = sent.map_err(|_| Trouble::slow(what, self.limit))?;
        let response = response.map_err(|e| Trouble::unsent(what, &e))?;
        let code = response.status();
        if code.is_success() {
            return Ok(response);
        }
        let wish = response.headers().get(header::RETRY_AFTER).and_then(|v| wire::retry_after(v.to_str().ok()?));
        // A code without its text is worth as much.
        let text = self.collect(what, response.into_body(), wire::ERROR_BYTES_MAX).await.unwrap_or_default();
        Err(Trouble::status(what, code.as_u16(), &wire::status(&text).1, wish))
    }

    /// A whole body, at most `most` bytes, each piece within the limit.
    pub(super) async fn collect(&self, what: What, mut body: Incoming, most: usize) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        let slow = |_| Trouble::slow(what, self.limit);
        while let Some(frame) = timeout(self.limit, body.frame()).await.map_err(slow)? {
            let data = frame.map_err(|e| Trouble::broken(what, e))?.into_data().unwrap_or_default();
            self.tell.received(data.len());
            if bytes.len().saturating_add(data.len()) > most {
                return Err(Trouble::odd(format!("an answer of more than {most} bytes")));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    }
}

/// Finding the server and reading its credentials may fail and be tried again.
async fn connect(to: &To) -> Result<Client, String> {
    let (To::Api(api) | To::Kubelet(api, _, _)) = to;
    let mut access = match api {
        Api::At(access) => (**access).clone(),
        Api::Infer => {
            // Reads files, and may wait for a program.
            let found = timeout(INFER_WITHIN, tokio::task::spawn_blocking(Access::infer)).await;
            let late = |_| format!("no credentials within {} s", INFER_WITHIN.as_secs());
            found.map_err(late)?.map_err(|e| e.to_string())??
        }
    };
    if let To::Kubelet(_, kubelet, node) = to {
        access.url = kubelet.url.parse().map_err(|e| format!("{}: {e}", kubelet.url))?;
        match &kubelet.ca_file {
            _ if !kubelet.verify => access.trust = Trust::Anybody,
            Some(file) => access.trust = Trust::These(access::certificates_in(file)?),
            None => {}
        }
        // Kubelet's certificate names the node and its addresses, never the loopback.
        let host = access.url.host().unwrap_or_default();
        access.server_name = matches!(host, "127.0.0.1" | "[::1]" | "localhost").then(|| node.to_string());
    }
    Client::new(access)
}
