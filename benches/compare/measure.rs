//! What one run cost: the system's own account of the finished child, and the table's rows.

use std::process::Child;
use std::time::{Duration, Instant};

pub struct Cost {
    pub used: Used,
    pub records: u64,
    pub lines: u64,
    pub wire_bytes: u64,
    /// Bodies that the sink could not read, so that their records are not counted.
    pub unreadable: u64,
}

/// What the process used.
pub struct Used {
    pub cpu: f64,
    /// Without the time in which an agent that does not end by itself did nothing before it was stopped.
    pub wall: f64,
    pub peak_mib: f64,
    /// Median of the resident memory, looked at every 10 ms.
    pub steady_mib: f64,
    pub ok: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    Itself,
    /// It is stopped when all is delivered, or when it has done nothing for [`QUIET`].
    WhenDone,
}

/// Without any work for so long, an agent is taken to be through.
const QUIET: Duration = Duration::from_secs(10);
/// No run is longer.
const LONGEST: Duration = Duration::from_secs(1_200);

/// CPU seconds of all children that were waited for so far.
fn children_cpu() -> f64 {
    // cutime and cstime are fields 16 and 17 of proc(5).
    ticks("/proc/self/stat", 16)
}

/// Two neighbouring fields of a `stat` file, in seconds.
fn ticks(file: &str, field: usize) -> f64 {
    let stat = std::fs::read_to_string(file).unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> = after.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    // `fields` begins with field 3.
    let at = |n: usize| fields.get(n - 3).copied().unwrap_or(0);
    (at(field) + at(field + 1)) as f64 / rustix::param::clock_ticks_per_second() as f64
}

fn status_mib(pid: u32, name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|l| l.starts_with(name))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

/// Whether the child did anything lately, by its CPU time.
struct Quiet {
    cpu: f64,
    since: Instant,
}

impl Quiet {
    fn look(&mut self, pid: u32) -> bool {
        let cpu = ticks(&format!("/proc/{pid}/stat"), 14);
        // A hundredth of a core is what waiting costs some agents.
        if cpu - self.cpu > 0.01 * QUIET.as_secs_f64() {
            *self = Quiet { cpu, since: now() };
        }
        self.since.elapsed() > QUIET
    }
}

/// Waits for the child; `done` says when everything is delivered.
pub fn watch(mut child: Child, before: Before, ends: Ends, mut done: impl FnMut() -> bool) -> Used {
    let (mut peak_mib, mut resident, mut idle) = (0f64, Vec::new(), 0.0);
    let mut told = false;
    let mut quiet = Quiet { cpu: 0.0, since: now() };
    let status = loop {
        peak_mib = peak_mib.max(status_mib(child.id(), "VmHWM:").unwrap_or(0.0));
        resident.extend(status_mib(child.id(), "VmRSS:"));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if ends == Ends::WhenDone && !told {
            let nothing_more = quiet.look(child.id());
            if nothing_more || done() {
                told = true;
                idle = if nothing_more { quiet.since.elapsed().as_secs_f64() } else { 0.0 };
                let pid = rustix::process::Pid::from_child(&child);
                rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            }
        }
        if before.at.elapsed() > LONGEST {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    Used {
        cpu: children_cpu() - before.cpu,
        wall: before.at.elapsed().as_secs_f64() - idle,
        peak_mib,
        steady_mib: spread(resident).0,
        ok: status.success(),
    }
}

pub struct Before {
    cpu: f64,
    at: Instant,
}

#[allow(clippy::disallowed_methods, reason = "a bench measures wall time")]
fn now() -> Instant {
    Instant::now()
}

pub fn before() -> Before {
    Before { cpu: children_cpu(), at: now() }
}

/// The machine's load, so that a reader can judge wall times.
pub fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().take(1).collect()
}

/// Median, least, most.
pub fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |i: usize| values.get(i).copied().unwrap_or(0.0);
    (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

/// The figures of one agent's runs.
pub struct Row {
    pub cpu: (f64, f64, f64),
    pub wall: (f64, f64, f64),
    pub bytes: f64,
    pub peak_mib: f64,
    pub steady_mib: f64,
    /// Sum over the runs; less than none: some came twice.
    pub lost: i64,
    pub unreadable: u64,
    pub ok: bool,
}

pub fn row(costs: &[Cost]) -> Row {
    let of = |what: &dyn Fn(&Cost) -> f64| spread(costs.iter().map(what).collect());
    Row {
        cpu: of(&|c| c.used.cpu * 1e6 / c.lines as f64),
        wall: of(&|c| c.used.wall),
        bytes: of(&|c| c.wire_bytes as f64 / c.lines as f64).0,
        peak_mib: of(&|c| c.used.peak_mib).2,
        steady_mib: of(&|c| c.used.steady_mib).0,
        lost: costs.iter().map(|c| c.lines as i64 - c.records as i64).sum(),
        unreadable: costs.iter().map(|c| c.unreadable).sum(),
        ok: costs.iter().all(|c| c.used.ok),
    }
}

impl Row {
    /// Cells of a table, without the first ones that say what was run.
    pub fn cells(&self) -> Vec<String> {
        let ((cpu, least, most), (wall, quickest, slowest)) = (self.cpu, self.wall);
        let lost = match (self.unreadable, self.ok) {
            (0, true) => self.lost.to_string(),
            (0, false) => format!("{}, failed", self.lost),
            (n, _) => format!("{}, {n} unreadable", self.lost),
        };
        vec![
            format!("{cpu:.2} ({least:.2}..{most:.2})"),
            format!("{:.1}", self.bytes),
            format!("{:.0}", self.peak_mib),
            format!("{:.0}", self.steady_mib),
            format!("{wall:.1} ({quickest:.1}..{slowest:.1})"),
            lost,
        ]
    }
}
