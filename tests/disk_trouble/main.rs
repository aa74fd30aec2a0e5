//! A disk that fails, write by write and errno by errno: what the agent does then, and that it mends itself.
//!
//! `store`, `dead_letters`, `pods`: every kind of write over a storage that fails it with ENOSPC, EIO, EROFS, EDQUOT.
//! `real`: the binary, with a `data_dir` that takes nothing for a while, a full dead-letter file, a stderr that
//! nobody reads. Whole agents over a failing disk: `tests/simulation/disk.rs`.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod dead_letters;
#[allow(dead_code, reason = "shared")]
#[path = "../end_to_end/logs.rs"]
mod logs;
mod pods;
mod real;
#[allow(dead_code, reason = "shared")]
#[path = "../end_to_end/stage.rs"]
mod stage;
mod store;
#[path = "../support/mod.rs"]
mod support;

use rustix::io::Errno;
use std::time::Duration;
use tailrace::record::Now;
use tailrace::store::memory::{Faults, Write};

/// What a disk says when it is full, broken, read-only, or when somebody's share of it is used up.
const ERRNOS: [(&str, Errno); 4] =
    [("ENOSPC", Errno::NOSPC), ("EIO", Errno::IO), ("EROFS", Errno::ROFS), ("EDQUOT", Errno::DQUOT)];

/// Each kind of write with each errno.
fn cases() -> impl Iterator<Item = (Write, &'static str, i32)> {
    Write::ALL.into_iter().flat_map(|write| ERRNOS.map(|(name, errno)| (write, name, errno.raw_os_error())))
}

fn fails(write: Write, errno: i32) -> Faults {
    Faults { fails: Some((write, errno)), ..Faults::default() }
}

fn at(millis: u64) -> Now {
    Now { mono: Duration::from_millis(millis), unix_ns: 1_700_000_000_000_000_000 }
}
