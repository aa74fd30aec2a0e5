//! Labels of this node's namespaces and of the node, where an input wants them: each by a GET of its own, kept for
//! [`FRESH`]. No watch: one would be of all namespaces of the cluster, for labels that hardly ever change.
//!
//! Who waits for labels that cannot be had does not wait for ever: what is forbidden or gone counts as having none.

use super::ask::{Asker, What};
use super::plan::{Jitter, Timing};
use super::tell::Tell;
use super::trouble::Trouble;
use super::wire;
use crate::lane::batch::Code;
use crate::metadata::pod::Labels;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// Labels are asked for again after about this time.
pub const FRESH: Duration = Duration::from_secs(15 * 60);

/// Whose labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Namespace(Box<str>),
    Node,
}

/// When it is asked for next.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    at: Duration,
    failures: u32,
}

/// Asks for ever.
pub(super) struct Surroundings {
    pub asker: Asker,
    pub node: Arc<str>,
    pub timing: Timing,
    pub tell: Arc<Tell>,
    pub jitter: Jitter,
    /// Labels of namespaces, of the node, are wanted.
    pub namespaces: bool,
    pub of_node: bool,
    /// Somebody waits for what is not known.
    pub missing: Arc<Notify>,
    /// What was said of requests that fail, once until one succeeds.
    pub said: BTreeSet<(&'static str, Code)>,
}

impl Surroundings {
    pub(super) async fn run(mut self) -> Infallible {
        let mut due = self.of_an_earlier_life();
        loop {
            self.wanted(&mut due);
            while let Some(of) = due.iter().find(|(_, due)| due.at <= self.tell.now()).map(|(of, _)| of.clone()) {
                let failures = due.get(&of).map_or(0, |due| due.failures);
                let next = self.ask(&of, failures).await;
                due.insert(of, next);
                self.tell.publish();
            }
            let next = due.values().map(|due| due.at).min().unwrap_or(Duration::MAX);
            let left = next.saturating_sub(self.tell.now()).min(FRESH);
            // Either way it is looked at anew.
            timeout(left, self.missing.notified()).await.ok();
        }
    }

    /// Labels of the cache are used at once and asked for some time later: a cluster's nodes may all start together.
    fn of_an_earlier_life(&mut self) -> BTreeMap<Of, Due> {
        let (namespaces, node) = self.tell.pods.surroundings();
        // That life may have wanted more.
        let namespaces = namespaces.into_iter().filter(|_| self.namespaces).map(|(name, _)| Of::Namespace(name));
        let known = namespaces.chain(node.filter(|_| self.of_node).map(|_| Of::Node));
        let mut due = BTreeMap::new();
        for of in known {
            due.insert(of, Due { at: self.tell.now() + self.jitter.up_to(FRESH), failures: 0 });
        }
        due
    }

    fn wanted(&self, due: &mut BTreeMap<Of, Due>) {
        if self.namespaces {
            let names = self.tell.pods.namespaces();
            self.tell.pods.keep_namespaces(&names);
            due.retain(|of, _| if let Of::Namespace(name) = of { names.contains(name) } else { true });
            for name in names {
                due.entry(Of::Namespace(name)).or_default();
            }
        }
        if self.of_node {
            due.entry(Of::Node).or_default();
        }
    }

    async fn ask(&mut self, of: &Of, failures: u32) -> Due {
        let (what, name) = match of {
            Of::Namespace(name) => (What::Namespace, name.to_string()),
            Of::Node => (What::Node, self.node.to_string()),
        };
        let trouble = match self.labels(what, &name).await {
            Ok(labels) => {
                self.put(of, labels);
                self.said.retain(|(said, _)| *said != what.as_str());
                let at = self.tell.now() + FRESH.mul_f64(0.9) + self.jitter.up_to(FRESH.mul_f64(0.2));
                return Due { at, failures: 0 };
            }
            Err(trouble) => trouble,
        };
        self.tell.failed(&trouble.code);
        if self.said.insert((what.as_str(), trouble.code.clone())) {
            let of = what.as_str();
            tracing::warn!(code = %trouble.code, error = %trouble.say, of, %name, "cannot read labels; documents go without them");
        }
        let pause = self.timing.pause_first.saturating_mul(1 << failures.min(10)).min(FRESH);
        let mut at = pause / 2 + self.jitter.up_to(pause / 2);
        if trouble.busy {
            at += self.jitter.up_to(self.timing.spread);
        }
        if matches!(trouble.code.as_str(), "http_403" | "http_404") {
            self.put_unless_known(of);
            at = at.max(self.timing.refresh);
        }
        Due {
            at: self.tell.now() + at.max(trouble.wish.unwrap_or_default().min(FRESH)),
            failures: failures.saturating_add(1),
        }
    }

    async fn labels(&mut self, what: What, name: &str) -> Result<Labels, Trouble> {
        let kind = if what == What::Node { "nodes" } else { "namespaces" };
        let uri = format!("/api/v1/{kind}/{name}");
        let body = self.asker.get(what, &uri).await?.into_body();
        let bytes = self.asker.collect(what, body, wire::OBJECT_BYTES_MAX).await?;
        wire::labels(&bytes).map_err(Trouble::odd)
    }

    fn put(&self, of: &Of, labels: Labels) {
        match of {
            Of::Namespace(name) => self.tell.pods.put_namespace(name, labels),
            Of::Node => self.tell.pods.put_node(labels),
        }
    }

    fn put_unless_known(&self, of: &Of) {
        let (namespaces, node) = self.tell.pods.surroundings();
        let known = match of {
            Of::Namespace(name) => namespaces.iter().any(|(known, _)| known == name),
            Of::Node => node.is_some(),
        };
        if !known {
            self.put(of, Labels::default());
        }
    }
}
