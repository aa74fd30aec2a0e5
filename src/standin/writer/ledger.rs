//! Every id that was written, by whom, and whether its file is still there.

/// Ids are `base + n`, counted up from 0: the ledger costs four bytes an id.
#[derive(Clone, Debug)]
pub struct Ledger {
    base: u64,
    entries: Vec<Entry>,
    names: Vec<String>,
    records: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    who: u16,
    removed: bool,
}

impl Ledger {
    pub(super) fn new(seed: u64) -> Ledger {
        // The low half counts; the high half tells writers with different seeds apart.
        let base = super::super::rng::Rng::new(seed).bits() & 0xFFFF_FFFF_0000_0000;
        Ledger { base, entries: Vec::new(), names: Vec::new(), records: 0, bytes: 0 }
    }
    /// Different ids written.
    pub fn written(&self) -> u64 {
        self.entries.len() as u64
    }
    /// Records written: lines with one id, long ones with two, empty ones with none.
    pub fn records(&self) -> u64 {
        self.records
    }
    /// Bytes written into files, before any gzip.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
    /// All ids, in the order in which they were made.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        (self.base..).take(self.entries.len())
    }
    /// Whether this writer made it.
    pub fn has(&self, id: u64) -> bool {
        self.entry(id).is_some()
    }
    /// `namespace/pod/container` that wrote it.
    pub fn who(&self, id: u64) -> Option<&str> {
        self.names.get(usize::from(self.entry(id)?.who)).map(String::as_str)
    }
    /// Whether the file it was in has been deleted.
    pub fn removed(&self, id: u64) -> bool {
        self.entry(id).is_some_and(|e| e.removed)
    }
    /// Ids whose file has been deleted.
    pub fn removed_count(&self) -> u64 {
        self.entries.iter().filter(|e| e.removed).count() as u64
    }

    fn entry(&self, id: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(id.checked_sub(self.base)?).ok()?)
    }
    /// A new writer of lines.
    pub(super) fn name(&mut self, name: String) -> u16 {
        self.names.push(name);
        u16::try_from(self.names.len() - 1).unwrap_or(u16::MAX)
    }
    pub(super) fn name_of(&self, who: u16) -> &str {
        self.names.get(usize::from(who)).map_or("", String::as_str)
    }
    pub(super) fn next(&mut self, who: u16) -> u64 {
        self.entries.push(Entry { who, removed: false });
        self.base + (self.entries.len() as u64 - 1)
    }
    pub(super) fn record(&mut self) {
        self.records += 1;
    }
    pub(super) fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }
    pub(super) fn remove(&mut self, ids: &[u64]) {
        for id in ids {
            let at = id.checked_sub(self.base).and_then(|at| usize::try_from(at).ok());
            if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
                entry.removed = true;
            }
        }
    }
}
