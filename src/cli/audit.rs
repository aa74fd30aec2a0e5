//! `tailrace audit`: accounts for every byte, by output: settled and how, still to do, deleted, lost.
//!
//! Three sources that know nothing of each other are held together: what positions call settled, what was counted by
//! fate (the store, read at one instant, also of a running agent), and the files on the disk. Changes nothing.

mod books;
mod disk;

use super::table::{grouped, table};
use super::{Exit, complain, file, say};
use crate::catalog::view::FileView;
use crate::config::checked::{Config, Output, Start};
use crate::origin::{Fields, Meta, Origin};
use crate::record::{FileId, Grammar};
use crate::ruling::{self, Rulings};
use crate::store::peek::{NoPeek, peek};
use crate::store::saved::{KnownFile, LaneId, LaneState, State};
use crate::transform::select::Lifted;
use arc_swap::ArcSwap;
use books::{Account, File};
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// `tailrace audit`
#[derive(Clone, Debug, Args)]
pub struct AuditArgs {
    /// The configuration (YAML) of the agent, which may be running
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// By file too
    #[arg(long)]
    pub files: bool,
    /// One JSON array
    #[arg(long)]
    pub json: bool,
}

/// 0: every byte is accounted for. 1: it is not, and where.
pub fn audit(args: &AuditArgs) -> Exit {
    let config = match file::config(&args.config) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let state = match peek(&config.data_dir) {
        Ok((state, _)) => state,
        Err(error @ (NoPeek::Nothing | NoPeek::Io(_) | NoPeek::Problem(_))) => {
            complain(&format!("tailrace audit: {}: {error}; has an agent run here?\n", config.data_dir.display()));
            return Exit::CannotStart;
        }
    };
    // After the store: what grows meanwhile is still to do.
    let found = disk::scan(&config, &state);
    let mut accounts: Vec<Account> =
        config.outputs.iter().map(|output| of_output(&config, output, &state, &found)).collect();
    accounts.extend(of_nobody(&config, &state));
    if args.json {
        let all: Vec<_> = accounts.iter().map(|account| account.as_json(args.files)).collect();
        say(&format!("{:#}\n", serde_json::Value::from(all)));
    } else {
        say(&shown(&accounts, args.files));
    }
    let wrong: Vec<&String> = accounts.iter().flat_map(|account| &account.wrong).collect();
    wrong.iter().for_each(|sentence| complain(&format!("tailrace audit: {sentence}\n")));
    if wrong.is_empty() { Exit::Done } else { Exit::Failed }
}

fn of_output(config: &Config, output: &Output, state: &State, found: &BTreeMap<FileId, FileView>) -> Account {
    let lane = state.lanes.get(&LaneId(output.id.clone()));
    let starts_at_end = |view: &FileView| {
        // At the output's first start these begin at their end.
        let input =
            config.inputs.iter().find(|i| output.inputs.contains(&i.name) && view.file.origin.listed_by(&i.name));
        lane.is_none() && input.is_some_and(|input| input.start == Start::End)
    };
    let nothing = LaneState::default();
    let known = lane.unwrap_or(&nothing);
    let mine = |view: &&FileView| {
        wants(output, &view.file.origin, &view.rulings) || known.positions.contains_key(&view.file.id)
    };
    let there = |view: &FileView| there(output, view);
    let mut files: Vec<File> = found.values().filter(mine).filter(|v| !starts_at_end(v)).map(there).collect();
    let seen: BTreeSet<FileId> = files.iter().map(|file| file.id).collect();
    // A file that went before this output settled anything of it is missed too, once it has run at all.
    let its = |id: &FileId, file: &KnownFile| {
        known.positions.contains_key(id) || (lane.is_some() && wants(output, &origin(file), &file.rulings))
    };
    let missing = state.files.iter().filter(|(id, file)| !seen.contains(id) && its(id, file));
    files.extend(missing.map(|(_, file)| deleted(output, file)));
    books::account(&output.name, known, files)
}

/// Outputs that left the configuration: their books must be in balance all the same.
fn of_nobody<'a>(config: &'a Config, state: &'a State) -> impl Iterator<Item = Account> + 'a {
    let here = |lane: &LaneId| config.outputs.iter().any(|output| output.id == lane.0);
    let mut gone: Vec<(&LaneId, &LaneState)> = state.lanes.iter().filter(|(id, _)| !here(id)).collect();
    gone.sort_by_key(|(id, _)| *id);
    gone.into_iter().map(|(id, lane)| books::account(&id.0, lane, Vec::new()))
}

/// From where on a file is left out, for now.
fn until(output: &Output, origin: &Origin, rulings: &Rulings) -> u64 {
    let inputs = output.inputs.iter().map(AsRef::as_ref).filter(|input| origin.listed_by(input));
    ruling::until(&rulings.for_inputs(inputs))
}

/// Whether the output reads this file: an input that it lists named it, and nothing leaves the whole of it out.
fn wants(output: &Output, origin: &Origin, rulings: &Rulings) -> bool {
    let lifted = |p: &crate::transform::select::Predicate| match p.lift(&origin.fields) {
        Lifted::Skip => false,
        Lifted::Keep | Lifted::PerRecord(_) => true,
    };
    let listed = output.inputs.iter().any(|input| origin.listed_by(input));
    listed && until(output, origin, rulings) > 0 && output.select.iter().all(lifted)
}

/// Of a file that is not there any more, as it was at its first offer.
fn origin(known: &KnownFile) -> Origin {
    let pairs = known.fields.iter().map(|(name, value)| (name.clone().into(), value.as_str().into())).collect();
    let fields = Arc::new(Fields::new(pairs));
    let (input, path, meta) =
        (known.input.clone(), known.path.clone(), ArcSwap::from_pointee(Meta::new(fields.clone())));
    Origin { input, path, grammar: Grammar::Plain, fields, meta }
}

fn there(output: &Output, view: &FileView) -> File {
    let origin = &view.file.origin;
    let left_out = view.size.saturating_sub(until(output, origin, &view.rulings));
    let (id, path) = (view.file.id, origin.path.to_string());
    File { id, path, size: Some(view.size), left_out, there: true, altered: false }
}

fn deleted(output: &Output, known: &KnownFile) -> File {
    let altered = disk::stands(known);
    let left_out = known.size.saturating_sub(until(output, &origin(known), &known.rulings));
    File { id: known.id, path: known.path.to_string(), size: Some(known.size), left_out, there: false, altered }
}

fn shown(accounts: &[Account], files: bool) -> String {
    let row = |a: &Account| {
        let sums = &a.sums;
        let numbers = [
            a.settled,
            sums.delivered.1,
            sums.dead_lettered.1,
            a.dropped(),
            sums.lost_bytes,
            sums.skipped,
            a.to_do,
            a.deleted,
        ];
        let mut cells = vec![a.output.clone()];
        cells.extend(numbers.map(grouped));
        cells.push(if a.wrong.is_empty() { "ok" } else { "OFF" }.to_owned());
        cells
    };
    let heads =
        ["bytes of", "settled", "delivered", "dead letters", "dropped", "lost", "skipped", "to do", "deleted", "sum"];
    let mut text = table(&heads, &accounts.iter().map(row).collect::<Vec<_>>());
    accounts.iter().flat_map(Account::notes).for_each(|note| text.push_str(&format!("{note}\n")));
    if files {
        let lines = accounts.iter().flat_map(|a| a.lines.iter().map(move |line| (a, line)));
        let rows = lines.map(|(a, line)| {
            let size = line.file.size.map_or("-".to_owned(), grouped);
            let gone = if line.file.there { "" } else { " (deleted)" };
            let path = format!("{}{gone}", line.file.path);
            vec![a.output.clone(), grouped(line.settled), grouped(line.left), size, path]
        });
        text.push('\n');
        text.push_str(&table(&["output", "settled", "left", "size", "file"], &rows.collect::<Vec<_>>()));
    }
    text
}
