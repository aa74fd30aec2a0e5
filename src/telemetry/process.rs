//! What the system says of this process: memory, processor time, threads. Read at each scrape; edge.

use super::report::ProcessReport;
use super::{skew, stderr};
use std::time::Duration;

/// Reads it from /proc and the process's CPU clock. What cannot be read is 0, and no metric.
pub fn read() -> ProcessReport {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu = Duration::new(u64::try_from(cpu.tv_sec).unwrap_or(0), u32::try_from(cpu.tv_nsec).unwrap_or(0));
    parse(&std::fs::read_to_string("/proc/self/status").unwrap_or_default(), cpu)
}

fn parse(status: &str, cpu: Duration) -> ProcessReport {
    let number = |name: &str| {
        let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let kib = |name| number(name).map_or(0, |n| n.saturating_mul(1024));
    let (rss, rss_peak, threads) = (kib("VmRSS"), kib("VmHWM"), number("Threads").unwrap_or(0));
    ProcessReport { rss, rss_peak, cpu, threads, log_left_out: stderr::left_out(), clock_skew: skew::seconds() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_process_has_memory_threads_and_used_time() {
        let p = read();
        assert!(p.rss > 1 << 20 && p.rss_peak >= p.rss && p.threads >= 1 && p.cpu > Duration::ZERO, "{p:?}");
    }

    #[test]
    fn what_is_missing_or_odd_is_zero() {
        let p = parse("VmRSS:\t  12 kB\nVmHWM:\nThreads:\tx\n", Duration::ZERO);
        assert_eq!((p.rss, p.rss_peak, p.threads), (12 * 1024, 0, 0));
    }
}
