//! Region, endpoint and credentials of an AWS output.

use super::values;
use crate::config::checked::Aws;
use crate::config::problem::{Wrong, shown};
use crate::config::section::Section;

/// The keys that say where and as whom; `endpoint` where the output has no address of its own.
pub(super) fn aws(section: &Section<'_>, endpoint: bool) -> Aws {
    let aws = Aws {
        region: section.value("region", region),
        endpoint: if endpoint { section.value("endpoint", |text| values::url(text, false)) } else { None },
        role_arn: section.value("role_arn", role_arn),
        external_id: section.value("external_id", external_id),
        session_name: section.value("session_name", session_name),
        profile: section.value("profile", values::one_line),
    };
    for (key, given) in [("external_id", aws.external_id.is_some()), ("session_name", aws.session_name.is_some())] {
        if given && section.get("role_arn").is_none() {
            section.refuse(key, || {
                let advice = "write `role_arn: arn:aws:iam::ACCOUNT:role/NAME` beside it";
                Wrong::new("says nothing without `role_arn`", advice)
            });
        }
    }
    aws
}

fn region(text: &str) -> Result<String, Wrong> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.len() > 32 || !text.chars().all(fine) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(Wrong::new(format!("{} is not a region", shown(text)), "write one such as `us-east-1`"));
    }
    Ok(text.to_string())
}

fn role_arn(text: &str) -> Result<String, Wrong> {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or("");
    let (arn, partition, service, region, account, name) = (next(), next(), next(), next(), next(), next());
    let fine = arn == "arn"
        && partition.starts_with("aws")
        && service == "iam"
        && region.is_empty()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
        && name.strip_prefix("role/").is_some_and(|name| !name.is_empty());
    if !fine || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Wrong::new(
            format!("{} is not a role", shown(text)),
            "write `arn:aws:iam::ACCOUNT:role/NAME` with an account of 12 digits",
        ));
    }
    Ok(text.to_string())
}

fn external_id(text: &str) -> Result<String, Wrong> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "+=,.@:/-_".contains(c);
    if !(2..=1224).contains(&text.len()) || !text.chars().all(fine) {
        return Err(Wrong::new("is not an external id", "write 2 to 1,224 letters, digits or `+ = , . @ : / - _`"));
    }
    Ok(text.to_string())
}

fn session_name(text: &str) -> Result<String, Wrong> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&text.len()) || !text.chars().all(fine) {
        let advice = "write 2 to 64 letters, digits or `_ + = , . @ -`";
        return Err(Wrong::new(format!("{} is not a session name", shown(text)), advice));
    }
    Ok(text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_roles_look_like_aws_s() {
        assert!(region("us-gov-west-1").is_ok());
        assert!(region("US-EAST-1").is_err());
        assert!(region("us east").is_err());
        assert!(role_arn("arn:aws:iam::123456789012:role/path/name").is_ok());
        assert!(role_arn("arn:aws-cn:iam::123456789012:role/name").is_ok());
        for text in [
            "name",
            "arn:aws:iam::1234:role/name",
            "arn:aws:iam::123456789012:user/name",
            "arn:aws:iam::123456789012:role/",
        ] {
            assert!(role_arn(text).is_err(), "{text}");
        }
        assert!(external_id("a1").is_ok());
        assert!(external_id("a").is_err());
        assert!(session_name("tailrace-node_1.a@b").is_ok());
        for text in ["t", "a b", "a/b", &"x".repeat(65)] {
            assert!(session_name(text).is_err(), "{text}");
        }
    }
}
