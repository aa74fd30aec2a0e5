//! `tailrace demo`: the real agent against stand-ins of the three services, with logs as a node has them.
//!
//! Needs no account, no cluster, no configuration. The agent is a process of its own (`agent`) and talks HTTP to the
//! stand-ins (`services`) here; everything lies in a directory of its own (`room`) and goes at the end. The demo's
//! writer knows every line it wrote, so that the table at the end (`table`) is an audit, not the agent's opinion.

mod account;
mod agent;
mod progress;
mod room;
mod services;
mod table;

use super::clock::Clock;
use super::{DemoArgs, Exit, complain, say};
use crate::standin::writer::{Options, Writer};
use agent::Agent;
use progress::Progress;
use room::Room;
use services::Services;
use std::io;
use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The writer's step, and how often the agent is looked at.
const STEP: Duration = Duration::from_millis(20);
/// What is written last has to arrive within this; the longest `max_age` is 3 s.
const ARRIVE_WITHIN: Duration = Duration::from_secs(20);
/// The agent has to end within this after SIGTERM: its `shutdown_timeout` and a little.
const END_WITHIN: Duration = Duration::from_secs(20);
/// Lines a second with `--keep`: gentle, because every id is remembered.
const KEEP_RATE: u64 = 200;

/// Runs it, and says whether anything was lost.
pub fn demo(args: &DemoArgs) -> Exit {
    if let Some(dir) = args.logs.as_ref().filter(|dir| !dir.is_dir()) {
        complain(&format!("tailrace demo: --logs {}: not a directory that can be read\n", dir.display()));
        return Exit::Wrong;
    }
    // This thread writes the logs; the runtime's own serve the stand-ins.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let ended = runtime.and_then(|runtime| {
        let exit = runtime.block_on(whole(args, runtime.handle()));
        runtime.shutdown_background();
        exit
    });
    ended.unwrap_or_else(|error| {
        complain(&format!("\ntailrace demo: {error}\n"));
        Exit::CannotStart
    })
}

/// What it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The writer writes, or the agent reads what is there.
    Running,
    /// Nothing more is written; not all has arrived.
    Arriving,
    /// The agent was told to end.
    Draining,
}

impl Phase {
    fn as_str(self) -> &'static str {
        match self {
            Phase::Running => "running",
            Phase::Arriving => "arriving",
            Phase::Draining => "draining",
        }
    }
}

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As it should, or its time was up.
    Done,
    /// Somebody wants us to go on to the next.
    Signal,
    AgentEnded,
}

struct Demo<'a> {
    args: &'a DemoArgs,
    clock: Clock,
    signals: [Signal; 3],
    progress: Progress,
    services: Services,
    admin: SocketAddr,
    // In this order: the agent ends before its directory goes.
    agent: Agent,
    room: Room,
}

async fn whole(args: &DemoArgs, runtime: &tokio::runtime::Handle) -> io::Result<Exit> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [int, term, hup] = kinds.map(signal);
    let signals = [int?, term?, hup?];
    let clock = Clock::start();
    let room = Room::new(args.keep)?;
    let services = Services::start(runtime)?;
    let admin = agent::free_address()?;
    let logs = match &args.logs {
        Some(dir) => std::path::absolute(dir)?,
        None => room.pods(),
    };
    let mut writer = match args.logs {
        Some(_) => None,
        None => Some(Writer::new(&logs, u64::from(std::process::id()), options(args), clock.now())?),
    };
    let config = services.config(&room, &logs, admin);
    let file = room.path().join("tailrace.yaml");
    std::fs::write(&file, &config)?;
    say(&format!("# {}\n{config}\n", file.display()));
    let agent = Agent::start(&room, &file, args.logs.is_some() && !args.keep)?;
    let mut demo = Demo { args, clock, signals, progress: Progress::new(), services, admin, agent, room };
    demo.announce();
    let exit = demo.run(writer.as_mut()).await?;
    demo.progress.end();
    if args.keep {
        say(&format!("everything is still in {}\n", demo.room.path().display()));
    }
    Ok(exit)
}

fn options(args: &DemoArgs) -> Options {
    let mut options = Options::demo();
    if args.keep {
        options.lines_per_second = KEEP_RATE;
    }
    options
}

impl Demo<'_> {
    fn announce(&self) {
        let what = match &self.args.logs {
            Some(dir) => format!("Logs: {}.", dir.display()),
            None => format!("Writing logs like kubelet and containerd, in {}.", self.room.pods().display()),
        };
        let page = if self.args.keep {
            format!("Open http://{}/ for the agent's status page; Ctrl-C ends everything.\n", self.admin)
        } else {
            String::new()
        };
        say(&format!("{what}\n{page}\n"));
    }

    /// From the first line to the table.
    async fn run(&mut self, mut writer: Option<&mut Writer>) -> io::Result<Exit> {
        let writing = (!self.args.keep && writer.is_some()).then(|| Duration::from_secs(self.args.seconds));
        let mut end = self.until(Phase::Running, writing, writer.as_deref_mut()).await?;
        if let Some(writer) = writer.as_deref_mut()
            && end != End::AgentEnded
        {
            writer.finish(self.clock.now())?;
            end = self.until(Phase::Arriving, Some(ARRIVE_WITHIN), Some(writer)).await?;
        }
        let by_itself = end == End::AgentEnded;
        if !by_itself {
            self.agent.terminate();
            end = self.until(Phase::Draining, Some(END_WITHIN), writer.as_deref_mut()).await?;
        }
        self.progress.end();
        match self.agent.look()? {
            Some(status) => Ok(self.report(writer.as_deref(), status, by_itself)),
            None => {
                self.agent.kill();
                let why = if end == End::Signal { "left before the agent had ended" } else { "the agent did not end" };
                complain(&format!("tailrace demo: {why}\n"));
                Ok(Exit::Failed)
            }
        }
    }

    /// Writes (while running) and waits, until all is there, it takes too long, or somebody interrupts.
    async fn until(
        &mut self,
        phase: Phase,
        limit: Option<Duration>,
        mut writer: Option<&mut Writer>,
    ) -> io::Result<End> {
        let begun = self.clock.now().mono;
        loop {
            let now = self.clock.now();
            if let Some(writer) = writer.as_deref_mut() {
                match phase {
                    Phase::Running => writer.step(now)?,
                    Phase::Arriving if self.all_arrived(writer) => return Ok(End::Done),
                    // A line that its dead process never ended is whole only when its file goes.
                    Phase::Arriving => writer.clean_up(now)?,
                    Phase::Draining => {}
                }
            }
            if self.agent.look()?.is_some() {
                return Ok(End::AgentEnded);
            }
            if limit.is_some_and(|limit| now.mono.saturating_sub(begun) >= limit) {
                return Ok(End::Done);
            }
            let written = writer.as_deref().map(|w| w.ledger().written());
            self.progress.tick(now.mono, phase.as_str(), written, &self.services);
            let [int, term, hup] = &mut self.signals;
            tokio::select! {
                _ = int.recv() => return Ok(End::Signal),
                _ = term.recv() => return Ok(End::Signal),
                _ = hup.recv() => return Ok(End::Signal),
                () = tokio::time::sleep(STEP) => {}
            }
        }
    }

    fn all_arrived(&self, writer: &Writer) -> bool {
        let written = writer.ledger().written();
        self.services.each().all(|(_, standin)| standin.control.receipts().distinct() >= written)
    }

    fn nothing_arrived(&self) -> bool {
        self.services.each().all(|(_, standin)| standin.control.receipts().totals().records == 0)
    }

    /// The table, what it cost, and what is wrong with it. An agent may end by itself only when it was told to (`--once`).
    fn report(&self, writer: Option<&Writer>, status: ExitStatus, by_itself: bool) -> Exit {
        let now = self.clock.now();
        let rows = account::rows(&self.services, &self.room, writer, now);
        let note = if writer.is_some() {
            "Counted by the ids inside the lines: a long line carries two, an empty one none."
        } else {
            "Not our files: what the agent counts as delivered is compared with what arrived, and the outputs with each other."
        };
        let cost = table::cost(self.agent.usage(), now.mono);
        say(&format!("\n{}{note}\n{cost}", table::table(&rows)));
        if let Some(dir) = self.args.logs.as_ref().filter(|_| self.nothing_arrived()) {
            complain(&format!(
                "tailrace demo: no log was found below {dir}: it must look like /var/log/pods, with files like \
                 {dir}/NAMESPACE_POD_UID/CONTAINER/0.log\n",
                dir = dir.display()
            ));
            return Exit::Wrong;
        }
        let mut wrong = table::complaints(&rows);
        if !status.success() || (by_itself && writer.is_some()) {
            wrong.push(format!("the agent ended with {status}; it said last:\n{}", self.agent.said()));
        }
        if wrong.is_empty() {
            say("Nothing was lost, and nothing came that should not have.\n");
            return Exit::Done;
        }
        wrong.iter().for_each(|what| complain(&format!("tailrace demo: {what}\n")));
        Exit::Failed
    }
}
