//! `select` keeps files closed that nobody wants; `merge_json` opens up bodies that are JSON.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, bodies, documents, until_bodies};
use crate::support::{SOON, until_or};

/// The outputs, with these transforms for OpenSearch.
fn with_transforms(outputs: &str, transforms: &str) -> String {
    format!("{outputs}    transforms:\n{transforms}")
}

#[test]
fn a_selection_by_what_is_fixed_per_file_leaves_the_other_files_unread() {
    let stage = Stage::with("", |outputs| {
        with_transforms(&outputs, "      - select: {keep: 'kubernetes.namespace_name == \"shop\"'}\n")
    });
    let (shop, other) =
        (container(&stage.place, "shop", "s").join("0.log"), container(&stage.place, "payments", "p").join("0.log"));
    let wanted = [cri("one"), cri("two")].concat();
    append(&other, (0..500).flat_map(|n| cri(format!("unwanted {n}"))).collect::<Vec<u8>>());
    append(&shop, &wanted);
    until_bodies("search", &stage.services.opensearch, &["one", "two"], &stage.agent);
    let archived = || stage.services.s3.control.receipts().totals().records == 502;
    until_or("everything in the archive", SOON, archived, || stage.agent.log());
    let read = |output| stage.lane(output)["read"]["bytes"].as_u64();
    until_or("the report", SOON, || read("archive") > Some(20_000), || stage.lane("archive").to_string());
    assert_eq!(read("search"), Some(wanted.len() as u64), "{}", stage.lane("search"));
    let lane = stage.lane("search");
    assert_eq!((&lane["lag"]["bytes"], &lane["dropped"]["filtered"]["records"]), (&0.into(), &0.into()), "{lane}");
}

#[test]
fn a_selection_by_what_is_in_the_record_drops_and_counts_the_rest() {
    let stage = Stage::with("", |outputs| with_transforms(&outputs, "      - select: {keep: 'log =~ \"^keep\"'}\n"));
    let file = container(&stage.place, "shop", "s").join("0.log");
    append(&file, [cri("keep 1"), cri("leave"), cri("keep 2"), cri("leave"), cri("leave")].concat());
    until_bodies("search", &stage.services.opensearch, &["keep 1", "keep 2"], &stage.agent);
    let filtered = || stage.lane("search")["dropped"]["filtered"]["records"].as_u64();
    until_or("the others to be counted", SOON, || filtered() == Some(3), || stage.lane("search").to_string());
    stage.until_settled();
    assert_eq!(bodies(&stage.services.s3).len(), 5);
}

#[test]
fn json_bodies_go_under_log_processed_and_others_stay_as_they_are() {
    let stage = Stage::with("", |outputs| with_transforms(&outputs, "      - merge_json: {}\n"));
    let json = "{\"level\":\"error\",\"n\":7,\"nested\":{\"a\":[1,null]},\"time\":\"mine\"}";
    let file = container(&stage.place, "shop", "s").join("0.log");
    append(&file, [cri(json), cri("plain"), cri("[1]"), cri("{\"torn\":"), cri("{}")].concat());
    stage.until_bodies(&[json, "plain", "[1]", "{\"torn\":", "{}"]);
    for document in documents(&stage.services.opensearch) {
        let merged = &document["log_processed"];
        match document["log"].as_str().unwrap() {
            body if body == json => {
                assert_eq!(*merged, serde_json::from_str::<serde_json::Value>(json).unwrap());
                assert_ne!(document["time"], "mine");
            }
            "{}" => assert!(merged.is_null() || *merged == serde_json::json!({}), "{document}"),
            _ => assert!(merged.is_null(), "{document}"),
        }
    }
    for document in documents(&stage.services.s3) {
        assert!(document["log_processed"].is_null(), "only the output that asks for it: {document}");
    }
}
