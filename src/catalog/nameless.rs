//! Names that are not there any more: deleted, somewhere else, or only missed by a listing that ran beside a rename.

use super::entry::{Key, Trail};
use super::files::Named;
use super::stock::Stock;

impl Stock {
    /// Its name is not there any more.
    pub fn unname(&mut self, (file, gz): Named) {
        let Some(e) = self.entries.get_mut(&file) else { return };
        let loc = if gz { e.gz.take().map(|b| *b) } else { e.plain.take() };
        let Some(loc) = loc else { return };
        if e.plain.is_none() && e.gz.is_some() {
            e.live = false;
        }
        let (chain, packed) = (e.group, e.gz.is_some());
        if e.loc().is_some() {
            self.unmap(loc.inode, file);
        } else {
            // It may turn up again under another name.
            e.lost = Some(Box::new(loc.inode));
        }
        self.shelve(file);
        if packed {
            self.save(file);
        }
        self.touch_group(chain);
    }

    pub fn unname_all(&mut self, file: Key) {
        self.unname((file, false));
        self.unname((file, true));
        // Nothing will list it again.
        if let Some(e) = self.entries.get_mut(&file) {
            e.trail = Trail::Missing(u8::MAX);
        }
        self.nameless(file);
    }

    pub fn look_for_nameless(&mut self, dir: Key) {
        for file in self.dirs.get(&dir).map(|d| d.entries.clone()).unwrap_or_default() {
            self.nameless(file);
        }
    }

    /// What has no name any more: deleted, somewhere else, or only missed by one listing.
    fn nameless(&mut self, file: Key) {
        let Some(e) = self.entries.get_mut(&file) else { return };
        if e.loc().is_some() {
            e.trail = Trail::Named;
            return;
        }
        let links = e.source.as_ref().map(|s| s.content.stat().map(|stat| stat.links));
        let was = e.trail;
        let count = match was {
            Trail::Named => 1,
            Trail::Missing(count) => count.saturating_add(1),
            Trail::Deleted | Trail::Elsewhere | Trail::Displaced(_) | Trail::Kept | Trail::Gone => return,
        };
        e.trail = match links {
            Some(Ok(0)) => Trail::Deleted,
            Some(_) if count >= 3 => Trail::Elsewhere,
            // Lost, unless there is a copy, or will be soon.
            None if count >= 3 => {
                e.trail = Trail::Missing(count);
                return self.read_from_copy(file);
            }
            Some(_) | None => Trail::Missing(count),
        };
        let (missing, chain, dir) = (matches!(e.trail, Trail::Missing(_)), e.group, e.dir);
        if missing {
            self.again.insert(dir);
        }
        let deleted = e.trail == Trail::Deleted;
        if deleted && self.retained.of(file).is_some() {
            self.read_from_copy(file);
        } else if deleted {
            // Only this process can see its size, and it may end soon.
            self.last_look(file);
        }
        self.active.insert(file);
        self.touch_group(chain);
    }
}
