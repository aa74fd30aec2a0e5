//! Labels and annotations that are meant to choose another place: a pod's records stay below what the operator wrote, with
//! that pod's own facts in them, whoever else's records lie there.

use crate::api::{Api, Mode};
use crate::names::assert_plain;
use crate::rig::{Pod, Rig};
use crate::support::{SOON, until_or};
use tailrace::standin::{Fault, Rule};

const PLACE: &str = "kubernetes.annotations.place";

/// Values of an annotation, which may hold any text; a label's may not, but who knows the next server.
fn values() -> Vec<String> {
    let mut all: Vec<String> = [
        "",
        ".",
        "..",
        "../../other",
        "/abs",
        "a/b//c/",
        "%Y",
        "%%",
        "%",
        "{kubernetes.namespace_name}",
        "${HOME}",
        // Three that become one in the name of an index.
        "Shop",
        "shop",
        "SHOP",
        "_lead",
        "-lead",
        "+lead",
        ".lead",
        "a:b*c?d<e>f|g\"h'i\\j#k,l m",
        "new\nline\ttab\u{1b}[31m\u{7f}",
        "\0",
        "caf\u{e9} \u{4e2d}\u{6587} \u{1f600} \u{202e}",
        "a?versioning&x=%2F..%2f",
        "\",\"kubernetes\":{\"pod_name\":\"x\"},\"a\":\"",
    ]
    .map(str::to_owned)
    .into();
    // At and beyond what each service takes.
    for length in [255, 256, 512, 513, 1024, 1025, 60_000] {
        all.push("l".repeat(length));
        all.push("\u{e9}".repeat(length / 2));
        all.push("/%".repeat(length / 2));
    }
    all
}

#[test]
fn values_that_are_meant_to_choose_another_place_stay_below_the_literal_beginning() {
    let (mut rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let outputs = rig.services.outputs();
    let outputs = outputs.replace(
        "log_group: /tailrace/test\n",
        &format!("log_group: \"/tailrace/{{{PLACE}}}/end\"\n    log_stream: \"{{{PLACE}}}\"\n"),
    );
    let outputs =
        outputs.replace("logs/{kubernetes.namespace_name}/%Y/%m/%d/%H/", &format!("logs/{{{PLACE}}}/{{{PLACE}}}/%Y/"));
    rig.outputs = Some(outputs.replace("logs-%Y.%m.%d", &format!("logs-{{{PLACE}}}-%Y")));
    let pods: Vec<(Pod, String)> = (1u32..)
        .zip(values())
        .map(|(n, value)| {
            let annotations = vec![("place".to_owned(), value.clone())];
            (Pod { annotations, ..Pod::new(n, &[]) }, value)
        })
        .collect();
    pods.iter().for_each(|(pod, _)| api.put(&pod.json()));
    let agent = rig.start(api.addr, ", wait: 60s, annotations: [place]");
    for (pod, _) in &pods {
        rig.say(pod, &pod.name);
    }
    for (pod, value) in &pods {
        let short: String = value.chars().take(40).collect();
        for ((place, document), output) in rig.everywhere(&pod.name, &agent).into_iter().zip(["c", "s", "o"]) {
            let facts = &document["kubernetes"];
            assert_eq!(facts["pod_name"], pod.name.as_str(), "{short:?} {output}");
            assert!(facts["annotations"]["place"] == value.as_str(), "{short:?} {output}: {facts}");
            match output {
                "c" => {
                    assert!(place.starts_with("/tailrace/") && place.len() <= 512, "{short:?}: {place}");
                    assert!(place.len() == 512 || place.ends_with("/end") && place.split('/').count() == 4, "{place}");
                }
                "s" => {
                    let segments: Vec<&str> = place.split('/').collect();
                    assert!(segments[0] == "logs" && place.len() <= 1024, "{short:?}: {place}");
                    assert!(segments.len() == 5 && segments[3].starts_with("20"), "{short:?}: {place}");
                    assert!(segments.iter().all(|s| !["", ".", ".."].contains(s)), "{short:?}: {place}");
                }
                _ => {
                    assert!(place.starts_with("logs-") && place.len() <= 255, "{short:?}: {place}");
                    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
                    assert!(place.chars().all(plain), "{short:?}: {place}");
                }
            }
        }
    }
    // The stand-in takes streams of 1 to 512 characters without `:` and `*`.
    let groups = rig.services.cloudwatch.control.cloudwatch().unwrap().groups();
    let mut streams = groups.values().flat_map(|group| group.streams.keys());
    assert!(streams.all(|stream| !stream.contains(['/', '\n', '\u{1b}'])));
    for output in ["cloudwatch", "archive", "search"] {
        let refused = agent.metrics().sum("tailrace_output_dead_letter_records_total", &[("output", output)]);
        assert!(refused.is_none_or(|n| n == 0.0), "{output}: {refused:?}");
    }
    // Places that fail are shown, with their names.
    rig.services.cloudwatch.control.fault(Rule::always(Fault::Deny).on("PutLogEvents"));
    pods.iter().for_each(|(pod, _)| rig.say(pod, "more"));
    let shown = || agent.get("/api/lanes").is_some_and(|(_, body)| body.contains("AccessDenied"));
    until_or("a place that is denied", SOON, shown, || agent.log());
    for path in ["/api/lanes", "/metrics", "/"] {
        assert_plain(path, &agent.get(path).unwrap().1);
    }
    assert_plain("the log", &agent.log());
}

#[test]
fn label_names_that_become_one_do_not_cost_the_pod_its_records() {
    let (rig, api) = (Rig::new(), Api::start(Mode::Fine));
    let names =
        ["a.b", "a_b", "a.b_2", "a", "a.b/c.d", "a.b/c_d", "pod_name", "kubernetes", "log", "_id", "@timestamp"];
    let labels: Vec<String> = names.iter().map(|name| format!("{name}=of {name}")).collect();
    let pod = Pod::new(1, &labels.iter().map(String::as_str).collect::<Vec<_>>());
    api.put(&pod.json());
    let agent = rig.start(api.addr, ", wait: 60s");
    rig.say(&pod, "hello");
    for (_, document) in rig.everywhere("hello", &agent) {
        let facts = &document["kubernetes"];
        assert_eq!(facts["pod_name"], "web-1", "{document}");
        let labels = facts["labels"].as_object().unwrap();
        let mut said: Vec<&str> = labels.values().map(|value| value.as_str().unwrap()).collect();
        let mut want: Vec<String> = names.iter().map(|name| format!("of {name}")).collect();
        said.sort_unstable();
        want.sort_unstable();
        assert_eq!(said, want, "{document}");
    }
}
