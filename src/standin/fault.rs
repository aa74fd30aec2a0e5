//! Faults on demand: which requests are hit, how often, and what happens to them.
//!
//! Rules are asked in the order in which they were given; the first that hits decides how a request ends. `Slow` and
//! `PartialItems` come on top. Chances are drawn from a seed, so that a run can be repeated.
//! A request is only hit once its signature was found good (but for `ResetBeforeBody`).

use super::rng::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What happens to a request that is hit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// An error of the service's shape; nothing is done.
    Status {
        /// HTTP status.
        code: u16,
        /// The service's error code, e.g. `ThrottlingException`, `SlowDown`, `circuit_breaking_exception`.
        error: String,
        /// `Retry-After` in seconds.
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// RST before the body was read. `place` counts only where the path tells it.
    ResetBeforeBody,
    /// RST after the body was read; the work was `done` or not.
    ResetAfterBody {
        /// What the request asked for happened.
        #[serde(default)]
        done: bool,
    },
    /// The work is done, then the connection is closed without an answer.
    LoseAnswer,
    /// The body is read, an answer never comes.
    Hang {
        /// What the request asked for happened.
        #[serde(default)]
        done: bool,
    },
    /// The answer comes late; the request is else as always.
    Slow {
        /// Milliseconds.
        millis: u64,
    },
    /// The service's own words for a caller who may not do this here; give a `place`. For a bulk these are a 200
    /// whose items are all 403.
    Deny,
    /// OpenSearch: some items of a bulk fail, the others are taken in.
    PartialItems {
        /// Share of items, 0 to 1.
        fraction: f64,
        /// Item status.
        status: u16,
        /// `error.type` of the item.
        error: String,
        /// Only documents with this top-level field.
        #[serde(default)]
        field: Option<String>,
    },
    /// 413 for a body above so many plain bytes (S3: bytes as sent).
    TooLarge {
        /// Bytes.
        limit: u64,
    },
    /// S3: 200 with an `<Error>` for a body; nothing is done.
    ErrorInOk {
        /// `<Code>`.
        error: String,
    },
}

/// A fault, and whom it hits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What happens.
    #[serde(flatten)]
    pub fault: Fault,
    /// So many times; `None`: until cleared.
    #[serde(default)]
    pub times: Option<u64>,
    /// With this probability; `None`: always.
    #[serde(default)]
    pub chance: Option<f64>,
    /// For `chance` and the choice of items.
    #[serde(default)]
    pub seed: u64,
    /// Only this operation, e.g. `PutLogEvents`, `UploadPart`, `_bulk`.
    #[serde(default)]
    pub operation: Option<String>,
    /// Only log groups, object keys or indices that begin so.
    #[serde(default)]
    pub place: Option<String>,
}

impl Rule {
    /// Until cleared.
    pub fn always(fault: Fault) -> Rule {
        Rule { fault, times: None, chance: None, seed: 0, operation: None, place: None }
    }
    /// The next `n` that fit.
    pub fn times(n: u64, fault: Fault) -> Rule {
        Rule { times: Some(n), ..Rule::always(fault) }
    }
    /// Each that fits, with probability `p`.
    pub fn chance(p: f64, seed: u64, fault: Fault) -> Rule {
        Rule { chance: Some(p), seed, ..Rule::always(fault) }
    }
    /// Only this operation.
    #[must_use]
    pub fn on(self, operation: &str) -> Rule {
        Rule { operation: Some(operation.into()), ..self }
    }
    /// Only where group, key or index begins so.
    #[must_use]
    pub fn at(self, place: &str) -> Rule {
        Rule { place: Some(place.into()), ..self }
    }
}

/// Names a rule that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct FaultId(pub u64);

/// What is known of a request when rules are asked.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Operation.
    pub operation: &'a str,
    /// Group, key or index.
    pub place: Option<&'a str>,
    /// Bytes, as `TooLarge` counts them.
    pub bytes: u64,
}

/// What became of asking.
#[derive(Clone, Debug, Default)]
pub struct Act {
    /// Wait first.
    pub slow: Duration,
    /// Fail some items.
    pub items: Option<Items>,
    /// Then end so.
    pub end: Option<Fault>,
}

/// Which items of a bulk fail.
#[derive(Clone, Debug)]
pub struct Items {
    fraction: f64,
    rng: Rng,
    /// Item status.
    pub status: u16,
    /// `error.type`.
    pub error: String,
    /// Only documents with this top-level field.
    pub field: Option<String>,
}

impl Items {
    /// Every item.
    pub fn all(status: u16, error: &str) -> Items {
        Items { fraction: 1.0, rng: Rng::new(0), status, error: error.to_owned(), field: None }
    }
    /// Whether the next item fails; asked once an item that fits.
    pub fn hits(&mut self) -> bool {
        self.rng.chance(self.fraction)
    }
}

#[derive(Debug)]
struct Armed {
    id: FaultId,
    rule: Rule,
    rng: Rng,
    hits: u64,
}

/// The rules that are set.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Vec<Armed>,
    next: u64,
}

impl Faults {
    /// At most so many rules at a time; more push the oldest out.
    const MOST: usize = 256;

    /// Adds a rule behind the others.
    pub fn add(&mut self, rule: Rule) -> FaultId {
        if self.armed.len() >= Self::MOST {
            self.armed.remove(0);
        }
        self.next += 1;
        let id = FaultId(self.next);
        self.armed.push(Armed { id, rng: Rng::new(rule.seed), rule, hits: 0 });
        id
    }
    /// Takes one away; false when it was not there.
    pub fn remove(&mut self, id: FaultId) -> bool {
        let before = self.armed.len();
        self.armed.retain(|a| a.id != id);
        self.armed.len() < before
    }
    /// Takes all away.
    pub fn clear(&mut self) {
        self.armed.clear();
    }
    /// The rules, and how often each hit.
    pub fn list(&self) -> Vec<(FaultId, Rule, u64)> {
        self.armed.iter().map(|a| (a.id, a.rule.clone(), a.hits)).collect()
    }
    /// Whether a rule looks at the place: else nobody needs to find it out.
    pub fn want_place(&self) -> bool {
        self.armed.iter().any(|a| a.rule.place.is_some())
    }
    /// Before the body is read: true = reset.
    pub fn before_body(&mut self, facts: &Facts<'_>) -> bool {
        self.armed.iter_mut().any(|a| a.rule.fault == Fault::ResetBeforeBody && a.hit(facts))
    }
    /// With the body.
    pub fn after_body(&mut self, facts: &Facts<'_>) -> Act {
        let mut act = Act::default();
        for armed in &mut self.armed {
            match &armed.rule.fault {
                Fault::ResetBeforeBody => {}
                Fault::Slow { millis } => {
                    let wait = Duration::from_millis(*millis);
                    if armed.hit(facts) {
                        act.slow += wait;
                    }
                }
                Fault::PartialItems { .. } => {
                    if act.items.is_none() && armed.hit(facts) {
                        act.items = armed.items();
                    }
                }
                Fault::TooLarge { limit } if facts.bytes <= *limit => {}
                Fault::Status { .. }
                | Fault::ResetAfterBody { .. }
                | Fault::LoseAnswer
                | Fault::Hang { .. }
                | Fault::Deny
                | Fault::TooLarge { .. }
                | Fault::ErrorInOk { .. } => {
                    if act.end.is_none() && armed.hit(facts) {
                        act.end = Some(armed.rule.fault.clone());
                    }
                }
            }
        }
        act
    }
}

impl Armed {
    fn hit(&mut self, facts: &Facts<'_>) -> bool {
        let rule = &self.rule;
        let operation = rule.operation.as_deref().is_none_or(|o| o == facts.operation);
        let place = rule.place.as_deref().is_none_or(|p| facts.place.is_some_and(|at| at.starts_with(p)));
        let left = rule.times.is_none_or(|n| self.hits < n);
        let hit = operation && place && left && rule.chance.is_none_or(|p| self.rng.chance(p));
        self.hits += u64::from(hit);
        hit
    }
    fn items(&mut self) -> Option<Items> {
        let Fault::PartialItems { fraction, status, error, field } = &self.rule.fault else { return None };
        let rng = Rng::new(self.rng.bits());
        Some(Items { fraction: *fraction, rng, status: *status, error: error.clone(), field: field.clone() })
    }
}
