//! OpenSearch's pure half: `_bulk` lines, a `create` action and a document a record, gzip; the index is in the URL.
//!
//! Promises: a record's `_id` depends on nothing but the record, and no two records share one; a body has at most
//! 5 MiB of text and 10,000 items, but a longer record goes alone; action lines hold nothing that comes from a
//! record's text. Which records share an index is the lane's business, what the service says [`super::verdict`]'s.

use super::index;
use crate::body::chunks::Pool;
use crate::body::{Aim, Body, Codec};
use crate::config::checked;
use crate::config::template::Template;
use crate::lane::batch::FileKey;
use crate::lane::format::{Encoded, Finished, Format, Limits};
use crate::origin::Origin;
use crate::output::bucket::Buckets;
use crate::output::document::Lead;
use crate::output::line::write_line;
use crate::record::{Now, Record, RecordId};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// Most text in a body, in bytes. Small domains refuse requests above 10 MiB.
const PLAIN: usize = 5 << 20;
/// Most documents in a body.
const ITEMS: u32 = 10_000;
/// Bytes of an `_id`: 36 bytes in base64, far below the service's 512.
const ID_LEN: usize = 43;

/// One open `_bulk` body.
pub struct OpenSearchFormat {
    index: Template,
    derived_id: bool,
    body: Body,
    items: u32,
    buckets: Buckets,
}

impl OpenSearchFormat {
    /// An empty body whose chunks come from `pool`.
    pub fn new(config: &checked::OpenSearch, pool: Arc<Pool>) -> OpenSearchFormat {
        OpenSearchFormat {
            index: config.index.clone(),
            derived_id: config.derived_id,
            // Never zstd: one such request ends a 2.19 node.
            body: Body::new(Codec::Gzip(Aim::Speed), pool),
            items: 0,
            buckets: Buckets::new(&config.index),
        }
    }
}

impl Format for OpenSearchFormat {
    fn limits(&self) -> Limits {
        Limits {
            sent_bytes: PLAIN,
            plain_bytes: PLAIN,
            items: ITEMS,
            per_item: true,
            object_bytes: 0,
            note_attempts: false,
        }
    }

    fn key(&self, origin: &Origin) -> FileKey {
        FileKey { place: index::pattern(&self.index, &origin.fields), stream: "".into() }
    }

    fn bucket(&self, _: &FileKey, unix_ns: i64) -> i64 {
        self.buckets.of(unix_ns)
    }

    fn encode(&mut self, _: Now, origin: &Origin, record: &Record<'_>) -> Encoded {
        let first = self.items == 0;
        if self.items >= ITEMS {
            return Encoded::Full;
        }
        let before = self.body.plain_len();
        let plain = self.body.plain();
        let start = plain.len();
        if self.derived_id {
            plain.extend_from_slice(br#"{"create":{"_id":""#);
            plain.extend_from_slice(&id(&record.id));
            plain.extend_from_slice(b"\"}}\n");
        } else {
            plain.extend_from_slice(b"{\"create\":{}}\n");
        }
        write_line(plain, Lead::Timestamp, &origin.meta.load(), record);
        if !first && before + (plain.len() - start) > PLAIN {
            plain.truncate(start);
            return Encoded::Full;
        }
        self.body.settle();
        self.items += 1;
        Encoded::Taken { items: 1 }
    }

    fn sent_len(&self) -> usize {
        self.body.sent_len()
    }

    fn plain_len(&self) -> usize {
        self.body.plain_len()
    }

    fn finish(&mut self) -> Finished {
        let items = std::mem::take(&mut self.items);
        Finished { bodies: vec![self.body.finish()], record_of_item: Vec::new(), items }
    }

    fn clear(&mut self) {
        self.items = 0;
        self.body.clear();
    }

    fn rest(&mut self) {
        self.body.rest();
    }
}

/// File, first start, last end, big-endian (a piece of a long record has a start of its own; its number depends on
/// where reading began, so it stays out): ids of one file share their beginning (they compress, and sorted
/// ids are cheap to index) and no two records share one.
fn id(record: &RecordId) -> [u8; ID_LEN] {
    let mut raw = [0; 32];
    raw[..16].copy_from_slice(&record.file.0.to_be_bytes());
    raw[16..24].copy_from_slice(&record.start.to_be_bytes());
    raw[24..].copy_from_slice(&record.end.to_be_bytes());
    let mut text = [b'A'; ID_LEN];
    // Cannot fail: 32 bytes are 43 characters.
    URL_SAFE_NO_PAD.encode_slice(raw, &mut text).unwrap_or_default();
    text
}
