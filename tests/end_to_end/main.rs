//! The promises of the README, each with the real binary against the stand-ins: one module a promise.
//!
//! `writer` and `audit` where much is written, hand-made files (`logs`) where single bytes count. Everything is waited for
//! by condition with a deadline; only a failing test uses it up.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(
    clippy::print_stdout,
    reason = "figures, for those who measure: `cargo test --test end_to_end -- --nocapture`"
)]

mod arrives_once;
mod bad_files;
mod change;
mod crash;
mod credentials;
mod demo;
mod discovery;
mod isolation;
mod keeping;
mod logs;
mod once;
mod refusals;
mod rejected;
mod reload;
mod reload_faults;
mod rotation;
mod selection;
mod sidecar;
mod stage;
mod standby;
mod stop;
#[path = "../support/mod.rs"]
mod support;
