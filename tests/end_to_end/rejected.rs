//! What a service will never take: dead-lettered or dropped for a stated reason, counted, and in nobody's way.

use crate::logs::{append, container, cri, stamp_at};
use crate::stage::{Stage, bodies, until_bodies};
use crate::support::{SOON, now, until_or};
use serde_json::Value;
use tailrace::standin::{Fault, Rule};

const DAY_NS: i64 = 86_400_000_000_000;

#[test]
fn rejected_documents_land_in_the_dead_letter_file_once_and_are_counted() {
    let mut stage = Stage::new();
    let error = "mapper_parsing_exception".to_owned();
    let some = Fault::PartialItems { fraction: 0.3, status: 400, error: error.clone(), field: None };
    stage.services.opensearch.control.fault(Rule::always(some));
    let file = container(&stage.place, "shop", "cart").join("0.log");
    let written: Vec<String> = (0..200).map(|n| format!("line {n:03}")).collect();
    append(&file, written.iter().flat_map(cri).collect::<Vec<u8>>());
    let dead_file = stage.place.data_dir().join("dead-letter").join("search.jsonl");
    let dead = || {
        let text = std::fs::read_to_string(&dead_file).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()).collect::<Vec<_>>()
    };
    let all = || bodies(&stage.services.opensearch).len() + dead().len() == written.len();
    until_or("each line here or there", SOON, all, || format!("{} dead\n{}", dead().len(), stage.agent.log()));
    until_bodies("archive", &stage.services.s3, &written.iter().map(String::as_str).collect::<Vec<_>>(), &stage.agent);
    stage.until_settled();
    let letters = dead();
    let count = letters.len();
    assert!((20..180).contains(&count), "{count} dead letters of 200 with 30 % refused");
    for letter in &letters {
        let text = letter.to_string();
        assert!(text.contains(&error) && text.contains("search") && text.contains("0.log"), "{text}");
    }
    let mut here: Vec<String> = letters.iter().map(|l| l["log"].as_str().unwrap().to_owned()).collect();
    here.extend(bodies(&stage.services.opensearch));
    here.sort_unstable();
    assert_eq!(here, written, "each line is in exactly one place");
    let metrics = stage.agent.metrics();
    let sum = |name, labels: &[(&str, &str)]| metrics.sum(name, labels).map(|n| n as usize);
    let search = ("output", "search");
    assert_eq!(sum("tailrace_output_dead_lettered_records_total", &[search]), Some(count));
    assert_eq!(sum("tailrace_output_rejected_total", &[search, ("code", &error)]), Some(count));
    assert_eq!(sum("tailrace_output_delivered_records_total", &[search]), Some(200 - count));
    assert_eq!(sum("tailrace_output_dead_lettered_records_total", &[("output", "archive")]), Some(0));

    // Settled: the next process does not send or bury them again.
    assert!(stage.agent.stop(SOON).success());
    stage.services.opensearch.control.clear_faults();
    stage.start_again();
    append(&file, cri("more"));
    let more = || bodies(&stage.services.opensearch).contains(&"more".to_owned());
    until_or("what came after", SOON, more, || stage.agent.log());
    assert_eq!((bodies(&stage.services.opensearch).len(), dead().len()), (201 - count, count));
}

#[test]
fn events_outside_cloudwatch_s_window_are_dropped_for_that_reason_and_counted_and_the_others_take_them() {
    let stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    let at = |offset: i64, body: &str| format!("{} stdout F {body}\n", stamp_at(now().unix_ns + offset));
    let lines = [at(-20 * DAY_NS, "old"), at(-19 * DAY_NS, "old too"), at(0, "now"), at(DAY_NS, "new")];
    append(&file, lines.concat());
    until_bodies("cloudwatch", &stage.services.cloudwatch, &["now"], &stage.agent);
    for (name, standin) in &stage.services.each()[1..] {
        until_bodies(name, standin, &["old", "old too", "now", "new"], &stage.agent);
    }
    stage.until_settled();
    let metrics = stage.agent.metrics();
    let dropped =
        |reason| metrics.sum("tailrace_output_dropped_records_total", &[("output", "cloudwatch"), ("reason", reason)]);
    assert_eq!((dropped("too_old"), dropped("too_new"), dropped("filtered")), (Some(2.0), Some(1.0), Some(0.0)));
    let refused = stage.services.cloudwatch.control.receipts().totals().refused_items;
    assert_eq!(refused, 0, "judged before they were sent");
}

#[test]
fn out_of_window_events_go_to_the_dead_letter_file_when_asked_for() {
    let stage = Stage::with("", |outputs| outputs.replace("log_group:", "out_of_window: dead_letter\n    log_group:"));
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, format!("{} stdout F old\n", stamp_at(now().unix_ns - 20 * DAY_NS)));
    append(&file, cri("now"));
    until_bodies("cloudwatch", &stage.services.cloudwatch, &["now"], &stage.agent);
    let dead_file = stage.place.data_dir().join("dead-letter").join("cloudwatch.jsonl");
    let dead = || std::fs::read_to_string(&dead_file).unwrap_or_default();
    until_or(
        "the dead letter",
        SOON,
        || dead().contains("\"old\""),
        || format!("{}\n{}", dead(), stage.lane("cloudwatch")),
    );
    assert_eq!(dead().lines().count(), 1, "{}", dead());
    let count =
        || stage.agent.metrics().sum("tailrace_output_dead_lettered_records_total", &[("output", "cloudwatch")]);
    until_or("it to be counted", SOON, || count() == Some(1.0), || stage.lane("cloudwatch").to_string());
}
