//! The commands beside `run`, each with the real binary, real files and the stand-ins: one module a command.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../metadata/api.rs"]
#[allow(dead_code, reason = "shared with the tests of metadata")]
mod api;
mod audit;
mod doctor;
#[path = "../end_to_end/logs.rs"]
#[allow(dead_code, reason = "shared with the tests of promises")]
mod logs;
mod positions;
mod replay;
#[path = "../end_to_end/stage.rs"]
#[allow(dead_code, reason = "shared with the tests of promises")]
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod tell;
