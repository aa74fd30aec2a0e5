//! Which spans each record of a batch came from: 16 bytes a record on the plain path.
//!
//! Only formats that are answered item by item keep these; the others keep their merged runs (see `ledger`).

use crate::record::{FileId, Span};

#[derive(Clone, Copy, Debug)]
struct Part {
    start: u64,
    len: u32,
    file: u16,
    /// The next part belongs to the same record.
    more: bool,
}

/// Spans of records, in the order in which they were encoded.
#[derive(Debug, Default)]
pub struct Items {
    files: Vec<FileId>,
    parts: Vec<Part>,
    /// Start of each record in `parts`; empty while every record has exactly one part.
    starts: Vec<u32>,
    records: u32,
}

impl Items {
    /// Adds the next record. A span longer than 4 GiB or a 65,536th file cannot occur in one batch; such a record
    /// is kept with what fits, and being re-read it is at worst judged with its neighbour.
    pub fn push(&mut self, spans: &[Span]) {
        let begin = self.parts.len() as u32;
        if self.starts.is_empty() && spans.len() != 1 {
            self.starts = (0..self.records).collect();
        }
        if !self.starts.is_empty() || spans.len() != 1 {
            self.starts.push(begin);
        }
        for (i, span) in spans.iter().enumerate() {
            let file = match self.files.iter().rposition(|f| *f == span.file) {
                Some(at) => at,
                None => {
                    self.files.push(span.file);
                    self.files.len() - 1
                }
            };
            self.parts.push(Part {
                start: span.start,
                len: u32::try_from(span.len()).unwrap_or(u32::MAX),
                file: u16::try_from(file).unwrap_or(u16::MAX),
                more: i + 1 < spans.len(),
            });
        }
        self.records += 1;
    }
    /// Number of records.
    pub fn records(&self) -> u32 {
        self.records
    }
    /// The spans of record `number`; empty for a number out of range.
    pub fn spans(&self, number: u32) -> Vec<Span> {
        let at = if self.starts.is_empty() { Some(number) } else { self.starts.get(number as usize).copied() };
        let Some(at) = at else { return Vec::new() };
        let mut spans = Vec::new();
        for part in self.parts.iter().skip(at as usize) {
            if let Some(file) = self.files.get(usize::from(part.file)) {
                spans.push(Span { file: *file, start: part.start, end: part.start + u64::from(part.len) });
            }
            if !part.more {
                break;
            }
        }
        spans
    }
    /// Bytes held.
    pub fn heap(&self) -> usize {
        self.parts.capacity() * std::mem::size_of::<Part>() + self.starts.capacity() * 4 + self.files.capacity() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(file: u128, start: u64, end: u64) -> Span {
        Span { file: FileId(file), start, end }
    }

    #[test]
    fn each_record_gets_its_own_spans_back() {
        let records: Vec<Vec<Span>> = vec![
            vec![span(1, 0, 10)],
            vec![span(1, 10, 20)],
            vec![span(1, 20, 30), span(2, 0, 5)],
            vec![span(2, 5, 9)],
        ];
        let mut items = Items::default();
        for r in &records {
            items.push(r);
        }
        assert_eq!(items.records(), 4);
        for (i, r) in records.iter().enumerate() {
            assert_eq!(&items.spans(i as u32), r);
        }
        assert!(items.spans(4).is_empty());
    }

    #[test]
    fn a_joined_record_may_come_first() {
        let mut items = Items::default();
        items.push(&[span(1, 0, 4), span(1, 9, 12)]);
        items.push(&[span(1, 4, 9)]);
        assert_eq!(items.spans(0).len(), 2);
        assert_eq!(items.spans(1), vec![span(1, 4, 9)]);
    }
}
