//! When directories are listed again: what watches and lanes tell, the reconcile each minute (of thousands of pods that
//! are watched well more seldom), polling without watches.

use super::entry::Key;
use super::stock::Stock;
use super::{Hint, RECONCILE};
use std::time::Duration;

/// Scanning each second goes on so long after events were lost or a watch was refused.
const POLLING: Duration = Duration::from_secs(60);
/// A look at a file or a directory takes 15 us and is worth it once in so long for each of them.
/// Tests do with a tenth of the pods.
const A_LOOK_EACH: Duration = Duration::from_millis(if cfg!(test) { 250 } else { 25 });
/// Everything is looked at as often as this, however much there is.
const WHOLE_AT_LEAST_EVERY: Duration = Duration::from_secs(1800);

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
                    } else {
                        self.heat(*dir);
                    }
                }
                Hint::Refused(key) => {
                    self.unwatched = true;
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
            self.look_at_cold(true);
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

    /// Lists everything, looks at all that is cold. The first time it begins at the roots. Thousands of pods that are
    /// watched well are left out until their turn comes; `file` inputs, which may be on a network, never are.
    pub fn reconcile(&mut self, first: bool, told: bool) {
        if first {
            self.plant();
        }
        let whole = told || self.in_doubt() || self.now.mono >= self.next_whole;
        if whole {
            let things = u32::try_from(self.dirs.len() + self.entries.len()).unwrap_or(u32::MAX);
            let every = A_LOOK_EACH.saturating_mul(things).clamp(RECONCILE, WHOLE_AT_LEAST_EVERY);
            self.next_whole = self.now.mono + every;
            self.refused.clear();
            self.overlooked = 0;
        }
        if !first {
            self.look_at_cold(whole);
        }
        let now: Vec<Key> =
            self.dirs.iter().filter(|(_, d)| whole || !self.kubernetes(d.input)).map(|(key, _)| *key).collect();
        for key in &now {
            if let Some(dir) = self.dirs.get_mut(key) {
                dir.skip_nothing();
            }
        }
        self.due.extend(now);
    }

    /// Watches do not tell of everything: one was refused, an empty file has none, something could not be opened, or is
    /// behind a link.
    fn in_doubt(&self) -> bool {
        let linked = || self.entries.values().any(|e| e.plain.as_ref().is_some_and(|loc| loc.link));
        self.unwatched || self.overlooked > 0 || !self.refused.is_empty() || linked()
    }
}
