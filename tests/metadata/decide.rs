//! Whose lines are read: what pods say of themselves where they may, and the operator's selectors.

use crate::api::{Api, Mode};
use crate::rig::{Pod, Rig};
use crate::support::{Agent, SOON, now, until_or};
use std::fs::File;
use std::io::Write;
use std::process::Command;

const MAY: &str = "    pods_may: [exclude, parser]\n";

impl Pod {
    fn with_annotations(&self, annotations: &[(&str, &str)]) -> Pod {
        let annotations = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Pod { annotations, ..self.clone() }
    }
}

fn excluded(agent: &Agent, input: &str, reason: &str) -> f64 {
    let labels = [("input", input), ("reason", reason)];
    agent.metrics().sum("tailrace_input_excluded_bytes_total", &labels).unwrap_or(-1.0)
}
fn size(rig: &Rig, pod: &Pod) -> f64 {
    std::fs::metadata(rig.file(pod, &pod.uid)).unwrap().len() as f64
}
fn nowhere(rig: &Rig, log: &str) -> bool {
    rig.services.each().iter().all(|(_, at)| Rig::arrived(at, log).is_empty())
}
fn complain(rig: &Rig, pod: &Pod, text: &str) {
    let time = jiff::Timestamp::from_nanosecond(now().unix_ns.into()).unwrap();
    let mut file = File::options().append(true).open(rig.file(pod, &pod.uid)).unwrap();
    file.write_all(format!("{time:.9} stderr F {text}\n").as_bytes()).unwrap();
}
/// Says something again and again until an excluded byte more is counted: from then on the agent knows.
fn until_left_out(rig: &Rig, pod: &Pod, agent: &Agent, said: &str) {
    let (before, mut n) = (excluded(agent, "pods", "pod"), 0);
    until_or(
        "the pod is left out",
        SOON,
        || {
            n += 1;
            rig.say(pod, &format!("{said} {n}"));
            excluded(agent, "pods", "pod") > before
        },
        || agent.log(),
    );
}
fn until_heard_again(rig: &Rig, pod: &Pod, agent: &Agent, said: &str) {
    let mut n = 0;
    let back = || {
        n += 1;
        rig.say(pod, &format!("{said} {n}"));
        (1..=n).any(|n| !Rig::arrived(&rig.services.opensearch, &format!("{said} {n}")).is_empty())
    };
    until_or("the pod is read again", SOON, back, || agent.log());
}
/// Every byte has one fate, says `tailrace audit` of what the agent left.
fn audited(rig: &Rig) -> String {
    let config = rig.place.path().join("tailrace.yaml");
    let mut audit = Command::new(env!("CARGO_BIN_EXE_tailrace"));
    let out = audit.args(["audit", "--files", "-c", config.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    said
}
/// Bytes that the audit still calls to do, of all outputs.
fn to_do(audit: &str) -> Vec<&str> {
    let rows =
        audit.lines().filter(|line| ["cloudwatch", "archive", "search"].iter().any(|name| line.starts_with(name)));
    let rows = rows.filter(|line| line.ends_with("ok"));
    rows.filter_map(|line| line.split_whitespace().nth(7)).collect()
}

#[test]
fn pods_leave_themselves_out_by_annotation_or_label_and_are_counted() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    rig.input = MAY.to_owned();
    let by_annotation = Pod::new(1, &[]).with_annotations(&[("fluentbit.io/exclude", "true")]);
    let by_label = Pod::new(2, &["tailrace.io/exclude=true"]);
    let other_container = Pod::new(3, &[]).with_annotations(&[("fluentbit.io/exclude-proxy", "true")]);
    let pods = [&by_annotation, &by_label, &other_container];
    pods.iter().for_each(|pod| api.put(&pod.json()));
    let mut agent = rig.start(api.addr, ", wait: 60s");
    pods.iter().for_each(|pod| rig.say(pod, &pod.name));
    rig.everywhere("web-3", &agent);
    rig.say(&by_label, "more");
    let out = || size(&rig, &by_annotation) + size(&rig, &by_label);
    until_or("both are counted", SOON, || excluded(&agent, "pods", "pod") == out(), || agent.log());
    rig.say(&other_container, "last");
    for (_, document) in rig.everywhere("last", &agent) {
        assert!(document["kubernetes"]["annotations"].is_null(), "{document}");
    }
    assert!(["web-1", "web-2", "more"].iter().all(|log| nowhere(&rig, log)));
    // Not one of their lines was read.
    for output in ["cloudwatch", "archive", "search"] {
        let lines = || agent.metrics().sum("tailrace_output_lines_total", &[("output", output)]);
        until_or("two lines", SOON, || lines() == Some(2.0), || agent.log());
    }
    assert!(agent.stop(SOON).success());
    let audit = audited(&rig);
    assert_eq!(to_do(&audit), ["0", "0", "0"], "{audit}");
}

#[test]
fn a_pod_that_may_not_say_so_is_read() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let asks = [("fluentbit.io/exclude", "true"), ("fluentbit.io/parser", "json")];
    let pod = Pod::new(1, &["tailrace.io/exclude=true"]).with_annotations(&asks);
    api.put(&pod.json());
    let agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&pod, r#"{"a":1}"#);
    for (_, document) in rig.everywhere(r#"{"a":1}"#, &agent) {
        assert!(document["log_processed"].is_null());
    }
}

#[test]
fn what_a_pod_says_later_holds_from_then_on_also_over_a_restart() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    rig.input = MAY.to_owned();
    let pod = Pod::new(1, &["app=web"]);
    let hidden = pod.with_annotations(&[("tailrace.io/exclude", "true")]);
    api.put(&pod.json());
    let mut agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&pod, "before");
    rig.everywhere("before", &agent);
    api.put(&hidden.json());
    until_left_out(&rig, &pod, &agent, "turning");
    rig.say(&pod, "hidden");
    assert!(agent.stop(SOON).success());
    assert_eq!(to_do(&audited(&rig)), ["0", "0", "0"]);
    rig.say(&pod, "hidden while nobody ran");
    let mut agent = rig.start(api.addr, ", wait: 60s");
    until_left_out(&rig, &pod, &agent, "still hidden");
    api.put(&pod.json());
    until_heard_again(&rig, &pod, &agent, "again");
    rig.say(&pod, "after");
    rig.everywhere("after", &agent);
    // Killed: what was hidden stays hidden, what was delivered comes once.
    agent.kill();
    let mut agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&pod, "at last");
    rig.everywhere("at last", &agent);
    assert!(nowhere(&rig, "hidden") && nowhere(&rig, "hidden while nobody ran") && nowhere(&rig, "still hidden 1"));
    for log in ["before", "after", "at last"] {
        assert_eq!(Rig::arrived(&rig.services.opensearch, log).len(), 1, "{log}");
    }
    assert!(agent.stop(SOON).success());
    assert_eq!(to_do(&audited(&rig)), ["0", "0", "0"]);
}

#[test]
fn what_was_written_before_a_pod_left_itself_out_arrives_though_it_is_read_later() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    rig.input = MAY.to_owned();
    let (pod, probe) = (Pod::new(1, &[]), Pod::new(2, &[]));
    let hidden = pod.with_annotations(&[("fluentbit.io/exclude", "true")]);
    [&pod, &probe].iter().for_each(|pod| api.put(&pod.json()));
    // The archive holds its lines for so long that both changes come before it has read one.
    rig.outputs = Some(rig.services.outputs().replace("max_age: 500ms", "max_age: 600s"));
    let mut agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&pod, "owed");
    let search = &rig.services.opensearch;
    until_or("the line", SOON, || !Rig::arrived(search, "owed").is_empty(), || agent.log());
    api.put(&hidden.json());
    until_left_out(&rig, &pod, &agent, "turning");
    rig.say(&pod, "hidden");
    api.put(&pod.json());
    until_heard_again(&rig, &pod, &agent, "again");
    rig.say(&pod, "last");
    until_or("the last line", SOON, || !Rig::arrived(search, "last").is_empty(), || agent.log());
    assert!(Rig::arrived(&rig.services.s3, "owed").is_empty());
    assert!(agent.stop(SOON).success());
    assert_eq!(Rig::arrived(&rig.services.s3, "owed").len(), 1);
    assert!(nowhere(&rig, "hidden"));
    let audit = audited(&rig);
    assert_eq!(to_do(&audit), ["0", "0", "0"], "{audit}");
}

#[test]
fn one_stream_of_a_container_is_left_out_record_by_record() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    rig.input = MAY.to_owned();
    let pod = Pod::new(1, &[]).with_annotations(&[("fluentbit.io/exclude_stderr-main", "true")]);
    api.put(&pod.json());
    let mut agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&pod, "one");
    complain(&rig, &pod, "two");
    complain(&rig, &pod, "three");
    rig.say(&pod, "four");
    rig.everywhere("one", &agent);
    rig.everywhere("four", &agent);
    assert!(nowhere(&rig, "two") && nowhere(&rig, "three"));
    for output in ["cloudwatch", "archive", "search"] {
        let labels = [("output", output), ("reason", "excluded")];
        let dropped = || agent.metrics().sum("tailrace_output_dropped_records_total", &labels);
        until_or("both are counted", SOON, || dropped() == Some(2.0), || format!("{:?}", agent.get("/metrics")));
    }
    assert!(agent.stop(SOON).success());
    assert_eq!(to_do(&audited(&rig)), ["0", "0", "0"]);
}

#[test]
fn a_pod_chooses_json_and_what_there_is_not_is_said() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    rig.input = MAY.to_owned();
    let json = Pod::new(1, &[]).with_annotations(&[("fluentbit.io/parser", "json")]);
    let strange = Pod::new(2, &[]).with_annotations(&[("fluentbit.io/parser_stdout", "nginx")]);
    [&json, &strange].iter().for_each(|pod| api.put(&pod.json()));
    let agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&json, r#"{"a":1}"#);
    rig.say(&strange, r#"{"a":2}"#);
    for (_, document) in rig.everywhere(r#"{"a":1}"#, &agent) {
        assert_eq!(document["log_processed"]["a"], 1, "{document}");
    }
    for (_, document) in rig.everywhere(r#"{"a":2}"#, &agent) {
        assert!(document["log_processed"].is_null(), "{document}");
    }
    let told =
        || agent.get("/api/lanes").is_some_and(|(_, text)| text.contains("shop/web-2/main") && text.contains("nginx"));
    until_or("it is shown", SOON, told, || agent.log());
    assert_eq!(agent.metrics().sum("tailrace_unknown_parsers_total", &[]), Some(1.0));
    let log = agent.log();
    let line = log.lines().find(|line| line.contains("fluentbit.io/parser_stdout")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("shop/web-2/main") && line.contains("nginx") && line.contains("json"), "{line}");
}

#[test]
fn lines_of_a_pod_that_left_itself_out_are_not_delivered_because_its_metadata_came_late() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    rig.input = MAY.to_owned();
    let hidden = Pod::new(1, &[]).with_annotations(&[("fluentbit.io/exclude", "true")]);
    let known = Pod::new(2, &[]);
    api.put(&known.json());
    let agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&hidden, "unheard of");
    // A later restart puts the first one's file in danger: kubelet removes it soon. It waits all the same.
    let path = rig.file(&hidden, &hidden.uid);
    std::fs::write(path.with_file_name("1.log"), "2026-11-22T10:15:00.000000000Z stdout F next life\n").unwrap();
    rig.say(&known, "known");
    rig.everywhere("known", &agent);
    assert!(nowhere(&rig, "unheard of") && nowhere(&rig, "next life"));
    api.put(&hidden.json());
    until_or("it is left out", SOON, || excluded(&agent, "pods", "pod") >= size(&rig, &hidden), || agent.log());
    rig.say(&known, "last");
    rig.everywhere("last", &agent);
    assert!(nowhere(&rig, "unheard of") && nowhere(&rig, "next life"));
}

#[test]
fn a_pod_that_stays_unknown_is_read_after_the_wait_and_left_out_once_it_says_so() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    rig.input = MAY.to_owned();
    let hidden = Pod::new(1, &[]).with_annotations(&[("fluentbit.io/exclude", "true")]);
    let mut agent = rig.start(api.addr, ", wait: 1s");
    rig.say(&hidden, "nobody knows me");
    rig.everywhere("nobody knows me", &agent);
    api.put(&hidden.json());
    until_left_out(&rig, &hidden, &agent, "turning");
    let before = excluded(&agent, "pods", "pod");
    rig.say(&hidden, "hidden");
    until_or("it is counted", SOON, || excluded(&agent, "pods", "pod") > before, || agent.log());
    assert!(agent.stop(SOON).success());
    assert!(nowhere(&rig, "hidden"));
    assert_eq!(to_do(&audited(&rig)), ["0", "0", "0"]);
}

#[test]
fn selectors_of_two_inputs_that_match_one_file_hold_each_for_its_own_output() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let path = rig.place.pods();
    rig.input = format!(
        "    namespaces: {{include: [shop, 'team-*'], exclude: [team-x]}}\n    pods: {{labels: 'tier!=cache,!debug'}}\n  \
         all:\n    type: kubernetes\n    path: {}\n    metadata: {{source: api}}\n    namespaces: {{exclude: [system]}}\n",
        path.display()
    );
    let outputs = rig.services.outputs();
    let (first, search) = outputs.split_at(outputs.find("  search:").unwrap());
    let (cloudwatch, archive) = first.split_at(first.find("  archive:").unwrap());
    let (archive, search) = (archive.replace("[pods]", "[all]"), search.replace("[pods]", "[pods, all]"));
    rig.outputs = Some(format!("{cloudwatch}{archive}{search}"));
    let of = |n, namespace: &str, labels: &[&str]| Pod { namespace: namespace.into(), ..Pod::new(n, labels) };
    let pods = [
        of(1, "shop", &["tier=front"]),
        of(2, "shop", &["tier=cache"]),
        of(3, "team-x", &[]),
        of(4, "system", &[]),
        of(5, "team-a", &["debug=1"]),
        of(6, "team-a", &[]),
    ];
    pods.iter().for_each(|pod| api.put(&pod.json()));
    let mut agent = rig.start(api.addr, ", wait: 60s");
    pods.iter().for_each(|pod| rig.say(pod, &pod.name));
    for (at, wanted) in [
        (&rig.services.cloudwatch, vec![1, 6]),
        (&rig.services.s3, vec![1, 2, 3, 5, 6]),
        (&rig.services.opensearch, vec![1, 2, 3, 5, 6]),
    ] {
        let there = || (1..=6).filter(|n| !Rig::arrived(at, &format!("web-{n}")).is_empty()).collect::<Vec<i32>>();
        until_or("what is wanted", SOON, || there() == wanted, || format!("{:?} {}", there(), agent.log()));
    }
    rig.say(&pods[0], "last");
    rig.everywhere("last", &agent);
    assert!(Rig::arrived(&rig.services.cloudwatch, "web-2").is_empty());
    let sum = |of: &[usize]| of.iter().map(|n| size(&rig, &pods[*n])).sum::<f64>();
    assert_eq!(excluded(&agent, "pods", "namespace"), sum(&[2, 3]));
    assert_eq!(excluded(&agent, "pods", "labels"), sum(&[1, 4]));
    assert_eq!(excluded(&agent, "all", "namespace"), sum(&[3]));
    // A label that changes counts from then on.
    api.put(&pods[5].with_labels(&["tier=cache"]).json());
    let mut n = 0;
    let gone = || {
        n += 1;
        rig.say(&pods[5], &format!("turning {n}"));
        excluded(&agent, "pods", "labels") > sum(&[1, 4])
    };
    until_or("the label is heard", SOON, gone, || agent.log());
    rig.say(&pods[5], "cached");
    let others =
        || [&rig.services.s3, &rig.services.opensearch].iter().all(|at| !Rig::arrived(at, "cached").is_empty());
    until_or("the others have it", SOON, others, || agent.log());
    assert!(agent.stop(SOON).success());
    assert!(Rig::arrived(&rig.services.cloudwatch, "cached").is_empty());
    assert_eq!(to_do(&audited(&rig)), ["0", "0", "0"]);
}
