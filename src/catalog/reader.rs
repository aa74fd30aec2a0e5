//! How a lane reads: plain offsets of any file on the shelf, compressed or not.
//!
//! Each lane has one. It keeps four gzip cursors, so a lane that stays with a `.gz` until its end inflates it once;
//! a step backwards inflates it anew.

use super::gz::Cursor;
use super::hole;
use super::shelf::Shelf;
use super::view::Found;
use crate::record::FileId;
use std::io;
use std::sync::Arc;

/// Cursors kept; each costs about 80 KiB and a handle.
const CURSORS: usize = 4;

/// One lane's eyes.
pub struct Reader {
    shelf: Arc<Shelf>,
    /// Least recently used first.
    cursors: Vec<(FileId, Cursor)>,
}

impl Reader {
    /// Without any file open.
    pub fn new(shelf: Arc<Shelf>) -> Reader {
        Reader { shelf, cursors: Vec::new() }
    }

    /// Reads plain bytes from plain offset `at`, up to where a hole begins; 0: nothing there (yet).
    /// [`io::ErrorKind::NotFound`]: the file cannot be read now; if that is for good its view says so soon.
    pub fn read(&mut self, id: FileId, at: u64, to: &mut [u8]) -> io::Result<Found> {
        let source = self.shelf.open(id).inspect_err(|_| self.cursors.retain(|(of, _)| *of != id))?;
        let got = if source.gz {
            self.inflate(id, source, at, to).map(Found::Bytes)
        } else {
            let content = source.content.as_ref();
            content.read_at(at, to).and_then(|got| hole::within(content, at, to.get(..got).unwrap_or_default()))
        };
        got.inspect_err(|e| self.shelf.failed(id, io::Error::from(e.kind())))
    }

    fn inflate(&mut self, id: FileId, source: super::shelf::Source, at: u64, to: &mut [u8]) -> io::Result<usize> {
        let kept = self.cursors.iter().position(|(of, _)| *of == id).map(|found| self.cursors.remove(found).1);
        let mut cursor = kept.filter(|c| c.at() <= at).unwrap_or_else(|| Cursor::new(source.content));
        if cursor.at() < at {
            cursor.skip(at)?;
        }
        let got = if cursor.at() == at { cursor.next(to)? } else { 0 };
        if self.cursors.len() == CURSORS {
            self.cursors.remove(0);
        }
        self.cursors.push((id, cursor));
        Ok(got)
    }

    /// Lets go of all cursors: for a lane that has nothing to read.
    pub fn release(&mut self) {
        self.cursors.clear();
    }
}
