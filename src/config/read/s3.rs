//! `type: s3`.

use super::input::Named;
use super::target::{Rules, template};
use super::{aws, names, values};
use crate::config::checked::{Compression, S3};
use crate::config::problem::Wrong;
use crate::config::section::Section;
use crate::config::units::{GIB, MIB, boolean, choice, show_size, size, within};

/// Most bytes of a prefix: S3 takes names of 1,024, and up to 143 follow the prefix (time, the node's name cut at
/// 100, random digits, ending: `output/s3/name`).
const PREFIX: usize = 1024 - 143;

/// Classes that a general purpose bucket takes.
const CLASSES: [&str; 8] = [
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "REDUCED_REDUNDANCY",
];

/// `None` when bucket or key is missing or wrong.
pub(super) fn read(section: &Section<'_>, inputs: &[&Named]) -> Option<S3> {
    let aws = aws::aws(section, true);
    let bucket = section.required("bucket", "my-logs").and_then(|place| place.parse(names::bucket));
    let literal = |text: &str| names::object_key(text, PREFIX);
    let rules = Rules { what: "an object's name", prefix: true, time: true, literal: &literal };
    let key = section.required("key", "logs/{kubernetes.namespace_name}/%Y/%m/%d/%H/");
    let key = key.and_then(|place| template(&place, &rules, inputs));
    let compressions = [("zstd", Compression::Zstd), ("gzip", Compression::Gzip)];
    let compression = section.value("compression", |text| choice(text, &compressions));
    let object_size = section.value("object_size", |text| within(size(text)?, 5 * MIB, 4 * GIB, show_size));
    let storage_class = section.value("storage_class", |text| choice(text, &CLASSES.map(|class| (class, class))));
    let sses = ["AES256", "aws:kms", "aws:kms:dsse"].map(|sse| (sse, sse));
    let sse = section.value("sse", |text| choice(text, &sses));
    let kms_key_id = section.value("kms_key_id", values::one_line);
    if section.get("sse").is_none() || sse == Some("AES256") {
        section.refuse("kms_key_id", || {
            Wrong::new("says nothing without `sse: aws:kms`", "write `sse: aws:kms` beside it, or remove it")
        });
    }
    let sign_payload = section.value("sign_payload", boolean).unwrap_or(false);
    Some(S3 {
        aws,
        bucket: bucket?,
        key: key?,
        compression: compression.unwrap_or(Compression::Zstd),
        object_size: object_size.unwrap_or(64 * MIB),
        storage_class: storage_class.map(str::to_string),
        sse: sse.map(str::to_string),
        kms_key_id,
        sign_payload,
    })
}
