//! SIGKILL and start again: nothing is lost; no duplicates where the service can prove it, elsewhere no more than counted.

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
