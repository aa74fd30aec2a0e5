//! What services allow in the literal text of names. Values of fields are cut to the alphabet when they are filled in.

use crate::config::problem::{Wrong, shown};

/// CloudWatch log group: `[.\-_/#A-Za-z0-9]{1,512}`, not beginning with `aws/`.
pub(super) fn log_group(literal: &str) -> Result<(), Wrong> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '#');
    refuse_characters(literal, fine, "a log group", "letters, digits and `. - _ / #`")?;
    if literal.starts_with("aws/") {
        return Err(Wrong::new("CloudWatch keeps names that begin with `aws/` to itself", "write `/aws/…`"));
    }
    at_most(literal.len(), 512, "a log group")
}

/// CloudWatch log stream: 1 to 512 characters, no `:` and no `*`.
pub(super) fn log_stream(literal: &str) -> Result<(), Wrong> {
    let fine = |c: char| !matches!(c, ':' | '*') && !c.is_control();
    refuse_characters(literal, fine, "a log stream", "anything but `:`, `*` and control characters")?;
    at_most(literal.chars().count(), 512, "a log stream")
}

/// S3 object prefix: `most` bytes, without empty or dotted first segments, which clients fold away.
pub(super) fn object_key(literal: &str, most: usize) -> Result<(), Wrong> {
    if literal.starts_with('/') {
        let what = "an object's name that begins with `/` has a folder without a name";
        return Err(Wrong::new(what, "write it without the first `/`"));
    }
    if literal.split('/').any(|part| part == ".." || part == ".") {
        return Err(Wrong::new("holds `.` or `..` as a folder, which clients fold away", "write it without"));
    }
    refuse_characters(literal, |c| !c.is_control(), "an object name", "anything but control characters")?;
    at_most(literal.len(), most, "the prefix of an object's name")
}

/// OpenSearch index: lower case, no `\ / * ? " < > | space , # :`, not beginning with `- _ +`, at most 255 bytes.
pub(super) fn index(literal: &str) -> Result<(), Wrong> {
    if literal.chars().any(char::is_uppercase) {
        let instead = format!("write {}", shown(&literal.to_lowercase()));
        return Err(Wrong::new("an index has no capital letters", instead));
    }
    let fine = |c: char| !"\\/*?\"<>| ,#:".contains(c) && !c.is_control() && !c.is_whitespace();
    refuse_characters(literal, fine, "an index", "anything but `\\ / * ? \" < > | , # :` and space")?;
    if literal.starts_with(['-', '_', '+']) {
        return Err(Wrong::new("an index cannot begin with `-`, `_` or `+`", "begin with a letter or digit"));
    }
    if literal == "." || literal == ".." {
        return Err(Wrong::new("an index cannot be `.` or `..`", "begin with a letter or digit"));
    }
    at_most(literal.len(), 255, "an index")
}

/// S3 bucket: 3 to 63 of lower-case letters, digits, `.` and `-`, and S3's further rules.
pub(super) fn bucket(text: &str) -> Result<String, Wrong> {
    if text.starts_with("arn:") {
        return Err(Wrong::new(
            "not there yet: access points by ARN",
            "write the bucket's name or the access point's alias",
        ));
    }
    if let Some(name) = text.strip_prefix("s3://") {
        return Err(Wrong::new("must be a name, not an address", format!("write {}", shown(name))));
    }
    if text.ends_with("--x-s3") {
        return Err(Wrong::new("not there yet: directory buckets", "write the name of a general purpose bucket"));
    }
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fine = (3..=63).contains(&text.len())
        && text.chars().all(|c| alphanumeric(c) || c == '.' || c == '-')
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && !text.contains("..")
        && text.parse::<std::net::Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| text.starts_with(prefix))
        && ![".mrap", "--table-s3"].iter().any(|suffix| text.ends_with(suffix));
    if fine {
        return Ok(text.to_string());
    }
    Err(Wrong::new(
        format!("{} cannot be a bucket", shown(text)),
        "write 3 to 63 lower-case letters, digits, `-` and single `.`, beginning and ending with a letter or digit",
    ))
}

fn refuse_characters(literal: &str, fine: impl Fn(char) -> bool, whose: &str, allowed: &str) -> Result<(), Wrong> {
    match literal.chars().find(|c| !fine(*c)) {
        Some(c) => {
            Err(Wrong::new(format!("{whose} cannot hold {}", shown(&c.to_string())), format!("write {allowed}")))
        }
        None => Ok(()),
    }
}

fn at_most(len: usize, most: usize, whose: &str) -> Result<(), Wrong> {
    if len > most {
        return Err(Wrong::new(format!("has {len} characters, and {whose} at most {most}"), "write something shorter"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_groups_have_cloudwatch_s_alphabet() {
        for text in ["/aws/x", "a", "a.b-c_d/e#f", &"x".repeat(512)] {
            assert!(log_group(text).is_ok(), "{text}");
        }
        for text in ["a b", "a:b", "aws/x", "é", &"x".repeat(513)] {
            assert!(log_group(text).is_err(), "{text}");
        }
    }

    #[test]
    fn log_streams_have_no_colon_and_no_star() {
        assert!(log_stream("a b/é[1]").is_ok());
        for text in ["a:b", "a*", "a\n", &"x".repeat(513)] {
            assert!(log_stream(text).is_err(), "{text}");
        }
    }

    #[test]
    fn object_names_have_no_empty_or_dotted_folder() {
        assert!(object_key("a/b=c/é/", 900).is_ok());
        assert!(object_key("a.b/..c/", 900).is_ok());
        for text in ["/a", "a/../b", "./a", "a\nb", &"x".repeat(901)] {
            assert!(object_key(text, 900).is_err(), "{text}");
        }
    }

    #[test]
    fn indices_are_lower_case() {
        for text in ["logs-2026.11.22", ".hidden", "a+b", "é"] {
            assert!(index(text).is_ok(), "{text}");
        }
        for text in ["Logs", "-a", "_a", "+a", "a b", "a/b", "a,b", "a#b", "a:b", "a\"b", "..", &"x".repeat(256)] {
            assert!(index(text).is_err(), "{text}");
        }
    }

    #[test]
    fn buckets_follow_s3_s_rules() {
        for text in ["my-logs", "a.b.c", "123", &"x".repeat(63), "point-abc-s3alias"] {
            assert!(bucket(text).is_ok(), "{text}");
        }
        for text in [
            "ab",
            "My-logs",
            "a_b",
            "-ab",
            "ab-",
            "a..b",
            "1.2.3.4",
            "xn--a",
            "s3://abc",
            "arn:aws:s3:::abc",
            "a--x-s3",
            &"x".repeat(64),
        ] {
            assert!(bucket(text).is_err(), "{text}");
        }
    }
}
