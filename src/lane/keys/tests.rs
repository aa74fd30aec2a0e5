use super::*;
use crate::catalog::view::{Ages, File, FileView, Life, Place};
use crate::lane::ledger::Account;
use crate::origin::{Fields, Meta, Origin};
use crate::record::Grammar;
use crate::ruling::Rulings;
use proptest::prelude::*;
use std::sync::Arc;

const NOON: i64 = 1_800_000_000_000_000_000;
const START: Duration = Duration::from_secs(1_000);
const MAX_AGE: Duration = Duration::from_secs(5);

/// So long after the start.
fn at(after: Duration) -> Now {
    Now { mono: START + after, unix_ns: NOON + after.as_nanos() as i64 }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A file of so many unread bytes, all seen at this moment.
fn file(id: u128, size: u64, seen: Now) -> LaneFile {
    let fields = Arc::new(Fields::new(Vec::new()));
    let meta = arc_swap::ArcSwap::from_pointee(Meta::new(fields.clone()));
    let origin = Origin { input: "in".into(), path: "/a".into(), grammar: Grammar::Plain, fields, meta };
    let place = Place { chain: id as u64, restart: 0, turn: 0 };
    let view = FileView {
        file: Arc::new(File { id: FileId(id), place, origin: Arc::new(origin), at_scan: None }),
        size,
        life: Life::Growing,
        danger: false,
        grew: seen.mono,
        ages: Ages(Arc::new([(size, seen.unix_ns)])),
        rulings: Rulings::default(),
    };
    LaneFile {
        view,
        input: "in".into(),
        filter: None,
        until: u64::MAX,
        key: 0,
        deferred: None,
        retry_at: Duration::ZERO,
        rests: Vec::new(),
        looked: Vec::new(),
        cap: None,
        all_here: false,
    }
}

/// A key, its files, and what is settled of them: nothing.
struct Bench {
    key: Key,
    files: BTreeMap<FileId, LaneFile>,
    ledger: Ledger,
    rule: Rule,
}

impl Bench {
    fn new(name: &str) -> Bench {
        let name = FileKey { place: name.into(), stream: "s".into() };
        let rule = Rule { max_age: MAX_AGE, sent_bytes: 1 << 20, plain_bytes: 4 << 20, all: false };
        let (files, ledger) = (BTreeMap::new(), Ledger::default());
        Bench { key: Key::new(name, at(Duration::ZERO)), files, ledger, rule }
    }
    fn with(mut self, file: LaneFile) -> Bench {
        self.add(file);
        self
    }
    /// As `note_behind` does, but that it disturbs the key.
    fn add(&mut self, file: LaneFile) {
        let id = file.view.file.id;
        self.key.behind.insert((file.view.file.place, id));
        self.ledger.open(id, Account::default());
        self.files.insert(id, file);
    }
    fn due(&self, now: Now) -> Due {
        self.key.due(&self.files, &self.ledger, now, &self.rule, false)
    }
    /// When it is due; it is calm until then.
    fn calm(&self, now: Now) -> Duration {
        match self.due(now) {
            Due::At(at) => at,
            other @ (Due::Danger | Due::Now | Due::Never) => panic!("{other:?}"),
        }
    }
}

proptest! {
    #[test]
    fn a_key_that_is_calm_is_due_in_steps_and_within_its_max_age(
        name: String, seen in 0u64..20_000, asks in proptest::collection::vec(1u64..400, 1..60), seconds in 1u64..600
    ) {
        let mut bench = Bench::new(&name).with(file(1, 1_000, at(ms(seen))));
        bench.rule.max_age = Duration::from_secs(seconds);
        let (mut now, max_age) = (ms(seen), bench.rule.max_age);
        let due = bench.calm(at(now));
        prop_assert_eq!(due.as_nanos() % (max_age / STEPS).as_nanos(), 0);
        let wait = due - at(now).mono;
        prop_assert!(wait <= max_age && wait >= max_age.mul_f64(0.8) , "{wait:?} of {max_age:?}");
        // However often it is asked: the same until then, and due at that moment.
        for ask in asks {
            now += max_age.mul_f64(ask as f64 / 10_000.0);
            if at(now).mono < due {
                prop_assert_eq!(bench.due(at(now)), Due::At(due));
            }
        }
        let last = due - START;
        prop_assert_eq!(bench.due(at(last.saturating_sub(ms(1)))), Due::At(due));
        prop_assert_eq!(bench.due(at(last)), Due::Now);
    }
}

#[test]
fn keys_are_due_at_different_steps() {
    let due =
        |n: u32| Bench::new(&format!("group-{n}")).with(file(1, 1_000, at(Duration::ZERO))).calm(at(Duration::ZERO));
    let steps: BTreeSet<Duration> = (0..200).map(due).collect();
    // From 0.8 to 1.0 of `max_age`, both ends are steps.
    assert!((4..=6).contains(&steps.len()), "{steps:?}");
}

#[test]
fn a_key_is_calm_no_longer_than_what_was_found_is_believed() {
    // The older bytes cannot be read yet: only the younger ones count.
    let mut older = file(1, 1_000, at(Duration::ZERO));
    older.retry_at = at(ms(3_100)).mono;
    let bench = Bench::new("k").with(older).with(file(2, 1_000, at(ms(3_000))));
    let by_younger = bench.calm(at(ms(3_000)));
    assert_eq!(bench.calm(at(ms(3_499))), by_younger);
    let by_older = bench.calm(at(ms(3_500)));
    assert!(by_older <= at(MAX_AGE).mono && by_older < by_younger, "{by_older:?} {by_younger:?}");
}

#[test]
fn a_calm_key_that_is_disturbed_looks_again() {
    let mut bench = Bench::new("k").with(file(1, 1_000, at(ms(3_000))));
    let first = bench.calm(at(ms(3_000)));
    bench.add(file(2, 1_000, at(ms(1_000))));
    assert_eq!(bench.calm(at(ms(3_001))), first);
    bench.key.disturb();
    assert!(bench.calm(at(ms(3_001))) < first);
}

#[test]
fn nothing_is_calm_when_all_is_due_or_in_danger() {
    let mut bench = Bench::new("k").with(file(1, 1_000, at(ms(3_000))));
    bench.calm(at(ms(3_000)));
    bench.rule.all = true;
    assert_eq!(bench.due(at(ms(3_001))), Due::Now);
    bench.rule.all = false;
    assert!(matches!(bench.due(at(ms(3_001))), Due::At(_)));
    // What was found before says nothing of those who hurry.
    let hurried = bench.key.due(&bench.files, &bench.ledger, at(ms(3_001)), &bench.rule, true);
    assert_eq!(hurried, Due::Danger);
}

/// The files that a plan of this key names.
fn named(bench: &Bench, enough: u64) -> Vec<u128> {
    let queue = bench.key.queue(&bench.files, &bench.ledger, at(ms(1)), enough);
    queue.files.into_iter().map(|id| id.0).collect()
}

#[test]
fn a_plan_names_many_chains_though_one_has_bytes_enough() {
    let many = (1..=200).fold(Bench::new("k"), |bench, id| bench.with(file(id, 5_000, at(Duration::ZERO))));
    assert_eq!(named(&many, 1_000), (1..=64).collect::<Vec<_>>());
    assert_eq!(named(&many, 5_000 * 100), (1..=100).collect::<Vec<_>>());
    assert_eq!(named(&many, u64::MAX), (1..=200).collect::<Vec<_>>());
}

#[test]
fn a_plan_begins_behind_the_chain_that_was_served_last() {
    let mut bench = (1..=100).fold(Bench::new("k"), |bench, id| bench.with(file(id, 5_000, at(Duration::ZERO))));
    bench.key.served = Some(90);
    assert_eq!(named(&bench, 1), (91..=100).chain(1..=54).collect::<Vec<_>>());
}
