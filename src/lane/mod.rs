//! A lane is one output: a reader of the files with its own positions, as a state machine without I/O.
//!
//! `step(now, event) -> action` plans (`keys`, `plan`), pumps (`pump`, `sink`), keeps the ledger (`ledger`, `spans`)
//! and decides retries (`answer`, `retry`); `intent` is for objects that are filled in parts. `thread` is the only I/O.

pub mod account;
mod again;
mod answer;
pub mod batch;
pub mod behind;
pub mod bury;
pub mod files;
pub mod flight;
pub mod format;
mod intake;
mod intent;
pub mod items;
mod judge;
pub mod keys;
pub mod ledger;
pub mod object;
mod offer;
mod pick;
mod plan;
pub mod pump;
pub mod retry;
pub mod ruled;
pub mod sink;
mod sleep;
pub mod spans;
pub mod step;
pub mod thread;
