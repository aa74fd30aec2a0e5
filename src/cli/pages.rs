//! The program's own code where it is not used: pages that only a start or a burst needed leave this process. They stay
//! in the page cache, and what is used again is mapped again without a read: some fifty soft faults.
//!
//! Of the 13 MiB of code and constants that are resident after a start an idle agent uses five. It is the one place that
//! tells the kernel so, and needs `unsafe` for it; when it fails nothing but memory is different.
#![allow(
    unsafe_code,
    reason = "madvise can throw away what was written into a mapping; why not here, stands at the call"
)]

use rustix::mm::{Advice, madvise};
use std::time::Duration;

/// After a start.
const FIRST: Duration = Duration::from_secs(20);
/// After what happened meanwhile.
const EVERY: Duration = Duration::from_secs(600);

/// Where the code of this program lies.
pub(super) struct Code(Vec<(usize, usize)>);

impl Code {
    /// Looked up once, before the sandbox: it stays where it is.
    pub(super) fn of_this_process() -> Code {
        let program = std::fs::read_link("/proc/self/exe").unwrap_or_default();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        Code(executable(&maps, &program.to_string_lossy()))
    }

    /// Now and then, for the life of the process.
    pub(super) async fn let_go_now_and_then(self) {
        tokio::time::sleep(FIRST).await;
        loop {
            self.let_go();
            tokio::time::sleep(EVERY).await;
        }
    }

    fn let_go(&self) {
        for (start, end) in &self.0 {
            let from = std::ptr::with_exposed_provenance_mut(*start);
            // SAFETY: the kernel made this mapping at exec, private and without the right to write, from the file of the
            // program; nothing in this process unmaps it, changes its rights or ever wrote into it (our code has no
            // relocations), so each page of it is the file's. Taken from this process, it is the same at the next access:
            // a program that runs cannot be written to (ETXTBSY), and one that is replaced has another inode.
            let done = unsafe { madvise(from, end.saturating_sub(*start), Advice::LinuxDontNeed) };
            if let Err(error) = done {
                tracing::debug!(%error, "pages of the program stay resident");
            }
        }
    }
}

/// First byte and end of the mappings of `program` that may be executed and not written to (proc_pid_maps(5)).
fn executable(maps: &str, program: &str) -> Vec<(usize, usize)> {
    let of = |line: &str| {
        let (mut words, name) = (line.split_ascii_whitespace(), line.find('/').and_then(|at| line.get(at..))?);
        let (start, end) = words.next()?.split_once('-')?;
        let ours = words.next()? == "r-xp" && name == program;
        let address = |hex| usize::from_str_radix(hex, 16).ok();
        ours.then_some((address(start)?, address(end)?))
    };
    maps.lines().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_executed_of_the_program_itself_is_let_go() {
        let maps = "\
5581a000-5581c000 r--p 00000000 fe:00 77   /usr/bin/tail race
5581c000-55a1d000 r-xp 00002000 fe:00 77   /usr/bin/tail race
55a1d000-55a2d000 r--p 00203000 fe:00 77   /usr/bin/tail race
55a2d000-55a2e000 rw-p 00213000 fe:00 77   /usr/bin/tail race
55a2e000-55a3e000 rwxp 00213000 fe:00 77   /usr/bin/tail race
55b00000-55b21000 rw-p 00000000 00:00 0    [heap]
7f000000-7f100000 r-xp 00026000 fe:00 12   /usr/lib/libc.so.6
7f200000-7f201000 r-xp 00000000 00:00 0    [vdso]
nonsense
";
        assert_eq!(executable(maps, "/usr/bin/tail race"), [(0x5581_c000, 0x55a1_d000)]);
        assert_eq!(executable(maps, ""), []);
    }

    #[test]
    fn code_that_was_let_go_runs_on_in_every_thread() {
        let code = Code::of_this_process();
        assert!(!code.0.is_empty(), "this test is a program too");
        let work = || (0..200).map(|n: u64| format!("{n:?}").parse::<u64>().unwrap()).sum::<u64>();
        std::thread::scope(|threads| {
            let others: Vec<_> = (0..3).map(|_| threads.spawn(|| (0..200).map(|_| work()).sum::<u64>())).collect();
            (0..200).for_each(|_| code.let_go());
            assert!(others.into_iter().all(|other| other.join().unwrap() == 200 * 199 * 100));
        });
    }
}
