//! The demo's directory: made new, for this user alone, and removed at the end unless it is to be kept.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// More tries than anybody leaves directories of one pid behind.
const TRIES: u32 = 100;

/// A directory of our own below the system's place for temporary files.
#[derive(Debug)]
pub struct Room {
    path: PathBuf,
    keep: bool,
}

impl Room {
    /// Makes it.
    ///
    /// # Errors
    /// When the place for temporary files cannot be written.
    pub fn new(keep: bool) -> io::Result<Room> {
        let place = std::path::absolute(std::env::temp_dir())?;
        let pid = std::process::id();
        let mut made = Err(io::Error::from(io::ErrorKind::AlreadyExists));
        for n in 0..TRIES {
            let path =
                place.join(if n == 0 { format!("tailrace-demo-{pid}") } else { format!("tailrace-demo-{pid}-{n}") });
            // Never an existing one: somebody else may have put it there.
            made = DirBuilder::new().mode(0o700).create(&path).map(|()| Room { path, keep });
            if !made.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::AlreadyExists) {
                break;
            }
        }
        made.map_err(|e| io::Error::new(e.kind(), format!("no directory can be made in {}: {e}", place.display())))
    }
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Stands for `/var/log/pods`.
    pub fn pods(&self) -> PathBuf {
        self.path.join("pods")
    }
    /// The agent's state.
    pub fn data_dir(&self) -> PathBuf {
        self.path.join("data")
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed stays; there is nobody to tell who could do more.
            drop(std::fs::remove_dir_all(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_its_owner_unless_it_is_kept() {
        let (gone, kept) = (Room::new(false).unwrap(), Room::new(true).unwrap());
        let (first, second) = (gone.path().to_owned(), kept.path().to_owned());
        assert!(first != second && first.is_dir() && second.is_dir());
        std::fs::create_dir_all(gone.data_dir().join("deep")).unwrap();
        drop((gone, kept));
        assert!(!first.exists() && second.is_dir());
        std::fs::remove_dir(second).unwrap();
    }
}
