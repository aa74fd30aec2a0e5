//! Follows this node's pods at the API server and keeps the table of [`Pods`] right.
//!
//! Edge: runs on a tokio runtime until it is dropped. [`plan`] decides what is asked and when; here it is asked, through
//! kube's client (its credentials, its TLS), with our own timeouts and bounds. Only pods of this node are ever asked for.
//! Nothing that the server does or does not do stops anything: what is known stays known, files of pods that are not go
//! on after `metadata.wait` with what their path says, and the state is published.

pub mod plan;
pub mod probe;
#[cfg(test)]
mod tests;
mod trouble;
mod wire;

use super::pod::Pod;
use super::pods::Pods;
use crate::lane::batch::Code;
use crate::record::Now;
use crate::telemetry::board::Board;
use crate::telemetry::report::{MetadataReport, MetadataState};
use http::{Request, Response, header};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::{Client, Config};
use plan::{Ask, Came, Plan, Timing};
use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use trouble::Trouble;
use wire::{Event, Lines};

/// Codes of failures that are counted; a server that invents more is not followed in that.
const CODES_MAX: usize = 64;

/// While the first request is held back: how often a missed pod is looked for. Only in the first half minute.
const HOLD_STEP: Duration = Duration::from_millis(100);

/// Where the API server is.
#[derive(Clone, Debug)]
pub enum Api {
    /// The cluster that we run in, else what KUBECONFIG (or ~/.kube/config) says.
    Infer,
    /// There.
    At(Box<Config>),
}

/// What to follow, and who is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where.
    pub api: Api,
    /// `spec.nodeName` of the pods.
    pub node: Arc<str>,
    /// Annotations to keep: those of all inputs together.
    pub annotations: Vec<String>,
    /// Pauses and timeouts.
    pub timing: Timing,
}

/// The follower; `C` reads the clock.
pub struct Watch<C> {
    settings: Settings,
    clock: C,
    pods: Arc<Pods>,
    board: Arc<Board>,
    report: MetadataReport,
}

impl<C: Fn() -> Now> Watch<C> {
    /// An error names what is wrong with the node's name: without a name it would be the whole cluster's pods.
    pub fn new(settings: Settings, pods: Arc<Pods>, board: Arc<Board>, clock: C) -> Result<Self, String> {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if settings.node.is_empty() || !settings.node.chars().all(good) {
            return Err(format!(
                "`{}` is no node's name: set NODE_NAME (from spec.nodeName) or the key `node`",
                settings.node.escape_debug()
            ));
        }
        Ok(Watch { settings, clock, pods, board, report: MetadataReport::default() })
    }

    /// Follows for ever. `cached`: the table holds pods of an earlier life, so there is no hurry until one is missed.
    pub async fn run(mut self, cached: bool) -> Infallible {
        let mut plan = Plan::new(self.settings.timing, RandomState::new().build_hasher().finish());
        let mut client: Option<Client> = None;
        self.publish();
        self.hold_back(plan.start(cached)).await;
        loop {
            let wait = match self.step(&mut client, &mut plan).await {
                Ok(came) => plan.came(came),
                Err(trouble) => {
                    // Credentials and addresses may have changed: look for them again.
                    if trouble.again_from_scratch {
                        client = None;
                    }
                    let (busy, wish) = (trouble.busy, trouble.wish);
                    self.failing(trouble);
                    plan.came(Came::Failed { busy, wish })
                }
            };
            self.publish();
            sleep(wait).await;
        }
    }

    /// Waits so long, but no longer once a file waits for a pod that the cache does not know.
    async fn hold_back(&self, most: Duration) {
        let until = (self.clock)().mono.saturating_add(most);
        while !self.pods.is_missed() {
            let left = until.saturating_sub((self.clock)().mono);
            if left.is_zero() {
                return;
            }
            sleep(left.min(HOLD_STEP)).await;
        }
    }

    async fn step(&mut self, client: &mut Option<Client>, plan: &mut Plan) -> Result<Came, Trouble> {
        let client = match client {
            Some(client) => client,
            None => client.insert(connect(&self.settings.api).await?),
        };
        let answer = match plan.ask() {
            Ask::List { cached } => self.list(client, cached).await,
            Ask::Watch { from } => self.watch(client, from, plan).await,
        };
        match answer {
            Err(trouble) if trouble.gone => Ok(Came::Gone),
            Ok(came) => Ok(came),
            Err(trouble) => Err(trouble),
        }
    }

    async fn list(&mut self, client: &Client, cached: bool) -> Result<Came, Trouble> {
        let version = if cached { "&resourceVersion=0" } else { "" };
        let body = self.ask(client, version).await?.into_body();
        let bytes = collect(body, wire::LIST_BYTES_MAX, self.settings.timing.answer).await?;
        let list = wire::list(&bytes, &self.settings.annotations).map_err(Trouble::odd)?;
        drop(bytes);
        self.report.unreadable += list.unreadable;
        self.report.lists += 1;
        let pods: Vec<Pod> = list.pods.into_iter().filter(|pod| self.is_ours(pod)).collect();
        if pods.is_empty() {
            // Where we run as a pod there is at least that one.
            tracing::warn!(node = %self.settings.node, "the API server knows no pods of this node: is NODE_NAME set from spec.nodeName?");
        }
        self.pods.replace(pods);
        self.well();
        Ok(Came::Listed { version: list.version })
    }

    async fn watch(&mut self, client: &Client, from: String, plan: &mut Plan) -> Result<Came, Trouble> {
        let Timing { watch, silence, answer, .. } = self.settings.timing;
        let ends = watch.as_secs().max(1);
        let query = format!("&watch=1&allowWatchBookmarks=true&timeoutSeconds={ends}&resourceVersion={from}");
        let mut body = self.ask(client, &query).await?.into_body();
        self.report.watches += 1;
        self.well();
        self.publish();
        let began = (self.clock)().mono;
        let (mut lines, mut reached) = (Lines::default(), from);
        loop {
            let lasted = (self.clock)().mono.saturating_sub(began);
            // The server ends the watch; should it not, we do.
            let left = watch.saturating_add(answer).saturating_sub(lasted);
            let ended = Came::Ended { after: lasted, version: reached.clone() };
            let data = match timeout(silence.min(left), body.frame()).await {
                Err(_) | Ok(None) => return Ok(ended),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(Some(Err(error))) => {
                    // Nothing to warn of unless the next request fails too.
                    self.count(&Trouble::broken(error).code);
                    return Ok(Came::Broke);
                }
            };
            let mut events = Vec::new();
            lines.push(&data, |line| events.push(wire::event(line, &self.settings.annotations)));
            self.report.unreadable += std::mem::take(&mut lines.too_long);
            let told = !events.is_empty();
            for event in events {
                if let Some(version) = self.apply(event)? {
                    plan.reached(version.clone());
                    reached = version;
                }
            }
            if told {
                self.publish();
            }
        }
    }

    /// Takes one event in and gives the version it carries the watch to.
    fn apply(&mut self, event: Event) -> Result<Option<String>, Trouble> {
        let version = match event {
            Event::Put(pod, version) => {
                self.report.events += 1;
                if self.is_ours(&pod) {
                    self.pods.put(*pod);
                }
                version
            }
            Event::Deleted(pod, version) => {
                self.report.events += 1;
                // Its last words tell which containers have ended.
                let uid = pod.uid.clone();
                if self.is_ours(&pod) {
                    self.pods.put(*pod);
                }
                self.pods.deleted(&uid);
                version
            }
            Event::Bookmark(version) => version,
            Event::Error(code, message) => return Err(Trouble::status(code, &message, None)),
            Event::Unreadable => {
                self.report.unreadable += 1;
                None
            }
        };
        Ok(version.filter(|v| !v.is_empty()))
    }

    /// The selector sees to it; a server or proxy that ignores it must not fill the table.
    fn is_ours(&self, pod: &Pod) -> bool {
        *pod.node == *self.settings.node
    }

    /// Sends a GET for this node's pods; the head of a good answer, or why there is none.
    async fn ask(&self, client: &Client, query: &str) -> Result<Response<Body>, Trouble> {
        let uri = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}{query}", self.settings.node);
        let request = Request::get(uri)
            .header(header::USER_AGENT, concat!("tailrace/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(|e| Trouble::odd(e.to_string()))?;
        let limit = self.settings.timing.answer;
        let response = timeout(limit, client.send(request)).await.map_err(|_| Trouble::slow(limit))?;
        let response = response.map_err(|e| Trouble::unsent(&e))?;
        let code = response.status();
        if code.is_success() {
            return Ok(response);
        }
        let wish = response.headers().get(header::RETRY_AFTER).and_then(|v| wire::retry_after(v.to_str().ok()?));
        // A code without its text is worth as much.
        let text = collect(response.into_body(), wire::ERROR_BYTES_MAX, limit).await.unwrap_or_default();
        Err(Trouble::status(code.as_u16(), &wire::status(&text).1, wish))
    }

    fn well(&mut self) {
        let state = self.report.state;
        if state != MetadataState::Watching {
            self.report.state = MetadataState::Watching;
            self.report.since = (self.clock)().unix_ns;
            self.report.trouble = None;
            tracing::info!(node = %self.settings.node, pods = self.pods.counts().0, "following the pods of this node");
        }
    }

    fn failing(&mut self, trouble: Trouble) {
        let known = self.report.trouble.as_ref().is_some_and(|(code, _)| *code == trouble.code);
        self.count(&trouble.code);
        if self.report.state != MetadataState::Failing {
            self.report.state = MetadataState::Failing;
            self.report.since = (self.clock)().unix_ns;
        }
        if !known {
            tracing::warn!(code = %trouble.code, error = %trouble.say, "cannot follow the pods of this node; log files go on");
        }
        self.report.trouble = Some((trouble.code, trouble.say));
    }

    fn count(&mut self, code: &Code) {
        if self.report.failures.len() < CODES_MAX || self.report.failures.contains_key(code) {
            *self.report.failures.entry(code.clone()).or_default() += 1;
        }
    }

    fn publish(&mut self) {
        (self.report.pods, self.report.deleted, self.report.shed) = self.pods.counts();
        self.report.bytes = self.pods.cost();
        self.board.metadata(self.report.clone());
    }
}

/// A client with none of kube's own retries; finding the server and reading its credentials may fail and be tried again.
async fn connect(api: &Api) -> Result<Client, Trouble> {
    let mut config = match api {
        Api::At(config) => (**config).clone(),
        Api::Infer if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
            Config::incluster().map_err(|e| Trouble::config(&e))?
        }
        Api::Infer => Config::from_kubeconfig(&Default::default()).await.map_err(|e| Trouble::config(&e))?,
    };
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).map_err(|e| Trouble::config(&e))
}

/// A whole body, at most `most` bytes, each piece within `limit`.
async fn collect(mut body: Body, most: usize, limit: Duration) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    while let Some(frame) = timeout(limit, body.frame()).await.map_err(|_| Trouble::slow(limit))? {
        let data = frame.map_err(Trouble::broken)?.into_data().unwrap_or_default();
        if bytes.len().saturating_add(data.len()) > most {
            return Err(Trouble::odd(format!("an answer of more than {most} bytes")));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
