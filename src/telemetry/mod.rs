//! Our own metrics and log.
pub mod report;
