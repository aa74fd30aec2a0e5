//! This node's pods from the API server: [`super::plan`] decides what is asked and when; here it is asked and taken in.

use super::ask::{Asker, What};
use super::plan::{Ask, Came, Plan, Timing};
use super::tell::Tell;
use super::trouble::Trouble;
use super::wire::{self, Event, Lines};
use crate::metadata::pod::Pod;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// While the first request is held back: how often a missed pod is looked for. Only in the first second.
const HOLD_STEP: Duration = Duration::from_millis(100);

/// Asks for ever.
pub(super) struct Follow {
    pub asker: Asker,
    pub node: Arc<str>,
    pub annotations: Arc<[String]>,
    pub timing: Timing,
    pub plan: Plan,
    pub tell: Arc<Tell>,
}

/// The pods that were there when a watch began, while they are told.
type Initial = Option<HashSet<Box<str>>>;

impl Follow {
    pub(super) async fn run(mut self, cached: bool) -> Infallible {
        let hold = self.plan.start(cached);
        self.hold_back(hold).await;
        loop {
            let wait = match self.step().await {
                Ok(came) => self.plan.came(came),
                Err(trouble) => {
                    let (busy, wish) = (trouble.busy, trouble.wish);
                    self.tell.failing(trouble);
                    self.plan.came(Came::Failed { busy, wish })
                }
            };
            self.tell.publish();
            sleep(wait).await;
        }
    }

    /// Waits so long, but no longer once a file waits for a pod that the cache does not know.
    async fn hold_back(&self, most: Duration) {
        let until = self.tell.now().saturating_add(most);
        while !self.tell.pods.is_missed() {
            let left = until.saturating_sub(self.tell.now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(HOLD_STEP)).await;
        }
    }

    async fn step(&mut self) -> Result<Came, Trouble> {
        let ask = self.plan.ask();
        let begins = matches!(ask, Ask::Begin { .. });
        let answer = match ask {
            Ask::Begin { cached } => self.begin(cached).await,
            Ask::List { cached } => self.list(cached).await,
            Ask::Watch { from } => self.watch(from).await,
        };
        match answer {
            Err(trouble) if trouble.gone => Ok(Came::Gone),
            // What else it may be, a plain list will tell.
            Err(trouble) if begins && !trouble.is_general() => Ok(Came::CannotBegin),
            Ok(came) => Ok(came),
            Err(trouble) => Err(trouble),
        }
    }

    /// Only pods of this node are ever asked for.
    fn uri(&self, query: &str) -> String {
        format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}{query}", self.node)
    }

    async fn list(&mut self, cached: bool) -> Result<Came, Trouble> {
        let uri = self.uri(if cached { "&resourceVersion=0" } else { "" });
        let body = self.asker.get(What::List, &uri).await?.into_body();
        let bytes = self.asker.collect(What::List, body, wire::LIST_BYTES_MAX).await?;
        let list = wire::list(&bytes, &self.annotations).map_err(Trouble::odd)?;
        drop(bytes);
        let Some(version) = list.version else { return Err(Trouble::odd("a list without resourceVersion".to_owned())) };
        self.tell.count(|report| report.unreadable += list.unreadable);
        let pods: Vec<Pod> = list.pods.into_iter().filter(|pod| self.is_ours(pod)).collect();
        let count = pods.len();
        self.tell.pods.replace(pods);
        self.complete(count);
        Ok(Came::Listed { version })
    }

    /// All of the node's pods are known.
    fn complete(&self, pods: usize) {
        self.tell.count(|report| report.lists += 1);
        if pods == 0 {
            // Where we run as a pod there is at least that one.
            tracing::warn!(node = %self.node, "the API server knows no pods of this node: is NODE_NAME set from spec.nodeName?");
        }
        self.tell.well(&self.node);
    }

    /// The list and the first watch in one: the server sends the pods one by one and never holds a whole list for us.
    async fn begin(&mut self, cached: bool) -> Result<Came, Trouble> {
        let from = if cached { "0" } else { "" };
        let more = format!("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion={from}");
        let body = self.open(&more).await?;
        self.changes(body, String::new(), Some(HashSet::new())).await
    }

    async fn watch(&mut self, from: String) -> Result<Came, Trouble> {
        let body = self.open(&format!("&resourceVersion={from}")).await?;
        self.tell.well(&self.node);
        self.tell.publish();
        self.changes(body, from, None).await
    }

    async fn open(&mut self, more: &str) -> Result<Incoming, Trouble> {
        let ends = self.timing.watch.as_secs().max(1);
        let uri = self.uri(&format!("&watch=1&allowWatchBookmarks=true&timeoutSeconds={ends}{more}"));
        let body = self.asker.get(What::Watch, &uri).await?.into_body();
        self.tell.count(|report| report.watches += 1);
        Ok(body)
    }

    /// Reads a watch to its end.
    async fn changes(&mut self, mut body: Incoming, from: String, mut initial: Initial) -> Result<Came, Trouble> {
        let Timing { watch, silence, answer, .. } = self.timing;
        let began = self.tell.now();
        let (mut lines, mut reached) = (Lines::default(), from);
        loop {
            let lasted = self.tell.now().saturating_sub(began);
            // The server ends the watch; should it not, we do. What was there at the beginning is told at once.
            let most = if initial.is_some() { answer } else { watch.saturating_add(answer) };
            let left = most.saturating_sub(lasted);
            let data = match timeout(silence.min(left), body.frame()).await {
                Err(_) | Ok(None) if initial.is_some() => return Ok(Came::CannotBegin),
                Err(_) | Ok(None) => return Ok(Came::Ended { after: lasted, version: reached }),
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                Ok(Some(Err(error))) => {
                    // Nothing to warn of unless the next request fails too.
                    self.tell.failed(&Trouble::broken(What::Watch, error).code);
                    return Ok(if initial.is_some() { Came::CannotBegin } else { Came::Broke });
                }
            };
            self.tell.received(data.len());
            let mut events = Vec::new();
            lines.push(&data, |line| events.push(wire::event(line, &self.annotations)));
            let too_long = std::mem::take(&mut lines.too_long);
            self.tell.count(|report| report.unreadable += too_long);
            let told = !events.is_empty();
            for event in events {
                let Some(version) = self.apply(event, &mut initial)? else { continue };
                // Before the end of the beginning a version says nothing of the pods that are still to come.
                if initial.is_none() {
                    self.plan.reached(version.clone());
                    reached = version;
                }
            }
            if told {
                self.tell.publish();
            }
        }
    }

    /// Takes one event in and gives the version it carries the watch to.
    fn apply(&mut self, event: Event, initial: &mut Initial) -> Result<Option<String>, Trouble> {
        let version = match event {
            Event::Put(pod, version) => {
                self.tell.count(|report| report.events += 1);
                if self.is_ours(&pod) {
                    if let Some(uids) = initial {
                        uids.insert(pod.uid.clone());
                    }
                    self.tell.pods.put(*pod);
                }
                version
            }
            Event::Deleted(pod, version) => {
                self.tell.count(|report| report.events += 1);
                // Its last words tell which containers have ended.
                let uid = pod.uid.clone();
                if self.is_ours(&pod) {
                    self.tell.pods.put(*pod);
                }
                self.tell.pods.deleted(&uid);
                version
            }
            Event::Bookmark(version, end) => {
                if let Some(uids) = initial.take_if(|_| end) {
                    self.tell.pods.listed(&uids);
                    self.complete(uids.len());
                }
                version
            }
            Event::Error(code, message) => return Err(Trouble::status(What::Watch, code, &message, None)),
            Event::Unreadable => {
                self.tell.count(|report| report.unreadable += 1);
                None
            }
        };
        Ok(version.filter(|v| !v.is_empty()))
    }

    /// The selector sees to it; a server or proxy that ignores it must not fill the table.
    fn is_ours(&self, pod: &Pod) -> bool {
        *pod.node == *self.node
    }
}
