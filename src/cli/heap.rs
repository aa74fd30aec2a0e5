//! One heap for all threads. glibc gives each thread one of its own, and what was freed in one serves no other: with three
//! outputs and thousands of files that is 10 MiB of holes. It is told by the environment alone, before the process
//! begins, so the process begins again: same pid, same arguments, a millisecond later. Another C library ignores it.
//! And what is free in the middle of that heap is given back now and then: after a start with 10,000 files a quarter of it.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Whoever set it knows why.
const ARENAS: &str = "MALLOC_ARENA_MAX";
/// From this size on memory is the system's again when it is free; without the names glibc lets the sizes grow.
const GIVE_BACK: [&str; 2] = ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"];

/// Returns when there is one heap already, or when it cannot be had: then we go on as we are.
pub(super) fn one_for_all_threads() {
    let (Ok(program), None) = (std::env::current_exe(), std::env::var_os(ARENAS)) else { return };
    let mut arguments = std::env::args_os();
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments).env(ARENAS, "1").envs(GIVE_BACK.map(|name| (name, "131072")));
    let error = again.exec();
    tracing::debug!(%error, "not begun again with one heap");
}

/// Whole free pages are the system's again. A few milliseconds, at the worst; for once a minute.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code, reason = "the C library has no other way to say it")]
pub(super) fn give_back() {
    // SAFETY: `malloc_trim` takes no pointer, changes no memory that is in use, and takes the allocator's own locks: any
    // thread may call it at any time (malloc_trim(3): MT-Safe).
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries do it by themselves.
#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back() {}
