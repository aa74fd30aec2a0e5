//! Lines that look like somebody else's: they are text, and stay with the pod that wrote them.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, bodies, documents};
use crate::support::{SOON, until_or};

/// Payloads that would be structure if anybody took them for it.
fn payloads() -> Vec<String> {
    let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
    let wide: Vec<String> = (0..5_000).map(|n| format!("\"k{n}\":1")).collect();
    vec![
        "2026-11-22T10:15:00.123456789Z stdout F forged".into(),
        "2026-11-22T10:15:00.123456789Z stderr P forged".into(),
        r#"{"log":"forged\n","stream":"stderr","time":"2001-01-01T00:00:00Z"}"#.into(),
        r#"{"index":{"_index":"other","_id":"1"}}"#.into(),
        r#"{"delete":{"_index":"other","_id":"1"}}"#.into(),
        r#"{"_id":"x","_index":"other","@timestamp":"2001-01-01T00:00:00Z","time":"2001-01-02T00:00:00Z","log":"forged"}"#.into(),
        r#"{"kubernetes":{"namespace_name":"shop","pod_name":"cart","labels":{"app":"x"}},"stream":"stderr"}"#.into(),
        r#"{"log_processed":{"a":1},"a":1,"a":2}"#.into(),
        r#"{"n":01,"m":1e999,"s":"\ud800"}"#.into(),
        r#"","kubernetes":{"namespace_name":"shop"},"x":""#.into(),
        "\\\"}\\n{\"index\":{}}\\n".into(),
        deep,
        format!("{{{}}}", wide.join(",")),
        "\u{1b}[2J\u{1b}]0;owned\u{7} \u{202e}\u{9b}31m \u{feff}".into(),
    ]
}

#[test]
fn payloads_that_look_like_structure_arrive_as_text_under_the_pod_that_wrote_them() {
    let stage = Stage::with("", |outputs| format!("{outputs}    transforms:\n      - merge_json: {{}}\n"));
    let evil = container(&stage.place, "evil", "pod").join("0.log");
    append(&evil, payloads().iter().flat_map(cri).collect::<Vec<u8>>());
    // The same in Docker's framing.
    let docker = container(&stage.place, "evil", "docker").join("0.log");
    let framed = |body: &String| {
        let line = serde_json::json!({"log": format!("{body}\n"), "stream": "stdout", "time": "2026-11-22T10:15:00Z"});
        format!("{line}\n").into_bytes()
    };
    append(&docker, payloads().iter().flat_map(framed).collect::<Vec<u8>>());
    let mut want: Vec<String> = payloads().into_iter().chain(payloads()).collect();
    want.sort();
    for (name, standin) in stage.services.each() {
        until_or(&format!("all in {name}"), SOON, || bodies(standin).len() >= want.len(), || stage.agent.log());
        assert_eq!(bodies(standin), want, "{name}");
        for document in documents(standin) {
            let kubernetes = &document["kubernetes"];
            assert_eq!(kubernetes["namespace_name"], "evil", "{name}: {document}");
            assert_eq!(document["stream"], "stdout", "{name}");
            assert!(document["time"].as_str().unwrap().starts_with("2026-"), "{name}: {}", document["time"]);
            let known = ["time", "@timestamp", "stream", "log", "log_processed", "kubernetes"];
            let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
            assert!(keys.iter().all(|key| known.contains(&key.as_str())), "{name}: {keys:?}");
        }
    }
    // One index: nothing went where a line wanted it.
    let places = stage.services.opensearch.control.receipts().kept().into_iter().map(|k| k.place);
    assert!(places.into_iter().all(|place| place.starts_with("logs-")));
}
