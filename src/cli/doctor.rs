//! `tailrace doctor`: tries everything that the agent will need, and says what is wrong and what to do, a line each.
//!
//! Leaves nothing behind and disturbs no agent that is running beside it. All checks run at once, each within its time.

mod clock;
mod cluster;
mod credentials;
mod destination;
mod files;
mod inputs;
mod limits;
mod line;
mod port;
mod state;

use super::clock::Clock;
use super::{ConfigArgs, Exit, complain, file, say};
use crate::config::checked::Config;
use line::{Grade, Line};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Of what waits for the disk. Files come first: they say where output goes.
const DISK: Duration = Duration::from_secs(8);
/// Of what waits for a network.
const NET: Duration = Duration::from_secs(14);

/// 0: nothing failed. 1: something did.
pub fn doctor(args: &ConfigArgs) -> Exit {
    let config = match file::config(&args.config) {
        Ok(config) => Arc::new(config),
        Err(exit) => return exit,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("tailrace doctor: {error}\n"));
            return Exit::CannotStart;
        }
    };
    let lines = runtime.block_on(all(&config));
    // A disk that hangs keeps its thread; we do not wait for it.
    runtime.shutdown_background();
    say(&line::shown(&lines));
    if lines.iter().any(|line| line.grade == Grade::Fail) { Exit::Failed } else { Exit::Done }
}

/// In the order in which they are shown.
async fn all(config: &Arc<Config>) -> Vec<Line> {
    let clock = Clock::start();
    let state = blocking("data_dir", config, state::look);
    let cluster = spawn("API server", config, move |config| async move { cluster::look(&config, clock).await });
    let port = spawn("admin", config, |config| async move { Vec::from_iter(port::look(config.admin).await) });
    let mut looks = Vec::new();
    for (at, input) in config.inputs.iter().enumerate() {
        let notes: Arc<OnceLock<Looked>> = Arc::default();
        let of = format!("input {}", input.name);
        looks.push((notes.clone(), blocking(&of, config, move |config| files(config, at, &notes))));
    }
    let (mut inputs, mut samples, mut counts) = (Vec::new(), Vec::new(), (0, 0));
    for (notes, look) in looks {
        inputs.extend(look.await.unwrap_or_default());
        if let Some(looked) = notes.get() {
            counts = (counts.0 + looked.files, counts.1 + looked.directories);
            samples.extend(looked.samples.iter().cloned());
        }
    }
    let limits = blocking("limits", config, move |config| limits::look(config, counts.0, counts.1));
    let mut outputs = Vec::new();
    for (at, output) in config.outputs.iter().enumerate() {
        let samples = samples.clone();
        outputs.push(spawn(&format!("output {}", output.name), config, move |config| async move {
            match config.outputs.get(at) {
                Some(output) => destination::look(output, &config.node, &samples, clock).await,
                None => Vec::new(),
            }
        }));
    }
    let mut lines = Vec::new();
    for task in [state, port, limits] {
        lines.extend(task.await.unwrap_or_default());
    }
    lines.append(&mut inputs);
    for task in std::iter::once(cluster).chain(outputs) {
        lines.extend(task.await.unwrap_or_default());
    }
    lines
}

/// What others need to know of an input's files.
struct Looked {
    files: usize,
    directories: usize,
    samples: Vec<files::Sample>,
}

fn files(config: &Config, at: usize, looked: &OnceLock<Looked>) -> Vec<Line> {
    let Some(input) = config.inputs.get(at) else { return Vec::new() };
    let (found, samples) = files::look(config, input);
    let files = found.opened.len() + found.refused.len();
    looked.get_or_init(|| Looked { files, directories: found.directories, samples });
    inputs::lines(input, &found, &inputs::Who::now())
}

/// One check, beside all others. A failed task has no lines: it has said why itself.
fn spawn<F>(of: &str, config: &Arc<Config>, check: impl FnOnce(Arc<Config>) -> F) -> JoinHandle<Vec<Line>>
where
    F: Future<Output = Vec<Line>> + Send + 'static,
{
    let (of, check) = (of.to_owned(), check(config.clone()));
    tokio::spawn(async move { within(of, NET, "the network or the server", check).await })
}

async fn within(of: String, limit: Duration, what: &str, check: impl Future<Output = Vec<Line>>) -> Vec<Line> {
    let late = |_| vec![Line::fail(of, format!("no end within {} s: {what} hangs", limit.as_secs()))];
    tokio::time::timeout(limit, check).await.unwrap_or_else(late)
}

/// The same for what waits for the disk.
fn blocking(
    of: &str,
    config: &Arc<Config>,
    check: impl FnOnce(&Config) -> Vec<Line> + Send + 'static,
) -> JoinHandle<Vec<Line>> {
    let (of, config) = (of.to_owned(), config.clone());
    let check = tokio::task::spawn_blocking(move || check(&config));
    tokio::spawn(async move { within(of, DISK, "a disk", async { check.await.unwrap_or_default() }).await })
}
