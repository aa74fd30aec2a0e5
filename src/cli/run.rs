//! `tailrace run`: puts the parts together and says how it ended.
//!
//! Only this command sees all parts: `standby` (lock and port), `state` (data_dir), `agent` (threads), `fleet` and `lanes`
//! (one lane a configured output), `supervise` (what happens meanwhile), `outside`, `config_file`, `change` and `spot` (what
//! it is told), `finish` (its own end), `notify` (what it tells its service manager). Each part does its own work; here is
//! the order of start and stop.

mod agent;
mod change;
mod config_file;
mod finish;
mod fleet;
pub mod followed;
mod lanes;
mod notify;
mod outside;
mod own_pod;
mod spot;
mod standby;
mod state;
mod supervise;

use super::clock::Clock;
use super::sandbox::Sandbox;
use super::{Exit, RunArgs, complain, file};
use crate::config::checked::{Config, Output};
use crate::telemetry::board::{About, Board, Phase};
use crate::telemetry::recent::Recent;
use crate::telemetry::report::ConfigReport;
use config_file::{ConfigFile, Content};
use finish::Finish;
use notify::ServiceManager;
use outside::Outside;
use sha2::{Digest, Sha256};
use spot::Notice;
use standby::Admin;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use supervise::Next;
use tokio::sync::{Notify, mpsc};

/// What all parts of one run share.
pub(super) struct Run {
    /// In effect.
    config: Config,
    /// Where it came from.
    path: PathBuf,
    /// What is published of it.
    about_config: ConfigReport,
    /// `--once`, with how long a destination may settle nothing.
    once: Option<Duration>,
    /// `--give-up`.
    give_up: Option<Duration>,
    clock: Clock,
    board: Arc<Board>,
    manager: Arc<ServiceManager>,
    /// EC2 takes this machine back.
    leaving: bool,
    sandbox: Sandbox,
}

/// With `--once`, a destination may settle nothing for so long, unless `--give-up` says otherwise.
const GIVE_UP: Duration = Duration::from_secs(60);
/// While the machine is about to go: nothing waits longer for its batch.
const HURRY: Duration = Duration::from_secs(1);

/// Runs until everything is delivered (`--once`) or a signal comes.
pub fn run(args: &RunArgs) -> Exit {
    if let Some(Err(why)) = args.ends_with.map(end_with) {
        return cannot_start(&why);
    }
    let text = file::read(&args.config).and_then(|text| Ok((file::check(&args.config, &text)?, text)));
    let (config, text) = match text {
        Ok(checked) => checked,
        Err(complaint) => {
            complain(&complaint);
            return Exit::Wrong;
        }
    };
    // Before anything is read that others wrote, and while there is one thread.
    let sandbox = Sandbox::begin(&config, &args.config);
    let clock = Clock::start();
    let recent = Arc::new(Recent::default());
    crate::telemetry::log::init(move || clock.now(), recent.clone());
    sandbox.say();
    let (landlock, seccomp) = (sandbox.landlock.is_on(), sandbox.seccomp.is_on());
    let about = About { node: config.node.clone(), started_unix_ns: clock.now().unix_ns, landlock, seccomp };
    let board = Arc::new(Board::new(about, recent));
    let about_config = ConfigReport { hash: hash(&text), since: clock.now().unix_ns, ..ConfigReport::default() };
    board.config(about_config.clone());
    let give_up = args.give_up;
    let once = args.once.then_some(give_up.unwrap_or(GIVE_UP));
    let manager = Arc::new(ServiceManager::of_environment());
    let path = args.config.clone();
    let run = Run { config, path, about_config, once, give_up, clock, board, manager, leaving: false, sandbox };
    // One thread for all senders: bodies are small, and signing and TLS of one never takes long.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(whole(run, text));
            runtime.shutdown_background();
            exit.unwrap_or_else(|why| cannot_start(&why))
        }
        Err(error) => cannot_start(&error.to_string()),
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

/// From start to stop; the error says why there was no start.
async fn whole(mut run: Run, text: String) -> Result<Exit, String> {
    let drain = Arc::new(Notify::new());
    let mut admin = Admin::new(&run, drain.clone());
    let watched = if run.once.is_none() { Some(ConfigFile::watch(run.path.clone(), text)) } else { None };
    let watched = watched.transpose().map_err(|e| format!("no thread for the configuration's file: {e}"))?;
    let (notices, spot) = mpsc::channel(1);
    if run.once.is_none() {
        let asked_for = run.config.spot_notice;
        tokio::spawn(async move { notices.send(spot::notice(asked_for).await).await });
    }
    tokio::spawn(notify::keep_telling(run.manager.clone(), run.board.clone(), run.clock));
    let told = (run.manager.clone(), run.clock);
    let mut outside = Outside::new(drain, watched, spot, told).map_err(|e| format!("signals cannot be caught: {e}"))?;
    let Some(mut lock) = standby::stand_by(&mut run, &mut outside, &mut admin).await? else { return Ok(Exit::Done) };
    admin.open().await.map_err(|error| error.to_string())?;
    let mut opened = state::open(&run)?;
    let mut finish = Finish::default();
    let exit = loop {
        let agent = agent::Agent::start(&run, opened)?;
        run.phase(match (finish.begun, run.leaving) {
            (true, _) => Phase::Draining,
            (false, true) => Phase::Leaving,
            (false, false) => Phase::Started,
        });
        tracing::info!(node = %run.config.node, outputs = run.config.outputs.len(), version = env!("CARGO_PKG_VERSION"), "started");
        match supervise::supervise(agent, &mut run, &mut outside, &mut lock, &mut finish).await {
            Next::End(exit) => break exit,
            Next::Anew(agent) => opened = agent.reopen(&run.board).await?,
        }
    };
    admin.close().await;
    drop(lock);
    Ok(exit)
}

impl Run {
    /// The process moved on.
    fn phase(&self, phase: Phase) {
        self.board.phase(phase);
        self.manager.phase(phase, self.config.shutdown_timeout);
    }

    /// EC2 takes this machine back, in two minutes or less: from now on nothing waits for a full batch, or for anything
    /// but its destination. The process stays to the end: containers write their last lines until then.
    fn leave_soon(&mut self, notice: &Notice) {
        let Notice { action, time } = notice;
        tracing::warn!(%action, at = %time, "spot notice: draining: everything is due now, and so is what is still written until this machine goes");
        self.leaving = true;
        self.config.outputs.iter_mut().for_each(hasten);
    }

    /// A changed configuration: checked, then judged by `fits`. What is wrong with it goes into the log, a metric and
    /// the status page, and nothing else happens.
    fn judge<T>(
        &mut self,
        content: Content,
        fits: impl FnOnce(&Run, &Config) -> Result<T, String>,
    ) -> Option<(Config, T)> {
        let now = self.clock.now().unix_ns;
        let judged = content.and_then(|text| {
            let config = file::check(&self.path, &text)?;
            let fits = fits(self, &config)?;
            self.sandbox.covers(&config)?;
            Ok((config, fits, hash(&text)))
        });
        let about = &mut self.about_config;
        let mut good = match judged {
            Ok((config, fits, hash)) => {
                tracing::info!(sha256 = %hash, "the configuration changed and is in effect");
                *about = ConfigReport { hash, since: now, reloads: about.reloads + 1, refused: None, ..about.clone() };
                Some((config, fits))
            }
            Err(problems) => {
                let problems = problems.trim_end();
                tracing::error!(problems = %problems.replace('\n', " | "), "the changed configuration is refused, the one before stays in effect");
                about.failures += 1;
                about.refused = Some((now, problems.into()));
                None
            }
        };
        self.board.config(about.clone());
        self.manager.reloaded();
        if self.leaving
            && let Some((config, _)) = &mut good
        {
            config.outputs.iter_mut().for_each(hasten);
        }
        good
    }
}

fn hasten(output: &mut Output) {
    output.max_age = output.max_age.min(HURRY);
    output.catch_up.share_percent = 100;
}

/// Names a configuration's text.
fn hash(text: &str) -> Arc<str> {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn cannot_start(why: &str) -> Exit {
    complain(&format!("tailrace: cannot start: {why}\n"));
    Exit::CannotStart
}
