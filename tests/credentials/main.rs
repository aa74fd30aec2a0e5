//! Where credentials come from, with the real binary: one module a source. Every source hands out credentials that end
//! after seconds, so that they are renewed again and again while lines flow; the services take only what was handed
//! out and has not ended, and count what they refuse.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stderr, reason = "what was left out, and why")]

mod clock;
mod container;
mod ended;
mod instance;
mod none;
mod profile;
mod rig;
mod role;
#[path = "../support/mod.rs"]
mod support;
mod web_identity;
