//! The real formats with smaller limits, so that a small world meets them.

use crate::plan::Plan;
use std::sync::Arc;
use tailrace::body::chunks::Pool;
use tailrace::config::checked::{self, Auth, Compression};
use tailrace::config::template::Template;
use tailrace::lane::batch::{FileKey, Sealed, Target};
use tailrace::lane::format::{Encoded, Finished, Format, Limits};
use tailrace::origin::Origin;
use tailrace::output::cloudwatch::format::CloudWatchFormat;
use tailrace::output::opensearch::format::OpenSearchFormat;
use tailrace::output::s3::format::S3Format;
use tailrace::record::{Now, Record};

/// Compressed bytes of a part.
const PART: usize = 500;
const OBJECT: u64 = 1_800;
/// Plain bytes that become one compressed byte, about: compressors say nothing before they have 64 KiB.
const RATIO: usize = 4;

/// What these limits take for S3's 5 MiB.
pub fn is_a_part(body: &Sealed) -> bool {
    body.len >= PART || body.plain >= PART * RATIO
}

pub struct Small<F> {
    inner: F,
    limits: Limits,
    items: u32,
}

impl<F: Format> Small<F> {
    fn new(inner: F, change: impl FnOnce(&mut Limits)) -> Small<F> {
        let mut limits = inner.limits();
        change(&mut limits);
        Small { inner, limits, items: 0 }
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).expect("a template")
}

pub fn cloudwatch(plan: &Plan, pool: Arc<Pool>) -> Small<CloudWatchFormat> {
    let config = checked::CloudWatch {
        aws: checked::Aws::default(),
        log_group: template("/sim/{kubernetes.namespace_name}"),
        log_stream: plan.timed_stream.then(|| template("{kubernetes.pod_name}/%Y-%m-%d 100%%")),
        create: true,
        retention_days: None,
        kms_key_id: None,
        log_class: None,
        text: false,
        dead_letter_out_of_window: false,
    };
    Small::new(CloudWatchFormat::new(&config, &"node-1".into(), pool), |l| {
        (l.items, l.plain_bytes, l.sent_bytes) = (9, 3_000, 3_000);
    })
}

pub fn s3(plan: &Plan, pool: Arc<Pool>) -> Small<S3Format> {
    let config = checked::S3 {
        aws: checked::Aws::default(),
        bucket: "sim".into(),
        key: template("logs/{kubernetes.namespace_name}/%Y/%m/%d/%H/"),
        compression: if plan.zstd { Compression::Zstd } else { Compression::Gzip },
        object_size: 64 << 20,
        storage_class: None,
        sse: None,
        kms_key_id: None,
        sign_payload: false,
    };
    Small::new(S3Format::new(&config, "node-1".into(), pool), |l| (l.sent_bytes, l.object_bytes) = (PART, OBJECT))
}

pub fn opensearch(_plan: &Plan, pool: Arc<Pool>) -> Small<OpenSearchFormat> {
    let config = checked::OpenSearch {
        url: "http://search".into(),
        index: template("logs-{kubernetes.namespace_name}-%Y.%m.%d"),
        auth: Auth::None,
        derived_id: true,
    };
    Small::new(OpenSearchFormat::new(&config, pool), |l| {
        (l.items, l.plain_bytes, l.sent_bytes) = (12, 5_000, 5_000);
    })
}

impl<F: Format> Format for Small<F> {
    fn limits(&self) -> Limits {
        self.limits
    }
    fn key(&self, origin: &Origin) -> FileKey {
        self.inner.key(origin)
    }
    fn target(&self, key: &FileKey, unix_ns: i64) -> Target {
        self.inner.target(key, unix_ns)
    }
    fn object_name(&self, target: &Target, first_ns: i64, random: u64) -> String {
        self.inner.object_name(target, first_ns, random)
    }
    fn bucket(&self, key: &FileKey, unix_ns: i64) -> i64 {
        self.inner.bucket(key, unix_ns)
    }
    fn encode(&mut self, now: Now, origin: &Origin, record: &Record<'_>) -> Encoded {
        let full = self.items >= self.limits.items
            || self.plain_len() + record.body.len() > self.limits.plain_bytes
            || self.sent_len() > 3 * self.limits.sent_bytes;
        if self.items > 0 && full {
            return Encoded::Full;
        }
        let encoded = self.inner.encode(now, origin, record);
        if let Encoded::Taken { items } = encoded {
            self.items += items;
        }
        encoded
    }
    fn sent_len(&self) -> usize {
        let objects = self.limits.object_bytes > 0;
        if objects { self.inner.plain_len() / RATIO } else { self.inner.sent_len() }
    }
    fn plain_len(&self) -> usize {
        self.inner.plain_len()
    }
    fn finish(&mut self) -> Finished {
        self.items = 0;
        self.inner.finish()
    }
    fn clear(&mut self) {
        self.items = 0;
        self.inner.clear();
    }
}
