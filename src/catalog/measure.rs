//! The plain size of a `.gz`, and whether marks hold in it: by inflating it once, a bounded piece at a time.

use super::entry::Key;
use super::gz::Cursor;
use super::identity;
use super::shelf::Source;
use super::stock::Stock;
use crate::record::{FileId, Mark};
use std::io;

/// Plain bytes that one tick inflates: about 30 ms.
const BUDGET: u64 = 16 << 20;

/// Inflated at once.
const BLOCK: usize = 64 << 10;

/// One `.gz` on its way.
pub struct Measure {
    cursor: Cursor,
    /// Known files that it may be, best first, each with the marks it must show.
    candidates: Vec<(FileId, Vec<Mark>)>,
    /// The last bytes read, at least [`Mark::MAX`] of them where there are so many, then room for a block.
    window: Vec<u8>,
    kept: usize,
    done: bool,
}

impl std::fmt::Debug for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Measure({} so far)", self.cursor.at())
    }
}

impl Measure {
    /// Nothing inflated yet.
    pub fn new(source: &Source, candidates: Vec<(FileId, Vec<Mark>)>) -> Measure {
        let window = vec![0; Mark::MAX + BLOCK];
        Measure { cursor: Cursor::new(source.content.clone()), candidates, window, kept: 0, done: false }
    }

    /// Inflates about `budget` bytes; what is left of it, or `None` when there is more to do.
    pub fn step(&mut self, mut budget: u64) -> io::Result<Option<u64>> {
        while budget > 0 {
            let from = self.kept;
            let Some(to) = self.window.get_mut(from..) else { break };
            let got = self.cursor.next(to)?;
            if got == 0 {
                self.done = true;
                return Ok(Some(budget));
            }
            self.check(from + got);
            budget = budget.saturating_sub(got as u64);
        }
        Ok(None)
    }

    /// `filled` bytes of the window end at the cursor's place: strike candidates whose marks in it do not hold.
    fn check(&mut self, filled: usize) {
        let end = self.cursor.at();
        let window = self.window.get(..filled).unwrap_or_default();
        let begin = end.saturating_sub(filled as u64);
        // Bytes below the kept ones were looked at before.
        let fresh = begin.saturating_add(self.kept as u64);
        let wrong = |mark: &Mark| {
            if mark.at <= fresh || mark.at > end {
                return false;
            }
            let last = usize::try_from(mark.at - begin).unwrap_or(0);
            let bytes = last.checked_sub(usize::from(mark.len)).and_then(|first| window.get(first..last));
            !bytes.is_some_and(|bytes| mark.holds(bytes))
        };
        self.candidates.retain(|(_, marks)| !marks.iter().any(|m| m.len > 0 && wrong(m)));
        let keep = filled.min(Mark::MAX);
        self.window.copy_within(filled - keep..filled, 0);
        self.kept = keep;
    }

    /// Plain bytes that can be read.
    pub fn size(&self) -> u64 {
        self.cursor.at()
    }

    /// The stream is cut off or damaged at its end.
    pub fn torn(&self) -> bool {
        self.cursor.torn()
    }

    /// Candidates whose marks all hold and lie within the file; best first.
    pub fn proven(&self) -> impl Iterator<Item = FileId> {
        let size = self.size();
        self.candidates.iter().filter(move |(_, marks)| marks.iter().all(|m| m.at <= size)).map(|(id, _)| *id)
    }
}

impl Stock {
    /// An identified file of which only the `.gz` is left, of another size than expected.
    pub fn measure_again(&mut self, key: Key, source: &Source) {
        if let Some(e) = self.entries.get_mut(&key) {
            e.measure = Some(Box::new(Measure::new(source, Vec::new())));
            self.measuring.insert(key);
        }
    }

    /// Inflates some of what is to be measured.
    pub fn measure_some(&mut self) {
        let mut budget = BUDGET;
        while budget > 0
            && let Some(key) = self.measuring.first().copied()
        {
            let step = self.entries.get_mut(&key).and_then(|e| e.measure.as_mut()).map(|m| m.step(budget));
            match step {
                Some(Ok(None)) => return,
                Some(Ok(Some(left))) => {
                    budget = left;
                    self.measured(key);
                }
                Some(Err(e)) => {
                    if let Some(path) = self.entries.get(&key).and_then(|e| self.path_of(e)) {
                        self.refuse(path, &e);
                    }
                    self.measured(key);
                }
                None => {
                    self.measuring.remove(&key);
                }
            }
        }
    }

    fn measured(&mut self, key: Key) {
        self.measuring.remove(&key);
        let Some(e) = self.entries.get_mut(&key) else { return };
        let Some(m) = e.measure.take() else { return };
        e.size = m.size();
        e.told = false;
        let (chain, restart) = (e.group, e.restart);
        if m.torn()
            && let Some(path) = self.entries.get(&key).and_then(|e| self.path_of(e))
        {
            tracing::warn!(path = %path.display(), bytes = m.size(), "compressed file is cut off: its readable part is read");
            self.refuse(path, &std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "truncated gzip"));
        }
        if self.entries.get(&key).is_some_and(|e| e.id.is_none()) {
            let size = m.size();
            let fits = |id: &FileId| self.known.get(*id).is_some_and(|(f, _)| f.size <= size);
            let found = m.proven().find(fits);
            let bytes = self.entries.get(&key).and_then(|e| identity::first_bytes(e.source.as_ref()?).ok());
            match (found, bytes) {
                (Some(id), Some(bytes)) => self.claim(key, id, &bytes),
                (_, _) if self.entries.get(&key).is_some_and(|e| e.outside) => return self.forget(key),
                (_, _) => {}
            }
            self.give_turns(chain, restart);
        }
        self.date(key);
        self.touch_group(chain);
    }
}
