//! What the bodies of an object promise.

use crate::body::chunks::Pool;
use crate::config::checked::{Aws, Compression, S3};
use crate::config::template::Template;
use crate::lane::batch::Sealed;
use crate::lane::format::{Encoded, Format};
use crate::output::fixtures::{NOON, now, origin, record};
use crate::output::s3::format::{PART, S3Format};
use proptest::prelude::*;
use serde_json::Value;
use std::io::Read;

const HOUR: i64 = 3_600_000_000_000;

fn config(compression: Compression) -> S3 {
    S3 {
        aws: Aws::default(),
        bucket: "my-logs".into(),
        key: Template::parse("logs/{kubernetes.namespace_name}/%Y/%m/%d/%H/").expect("a template"),
        compression,
        object_size: 64 << 20,
        storage_class: None,
        sse: None,
        kms_key_id: None,
        sign_payload: false,
    }
}

fn format(compression: Compression) -> S3Format {
    S3Format::new(&config(compression), "node-1".into(), Pool::new(64 << 20))
}

/// What a reader of the object sees: all parts one after the other.
fn read_back(compression: Compression, parts: &[Sealed]) -> Vec<u8> {
    let object: Vec<u8> = parts.iter().flat_map(|part| part.chunks.concat()).collect();
    assert_eq!(object.len(), parts.iter().map(|part| part.len).sum::<usize>());
    let mut text = Vec::new();
    match compression {
        Compression::Zstd => zstd::stream::copy_decode(&object[..], &mut text).expect("zstd"),
        Compression::Gzip => {
            flate2::bufread::MultiGzDecoder::new(&object[..]).read_to_end(&mut text).expect("gzip");
        }
    }
    text
}

fn finish(format: &mut S3Format) -> Sealed {
    let mut finished = format.finish();
    assert!(finished.record_of_item.is_empty());
    finished.bodies.pop().expect("a body")
}

#[test]
fn parts_make_one_readable_object() {
    for compression in [Compression::Zstd, Compression::Gzip] {
        let mut format = format(compression);
        let origin = origin("shop");
        let mut parts = Vec::new();
        for part in 0..3 {
            for n in 0..10 {
                let text = format!("line {}", part * 10 + n);
                assert_eq!(
                    format.encode(now(), &origin, &record(n, NOON, text.as_bytes())),
                    Encoded::Taken { items: 1 }
                );
            }
            parts.push(finish(&mut format));
        }
        let text = String::from_utf8(read_back(compression, &parts)).expect("text");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        assert_eq!(lines.len(), 30);
        assert_eq!(lines[29]["log"], "line 29");
        assert!(lines[0].get("@timestamp").is_none());
    }
}

#[test]
fn each_hour_has_objects_of_its_own() {
    let format = format(Compression::Zstd);
    let key = format.key(&origin("shop"));
    assert_eq!(&*key.place, "logs/shop/%Y/%m/%d/%H/");
    assert_eq!(format.bucket(&key, NOON), NOON / HOUR);
    let name = format.object_name(&format.target(&key, NOON), NOON, 1);
    assert_eq!(name, "logs/shop/2026/11/22/10/20261122T101500Z-node-1-0000000000000001.json.zst");
}

#[test]
fn a_small_object_size_makes_small_bodies() {
    let limits = |object_size| {
        S3Format::new(&S3 { object_size, ..config(Compression::Zstd) }, "node-1".into(), Pool::new(1 << 20)).limits()
    };
    assert_eq!((limits(1 << 20).sent_bytes, limits(1 << 20).object_bytes), (1 << 20, 1 << 20));
    assert_eq!((limits(1 << 30).sent_bytes, limits(1 << 30).object_bytes), (PART, 1 << 30));
    assert!(!limits(1 << 30).per_item);
}

/// Printable text that no compressor makes much smaller.
fn noise(seed: &mut u64, len: usize) -> Vec<u8> {
    let next = |_| {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'0' + (*seed >> 58) as u8
    };
    (0..len).map(next).collect()
}

#[test]
fn a_body_stays_below_eight_mib_of_the_worst_text() {
    let mut format = format(Compression::Gzip);
    let origin = origin("shop");
    let mut seed = 1;
    let mut items = 0;
    while format.encode(now(), &origin, &record(0, NOON, &noise(&mut seed, 1 << 20))) == (Encoded::Taken { items: 1 }) {
        items += 1;
        assert!(items < 20, "it is full some time");
    }
    let body = finish(&mut format);
    assert!((PART..8 << 20).contains(&body.len), "{} bytes", body.len);
}

proptest! {
    #[test]
    fn any_records_are_lines_of_json(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..40), gzip in any::<bool>(),
    ) {
        let compression = if gzip { Compression::Gzip } else { Compression::Zstd };
        let mut format = format(compression);
        let origin = origin("shop");
        for body in &bodies {
            prop_assert_eq!(format.encode(now(), &origin, &record(0, NOON, body)), Encoded::Taken { items: 1 });
        }
        prop_assert!(format.plain_len() > 0);
        let text = read_back(compression, &[finish(&mut format)]);
        prop_assert_eq!((format.plain_len(), format.sent_len()), (0, 0));
        let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
        prop_assert_eq!(lines.len(), bodies.len());
        for (line, body) in lines.iter().zip(&bodies) {
            let document: Value = serde_json::from_slice(line).expect("a line is JSON");
            let want = String::from_utf8_lossy(body);
            prop_assert_eq!(document["log"].as_str(), Some(&*want));
        }
    }
}
