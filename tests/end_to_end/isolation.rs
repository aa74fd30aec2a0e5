//! One output that hangs, one key that is denied: nothing changes for the others.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, bodies};
use crate::support::{SOON, now, until, until_or, write};
use std::time::Duration;
use tailrace::standin::writer::{Options, Writer};
use tailrace::standin::{Fault, Rule};

/// Writes for a second; how long until each but the first output has it all.
fn others_take(stage: &Stage, writer: &mut Writer) -> Duration {
    write(writer, 2_000);
    let begun = now().mono;
    let rest = || stage.services.audit(writer).iter().skip(1).map(|o| o.lost).sum::<u64>();
    until_or("everything in the other outputs", SOON, || rest() == 0, || stage.agent.log());
    now().mono - begun
}

#[test]
fn an_output_that_hangs_changes_nothing_for_the_others() {
    let mut stage = Stage::with("shutdown_timeout: 10s", |outputs| outputs);
    let options = Options {
        lines_per_second: 2_000,
        rotate_at: 128 << 10,
        rotate_every: Duration::from_secs(1),
        max_files: 20,
        ..Options::default()
    };
    let mut writer = Writer::new(&stage.place.pods(), 41, options, now()).unwrap();
    let before = others_take(&stage, &mut writer);
    let cloudwatch = || stage.services.audit(&writer)[0].clone();
    until("everything in cloudwatch", SOON, || cloudwatch().lost == 0);
    stage.services.cloudwatch.control.fault(Rule::always(Fault::Hang { done: false }));
    let mut during = Duration::ZERO;
    for _ in 0..3 {
        during = during.max(others_take(&stage, &mut writer));
    }
    println!("the others have everything {before:?} after the last line, and {during:?} while one hangs");
    let [cloudwatch, archive, search] = stage.services.audit(&writer).try_into().unwrap();
    assert!(cloudwatch.lost >= 6_000, "it did not hang: {cloudwatch:?}");
    assert!(archive.is_clean() && search.is_clean() && archive.duplicates + search.duplicates == 0);
    assert!(stage.services.cloudwatch.control.requests_of("PutLogEvents", "hang") > 0);

    // And it does not keep the process from ending, which says what is left.
    let ended = stage.agent.stop(SOON);
    assert!(ended.success(), "{ended}");
    let log = stage.agent.log();
    let line = log.lines().find(|l| l.contains("not settled")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("\"output\":\"cloudwatch\"") && line.contains("/main"), "{line}");
    assert!(!log.contains("\"output\":\"archive\"") && !log.contains("\"output\":\"search\""), "{log}");

    // What it left is delivered by the next process.
    stage.services.cloudwatch.control.clear_faults();
    stage.start_again();
    stage.until_all_arrived(&mut writer);
    let [_, archive, search] = stage.services.audit(&writer).try_into().unwrap();
    assert!(archive.is_clean() && search.is_clean() && archive.duplicates + search.duplicates == 0);
}

#[test]
fn a_key_that_is_denied_is_parked_and_shown_while_the_others_of_its_output_go_on() {
    let mut stage = Stage::with("", |outputs| {
        let by_namespace = "{kubernetes.namespace_name}";
        outputs
            .replace("/tailrace/test", &format!("\"/t/{by_namespace}\""))
            .replace("logs-%Y", &format!("logs-{by_namespace}-%Y"))
    });
    let places = [("cloudwatch", "/t/payments"), ("archive", "logs/payments"), ("search", "logs-payments")];
    for ((_, standin), (_, place)) in stage.services.each().iter().zip(places) {
        standin.control.fault(Rule::always(Fault::Deny).at(place));
    }
    let (denied, fine) =
        (container(&stage.place, "payments", "p").join("0.log"), container(&stage.place, "shop", "s").join("0.log"));
    append(&denied, cri("waits"));
    append(&fine, cri("first"));
    stage.until_bodies(&["first"]);
    for (output, place) in places {
        let parked = || stage.lane(output)["parked_keys"][0].clone();
        until_or(&format!("a parked key in {output}"), SOON, || !parked().is_null(), || stage.lane(output).to_string());
        let (parked, lane) = (parked(), stage.lane(output));
        println!("{output}: {parked}");
        assert!(parked["key"].as_str().is_some_and(|key| key.contains(place)), "{output}: {parked}");
        assert!(parked["code"].as_str().is_some_and(|code| !code.is_empty()), "{output}: {parked}");
        assert!(parked["say"].as_str().is_some_and(|say| !say.is_empty()), "{output}: {parked}");
        assert!(parked["waiting_bytes"].as_u64() > Some(0), "{output}: {parked}");
        assert!(lane["parked"].is_null() && lane["parked_keys_count"] == 1, "{output}: {lane}");
        let metrics = stage.agent.metrics();
        let count = |name, labels: &[(&str, &str)]| metrics.sum(name, labels);
        let code = parked["code"].as_str().unwrap();
        assert_eq!(count("tailrace_output_parked_keys", &[("output", output)]), Some(1.0), "{output}");
        let by_code = count("tailrace_output_parked_keys_by_code", &[("output", output), ("code", code)]);
        assert_eq!(by_code, Some(1.0), "{output}");
        assert_eq!(count("tailrace_output_parked", &[("output", output)]), Some(0.0), "{output}");
    }
    append(&fine, cri("second"));
    stage.until_bodies(&["first", "second"]);
    // A restart forgets none of it.
    stage.agent.kill();
    stage.start_again();
    for (output, place) in places {
        let parked = || stage.lane(output)["parked_keys"][0]["key"].as_str().unwrap_or_default().to_owned();
        let say = || stage.lane(output).to_string();
        until_or(&format!("the parked key in {output} again"), SOON, || parked().contains(place), say);
    }
    for (_, standin) in stage.services.each() {
        assert_eq!(bodies(standin), ["first", "second"]);
        standin.control.clear_faults();
    }
    stage.until_bodies(&["first", "second", "waits"]);
    for (output, _) in places {
        let none = || stage.lane(output)["parked_keys_count"] == 0;
        until_or("nothing is parked any more", SOON, none, || stage.lane(output).to_string());
    }
}
