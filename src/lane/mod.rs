//! A lane is one output: a reader of the files with its own positions, as a state machine without I/O.
//! `step(now, event) -> action` plans, pumps, keeps the ledger and decides retries; `thread` is the only I/O.

pub mod batch;
pub mod format;
