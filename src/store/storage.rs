//! What the store needs of a directory, as a trait: so that tests and the simulation can tear writes, fill the disk
//! and lose power (`memory`). Files are named relative to the directory; one of them is written at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A directory with a few small files in it. Only `sync` and `sync_dir` promise anything about a loss of power.
pub trait Storage: Send {
    /// Makes the directory if it is not there.
    fn prepare(&mut self) -> io::Result<()>;
    /// The whole file.
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>>;
    /// Fills `to` from `at` as far as there are bytes.
    fn read_at(&mut self, name: &str, at: u64, to: &mut [u8]) -> io::Result<usize>;
    /// The file's length.
    fn len(&mut self, name: &str) -> io::Result<u64>;
    /// An empty file, in place of one that may be there.
    fn create(&mut self, name: &str) -> io::Result<()>;
    /// Writes at the end. After an error some of the bytes may be there.
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file.
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;
    /// What the file holds survives a loss of power. An error means that this is no longer to be had for what was
    /// written before, even if a later call succeeds.
    fn sync(&mut self, name: &str) -> io::Result<()>;
    /// Replaces `to`.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Names survive a loss of power.
    fn sync_dir(&mut self) -> io::Result<()>;
    /// Names of the files that are there.
    fn list(&mut self) -> io::Result<Vec<String>>;
    /// Forgets the file.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

/// A larger file is no store of ours: it is rewritten at four times what it must hold.
const READ_MAX: u64 = 1 << 30;

/// A real directory. Keeps the file open that was written last.
#[derive(Debug)]
pub struct OsStorage {
    dir: PathBuf,
    open: Option<(String, File)>,
}

impl OsStorage {
    /// Touches nothing yet.
    pub fn new(dir: &Path) -> OsStorage {
        OsStorage { dir: dir.to_owned(), open: None }
    }

    fn open(&mut self, name: &str, create: bool) -> io::Result<&mut File> {
        let known = self.open.take_if(|(open, _)| open == name);
        let file = match known {
            Some((_, file)) => file,
            None => OpenOptions::new().append(true).create(create).mode(0o600).open(self.dir.join(name))?,
        };
        Ok(&mut self.open.insert((name.to_owned(), file)).1)
    }
}

impl Storage for OsStorage {
    fn prepare(&mut self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        let file = File::open(self.dir.join(name))?;
        let size = file.metadata()?.len();
        if size > READ_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{size} bytes")));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        file.take(READ_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn read_at(&mut self, name: &str, at: u64, to: &mut [u8]) -> io::Result<usize> {
        let file = File::open(self.dir.join(name))?;
        let mut got = 0;
        while let Some(rest) = to.get_mut(got..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, at + got as u64)? {
                0 => break,
                n => got += n,
            }
        }
        Ok(got)
    }

    fn len(&mut self, name: &str) -> io::Result<u64> {
        let meta = std::fs::metadata(self.dir.join(name))?;
        if meta.is_file() { Ok(meta.len()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.open = None;
        self.open(name, true)?.set_len(0)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.open(name, false)?.write_all(bytes)
    }

    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        self.open(name, false)?.set_len(len)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let file = self.open(name, false)?;
        file.sync_data()?;
        // Somebody removed it: its bytes are safe, and nobody will ever find them.
        if file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was removed while in use"));
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.dir.join(from), self.dir.join(to))?;
        self.open = self.open.take().filter(|(open, _)| open == from).map(|(_, file)| (to.to_owned(), file));
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn list(&mut self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.dir)?;
        // What is not UTF-8 is none of ours.
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open = None;
        std::fs::remove_file(self.dir.join(name))
    }
}

#[cfg(test)]
mod tests;
