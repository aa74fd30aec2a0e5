//! When directories are listed again: what watches and lanes tell, the reconcile each minute, polling without watches.

use super::Hint;
use super::entry::Key;
use super::stock::Stock;
use std::time::Duration;

/// Scanning each second goes on so long after events were lost or a watch was refused.
const POLLING: Duration = Duration::from_secs(60);

impl Stock {
    /// Takes in what the watches and the lanes saw.
    pub fn absorb(&mut self, hints: &[Hint]) {
        for hint in hints {
            match hint {
                Hint::Named(dir, name) => {
                    if let Some(d) = self.dirs.get_mut(dir) {
                        d.odd().doubt.push(name.clone());
                        self.due.insert(*dir);
                    }
                }
                Hint::Modified(file) => self.written(*file),
                Hint::Unwatched(dir) => {
                    if let Some(d) = self.dirs.get_mut(dir) {
                        d.watched = false;
                        // Not at once: what exists and cannot be watched must not keep us busy.
                        self.later.insert(*dir);
                    }
                }
                Hint::Refused(key) => {
                    self.poll_for_a_while();
                    if let Some(d) = self.dirs.get_mut(key) {
                        d.watched = false;
                    }
                }
                Hint::Overflow => {
                    self.overflows += 1;
                    self.reconcile = true;
                    self.poll_for_a_while();
                }
            }
        }
        self.absorb_news();
    }

    /// Reconcile now, list directories each second, stat cold files each 30 s.
    fn poll_for_a_while(&mut self) {
        if !self.polling() {
            self.reconcile = true;
        }
        self.polling_until = Some(self.now.mono + POLLING);
    }

    /// The watches are not to be relied on.
    pub fn polling(&self) -> bool {
        self.polling_until.is_some()
    }

    /// Each second while polling: all directories; each 30 s the cold files too.
    pub fn poll_directories(&mut self) {
        let Some(until) = self.polling_until else { return };
        self.due.extend(self.dirs.keys().copied());
        if self.now.mono >= self.next_cold_look {
            self.next_cold_look = self.now.mono + Duration::from_secs(30);
            self.look_at_cold();
        }
        if self.now.mono >= until {
            self.polling_until = None;
        }
    }

    /// Nothing tells when what a link points to is replaced: while such a file is hot its name is looked at each second.
    pub fn look_behind_links(&mut self) {
        let links = |key: &Key| self.entries.get(key).filter(|e| e.plain.as_ref().is_some_and(|loc| loc.link));
        let dirs: Vec<Key> = self.hot.iter().filter_map(links).map(|e| e.dir).collect();
        self.due.extend(dirs);
    }

    /// Lists everything, looks at all that is cold. The first time it begins at the roots.
    pub fn reconcile_all(&mut self, first: bool) {
        if first {
            self.plant();
        } else {
            self.look_at_cold();
        }
        self.refused.clear();
        self.overlooked = 0;
        self.due.extend(self.dirs.keys().copied());
        for dir in self.dirs.values_mut() {
            dir.skip_nothing();
        }
    }
}
