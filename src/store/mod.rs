//! The checkpoint store: positions, intents and file identities, in one log format.
//!
//! Pure: `log` (the disk format), `codec` (what a payload holds), `replay` (what records mean), `balance` (what positions
//! and sums say of each other), `mirror` and `cold` (the state as the store itself has it), `queue` (what waits for the thread),
//! `aside` (names for what could not be read). Edge: `lock`, `storage` (files; `memory` in tests), `file` (the store),
//! `peek` (beside a running agent), `thread`, `dead_letter`.
//! Versions: whatever an older minor version wrote is read (`older` holds it to that), and the minor version before this
//! one can read what is written here, as `codec` says how; a file of another [`log::VERSION`] is moved aside.
//! Promise: nothing here ever stops the agent. What cannot be written is told and tried again; what cannot be read
//! is moved aside, loudly. Reading log files needs none of it.

#[cfg(test)]
mod arbitrary;
mod aside;
pub mod balance;
pub mod codec;
mod cold;
pub mod dead_letter;
pub mod file;
pub mod lock;
pub mod log;
pub mod memory;
mod mirror;
#[cfg(test)]
mod older;
pub mod peek;
mod queue;
pub mod replay;
pub mod saved;
pub mod storage;
pub mod thread;
mod wire;
