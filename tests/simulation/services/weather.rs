//! How a service behaves for a while, and what that does to one request.

use super::At;
use crate::truth::{OPENSEARCH, S3, kind};
use std::time::Duration;
use tailrace::lane::batch::{Batch, Code, Job, Scope, Verdict};

/// The default is fine weather.
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// Which service this is, for what only it does.
    pub lane: usize,
    /// Some answers take up to a minute.
    pub slow: bool,
    /// Per cent of requests that meet something.
    pub trouble: u64,
    /// Of those: per cent that hang.
    pub hangs: u64,
    /// Targets whose names have this in them are refused with a hold.
    pub denied: Option<String>,
    /// Everything is refused, or nothing answers.
    pub down: Option<Down>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    Credentials,
    Unreachable,
    Hanging,
    Throttling,
}

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Strike {
    None,
    /// This answer; nothing is done (of `Unknown`: perhaps later).
    Verdict(Verdict),
    /// It is done, and this is the answer.
    After(Verdict),
    /// Some items are taken (OpenSearch).
    Some,
    Hang,
}

impl Weather {
    pub fn strike(&self, batch: &Batch, at: &mut At<'_>) -> Strike {
        let code = |text: &str| Code::new(text);
        let (key, whole) = (Scope::Key, Scope::Lane);
        match self.down {
            Some(Down::Credentials) => {
                let say = "the credentials are not valid".into();
                return Strike::Verdict(Verdict::Hold { code: code("credentials"), scope: whole, say });
            }
            Some(Down::Unreachable) => {
                return Strike::Verdict(Verdict::Unknown { code: code("connect"), scope: whole, say: String::new() });
            }
            Some(Down::Hanging) => return Strike::Hang,
            Some(Down::Throttling) => {
                let after = Some(at.chance.millis(100, 20_000));
                return Strike::Verdict(Verdict::Retry {
                    after,
                    code: code("throttled"),
                    scope: key,
                    say: String::new(),
                });
            }
            None => {}
        }
        if self.denied.as_ref().is_some_and(|d| name(batch).contains(d)) {
            let say = "allow it".into();
            return Strike::Verdict(Verdict::Hold { code: code("denied"), scope: key, say });
        }
        if !at.chance.percent(self.trouble) {
            return Strike::None;
        }
        if at.chance.percent(self.hangs) {
            return Strike::Hang;
        }
        let scope = if at.chance.one_in(4) { whole } else { key };
        let after = at.chance.one_in(2).then(|| Duration::from_millis(at.chance.below(20_000)));
        match at.chance.below(9) {
            0 => Strike::Verdict(Verdict::Retry { after, code: code("429"), scope: key, say: String::new() }),
            1 => Strike::Verdict(Verdict::Retry { after: None, code: code("503"), scope, say: String::new() }),
            2 => Strike::Verdict(Verdict::Unknown { code: code("reset"), scope, say: String::new() }),
            3 | 4 => Strike::After(Verdict::Unknown { code: code("timeout"), scope, say: String::new() }),
            5 => Strike::Verdict(Verdict::Hold { code: code("hold"), scope, say: "hold".into() }),
            6 if kind(self.lane) == OPENSEARCH => Strike::Some,
            6 if kind(self.lane) == S3
                && matches!(batch.job, Job::Part { upload: Some(_), .. } | Job::Complete { .. }) =>
            {
                Strike::Verdict(Verdict::NoUpload)
            }
            7 if kind(self.lane) != S3 && batch.items > 1 => Strike::Verdict(Verdict::Split { code: code("413") }),
            _ => Strike::Verdict(Verdict::Retry { after: None, code: code("500"), scope: key, say: String::new() }),
        }
    }
}

fn name(batch: &Batch) -> String {
    match &batch.job {
        Job::Send => format!("{} {}", batch.target.place, batch.target.stream),
        Job::Put { name } | Job::Part { name, .. } | Job::Complete { name, .. } | Job::Abandon { name, .. } => {
            name.to_string()
        }
    }
}
