//! Which rights there are on a log group, found out without leaving a group, a stream or an event.
//!
//! The service looks at rights before it looks for the thing: "no such stream" means that writing is allowed. What
//! exists already cannot be made, so making it again tells the same. The event that is sent is of 1970, which no group
//! takes.

use super::{Asked, CloudWatchService, Judged, MAKING, answer, odd};
use crate::lane::batch::{Code, Scope, Target, Verdict};
use crate::output::aws::Failure;
use crate::output::probe::{Came, Probe, refused};
use bytes::Bytes;
use serde_json::{Value, json};

const PUT: &str = "logs:PutLogEvents";
const STREAM: &str = "logs:CreateLogStream";
const GROUP: &str = "logs:CreateLogGroup";

/// What a group looks like to who may write to it.
#[derive(Clone, Copy)]
enum Found {
    NoGroup,
    NoStream,
    Stream,
}

impl CloudWatchService {
    /// Tries the rights on this group. `target.stream` is one that the agent writes to, or will.
    pub async fn probe(&self, target: &Target) -> Probe {
        let mut probe = Probe::default();
        if let Err(verdict) = probe.signs(&self.access).await {
            probe.refused(PUT, verdict);
            return probe;
        }
        let found = match self.write_of_1970(target, &mut probe).await {
            Ok(found) => found,
            Err(verdict) => {
                probe.refused(PUT, verdict);
                return probe;
            }
        };
        match found {
            Found::NoGroup | Found::NoStream if !self.output.create => probe.refused(PUT, missing(found, target)),
            Found::NoGroup | Found::NoStream | Found::Stream => probe.note(PUT, Came::Allowed),
        }
        if self.output.create {
            self.try_making(target, found, &mut probe).await;
        }
        probe
    }

    async fn try_making(&self, target: &Target, found: Found, probe: &mut Probe) {
        let stream = json!({"logGroupName": &*target.place, "logStreamName": &*target.stream});
        let no_group = matches!(found, Found::NoGroup);
        if no_group || matches!(found, Found::Stream) {
            // Cannot be made: it is there, or its group is not.
            let came = self.make_nothing("CreateLogStream", &stream, target).await;
            probe.note(STREAM, came);
        } else {
            probe.note(STREAM, Came::Untried("it would leave a stream".to_owned()));
        }
        if no_group {
            probe.note(GROUP, Came::Untried("the group is not there yet: the first batch makes it".to_owned()));
        } else if self.output.log_group.fields().next().is_some() {
            let group = json!({"logGroupName": &*target.place});
            let came = self.make_nothing("CreateLogGroup", &group, target).await;
            // This one is there.
            probe.note(GROUP, if let Came::Refused(code, say) = came { Came::Wanted(code, say) } else { came });
        }
        if self.output.retention_days.is_some() {
            probe.note("logs:PutRetentionPolicy", Came::Untried("it would change a group".to_owned()));
        }
    }

    /// Asks to store an event that no group takes.
    async fn write_of_1970(&self, target: &Target, probe: &mut Probe) -> Result<Found, Verdict> {
        let event = json!({"timestamp": 1, "message": "tailrace doctor: older than any group takes"});
        let body =
            json!({"logGroupName": &*target.place, "logStreamName": &*target.stream, "logEvents": [event]}).to_string();
        let heard = self.call("PutLogEvents", vec![Bytes::from(body)], false, MAKING).await?;
        probe.hears(&heard.headers);
        let asked = Asked { target, items: 1, one_record: false, dead_letter: false };
        match answer::put(heard.status, &heard.headers, &heard.body, &asked) {
            Judged::Missing => {
                let said = Failure::read(heard.status, &heard.headers, &heard.body).message;
                Ok(if said.contains("stream") { Found::NoStream } else { Found::NoGroup })
            }
            Judged::Done(Verdict::Delivered { .. } | Verdict::Items(_)) => Ok(Found::Stream),
            Judged::Done(verdict) => Err(verdict),
            Judged::Exists => Err(odd("PutLogEvents")),
        }
    }

    /// Asks for what cannot be made.
    async fn make_nothing(&self, action: &'static str, body: &Value, target: &Target) -> Came {
        match self.small_call(action, body, target).await {
            Judged::Exists | Judged::Missing | Judged::Done(Verdict::Delivered { .. }) => Came::Allowed,
            Judged::Done(verdict) => refused(verdict),
        }
    }
}

fn missing(found: Found, target: &Target) -> Verdict {
    let what = match found {
        Found::NoGroup => format!("log group {}", target.place),
        Found::NoStream | Found::Stream => format!("log stream {}", target.stream),
    };
    let say = format!("{what} does not exist, and `create` is false: make it, or set `create: true`");
    Verdict::Hold { code: Code::new("ResourceNotFoundException"), scope: Scope::Key, say }
}
