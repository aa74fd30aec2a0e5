//! Out-of-order fates to one position per file: which spans are taken, settled, given back.
//!
//! Promises: a position never passes a byte that is not settled; a ticket that is never answered settles nothing.
//! Owned by its lane, so without locks. Leaves to others: why something is settled (`flight`), and the disk (`store`).

use super::batch::Ticket;
use super::spans::SpanSet;
use crate::record::{FileId, Mark, Span};
use crate::seeded::{Bug, seeded};
use crate::store::saved::Position;
use std::collections::BTreeMap;

/// At most this many settled spans above the low-water mark; when those are full nothing above them is read.
pub const MAX_SPANS: usize = 1_024;
/// At most this many cuts are remembered above the low-water mark; the oldest go first.
const MAX_CUTS: usize = 256;

/// A taken piece of a file, with the proof at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// What was taken.
    pub span: Span,
    /// Proof at its end.
    pub mark: Mark,
}

/// One file's account in one lane.
#[derive(Clone, Debug, Default)]
pub struct Account {
    low: u64,
    low_mark: Option<Mark>,
    settled: SpanSet,
    taken: SpanSet,
    /// Ascending; see `cut_within`.
    cuts: Vec<u64>,
}

impl Account {
    /// From where an earlier life stopped.
    pub fn open(position: Option<&Position>) -> Account {
        let Some(p) = position else { return Account::default() };
        let mut settled = SpanSet::default();
        for (i, (start, end)) in p.above.iter().enumerate() {
            let last = i + 1 == p.above.len();
            settled.insert(*start, *end, if last { p.high_mark } else { Mark::NONE });
        }
        let (low_mark, cuts) = (Some(p.low_mark), p.cuts.clone());
        let mut account = Account { low: p.low, low_mark, settled, taken: SpanSet::default(), cuts };
        account.advance();
        account
    }
    /// Begins at `at`: what is below is not this lane's business.
    pub fn begin_at(at: u64) -> Account {
        Account { low: at, ..Account::default() }
    }
    /// Everything below is settled.
    pub fn low(&self) -> u64 {
        self.low
    }
    /// As it goes to disk.
    pub fn position(&self) -> Position {
        Position {
            low: self.low,
            low_mark: self.low_mark.unwrap_or(Mark::NONE),
            above: self
                .settled
                .ranges()
                .iter()
                .filter(|_| !seeded(Bug::SpansNotSaved))
                .map(|r| (r.start, r.end))
                .collect(),
            high_mark: self.settled.ranges().last().map_or(Mark::NONE, |r| r.mark),
            cuts: self.cuts.clone(),
        }
    }
    /// The proof at `at`, where one is known: reading that begins there can build on it.
    pub fn mark_at(&self, at: u64) -> Mark {
        if at == self.low {
            return self.low_mark.unwrap_or(Mark::NONE);
        }
        self.settled.mark_at(at).unwrap_or(Mark::NONE)
    }
    /// The first range at or above `from`, below `size`, that is neither settled nor taken.
    pub fn gap(&self, from: u64, size: u64) -> Option<(u64, u64)> {
        let mut at = from.max(self.low);
        while let Some(end) = self.settled.covering(at).max(self.taken.covering(at)) {
            at = end;
        }
        let readable = match self.settled.ranges().last() {
            Some(last) if self.settled.len() >= MAX_SPANS => size.min(last.start),
            Some(_) | None => size,
        };
        if at >= readable {
            return None;
        }
        let stop = [self.settled.next_start(at), self.taken.next_start(at)].into_iter().flatten().min();
        Some((at, stop.map_or(readable, |s| s.min(readable))))
    }
    /// The first place in `(start, end]` where a record ended for a reason that is not in the bytes (silence, the end of
    /// `--once`): what is read again ends there again, whatever was written behind it, or it would have another id.
    pub fn cut_within(&self, start: u64, end: u64) -> Option<u64> {
        self.cuts.iter().copied().find(|cut| *cut > start && *cut <= end)
    }
    fn cut(&mut self, at: u64) -> bool {
        let Err(place) = self.cuts.binary_search(&at) else { return false };
        self.cuts.insert(place, at);
        if self.cuts.len() > MAX_CUTS {
            self.cuts.remove(0);
        }
        true
    }
    /// Bytes below `size` that are neither settled nor taken.
    pub fn unread(&self, size: u64) -> u64 {
        size.saturating_sub(self.low).saturating_sub(self.settled.bytes()).saturating_sub(self.taken.bytes())
    }
    /// Bytes below `size` that are not settled.
    pub fn unsettled(&self, size: u64) -> u64 {
        size.saturating_sub(self.low).saturating_sub(self.settled.bytes())
    }
    /// Bytes that are settled.
    pub fn settled(&self) -> u64 {
        self.low.saturating_add(self.settled.bytes())
    }
    /// No more settled spans can be kept above the low-water mark.
    pub fn span_full(&self) -> bool {
        self.settled.len() >= MAX_SPANS
    }
    /// Settled up to `size`, and nothing more is known of it.
    pub fn at_rest(&self, size: u64) -> bool {
        self.low == size && self.taken.is_empty() && self.settled.is_empty() && self.cuts.is_empty()
    }
    /// Nothing of it is in flight.
    pub fn idle(&self) -> bool {
        self.taken.is_empty()
    }
    fn settle(&mut self, start: u64, end: u64, mark: Mark) {
        self.taken.remove(start, end);
        if end > self.low {
            self.settled.insert(start.max(self.low), end, mark);
        }
        self.advance();
    }
    fn advance(&mut self) {
        while let Some(first) = self.settled.pop_reached(self.low) {
            if first.end > self.low {
                self.low = first.end;
                self.low_mark = Some(first.mark);
            }
        }
        self.cuts.retain(|cut| *cut > self.low);
    }
}

/// All files of a lane, and what its open tickets have taken.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: BTreeMap<FileId, Account>,
    tickets: BTreeMap<Ticket, Vec<Run>>,
}

impl Ledger {
    /// Adds a file; one that is there already stays as it is.
    pub fn open(&mut self, file: FileId, account: Account) {
        self.accounts.entry(file).or_insert(account);
    }
    /// Forgets a file that nothing in flight speaks of.
    pub fn close(&mut self, file: FileId) {
        if self.accounts.get(&file).is_some_and(Account::idle) {
            self.accounts.remove(&file);
        }
    }
    /// One file's account.
    pub fn account(&self, file: FileId) -> Option<&Account> {
        self.accounts.get(&file)
    }
    /// Marks runs as taken by a ticket (added to what it has). Runs of files not open are remembered all the same.
    pub fn take(&mut self, ticket: Ticket, runs: Vec<Run>) {
        for run in &runs {
            if let Some(account) = self.accounts.get_mut(&run.span.file) {
                account.taken.insert(run.span.start, run.span.end, Mark::NONE);
            }
        }
        self.tickets.entry(ticket).or_default().extend(runs);
    }
    /// A record of this file ended at `at`, and nothing in the bytes says so. False when that was known.
    pub fn cut(&mut self, file: FileId, at: u64) -> bool {
        self.accounts.get_mut(&file).is_some_and(|account| account.cut(at))
    }
    /// For a file opened after a ticket took runs of it (restart with open intents).
    pub fn retake(&mut self, file: FileId) {
        let Some(account) = self.accounts.get_mut(&file) else { return };
        for run in self.tickets.values().flatten().filter(|r| r.span.file == file) {
            account.taken.insert(run.span.start, run.span.end, Mark::NONE);
        }
    }
    /// Whether a ticket has taken anything of this file.
    pub fn speaks_of(&self, file: FileId) -> bool {
        self.tickets.values().flatten().any(|run| run.span.file == file)
    }
    /// What a ticket has taken.
    pub fn runs(&self, ticket: Ticket) -> &[Run] {
        self.tickets.get(&ticket).map_or(&[], Vec::as_slice)
    }
    /// Moves a ticket's runs to another ticket (parts of an object become one intent).
    pub fn merge(&mut self, from: Ticket, into: Ticket) {
        if let Some(runs) = self.tickets.remove(&from) {
            self.tickets.entry(into).or_default().extend(runs);
        }
    }
    /// Ends a ticket: all its runs are settled but for `except`, which is unread again. Returns the files touched.
    pub fn settle(&mut self, ticket: Ticket, except: &[Span]) -> Vec<FileId> {
        let runs = self.tickets.remove(&ticket).unwrap_or_default();
        let mut touched = Vec::new();
        for run in runs {
            let Span { file, start, end } = run.span;
            let Some(account) = self.accounts.get_mut(&file) else { continue };
            let mut rest = SpanSet::default();
            rest.insert(start, end, run.mark);
            for e in except.iter().filter(|e| e.file == file) {
                rest.remove(e.start, e.end);
            }
            account.taken.remove(start, end);
            for r in rest.ranges() {
                account.settle(r.start, r.end, r.mark);
            }
            if !touched.contains(&file) {
                touched.push(file);
            }
        }
        touched
    }
    /// Ends a ticket without settling anything: to be read again.
    pub fn give_back(&mut self, ticket: Ticket) -> Vec<Run> {
        let runs = self.tickets.remove(&ticket).unwrap_or_default();
        for run in &runs {
            if let Some(account) = self.accounts.get_mut(&run.span.file) {
                account.taken.remove(run.span.start, run.span.end);
            }
        }
        runs
    }
    /// Settles what no ticket holds, up to `size` (the file went first): returns the bytes given up.
    pub fn give_up(&mut self, file: FileId, size: u64) -> u64 {
        self.give_up_between(file, 0, size)
    }
    /// The same from `from` on.
    pub fn give_up_between(&mut self, file: FileId, mut from: u64, size: u64) -> u64 {
        let Some(account) = self.accounts.get_mut(&file) else { return 0 };
        let mut lost = 0u64;
        while let Some((start, end)) = account.gap(from, size) {
            account.settle(start, end, Mark::NONE);
            lost = lost.saturating_add(end - start);
            from = end;
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: FileId = FileId(7);

    fn run(start: u64, end: u64) -> Run {
        Run { span: Span { file: FILE, start, end }, mark: Mark { at: end, len: 1, crc: end as u32 } }
    }

    #[test]
    fn the_position_waits_for_the_lowest_unsettled_byte() {
        let mut ledger = Ledger::default();
        ledger.open(FILE, Account::default());
        ledger.take(Ticket(1), vec![run(0, 10)]);
        ledger.take(Ticket(2), vec![run(10, 30)]);
        ledger.settle(Ticket(2), &[]);
        let p = ledger.account(FILE).unwrap().position();
        assert_eq!((p.low, p.above.clone(), p.high_mark.crc), (0, vec![(10, 30)], 30));
        ledger.settle(Ticket(1), &[]);
        let p = ledger.account(FILE).unwrap().position();
        assert_eq!((p.low, p.above.is_empty(), p.low_mark.crc), (30, true, 30));
    }

    #[test]
    fn items_excepted_from_a_settled_batch_are_unread_again() {
        let mut ledger = Ledger::default();
        ledger.open(FILE, Account::default());
        ledger.take(Ticket(1), vec![run(0, 100)]);
        ledger.settle(Ticket(1), &[Span { file: FILE, start: 40, end: 60 }]);
        let account = ledger.account(FILE).unwrap();
        assert_eq!(account.low(), 40);
        assert_eq!(account.gap(0, 100), Some((40, 60)));
    }

    #[test]
    fn a_ticket_given_back_leaves_its_bytes_unread() {
        let mut ledger = Ledger::default();
        ledger.open(FILE, Account::default());
        ledger.take(Ticket(1), vec![run(0, 50)]);
        assert_eq!(ledger.account(FILE).unwrap().gap(0, 80), Some((50, 80)));
        ledger.give_back(Ticket(1));
        assert_eq!(ledger.account(FILE).unwrap().gap(0, 80), Some((0, 80)));
    }

    #[test]
    fn past_1024_settled_spans_only_the_gaps_between_them_are_read() {
        let mut ledger = Ledger::default();
        ledger.open(FILE, Account::default());
        for i in 0..MAX_SPANS as u64 {
            ledger.take(Ticket(i), vec![run(i * 10 + 5, i * 10 + 8)]);
            ledger.settle(Ticket(i), &[]);
        }
        let account = ledger.account(FILE).unwrap();
        assert!(account.span_full());
        assert_eq!(account.gap(8, 1_000_000), Some((8, 15)));
        assert_eq!(account.gap(1023 * 10 + 8, 1_000_000), None);
    }

    proptest! {
        /// Invariant 1: whatever the order of answers, the low-water mark never passes an unsettled byte.
        #[test]
        fn a_position_never_passes_a_byte_that_is_not_settled(
            ops in proptest::collection::vec((0u64..40, 1u64..12, 0u8..3), 1..80)
        ) {
            let mut ledger = Ledger::default();
            ledger.open(FILE, Account::default());
            let mut settled = [false; 64];
            let mut open: Vec<Ticket> = Vec::new();
            for (n, (from, len, what)) in ops.into_iter().enumerate() {
                let ticket = Ticket(n as u64);
                if let Some((start, end)) = ledger.account(FILE).unwrap().gap(from, 60) {
                    ledger.take(ticket, vec![run(start, end.min(start + len))]);
                    open.push(ticket);
                }
                if what > 0 && !open.is_empty() {
                    let ticket = open.swap_remove(from as usize % open.len());
                    if what == 1 {
                        for r in ledger.runs(ticket) {
                            settled[r.span.start as usize..r.span.end as usize].fill(true);
                        }
                        ledger.settle(ticket, &[]);
                    } else {
                        ledger.give_back(ticket);
                    }
                }
                let account = ledger.account(FILE).unwrap();
                prop_assert!(settled[..account.low() as usize].iter().all(|s| *s));
                let again = Account::open(Some(&account.position()));
                prop_assert_eq!(again.position(), account.position());
            }
        }
    }
}
