//! Everything written arrives, once, in all three outputs, as it was written.

use crate::logs::{append, container, cri, cri_with, stamp};
use crate::stage::{Stage, documents};
use crate::support::{Place, SOON, Services, now, until_or, write};
use std::time::Duration;
use tailrace::standin::writer::{Options, Runtime, Shape, Writer};

/// A node in a hurry: rotation every second, restarts, pods that come and go.
fn hurry(runtime: Runtime) -> Options {
    Options {
        pods: 3,
        containers: 2,
        passing_pods: 2,
        pod_life: Duration::from_secs(2),
        lines_per_second: 4_000,
        rotate_at: 64 << 10,
        rotate_every: Duration::from_millis(500),
        max_files: 5,
        restart_every: Some(Duration::from_millis(800)),
        remove_after: Duration::from_secs(3),
        runtime,
        ..Options::default()
    }
}

fn packed_files(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let count = |entry: std::fs::DirEntry| {
        let path = entry.path();
        if path.is_dir() { packed_files(&path) } else { usize::from(path.extension().is_some_and(|e| e == "gz")) }
    };
    entries.map(count).sum()
}

fn a_node_in_a_hurry(runtime: Runtime, seed: u64) {
    let mut stage = Stage::new();
    let mut writer = Writer::new(&stage.place.pods(), seed, hurry(runtime), now()).unwrap();
    write(&mut writer, 16_000);
    assert!(packed_files(&stage.place.pods()) > 0, "nothing was rotated twice: this test tests nothing");
    stage.until_all_arrived(&mut writer);
    // The beginning of a line that a container did not end counts as its last one some seconds later.
    stage.until_settled();
    let ended = stage.agent.stop(SOON);
    assert!(ended.success(), "{ended}");
    stage.assert_exactly_once(&writer);
    assert!(stage.agent.log().contains("everything read is settled"), "{}", stage.agent.log());
}

#[test]
fn everything_that_containerd_and_kubelet_make_of_a_busy_node_arrives_once() {
    a_node_in_a_hurry(Runtime::Containerd, 11);
}

#[test]
fn everything_that_docker_makes_of_a_busy_node_arrives_once() {
    a_node_in_a_hurry(Runtime::Docker, 12);
}

#[test]
fn any_bytes_arrive_and_a_line_beyond_max_record_comes_in_marked_pieces() {
    let place = Place::new();
    let services = Services::start();
    let config = place.config("", &services.outputs());
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("metadata: {source", "max_record: 1KiB\n    metadata: {source")).unwrap();
    let dir = container(&place, "shop", "cart");
    let long: String = (0..3_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let mut bytes = Vec::new();
    for body in [&b"plain"[..], b"nul \0 here", b"bad \xff\xc3 bytes", b"carriage\r", b"", b"\"quoted\" \\ \x1b[1m"] {
        bytes.extend(cri(body));
    }
    bytes.extend(cri_with("stdout P", "one "));
    bytes.extend(cri_with("stderr F", "in between"));
    bytes.extend(cri_with("stdout P", "two "));
    bytes.extend(cri_with("stdout F", "three"));
    append(&dir.join("0.log"), bytes);
    let agent = place.run(&config, &[]);
    let stage = Stage { agent, services, place, config };
    stage.until_bodies(&[
        "plain",
        "nul \0 here",
        "bad \u{fffd}\u{fffd} bytes",
        "carriage\r",
        "",
        "\"quoted\" \\ \u{1b}[1m",
        "in between",
        "one two three",
    ]);
    // As one physical line, and as parts that are too much together.
    let mut bytes = cri(&long);
    for part in long.as_bytes().chunks(600) {
        bytes.extend(cri_with("stderr P", part));
    }
    bytes.extend(cri_with("stderr F", ""));
    append(&dir.join("0.log"), bytes);
    for (name, standin) in stage.services.each() {
        let pieces = |stream: &str| {
            let pieces = documents(standin).into_iter().filter(|d| d["partial"] == true && d["stream"] == stream);
            pieces.map(|d| d["log"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        for stream in ["stdout", "stderr"] {
            let say = || format!("{:?}", pieces(stream));
            until_or(&format!("all of the long line in {name}"), SOON, || pieces(stream).concat() == long, say);
            let pieces = pieces(stream);
            // A physical line may be longer than max_record by what a runtime writes before a body.
            let lengths: Vec<usize> = pieces.iter().map(String::len).collect();
            assert!(
                lengths.len() >= 3 && lengths.iter().all(|len| *len <= 1_024 + 64),
                "{name}, {stream}: {lengths:?}"
            );
        }
        let error = documents(standin).into_iter().find(|d| d["log"] == "in between").unwrap();
        assert_eq!(error["stream"], "stderr", "{name}");
    }
}

#[test]
fn docker_lines_arrive_unescaped_and_joined() {
    let stage = Stage::new();
    let file = container(&stage.place, "shop", "cart").join("0.log");
    let line = |log: &str| format!("{{\"log\":\"{log}\",\"stream\":\"stdout\",\"time\":\"{}\"}}\n", stamp());
    append(&file, line("a \\u003cb\\u003e \\\"c\\\"\\n") + &line("first ") + &line("second\\n") + &line("\\n"));
    stage.until_bodies(&["a <b> \"c\"", "first second", ""]);
}

#[test]
fn a_document_says_when_who_and_what() {
    let stage = Stage::new();
    let file = container(&stage.place, "shop", "cart-1").join("3.log");
    let time = stamp();
    append(&file, format!("{time} stderr F hello\n"));
    stage.until_bodies(&["hello"]);
    for (name, standin) in stage.services.each() {
        let document = documents(standin).remove(0);
        assert_eq!(document["time"], time, "{name}");
        assert_eq!(document["stream"], "stderr", "{name}");
        let kubernetes = &document["kubernetes"];
        assert_eq!(kubernetes["namespace_name"], "shop", "{name}: {document}");
        assert_eq!(kubernetes["pod_name"], "cart-1", "{name}: {document}");
        assert_eq!(kubernetes["container_name"], "main", "{name}: {document}");
        assert!(kubernetes["pod_id"].as_str().is_some_and(|id| id.len() == 36), "{name}: {document}");
        assert!(kubernetes["host"].as_str().is_some_and(|host| !host.is_empty()), "{name}: {document}");
        assert_eq!(document["@timestamp"].as_str(), (name == "search").then_some(&*time), "{name}");
    }
}

#[test]
fn a_plain_file_arrives_line_by_line_also_through_a_truncation_in_place() {
    let place = Place::new();
    let services = Services::start();
    let log = place.path().join("app.log");
    append(&log, "first\nsecond\r\n\nunfinished");
    let config = place.config("", &services.outputs());
    let text = std::fs::read_to_string(&config).unwrap();
    let (before, _) = text.split_once("inputs:\n  pods:").unwrap();
    let (_, after) = text.split_once("outputs:\n").unwrap();
    let input = format!("inputs:\n  pods:\n    type: file\n    include: [\"{}/*.log\"]\n", place.path().display());
    let after =
        after.replace("{kubernetes.namespace_name}", "{host}").replace("log_group: ", "log_stream: s\n    log_group: ");
    std::fs::write(
        &config,
        format!("{before}{input}    exclude: [\"{}/agent.log\"]\noutputs:\n{after}", place.path().display()),
    )
    .unwrap();
    let agent = place.run(&config, &[]);
    let stage = Stage { agent, services, place, config };
    stage.until_bodies(&["first", "second\r", ""]);
    append(&log, " line\n");
    stage.until_bodies(&["first", "second\r", "", "unfinished line"]);
    // copytruncate: the same inode begins anew.
    std::fs::write(&log, "after\n").unwrap();
    stage.until_bodies(&["first", "second\r", "", "unfinished line", "after"]);
}

#[test]
fn the_time_from_the_lines_stamp_to_delivered_is_measured_and_shown() {
    let stage = Stage::new();
    let options = Options { lines_per_second: 2_000, mix: vec![(Shape::Text, 1)], ..Options::default() };
    let mut writer = Writer::new(&stage.place.pods(), 13, options, now()).unwrap();
    let began = now().mono;
    write(&mut writer, 4_000);
    stage.until_all_arrived(&mut writer);
    let whole = (now().mono - began).as_secs_f64();
    for output in ["cloudwatch", "archive", "search"] {
        let p99 = || stage.lane(output)["delivery_seconds"]["p99"].as_f64();
        until_or("a delivery's time", SOON, || p99().is_some(), || stage.agent.log());
        let p99 = p99().unwrap();
        println!("{output}: from the line's stamp to delivered, p99 {p99:.3} s");
        // No line can have taken longer than all of it did, but for the steps in which it is counted.
        assert!(p99 > 0.0 && p99 < whole * 1.25 + 1.0, "{output}: {p99} s of {whole} s: {}", stage.lane(output));
    }
}

#[test]
fn a_line_longer_than_what_a_batch_aims_at_arrives() {
    let place = Place::new();
    let services = Services::start();
    let config = place.config("", &services.outputs());
    let dir = container(&place, "shop", "cart");
    let long = "Z".repeat(900_000);
    let mut bytes = cri("first");
    bytes.extend(cri(&long));
    bytes.extend(cri("last"));
    append(&dir.join("0.log"), bytes);
    let agent = place.run(&config, &[]);
    let stage = Stage { agent, services, place, config };
    stage.until_bodies(&["first", &long, "last"]);
}
