//! Whether everything that will be asked would be answered: one pod, the head of a watch that ends at once, kubelet's pods,
//! labels where they are wanted. For `tailrace doctor`.

use super::Watch;
use super::ask::{To, What};
use crate::lane::batch::Code;
use crate::telemetry::skew;
use std::time::Duration;

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// When the first answer came (mono), and the time that it told, in seconds since 1970.
    pub heard: Option<(Duration, Option<i64>)>,
    /// What was refused (`list`, `watch`, `namespace`, `node`, `kubelet`), why, and what to do.
    pub refused: Option<(&'static str, Code, String)>,
}

impl Watch {
    /// Asks once; nothing of the answers is kept.
    pub async fn probe(&self) -> Probe {
        let (mut probe, node) = (Probe::default(), &self.settings.node);
        let pods = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
        let mut asks = match &self.settings.kubelet {
            Some(_) => vec![(What::Kubelet, "/pods".to_owned())],
            None => vec![
                (What::List, format!("{pods}&limit=1")),
                (What::Watch, format!("{pods}&watch=1&timeoutSeconds=1&resourceVersion=0")),
            ],
        };
        if self.settings.namespace_labels {
            asks.push((What::Namespace, "/api/v1/namespaces/default".to_owned()));
        }
        if self.settings.node_labels {
            asks.push((What::Node, format!("/api/v1/nodes/{node}")));
        }
        for (what, uri) in asks {
            let api = self.settings.api.clone();
            let to = match (&self.settings.kubelet, what) {
                (Some(kubelet), What::Kubelet) => To::Kubelet(api, kubelet.clone(), node.clone()),
                (_, _) => To::Api(api),
            };
            match self.asker(to).get(what, &uri).await {
                Ok(answer) => {
                    probe.heard.get_or_insert_with(|| (self.tell.now(), skew::told(answer.headers())));
                }
                Err(trouble) => {
                    probe.refused = Some((what.as_str(), trouble.code, trouble.say));
                    return probe;
                }
            }
        }
        probe
    }
}
