//! This node's pods from kubelet: its whole list (`/pods`, the right `nodes/pods`), which it has without asking the API
//! server. There is no watch: it is asked when a file waits for a pod that is not known, and now and then for what else
//! changed. Where no file is read nothing is asked.

use super::ask::{Asker, What};
use super::plan::Timing;
use super::tell::Tell;
use super::trouble::Trouble;
use super::wire;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Asks for ever.
pub(super) struct Poll {
    pub asker: Asker,
    pub node: Arc<str>,
    pub annotations: Arc<[String]>,
    pub timing: Timing,
    pub tell: Arc<Tell>,
    /// Somebody waits for a pod that is not known.
    pub missing: Arc<Notify>,
}

impl Poll {
    pub(super) async fn run(mut self) -> Infallible {
        let mut pause = self.timing.pause_first;
        loop {
            self.wait().await;
            let before = self.tell.pods.version();
            let wish = match self.ask().await {
                Ok(()) => {
                    self.tell.well(&self.node);
                    None
                }
                Err(trouble) => {
                    let wish = trouble.wish;
                    self.tell.failing(trouble);
                    wish
                }
            };
            // A pod that stays unknown is asked for less and less often.
            let news = self.tell.pods.version() != before;
            pause = if news { self.timing.pause_first } else { (pause * 2).min(self.timing.pause_max) };
            self.tell.publish();
            sleep(pause.max(wish.unwrap_or_default().min(self.timing.refresh))).await;
        }
    }

    /// Until somebody waits for a pod, or what is known is old.
    async fn wait(&self) {
        // What rang before the last answer came is perhaps settled by it; who still waits rings every second.
        timeout(Duration::ZERO, self.missing.notified()).await.ok();
        while timeout(self.timing.refresh, self.missing.notified()).await.is_err() {
            if self.tell.pods.counts().0 > 0 {
                return;
            }
        }
    }

    async fn ask(&mut self) -> Result<(), Trouble> {
        let body = self.asker.get(What::Kubelet, "/pods").await?.into_body();
        let bytes = self.asker.collect(What::Kubelet, body, wire::LIST_BYTES_MAX).await?;
        let list = wire::list(&bytes, &self.annotations).map_err(Trouble::odd)?;
        self.tell.count(|report| {
            report.unreadable += list.unreadable;
            report.lists += 1;
        });
        self.tell.pods.replace(list.pods);
        Ok(())
    }
}
