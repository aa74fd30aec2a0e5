//! SIGKILL and start again: nothing is lost; no duplicates where the service can prove it, elsewhere no more than counted.

use crate::logs::{append, container, noise};
use crate::stage::Stage;
use crate::support::{SOON, now, until_or};
use std::time::Duration;
use tailrace::standin::writer::{Options, Shape, Writer};
use tailrace::standin::{Fault, Rule};

#[test]
fn killed_again_and_again_it_loses_nothing_and_repeats_only_what_it_counts() {
    let mut stage = Stage::new();
    for (_, standin) in stage.services.each() {
        // So that there is always something in flight to be killed.
        standin.control.fault(Rule::always(Fault::Slow { millis: 60 }));
    }
    let options = Options {
        lines_per_second: 3_000,
        rotate_at: 256 << 10,
        rotate_every: Duration::from_secs(1),
        // kubelet's part of the bargain: files stay until it has had the time to read them.
        max_files: 50,
        ..Options::default()
    };
    let mut writer = Writer::new(&stage.place.pods(), 31, options, now()).unwrap();
    let mut next_kill = now().mono + Duration::from_millis(400);
    let mut kills = 0;
    while kills < 8 {
        writer.step(now()).unwrap();
        if now().mono >= next_kill {
            stage.agent.kill();
            stage.start_again();
            kills += 1;
            // Not in step with anything the agent does.
            next_kill = now().mono + Duration::from_millis(300 + 130 * kills % 500);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.finish(now()).unwrap();
    stage.until_all_arrived(&mut writer);
    let ended = stage.agent.stop(SOON);
    assert!(ended.success(), "{ended}");
    stage.start_again();
    let possible =
        || stage.agent.metrics().sum("tailrace_output_possible_duplicates_total", &[("output", "cloudwatch")]);
    until_or("the lane's report", SOON, || possible().is_some(), || stage.agent.log());
    let possible = possible().unwrap() as u64;
    for outcome in stage.services.audit(&writer) {
        println!(
            "{}: {} written, {} lost, {} twice ({possible} possible)",
            outcome.output, outcome.written, outcome.lost, outcome.duplicates
        );
        assert!(outcome.is_clean(), "{outcome:#?}");
        let allowed = if outcome.output == "cloudwatch" { possible } else { 0 };
        assert!(outcome.duplicates <= allowed, "{allowed} allowed: {outcome:#?}");
    }
    assert!(possible > 0, "nothing was in flight when it was killed: this test tests nothing");
}

#[test]
fn answers_that_were_lost_with_the_process_make_no_duplicates_where_it_can_be_proved() {
    let mut stage = Stage::new();
    let options = Options { lines_per_second: 2_000, mix: vec![(Shape::Text, 1)], ..Options::default() };
    let mut writer = Writer::new(&stage.place.pods(), 32, options, now()).unwrap();
    // The log group and streams are there, so that what hangs next is the delivery.
    crate::support::write(&mut writer, 100);
    stage.until_all_arrived(&mut writer);
    for (_, standin) in stage.services.each() {
        // Done, and never answered: the process dies not knowing.
        standin.control.fault(Rule::always(Fault::Hang { done: true }).on(put(standin)));
    }
    crate::support::write(&mut writer, 1_000);
    let hung = || stage.services.each().iter().all(|(_, s)| s.control.requests_of(put(s), "hang") > 0);
    until_or("requests that hang everywhere", SOON, hung, || stage.agent.log());
    stage.agent.kill();
    stage.services.each().iter().for_each(|(_, standin)| standin.control.clear_faults());
    stage.start_again();
    stage.until_all_arrived(&mut writer);
    stage.until_settled();
    let metrics = stage.agent.metrics();
    let possible = metrics.sum("tailrace_output_possible_duplicates_total", &[("output", "cloudwatch")]).unwrap();
    let already = |output| metrics.sum("tailrace_output_already_total", &[("output", output)]).unwrap_or(0.0);
    let [cloudwatch, archive, search] = stage.services.audit(&writer).try_into().unwrap();
    assert!(
        cloudwatch.duplicates > 0 && cloudwatch.duplicates as f64 <= possible,
        "{possible} possible: {cloudwatch:#?}"
    );
    assert_eq!((archive.duplicates, search.duplicates), (0, 0));
    assert!(
        already("archive") > 0.0 && already("search") > 0.0,
        "412 and 409 were not counted: {}",
        stage.lane("archive")
    );
}

#[test]
fn killed_while_every_output_fails_half_the_time_it_still_loses_nothing() {
    let mut stage = Stage::new();
    for (seed, (_, standin)) in stage.services.each().iter().enumerate() {
        let busy = Fault::Status { code: 503, error: "SlowDown".into(), retry_after: None };
        for (n, fault) in [busy, Fault::LoseAnswer, Fault::ResetBeforeBody, Fault::ResetAfterBody { done: true }]
            .into_iter()
            .enumerate()
        {
            standin.control.fault(Rule::chance(0.16, (seed * 10 + n) as u64, fault));
        }
        standin.control.fault(Rule::chance(0.5, 7, Fault::Slow { millis: 100 }));
    }
    let options = Options {
        lines_per_second: 2_000,
        rotate_at: 128 << 10,
        rotate_every: Duration::from_secs(1),
        max_files: 100,
        restart_every: Some(Duration::from_secs(1)),
        keep_restarts: 100,
        ..Options::default()
    };
    let mut writer = Writer::new(&stage.place.pods(), 33, options, now()).unwrap();
    for _ in 0..4 {
        crate::support::write(&mut writer, 2_500);
        stage.agent.kill();
        stage.start_again();
    }
    for (_, standin) in stage.services.each() {
        standin.control.clear_faults();
    }
    stage.until_all_arrived(&mut writer);
    stage.until_settled();
    let possible = stage.agent.metrics();
    let possible =
        possible.sum("tailrace_output_possible_duplicates_total", &[("output", "cloudwatch")]).unwrap() as u64;
    for outcome in stage.services.audit(&writer) {
        println!("{}: {} lost, {} twice ({possible} possible)", outcome.output, outcome.lost, outcome.duplicates);
        let allowed = if outcome.output == "cloudwatch" { possible } else { 0 };
        assert!(outcome.is_clean() && outcome.duplicates <= allowed, "{allowed} allowed: {outcome:#?}");
    }
}

#[test]
fn an_object_in_parts_is_completed_by_the_next_process_and_nothing_comes_twice() {
    // More than two parts of 5 MiB.
    const LINES: u64 = 26_000;
    let only_archive = |outputs: String| {
        let (_, rest) = outputs.split_once("  archive:").unwrap();
        let (archive, _) = rest.split_once("  search:").unwrap();
        format!("  archive:{}", archive.replace("max_age: 500ms", "max_age: 3s"))
    };
    let mut stage = Stage::with("", only_archive);
    let s3 = stage.services.s3.control.clone();
    s3.fault(Rule::always(Fault::Slow { millis: 200 }).on("UploadPart"));
    s3.fault(Rule::times(1, Fault::Hang { done: true }).on("CompleteMultipartUpload"));
    let file = container(&stage.place, "shop", "large").join("0.log");
    append(&file, noise(LINES));
    let parts = || s3.requests_of("UploadPart", "200");
    until_or("the first part", SOON, || parts() >= 1, || stage.agent.log());
    stage.agent.kill();
    let after_first = parts();
    stage.start_again();
    until_or(
        "a completion that is never answered",
        SOON,
        || s3.requests_of("CompleteMultipartUpload", "hang") == 1,
        || format!("{after_first} parts before, {} now\n{}", parts(), stage.agent.log()),
    );
    stage.agent.kill();
    stage.start_again();
    let settled = || stage.lane("archive")["lag"]["bytes"] == 0 && s3.receipts().distinct() == LINES;
    let say = || format!("{} of {LINES}: {}\n{}", s3.receipts().distinct(), stage.lane("archive"), stage.agent.log());
    until_or("all of it", SOON, settled, say);
    let twice = s3.receipts().with(|ids| ids.values().filter(|n| **n > 1).count());
    let objects = s3.receipts().totals().objects;
    println!("{objects} objects; killed after {after_first} parts; {:?}", s3.requests());
    assert_eq!(twice, 0, "{:?}", s3.requests());
}

fn put(standin: &tailrace::standin::Standin) -> &'static str {
    let control = &standin.control;
    if control.s3().is_some() {
        "PutObject"
    } else if control.opensearch().is_some() {
        "_bulk"
    } else {
        "PutLogEvents"
    }
}
