//! Tailrace as the DaemonSet of packaging/kubernetes on a real node: kube-apiserver, kubelet, containerd, and pods that
//! live as pods do.
//!
//! Each line says who wrote it (`writer`), and the API server's own history says what that pod was: every document is
//! compared with both. Ignored by `cargo test`: `scripts/cluster/test node` brings the cluster up, packs the images, and
//! runs this on the node (in its namespaces, as root).
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the story and its figures: each run is read by somebody")]

mod agent;
mod history;
mod judge;
mod kubelet;
#[allow(dead_code, reason = "shared with tests/api_server")]
#[path = "../api_server/server.rs"]
mod server;
mod stage;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod truth;
mod workloads;
