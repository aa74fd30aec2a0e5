//! Where a bucket is, and how object names are written in a URL. Pure.

use crate::output::aws;

/// The URL of the bucket, without a trailing slash. An endpoint is addressed by path, as compatible services want it;
/// AWS itself by host, but for names that are no single DNS label (a dot would not match the certificate).
pub fn bucket_url(endpoint: Option<&str>, bucket: &str, region: &str) -> String {
    match endpoint {
        Some(endpoint) => format!("{}/{bucket}", endpoint.trim_end_matches('/')),
        None if is_label(bucket) => format!("https://{bucket}.s3.{region}.{}", aws::domain(region)),
        None => format!("https://s3.{region}.{}/{bucket}", aws::domain(region)),
    }
}

fn is_label(bucket: &str) -> bool {
    !bucket.is_empty() && bucket.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Percent-encodes as signature version 4 wants it: everything but unreserved characters and, in paths, `/`.
pub fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            b'/' if keep_slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_is_addressed_by_host_and_an_endpoint_by_path() {
        for (endpoint, bucket, region, want) in [
            (None, "my-logs", "us-east-1", "https://my-logs.s3.us-east-1.amazonaws.com"),
            (None, "my-logs", "cn-north-1", "https://my-logs.s3.cn-north-1.amazonaws.com.cn"),
            (None, "my.logs", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/my.logs"),
            (None, "Old_Logs", "us-east-1", "https://s3.us-east-1.amazonaws.com/Old_Logs"),
            (Some("http://127.0.0.1:9000/"), "my-logs", "us-east-1", "http://127.0.0.1:9000/my-logs"),
        ] {
            assert_eq!(bucket_url(endpoint, bucket, region), want);
        }
    }

    #[test]
    fn names_are_written_as_the_signature_wants_them() {
        assert_eq!(encode("logs/a b+c=d/\u{e9}~%", true), "logs/a%20b%2Bc%3Dd/%C3%A9~%25");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}
