//! One heap for all threads. glibc gives each thread one of its own, and what was freed in one serves no other: with three
//! outputs and thousands of files that is 10 MiB of holes. It is told by the environment alone, before the process
//! begins, so the process begins again: same pid, same arguments, a millisecond later. Another C library ignores it.
//! What is free in the middle of it goes back by `trim`.

mod trim;

use std::os::unix::process::CommandExt;
use std::process::Command;
pub(super) use trim::give_back;

/// Whoever set it knows why.
const ARENAS: &str = "MALLOC_ARENA_MAX";
/// From this size on memory is the system's again when it is free; without the names glibc lets the sizes grow.
const THRESHOLDS: [&str; 2] = ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"];

/// Returns when there is one heap already, or when it cannot be had: then we go on as we are.
pub(super) fn one_for_all_threads() {
    let (Ok(program), None) = (std::env::current_exe(), std::env::var_os(ARENAS)) else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments).env(ARENAS, "1").envs(THRESHOLDS.map(|name| (name, "131072")));
    let error = again.exec();
    tracing::debug!(%error, "not begun again with one heap");
}
