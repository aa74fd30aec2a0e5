//! `run --once`: what is there is delivered, also from rotated and packed files; the exit code tells the truth.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, services_of_somebody_else, until_bodies};
use crate::support::{Place, SOON, Services, now};
use std::time::Duration;
use tailrace::record::Now;
use tailrace::standin::writer::{Options, Writer};

/// So many seconds before now: the writer's past.
fn ago(seconds: u64) -> Now {
    let now = now();
    let unix_ns = now.unix_ns - i64::try_from(seconds).unwrap() * 1_000_000_000;
    Now { mono: Duration::from_secs(10_000 - seconds), unix_ns }
}

#[test]
fn once_delivers_what_is_there_also_rotated_packed_and_restarted_and_the_second_time_nothing() {
    let place = Place::new();
    let services = Services::start();
    let options = Options { pods: 3, keep_restarts: 9, ..Options::default() };
    let mut writer = Writer::new(&place.pods(), 21, options, ago(60)).unwrap();
    for second in (40..60).rev() {
        writer.write_lines(ago(second), 300).unwrap();
        match second {
            45 => writer.restart_all(ago(second)).unwrap(),
            58 | 56 | 54 | 43 | 41 => writer.rotate_all(ago(second)).unwrap(),
            _ => writer.clean_up(ago(second)).unwrap(),
        }
    }
    writer.finish(ago(30)).unwrap();
    let config = place.config("", &services.outputs());
    let mut agent = place.run(&config, &["--once"]);
    let ended = agent.wait(SOON);
    assert_eq!(ended.code(), Some(0), "{}", agent.log());
    let outcomes = services.audit(&writer);
    for outcome in &outcomes {
        assert!(outcome.is_clean() && outcome.duplicates == 0 && outcome.written > 6_000, "{outcome:#?}");
    }
    let requests = || services.each().map(|(_, standin)| standin.control.receipts().totals().records);
    let before = requests();
    let mut agent = place.run(&config, &["--once"]);
    let ended = agent.wait(SOON);
    assert_eq!((ended.code(), requests()), (Some(0), before), "{}", agent.log());
}

#[test]
fn a_bucket_that_is_not_there_is_named_and_the_exit_is_1_while_the_others_get_everything() {
    let place = Place::new();
    let services = Services::start();
    append(&container(&place, "shop", "cart").join("0.log"), [cri("one"), cri("two")].concat());
    let config = place.config("", &services.outputs().replace("bucket: logs", "bucket: nowhere"));
    let mut agent = place.run(&config, &["--once", "--give-up", "2s"]);
    let ended = agent.wait(SOON);
    let log = agent.log();
    assert_eq!(ended.code(), Some(1), "{log}");
    let line = log.lines().find(|l| l.contains("not settled")).unwrap_or_else(|| panic!("{log}"));
    for word in ["archive", "NoSuchBucket", "nowhere", "shop/cart/main"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    assert_eq!(log.matches("not settled").count(), 1, "{log}");
    for (name, standin) in [("cloudwatch", &services.cloudwatch), ("search", &services.opensearch)] {
        until_bodies(name, standin, &["one", "two"], &agent);
    }
}

#[test]
fn wrong_credentials_are_named_and_the_exit_is_1() {
    let place = Place::new();
    let services = services_of_somebody_else();
    append(&container(&place, "shop", "cart").join("0.log"), cri("one"));
    let config = place.config("", &services.outputs());
    let mut agent = place.run(&config, &["--once", "--give-up", "2s"]);
    let ended = agent.wait(SOON);
    let log = agent.log();
    assert_eq!(ended.code(), Some(1), "{log}");
    for (output, code) in [("cloudwatch", "UnrecognizedClientException"), ("archive", "InvalidAccessKeyId")] {
        let line = log.lines().find(|l| l.contains("not settled") && l.contains(output));
        assert!(line.is_some_and(|l| l.contains(code)), "{output}: {log}");
    }
    until_bodies("search", &services.opensearch, &["one"], &agent);
}

#[test]
fn once_on_a_data_dir_in_use_is_69_and_names_the_holder() {
    let stage = Stage::new();
    let mut second = stage.place.run(&stage.config, &["--once"]);
    let ended = second.wait(SOON);
    let log = second.log();
    assert_eq!(ended.code(), Some(69), "{log}");
    let line = log.lines().find(|l| l.contains("cannot start")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains(&format!("pid {}", stage.agent.pid())), "{line}");
    assert!(line.contains(stage.place.data_dir().to_str().unwrap()), "{line}");
}

#[test]
fn a_line_without_its_end_and_a_join_without_its_end_are_taken_by_once() {
    let place = Place::new();
    let services = Services::start();
    let dir = container(&place, "shop", "cart");
    let mut bytes = cri("whole");
    bytes.extend(crate::logs::cri_with("stdout P", "begun and "));
    let torn = cri_with_no_newline("never ended");
    bytes.extend(crate::logs::cri_with("stderr F", "other"));
    bytes.extend(torn);
    append(&dir.join("0.log"), bytes);
    let config = place.config("", &services.outputs());
    let mut agent = place.run(&config, &["--once"]);
    let ended = agent.wait(SOON);
    assert_eq!(ended.code(), Some(0), "{}", agent.log());
    for (name, standin) in services.each() {
        until_bodies(name, standin, &["whole", "other", "begun and never ended"], &agent);
    }
}

fn cri_with_no_newline(body: &str) -> Vec<u8> {
    let mut line = cri(body);
    line.pop();
    line
}
