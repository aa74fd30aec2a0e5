//! A whole lane over one file: planning, reading, decoding, joining, spans, settling. Nothing is encoded or sent.

use crate::corpus::Corpus;
use crate::{Show, black_box};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::{CHUNK, Pool};
use tailrace::catalog::view::{Ages, File, FileView, Found, Life, Place};
use tailrace::config::checked::{CatchUp, CatchUpOrder, Start};
use tailrace::lane::batch::{FileKey, Sealed, Verdict};
use tailrace::lane::format::{Encoded, Finished, Format, Limits};
use tailrace::lane::step::{Action, Event, Lane, Settings};
use tailrace::origin::Origin;
use tailrace::record::{FileId, Now, Record};
use tailrace::store::saved::LaneId;

pub fn all(corpus: &Corpus, show: Show<'_>) {
    let origin = Arc::new(crate::encode::origin());
    show("lane", &mut || drive(corpus, &origin, false));
    show("lane, spans of records", &mut || drive(corpus, &origin, true));
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

/// From the first offer of the corpus as a file until all of it is settled.
fn drive(corpus: &Corpus, origin: &Arc<Origin>, per_item: bool) {
    let now = Now { mono: Duration::from_secs(1), unix_ns: crate::encode::NOON };
    let settings = Settings {
        output: "bench".into(),
        id: LaneId("bench".into()),
        kind: "bench",
        inputs: BTreeMap::from([(origin.input.clone(), (Start::Beginning, 1 << 20))]),
        max_age: Duration::from_secs(5),
        select: Vec::new(),
        merge_json: false,
        concurrency: 4,
        catch_up: CatchUp { order: CatchUpOrder::Fair, share_percent: 100 },
        stall_after: Duration::from_secs(300),
        once: None,
        seed: 7,
    };
    let place = Place { chain: 1, restart: 0, turn: 1 };
    let file = Arc::new(File { id: FileId(1), place, origin: Arc::clone(origin), at_scan: None });
    let size = corpus.block.len() as u64;
    let ages = Ages(Arc::new([(size, now.unix_ns)]));
    let view =
        FileView { file, size, life: Life::Final, danger: false, grew: now.mono, ages, rulings: Default::default() };
    let format = Nowhere { per_item, plain: 0, items: 0 };
    let mut lane = Lane::new(format, settings, Pool::new(256 * CHUNK), None, now);
    let mut event = Event::Files(vec![view]);
    let mut out = Vec::new();
    let drain = Duration::from_secs(1_000);
    let mut draining = false;
    loop {
        event = match lane.step(now, event) {
            Action::Read { at, len, mut buffer, .. } => {
                let part = corpus.block.get(at as usize..).unwrap_or(&[]);
                let part = &part[..part.len().min(len)];
                buffer.clear();
                buffer.extend_from_slice(part);
                Event::Block(buffer, Ok(Found::Bytes(part.len())))
            }
            Action::Save { then, .. } => then.map_or(Event::Tick, |ticket| Event::Saved(ticket, true)),
            Action::Send(batch) => {
                out.push(batch.ticket);
                Event::Tick
            }
            Action::Bury { ticket, .. } => Event::Buried(ticket, Ok(())),
            Action::Passed(_) => Event::Tick,
            Action::Sleep(_) => match out.pop() {
                Some(ticket) => Event::Answer(ticket, Verdict::Delivered { already: 0 }),
                None if !draining => {
                    draining = true;
                    Event::Drain { by: drain }
                }
                None => break,
            },
            Action::Done => break,
        };
    }
    assert_eq!(lane.report().lag_bytes, 0, "all of it is settled");
}
