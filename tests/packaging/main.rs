//! What is in `packaging/`: manifests, the chart, examples. Without a cluster: objects are read as Kubernetes' types, and
//! every configuration goes through the real binary. With helm, the chart is rendered; with an API server, applied.
#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

mod apply;
mod chart;
mod manifests;
mod objects;
mod yaml;
