//! The cases. Each breaks something, watches what the lane makes of it, and ends with the reckoning.

use crate::record::name;
use crate::rig::{Rig, Setup};
use crate::rows::{Fate, Row};
use crate::truth::reckon;
use std::collections::BTreeSet;
use std::time::Duration;
use tailrace::lane::batch::{Job, Verdict};
use tailrace::standin::{Fault, Keys, Rule};

/// Lines in a round: some bodies of each key.
const LINES: usize = 100;

/// New keys are written to with this fault at each request that they need; returns the rig, all settled.
fn each_request(row: &Row, times: u64, fault: &Fault) -> Rig {
    let rig = Rig::new(row);
    for (nth, request) in row.requests.iter().enumerate() {
        // Its stream is there, and no request only says that it is not.
        rig.write(&format!("new-{nth}"), 1);
        rig.settled();
        let before = rig.shared.record.all().len();
        rig.fault(Rule::times(times, fault.clone()).on(request));
        rig.write(&format!("new-{nth}"), LINES);
        rig.settled();
        let hit = rig.control().faults().last().map_or(0, |(_, _, hits)| *hits);
        assert_eq!(hit, times, "{request} was not asked for often enough: {:?}", rig.shared.record.names());
        assert!(rig.shared.record.all().len() > before);
    }
    rig
}

pub fn everything_arrives_once_and_is_counted(row: &Row) {
    let rig = Rig::new(row);
    for _ in 0..3 {
        rig.write("shop", LINES);
        rig.write("bank", LINES);
        rig.settled();
    }
    let report = reckon(rig);
    assert_eq!((report.sums.delivered.0, report.already), (6 * LINES as u64, 0));
    assert_eq!(report.sums.possible_duplicates, 0);
    assert!(report.retries.keys().all(|code| code.as_str() == "created"), "{:?}", report.retries);
}

pub fn a_throttled_batch_waits_as_long_as_the_service_wishes(row: &Row) {
    let (code, error) = row.busy;
    let rig = each_request(row, 2, &Fault::Status { code, error: error.into(), retry_after: Some(3) });
    let wishes = rig.shared.record.all().into_iter().filter_map(|a| {
        let Verdict::Retry { after, code, .. } = a.answer?.1 else { return None };
        (code.as_str() == error).then_some(after)
    });
    assert_eq!(wishes.collect::<Vec<_>>(), vec![Some(Duration::from_secs(3)); 2 * row.requests.len()]);
    assert_eq!(rig.shared.record.count(&format!("retry {error}")), 2 * row.requests.len());
    reckon(rig);
}

pub fn a_failing_service_is_asked_until_it_works(row: &Row) {
    // More often than a body is kept: the key is parked, its spans are read again.
    let rig = each_request(row, 7, &Fault::Status { code: 500, error: String::new(), retry_after: None });
    assert_eq!(rig.shared.record.count("retry http_500"), 7 * row.requests.len());
    reckon(rig);
}

pub fn a_reset_before_the_body_was_read(row: &Row) {
    let rig = each_request(row, 5, &Fault::ResetBeforeBody);
    assert_eq!(rig.shared.record.count("unknown reset"), 5 * row.requests.len());
    reckon(rig);
}

pub fn a_reset_after_the_body_with_nothing_done(row: &Row) {
    let rig = each_request(row, 5, &Fault::ResetAfterBody { done: false });
    assert_eq!(rig.shared.record.count("unknown reset"), 5 * row.requests.len());
    let report = reckon(rig);
    assert_eq!(report.already, 0);
}

pub fn work_that_was_done_without_an_answer(row: &Row) {
    for fault in [Fault::ResetAfterBody { done: true }, Fault::LoseAnswer] {
        let rig = each_request(row, 1, &fault);
        assert_eq!(rig.shared.record.count("unknown reset"), row.requests.len(), "{fault:?}");
        let arrivals = rig.control().receipts().totals().records;
        let report = reckon(rig);
        if row.tells_already {
            assert!(report.already > 0, "{fault:?}");
        } else {
            assert!(arrivals > report.sums.delivered.0 && report.sums.possible_duplicates > 0, "{fault:?}");
        }
    }
}

pub fn a_service_that_never_answers(row: &Row) {
    for done in [false, true] {
        // Much for an answer on loopback, little for a test.
        let rig = Rig::with(row, Setup { patience: Duration::from_millis(500), ..Setup::default() });
        for (nth, request) in row.requests.iter().enumerate() {
            rig.fault(Rule::times(1, Fault::Hang { done }).on(request));
            rig.write(&format!("new-{nth}"), LINES);
            rig.settled();
        }
        assert!(rig.shared.record.count("unknown timeout") >= row.requests.len());
        reckon(rig);
    }
}

pub fn items_are_judged_alone(row: &Row) {
    for (status, error, fate) in row.items {
        let rig = Rig::new(row);
        let error = (*error).to_owned();
        rig.fault(Rule::times(2, Fault::PartialItems { fraction: 0.3, status: *status, error, field: None }));
        rig.write("shop", LINES);
        rig.write("bank", 1);
        rig.settled();
        let refused = rig.control().receipts().totals().refused_items;
        assert!(refused > 0 && refused < LINES as u64, "{refused}");
        let buried = rig.buried().len() as u64;
        let report = reckon(rig);
        match fate {
            Fate::Again => assert_eq!((report.sums.dead_lettered.0, report.sums.delivered.0), (0, LINES as u64 + 1)),
            Fate::Buried => assert_eq!((report.sums.dead_lettered.0, buried), (refused, refused)),
        }
    }
    if row.name == "cloudwatch_logs" {
        events_that_the_group_keeps_no_longer_are_dropped(row);
    }
}

/// CloudWatch refuses single events for their age alone.
fn events_that_the_group_keeps_no_longer_are_dropped(row: &Row) {
    let rig = Rig::new(row);
    let hour = Duration::from_secs(3_600);
    rig.write("shop", 10);
    rig.settled();
    let known = rig.written();
    rig.write_old("shop", 20, 23 * hour);
    let kept = rig.written();
    rig.excuse(kept.len() as u64 + 1..=kept.len() as u64 + 20);
    rig.write_old("shop", 20, 25 * hour);
    rig.settled();
    assert!(rig.shared.record.count("items dropped too_old") > 0, "{:?}", rig.shared.record.names());
    assert_eq!(known.len() + 20, kept.len());
    let report = reckon(rig);
    assert_eq!((report.sums.delivered.0, report.sums.dropped[0].0), (30, 20));
}

pub fn a_denied_key_is_held_and_the_others_go_on(row: &Row) {
    let rig = Rig::new(row);
    rig.fault(Rule::always(Fault::Deny).at(&(row.place)("denied")));
    rig.write("denied", LINES);
    rig.until("the key to be parked", || !rig.report().parked.is_empty());
    rig.write("shop", LINES);
    rig.until("the other key to be delivered", || rig.report().sums.delivered.0 == LINES as u64);
    let report = rig.report();
    let [parked] = &report.parked[..] else { panic!("{:?}", report.parked) };
    assert!(parked.key.contains("denied") && !parked.say.is_empty() && report.lane_parked.is_none(), "{parked:?}");
    let holds = |a: &crate::record::Attempt| {
        a.answer.as_ref().is_none_or(|(_, v)| name(v).starts_with("hold-key") || name(v).starts_with("items hold"))
    };
    let abandons = |a: &crate::record::Attempt| matches!(a.job, Job::Abandon { .. });
    let all = rig.shared.record.all();
    let denied = all.iter().filter(|a| a.place.contains("denied") && !abandons(a));
    assert!(denied.clone().all(holds), "{:?}", rig.shared.record.names());
    // A probe is one request at a time, and they become rarer.
    let probes: Vec<Duration> = denied.map(|a| a.began).collect();
    assert!(probes.len() < 10 && report.sums.dead_lettered.0 == 0, "{probes:?}");
    rig.control().clear_faults();
    let report = reckon(rig);
    assert_eq!(report.sums.delivered.0, 2 * LINES as u64);
}

pub fn what_is_too_large_is_halved_or_held(row: &Row) {
    let rig = Rig::new(row);
    rig.write("shop", 1);
    rig.settled();
    let one = rig.control().receipts().totals().plain_bytes;
    let limit = if row.splits { 10 * one } else { 100 };
    rig.fault(Rule::always(Fault::TooLarge { limit }).on(row.carries));
    rig.write("shop", LINES);
    if row.splits {
        rig.settled();
    } else {
        rig.until("it to be held", || rig.report().parked.iter().any(|p| !p.say.is_empty()));
        assert_eq!(rig.report().sums.delivered.0, 1);
        rig.control().clear_faults();
        rig.settled();
    }
    assert!(rig.shared.record.names().iter().any(|name| name.starts_with("split")));
    if row.splits {
        // What is alone in its body and still too large is a bad record.
        rig.control().clear_faults();
        rig.fault(Rule::always(Fault::TooLarge { limit: 10 }).on(row.carries));
        rig.write("shop", 5);
        rig.until("it to be buried", || rig.buried().len() == 5);
    }
    let buried = rig.buried().len() as u64;
    let report = reckon(rig);
    assert_eq!(report.sums.delivered.0, LINES as u64 + 1);
    assert_eq!((report.sums.dead_lettered.0, report.rejected.values().sum::<u64>()), (buried, buried));
}

pub fn a_slow_service_is_not_asked_twice(row: &Row) {
    let rig = Rig::new(row);
    rig.fault(Rule::always(Fault::Slow { millis: 60 }));
    rig.write("shop", LINES);
    rig.write("bank", LINES);
    rig.settled();
    let report = reckon(rig);
    assert_eq!((report.already, report.sums.possible_duplicates), (0, 0));
    assert!(report.retries.keys().all(|code| code.as_str() == "created"), "{:?}", report.retries);
}

pub fn wrong_credentials_hold_all_until_right_ones_come(row: &Row) {
    let wrong = Keys { secret: "wrong".into(), ..Keys::demo() };
    let rig = Rig::with(row, Setup { keys: wrong, ..Setup::default() });
    rig.write("shop", LINES);
    rig.write("bank", LINES);
    rig.until("the lane to be parked", || rig.report().lane_parked.is_some());
    let (_, say) = rig.report().lane_parked.unwrap();
    assert!(say.contains("credentials") || say.contains("`auth`"), "{say}");
    // Everything waits for one probe.
    rig.until("some probes", || rig.shared.record.all().len() >= 5);
    let all = rig.shared.record.all();
    let heard = |a: &crate::record::Attempt| a.answer.as_ref().map(|(at, _)| *at);
    let first = all.iter().filter_map(heard).min();
    let probes: Vec<_> = all.iter().filter(|a| Some(a.began) > first).collect();
    for pair in probes.windows(2) {
        assert!(heard(pair[0]).is_some_and(|at| at <= pair[1].began), "two at a time: {pair:?}");
    }
    assert_eq!(rig.control().receipts().totals().records, 0);
    rig.login.set(Keys::demo());
    rig.settled();
    let report = reckon(rig);
    assert_eq!(report.sums.delivered.0, 2 * LINES as u64);
}

pub fn a_missing_place_holds_until_it_appears(row: &Row) {
    let rig = Rig::with(row, Setup { missing: true, ..Setup::default() });
    rig.write("shop", LINES);
    let parked = || {
        let report = rig.report();
        report.lane_parked.map(|p| p.1).or(report.parked.into_iter().next().map(|p| p.say))
    };
    rig.until("it to be parked", || parked().is_some());
    let say = parked().unwrap();
    assert!(say.contains("create") || say.contains("exist"), "{say}");
    (row.appear)(rig.control(), &(row.place)("shop"));
    let report = reckon(rig);
    assert_eq!(report.sums.delivered.0, LINES as u64);
}

pub fn each_fault_has_its_name(row: &Row) {
    let rig = Rig::new(row);
    let mut before = 0;
    for (nth, (rule, want)) in (row.faults)().into_iter().enumerate() {
        let fault = rule.fault.clone();
        rig.fault(rule);
        // Enough for one body, or for the parts of one object.
        rig.write(&format!("new-{nth}"), 40);
        rig.settled();
        let names = rig.shared.record.names();
        let good = ["delivered", "staged", "retry created"];
        let bad: Vec<&String> = names[before..].iter().filter(|n| !good.contains(&n.as_str())).collect();
        assert_eq!(bad, [want], "{fault:?}");
        before = names.len();
    }
    reckon(rig);
}

pub fn trouble_of_all_kinds_at_once(row: &Row) {
    let rig = Rig::with(row, Setup { patience: Duration::from_millis(700), ..Setup::default() });
    let (code, error) = row.busy;
    let faults = [
        (0.10, Fault::Status { code, error: error.into(), retry_after: Some(1) }),
        (0.05, Fault::Status { code: 503, error: String::new(), retry_after: None }),
        (0.05, Fault::ResetBeforeBody),
        (0.05, Fault::ResetAfterBody { done: false }),
        (0.05, Fault::ResetAfterBody { done: true }),
        (0.05, Fault::LoseAnswer),
        (0.02, Fault::Hang { done: true }),
        (0.20, Fault::Slow { millis: 20 }),
        (
            0.10,
            Fault::PartialItems {
                fraction: 0.2,
                status: 429,
                error: "rejected_execution_exception".into(),
                field: None,
            },
        ),
    ];
    for (seed, (chance, fault)) in faults.into_iter().enumerate() {
        for request in row.requests {
            rig.fault(Rule::chance(chance, seed as u64 + 1, fault.clone()).on(request));
        }
    }
    for round in 0..6 {
        for key in ["shop", "bank", "mail"] {
            rig.write(key, LINES / 2);
        }
        rig.until("some of it", || rig.report().requests > round * 3);
    }
    rig.settled();
    rig.control().clear_faults();
    reckon(rig);
}

pub fn a_life_that_ends_in_the_middle(row: &Row) {
    // The first request of each kind is done, and the agent killed before it can hear of it.
    for request in row.requests {
        let mut rig = Rig::new(row);
        rig.fault(Rule::times(1, Fault::Hang { done: true }).on(request));
        rig.write("shop", LINES);
        rig.until("the request to hang", || rig.control().requests_of(request, "hang") == 1);
        rig.crash();
        let heard: BTreeSet<_> =
            rig.shared.record.all().iter().filter(|a| a.answer.is_some()).map(|a| a.ticket).collect();
        let sent = rig.shared.record.all().len();
        assert!(heard.len() < sent, "{request} was answered");
        rig.write("shop", LINES);
        rig.start();
        rig.settled();
        let report = reckon(rig);
        if !row.exactly_once {
            assert!(report.sums.possible_duplicates > 0);
        }
    }
}
