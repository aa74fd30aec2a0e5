//! Whether the API server would answer what the watch asks: one pod, and the head of a watch that ends at once. For
//! `tailrace doctor`.

use super::{Watch, connect};
use crate::lane::batch::Code;
use crate::record::Now;
use std::time::Duration;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// When the first answer came (mono), and its `Date`.
    pub heard: Option<(Duration, Option<String>)>,
    /// The verb that was refused, why, and what to do.
    pub refused: Option<(&'static str, Code, String)>,
}

impl<C: Fn() -> Now> Watch<C> {
    /// Asks once; nothing of the answers is kept.
    pub async fn probe(&self) -> Probe {
        let mut probe = Probe::default();
        let client = match connect(&self.settings.api).await {
            Ok(client) => client,
            Err(trouble) => {
                probe.refused = Some(("connect", trouble.code, trouble.say));
                return probe;
            }
        };
        for (verb, query) in [("list", "&limit=1"), ("watch", "&watch=1&timeoutSeconds=1&resourceVersion=0")] {
            match self.ask(&client, query).await {
                Ok(answer) => {
                    let date = answer.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
                    probe.heard.get_or_insert_with(|| ((self.clock)().mono, date.map(str::to_owned)));
                }
                Err(trouble) => {
                    probe.refused = Some((verb, trouble.code, trouble.say));
                    return probe;
                }
            }
        }
        probe
    }
}
