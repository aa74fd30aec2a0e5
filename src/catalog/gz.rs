//! Plain offsets in compressed files: a cursor that inflates forward, and what a `.gz` says of itself.
//!
//! What is compressed is gzip, or a copy of our own, which is zstd: the first bytes tell. A truncated or torn file
//! holds what can be inflated; the same bytes each time it is read.

use super::disk::{Content, read_full};
use crate::body::gunzip::{GzCursor, Inflated};
use crate::body::packed::{MAGIC, PackedCursor};
use std::io::{self, Read};
use std::sync::Arc;

/// Inflates one file from its start on. Costs about 80 KiB; of a copy of our own 300.
pub struct Cursor {
    inner: Inner,
    torn: bool,
}

enum Inner {
    Gzip(Box<GzCursor<Stored>>),
    Packed(Box<PackedCursor<Stored>>),
}

struct Stored {
    content: Arc<dyn Content>,
    at: u64,
}

impl Read for Stored {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let got = self.content.read_at(self.at, to)?;
        self.at = self.at.saturating_add(got as u64);
        Ok(got)
    }
}

impl Cursor {
    /// At plain offset 0.
    pub fn new(content: Arc<dyn Content>) -> Cursor {
        let mut magic = [0; 4];
        // An error shows again when it is read.
        let packed = read_full(content.as_ref(), 0, &mut magic).is_ok() && magic == MAGIC;
        let stored = Stored { content: content.clone(), at: 0 };
        let inner = match packed.then(|| PackedCursor::new(stored)) {
            Some(Ok(cursor)) => Inner::Packed(Box::new(cursor)),
            Some(Err(_)) | None => Inner::Gzip(Box::new(GzCursor::new(Stored { content, at: 0 }))),
        };
        Cursor { inner, torn: false }
    }

    /// The plain offset that [`Cursor::next`] reads from.
    pub fn at(&self) -> u64 {
        match &self.inner {
            Inner::Gzip(cursor) => cursor.at(),
            Inner::Packed(cursor) => cursor.at(),
        }
    }

    /// The stream ends before its time, or is not what it should be from here on.
    pub fn torn(&self) -> bool {
        self.torn
    }

    /// The next plain bytes; 0 at the end, also where a torn stream ends. Errors are the disk's alone.
    pub fn next(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        let found = match &mut self.inner {
            Inner::Gzip(cursor) => cursor.read(to)?,
            Inner::Packed(cursor) => cursor.read(to)?,
        };
        match found {
            Inflated::Bytes(got) => Ok(got),
            Inflated::End => Ok(0),
            Inflated::Truncated | Inflated::Corrupt => {
                self.torn = true;
                Ok(0)
            }
        }
    }

    /// Reads on to plain offset `to`; false when the file ends before.
    pub fn skip(&mut self, to: u64) -> io::Result<bool> {
        let mut away = [0; 8 * 1024];
        while self.at() < to {
            let want = usize::try_from(to - self.at()).unwrap_or(usize::MAX).min(away.len());
            if self.next(away.get_mut(..want).unwrap_or_default())? == 0 {
                return Ok(false);
            }
        }
        Ok(self.at() == to)
    }
}

/// The first plain bytes, at most `to.len()`.
pub fn first(content: &Arc<dyn Content>, to: &mut [u8]) -> io::Result<usize> {
    let mut cursor = Cursor::new(content.clone());
    let mut got = 0;
    while let Some(rest) = to.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match cursor.next(rest)? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

/// The plain size modulo 2^32 as the last member's trailer says it: evidence, not proof. `None` below 18 bytes.
pub fn trailer_size(content: &dyn Content) -> io::Result<Option<u32>> {
    let size = content.stat()?.size;
    let mut trailer = [0; 4];
    if size < 18 || read_full(content, size - 4, &mut trailer)? < 4 {
        return Ok(None);
    }
    Ok(Some(u32::from_le_bytes(trailer)))
}
