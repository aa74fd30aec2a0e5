//! The two things that only one process can have: the lock of `data_dir`, and the admin port.
//!
//! Who finds the lock taken stands by: alive and ready, reading nothing, until the other process ends, however it ends. In
//! a rolling update both are pods of one host network: the port is taken as well, and tried until it is free; meanwhile
//! the other process answers on it, for both.

use super::outside::{Outside, Word};
use super::{Run, change, state};
use crate::admin::server::{BindError, Server};
use crate::cli::clock::Clock;
use crate::telemetry::board::{Board, Phase};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How often a process that stands by tries the lock, and the port.
const POLL: Duration = Duration::from_millis(20);
/// Who did not stand by waits so long for its port: the process before may be about to end.
const PORT_WITHIN: Duration = Duration::from_secs(1);
/// Who has the lock and for so long no port says so.
const SAY_AFTER: Duration = Duration::from_secs(5);

/// The admin port, or the wish for it.
pub struct Admin {
    wanted: Option<SocketAddr>,
    board: Arc<Board>,
    clock: Clock,
    drain: Arc<Notify>,
    task: Option<JoinHandle<()>>,
    has_lock: Arc<AtomicBool>,
}

impl Admin {
    /// Touches nothing yet. `drain` hears of each `POST /drain`.
    pub fn new(run: &Run, drain: Arc<Notify>) -> Admin {
        let (board, clock) = (run.board.clone(), run.clock);
        Admin { wanted: run.config.admin, board, clock, drain, task: None, has_lock: Arc::default() }
    }

    /// We have the lock: takes the port and serves it, unless that is under way since we stood by.
    pub async fn open(&mut self) -> Result<(), BindError> {
        self.has_lock.store(true, Ordering::Relaxed);
        if let (None, Some(address)) = (&self.task, self.wanted) {
            let server = bind(address, |tried| tried >= PORT_WITHIN).await?;
            self.serve(async move { server });
        }
        Ok(())
    }

    /// We stand by: the same, whenever the port is free.
    fn open_in_time(&mut self) {
        let (None, Some(address)) = (&self.task, self.wanted) else { return };
        let has_lock = self.has_lock.clone();
        self.serve(async move {
            let mut said = Duration::ZERO;
            loop {
                let give_up = |tried| has_lock.load(Ordering::Relaxed) && tried >= SAY_AFTER;
                match bind(address, give_up).await {
                    Ok(server) => return server,
                    Err(error) => {
                        // What answers there is not the process that we stood by for.
                        if said.is_zero() {
                            tracing::error!(%error, "no admin port yet");
                        }
                        said = said.saturating_add(SAY_AFTER);
                        tokio::time::sleep(SAY_AFTER).await;
                    }
                }
            }
        });
    }

    fn serve(&mut self, server: impl Future<Output = Server> + Send + 'static) {
        let (board, clock, drain) = (self.board.clone(), self.clock, self.drain.clone());
        self.task = Some(tokio::spawn(async move {
            let Err(error) = server.await.serve(board, move || clock.now(), drain).await;
            tracing::error!(%error, "the admin port is not served");
        }));
    }

    /// Lets the port go; before the lock, so that who takes the one finds the other free.
    pub async fn close(self) {
        if let Some(task) = self.task {
            task.abort();
            // Cancelled, as it was told.
            task.await.ok();
        }
    }
}

/// Takes the port; while another process has it, until `enough` of the time spent on it.
async fn bind(address: SocketAddr, enough: impl Fn(Duration) -> bool) -> Result<Server, BindError> {
    let mut tried = Duration::ZERO;
    loop {
        match Server::bind(address) {
            Err(error) if error.in_use() && !enough(tried) => {}
            done => return done,
        }
        tokio::time::sleep(POLL).await;
        tried = tried.saturating_add(POLL);
    }
}

/// Waits for `data_dir`'s lock: alive and ready, reading nothing. `Ok(None)`: told to stop meanwhile.
pub async fn stand_by(run: &mut Run, outside: &mut Outside, admin: &mut Admin) -> Result<Option<state::Held>, String> {
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
                if !std::mem::replace(&mut said, true) {
                    run.phase(Phase::StandingBy);
                    tracing::info!(holder = %by, "standing by: another process holds data_dir");
                    admin.open_in_time();
                }
            }
        }
        tokio::select! {
            word = outside.next() => match word {
                Word::Signal | Word::Drain => return Ok(None),
                Word::Config(content) => {
                    // Nothing runs yet: only what this process waits for must stay.
                    if let Some((config, _)) = run.judge(content, |run, config| change::between(&run.config, config)) {
                        run.config = config;
                    }
                }
                Word::Spot(notice) => run.leave_soon(&notice),
            },
            () = tokio::time::sleep(POLL) => {}
        }
    }
}
