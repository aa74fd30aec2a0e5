//! What one run cost: the system's own account of the finished child, and the table's rows.

use std::process::Child;
use std::time::{Duration, Instant};

pub struct Cost {
    pub cpu: f64,
    pub wall: f64,
    pub peak_mib: f64,
    pub records: u64,
    pub lines: u64,
    pub wire_bytes: u64,
    /// The sink does not count lines (S3): what the agent's exit code says instead.
    pub uncounted: bool,
    pub ok: bool,
}

/// CPU seconds of all children that were waited for so far.
fn children_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit(')').next().unwrap();
    let fields: Vec<u64> = after.split_whitespace().skip(1).map(|f| f.parse().unwrap_or(0)).collect();
    // cutime and cstime are fields 16 and 17 of proc(5); `fields` begins with field 4.
    (fields[12] + fields[13]) as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn peak(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

/// Waits for the child; `done` says when one that does not end by itself has delivered everything.
pub fn watch(mut child: Child, before: Before, mut done: impl FnMut() -> bool) -> (f64, f64, f64, bool) {
    let mut peak_mib = 0f64;
    let mut told = false;
    let status = loop {
        peak_mib = peak_mib.max(peak(child.id()).unwrap_or(0.0));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if !told && done() {
            told = true;
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    (children_cpu() - before.cpu, before.at.elapsed().as_secs_f64(), peak_mib, status.success())
}

pub struct Before {
    cpu: f64,
    at: Instant,
}

#[allow(clippy::disallowed_methods, reason = "a bench measures wall time")]
pub fn before() -> Before {
    Before { cpu: children_cpu(), at: Instant::now() }
}

fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

pub fn row(output: &str, agent: &str, costs: &[Cost]) {
    let per_million = |c: &Cost| c.cpu * 1e6 / c.lines as f64;
    let (cpu, least, most) = spread(costs.iter().map(per_million).collect());
    let (wall, quickest, slowest) = spread(costs.iter().map(|c| c.wall).collect());
    let (bytes, _, _) = spread(costs.iter().map(|c| c.wire_bytes as f64 / c.lines as f64).collect());
    let (_, _, peak) = spread(costs.iter().map(|c| c.peak_mib).collect());
    let lost: i64 = costs.iter().map(|c| c.lines as i64 - c.records as i64).sum();
    let lost = if costs.iter().any(|c| c.uncounted) { "not counted".into() } else { lost.to_string() };
    let failed = if costs.iter().all(|c| c.ok) { "" } else { "  (an agent failed)" };
    println!(
        "{output:<12} {agent:<12} {:>22} {bytes:>10.1} {peak:>9.1} {:>16} {lost:>9}{failed}",
        format!("{cpu:.3} ({least:.2}..{most:.2})"),
        format!("{wall:.1} ({quickest:.1}..{slowest:.1})"),
    );
}
