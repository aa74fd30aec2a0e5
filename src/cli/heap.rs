//! A heap for each thread, and fixed sizes from which on memory goes back. What the catalog keeps of a file for its life and
//! what lanes need of it for a moment lie apart then, and what lanes gave up is free pages, which `trim` gives back: with one
//! heap for all they lie between each other, 10 MiB more with 10,000 files. glibc is told by the environment alone, before the
//! process begins, so the process begins again: same pid, same arguments, a millisecond later. Another C library ignores it.

mod trim;

use std::os::unix::process::CommandExt;
use std::process::Command;
pub(super) use trim::give_back;

/// Whoever set it knows why.
const ARENAS: &str = "MALLOC_ARENA_MAX";
/// As many as there are threads with three outputs; glibc's own limit grows with the number of cores.
const HEAPS: &str = "8";
/// From this size on memory is the system's again when it is free; without the names glibc lets the sizes grow.
const THRESHOLDS: [&str; 2] = ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"];

/// Returns when it is told already, or when that cannot be had: then we go on as we are.
pub(super) fn set_up() {
    let (Ok(program), None) = (std::env::current_exe(), std::env::var_os(ARENAS)) else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments).env(ARENAS, HEAPS).envs(THRESHOLDS.map(|name| (name, "131072")));
    let error = again.exec();
    tracing::debug!(%error, "not begun again with settings of the heap");
}
