//! What a service manager (systemd) is told, as sd_notify(3) has it: one datagram each to NOTIFY_SOCKET, without a library.
//!
//! READY once lanes run or we stand by, RELOADING and READY around a SIGHUP, STOPPING with the time that the drain may take,
//! STATUS when it changed, and WATCHDOG while our own threads beat and this runtime turns, as `/livez` has it: an agent
//! that hangs is started again, one whose destination is down is not. Nothing waits: what cannot go out now is left out.
//! Without NOTIFY_SOCKET nothing happens.

use crate::cli::clock::Clock;
use crate::record::Now;
use crate::telemetry::board::{Board, Phase, Snapshot};
use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two looks at our status; sooner where the watchdog wants more.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Of a status; systemd shows one line.
const STATUS_MOST: usize = 400;
/// After a drain's end the store is synced; so much longer we may be there.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

/// The way to the service manager, if there is one.
pub struct ServiceManager {
    way: Option<(UnixDatagram, SocketAddr)>,
    ping_every: Option<Duration>,
    told: Mutex<Told>,
}

/// What it knows.
#[derive(Default)]
struct Told {
    ready: bool,
    reloading: bool,
    stopping: bool,
    status: String,
}

impl ServiceManager {
    /// As the environment says.
    pub fn of_environment() -> ServiceManager {
        let variable = |name: &str| std::env::var_os(name);
        let way = variable("NOTIFY_SOCKET").and_then(|name| {
            open(&name).inspect_err(|error| tracing::warn!(%error, socket = ?name, "NOTIFY_SOCKET is not usable")).ok()
        });
        let ping_every = ping_every(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id());
        ServiceManager { way, ping_every, told: Mutex::default() }
    }

    /// The process moved on; a drain takes no longer than `shutdown`.
    pub fn phase(&self, phase: Phase, shutdown: Duration) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match phase {
            Phase::Starting => {}
            Phase::StandingBy | Phase::Started | Phase::Leaving => {
                if !std::mem::replace(&mut told.ready, true) {
                    self.send("READY=1");
                }
            }
            Phase::Draining => {
                told.stopping = true;
                let within = shutdown.saturating_add(AFTER_DRAIN).as_micros();
                self.send(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={within}"));
            }
        }
        self.status(&mut told, phase.as_str());
    }

    /// A SIGHUP came; [`ServiceManager::reloaded`] follows.
    pub fn reloading(&self, clock: Clock) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.ready && !told.stopping {
            told.reloading = true;
            self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock.since_boot().as_micros()));
        }
    }

    /// The configuration was judged.
    pub fn reloaded(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut told.reloading) && !told.stopping {
            self.send("READY=1");
        }
    }

    fn status(&self, told: &mut Told, status: &str) {
        let status = one_line(status);
        if told.status != status {
            self.send(&format!("STATUS={status}"));
            told.status = status;
        }
    }

    fn send(&self, text: &str) {
        if let Some((socket, to)) = &self.way {
            // Full, or nobody is there: who waits for a ping will act on that.
            drop(socket.send_to_addr(text.as_bytes(), to));
        }
    }
}

/// Tells how we are, for as long as it is polled.
pub async fn keep_telling(manager: Arc<ServiceManager>, board: Arc<Board>, clock: Clock) {
    if manager.way.is_none() {
        return;
    }
    let mut interval = tokio::time::interval(manager.ping_every.map_or(LOOK_EVERY, |ping| ping.min(LOOK_EVERY)));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let (snapshot, now) = (board.snapshot(), clock.now());
        if manager.ping_every.is_some() && lives(&snapshot, now) {
            manager.send("WATCHDOG=1");
        }
        manager.status(&mut manager.told.lock().unwrap_or_else(PoisonError::into_inner), &status(&snapshot, now));
    }
}

/// As `/livez` has it.
fn lives(snapshot: &Snapshot, now: Now) -> bool {
    snapshot.stuck(now).is_empty()
}

/// A sentence on how we are.
fn status(snapshot: &Snapshot, now: Now) -> String {
    let mut said = vec![snapshot.phase.as_str().to_owned()];
    said.extend(snapshot.stuck(now).iter().map(|(name, _)| format!("{name} has been stuck for a minute")));
    if snapshot.config.refused.is_some() {
        said.push("the changed configuration is refused, the one before stays in effect".to_owned());
    }
    said.extend(snapshot.stalled());
    said.join("; ")
}

/// A line break would begin another assignment, and names of pods are not ours.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() > STATUS_MOST {
        let end = (0..=STATUS_MOST).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
        line.truncate(end);
        line.push('…');
    }
    line
}

/// A path, or with `@` before it a name in the abstract space; the datagrams come from a socket without a name.
fn open(name: &OsStr) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let to = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, to))
}

/// A third of what the service manager waits, when it is us whom it watches.
fn ping_every(usec: Option<OsString>, pid: Option<OsString>, ours: u32) -> Option<Duration> {
    let number = |text: &OsString| text.to_str()?.parse::<u64>().ok();
    let usec = usec.as_ref().and_then(number).filter(|usec| *usec > 0)?;
    let us = pid.is_none_or(|pid| number(&pid) == Some(u64::from(ours)));
    us.then(|| (Duration::from_micros(usec) / 3).max(Duration::from_millis(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::report::LaneReport;

    #[test]
    fn only_the_process_that_is_watched_pings_and_often_enough() {
        let every = |usec: &str, pid: Option<&str>| ping_every(Some(usec.into()), pid.map(Into::into), 7);
        assert_eq!(every("30000000", None), Some(Duration::from_secs(10)));
        assert_eq!(every("30000000", Some("7")), Some(Duration::from_secs(10)));
        assert_eq!(every("30000000", Some("8")), None);
        assert_eq!(every("0", None), None);
        assert_eq!(every("soon", None), None);
        assert_eq!(ping_every(None, None, 7), None);
    }

    #[test]
    fn a_status_is_one_line_of_bounded_length_whatever_a_pod_is_called() {
        assert_eq!(one_line("a\nMAINPID=1\u{1b}[0m"), "a MAINPID=1 [0m");
        let long = one_line(&"é".repeat(1_000));
        assert!(long.len() <= STATUS_MOST + 3 && long.ends_with("é…"), "{}", long.len());
    }

    #[test]
    fn a_thread_that_is_stuck_stops_the_pings_and_a_lane_that_is_stalled_does_not() {
        let board = Board::default();
        let at = |seconds| Now { mono: Duration::from_secs(seconds), unix_ns: 0 };
        board.phase(Phase::Started);
        board.beat("catalog", at(1));
        assert_eq!(status(&board.snapshot(), at(50)), "running");
        board.lane(LaneReport { output: "s3".into(), stalled: true, lag_bytes: 7, ..Default::default() });
        assert!(lives(&board.snapshot(), at(50)));
        assert_eq!(status(&board.snapshot(), at(50)), "running; output s3 is 7 bytes behind and settles nothing");
        assert!(!lives(&board.snapshot(), at(90)));
        assert!(status(&board.snapshot(), at(90)).starts_with("running; catalog has been stuck for a minute; "));
    }
}
