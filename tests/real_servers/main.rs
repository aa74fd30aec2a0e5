//! The outputs against real servers: what was delivered is read back and compared, and what the servers refuse is
//! judged as the tables say.
//!
//! Every test is ignored by `cargo test`: `scripts/test` installs and starts the servers, and runs the module of each
//! one that could be started. The modules have the servers' names.
#![cfg(all(feature = "outputs", feature = "standin"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "in a test a panic is the answer"
)]

#[allow(dead_code, reason = "shared with tests/standin")]
#[path = "../support/client.rs"]
mod client;
mod material;
mod moto;
mod opensearch;
mod opensearch_secure;
mod s3;
mod versitygw;
mod whole;
