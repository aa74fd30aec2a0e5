//! Our own metrics and log.
//!
//! Parts publish plain [`report`]s on the [`board`]; [`metrics`] renders them. [`log`] writes our own lines, few and
//! rate-limited. Nothing here stops or slows the path of a record.

pub mod advice;
pub mod board;
pub mod latency;
#[cfg(feature = "agent")]
pub mod log;
pub mod metrics;
mod notice;
pub mod process;
pub mod recent;
pub mod report;
pub mod skew;
pub mod stderr;
