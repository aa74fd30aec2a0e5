//! What the real binary says of itself: its log, `/metrics`, `/api/lanes` and the page, when things go well or not.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod destinations;
mod inputs;
mod rig;
mod servers;
#[path = "../support/mod.rs"]
mod support;
