//! Groups, streams and retention: made, described, and their names' alphabets.

use super::{CloudWatch, Group, RETENTION, Refused, Stream, invalid};
use crate::standin::serve::lock;
use serde::Deserialize;

/// The small requests' members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Names {
    pub(super) log_group_name: Option<String>,
    log_stream_name: Option<String>,
    retention_in_days: Option<i64>,
    kms_key_id: Option<String>,
    log_group_class: Option<String>,
    log_group_name_prefix: Option<String>,
    log_stream_name_prefix: Option<String>,
}

impl CloudWatch {
    pub(super) fn create_group(&self, names: Names) -> Result<Option<serde_json::Value>, Refused> {
        let name = group_name(names.log_group_name.as_deref())?.to_owned();
        if name.starts_with("aws/") {
            return Err(invalid("Log groups starting with AWS/ are reserved for AWS."));
        }
        if names.log_group_class.as_deref().is_some_and(|c| !matches!(c, "STANDARD" | "INFREQUENT_ACCESS" | "DELIVERY"))
        {
            return Err(invalid("logGroupClass must be STANDARD, INFREQUENT_ACCESS or DELIVERY"));
        }
        if names.kms_key_id.as_deref().is_some_and(|k| !k.starts_with("arn:aws") || k.len() > 256) {
            return Err(invalid("The specified KMS key is not an ARN"));
        }
        let mut groups = lock(&self.groups);
        if groups.contains_key(&name) {
            return Err(Refused(
                400,
                "ResourceAlreadyExistsException",
                "The specified log group already exists".into(),
            ));
        }
        groups.insert(name, Group { class: names.log_group_class, kms: names.kms_key_id, ..Group::default() });
        Ok(None)
    }

    pub(super) fn create_stream(&self, names: &Names) -> Result<Option<serde_json::Value>, Refused> {
        let group = group_name(names.log_group_name.as_deref())?;
        let stream = stream_name(names.log_stream_name.as_deref())?;
        let mut groups = lock(&self.groups);
        let group = groups.get_mut(group).ok_or_else(no_group)?;
        if group.streams.contains_key(stream) {
            return Err(Refused(
                400,
                "ResourceAlreadyExistsException",
                "The specified log stream already exists".into(),
            ));
        }
        group.streams.insert(stream.to_owned(), Stream::default());
        Ok(None)
    }

    pub(super) fn put_retention(&self, names: &Names) -> Result<Option<serde_json::Value>, Refused> {
        let group = group_name(names.log_group_name.as_deref())?;
        let days = names.retention_in_days.and_then(|d| u32::try_from(d).ok()).filter(|d| RETENTION.contains(d));
        let days = days.ok_or_else(|| invalid(format!("retentionInDays must be one of {RETENTION:?}")))?;
        lock(&self.groups).get_mut(group).ok_or_else(no_group)?.retention = Some(days);
        Ok(None)
    }

    pub(super) fn describe_groups(&self, names: &Names) -> Option<serde_json::Value> {
        let prefix = names.log_group_name_prefix.as_deref().unwrap_or("");
        let groups = lock(&self.groups);
        let list = groups.iter().filter(|(name, _)| name.starts_with(prefix)).take(1_000);
        let list = list.map(|(name, g)| serde_json::json!({"logGroupName": name, "retentionInDays": g.retention}));
        Some(serde_json::json!({"logGroups": list.collect::<Vec<_>>()}))
    }

    pub(super) fn describe_streams(&self, names: &Names) -> Result<Option<serde_json::Value>, Refused> {
        let prefix = names.log_stream_name_prefix.as_deref().unwrap_or("");
        let groups = lock(&self.groups);
        let group = groups.get(group_name(names.log_group_name.as_deref())?).ok_or_else(no_group)?;
        let list = group.streams.iter().filter(|(name, _)| name.starts_with(prefix)).take(1_000);
        let list = list.map(|(name, s)| {
            let (first, last) = s.times.unzip();
            serde_json::json!({"logStreamName": name, "firstEventTimestamp": first, "lastEventTimestamp": last, "storedBytes": s.bytes})
        });
        Ok(Some(serde_json::json!({"logStreams": list.collect::<Vec<_>>()})))
    }
}

pub(super) fn no_group() -> Refused {
    Refused(400, "ResourceNotFoundException", "The specified log group does not exist.".into())
}

fn constraint(value: &str, member: &str, pattern: &str) -> Refused {
    let value: String = value.chars().take(60).collect();
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: {pattern} and have length between 1 and 512"
    ))
}

/// `[\.\-_/#A-Za-z0-9]{1,512}`
pub(super) fn group_name(name: Option<&str>) -> Result<&str, Refused> {
    let name = name.ok_or_else(|| constraint("null", "logGroupName", "[\\.\\-_/#A-Za-z0-9]+"))?;
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/#".contains(&b));
    if fits && (1..=512).contains(&name.len()) {
        Ok(name)
    } else {
        Err(constraint(name, "logGroupName", "[\\.\\-_/#A-Za-z0-9]+"))
    }
}

/// `[^:*]*`, 1 to 512 characters.
pub(super) fn stream_name(name: Option<&str>) -> Result<&str, Refused> {
    let name = name.ok_or_else(|| constraint("null", "logStreamName", "[^:*]*"))?;
    if !name.contains([':', '*']) && (1..=512).contains(&name.chars().count()) {
        Ok(name)
    } else {
        Err(constraint(name, "logStreamName", "[^:*]*"))
    }
}
