//! The command line: one file a command. Here: what can be typed, and what the exit codes mean.
//!
//! Answers that were asked for go to stdout, complaints to stderr. A reader that went away (`| head`) is no error.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the part that speaks to a person")]

pub mod audit;
pub mod check;
pub mod clock;
#[cfg(feature = "standin")]
pub mod demo;
pub mod doctor;
mod file;
mod heap;
mod lane;
mod output;
pub mod positions;
pub mod print_config;
pub mod replay;
pub mod run;
pub mod sandbox;
mod table;

use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How a command ended; the numbers are part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed while running: something was not delivered.
    Failed,
    /// 64: wrong usage or configuration; nothing was started.
    Wrong,
    /// 69: cannot start: a lock, a port, a file system.
    CannotStart,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Wrong => 64,
            Exit::CannotStart => 69,
        })
    }
}

/// Follows container logs and delivers them to CloudWatch Logs, S3 and OpenSearch.
#[derive(Debug, Parser)]
#[command(name = "tailrace", version, subcommand_required = true, arg_required_else_help = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent until SIGTERM or SIGINT (a second one leaves at once)
    Run(RunArgs),
    /// Check a configuration: every problem at once, with line and column
    Check(ConfigArgs),
    /// Print a configuration with all defaults filled in; secrets are hidden
    PrintConfig(ConfigArgs),
    /// Send dead letters again, to the output that refused them or to another one
    Replay(replay::ReplayArgs),
    /// Where each output stands in each file: list, set, forget
    Positions(positions::PositionsArgs),
    /// Account for every byte of every file, by output; of a running or a stopped agent
    Audit(audit::AuditArgs),
    /// Try everything that the agent needs, and say what is wrong and what to do; leaves nothing behind
    Doctor(ConfigArgs),
    /// Run the agent against stand-ins of the three services on this machine; needs no account
    #[cfg(feature = "standin")]
    Demo(DemoArgs),
}

/// A command that needs only a configuration.
#[derive(Clone, Debug, Args)]
pub struct ConfigArgs {
    /// The configuration (YAML)
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `tailrace run`
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The configuration (YAML)
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Deliver what is there now, also in rotated files, then exit: 0 when all is settled, else 1
    #[arg(long)]
    pub once: bool,
    /// With --once (60s) or `exit_when` (5m): give up on a destination that settled nothing for so long
    #[arg(long, value_name = "TIME", value_parser = crate::config::parse_duration)]
    pub give_up: Option<Duration>,
    /// Ends at once when the process that started it does, which has this pid: for `demo`
    #[arg(long, value_name = "PID", hide = true)]
    pub ends_with: Option<u32>,
}

/// `tailrace demo`
#[cfg(feature = "standin")]
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Leave everything running, and name the page to open
    #[arg(long)]
    pub keep: bool,
    /// Use the logs in this directory (laid out like /var/log/pods) instead of writing some
    #[arg(long, value_name = "DIR")]
    pub logs: Option<PathBuf>,
    /// Write logs for so long before draining
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
}

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Wrong } else { Exit::Done };
            // Nobody is left to tell if this cannot be written.
            return if error.print().is_ok() { exit.into() } else { Exit::Wrong.into() };
        }
    };
    let exit = match line.command {
        Command::Check(args) => check::check(&args),
        Command::PrintConfig(args) => print_config::print_config(&args),
        Command::Run(args) => {
            heap::set_up();
            run::run(&args)
        }
        Command::Audit(args) => audit::audit(&args),
        Command::Replay(args) => replay::replay(&args),
        Command::Positions(args) => positions::positions(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        #[cfg(feature = "standin")]
        Command::Demo(args) => demo::demo(&args),
    };
    exit.into()
}

/// Writes an answer to stdout; a closed pipe is the reader's choice.
fn say(text: &str) {
    draw(&crate::telemetry::log::plain(text));
}

/// The same with the characters that move a terminal's cursor.
fn draw(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Writes a complaint to stderr.
fn complain(text: &str) {
    crate::telemetry::stderr::write(crate::telemetry::log::plain(text).as_bytes());
}
