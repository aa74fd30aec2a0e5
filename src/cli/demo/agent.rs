//! The demo's agent: `tailrace run` of this same executable, as a process of its own.
//!
//! It gets the stand-ins' keys and nothing else of this environment, a process group of its own (Ctrl-C is ours to
//! hand on), and ends with us whatever ends us (`--ends-with`).

use super::room::Room;
use super::services;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Bytes of its log that are shown when something went wrong.
const TAIL: usize = 4_000;

/// What it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// Most bytes resident.
    pub peak: u64,
}

/// The process; killed when dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    log: PathBuf,
    usage: Usage,
    ended: Option<ExitStatus>,
}

/// A port for its admin page: free a moment ago.
///
/// # Errors
/// When none can be had.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

impl Agent {
    /// Starts it; its log goes into the room. The caller's thread must live as long as the demo.
    ///
    /// # Errors
    /// When the executable cannot be started or its log not be written.
    pub fn start(room: &Room, config: &Path, once: bool) -> io::Result<Agent> {
        let log = room.path().join("agent.log");
        let out = File::create(&log)?;
        let keys = services::keys();
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("run").arg("-c").arg(config).arg("--ends-with").arg(std::process::id().to_string());
        if once {
            command.arg("--once");
        }
        command
            .env_clear()
            .env("HOME", room.path())
            .env("AWS_ACCESS_KEY_ID", keys.access)
            .env("AWS_SECRET_ACCESS_KEY", keys.secret)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(keys.token.map(|token| ("AWS_SESSION_TOKEN", token)))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0);
        Ok(Agent { child: command.spawn()?, log, usage: Usage::default(), ended: None })
    }
    /// Asks it to drain.
    pub fn terminate(&self) {
        if self.ended.is_none() {
            // Gone already: then there is nothing to ask for.
            kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap_or_default();
        }
    }
    /// Ends it at once.
    pub fn kill(&mut self) {
        // Gone already: fine as well.
        drop(self.child.kill());
        drop(self.child.wait());
    }
    /// Looks at its memory, and whether it ended.
    ///
    /// # Errors
    /// When the system does not know our child any more.
    pub fn look(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
            let status = std::fs::read_to_string(proc.join("status")).unwrap_or_default();
            self.usage.peak = self.usage.peak.max(peak(&status));
            let over = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            if waitid(WaitId::Pid(Pid::from_child(&self.child)), over)?.is_some() {
                // Its times can be read until it is waited for.
                let stat = std::fs::read_to_string(proc.join("stat")).unwrap_or_default();
                (self.usage.user, self.usage.system) =
                    times(&stat, rustix::param::clock_ticks_per_second()).unwrap_or_default();
                self.ended = Some(self.child.wait()?);
            }
        }
        Ok(self.ended)
    }
    /// What it cost; processor time only once it ended.
    pub fn usage(&self) -> Usage {
        self.usage
    }
    /// The end of what it said.
    pub fn said(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let tail = log.get(log.len().saturating_sub(TAIL)..).unwrap_or_default();
        String::from_utf8_lossy(tail).into_owned()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.kill();
        }
    }
}

/// `VmHWM` of /proc/PID/status, in bytes.
fn peak(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
}

/// User and system time of /proc/PID/stat: fields 14 and 15; the name in field 2 may hold anything.
fn times(stat: &str, ticks_per_second: u64) -> Option<(Duration, Duration)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_millis(ticks.saturating_mul(1_000).checked_div(ticks_per_second)?))
    };
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 150 31 0 0 20 0 1 0 5 6 7";
        assert_eq!(times(stat, 100), Some((Duration::from_millis(1_500), Duration::from_millis(310))));
        assert_eq!(times("", 100), None);
        assert_eq!(times(stat, 0), None);
        assert_eq!(peak("VmPeak:\t 9 kB\nVmHWM:\t    12 kB\n"), 12 * 1024);
        assert_eq!(peak("VmHWM: x"), 0);
    }
}
