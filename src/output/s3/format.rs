//! S3's pure half: JSON lines, each body one zstd frame or one gzip member, so that parts make a readable object.
//!
//! Promises: the file part of a key fits into an object name; bodies stay below 8 MiB. When to seal, which records
//! share a bucket and what object a body belongs to is the lane's business; names are [`super::name`]'s.

use super::name;
use crate::body::chunks::Pool;
use crate::body::{Aim, Body, Codec};
use crate::config::checked::{self, Compression};
use crate::config::template::Template;
use crate::lane::batch::{FileKey, Target};
use crate::lane::format::{Encoded, Finished, Format, Limits};
use crate::origin::Origin;
use crate::output::bucket::Buckets;
use crate::output::document::Lead;
use crate::output::line::write_line;
use crate::record::{Now, Record};
use std::sync::Arc;

/// S3's minimum of a part that is not the last, in bytes as sent.
pub const PART: usize = 5 << 20;
/// Past this a body takes no further record: with the largest record it stays below 8 MiB.
const FULL: usize = 6 << 20;

/// One open body of JSON lines.
pub struct S3Format {
    key: Template,
    compression: Compression,
    node: Arc<str>,
    object_size: u64,
    body: Body,
    items: u32,
    buckets: Buckets,
}

impl S3Format {
    /// An empty body whose chunks come from `pool`; objects are named after `node`.
    pub fn new(config: &checked::S3, node: Arc<str>, pool: Arc<Pool>) -> S3Format {
        let codec = match config.compression {
            Compression::Zstd => Codec::Zstd,
            // For size: a fifth more time, and what it saves (a tenth of prose) lies in the bucket for years.
            Compression::Gzip => Codec::Gzip(Aim::Size),
        };
        S3Format {
            key: config.key.clone(),
            compression: config.compression,
            node,
            object_size: config.object_size.max(1),
            body: Body::new(codec, pool),
            items: 0,
            buckets: Buckets::new(&config.key),
        }
    }
}

impl Format for S3Format {
    fn limits(&self) -> Limits {
        Limits {
            sent_bytes: PART.min(usize::try_from(self.object_size).unwrap_or(PART)),
            // None of its own: a part that ends early is too small to be one.
            plain_bytes: usize::MAX >> 1,
            items: u32::MAX,
            per_item: false,
            object_bytes: self.object_size,
            note_attempts: false,
        }
    }

    fn key(&self, origin: &Origin) -> FileKey {
        FileKey { place: name::prefix(&self.key, &origin.fields), stream: "".into() }
    }

    fn object_name(&self, target: &Target, first_ns: i64, random: u64) -> String {
        name::object_name(&target.place, first_ns, &self.node, random, self.compression)
    }

    fn bucket(&self, _: &FileKey, unix_ns: i64) -> i64 {
        self.buckets.of(unix_ns)
    }

    fn encode(&mut self, _: Now, origin: &Origin, record: &Record<'_>) -> Encoded {
        if self.items > 0 && self.body.sent_len() >= FULL {
            return Encoded::Full;
        }
        write_line(self.body.plain(), Lead::None, &origin.meta.load(), record);
        self.body.settle();
        self.items = self.items.saturating_add(1);
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
