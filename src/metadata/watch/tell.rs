//! What becomes of the requests, for metrics, the status page and the log. Shared by all who ask.

use super::ask::What;
use super::trouble::Trouble;
use crate::lane::batch::Code;
use crate::metadata::pods::Pods;
use crate::record::Now;
use crate::telemetry::board::Board;
use crate::telemetry::report::{MetadataReport, MetadataState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Codes of failures that are counted; a server that invents more is not followed in that.
const CODES_MAX: usize = 64;

/// The teller.
pub(super) struct Tell {
    pub pods: Arc<Pods>,
    board: Arc<Board>,
    clock: Box<dyn Fn() -> Now + Send + Sync>,
    report: Mutex<MetadataReport>,
}

impl Tell {
    pub(super) fn new(pods: Arc<Pods>, board: Arc<Board>, clock: Box<dyn Fn() -> Now + Send + Sync>) -> Tell {
        Tell { pods, board, clock, report: Mutex::default() }
    }

    /// Monotonic.
    pub(super) fn now(&self) -> Duration {
        (self.clock)().mono
    }

    /// Seconds since 1970.
    pub(super) fn unix(&self) -> i64 {
        (self.clock)().unix_ns / 1_000_000_000
    }

    // Counters are valid after any panic.
    fn report(&self) -> MutexGuard<'_, MetadataReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was counted.
    pub(super) fn count(&self, count: impl FnOnce(&mut MetadataReport)) {
        count(&mut self.report());
    }

    pub(super) fn asked(&self, what: What) {
        *self.report().requests.entry(what.as_str()).or_default() += 1;
    }

    pub(super) fn received(&self, bytes: usize) {
        self.report().received += bytes as u64;
    }

    /// Pods are followed.
    pub(super) fn well(&self, node: &str) {
        let mut report = self.report();
        if report.state != MetadataState::Watching {
            report.state = MetadataState::Watching;
            report.since = (self.clock)().unix_ns;
            report.trouble = None;
            drop(report);
            tracing::info!(%node, pods = self.pods.counts().0, "following the pods of this node");
        }
    }

    /// They are not, for now.
    pub(super) fn failing(&self, trouble: Trouble) {
        self.failed(&trouble.code);
        self.pods.rely_on_these();
        let mut report = self.report();
        let known = report.trouble.as_ref().is_some_and(|(code, _)| *code == trouble.code);
        if report.state != MetadataState::Failing {
            report.state = MetadataState::Failing;
            report.since = (self.clock)().unix_ns;
        }
        report.trouble = Some((trouble.code.clone(), trouble.say.clone()));
        drop(report);
        if !known {
            tracing::warn!(code = %trouble.code, error = %trouble.say, "cannot follow the pods of this node; log files go on");
        }
    }

    /// A request failed.
    pub(super) fn failed(&self, code: &Code) {
        let mut report = self.report();
        if report.failures.len() < CODES_MAX || report.failures.contains_key(code) {
            *report.failures.entry(code.clone()).or_default() += 1;
        }
    }

    pub(super) fn publish(&self) {
        let mut report = self.report();
        (report.pods, report.deleted, report.shed) = self.pods.counts();
        report.bytes = self.pods.cost();
        self.board.metadata(report.clone());
    }
}
