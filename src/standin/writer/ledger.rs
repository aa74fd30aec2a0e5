//! Every id that was written, by whom, and whether its file is still there.

/// Ids are `base + n`, counted up from 0: the ledger costs eight bytes an id.
#[derive(Clone, Debug)]
pub struct Ledger {
    base: u64,
    entries: Vec<Entry>,
    names: Vec<String>,
    records: u64,
    bytes: u64,
    pub(super) turns: Turns,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    who: u16,
    removed: bool,
    /// Not the first id of its record.
    second: bool,
    unfinished: bool,
    /// Bytes of its record in the files; noted with the record's first id.
    bytes: u32,
}

/// What happened to files; for a table at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Files that kubelet renamed.
    pub rotations: u64,
    /// Containers that died and were started again.
    pub restarts: u64,
    /// Files of dead containers that held nothing.
    pub empty: u64,
    /// Files of dead containers that held one line.
    pub single: u64,
    /// Files whose last line never got its newline.
    pub unended: u64,
    /// Files deleted.
    pub removed: u64,
    /// New files with the inode of one deleted before.
    pub inodes_again: u64,
}

impl Ledger {
    pub(super) fn new(seed: u64) -> Ledger {
        // The low half counts; the high half tells writers with different seeds apart.
        let base = super::super::rng::Rng::new(seed).bits() & 0xFFFF_FFFF_0000_0000;
        Ledger { base, entries: Vec::new(), names: Vec::new(), records: 0, bytes: 0, turns: Turns::default() }
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
    /// Whether its record has another id before it: long lines carry one at each end.
    pub fn second(&self, id: u64) -> bool {
        self.entry(id).is_some_and(|e| e.second)
    }
    /// Whether its line never got its last part: nobody can know that before the file goes, or is silent for long.
    pub fn unfinished(&self, id: u64) -> bool {
        self.entry(id).is_some_and(|e| e.unfinished)
    }
    /// Bytes that its record takes in the files; 0 for a record's second id.
    pub fn bytes_of(&self, id: u64) -> u64 {
        self.entry(id).map_or(0, |e| u64::from(e.bytes))
    }
    /// What happened to files.
    pub fn turns(&self) -> Turns {
        self.turns
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
        self.entries.push(Entry { who, removed: false, second: false, unfinished: false, bytes: 0 });
        self.base + (self.entries.len() as u64 - 1)
    }
    /// A record with these ids takes so many bytes.
    pub(super) fn record(&mut self, ids: &[u64], bytes: usize, unfinished: bool) {
        self.records += 1;
        self.bytes += bytes as u64;
        for (n, id) in ids.iter().enumerate() {
            if let Some(entry) = self.entry_mut(*id) {
                entry.second = n > 0;
                entry.unfinished = unfinished;
                entry.bytes = if n == 0 { u32::try_from(bytes).unwrap_or(u32::MAX) } else { 0 };
            }
        }
    }
    /// A newline that was never written.
    pub(super) fn without_newline(&mut self) {
        self.bytes -= 1;
        self.turns.unended += 1;
    }
    pub(super) fn remove(&mut self, ids: &[u64]) {
        self.turns.removed += 1;
        for id in ids {
            if let Some(entry) = self.entry_mut(*id) {
                entry.removed = true;
            }
        }
    }
    fn entry_mut(&mut self, id: u64) -> Option<&mut Entry> {
        let at = id.checked_sub(self.base).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.entries.get_mut(at))
    }
}
