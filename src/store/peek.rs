//! The checkpoint store as somebody else's process sees it: read once, nothing locked, nothing mended.
//!
//! A running agent appends whole records and replaces the file by renaming, so one reading shows one instant; what a
//! write in progress has left of its last record is passed over, like any torn end.

use super::file::NAME;
use super::log::Problem;
use super::replay::{self, Found};
use super::saved::State;
use super::storage::{OsStorage, Storage};
use std::io;
use std::path::Path;

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
pub enum NoPeek {
    /// No agent has ever written here.
    #[error("there is no {NAME} in it")]
    Nothing,
    /// It cannot be read.
    #[error("{NAME} cannot be read: {0}")]
    Io(#[source] io::Error),
    /// It is something else.
    #[error("{NAME}: {0}")]
    Problem(#[from] Problem),
}

/// What the store in `dir` says now.
pub fn peek(dir: &Path) -> Result<(State, Found), NoPeek> {
    let nothing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let bytes = OsStorage::new(dir).read(NAME);
    let bytes = bytes.map_err(|error| if nothing(&error) { NoPeek::Nothing } else { NoPeek::Io(error) })?;
    Ok(replay::replay(&bytes)?)
}
