//! Pod metadata with the real binary: log files as kubelet names them, an API server that the test controls, and the
//! stand-ins of the three services, in which the documents are looked at.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod api;
mod decide;
mod discovery;
mod docker;
mod documents;
mod keys;
mod kubelet;
mod restart;
mod rig;
#[path = "../support/mod.rs"]
mod support;
mod surroundings;
mod troubles;
mod unknown;
