//! What CloudWatch Logs says, and what it means: pure functions of an answer.
//!
//! Goes by error code, not by status; what no row knows is a hold. Every hold says what to do, and names the action and
//! the log group that a policy has to name.

use crate::lane::batch::{Code, ItemVerdict, Reason, Scope, Target, Verdict};
use crate::output::aws::Failure;
use crate::output::aws::faults::{Fault, fault};
use http::HeaderMap;
use serde::Deserialize;
use std::time::Duration;

/// What a request was for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Group and stream.
    pub target: &'a Target,
    /// Events in the whole batch.
    pub items: u32,
    /// The batch has several bodies, and so is one record.
    pub one_record: bool,
    /// Events outside the window go to the dead-letter file.
    pub dead_letter: bool,
}

/// What to do with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// That is all there is to it.
    Done(Verdict),
    /// Group or stream does not exist.
    Missing,
    /// It exists already (creating).
    Exists,
}

/// Judges an answer to PutLogEvents.
pub fn put(status: u16, headers: &HeaderMap, body: &[u8], asked: &Asked<'_>) -> Judged {
    if status == 200 {
        return Judged::Done(taken(headers, body, asked));
    }
    let failure = Failure::read(status, headers, body);
    let (code, target) = (failure.label(), asked.target);
    let done = match failure.code.as_str() {
        "ResourceNotFoundException" => return Judged::Missing,
        // Sequence tokens are ignored since 2023; an older imitation of the service may still ask for them.
        "InvalidSequenceTokenException" => {
            let say = "the service asks for sequence tokens, as it did before 2023".to_owned();
            Verdict::Retry { after: Some(Duration::ZERO), code, scope: Scope::Key, say }
        }
        "DataAlreadyAcceptedException" => Verdict::Delivered { already: asked.items },
        "InvalidParameterException" | "ValidationException" => refused(failure, asked),
        "SerializationException" => {
            let advice = "the service could not read the request: does this `endpoint` take gzip bodies?";
            hold(&failure, Scope::Key, advice)
        }
        "LimitExceededException" => hold(&failure, Scope::Key, "a quota is used up: ask AWS to raise it"),
        "RequestEntityTooLarge" | "RequestEntityTooLargeException" | "RequestTooLargeException" => {
            Verdict::Split { code }
        }
        _ => return common(&failure, "PutLogEvents", target),
    };
    Judged::Done(done)
}

/// Judges an answer to one of the calls that make groups and streams; delivered means made.
pub fn made(status: u16, headers: &HeaderMap, body: &[u8], action: &str, target: &Target) -> Judged {
    if status == 200 {
        return Judged::Done(Verdict::Delivered { already: 0 });
    }
    let failure = Failure::read(status, headers, body);
    let advice = match failure.code.as_str() {
        "ResourceAlreadyExistsException" => return Judged::Exists,
        "ResourceNotFoundException" => return Judged::Missing,
        // Another node is just making it.
        "OperationAbortedException" => {
            let (code, say) = (failure.label(), failure.text());
            return Judged::Done(Verdict::Retry { after: None, code, scope: Scope::Key, say });
        }
        "LimitExceededException" => "the account's quota is used up: delete some, or ask AWS to raise it".to_owned(),
        "InvalidParameterException" | "ValidationException" => format!(
            "{action} refuses log group {} or log stream {}: check `log_group`, `log_stream`, `kms_key_id`, `log_class` \
             and `retention_days`",
            target.place, target.stream
        ),
        _ => return common(&failure, action, target),
    };
    Judged::Done(hold(&failure, Scope::Key, &advice))
}

/// What means the same for every call.
fn common(failure: &Failure, action: &str, target: &Target) -> Judged {
    let (code, group) = (failure.label(), &target.place);
    let busy = Verdict::Retry { after: failure.after, code: code.clone(), scope: Scope::Key, say: failure.text() };
    let done = match fault(&failure.code, &failure.message) {
        Some(Fault::Throttled | Fault::Unavailable) => busy,
        // Those that were fetched for it anew.
        Some(Fault::Expired) => hold(failure, Scope::Lane, crate::output::aws::ENDED),
        Some(Fault::ClockSkew) => hold(failure, Scope::Lane, "clock skew: set this machine's clock (chrony, ntp)"),
        Some(Fault::Credentials) => {
            hold(failure, Scope::Lane, "the credentials are not valid: check the keys, the role and the account")
        }
        Some(Fault::Denied) if failure.message.contains("kms") || failure.message.contains("KMS") => {
            hold(failure, Scope::Key, &format!("allow CloudWatch Logs to use the KMS key of log group {group}"))
        }
        Some(Fault::Denied) => {
            let advice = format!("allow logs:{action} on arn:aws:logs:*:*:log-group:{group}:*");
            hold(failure, Scope::Key, &advice)
        }
        None => match failure.status {
            413 => Verdict::Split { code },
            408 | 429 | 500..=599 => busy,
            401 | 403 | 407 => hold(failure, Scope::Lane, "access is denied: check credentials and `endpoint`"),
            300..=399 | 404 | 405 => hold(failure, Scope::Lane, "this is not CloudWatch Logs: check `endpoint`"),
            _ => hold(failure, Scope::Key, "an answer that Tailrace does not know; nothing is dropped"),
        },
    };
    Judged::Done(done)
}

/// The request's parameters are wrong: names, sizes, or an event.
fn refused(failure: Failure, asked: &Asked<'_>) -> Verdict {
    let about = |words: &[&str]| words.iter().any(|word| failure.message.contains(word));
    if about(&["logGroupName", "logStreamName", "log group name", "log stream name"]) {
        let Target { place, stream } = asked.target;
        let advice =
            format!("CloudWatch refuses log group {place} or log stream {stream}: check `log_group` and `log_stream`");
        return hold(&failure, Scope::Key, &advice);
    }
    let code = failure.label();
    if asked.items > 1 && !asked.one_record && about(&["too large", "too big", "exceeds limit", "exceed the limit"]) {
        return Verdict::Split { code };
    }
    // Order, span or an event. Halves of the batch tell which; what is alone in its batch is bad.
    Verdict::Reject { code, say: failure.text() }
}

fn hold(failure: &Failure, scope: Scope, advice: &str) -> Verdict {
    Verdict::Hold { code: failure.label(), scope, say: format!("{advice}. {}", failure.text()) }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    #[serde(default)]
    rejected_log_events_info: Option<Rejected>,
}

/// Positions in the batch. Start is inclusive, ends are exclusive.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rejected {
    too_new_log_event_start_index: Option<u32>,
    too_old_log_event_end_index: Option<u32>,
    expired_log_event_end_index: Option<u32>,
}

/// A 200: all of it, but for what it lists as outside the window.
fn taken(headers: &HeaderMap, body: &[u8], asked: &Asked<'_>) -> Verdict {
    let empty_but_known = body.is_empty() && headers.contains_key("x-amzn-requestid");
    let taken = match serde_json::from_slice::<Taken>(body) {
        Ok(taken) => taken,
        Err(_) if empty_but_known => Taken::default(),
        // A proxy or another server said 200: nothing was delivered.
        Err(_) => {
            let failure = Failure::read(200, headers, body);
            let advice = "this is not CloudWatch Logs: check `endpoint`, and proxies on the way";
            return Verdict::Hold {
                code: Code::new("not_cloudwatch"),
                scope: Scope::Lane,
                say: format!("{advice}. It answers 200 with: {}", failure.message),
            };
        }
    };
    let Some(rejected) = taken.rejected_log_events_info else { return Verdict::Delivered { already: 0 } };
    let old = rejected.too_old_log_event_end_index.max(rejected.expired_log_event_end_index).unwrap_or(0);
    let new = rejected.too_new_log_event_start_index.unwrap_or(u32::MAX);
    // A record's own pieces share one time, and only the batch knows which body has which of them.
    let items = if asked.one_record { asked.items.min(1) } else { asked.items };
    let outside = |item: u32| {
        let reason = if item < old { Reason::TooOld } else { Reason::TooNew };
        let verdict = if asked.dead_letter {
            let say = "outside the times that CloudWatch takes, or older than the group's retention".to_owned();
            ItemVerdict::Reject { code: Code::new(reason.as_str()), say }
        } else {
            ItemVerdict::Dropped(reason)
        };
        (item, verdict)
    };
    let refused: Vec<_> = (0..items).filter(|item| *item < old || *item >= new).map(outside).collect();
    if refused.is_empty() { Verdict::Delivered { already: 0 } } else { Verdict::Items(refused) }
}

#[cfg(test)]
mod tests;
