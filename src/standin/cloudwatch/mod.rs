//! CloudWatch Logs, JSON 1.1: groups, streams, retention, PutLogEvents with every documented limit.
//!
//! Error codes and indexes follow AWS's API reference; where it leaves room (an event of "1 MB") the narrower reading
//! is enforced.

pub mod events;
mod groups;

use super::receipts::Receipts;
use super::request::{self, Answer, Head, Undone};
use super::serve::lock;
use super::service::Operation;
use super::sigv4::{Payload, Refusal};
use groups::{Names, group_name, no_group, stream_name};
use memchr::memmem;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// What only CloudWatch has to be told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Groups that are there at the start, without streams.
    pub groups: Vec<String>,
}

/// `retentionInDays` values that the service takes.
pub const RETENTION: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// A log group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Days; `None`: for ever.
    pub retention: Option<u32>,
    /// `STANDARD` or `INFREQUENT_ACCESS`.
    pub class: Option<String>,
    /// Key.
    pub kms: Option<String>,
    /// Streams by name.
    pub streams: BTreeMap<String, Stream>,
}

/// A log stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Events stored.
    pub events: u64,
    /// Their size, 26 bytes each included.
    pub bytes: u64,
    /// Oldest and newest event, milliseconds.
    pub times: Option<(i64, i64)>,
}

/// The service.
#[derive(Debug)]
pub struct CloudWatch {
    common: super::Options,
    receipts: Receipts,
    groups: Mutex<BTreeMap<String, Group>>,
    answers: AtomicU64,
}

/// A refusal: status, code, message.
#[derive(Debug)]
pub(super) struct Refused(pub u16, pub &'static str, pub String);

/// 400 InvalidParameterException, the service's word for most mistakes.
pub(super) fn invalid(message: impl Into<String>) -> Refused {
    Refused(400, "InvalidParameterException", message.into())
}

/// An error in the service's shape.
pub(super) fn refuse(status: u16, code: &str, message: &str) -> Answer {
    let body = serde_json::json!({"__type": code, "message": message});
    Answer::new(status, "application/x-amz-json-1.1", body.to_string())
}

impl CloudWatch {
    /// Most plain bytes of a body: 1 MiB of control characters, escaped, with 10,000 events' dressing, fits.
    pub(super) const MOST_PLAIN: usize = 16 << 20;

    pub(super) fn new(own: Options, common: super::Options, receipts: Receipts) -> CloudWatch {
        let groups = own.groups.into_iter().map(|name| (name, Group::default())).collect();
        CloudWatch { common, receipts, groups: Mutex::new(groups), answers: AtomicU64::new(1) }
    }
    /// Groups and streams now.
    pub fn groups(&self) -> BTreeMap<String, Group> {
        lock(&self.groups).clone()
    }
    /// Makes a stream, and its group where that is not there.
    pub fn add_stream(&self, group: &str, stream: &str) {
        let mut groups = lock(&self.groups);
        groups.entry(group.to_owned()).or_default().streams.entry(stream.to_owned()).or_default();
    }
    /// Removes a group with all its streams, as somebody with a console would.
    pub fn remove_group(&self, name: &str) -> bool {
        lock(&self.groups).remove(name).is_some()
    }
    /// Removes a stream.
    pub fn remove_stream(&self, group: &str, stream: &str) -> bool {
        lock(&self.groups).get_mut(group).is_some_and(|g| g.streams.remove(stream).is_some())
    }

    pub(super) fn operation(head: &Head) -> Operation {
        let target = head.header("x-amz-target").and_then(|t| t.strip_prefix("Logs_20140328.")).unwrap_or("");
        const KNOWN: [&str; 6] = [
            "CreateLogGroup",
            "CreateLogStream",
            "PutRetentionPolicy",
            "PutLogEvents",
            "DescribeLogGroups",
            "DescribeLogStreams",
        ];
        let name = KNOWN.into_iter().find(|k| *k == target).unwrap_or("unknown");
        Operation { name, place: None }
    }
    pub(super) fn place(plain: &[u8]) -> Option<String> {
        serde_json::from_slice::<Names>(plain).ok()?.log_group_name
    }
    pub(super) fn plain<'a>(head: &Head, body: &'a [u8]) -> Result<Cow<'a, [u8]>, Answer> {
        match request::plain(head, body, Self::MOST_PLAIN) {
            Ok(None) => Ok(Cow::Borrowed(body)),
            Ok(Some(plain)) => Ok(Cow::Owned(plain)),
            Err(Undone::Bad) => Err(refuse(400, "SerializationException", "body is not gzip")),
            Err(Undone::Unknown) => Err(refuse(400, "SerializationException", "unknown content-encoding")),
            Err(Undone::TooLarge) => {
                Err(refuse(413, "RequestEntityTooLargeException", "Request size exceeded the limit."))
            }
        }
    }
    pub(super) fn deny(operation: &Operation) -> Answer {
        let place = operation.place.as_deref().unwrap_or("*");
        let message = format!(
            "User: arn:aws:iam::123456789012:user/demo is not authorized to perform: logs:{} on resource: \
             arn:aws:logs:us-east-1:123456789012:log-group:{place}:log-stream: because no identity-based policy allows it",
            operation.name
        );
        refuse(400, "AccessDeniedException", &message)
    }
    pub(super) fn authorize(&self, head: &Head, body: &[u8]) -> Result<(), Answer> {
        let (code, message) = match self.common.verify(head, body, "logs", Payload::Hashed) {
            Ok(()) => return Ok(()),
            Err(Refusal::Missing) => ("MissingAuthenticationTokenException", "Missing Authentication Token".to_owned()),
            Err(Refusal::Malformed(what)) => ("IncompleteSignatureException", what),
            Err(Refusal::NotSupported) => ("IncompleteSignatureException", "unknown way of signing".to_owned()),
            Err(Refusal::UnknownKey | Refusal::Token) => {
                ("UnrecognizedClientException", "The security token included in the request is invalid.".to_owned())
            }
            Err(Refusal::Expired) => {
                ("ExpiredTokenException", "The security token included in the request is expired".to_owned())
            }
            Err(Refusal::Skewed(message)) => ("InvalidSignatureException", message),
            Err(Refusal::Scope(scope)) => {
                ("InvalidSignatureException", format!("Credential should be scoped to a valid region, not '{scope}'."))
            }
            Err(Refusal::Unsigned(name)) => ("InvalidSignatureException", format!("'{name}' must be a signed header")),
            Err(Refusal::Mismatch | Refusal::NoPayloadHash | Refusal::Payload) => (
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided.".to_owned(),
            ),
        };
        Err(refuse(400, code, &message))
    }

    pub(super) fn handle(&self, head: &Head, operation: &Operation, plain: &[u8], wire: usize) -> Answer {
        let answer = self.work(head, operation, plain, wire).unwrap_or_else(|Refused(s, c, m)| refuse(s, c, &m));
        let number = self.answers.fetch_add(1, Ordering::Relaxed);
        answer.with("x-amzn-requestid", format!("00000000-0000-4000-8000-{number:012x}"))
    }

    fn work(&self, head: &Head, operation: &Operation, plain: &[u8], wire: usize) -> Result<Answer, Refused> {
        let typed = head.header("content-type").is_some_and(|t| t.starts_with("application/x-amz-json-1.1"));
        if head.method != http::Method::POST || head.path != "/" || !typed || operation.name == "unknown" {
            return Err(Refused(400, "UnknownOperationException", "POST / with x-amz-target, JSON 1.1".into()));
        }
        if operation.name == "PutLogEvents" {
            return self.put_events(plain, wire);
        }
        let text = |e| Refused(400, "SerializationException", format!("{e}"));
        let names: Names = serde_json::from_slice(if plain.is_empty() { b"{}" } else { plain }).map_err(text)?;
        let done = match operation.name {
            "CreateLogGroup" => self.create_group(names)?,
            "CreateLogStream" => self.create_stream(&names)?,
            "PutRetentionPolicy" => self.put_retention(&names)?,
            "DescribeLogGroups" => self.describe_groups(&names),
            _ => self.describe_streams(&names)?,
        };
        let body = done.map(|page| page.to_string()).unwrap_or_default();
        Ok(Answer::new(200, "application/x-amz-json-1.1", body))
    }

    fn put_events(&self, plain: &[u8], wire: usize) -> Result<Answer, Refused> {
        let accepted = |rejected: Option<events::Rejected>| {
            let page = serde_json::json!({"rejectedLogEventsInfo": rejected});
            let page = if rejected.is_some() { page.to_string() } else { "{}".to_owned() };
            Answer::new(200, "application/x-amz-json-1.1", page)
        };
        if self.common.count_only {
            // Inside a JSON string a quote always has a backslash before it.
            let is_key = |at: &usize| at.checked_sub(1).and_then(|i| plain.get(i)) != Some(&b'\\');
            let events = memmem::find_iter(plain, b"\"timestamp\":").filter(is_key).count();
            self.add(events as u64, plain.len(), wire, 0);
            return Ok(accepted(None));
        }
        let put = events::parse(plain)?;
        let (group_of, stream_of) = (group_name(put.group())?, stream_name(put.stream())?);
        let now = self.common.clock.unix_ns() / 1_000_000;
        let mut groups = lock(&self.groups);
        let checked = {
            let group = groups.get(group_of);
            let checked = put.check(now, group.and_then(|g| g.retention))?;
            let group = group.ok_or_else(no_group)?;
            group.streams.get(stream_of).ok_or_else(|| {
                Refused(400, "ResourceNotFoundException", "The specified log stream does not exist.".into())
            })?;
            checked
        };
        if let Some(stream) = groups.get_mut(group_of).and_then(|g| g.streams.get_mut(stream_of)) {
            stream.add(&checked);
        }
        drop(groups);
        self.add(0, plain.len(), wire, put.count() - checked.events.len());
        self.receipts.take(checked.events.iter().map(|e| e.taken(group_of, stream_of)));
        Ok(accepted(checked.rejected))
    }

    fn add(&self, events: u64, plain: usize, wire: usize, refused: usize) {
        self.receipts.add(|t| {
            t.records += events;
            t.plain_bytes += plain as u64;
            t.wire_bytes += wire as u64;
            t.refused_items += refused as u64;
        });
    }
}

impl Stream {
    fn add(&mut self, checked: &events::Checked<'_, '_>) {
        for event in checked.events {
            self.events += 1;
            self.bytes += event.size() as u64;
            let (first, last) = self.times.unwrap_or((event.time(), event.time()));
            self.times = Some((first.min(event.time()), last.max(event.time())));
        }
    }
}
