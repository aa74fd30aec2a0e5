//! A format small enough to read its bodies back by eye: one record a line, as `ID TEXT`.

use tailrace::lane::batch::{FileKey, Sealed};
use tailrace::lane::format::{Encoded, Finished, Format, Limits};
use tailrace::origin::Origin;
use tailrace::record::{Now, Record};

/// How the pretended service settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Item by item with ids, like OpenSearch.
    Items,
    /// At least once, attempts noted, like CloudWatch.
    Notes,
    /// Objects in parts, like S3.
    Objects,
}

/// The format; bodies are plain text.
pub struct Toy {
    style: Style,
    body: Vec<u8>,
    items: u32,
}

/// Part size of the pretended object store.
pub const PART: usize = 400;

impl Toy {
    pub fn new(style: Style) -> Toy {
        Toy { style, body: Vec::new(), items: 0 }
    }
}

impl Format for Toy {
    fn limits(&self) -> Limits {
        let objects = self.style == Style::Objects;
        Limits {
            sent_bytes: if objects { PART } else { 600 },
            plain_bytes: if objects { usize::MAX } else { 600 },
            items: 8,
            per_item: self.style != Style::Objects,
            object_bytes: if objects { 1_500 } else { 0 },
            note_attempts: self.style == Style::Notes,
        }
    }
    fn key(&self, origin: &Origin) -> FileKey {
        let place = origin.fields.get("kubernetes.namespace_name").unwrap_or("none");
        FileKey { place: format!("{place}/%H").into(), stream: "".into() }
    }
    fn bucket(&self, key: &FileKey, unix_ns: i64) -> i64 {
        tailrace::config::template::bucket_of(&key.place, unix_ns)
    }
    fn object_name(&self, target: &tailrace::lane::batch::Target, _first: i64, random: u64) -> String {
        format!("{}-{random:016x}", target.place)
    }
    fn encode(&mut self, _now: Now, _origin: &Origin, record: &Record<'_>) -> Encoded {
        let limits = self.limits();
        if self.items >= limits.items && self.style != Style::Objects {
            return Encoded::Full;
        }
        let id = format!("{}-{}-{}-{} ", record.id.file, record.id.start, record.id.end, record.id.piece);
        self.body.extend_from_slice(id.as_bytes());
        self.body.extend_from_slice(record.body);
        self.body.push(b'\n');
        self.items += 1;
        Encoded::Taken { items: 1 }
    }
    fn sent_len(&self) -> usize {
        self.body.len()
    }
    fn plain_len(&self) -> usize {
        self.body.len()
    }
    fn finish(&mut self) -> Finished {
        let body = std::mem::take(&mut self.body);
        let (len, items) = (body.len(), std::mem::take(&mut self.items));
        let bodies = vec![Sealed { chunks: vec![body.into()], len, plain: len }];
        Finished { bodies, record_of_item: Vec::new(), items }
    }
    fn clear(&mut self) {
        self.body.clear();
        self.items = 0;
    }
}
