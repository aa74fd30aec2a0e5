//! Another configuration while the agent runs: what changed is built anew, nothing else is touched, nothing is lost or comes twice.

use crate::change::{REFUSED, TAKEN_UP, change, metric, put};
use crate::logs::{append, container, cri};
use crate::stage::{Stage, busy, until_bodies};
use crate::support::{SOON, Services, now, until_or, write_for};
use rustix::process::Signal;
use std::time::Duration;
use tailrace::standin::writer::Writer;
use tailrace::standin::{Fault, Rule, audit};

/// The text of one output, as it stands below `outputs:`.
fn output<'a>(text: &'a str, name: &str) -> &'a str {
    let begin = text.find(&format!("\n  {name}:\n")).unwrap() + 1;
    let rest = &text[begin + 2..];
    let end = rest
        .match_indices("\n  ")
        .find(|(at, _)| !rest[at + 3..].starts_with(' '))
        .map_or(rest.len(), |(at, _)| at + 1);
    &text[begin..begin + 2 + end]
}

fn shown(stage: &Stage) -> Vec<String> {
    let page = stage.agent.get("/api/lanes").map(|(_, body)| body).unwrap_or_default();
    let page: serde_json::Value = serde_json::from_str(&page).unwrap_or_default();
    let lanes = page["lanes"].as_array().cloned().unwrap_or_default();
    lanes.iter().map(|lane| lane["output"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn while_lines_come_outputs_are_changed_removed_renamed_moved_and_added_and_each_line_arrives_once() {
    let mut stage = Stage::with("memory_limit: 100MiB", |outputs| outputs);
    let more = Services::start();
    let mut writer = Writer::new(&stage.place.pods(), 71, busy(), now()).unwrap();
    let mut write_for = |millis| write_for(&mut writer, Duration::from_millis(millis));
    let pid = stage.agent.pid();
    write_for(700);
    change(&stage, TAKEN_UP, |text| text.replace("max_age: 500ms", "max_age: 400ms"));
    write_for(700);
    let whole = std::fs::read_to_string(&stage.config).unwrap();
    let cloudwatch = output(&whole, "cloudwatch").to_owned();
    change(&stage, TAKEN_UP, |text| text.replace(&cloudwatch, ""));
    until_or("cloudwatch to go", SOON, || shown(&stage) == ["archive", "search"], || stage.agent.log());
    write_for(700);
    change(&stage, TAKEN_UP, |text| text.replace("  search:\n", "  find:\n    id: search\n"));
    write_for(700);
    // It was away, and goes on where it stood.
    change(&stage, TAKEN_UP, |text| text.replace("outputs:\n", &format!("outputs:\n{cloudwatch}")));
    write_for(700);
    // A new one, which begins at the beginning; other files to look for, which means all of it anew.
    let copy = output(&whole, "search")
        .replace("  search:", "  copy:")
        .replace(&stage.services.opensearch.url, &more.opensearch.url);
    change(&stage, TAKEN_UP, |text| format!("{text}{copy}"));
    write_for(700);
    change(&stage, TAKEN_UP, |text| {
        text.replace("metadata: {source: path}", "metadata: {source: path}\n    exclude: [/nothing/*]")
    });
    write_for(700);
    writer.finish(now()).unwrap();
    stage.until_all_arrived(&mut writer);
    let copied = || audit::compare("copy", writer.ledger(), more.opensearch.control.receipts());
    until_or(
        "everything in the new output",
        SOON,
        || copied().lost == 0,
        || format!("{:?}\n{}", copied(), stage.agent.log()),
    );
    assert_eq!(shown(&stage), ["cloudwatch", "archive", "find", "copy"]);
    assert_eq!(stage.agent.pid(), pid);
    assert!(stage.agent.is_running());
    stage.assert_exactly_once(&writer);
    assert!(copied().is_clean() && copied().duplicates == 0, "{:?}", copied());
    assert_eq!(metric(&stage, REFUSED), 0);
}

#[test]
fn an_output_that_did_not_change_keeps_what_it_has_in_flight_and_its_parked_state() {
    let mut stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("one"));
    stage.until_bodies(&["one"]);
    stage.until_settled();
    let busy = Fault::Status { code: 403, error: "AccessDenied".into(), retry_after: None };
    stage.services.s3.control.fault(Rule::always(busy));
    stage.services.opensearch.control.fault(Rule::times(1, Fault::Slow { millis: 4_000 }).on("_bulk"));
    append(&file, cri("two"));
    let in_flight = || stage.lane("search")["in_flight"]["requests"] == 1;
    until_or("a request in flight", SOON, in_flight, || stage.agent.log());
    let since = || stage.lane("archive")["parked_keys"][0]["since"].as_str().map(str::to_owned);
    until_or("a parked key", SOON, || since().is_some(), || stage.lane("archive").to_string());
    let parked = since();
    let requests = stage.lane("search")["sent"]["requests"].clone();
    change(&stage, TAKEN_UP, |text| text.replacen("max_age: 200ms", "max_age: 300ms", 1));
    until_or("the changed lane", SOON, || stage.lane("cloudwatch")["sent"]["requests"] == 0, || stage.agent.log());
    assert!(in_flight(), "the slow request was not in flight any more: {}", stage.lane("search"));
    assert_eq!((since(), &stage.lane("search")["sent"]["requests"]), (parked, &requests));
    until_bodies("search", &stage.services.opensearch, &["one", "two"], &stage.agent);
    assert_eq!(stage.lane("search")["already"], 0);
    stage.services.s3.control.clear_faults();
    // What waited for five minutes at most is sent at the latest when the process ends.
    assert!(stage.agent.stop(SOON).success());
    stage.until_bodies(&["one", "two"]);
}

#[test]
fn a_bad_file_changes_nothing_and_all_that_is_wrong_with_it_is_in_the_log_a_metric_and_on_the_page() {
    let stage = Stage::new();
    let good = std::fs::read_to_string(&stage.config).unwrap();
    let sha = || {
        stage
            .agent
            .get("/metrics")
            .unwrap()
            .1
            .lines()
            .find(|l| l.starts_with("tailrace_config_info{"))
            .unwrap()
            .to_owned()
    };
    let (before, file) = (sha(), container(&stage.place, "shop", "cart").join("0.log"));
    append(&file, cri("one"));
    stage.until_bodies(&["one"]);
    change(&stage, REFUSED, |text| {
        text.replace("bucket: logs", "buckets: logs").replace("max_age: 200ms", "max_age: 1")
    });
    assert_eq!((metric(&stage, "tailrace_config_last_reload_success"), metric(&stage, TAKEN_UP)), (0, 0));
    let page = stage.agent.get("/").unwrap().1;
    let log = stage.agent.log();
    for word in [
        "outputs.archive.bucket",
        "outputs.archive.buckets",
        "outputs.cloudwatch.max_age",
        "outputs.search.max_age",
        "refused",
    ] {
        assert!(page.contains(word) && log.contains(word), "{word}: {page}\n{log}");
    }
    // So does what needs another process, more memory than there is, a file that is not there.
    let refused = |with: &dyn Fn(&str) -> String, say: &str| {
        put(&stage.config, &good);
        change(&stage, REFUSED, with);
        let page = stage.agent.get("/").unwrap().1;
        assert!(page.contains(say), "{say}: {page}");
    };
    refused(&|text| text.replace("/data\n", "/elsewhere\n"), "data_dir: cannot change while this process runs");
    refused(&|text| text.replace("admin: {listen: \"127", "admin: {listen: \"0"), "admin.listen: cannot change");
    refused(&|text| format!("memory_limit: 20MiB\n{text}"), "cannot hold one batch for each output");
    refused(
        &|text| text.replace("index:", "ca_file: /no/such.pem\n    index:"),
        "outputs.search.ca_file: the file cannot be read here",
    );
    std::fs::remove_file(&stage.config).unwrap();
    stage.agent.signal(Signal::HUP);
    until_or("it to be missed", SOON, || metric(&stage, REFUSED) == 6, || stage.agent.log());
    append(&file, cri("two"));
    stage.until_bodies(&["one", "two"]);
    assert_eq!((sha(), stage.agent.get("/readyz").unwrap().0), (before.clone(), 200));
    // The good one again: nothing to build, and all is well.
    put(&stage.config, &good);
    stage.agent.signal(Signal::HUP);
    until_or("all well", SOON, || metric(&stage, "tailrace_config_last_reload_success") == 1, || stage.agent.log());
    assert_eq!(sha(), before);
    assert!(!stage.agent.get("/").unwrap().1.contains("was refused"));
    assert!(!stage.agent.log().contains("ended for the changed configuration"), "a lane was built anew for nothing");
}

#[test]
fn a_changed_file_is_seen_without_a_signal_also_behind_the_links_of_a_config_map() {
    let mut stage = Stage::new();
    let dir = stage.place.path().join("map");
    let text = std::fs::read_to_string(&stage.config).unwrap();
    // As kubelet lays out a ConfigMap: the file is a link through `..data`, which is swapped.
    let version = |name: &str, text: &str| {
        std::fs::create_dir_all(dir.join(name)).unwrap();
        std::fs::write(dir.join(name).join("tailrace.yaml"), text).unwrap();
        std::os::unix::fs::symlink(name, dir.join("..data_tmp")).unwrap();
        std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    };
    version("..1", &text);
    stage.config = dir.join("tailrace.yaml");
    std::os::unix::fs::symlink("..data/tailrace.yaml", &stage.config).unwrap();
    assert!(stage.agent.stop(SOON).success());
    stage.start_again();
    version("..2", &text.replace("archive:", "store:\n    id: archive"));
    until_or("the new name", SOON, || shown(&stage) == ["cloudwatch", "store", "search"], || stage.agent.log());
    // Written in place, in pieces: none of which is ever a configuration.
    let file = dir.join("..2/tailrace.yaml");
    let (half, rest) = text.split_at(text.find("  search:").unwrap() + 20);
    std::fs::write(&file, half).unwrap();
    append(&file, rest);
    until_or("the old name", SOON, || shown(&stage) == ["cloudwatch", "archive", "search"], || stage.agent.log());
    assert_eq!((metric(&stage, TAKEN_UP), metric(&stage, REFUSED)), (2, 0));
}

#[test]
fn no_change_waits_for_a_destination_that_does_not_answer_and_what_it_had_is_delivered_by_the_next_lane() {
    let mut stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    append(&file, cri("one"));
    stage.until_bodies(&["one"]);
    stage.until_settled();
    for (_, standin) in stage.services.each() {
        // Done or not, nobody says. Once: a new lane may ask again before anything else could be said here.
        standin.control.fault(Rule::times(1, Fault::Hang { done: true }));
    }
    append(&file, cri("two"));
    let hang = |name| stage.lane(name)["in_flight"]["requests"].as_u64() > Some(0);
    until_or(
        "requests that hang",
        SOON,
        || hang("search") && hang("archive") && hang("cloudwatch"),
        || stage.agent.log(),
    );
    let begun = now().mono;
    change(&stage, TAKEN_UP, |text| {
        text.replace("concurrency: 3", "").replace("inputs: [pods]", "inputs: [pods]\n    concurrency: 3")
    });
    let ended = || stage.agent.log().matches("ended for the changed configuration").count() == 3;
    // A request may hang for half a minute and longer.
    until_or("new lanes", Duration::from_secs(15), ended, || stage.agent.log());
    println!("built anew within {:?} while nobody answers", now().mono - begun);
    append(&file, cri("three"));
    stage.services.each().iter().for_each(|(_, standin)| standin.control.clear_faults());
    for (name, standin) in stage.services.each().iter().skip(1) {
        until_bodies(name, standin, &["one", "two", "three"], &stage.agent);
    }
    let all = || crate::stage::bodies(&stage.services.cloudwatch).contains(&"three".to_owned());
    until_or("the last line in cloudwatch", SOON, all, || stage.agent.log());
    // There a second time may be, and is counted.
    let possible = || {
        stage.agent.metrics().sum("tailrace_output_possible_duplicates_total", &[("output", "cloudwatch")]) == Some(1.0)
    };
    until_or("it to be counted", SOON, possible, || stage.lane("cloudwatch").to_string());
    assert_eq!(crate::stage::bodies(&stage.services.cloudwatch), ["one", "three", "two", "two"]);
    assert!(stage.agent.stop(SOON).success());
}

#[test]
fn a_configuration_from_a_pipe_is_read_once_and_a_sighup_changes_nothing() {
    let mut stage = Stage::new();
    assert!(stage.agent.stop(SOON).success());
    let pipe = stage.place.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let text = std::fs::read(&stage.config).unwrap();
    let to = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(to, text).unwrap());
    stage.config = pipe;
    stage.start_again();
    writer.join().unwrap();
    stage.agent.signal(Signal::HUP);
    let said = || stage.agent.log().contains("did not come from a file");
    until_or("a word about it", SOON, said, || stage.agent.log());
    append(&container(&stage.place, "shop", "cart").join("0.log"), cri("one"));
    stage.until_bodies(&["one"]);
    assert_eq!((metric(&stage, TAKEN_UP), metric(&stage, REFUSED)), (0, 0));
}
