//! What a destination is like from moment to moment: decided from the seed, in order; only when it happens is real.

use crate::case::{Pace, millis};
use std::time::Duration;
use tailrace::standin::rng::Rng;
use tailrace::standin::{Fault, Rule, Standin};

/// Which service it is: faults have the words of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    CloudWatch,
    S3,
    OpenSearch,
}

impl Kind {
    /// What it says when it is asked too often.
    fn throttled(self) -> (u16, &'static str) {
        match self {
            Kind::CloudWatch => (400, "ThrottlingException"),
            Kind::S3 => (503, "SlowDown"),
            Kind::OpenSearch => (429, "circuit_breaking_exception"),
        }
    }
    fn broken(self) -> (u16, &'static str) {
        match self {
            Kind::CloudWatch => (500, "InternalFailure"),
            Kind::S3 => (500, "InternalError"),
            Kind::OpenSearch => (503, "unavailable_shards_exception"),
        }
    }
}

/// A period of one weather.
#[derive(Clone, Debug, PartialEq)]
pub struct Period {
    pub name: &'static str,
    pub lasts: Duration,
    pub rules: Vec<Rule>,
    pub gone: bool,
}

/// The periods of one destination, one after the other, without end.
#[derive(Clone, Debug)]
pub struct Sky {
    kind: Kind,
    pace: Pace,
    /// Some documents may be refused for good.
    rejects: bool,
    rng: Rng,
    until: Duration,
}

impl Sky {
    pub fn new(kind: Kind, pace: Pace, rejects: bool, seed: u64) -> Sky {
        Sky { kind, pace, rejects, rng: Rng::new(seed), until: Duration::ZERO }
    }
    /// Brings what is due; tells what began.
    pub fn tick(&mut self, at: Duration, standin: &mut Standin) -> Option<Period> {
        if at < self.until {
            return None;
        }
        let next = self.next();
        self.until = at + next.lasts;
        standin.control.clear_faults();
        if next.gone {
            standin.go_away();
        } else {
            come_back(standin);
        }
        for rule in &next.rules {
            standin.control.fault(rule.clone());
        }
        Some(next)
    }

    /// What comes next, whatever the time.
    pub fn next(&mut self) -> Period {
        let rng = &mut self.rng;
        let (mut lasts, mut gone) = (millis(rng, self.pace.weather), false);
        let (busy, busy_error) = self.kind.throttled();
        let (broken, broken_error) = self.kind.broken();
        let status = |code, error: &str, retry_after| Fault::Status { code, error: error.into(), retry_after };
        let done = rng.chance(0.5);
        let share = 0.2 + 0.8 * (rng.below(1_000) as f64 / 1_000.0);
        let slow = Fault::Slow { millis: 20 + rng.below(u64::try_from(self.pace.slow.as_millis()).unwrap()) };
        let mut some = |share: f64, fault| Rule::chance(share, rng.bits(), fault);
        let mut storm = || {
            vec![
                some(0.1, status(broken, broken_error, None)),
                some(0.1, status(busy, busy_error, Some(1))),
                some(0.1, Fault::ResetBeforeBody),
                some(0.1, Fault::ResetAfterBody { done: true }),
                some(0.1, Fault::ResetAfterBody { done: false }),
                some(0.1, Fault::LoseAnswer),
                some(0.05, Fault::Hang { done: true }),
                some(0.5, Fault::Slow { millis: 60 }),
            ]
        };
        let storm = storm();
        let (name, rules) = match self.rng.below(14) {
            0 | 1 => ("good", Vec::new()),
            2 => ("broken", vec![self.some(share, status(broken, broken_error, None))]),
            3 => ("busy", vec![self.some(share, status(busy, busy_error, Some(1)))]),
            4 => ("resets before the body", vec![self.some(share, Fault::ResetBeforeBody)]),
            5 => ("resets after the body", vec![self.some(share, Fault::ResetAfterBody { done })]),
            6 => ("loses answers", vec![self.some(share, Fault::LoseAnswer)]),
            7 => ("hangs", vec![self.some(share / 2.0, Fault::Hang { done })]),
            8 => ("slow", vec![self.some(share, slow)]),
            9 => ("fails in part", self.in_part(share)),
            10 => {
                lasts = millis(&mut self.rng, self.pace.denied);
                ("denies", vec![Rule::always(Fault::Deny)])
            }
            11 => {
                lasts = millis(&mut self.rng, self.pace.gone);
                gone = true;
                ("gone", Vec::new())
            }
            _ => ("a storm", storm),
        };
        Period { name, lasts, rules, gone }
    }

    fn some(&mut self, share: f64, fault: Fault) -> Rule {
        Rule::chance(share, self.rng.bits(), fault)
    }
    /// A failure of parts, in the way that each service can do that.
    fn in_part(&mut self, share: f64) -> Vec<Rule> {
        let items =
            |fraction, status, error: &str| Fault::PartialItems { fraction, status, error: error.into(), field: None };
        match self.kind {
            // It takes all events in or none; what is next to it are the calls that make groups and streams.
            Kind::CloudWatch => {
                let fault = Fault::Status { code: 400, error: "OperationAbortedException".into(), retry_after: None };
                vec![self.some(share, fault).on("CreateLogStream")]
            }
            Kind::S3 => {
                let error = Fault::ErrorInOk { error: "InternalError".into() };
                let busy = Fault::Status { code: 503, error: "SlowDown".into(), retry_after: None };
                vec![self.some(share, error).on("CompleteMultipartUpload"), self.some(share, busy).on("UploadPart")]
            }
            Kind::OpenSearch if self.rejects && self.rng.chance(0.4) => {
                vec![self.some(0.5, items(0.01, 400, "mapper_parsing_exception"))]
            }
            Kind::OpenSearch => vec![self.some(share, items(share, 429, "es_rejected_execution_exception"))],
        }
    }
}

/// Listens again; a port that somebody else has for a moment is waited for.
pub fn come_back(standin: &mut Standin) {
    crate::support::until("the port of a destination that comes back", crate::support::SOON, || {
        standin.come_back().is_ok()
    });
}

#[test]
fn the_same_seed_brings_the_same_weather() {
    let periods = |seed| {
        let mut sky = Sky::new(Kind::OpenSearch, Pace::short(), true, seed);
        (0..200).map(|_| sky.next()).collect::<Vec<_>>()
    };
    assert_eq!(periods(1), periods(1));
    assert_ne!(periods(1), periods(2));
    let names: std::collections::BTreeSet<&str> = periods(1).iter().map(|p| p.name).collect();
    assert_eq!(names.len(), 12, "{names:?}");
}
