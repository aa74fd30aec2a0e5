//! An error answer of a JSON-speaking AWS service: its code and message, wherever that service puts them.

use crate::lane::batch::Code;
use crate::output::retry_after::retry_after;
use http::HeaderMap;
use serde::Deserialize;
use std::time::Duration;

/// What an answer other than 200 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status.
    pub status: u16,
    /// Without namespace and link; empty where the answer names none.
    pub code: String,
    /// At most 300 characters.
    pub message: String,
    /// `retry-after` in seconds, at most 5 min.
    pub after: Option<Duration>,
}

#[derive(Default, Deserialize)]
struct Said {
    #[serde(rename = "__type", alias = "code", alias = "Code")]
    kind: Option<String>,
    #[serde(alias = "Message", alias = "errorMessage")]
    message: Option<String>,
}

impl Failure {
    /// Any bytes will do: what is not JSON becomes the message.
    pub fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
        let said: Option<Said> = serde_json::from_slice(body).ok();
        let from_header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let said_so = said.is_some();
        let Said { kind, message } = said.unwrap_or_default();
        let code = from_header.or(kind).unwrap_or_default();
        let message = match message {
            Some(message) => message,
            None if said_so => String::new(),
            // A proxy's HTML page says enough in its beginning.
            None => String::from_utf8_lossy(body.get(..1024).unwrap_or(body)).into_owned(),
        };
        let message = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
        Failure { status, code: bare(&code).to_owned(), message, after: retry_after(headers) }
    }

    /// The service's code for metrics and logs, else `http_STATUS`.
    pub fn label(&self) -> Code {
        if self.code.is_empty() { Code::new(&format!("http_{}", self.status)) } else { Code::new(&self.code) }
    }

    /// Code, status and message in one line, for people.
    pub fn text(&self) -> String {
        format!("{} (HTTP {}): {}", self.label(), self.status, self.message)
    }
}

/// `com.amazonaws.logs#ThrottlingException:http://...` is `ThrottlingException`.
fn bare(code: &str) -> &str {
    let code = code.rsplit_once('#').map_or(code, |(_, bare)| bare);
    code.split_once(':').map_or(code, |(bare, _)| bare).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn code_and_message_are_found_wherever_they_stand() {
        let plain = HeaderMap::new();
        let in_header =
            headers(&[("x-amzn-errortype", "AccessDeniedException:http://internal/coral/"), ("retry-after", "7")]);
        for (headers, body, code, message, after) in [
            (
                &plain,
                r#"{"__type":"com.amazonaws.logs.v1#ThrottlingException","message":"Rate exceeded"}"#,
                "ThrottlingException",
                "Rate exceeded",
                None,
            ),
            (&plain, r#"{"__type":"AccessDenied","Message":"no"}"#, "AccessDenied", "no", None),
            (&in_header, "{}", "AccessDeniedException", "", Some(Duration::from_secs(7))),
            (&plain, "<html>\nbad gateway", "", "<html> bad gateway", None),
            (&plain, r#"{"message":5}"#, "", r#"{"message":5}"#, None),
            (&plain, "", "", "", None),
        ] {
            let failure = Failure::read(400, headers, body.as_bytes());
            assert_eq!(
                (failure.code.as_str(), failure.message.as_str(), failure.after),
                (code, message, after),
                "{body}"
            );
        }
        assert_eq!(Failure::read(502, &plain, b"").label().as_str(), "http_502");
    }

    #[test]
    fn a_server_cannot_wish_for_ever() {
        let failure = Failure::read(503, &headers(&[("retry-after", "99999999")]), b"");
        assert_eq!(failure.after, Some(crate::output::retry_after::LONGEST));
        let failure = Failure::read(503, &headers(&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")]), b"");
        assert_eq!(failure.after, None);
    }

    proptest! {
        #[test]
        fn any_answer_can_be_read(status: u16, body: Vec<u8>, kind: String) {
            Failure::read(status, &HeaderMap::new(), &body);
            let json = serde_json::json!({ "__type": kind, "message": kind }).to_string();
            let failure = Failure::read(status, &HeaderMap::new(), json.as_bytes());
            prop_assert!(failure.message.chars().count() <= 300 && failure.label().as_str().len() <= 64);
        }
    }
}
