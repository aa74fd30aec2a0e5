//! What trying a destination brought. Each service tries it in its `service/probe.rs`, with its own client, signature and
//! verdicts, and in such a way that nothing stays behind. For `tailrace doctor`.

use crate::lane::batch::{Code, Scope, Verdict};
use crate::output::aws::AwsAccess;
use crate::output::aws::credentials::Found;
use crate::telemetry::skew;
use http::HeaderMap;
use std::time::Duration;
use tokio::time::Instant;

/// Whoever hands out credentials answers within this, or is said to hang.
const CREDENTIALS: Duration = Duration::from_secs(6);

/// A destination, tried.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// Of an output that signs: the credentials it has.
    pub found: Option<Found>,
    /// Whether anything answered, and what it says the time is.
    pub heard: Option<Heard>,
    /// In the order in which it was tried; ends with what made going on useless.
    pub tried: Vec<Tried>,
}

/// The first answer.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The time that it told, in seconds since 1970.
    pub date: Option<i64>,
    /// When it came.
    pub at: Instant,
}

/// One right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// As the service calls it: `logs:PutLogEvents`.
    pub right: &'static str,
    /// What came of it.
    pub came: Came,
}

/// What came of trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It would be done.
    Allowed,
    /// The agent would not get on; what to do.
    Refused(Code, String),
    /// The agent would get on without, at a price; what to do.
    Wanted(Code, String),
    /// Not tried, because of this.
    Untried(String),
}

impl Probe {
    /// Fetches the credentials that requests will be signed with.
    ///
    /// # Errors
    /// The hold that would park the lane.
    pub async fn signs(&mut self, access: &AwsAccess) -> Result<(), Verdict> {
        let slow = |_| {
            let say = format!(
                "no AWS credentials within {} s: whoever hands them out does not answer",
                CREDENTIALS.as_secs()
            );
            Verdict::Hold { code: Code::new("credentials"), scope: Scope::Lane, say }
        };
        self.found = Some(tokio::time::timeout(CREDENTIALS, access.found()).await.map_err(slow)??);
        Ok(())
    }

    /// An answer came: the first one tells the time.
    pub fn hears(&mut self, headers: &HeaderMap) {
        let date = skew::told(headers);
        self.heard.get_or_insert_with(|| Heard { date, at: Instant::now() });
    }

    /// Notes what came of one.
    pub fn note(&mut self, right: &'static str, came: Came) {
        self.tried.push(Tried { right, came });
    }

    /// Notes what the agent would have been told.
    pub fn refused(&mut self, right: &'static str, verdict: Verdict) {
        self.note(right, refused(verdict));
    }
}

/// A verdict on something that should have worked.
pub fn refused(verdict: Verdict) -> Came {
    match verdict {
        // Busy, or not there: the agent tries again.
        Verdict::Retry { code, say, .. } => Came::Wanted(code, say),
        Verdict::Hold { code, say, .. } | Verdict::Unknown { code, say, .. } | Verdict::Reject { code, say } => {
            Came::Refused(code, say)
        }
        Verdict::Split { code } => {
            Came::Refused(code, "the smallest request is too large: check `endpoint`".to_owned())
        }
        Verdict::Delivered { .. } | Verdict::Items(_) | Verdict::Staged { .. } | Verdict::NoUpload => {
            Came::Refused(Code::new("odd_answer"), "an answer that makes no sense here: check `endpoint`".to_owned())
        }
    }
}

/// A name that nobody has: 64 random bits.
pub fn nobodys_name() -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    // The standard library's hasher is seeded at random.
    format!("tailrace-doctor-{:016x}", RandomState::new().build_hasher().finish())
}
