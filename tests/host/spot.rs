//! A spot interruption notice: everything is due at once, and what is still written goes out until the machine does.

use crate::Stage;
use crate::metadata::Metadata;
use crate::support::{Agent, SOON, free_port, until_or};
use std::time::Duration;
use tailrace::standin::{Fault, Rule};

const ON: &str = "shutdown_timeout: 20s\nspot_notice: on";
const NOTICE: &str = r#"{"action": "terminate", "time": "2026-11-22T10:15:00Z"}"#;

/// Nothing would be due for an hour.
fn late(outputs: String) -> String {
    outputs.replace("max_age: 200ms", "max_age: 1h").replace("max_age: 500ms", "max_age: 1h")
}

fn run(stage: &Stage, metadata: &str) -> Agent {
    let agent = stage.run(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)]);
    agent.until_ready();
    agent
}

fn arrived(stage: &Stage) -> u64 {
    stage.services.each().iter().map(|(_, standin)| standin.control.receipts().totals().records).sum()
}

#[test]
fn a_notice_sends_everything_at_once_and_what_is_written_after_it_too() {
    let (stage, metadata) = (Stage::new(ON, late), Metadata::start("spot"));
    let mut agent = run(&stage, &metadata.standin.url);
    stage.say("before");
    let asked = || metadata.asked("ImdsPage", "404") >= 2;
    until_or("two looks without a notice", SOON, asked, || agent.log());
    let tokens = || (metadata.asked("ImdsToken", "200"), metadata.asked("ImdsPage", "401"));
    assert_eq!((arrived(&stage), tokens()), (0, (1, 0)));
    metadata.end_tokens();
    metadata.page("spot/instance-action", NOTICE);
    stage.until_records(1, &agent);
    assert_eq!(tokens(), (2, 1), "one token more");
    // The two minutes: containers say their last words.
    for count in 2..5 {
        stage.say("after");
        stage.until_records(count, &agent);
    }
    // A configuration that is taken up meanwhile makes nobody slow again.
    let text = std::fs::read_to_string(&stage.config).unwrap();
    std::fs::write(&stage.config, text.replace("/tailrace/test", "/tailrace/other")).unwrap();
    let taken = || agent.log().contains("the configuration changed and is in effect");
    until_or("the other configuration", SOON, taken, || agent.log());
    stage.say("after that");
    stage.until_records(5, &agent);
    assert!(agent.is_running(), "containers still write: it stays");
    assert_eq!(agent.get("/readyz").map(|(status, _)| status), Some(200));
    assert_eq!(agent.metrics().sum("tailrace_draining", &[]), Some(1.0));
    let log = agent.log();
    assert_eq!(log.matches("spot notice: draining").count(), 1, "{log}");
    assert!(log.contains("terminate") && log.contains("2026-11-22T10:15:00Z"), "{log}");
    assert!(agent.stop(SOON).success(), "{}", agent.log());
    assert!(agent.log().contains("everything read is settled"), "{}", agent.log());
}

#[test]
fn a_notice_that_is_there_already_is_heeded_from_the_start() {
    let (stage, metadata) = (Stage::new(ON, late), Metadata::start("spot"));
    metadata.page("spot/instance-action", NOTICE);
    let agent = run(&stage, &metadata.standin.url);
    stage.say("the last words");
    stage.until_records(1, &agent);
}

#[test]
fn an_instance_that_is_no_spot_instance_asks_once() {
    let (stage, metadata) = (Stage::new(ON, |outputs| outputs), Metadata::start("on-demand"));
    let agent = run(&stage, &metadata.standin.url);
    until_or("the question", SOON, || metadata.asked("ImdsPage", "200") == 1, || agent.log());
    // Longer than between two looks.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(metadata.asked_at_all(), 2, "{:?}", metadata.standin.control.requests());
}

#[test]
fn where_nothing_answers_it_is_said_once_and_delivery_goes_on() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    // A hop limit of 1, and a container behind a bridge: the token does not arrive.
    let hop_limit = Metadata::start("spot");
    hop_limit.standin.control.fault(Rule::always(Fault::Hang { done: false }).on("ImdsToken"));
    for metadata in [&nobody, &hop_limit.standin.url] {
        let stage = Stage::new(ON, |outputs| outputs);
        let mut agent = run(&stage, metadata);
        until_or("it to be said", SOON, || agent.log().contains("hop limit"), || agent.log());
        stage.say("delivered");
        stage.until_records(1, &agent);
        // The next question has been asked in vain by then.
        std::thread::sleep(Duration::from_secs(11));
        assert_eq!(agent.log().matches("hop limit").count(), 1, "{}", agent.log());
        assert!(agent.stop(SOON).success());
    }
    let asked = hop_limit.asked("ImdsToken", "hang");
    assert!((1..=2).contains(&asked), "ever more rarely, not {asked} times");
}

#[test]
fn nobody_asks_where_the_key_says_off_or_a_run_is_over_by_itself() {
    let metadata = Metadata::start("spot");
    let stage = Stage::new("spot_notice: off", |outputs| outputs);
    let mut agent = run(&stage, &metadata.standin.url);
    stage.say("delivered");
    stage.until_records(1, &agent);
    assert!(agent.stop(SOON).success());
    let stage = Stage::new(ON, |outputs| outputs);
    stage.say("delivered");
    let args = ["run", "--once", "-c", stage.config.to_str().unwrap()];
    let env = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.standin.url.as_str())];
    let mut agent = Agent::start_with(stage.place.path(), &args, stage.place.admin, &env);
    assert!(agent.wait(SOON).success(), "{}", agent.log());
    assert_eq!(metadata.asked_at_all(), 0);
}
