//! What a pod can do to the agent that reads its logs, each with the real binary: one module a subject.
//!
//! Whatever it does stays its own trouble: nobody blocks, nobody else's lines are late, lost or changed, nothing outside of
//! the input is read, and what is said of it is said in plain characters.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "what was skipped, and figures: `-- --nocapture`")]

#[path = "../metadata/api.rs"]
#[allow(dead_code, reason = "tests of metadata use the rest")]
mod api;
mod file_inputs;
mod forged;
mod growth;
mod hard_links;
mod hoard;
mod labels;
mod links;
#[path = "../end_to_end/logs.rs"]
#[allow(dead_code, reason = "end_to_end uses the rest")]
mod logs;
mod names;
mod not_files;
mod permission;
#[path = "../metadata/rig.rs"]
#[allow(dead_code, reason = "tests of metadata use the rest")]
mod rig;
mod sparse;
#[path = "../end_to_end/stage.rs"]
#[allow(dead_code, reason = "end_to_end uses the rest")]
mod stage;
#[path = "../support/mod.rs"]
mod support;
