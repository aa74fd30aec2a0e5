//! The stand-ins refuse what the services refuse, with the services' words, and count what they took in exactly.
#![cfg(all(feature = "standin", feature = "outputs"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod cloudwatch;
mod faults;
mod opensearch;
mod s3;
mod signing;
#[path = "../support/mod.rs"]
mod support;
mod together;

use std::sync::Arc;
use tailrace::standin::{self, Clock, Options, Standin, Which};

/// 2026-11-22T10:00:00Z, for ever.
pub const NOW: i64 = 1_795_341_600;

pub fn options() -> Options {
    Options { clock: Clock(Arc::new(|| NOW * 1_000_000_000)), ..Options::default() }
}

pub fn start(which: Which, options: Options) -> Standin {
    standin::start(&tokio::runtime::Handle::current(), which, options).unwrap()
}
