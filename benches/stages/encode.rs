//! Records to request bodies, as each output makes them: documents, compressed, sealed when the format is full.

use crate::corpus::{Corpus, METADATA, RECORDS};
use crate::{Show, black_box};
use std::sync::Arc;
use std::time::Duration;
use tailrace::body::chunks::{CHUNK, Pool};
use tailrace::config::checked::{Auth, Aws, CloudWatch, Compression, OpenSearch, S3};
use tailrace::config::template::Template;
use tailrace::lane::format::{Encoded, Format};
use tailrace::origin::{Fields, Meta, Origin};
use tailrace::output::cloudwatch::format::CloudWatchFormat;
use tailrace::output::opensearch::format::OpenSearchFormat;
use tailrace::output::s3::format::S3Format;
use tailrace::record::{Channel, FileId, Grammar, Now, Record, RecordId, Stamp};

/// 2026-11-22T10:15:00Z.
pub const NOON: i64 = 1_795_342_500_000_000_000;

pub fn all(corpus: &Corpus, show: Show<'_>) {
    let origin = origin();
    let meta = origin.meta.load();
    assert!(meta.plain().len().abs_diff(METADATA) < 40 && !meta.escaped().is_empty(), "{}", meta.plain().len());
    let pool = || Pool::new(256 * CHUNK);
    let template = |text: &str| Template::parse(text).expect("a template");
    let cloudwatch = |text| CloudWatch {
        aws: Aws::default(),
        log_group: template("/app"),
        log_stream: None,
        create: true,
        retention_days: None,
        kms_key_id: None,
        log_class: None,
        text,
        dead_letter_out_of_window: false,
    };
    let s3 = |compression| S3 {
        aws: Aws::default(),
        bucket: "logs".into(),
        key: template("logs/"),
        compression,
        object_size: 64 << 20,
        storage_class: None,
        sse: None,
        kms_key_id: None,
        sign_payload: false,
    };
    let search = OpenSearch {
        url: "http://search".into(),
        index: template("logs-%Y.%m.%d"),
        auth: Auth::None,
        derived_id: true,
    };
    let node: Arc<str> = "node-1".into();
    one(corpus, show, "encode cloudwatch", &origin, CloudWatchFormat::new(&cloudwatch(false), &node, pool()));
    one(corpus, show, "encode cloudwatch, text", &origin, CloudWatchFormat::new(&cloudwatch(true), &node, pool()));
    one(corpus, show, "encode s3, zstd", &origin, S3Format::new(&s3(Compression::Zstd), node.clone(), pool()));
    one(corpus, show, "encode s3, gzip", &origin, S3Format::new(&s3(Compression::Gzip), node.clone(), pool()));
    one(corpus, show, "encode opensearch", &origin, OpenSearchFormat::new(&search, pool()));
}

/// All records of the corpus, in order of time, sealed as a lane would.
fn one<F: Format>(corpus: &Corpus, show: Show<'_>, name: &str, origin: &Origin, mut format: F) {
    let now = Now { mono: Duration::from_secs(1), unix_ns: NOON };
    let limits = format.limits();
    let (mut records, mut plain, mut sent) = (0, 0, 0);
    let mut seal = |format: &mut F| {
        for body in black_box(format.finish()).bodies {
            (plain, sent) = (plain + body.plain, sent + body.len);
        }
    };
    show(name, &mut || {
        for (nth, text) in corpus.bodies.iter().enumerate() {
            let record = record(nth, text);
            match format.encode(now, origin, &record) {
                Encoded::Taken { .. } => {}
                Encoded::Full => {
                    seal(&mut format);
                    assert!(matches!(format.encode(now, origin, &record), Encoded::Taken { .. }));
                }
                other @ (Encoded::Stray | Encoded::Drop(_) | Encoded::DeadLetter(_)) => panic!("{other:?}"),
            }
            if format.sent_len() >= limits.sent_bytes || format.plain_len() >= limits.plain_bytes {
                seal(&mut format);
            }
        }
        seal(&mut format);
        records += RECORDS;
    });
    crate::sizes(records, plain, sent);
}

fn record(nth: usize, body: &[u8]) -> Record<'_> {
    let start = nth as u64 * 256;
    Record {
        id: RecordId { file: FileId(7), start, end: start + 256, piece: 0 },
        time: Stamp { unix_ns: NOON + nth as i64 * 50_000, text: b"2026-11-22T10:15:00.123456789Z" },
        channel: Some(Channel::Stdout),
        body,
        cut: false,
        processed: None,
    }
}

pub fn origin() -> Origin {
    let mut pairs: Vec<(String, String)> = [
        ("pod_name", "cart-7d9c5b6f4-x2x9z"),
        ("namespace_name", "shop"),
        ("pod_id", "0b3c9d6a-6f0e-4a55-9f0e-3d8b0a7c6e21"),
        ("host", "ip-10-0-31-7.eu-west-1.compute.internal"),
        ("container_name", "cart"),
        ("container_image", "registry.example.com/shop/cart:1.42.0"),
        ("docker_id", "5f0b8c0e4b1e6a9c1c1d3f8e2b7a6d5c4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b"),
    ]
    .map(|(name, value)| (format!("kubernetes.{name}"), value.to_owned()))
    .to_vec();
    let render = |pairs: &[(String, String)]| {
        let pairs = pairs.iter().map(|(name, value)| (name.clone().into(), value.as_str().into())).collect();
        Arc::new(Fields::new(pairs))
    };
    let mut nth = 0;
    while Meta::new(render(&pairs)).plain().len() + 20 < METADATA {
        let name = format!("kubernetes.labels.app.kubernetes.io/label-{nth}");
        pairs.push((name, format!("value-{}", nth * 7_919)));
        nth += 1;
    }
    let fields = render(&pairs);
    Origin {
        input: "pods".into(),
        path: "/var/log/pods/x/0.log".into(),
        grammar: Grammar::Cri,
        fields: Arc::clone(&fields),
        meta: arc_swap::ArcSwap::from_pointee(Meta::new(fields)),
    }
}
