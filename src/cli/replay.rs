//! `tailrace replay DIR`: sends dead letters again, to the output that refused them or to another one.
//!
//! What is in DIR is taken into `DIR/replay` (also beside a running agent, which goes on writing), sorted into runs that
//! lanes read like log files (`batch`), and sent by the lanes that send everything else (`deliver`). A letter goes when
//! its destination has confirmed it and that is on disk; what stays goes back to where it was. An interrupted replay is
//! gone on with by the next one (`work`).

mod batch;
mod deliver;
mod plan;
mod show;
mod work;

use super::clock::Clock;
use super::sandbox::Sandbox;
use super::table::{grouped, table};
use super::{Exit, complain, file, say};
use crate::config::checked::{Config, Output};
use crate::config::memory;
use crate::lane::account::Left;
use crate::lane::step::Event;
use crate::lane::thread::Inbox;
use crate::store::file::Store;
use crate::store::peek::{NoPeek, peek};
use crate::store::saved::{LaneId, State};
use crate::store::thread::StoreHandle;
use crate::telemetry::advice;
use batch::Batch;
use clap::Args;
use deliver::{Delivery, End, Runs, Shared};
use show::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};
use work::{Problem, Work};

/// The store's last sync may take this long.
const LAST_SYNC: Duration = Duration::from_secs(10);
/// Between two looks at how far we are.
const LOOK: Duration = Duration::from_millis(200);

/// `tailrace replay`
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// The directory of dead letters, as a rule `data_dir/dead-letter`; an agent may be running
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The configuration (YAML) with the outputs
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Send all of them to this output instead of the one that refused them
    #[arg(long, value_name = "OUTPUT")]
    pub to: Option<String>,
    /// Give up on a destination that settled nothing for so long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::config::parse_duration)]
    pub give_up: Duration,
    /// Only say what there is
    #[arg(long)]
    pub dry_run: bool,
}

/// Sends what there is, and says what became of it.
pub fn replay(args: &ReplayArgs) -> Exit {
    run(args).unwrap_or_else(|exit| exit)
}

fn fail(exit: Exit, why: &str) -> Exit {
    complain(&format!("tailrace replay: {why}\n"));
    exit
}
fn cannot(error: &io::Error, dir: &Path) -> Exit {
    fail(Exit::CannotStart, &format!("{}: {error}", dir.display()))
}

fn run(args: &ReplayArgs) -> Result<Exit, Exit> {
    let config = file::config(&args.config)?;
    let dir = &args.dir;
    if !dir.is_dir() {
        return Err(fail(
            Exit::Wrong,
            &format!("{} is not a directory; name one with dead letters in it", dir.display()),
        ));
    }
    let to = match &args.to {
        Some(name) => Some(plan::output(&config.outputs, name).ok_or_else(|| {
            let there = config.outputs.iter().map(|o| &*o.name).collect::<Vec<_>>().join(", ");
            fail(
                Exit::Wrong,
                &format!("--to {name}: there is no such output in {}; there are: {there}", args.config.display()),
            )
        })?),
        None => None,
    };
    give_up_rights(args, &config);
    let seen = look(dir).map_err(|error| cannot(&error, dir))?;
    for (name, file) in seen.keys().filter(|_| to.is_none()) {
        if plan::origin(&config.outputs, name, file).is_none() {
            let why = format!(
                "letters in {file} come from output {name}, which {} does not have: say with --to where they shall go",
                args.config.display()
            );
            return Err(fail(Exit::Wrong, &why));
        }
    }
    if args.dry_run {
        say(&there_is(&seen));
        return Ok(Exit::Done);
    }
    let there = work::sources(dir).and_then(|fresh| Ok(fresh.len() + work::left_behind(dir)?.len()));
    if there.map_err(|error| cannot(&error, dir))? == 0 {
        say(&format!("no dead letters in {}{}\n", dir.display(), hint(dir)));
        return Ok(Exit::Done);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| fail(Exit::CannotStart, &error.to_string()))?;
    let done = runtime.block_on(send_all(args, &config, to));
    runtime.shutdown_background();
    done
}

/// Before a byte of a letter is read, which others wrote, and while there is one thread.
fn give_up_rights(args: &ReplayArgs, config: &Config) {
    let sandbox = Sandbox::begin_for_letters(config, &args.config, &args.dir);
    if !sandbox.is_whole() {
        let (landlock, seccomp) = (&sandbox.landlock, &sandbox.seccomp);
        complain(&format!(
            "the sandbox is not whole here (Landlock {landlock}; seccomp {seccomp}); the replay runs all the same\n"
        ));
    }
}

/// Who names `data_dir` means what is in it.
fn hint(dir: &Path) -> String {
    let inside = dir.join("dead-letter");
    if inside.is_dir() { format!("; they are in {}: name that", inside.display()) } else { String::new() }
}

/// By output and file: how many letters there are for each reason.
type Seen = BTreeMap<(String, String), BTreeMap<String, u64>>;

fn look(dir: &Path) -> io::Result<Seen> {
    let mut seen = Seen::new();
    let fresh = work::sources(dir)?.into_iter().map(|name| (name.clone(), dir.join(name)));
    // `NAME.TIME.batch` holds letters of NAME.
    let name = |path: &PathBuf| {
        path.file_stem().map_or(String::new(), |s| Path::new(s).with_extension("").to_string_lossy().into())
    };
    let old = work::left_behind(dir)?.into_iter().map(|path| (name(&path), path));
    for (name, path) in fresh.chain(old) {
        batch::each_line(&File::open(path)?, |_, line| {
            if let Some(letter) = batch::letter(line) {
                *seen.entry((letter.output, name.clone())).or_default().entry(letter.reason).or_default() += 1;
            }
            Ok(())
        })?;
    }
    Ok(seen)
}

fn there_is(seen: &Seen) -> String {
    let rows = seen.iter().flat_map(|((output, file), reasons)| {
        reasons.iter().map(move |(reason, n)| vec![output.clone(), reason.clone(), grouped(*n), file.clone()])
    });
    table(&["output", "reason", "letters", "file"], &rows.collect::<Vec<_>>())
}

/// What is to be done, once it is taken.
struct Job<'a> {
    args: &'a ReplayArgs,
    config: &'a Config,
    outputs: Vec<Output>,
    batches: Vec<Batch>,
    /// The output of each run, by batch and run.
    goes_to: BTreeMap<(usize, usize), usize>,
    state: State,
}

async fn send_all(args: &ReplayArgs, config: &Config, to: Option<usize>) -> Result<Exit, Exit> {
    let clock = Clock::start();
    let problem = |problem: Problem| fail(Exit::CannotStart, &format!("{}: {problem}", args.dir.display()));
    let failed = |error: io::Error| cannot(&error, &args.dir);
    let work = Work::open(&args.dir, clock.now()).map_err(problem)?;
    let mut runs = Runs::default();
    let mut batches = Vec::new();
    for name in work.take(clock.now()).map_err(problem)? {
        let file = work.open_batch(&name).map_err(failed)?;
        let batch = batch::load(&file, &name).map_err(failed)?;
        for run in &batch.groups {
            runs.places.insert(run.id, (batches.len(), run.start(), run.view.size));
        }
        batches.push(batch);
        runs.batches.push((name, file));
    }
    let state = match peek(&work.inside) {
        Ok((state, _)) => state,
        Err(NoPeek::Nothing) => State::default(),
        Err(error @ (NoPeek::Io(_) | NoPeek::Problem(_))) => return Err(fail(Exit::CannotStart, &error.to_string())),
    };
    let mut goes_to = BTreeMap::new();
    for (at, (batch, (name, _))) in batches.iter().zip(&runs.batches).enumerate() {
        let source = name.rsplit_once('.').map_or(name.as_str(), |(source, _)| source);
        for (nth, run) in batch.groups.iter().enumerate() {
            let Some(output) = to.or_else(|| plan::origin(&config.outputs, &run.output, source)) else { continue };
            goes_to.insert((at, nth), output);
        }
    }
    let outputs = config.outputs.iter().map(deliver::keeping).collect();
    let job = Job { args, config, outputs, batches, goes_to, state };
    job.nothing_of_others()?;
    let (store, _, _) = Store::open(&work.inside, clock.now()).map_err(|e| fail(Exit::CannotStart, &e.to_string()))?;
    let store = StoreHandle::start(store, move || clock.now()).map_err(|e| fail(Exit::CannotStart, &e.to_string()))?;
    let shared = Shared { clock, work, store, runs, reports: Default::default(), refused: Default::default() };
    job.run(Arc::new(shared)).await
}

impl Job<'_> {
    /// An output whose object has an unknown outcome must be the one that gets its letters.
    fn nothing_of_others(&self) -> Result<(), Exit> {
        for (lane, batches) in plan::undecided(&self.state, &self.batches) {
            let its = |at: &(usize, usize)| {
                self.goes_to.get(at).and_then(|o| self.outputs.get(*o)).is_some_and(|o| o.id == lane.0)
            };
            let all = batches.iter().all(|b| {
                let runs = self.batches.get(*b).map_or(0, |batch| batch.groups.len());
                (0..runs).all(|run| its(&(*b, run)))
            });
            if !all {
                let why = format!(
                    "an earlier replay to output {} was interrupted, and what became of its last object is not known: \
                     first run this with `--to {}` until that is settled",
                    lane.0, lane.0
                );
                return Err(fail(Exit::Failed, &why));
            }
        }
        Ok(())
    }

    /// Letters of an output that are to be sent.
    fn letters(&self, output: usize, state: &State) -> u64 {
        let mine = self.goes_to.iter().filter(|(_, to)| **to == output).map(|(at, _)| at);
        let runs = mine.filter_map(|(batch, run)| self.batches.get(*batch)?.groups.get(*run));
        runs.map(|run| plan::left(state, run).count() as u64).sum()
    }

    async fn run(&self, shared: Arc<Shared>) -> Result<Exit, Exit> {
        let used: BTreeSet<usize> = self.goes_to.values().copied().collect();
        let shares = memory::shares(self.config);
        let (ended, mut ends) = channel(used.len().max(1));
        let mut inboxes = Vec::new();
        for index in &used {
            let Some(output) = self.outputs.get(*index) else { continue };
            let runs = || {
                let mine = self.goes_to.iter().filter(|(_, to)| *to == index).map(|(at, _)| at);
                mine.filter_map(|(batch, run)| self.batches.get(*batch)?.groups.get(*run))
            };
            let delivery = Delivery {
                index: *index,
                output,
                views: runs().map(|run| run.view.clone()).collect(),
                saved: plan::lane_state(&self.state, &LaneId(output.id.clone()), runs()),
                give_up: self.args.give_up,
                shared: shared.clone(),
                ended: ended.clone(),
            };
            let memory = shares.get(*index).copied().unwrap_or(0);
            let started = delivery.start(&self.config.node, memory);
            inboxes.push(started.map_err(|why| fail(Exit::CannotStart, &why))?);
        }
        drop(ended);
        let ends = self.wait(&shared, &inboxes, &mut ends).await?;
        if let Err(why) = shared.store.clone().stop(LAST_SYNC) {
            return Err(fail(Exit::Failed, &format!("how far this got could not be saved ({why}): run it again")));
        }
        self.end(&shared, ends)
    }

    /// Until all lanes have ended: each with what it could not send.
    async fn wait(&self, shared: &Shared, inboxes: &[Arc<Inbox>], ends: &mut Receiver<End>) -> Result<Vec<End>, Exit> {
        let signals = || Ok::<_, io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?));
        let (mut term, mut int) = signals().map_err(|e| fail(Exit::CannotStart, &e.to_string()))?;
        let all: BTreeMap<usize, u64> =
            self.goes_to.values().map(|output| (*output, self.letters(*output, &self.state))).collect();
        let shows = io::stderr().is_terminal();
        let (mut over, mut stopping) = (Vec::new(), false);
        while over.len() < inboxes.len() {
            let told = tokio::select! {
                end = ends.recv() => { over.extend(end); false }
                _ = term.recv() => true,
                _ = int.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            if told && stopping {
                return Err(fail(Exit::Failed, "left at once; run it again to go on"));
            }
            if told {
                stopping = true;
                let by = shared.clock.now().mono.saturating_add(self.config.shutdown_timeout);
                inboxes.iter().for_each(|inbox| inbox.push(Event::Drain { by }));
            }
            if shows {
                complain(&format!("\r{}\x1b[K", show::progress(&self.progress(shared, &all))));
            }
        }
        if shows {
            complain("\r\x1b[K");
        }
        Ok(over)
    }

    fn progress(&self, shared: &Shared, all: &BTreeMap<usize, u64>) -> Vec<(String, u64, u64)> {
        let reports = shared.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let each = all.iter().filter_map(|(index, all)| {
            let sums = reports.get(index).map(|r| r.sums.delivered.0 + r.sums.dead_lettered.0).unwrap_or(0);
            Some((self.outputs.get(*index)?.name.to_string(), sums.min(*all), *all))
        });
        each.collect()
    }

    /// What is confirmed goes, what stays goes back.
    fn end(&self, shared: &Shared, ends: Vec<End>) -> Result<Exit, Exit> {
        let failed = |error: io::Error| fail(Exit::Failed, &format!("{}: {error}", self.args.dir.display()));
        let state = match peek(&shared.work.inside) {
            Ok((state, _)) => state,
            Err(error) => return Err(fail(Exit::Failed, &error.to_string())),
        };
        let held: BTreeSet<usize> = plan::undecided(&state, &self.batches).into_values().flatten().collect();
        let mut strange = 0;
        for (at, (batch, (name, _))) in self.batches.iter().zip(&shared.runs.batches).enumerate() {
            strange += batch.strange_lines;
            if held.contains(&at) {
                continue;
            }
            let letters = batch.groups.iter().flat_map(|run| plan::left(&state, run));
            let places = letters.filter_map(|span| shared.runs.in_batch(&span)).map(|(_, start, end)| (start, end));
            let mut left: Vec<(u64, u64)> = places.collect();
            left.extend(Some(batch.strange).filter(|_| batch.strange_lines > 0));
            shared.work.finish(name, &left).map_err(failed)?;
        }
        if held.is_empty() {
            shared.work.clean_up().map_err(failed)?;
        }
        let rows: Vec<Row> =
            ends.iter().map(|(index, left)| self.row(shared, *index, left.as_deref(), &state)).collect();
        say(&show::summary(&rows, strange, &self.args.dir.display().to_string()));
        if !held.is_empty() {
            complain("what became of the last object is not known yet: run this again to go on\n");
        }
        let all = rows.iter().all(|row| row.refused == 0 && row.left == 0 && row.dropped == 0);
        Ok(if all && strange == 0 && held.is_empty() { Exit::Done } else { Exit::Failed })
    }

    fn row(&self, shared: &Shared, index: usize, left: Option<&[Left]>, state: &State) -> Row {
        let reports = shared.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = shared.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = || refused.iter().filter(|((of, _), _)| *of == index);
        let again = |reason: &String, n: &u64, said: &String| format!("refused again: {reason} ({n}): {said}");
        let mut why: Vec<String> = mine().map(|((_, reason), (n, said))| again(reason, n, said)).collect();
        for left in left.unwrap_or_default() {
            let said = match &left.why {
                Some((code, said)) => format!("{}: {}", code.as_str(), advice::say(code, said)),
                None => "no answer came".to_owned(),
            };
            why.push(format!("not sent to {}: {said}", left.key));
        }
        if left.is_none() {
            why.push("its thread failed".to_owned());
        }
        let report = reports.get(&index);
        let dropped = report.map_or(0, |r| r.sums.dropped.iter().map(|(records, _)| records).sum());
        if dropped > 0 {
            why.push(format!("{dropped} empty letters, which it does not take, were dropped"));
        }
        Row {
            output: self.outputs.get(index).map_or(String::new(), |o| o.name.to_string()),
            letters: self.letters(index, &self.state),
            refused: mine().map(|(_, (n, _))| n).sum(),
            left: self.letters(index, state),
            dropped,
            already: report.map_or(0, |r| r.already),
            possible: report.map_or(0, |r| r.sums.possible_duplicates),
            why,
        }
    }
}
