//! The pod watch against a real kube-apiserver, without a node: pods are what the test creates, their files are written by
//! hand.
//!
//! Every test is ignored by `cargo test`: `scripts/cluster/test api` brings the server up (and `scripts/test` calls that).
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod away;
mod old_server;
mod requests;
mod rig;
mod rights;
mod server;
mod smoke;
#[path = "../support/mod.rs"]
mod support;
mod token;
