//! `tailrace positions`: where each output stands in each file; to look at, to set and to forget.
//!
//! `list` reads the store beside a running agent. `set` and `forget` take the lock, so that no agent runs meanwhile: it
//! would write its own positions over ours.

mod change;
mod place;

use super::clock::Clock;
use super::table::{grouped, table};
use super::{Exit, complain, file, say};
use crate::record::{FileId, Mark};
use crate::store::file::Store;
use crate::store::lock::{Lock, NoLock};
use crate::store::peek::{NoPeek, peek};
use crate::store::saved::{LaneId, Position, Saved, State};
use change::Names;
use clap::{Args, Subcommand};
use place::LogFile;
use std::path::{Path, PathBuf};

/// `tailrace positions`
#[derive(Clone, Debug, Args)]
pub struct PositionsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Show where each output stands in each file; also of a running agent
    List {
        #[command(flatten)]
        store: StoreArgs,
        /// Only this output
        #[arg(long, value_name = "OUTPUT")]
        output: Option<String>,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Let an output go on in a file from another place; no agent may run
    Set {
        #[command(flatten)]
        store: StoreArgs,
        /// The output's name, or its id
        output: String,
        /// The file's path, or its id (or the beginning of it) from `positions list`
        file: String,
        /// An offset in plain bytes, `beginning` or `end`; inside a line it is where the line begins
        #[arg(value_name = "OFFSET", value_parser = target)]
        to: Target,
    },
    /// Let an output forget where it stood in a file, or in all of them; no agent may run
    Forget {
        #[command(flatten)]
        store: StoreArgs,
        /// The output's name, or its id
        output: String,
        /// The file's path, or its id; without it the whole output is as if it had never run
        file: Option<String>,
    },
}

/// Which store.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct StoreArgs {
    /// The configuration (YAML), for its data_dir and its outputs' names
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data_dir itself; outputs are named by their ids
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Where to go on.
#[derive(Clone, Copy, Debug)]
enum Target {
    Offset(u64),
    End,
}

fn target(text: &str) -> Result<Target, String> {
    match text {
        "beginning" => Ok(Target::Offset(0)),
        "end" => Ok(Target::End),
        _ => text.parse().map(Target::Offset).map_err(|_| "write a number of bytes, `beginning` or `end`".to_owned()),
    }
}

/// Does what was asked.
pub fn positions(args: &PositionsArgs) -> Exit {
    let done = match &args.what {
        What::List { store, output, json } => list(store, output.as_deref(), *json),
        What::Set { store, output, file, to } => set(store, output, file, *to),
        What::Forget { store, output, file } => forget(store, output, file.as_deref()),
    };
    done.unwrap_or_else(|exit| exit)
}

/// An error for people, and how to exit with it.
fn fail(exit: Exit, why: &str) -> Exit {
    complain(&format!("tailrace positions: {why}\n"));
    exit
}

struct Seen {
    dir: PathBuf,
    names: Names,
    state: State,
}

/// What the store says now, without a lock.
fn look(args: &StoreArgs) -> Result<Seen, Exit> {
    let (dir, names) = match (&args.config, &args.data_dir) {
        (Some(config), _) => {
            let config = file::config(config)?;
            (config.data_dir, config.outputs.iter().map(|o| (o.name.clone(), o.id.clone())).collect())
        }
        (None, Some(dir)) => (dir.clone(), Names::new()),
        (None, None) => return Err(fail(Exit::Wrong, "name a configuration (-c FILE) or a data_dir (--data-dir DIR)")),
    };
    match peek(&dir) {
        Ok((state, _)) => Ok(Seen { dir, names, state }),
        Err(NoPeek::Nothing) => {
            let why = format!("no agent has kept positions in {} yet", dir.display());
            Err(fail(Exit::CannotStart, &why))
        }
        Err(error @ (NoPeek::Io(_) | NoPeek::Problem(_))) => {
            Err(fail(Exit::CannotStart, &format!("{}: {error}", dir.display())))
        }
    }
}

fn list(args: &StoreArgs, output: Option<&str>, json: bool) -> Result<Exit, Exit> {
    let seen = look(args)?;
    let only = match output {
        Some(wanted) => Some(change::lane(&seen.state, &seen.names, wanted).map_err(|why| fail(Exit::Wrong, &why))?),
        None => None,
    };
    let mut all: Vec<(&LaneId, &FileId, &Position)> = seen
        .state
        .lanes
        .iter()
        .filter(|(lane, _)| only.as_ref().is_none_or(|only| only == *lane))
        .flat_map(|(lane, state)| state.positions.iter().map(move |(file, position)| (lane, file, position)))
        .collect();
    let path = |id: &FileId| seen.state.files.get(id).map_or("", |known| &*known.path);
    all.sort_by_key(|(lane, file, _)| (change::name_of(&seen.names, lane), path(file), **file));
    if json {
        let rows: Vec<_> = all.iter().map(|(lane, file, position)| as_json(&seen, lane, **file, position)).collect();
        say(&format!("{:#}\n", serde_json::Value::from(rows)));
    } else {
        let rows: Vec<Vec<String>> =
            all.iter().map(|(lane, file, position)| as_row(&seen, lane, **file, position)).collect();
        say(&table(&["output", "position", "size", "left", "file", "path"], &rows));
    }
    Ok(Exit::Done)
}

/// Of a file that is gone nothing is known but where the output stood in it.
fn as_row(seen: &Seen, lane: &LaneId, file: FileId, position: &Position) -> Vec<String> {
    let known = seen.state.files.get(&file);
    // The store hears of a file's growth later than of positions in it.
    let size = known.map(|k| k.size.max(position.end()));
    let left = size.map(|size| size - position.settled());
    let number = |n: Option<u64>| n.map_or("-".to_owned(), grouped);
    let path = known.map_or("(gone)", |k| &k.path);
    let name = change::name_of(&seen.names, lane).to_owned();
    vec![name, grouped(position.low), number(size), number(left), short(file), path.to_owned()]
}

fn as_json(seen: &Seen, lane: &LaneId, file: FileId, position: &Position) -> serde_json::Value {
    let known = seen.state.files.get(&file);
    // The store hears of a file's growth later than of positions in it.
    let size = known.map(|k| k.size.max(position.end()));
    serde_json::json!({
        "output": change::name_of(&seen.names, lane),
        "id": &*lane.0,
        "file": file.to_string(),
        "path": known.map(|k| &*k.path),
        "input": known.map(|k| &*k.input),
        "position": position.low,
        "settled_above": position.above,
        "settled": position.settled(),
        "size": size,
        "left": size.map(|size| size - position.settled()),
    })
}

/// Enough of an id to name a file.
fn short(file: FileId) -> String {
    file.to_string().chars().take(12).collect()
}

fn set(args: &StoreArgs, output: &str, wanted: &str, to: Target) -> Result<Exit, Exit> {
    let wrong = |why: String| fail(Exit::Wrong, &why);
    let failed = |why: String| fail(Exit::Failed, &why);
    let seen = look(args)?;
    let _lock = lock(&seen.dir)?;
    // Again: what was seen before the lock may be out of date.
    let Seen { state, names, dir } = look(args)?;
    let lane = change::lane(&state, &names, output).map_err(wrong)?;
    let file = change::file(&state, &lane, wanted).map_err(wrong)?;
    let (at, mark, short) = match to {
        Target::Offset(0) => (0, Mark::NONE, 0),
        Target::Offset(_) | Target::End => {
            let Some(known) = state.files.get(&file) else {
                return Err(failed(format!("{wanted} is gone: only `beginning` can be set")));
            };
            let found = LogFile::find(known).map_err(|e| failed(format!("{}: {e}", known.path)))?;
            let found =
                found.ok_or_else(|| failed(format!("{} is not there any more, nor under another name", known.path)))?;
            let offset = if let Target::Offset(at) = to { Some(at) } else { None };
            let point = found.point(offset).map_err(|e| failed(format!("{}: {e}", found.path.display())))?;
            let end = || format!("{} has fewer bytes than that; `end` is its end", found.path.display());
            let point = point.ok_or_else(|| wrong(end()))?;
            (point.at, point.mark, point.short)
        }
    };
    let before = state.lanes.get(&lane).and_then(|l| l.positions.get(&file)).map_or(0, |p| p.low);
    write(&dir, &change::set(&state, &lane, file, at, mark).map_err(failed)?)?;
    let inside = if short > 0 { format!(" ({short} bytes back, where a line begins)") } else { String::new() };
    let name = change::name_of(&names, &lane);
    say(&format!("{name}: {wanted}: from {} to {}{inside}\n", grouped(before), grouped(at)));
    Ok(Exit::Done)
}

fn forget(args: &StoreArgs, output: &str, wanted: Option<&str>) -> Result<Exit, Exit> {
    let wrong = |why: String| fail(Exit::Wrong, &why);
    let seen = look(args)?;
    let _lock = lock(&seen.dir)?;
    let Seen { state, names, dir } = look(args)?;
    let lane = change::lane(&state, &names, output).map_err(wrong)?;
    let name = change::name_of(&names, &lane).to_owned();
    let (records, what) = match wanted {
        Some(wanted) => {
            let file = change::file(&state, &lane, wanted).map_err(wrong)?;
            (change::forget(&state, &lane, file).map_err(|why| fail(Exit::Failed, &why))?, wanted.to_owned())
        }
        None => {
            let count = state.lanes.get(&lane).map_or(0, |l| l.positions.len());
            (vec![Saved::Forgotten { lane }], format!("{count} positions and all sums"))
        }
    };
    write(&dir, &records)?;
    say(&format!("{name}: forgotten: {what}\n"));
    Ok(Exit::Done)
}

fn lock(dir: &Path) -> Result<Lock, Exit> {
    Lock::try_take(dir, Clock::start().now()).map_err(|error| {
        let why = match error {
            NoLock::Held { by } => format!("{} is in use by {by}: stop it first", dir.display()),
            NoLock::Io(error) => format!("{} cannot be locked: {error}", dir.display()),
        };
        fail(Exit::CannotStart, &why)
    })
}

fn write(dir: &Path, records: &[Saved]) -> Result<(), Exit> {
    let now = Clock::start().now();
    let failed = |why: String| fail(Exit::Failed, &format!("{}: {why}", dir.display()));
    let (mut store, _, _) = Store::open(dir, now).map_err(|e| failed(e.to_string()))?;
    store.append(records, now).and_then(|()| store.sync(now)).map_err(|e| failed(e.to_string()))
}
