//! `type: cloudwatch_logs`.

use super::input::Named;
use super::target::{Rules, template};
use super::transforms::Transforms;
use super::{aws, names, values};
use crate::config::checked::{CloudWatch, LogClass};
use crate::config::problem::{Wrong, shown};
use crate::config::section::Section;
use crate::config::units::{boolean, choice, count};

/// Days that PutRetentionPolicy takes.
const RETENTION: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// `None` when its group is missing or wrong.
pub(super) fn read(section: &Section<'_>, inputs: &[&Named], transforms: &Transforms) -> Option<CloudWatch> {
    let aws = aws::aws(section, true);
    let group = Rules { what: "a log group", prefix: true, time: false, literal: &names::log_group };
    let stream = Rules { what: "a log stream", prefix: false, time: false, literal: &names::log_stream };
    let log_group = section.required("log_group", "/tailrace/application");
    let log_group = log_group.and_then(|place| template(&place, &group, inputs));
    let log_stream = section.get("log_stream").and_then(|place| template(&place, &stream, inputs));
    let create = section.value("create", boolean).unwrap_or(true);
    let retention_days = section.value("retention_days", retention);
    let kms_key_id = section.value("kms_key_id", values::one_line);
    let classes = [("STANDARD", LogClass::Standard), ("INFREQUENT_ACCESS", LogClass::InfrequentAccess)];
    let log_class = section.value("log_class", |text| choice(text, &classes));
    if !create {
        for key in ["retention_days", "kms_key_id", "log_class"] {
            section.refuse(key, || {
                Wrong::new(
                    "applies to groups that are created here, and `create: false` creates none",
                    "remove one of the two",
                )
            });
        }
    }
    let text = section.value("format", |text| choice(text, &[("json", false), ("text", true)])).unwrap_or(false);
    if text && transforms.merge_json {
        section.refuse("format", || {
            Wrong::new(
                "`text` sends the body alone, and `merge_json` changes only the document",
                "remove one of the two",
            )
        });
    }
    let window = section.value("out_of_window", |text| choice(text, &[("drop", false), ("dead_letter", true)]));
    Some(CloudWatch {
        aws,
        log_group: log_group?,
        log_stream,
        create,
        retention_days,
        kms_key_id,
        log_class,
        text,
        dead_letter_out_of_window: window.unwrap_or(false),
    })
}

fn retention(text: &str) -> Result<u32, Wrong> {
    let allowed = || RETENTION.map(|days| days.to_string()).join(", ");
    if let Some(days) = text.strip_suffix('d').filter(|days| days.parse::<u32>().is_ok()) {
        return Err(Wrong::new("is a number of days without a unit", format!("write `{days}`")));
    }
    let days = count(text)?;
    RETENTION.into_iter().find(|allowed| u64::from(*allowed) == days).ok_or_else(|| {
        let meant = RETENTION.into_iter().find(|allowed| u64::from(*allowed) >= days).unwrap_or(3653);
        Wrong::new(
            format!("CloudWatch does not take {} days", shown(text)),
            format!("write `{meant}` (allowed: {})", allowed()),
        )
    })
}
