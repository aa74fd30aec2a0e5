//! The limit of handles: kept when a file is opened, so that no burst of new files goes past it. What is closed is
//! opened again by its name when it is needed, and only if it is still the same file.

use super::entry::{Entry, Key, Trail};
use super::identity;
use super::shelf::{Closed, Source};
use super::stock::Stock;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How willingly a file is closed; the first go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// All lanes are through with it.
    Settled,
    /// Nothing was written to it yet: a watch tells.
    Empty,
    /// Lanes open it again.
    Unsettled,
    /// It has bytes and no identity yet: it is opened again as soon as it is looked at.
    Nameless,
}

impl Stock {
    /// Before a file is opened and held: closes others when the limit is reached.
    pub fn make_room(&mut self) {
        if self.open >= self.max_handles {
            self.close_idlest();
        }
    }

    /// Closes the longest idle; a live container's newest file after others of its kind. Deleted files are not closed
    /// here: nothing would bring them back.
    pub fn close_idlest(&mut self) {
        let mut open: Vec<(Use, bool, Duration, Key)> = self
            .entries
            .iter()
            .filter_map(|(key, e)| Some((self.use_of(e)?, self.newest_live(e), e.grew, *key)))
            .collect();
        open.sort_unstable();
        // A little more than needed, so that this is not done for each new file.
        let enough = self.max_handles.saturating_sub((self.max_handles / 16).max(1));
        for (kind, _, _, key) in open {
            if self.open <= enough {
                break;
            }
            // Its name may be gone already, and no listing has said so yet.
            let Some(e) = self.entries.get_mut(&key) else { continue };
            let Some(source) = e.source.as_ref().filter(|s| s.content.stat().is_ok_and(|stat| stat.links > 0)) else {
                continue;
            };
            if kind == Use::Nameless {
                // As far as it goes: it is known again by these bytes.
                let Ok(bytes) = identity::first_bytes(source) else { continue };
                e.head = identity::head(bytes.get(..identity::HEAD_MAX).unwrap_or(&bytes));
            }
            self.close(key);
        }
    }

    /// `None`: it has no handle, or must keep it.
    fn use_of(&self, e: &Entry) -> Option<Use> {
        let source = e.source.as_ref()?;
        if (e.loc().is_none() && e.trail != Trail::Kept) || e.measure.is_some() {
            return None;
        }
        match e.id {
            Some(_) if self.settled(e) >= e.size => Some(Use::Settled),
            Some(_) => Some(Use::Unsettled),
            // Compared with its siblings as long as it looks like a copy; a `.gz` is measured through its handle.
            None if e.suspect.is_some() || source.gz => None,
            None if e.size == 0 => Some(Use::Empty),
            None => Some(Use::Nameless),
        }
    }

    /// The handle of a file that has no id yet; opened again by its name if it was closed. One that was closed empty
    /// is known by its inode alone: no byte of it was read, so another file with that inode is as good.
    pub fn reopen(&mut self, key: Key) -> io::Result<Source> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        let e = self.entries.get(&key).ok_or_else(gone)?;
        if let Some(source) = &e.source {
            return Ok(source.clone());
        }
        let loc = e.loc().ok_or_else(gone)?;
        let (base, path, inode) = (self.base(e.input), self.path_in(e.dir, &loc.name), loc.inode);
        let (gz, dir, head) = (e.plain.is_none(), e.dir, e.head);
        self.make_room();
        let content = self.disk.open(&base, &path)?;
        let stat = content.stat()?;
        let source = Source { content, gz };
        let same = head.0 == 0 || identity::begins_with(&identity::first_bytes(&source)?, head);
        if (stat.inode, stat.dev) != inode || !same {
            self.again.insert(dir);
            return Err(gone());
        }
        self.hold(key, source.clone());
        Ok(source)
    }

    /// Whether what stands at `path` begins as the closed entry does. Its handle is kept for the lanes.
    pub fn proven(&mut self, key: Key, path: &Path) -> bool {
        self.make_room();
        let Some(source) = self.entries.get(&key).and_then(|e| self.open_proven(e, path)) else { return false };
        self.hold(key, source);
        self.active.insert(key);
        true
    }

    /// What stands at `path`, if it is what the closed entry was.
    pub fn open_proven(&self, e: &Entry, path: &Path) -> Option<Source> {
        let loc = e.loc()?;
        let closed = Closed {
            base: self.base(e.input),
            dir: path.parent().unwrap_or(Path::new("")).into(),
            name: path.file_name().unwrap_or_default().into(),
            inode: loc.inode,
            head: e.head,
            proof: e.proof,
            gz: e.plain.is_none(),
        };
        closed.open(self.disk.as_ref()).ok()
    }
}
