//! Records to request bodies, as each output makes them: documents, compressed, sealed when the format is full.

use crate::corpus::{Corpus, METADATA, RECORDS, metadata};
use crate::drive::NOON;
use crate::{Show, black_box, formats};
use std::time::Duration;
use tailrace::body::chunks::CHUNK;
use tailrace::body::escape::escape;
use tailrace::body::{Aim, Body, Codec};
use tailrace::config::checked::Compression;
use tailrace::lane::format::{Encoded, Format};
use tailrace::origin::Origin;
use tailrace::output::document::{Depth, Lead, write_document};
use tailrace::record::{Channel, FileId, Grammar, Now, Record, RecordId, Stamp};

pub fn all(corpus: &Corpus, show: Show<'_>) {
    let origin = formats::origin(Grammar::Cri);
    let meta = origin.meta.load();
    assert!(meta.plain().len().abs_diff(METADATA) < 40 && !meta.escaped().is_empty(), "{}", meta.plain().len());
    let mut out = Vec::new();
    for (name, depth) in [("document", Depth::Plain), ("document in a string", Depth::InString)] {
        show(name, &mut || {
            for (nth, body) in corpus.bodies.iter().enumerate() {
                if out.len() > CHUNK {
                    out.clear();
                }
                write_document(&mut out, depth, Lead::None, &meta, &record(nth, body));
            }
            black_box(&mut out);
        });
    }
    bodies_of_documents(corpus, show);
    let pool = formats::pool;
    one(corpus, show, "encode cloudwatch", &origin, formats::cloudwatch(false, pool()));
    one(corpus, show, "encode cloudwatch, text", &origin, formats::cloudwatch(true, pool()));
    one(corpus, show, "encode s3, zstd", &origin, formats::s3(Compression::Zstd, pool()));
    one(corpus, show, "encode s3, gzip", &origin, formats::s3(Compression::Gzip, pool()));
    one(corpus, show, "encode opensearch", &origin, formats::opensearch(pool()));
}

/// Documents as S3 gets them, in bodies of 5 MiB plain.
fn bodies_of_documents(corpus: &Corpus, show: Show<'_>) {
    let metadata = metadata();
    for (name, codec) in [
        ("plain body", Codec::Plain),
        ("gzip body, speed", Codec::Gzip(Aim::Speed)),
        ("gzip body, size", Codec::Gzip(Aim::Size)),
        ("zstd body", Codec::Zstd),
    ] {
        let mut body = Body::new(codec, formats::pool());
        let (mut records, mut plain, mut sent) = (0, 0, 0);
        let mut seal = |body: &mut Body| {
            let sealed = body.finish();
            (plain, sent) = (plain + sealed.plain, sent + sealed.len);
        };
        show(name, &mut || {
            for text in &corpus.bodies {
                let to = body.plain();
                to.extend_from_slice(br#"{"time":"2026-11-22T10:15:00.123456789Z","stream":"stdout","log":""#);
                escape(text, to);
                to.push(b'"');
                to.extend_from_slice(&metadata);
                to.extend_from_slice(b"}\n");
                body.settle();
                if body.plain_len() > 5 << 20 {
                    seal(&mut body);
                }
            }
            seal(&mut body);
            records += RECORDS;
        });
        crate::sizes(records, plain, sent);
    }
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

pub fn record(nth: usize, body: &[u8]) -> Record<'_> {
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
