//! The directory in which a replay works: what it has taken, how far it is, what is to go back. On disk at each moment,
//! so that a replay that was interrupted goes on where it stood.
//!
//! `NAME.TIME.taken` (a file of dead letters, renamed) becomes `.batch`; what is refused again is noted in `.refused`;
//! at the end what stays is written to `.back`, and from there appended to `NAME` again. Each step is repeated whole if
//! it was interrupted; what that writes twice is taken once.

use super::batch;
use crate::record::Now;
use crate::store::dead_letter::{self, DeadLetters};
use crate::store::file;
use crate::store::lock::{Lock, NoLock};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An agent that is writing a dead letter lets go of the file within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// What goes back goes in pieces of about this size.
const PIECE: usize = 1 << 20;

/// The directory of dead letters, and ours inside of it.
pub struct Work {
    dir: PathBuf,
    /// Ours: the lock, the store, batches.
    pub inside: PathBuf,
    _lock: Lock,
}

/// Why a replay cannot work here.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Another one does.
    #[error("another replay works here: {0}")]
    Busy(String),
    /// The disk says no.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Files of dead letters in a directory, by name.
pub fn sources(dir: &Path) -> io::Result<Vec<String>> {
    named(dir, |name| name.ends_with(".jsonl"))
}

fn named(dir: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        names.extend(name.ok().filter(|name| wanted(name) && entry.path().is_file()));
    }
    names.sort();
    Ok(names)
}

/// Batches that an interrupted replay left in a directory, and what it had not sorted yet.
pub fn left_behind(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let inside = dir.join(dead_letter::REPLAY);
    if !inside.is_dir() {
        return Ok(Vec::new());
    }
    let ours = |name: &str| [".batch", ".taken", ".back"].iter().any(|end| name.ends_with(end));
    Ok(named(&inside, ours)?.iter().map(|name| inside.join(name)).collect())
}

impl Work {
    /// Takes the lock.
    pub fn open(dir: &Path, now: Now) -> Result<Work, Problem> {
        let inside = dir.join(dead_letter::REPLAY);
        let lock = Lock::try_take(&inside, now).map_err(|error| match error {
            NoLock::Held { by } => Problem::Busy(by),
            NoLock::Io(error) => Problem::Io(error),
        })?;
        Ok(Work { dir: dir.to_owned(), inside, _lock: lock })
    }

    fn path(&self, stem: &str, end: &str) -> PathBuf {
        self.inside.join(format!("{stem}.{end}"))
    }
    fn stems(&self, end: &str) -> io::Result<Vec<String>> {
        let end = format!(".{end}");
        let names = named(&self.inside, |name| name.ends_with(&end))?;
        Ok(names.iter().filter_map(|name| name.strip_suffix(&end)).map(str::to_owned).collect())
    }

    /// Ends what an earlier replay was doing, takes the files that are there, and names all batches.
    pub fn take(&self, now: Now) -> Result<Vec<String>, Problem> {
        for stem in self.stems("back")? {
            self.give_back(&stem)?;
        }
        for name in sources(&self.dir)? {
            self.take_away(&name, now)?;
        }
        sync_dir(&self.inside)?;
        sync_dir(&self.dir)?;
        for stem in self.stems("taken")? {
            let (taken, new, batch) = (self.path(&stem, "taken"), self.path(&stem, "new"), self.path(&stem, "batch"));
            if !batch.exists() {
                let mut to = BufWriter::new(File::create(&new)?);
                batch::sort(&File::open(&taken)?, &mut to)?;
                to.get_ref().sync_data()?;
                std::fs::rename(&new, &batch)?;
                sync_dir(&self.inside)?;
            }
            std::fs::remove_file(taken)?;
        }
        Ok(self.stems("batch")?)
    }

    /// Holding the lock of dead letters, so that no agent writes into it meanwhile; it begins a new one.
    fn take_away(&self, name: &str, now: Now) -> Result<(), Problem> {
        let from = self.dir.join(name);
        let step = Duration::from_millis(20);
        let mut waited = Duration::ZERO;
        let _held = loop {
            match dead_letter::lock(&from, false)? {
                Some(held) => break held,
                None if waited < PATIENCE => std::thread::sleep(step),
                None => return Err(Problem::Busy(format!("{} is held", from.display()))),
            }
            waited += step;
        };
        std::fs::rename(&from, self.path(&format!("{name}.{}", now.unix_ns), "taken"))?;
        Ok(())
    }

    /// A batch for reading.
    pub fn open_batch(&self, stem: &str) -> io::Result<File> {
        File::open(self.path(stem, "batch"))
    }

    /// These letters were refused again: noted durably before they count as settled.
    pub fn refused(&self, stem: &str, letters: &[u8]) -> io::Result<()> {
        let path = self.path(stem, "refused");
        let mut file = File::options().append(true).create(true).open(path)?;
        file.write_all(letters)?;
        file.sync_data()?;
        sync_dir(&self.inside)
    }

    /// The batch is through: what is left of it and what was refused goes back to where it came from.
    pub fn finish(&self, stem: &str, left: &[(u64, u64)]) -> io::Result<()> {
        let new = self.path(stem, "new");
        let mut to = BufWriter::new(File::create(&new)?);
        let refused = self.path(stem, "refused");
        if refused.exists() {
            batch::each_line(&File::open(&refused)?, |_, line| match line.ends_with(b"\n") {
                true => to.write_all(line),
                // The note of it was torn: it is not settled, and comes below.
                false => Ok(()),
            })?;
        }
        let batch = self.open_batch(stem)?;
        let mut piece = Vec::new();
        for (start, end) in left {
            piece.resize(usize::try_from(end - start).unwrap_or(0), 0);
            std::os::unix::fs::FileExt::read_exact_at(&batch, &mut piece, *start)?;
            to.write_all(&piece)?;
        }
        to.flush()?;
        to.get_ref().sync_data()?;
        std::fs::rename(&new, self.path(stem, "back"))?;
        sync_dir(&self.inside)?;
        self.give_back(stem)
    }

    fn give_back(&self, stem: &str) -> io::Result<()> {
        for end in ["batch", "refused"] {
            remove(&self.path(stem, end))?;
        }
        let back = self.path(stem, "back");
        let name = stem.rsplit_once('.').map_or(stem, |(name, _)| name);
        // What was there before has room.
        let letters = DeadLetters::at(&self.dir, name.to_owned(), u64::MAX);
        let mut piece = Vec::new();
        let append = |piece: &mut Vec<u8>| -> io::Result<()> {
            letters.append(piece).map_err(io::Error::other)?;
            piece.clear();
            Ok(())
        };
        batch::each_line(&File::open(&back)?, |_, line| {
            piece.extend_from_slice(line);
            if piece.len() < PIECE { Ok(()) } else { append(&mut piece) }
        })?;
        append(&mut piece)?;
        remove(&back)
    }

    /// Nothing is left to do: no trace stays.
    pub fn clean_up(&self) -> io::Result<()> {
        for name in [file::NAME, crate::store::lock::NAME] {
            remove(&self.inside.join(name))?;
        }
        // Something that is not ours keeps the directory.
        match std::fs::remove_dir(&self.inside) {
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
