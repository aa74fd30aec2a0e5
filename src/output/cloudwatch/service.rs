//! One attempt at delivering a batch to CloudWatch Logs; makes a missing group or stream, one at a time in a process.
//!
//! Retry is the lane's: after making something the same batch is simply wanted again. Retention is set only on groups
//! made here; where that fails it is tried again after later deliveries. A crash between the two leaves the group
//! without it.

use super::answer::{self, Asked, Judged};
use crate::config::checked::{self, LogClass};
use crate::lane::batch::{Batch, Code, Job, Scope, Target, Verdict};
use crate::output::aws::faults::{Fault, fault};
use crate::output::aws::sign::Payload;
use crate::output::aws::{AwsAccess, Failure};
use crate::output::http::{Answer, Http};
use bytes::Bytes;
use http::{Request, header};
use serde_json::json;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Sending a batch and reading the answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Calls that make something: small, and others wait for them.
const MAKING: Duration = Duration::from_secs(10);
/// CreateLogStream is good for 50 calls a second in an account and region, and a rollout starts every node at once.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);
/// Then the batch is given back, and its slot with it.
const WAIT_FOR_TURN: Duration = Duration::from_secs(20);
/// A new stream may be unknown to PutLogEvents for a moment.
const SETTLING: Duration = Duration::from_secs(10);
/// How often a retention that could not be set is tried again.
const RETENTION_AGAIN: Duration = Duration::from_secs(60);
/// Groups that wait for their retention, and streams just made: more are forgotten.
const REMEMBERED: usize = 256;

/// The other half of the CloudWatch output.
#[derive(Debug)]
pub struct CloudWatchService {
    http: Http,
    access: AwsAccess,
    output: checked::CloudWatch,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Streams made a moment ago: other batches of the same key need not make them again.
    made: Vec<(Target, Instant)>,
    /// Groups made here whose retention is still to be set, and when to try.
    retention: BTreeMap<Arc<str>, Instant>,
}

impl CloudWatchService {
    /// Nothing is asked of anybody yet.
    pub fn new(http: Http, output: &checked::CloudWatch) -> CloudWatchService {
        CloudWatchService::with(http, output, AwsAccess::new(&output.aws, "logs"))
    }

    /// The same with credentials of the caller's choosing.
    pub fn with(http: Http, output: &checked::CloudWatch, access: AwsAccess) -> CloudWatchService {
        CloudWatchService { http, access, output: output.clone(), memory: Mutex::default() }
    }

    /// Sends the batch's bodies in order, until one is not taken.
    pub async fn attempt(&self, batch: &Batch) -> Verdict {
        match &batch.job {
            Job::Send => {}
            Job::Put { .. } | Job::Part { .. } | Job::Complete { .. } | Job::Abandon { .. } => {
                let say = "CloudWatch was given a job of S3: a defect of Tailrace".to_owned();
                return Verdict::Hold { code: Code::new("wrong_job"), scope: Scope::Lane, say };
            }
        }
        let verdict = self.send(batch).await;
        if matches!(verdict, Verdict::Delivered { .. } | Verdict::Items(_)) {
            self.retention_left(&batch.target).await;
        }
        verdict
    }

    async fn send(&self, batch: &Batch) -> Verdict {
        let asked = Asked {
            target: &batch.target,
            items: batch.items,
            one_record: batch.bodies.len() > 1,
            dead_letter: self.output.dead_letter_out_of_window,
        };
        let mut so_far = Verdict::Delivered { already: 0 };
        for body in &batch.bodies {
            let answer = match self.call("PutLogEvents", body.chunks.clone(), true, ANSWER).await {
                Ok(answer) => answer,
                Err(verdict) => return verdict,
            };
            match answer::put(answer.status, &answer.headers, &answer.body, &asked) {
                Judged::Done(Verdict::Delivered { already: 0 }) => {}
                Judged::Done(verdict @ (Verdict::Delivered { .. } | Verdict::Items(_))) => so_far = verdict,
                Judged::Done(verdict) => return verdict,
                Judged::Missing => return self.make(&batch.target).await,
                Judged::Exists => return odd("PutLogEvents"),
            }
        }
        so_far
    }

    /// Makes the stream, and the group if need be. Then the batch is wanted again.
    async fn make(&self, target: &Target) -> Verdict {
        if !self.output.create {
            let Target { place, stream } = target;
            let say = format!(
                "log group {place} or its log stream {stream} does not exist, and `create` is false: make it, or set \
                 `create: true`"
            );
            return Verdict::Hold { code: Code::new("ResourceNotFoundException"), scope: Scope::Key, say };
        }
        let turn = match tokio::time::timeout(WAIT_FOR_TURN, ONE_AT_A_TIME.acquire()).await {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) | Err(_) => return again("create_busy", jitter(1..5)),
        };
        // Whoever had the turn before may have made it.
        if self.just_made(target) {
            return again("created", Duration::from_millis(200));
        }
        let verdict = self.make_in_turn(target).await;
        slow_down(&verdict, turn);
        verdict
    }

    async fn make_in_turn(&self, target: &Target) -> Verdict {
        let stream = json!({"logGroupName": &*target.place, "logStreamName": &*target.stream});
        match self.small_call("CreateLogStream", &stream, target).await {
            Judged::Missing => {}
            other @ (Judged::Done(_) | Judged::Exists) => return self.stream_made(other, target),
        }
        let mut group = json!({"logGroupName": &*target.place});
        if let Some(key) = &self.output.kms_key_id {
            group["kmsKeyId"] = json!(key);
        }
        if let Some(class) = self.output.log_class {
            group["logGroupClass"] = json!(match class {
                LogClass::Standard => "STANDARD",
                LogClass::InfrequentAccess => "INFREQUENT_ACCESS",
            });
        }
        match self.small_call("CreateLogGroup", &group, target).await {
            Judged::Done(Verdict::Delivered { .. }) => self.group_made(target).await,
            // Another node was first, and sets the retention.
            Judged::Exists => {}
            Judged::Done(verdict) => return verdict,
            Judged::Missing => return odd("CreateLogGroup"),
        }
        let made = self.small_call("CreateLogStream", &stream, target).await;
        self.stream_made(made, target)
    }

    fn stream_made(&self, judged: Judged, target: &Target) -> Verdict {
        match judged {
            Judged::Done(Verdict::Delivered { .. }) | Judged::Exists => {
                let now = Instant::now();
                let made = &mut self.memory().made;
                made.retain(|(_, at)| now.duration_since(*at) < SETTLING);
                made.truncate(REMEMBERED - 1);
                made.push((target.clone(), now));
                again("created", Duration::ZERO)
            }
            Judged::Done(verdict) => verdict,
            // The new group is not known everywhere yet.
            Judged::Missing => again("created", Duration::from_millis(500)),
        }
    }

    fn just_made(&self, target: &Target) -> bool {
        let now = Instant::now();
        self.memory().made.iter().any(|(made, at)| made == target && now.duration_since(*at) < SETTLING)
    }

    async fn group_made(&self, target: &Target) {
        tracing::info!(log_group = %target.place, "log group made");
        if self.output.retention_days.is_some() && self.memory().retention.len() < REMEMBERED {
            self.memory().retention.insert(Arc::clone(&target.place), Instant::now());
            self.retention_left(target).await;
        }
    }

    /// Sets the retention of a group made here, if that is still to be done and its time has come.
    async fn retention_left(&self, target: &Target) {
        let Some(days) = self.output.retention_days else { return };
        let now = Instant::now();
        match self.memory().retention.get_mut(&target.place) {
            Some(due) if *due <= now => *due = now + RETENTION_AGAIN,
            Some(_) | None => return,
        }
        let policy = json!({"logGroupName": &*target.place, "retentionInDays": days});
        match self.small_call("PutRetentionPolicy", &policy, target).await {
            Judged::Done(Verdict::Delivered { .. }) => {
                self.memory().retention.remove(&target.place);
            }
            // The group is gone again.
            Judged::Missing => {
                self.memory().retention.remove(&target.place);
            }
            failed @ (Judged::Done(_) | Judged::Exists) => {
                tracing::warn!(log_group = %target.place, days, ?failed, "retention not set yet");
            }
        }
    }

    async fn small_call(&self, action: &'static str, body: &serde_json::Value, target: &Target) -> Judged {
        match self.call(action, vec![Bytes::from(body.to_string())], false, MAKING).await {
            Ok(answer) => answer::made(answer.status, &answer.headers, &answer.body, action, target),
            // Making twice does no harm: an answer that never came is just tried again.
            Err(Verdict::Unknown { code, scope, say }) => {
                Judged::Done(Verdict::Retry { after: None, code, scope, say })
            }
            Err(verdict) => Judged::Done(verdict),
        }
    }

    async fn call(&self, action: &str, body: Vec<Bytes>, gzip: bool, within: Duration) -> Result<Answer, Verdict> {
        let endpoint = self.access.endpoint("logs").await?;
        let payload = Payload::of(&body);
        let mut request = Request::post(format!("{endpoint}/"))
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header(header::USER_AGENT, concat!("tailrace/", env!("CARGO_PKG_VERSION")))
            .header("x-amz-target", format!("Logs_20140328.{action}"));
        if gzip {
            request = request.header(header::CONTENT_ENCODING, "gzip");
        }
        let request = request.body(body).map_err(|cause| Verdict::Hold {
            code: Code::new("endpoint"),
            scope: Scope::Lane,
            say: format!("`endpoint` {endpoint} cannot be used: {cause}"),
        })?;
        let sent = self.access.send(&self.http, request, payload, within, means).await?;
        sent.map_err(|trouble| trouble.verdict())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing panics while it is held.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer says of the credentials and the clock.
fn means(answer: &Answer) -> Option<Fault> {
    if answer.status == 200 {
        return None;
    }
    let failure = Failure::read(answer.status, &answer.headers, &answer.body);
    fault(&failure.code, &failure.message)
}

/// Throttled: keep the turn a little longer, so that the next one comes later.
fn slow_down(verdict: &Verdict, turn: SemaphorePermit<'static>) {
    if let Verdict::Retry { code, .. } = verdict
        && code.as_str() != "created"
    {
        tokio::spawn(async move {
            tokio::time::sleep(jitter(0..2)).await;
            drop(turn);
        });
    }
}

fn again(code: &str, after: Duration) -> Verdict {
    let say = "the log group or stream is just being created".to_owned();
    Verdict::Retry { after: Some(after), code: Code::new(code), scope: Scope::Key, say }
}

fn odd(action: &str) -> Verdict {
    let say = format!("{action} answers what it cannot mean: check `endpoint`");
    Verdict::Hold { code: Code::new("not_cloudwatch"), scope: Scope::Lane, say }
}

/// A moment between two numbers of seconds, another one on every node.
fn jitter(seconds: std::ops::Range<u64>) -> Duration {
    let millis = seconds.end.saturating_sub(seconds.start).saturating_mul(1000).max(1);
    // The standard library's hasher is seeded at random: enough to keep nodes apart.
    Duration::from_secs(seconds.start) + Duration::from_millis(RandomState::new().hash_one(0) % millis)
}

mod probe;
#[cfg(test)]
#[cfg(feature = "standin")]
mod strict;
#[cfg(test)]
mod tests;
