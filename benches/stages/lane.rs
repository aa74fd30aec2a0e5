//! Whole lanes over files in memory, and what they keep books in: planning, reading, decoding, joining, encoding,
//! compressing, sealing, answers, settling. Without the catalog, the store's writes, requests and TLS, whose cost is a
//! batch's, not a record's.

use crate::corpus::{Corpus, RECORDS, parts};
use crate::drive::Driven;
use crate::{Show, black_box, formats};
use std::sync::Arc;
use tailrace::body::chunks::Pool;
use tailrace::config::checked::Compression;
use tailrace::lane::batch::{FileKey, Sealed, Ticket};
use tailrace::lane::format::{Encoded, Finished, Format, Limits};
use tailrace::lane::ledger::{Account, Ledger, Run};
use tailrace::origin::Origin;
use tailrace::output::opensearch::verdict::{Answer, judge};
use tailrace::record::{FileId, Grammar, Mark, Now, Record, Span};

/// Files of the stages with many.
const FILES: usize = 200;

pub fn all(corpus: &Corpus, show: Show<'_>) {
    ledger(show);
    bulk_answer(show);
    let cri = &[corpus.block.as_slice()];
    let nowhere = |per_item| move |_| Nowhere { per_item, plain: 0, items: 0 };
    one(show, "lane", cri, Grammar::Cri, nowhere(false));
    one(show, "lane, docker", &[&corpus.docker], Grammar::Docker, nowhere(false));
    one(show, "lane, spans of records", cri, Grammar::Cri, nowhere(true));
    one(show, "lane cloudwatch", cri, Grammar::Cri, |pool| formats::cloudwatch(false, pool));
    one(show, "lane s3, zstd", cri, Grammar::Cri, |pool| formats::s3(Compression::Zstd, pool));
    one(show, "lane s3, gzip", cri, Grammar::Cri, |pool| formats::s3(Compression::Gzip, pool));
    one(show, "lane opensearch", cri, Grammar::Cri, formats::opensearch);
    let many = parts(&corpus.block, FILES);
    one(show, "lane opensearch, 200 files", &many, Grammar::Cri, formats::opensearch);
}

fn one<F: Format>(show: Show<'_>, name: &str, texts: &[&[u8]], grammar: Grammar, make: impl Fn(Arc<Pool>) -> F) {
    let pool = formats::pool();
    let mut driven = Driven::new(make(Arc::clone(&pool)), formats::origin(grammar), pool);
    show(name, &mut || assert_eq!(driven.deliver(texts).items, RECORDS as u64));
}

/// As many runs as there are records: taken in order, each settled after the one behind it.
fn ledger(show: Show<'_>) {
    let mut at = 0;
    let mut ledger = Ledger::default();
    ledger.open(FileId(1), Account::default());
    show("ledger, a run", &mut || {
        for _ in 0..RECORDS / 2 {
            let tickets = [Ticket(at), Ticket(at + 1)];
            for ticket in tickets {
                let span = Span { file: FileId(1), start: at * 256, end: (at + 1) * 256 };
                ledger.take(ticket, vec![Run { span, mark: Mark::NONE }]);
                at += 1;
            }
            for ticket in tickets.into_iter().rev() {
                black_box(ledger.settle(ticket, &[]));
            }
        }
        assert_eq!(ledger.account(FileId(1)).map(Account::low), Some(at * 256));
    });
}

/// What OpenSearch answers to as many documents, in bulks of 10,000.
fn bulk_answer(show: Show<'_>) {
    let items = vec![r#"{"create":{"status":201}}"#; 10_000].join(",");
    let body = format!(r#"{{"errors":false,"items":[{items}]}}"#);
    show("bulk answer", &mut || {
        for _ in 0..RECORDS / 10_000 {
            black_box(judge(&Answer { status: 200, body: body.as_bytes(), ..Answer::default() }, 10_000));
        }
    });
}

/// Looks at records, and says that they were sent.
struct Nowhere {
    per_item: bool,
    plain: usize,
    items: u32,
}

impl Format for Nowhere {
    fn limits(&self) -> Limits {
        let (per_item, sent_bytes) = (self.per_item, 1 << 20);
        let (items, object_bytes, note_attempts) = (10_000, 0, false);
        Limits { sent_bytes, plain_bytes: sent_bytes, items, per_item, object_bytes, note_attempts }
    }
    fn key(&self, _origin: &Origin) -> FileKey {
        FileKey { place: "here".into(), stream: "".into() }
    }
    fn bucket(&self, _key: &FileKey, _unix_ns: i64) -> i64 {
        0
    }
    fn encode(&mut self, _now: Now, _origin: &Origin, record: &Record<'_>) -> Encoded {
        if self.items == 10_000 {
            return Encoded::Full;
        }
        self.plain += black_box(record).body.len();
        self.items += 1;
        Encoded::Taken { items: 1 }
    }
    fn sent_len(&self) -> usize {
        self.plain
    }
    fn plain_len(&self) -> usize {
        self.plain
    }
    fn finish(&mut self) -> Finished {
        let (plain, items) = (std::mem::take(&mut self.plain), std::mem::take(&mut self.items));
        let bodies = vec![Sealed { chunks: Vec::new(), len: plain, plain }];
        Finished { bodies, record_of_item: Vec::new(), items }
    }
    fn clear(&mut self) {
        (self.plain, self.items) = (0, 0);
    }
}
