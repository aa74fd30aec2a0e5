//! What went on between a lane and its service, attempt by attempt.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tailrace::lane::batch::{Batch, Code, ItemVerdict, Job, Ticket, Verdict};

/// One attempt. Times are the lane's (monotonic).
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which start of the lane made it.
    pub life: u32,
    pub ticket: Ticket,
    /// Group and stream, index or object: what is to wait when the service wishes it.
    pub place: String,
    pub job: Job,
    pub items: u32,
    pub bytes: u64,
    pub began: Duration,
    pub answer: Option<(Duration, Verdict)>,
}

/// All of them, shared by the lane's thread, the runtime and the test.
#[derive(Debug, Default)]
pub struct Record {
    attempts: Mutex<Vec<Attempt>>,
    /// Since when (on the lane's clock) a life knows of so many retries of a code.
    knew: Mutex<BTreeMap<(u32, Code, u64), Duration>>,
}

impl Record {
    fn lock(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// An attempt begins; what it is called when it ends.
    pub fn began(&self, life: u32, batch: &Batch, now: Duration) -> usize {
        let place = match &batch.job {
            Job::Send => format!("{} {}", batch.target.place, batch.target.stream),
            Job::Put { name } | Job::Part { name, .. } | Job::Complete { name, .. } | Job::Abandon { name, .. } => {
                name.to_string()
            }
        };
        let mut all = self.lock();
        all.push(Attempt {
            life,
            ticket: batch.ticket,
            place,
            job: batch.job.clone(),
            items: batch.items,
            bytes: batch.bodies.iter().map(|b| b.len as u64).sum(),
            began: now,
            answer: None,
        });
        all.len() - 1
    }
    pub fn ended(&self, at: usize, verdict: &Verdict, now: Duration) {
        self.lock()[at].answer = Some((now, verdict.clone()));
    }
    /// The lane told of these retries.
    pub fn told(&self, life: u32, retries: &BTreeMap<Code, u64>, now: Duration) {
        let mut knew = self.knew.lock().unwrap_or_else(PoisonError::into_inner);
        for (code, n) in retries {
            knew.entry((life, code.clone(), *n)).or_insert(now);
        }
    }
    /// When the lane is sure to have taken in its nth answer of this code; `None` when it never said so.
    pub fn knew(&self, life: u32, code: &Code, nth: u64) -> Option<Duration> {
        let knew = self.knew.lock().unwrap_or_else(PoisonError::into_inner);
        knew.range((life, code.clone(), nth)..=(life, code.clone(), u64::MAX)).next().map(|(_, at)| *at)
    }
    pub fn all(&self) -> Vec<Attempt> {
        self.lock().clone()
    }
    /// Short names of the verdicts so far, in the order in which attempts began.
    pub fn names(&self) -> Vec<String> {
        self.lock().iter().filter_map(|a| a.answer.as_ref()).map(|(_, verdict)| name(verdict)).collect()
    }
    /// How many verdicts have this short name.
    pub fn count(&self, wanted: &str) -> usize {
        self.names().iter().filter(|name| *name == wanted).count()
    }
}

/// `delivered`, `retry SlowDown`, `hold-key AccessDenied`, `items hold security_exception`, ...
pub fn name(verdict: &Verdict) -> String {
    use tailrace::lane::batch::Scope;
    let of = |scope: &Scope| if *scope == Scope::Key { "key" } else { "lane" };
    match verdict {
        Verdict::Delivered { .. } => "delivered".into(),
        Verdict::Staged { .. } => "staged".into(),
        Verdict::Retry { code, scope: Scope::Key, .. } => format!("retry {code}"),
        Verdict::Retry { code, scope: Scope::Lane, .. } => format!("retry-lane {code}"),
        Verdict::Hold { code, scope, .. } => format!("hold-{} {code}", of(scope)),
        Verdict::Reject { code, .. } => format!("reject {code}"),
        Verdict::Split { code } => format!("split {code}"),
        Verdict::Unknown { code, .. } => format!("unknown {code}"),
        Verdict::NoUpload => "no upload".into(),
        Verdict::Items(items) => match items.first() {
            None => "items".into(),
            Some((_, ItemVerdict::Already)) => "items already".into(),
            Some((_, ItemVerdict::Retry(code))) => format!("items retry {code}"),
            Some((_, ItemVerdict::Hold(code))) => format!("items hold {code}"),
            Some((_, ItemVerdict::Reject { code, .. })) => format!("items reject {code}"),
            Some((_, ItemVerdict::Dropped(reason))) => format!("items dropped {}", reason.as_str()),
        },
    }
}
