//! Follows this node's pods and keeps the table of [`Pods`] right.
//!
//! Edge: runs on a tokio runtime until it is dropped. Pods come from the API server (`follow`, which asks for this node's
//! alone) or from this node's kubelet (`poll`); labels of namespaces and of the node, where wanted, from the API server
//! (`surroundings`). Nothing that a server does or does not do stops anything: what is known stays known, files of pods
//! that are not go on after `metadata.wait` with what their path says, and the state is published.

mod access;
mod ask;
mod client;
mod follow;
pub mod plan;
mod poll;
pub mod probe;
mod surroundings;
mod tell;
#[cfg(test)]
mod tests;
mod trouble;
mod wire;

use super::pods::Pods;
use crate::record::Now;
use crate::telemetry::board::Board;
pub use access::{Access, Certificate, Login, Trust, kubeconfigs};
pub use ask::{Api, Kubelet};
use ask::{Asker, To};
use follow::Follow;
use plan::{Jitter, Plan, Timing};
use poll::Poll;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use surroundings::Surroundings;
use tell::Tell;
use tokio::sync::Notify;

/// What to follow, and who is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the API server is, and with which credentials it, or kubelet, is asked.
    pub api: Api,
    /// Pods come from this node's kubelet.
    pub kubelet: Option<Kubelet>,
    /// `spec.nodeName` of the pods.
    pub node: Arc<str>,
    /// Annotations to keep: those of all inputs together.
    pub annotations: Vec<String>,
    /// Labels of namespaces are wanted.
    pub namespace_labels: bool,
    /// Labels of the node are wanted.
    pub node_labels: bool,
    /// Pauses and timeouts.
    pub timing: Timing,
}

/// The follower.
pub struct Watch {
    settings: Settings,
    tell: Arc<Tell>,
}

impl Watch {
    /// An error names what is wrong with the node's name: without a name it would be the whole cluster's pods.
    pub fn new(
        settings: Settings,
        pods: Arc<Pods>,
        board: Arc<Board>,
        clock: impl Fn() -> Now + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if settings.node.is_empty() || !settings.node.chars().all(good) {
            return Err(format!(
                "`{}` is no node's name: set NODE_NAME (from spec.nodeName) or the key `node`",
                settings.node.escape_debug()
            ));
        }
        Ok(Watch { settings, tell: Arc::new(Tell::new(pods, board, Box::new(clock))) })
    }

    /// Follows for ever. `cached`: the table holds pods of an earlier life, so there is no hurry until one is missed.
    pub async fn run(self, cached: bool) -> Infallible {
        self.tell.publish();
        let (for_pods, for_labels) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let bells = (for_pods.clone(), for_labels.clone());
        self.tell.pods.ring_when_missing(Box::new(move || {
            bells.0.notify_one();
            bells.1.notify_one();
        }));
        tokio::join!(self.pods(cached, for_pods), self.labels(for_labels)).0
    }

    async fn pods(&self, cached: bool, missing: Arc<Notify>) -> Infallible {
        let Settings { api, kubelet, node, annotations, timing, .. } = self.settings.clone();
        let (tell, annotations) = (self.tell.clone(), annotations.into());
        match kubelet {
            None => {
                let asker = self.asker(To::Api(api));
                let plan = Plan::new(timing, random());
                Follow { asker, node, annotations, timing, plan, tell }.run(cached).await
            }
            Some(kubelet) => {
                let asker = self.asker(To::Kubelet(api, kubelet, node.clone()));
                Poll { asker, node, annotations, timing, tell, missing }.run().await
            }
        }
    }

    async fn labels(&self, missing: Arc<Notify>) -> Infallible {
        let Settings { api, node, timing, namespace_labels: namespaces, node_labels: of_node, .. } =
            self.settings.clone();
        if !(namespaces || of_node) {
            return std::future::pending().await;
        }
        let (asker, tell, jitter) = (self.asker(To::Api(api)), self.tell.clone(), Jitter(random()));
        Surroundings { asker, node, timing, tell, jitter, namespaces, of_node, missing, said: Default::default() }
            .run()
            .await
    }

    fn asker(&self, to: To) -> Asker {
        Asker::new(to, self.settings.timing.answer, self.tell.clone())
    }
}

/// Different on every node.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
