//! The sandbox: what a process that entered it cannot do any more, and what the agent in it still does.
//!
//! `inside` enters it in a child process of its own and tries things; `agent` looks at the real binary, `without` at the
//! real binary on a kernel that has less than this one, `letters` at a replay. What this kernel has not is listed as skipped.
#![cfg(all(feature = "agent", feature = "standin"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "what was skipped: `-- --nocapture`")]

mod agent;
mod inside;
mod letters;
#[path = "../end_to_end/logs.rs"]
#[allow(dead_code, reason = "end_to_end uses the rest")]
mod logs;
#[path = "../end_to_end/stage.rs"]
#[allow(dead_code, reason = "end_to_end uses the rest")]
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod without;

/// What the kernel here has; what it has not is said.
fn kernel() -> tailrace::cli::sandbox::Kernel {
    let kernel = tailrace::cli::sandbox::kernel();
    if !kernel.landlock {
        println!("skipped: this kernel has no Landlock");
    }
    if !kernel.seccomp {
        println!("skipped: this kernel has no seccomp");
    }
    kernel
}
