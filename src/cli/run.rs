//! `tailrace run`: puts the parts together, hands signals on, and says how it ended.
//!
//! Only this command sees all parts: `state` (data_dir), `agent` (threads and the runtime), `lanes` (one a configured
//! output). Each part does its own work; here is the order of start and stop.

mod agent;
mod lanes;
mod state;

use super::clock::Clock;
use super::{Exit, RunArgs, complain, file};
use crate::config::checked::Config;
use crate::telemetry::board::{About, Board, Phase};
use crate::telemetry::recent::Recent;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often a process that stands by tries the lock.
const STANDBY_POLL: Duration = Duration::from_millis(50);

/// What all parts of one run share.
pub(super) struct Run {
    config: Config,
    /// `--once`, with how long a destination may settle nothing.
    once: Option<Duration>,
    clock: Clock,
    board: Arc<Board>,
}

/// Runs until everything is delivered (`--once`) or a signal comes.
pub fn run(args: &RunArgs) -> Exit {
    if let Some(Err(why)) = args.ends_with.map(end_with) {
        return cannot_start(&why);
    }
    let config = match file::config(&args.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let clock = Clock::start();
    let recent = Arc::new(Recent::default());
    crate::telemetry::log::init(move || clock.now(), recent.clone());
    let about = About { node: config.node.clone(), started_unix_ns: clock.now().unix_ns };
    let board = Arc::new(Board::new(about, recent));
    let once = args.once.then_some(args.give_up);
    let run = Run { config, once, clock, board };
    // One thread for all senders: bodies are small, and signing and TLS of one never takes long.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(whole(run));
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            complain(&format!("tailrace: cannot start: {error}\n"));
            Exit::CannotStart
        }
    }
}

/// The kernel kills us when our parent ends, however it ends.
fn end_with(parent: u32) -> Result<(), String> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| format!("--ends-with {parent}: {e}"))?;
    // It may have ended before we asked.
    let ours = getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if ours == Some(parent) { Ok(()) } else { Err(format!("--ends-with {parent}: that is not our parent process")) }
}

/// SIGTERM and SIGINT mean the same.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }
    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

async fn whole(run: Run) -> Exit {
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return cannot_start(&format!("signals cannot be caught: {error}")),
    };
    let mut admin = None;
    let lock = match stand_by(&run, &mut signals, &mut admin).await {
        Ok(Some(lock)) => lock,
        Ok(None) => return Exit::Done,
        Err(why) => return cannot_start(&why),
    };
    if admin.is_none()
        && let Err(error) = open_admin(&run, &mut admin)
    {
        return cannot_start(&error.to_string());
    }
    let opened = match state::open(&run) {
        Ok(opened) => opened,
        Err(why) => return cannot_start(&why),
    };
    let mut agent = match agent::Agent::start(&run, opened) {
        Ok(agent) => agent,
        Err(why) => return cannot_start(&why),
    };
    run.board.phase(Phase::Started);
    tracing::info!(node = %run.config.node, outputs = run.config.outputs.len(), version = env!("CARGO_PKG_VERSION"), "started");
    let exit = agent.supervise(&run, &mut signals).await;
    drop(lock);
    exit
}

/// Waits for `data_dir`'s lock: alive and ready, reading nothing. `Ok(None)`: told to stop meanwhile.
async fn stand_by(
    run: &Run,
    signals: &mut Signals,
    admin: &mut Option<tokio::task::JoinHandle<()>>,
) -> Result<Option<state::Held>, String> {
    let mut said = false;
    loop {
        match state::lock(run)? {
            state::Locked::Ours(held) => return Ok(Some(held)),
            state::Locked::Theirs { by } if run.once.is_some() => {
                return Err(format!(
                    "{} is in use by {by}: stop it, or give this run a data_dir of its own",
                    run.config.data_dir.display()
                ));
            }
            state::Locked::Theirs { by } => {
                if !said {
                    said = true;
                    run.board.phase(Phase::StandingBy);
                    tracing::info!(holder = %by, "standing by: another process holds data_dir");
                }
                if admin.is_none() {
                    // The port is the other process's too, as a rule: try again while waiting.
                    drop(open_admin(run, admin));
                }
            }
        }
        tokio::select! {
            () = signals.next() => return Ok(None),
            () = tokio::time::sleep(STANDBY_POLL) => {}
        }
    }
}

/// Serves metrics, health and the status page.
fn open_admin(
    run: &Run,
    admin: &mut Option<tokio::task::JoinHandle<()>>,
) -> Result<(), crate::admin::server::BindError> {
    let Some(address) = run.config.admin else { return Ok(()) };
    let server = crate::admin::server::Server::bind(address)?;
    let (board, clock) = (run.board.clone(), run.clock);
    *admin = Some(tokio::spawn(async move {
        let Err(error) = server.serve(board, move || clock.now()).await;
        tracing::error!(%error, "the admin port is not served");
    }));
    Ok(())
}

fn cannot_start(why: &str) -> Exit {
    complain(&format!("tailrace: cannot start: {why}\n"));
    Exit::CannotStart
}
