//! What the lines of a bulk promise.

use crate::body::chunks::Pool;
use crate::config::checked::{Auth, OpenSearch};
use crate::config::template::{Template, render};
use crate::lane::format::{Encoded, Finished, Format};
use crate::output::fixtures::{NOON, now, origin, record};
use crate::output::opensearch::format::OpenSearchFormat;
use crate::output::opensearch::index;
use crate::record::{FileId, RecordId};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::HashSet;
use std::io::Read;

const DAY: i64 = 86_400_000_000_000;

fn config(derived_id: bool) -> OpenSearch {
    OpenSearch {
        url: "http://127.0.0.1:9200".into(),
        index: Template::parse("logs-{kubernetes.namespace_name}-%Y.%m.%d").expect("a template"),
        auth: Auth::None,
        derived_id,
    }
}

fn format(derived_id: bool) -> OpenSearchFormat {
    OpenSearchFormat::new(&config(derived_id), Pool::new(64 << 20))
}

fn text_of(finished: &Finished) -> Vec<u8> {
    let [body] = finished.bodies.as_slice() else { panic!("one body") };
    let sent: Vec<u8> = body.chunks.concat();
    assert_eq!(sent.len(), body.len);
    let mut text = Vec::new();
    // One member only: what follows would not be read.
    let mut member = flate2::bufread::GzDecoder::new(&sent[..]);
    member.read_to_end(&mut text).expect("gzip");
    assert!(member.into_inner().is_empty(), "one gzip member a body");
    assert_eq!(text.len(), body.plain);
    text
}

/// Pairs of action and document.
fn pairs(text: &[u8]) -> Vec<(Value, Value)> {
    assert!(text.ends_with(b"\n"), "a bulk ends in a newline");
    let lines: Vec<&[u8]> = text[..text.len() - 1].split(|b| *b == b'\n').collect();
    let read = |line: &[u8]| serde_json::from_slice::<Value>(line).expect("a line is JSON");
    lines.chunks(2).map(|pair| (read(pair[0]), read(pair[1]))).collect()
}

#[test]
fn a_record_becomes_an_action_and_a_document() {
    let mut format = format(true);
    let origin = origin("shop");
    let mut it = record(10, NOON, b"hello \"world\"");
    it.time.text = b"2026-11-22T10:15:00.5+00:00";
    assert_eq!(format.encode(now(), &origin, &it), Encoded::Taken { items: 1 });
    let finished = format.finish();
    assert_eq!((finished.items, finished.record_of_item.len()), (1, 0));
    let [(action, document)] = &pairs(&text_of(&finished))[..] else { panic!("one pair") };
    let id = action["create"]["_id"].as_str().expect("an id");
    assert_eq!(id, "AAAAAAAAAAAAAAAAAAAABwAAAAAAAAAKAAAAAAAAAD8");
    assert_eq!(document["log"], "hello \"world\"");
    assert_eq!(document["@timestamp"], "2026-11-22T10:15:00.5+00:00");
    assert_eq!(document["time"], document["@timestamp"]);
}

#[test]
fn without_derived_ids_the_service_makes_them() {
    let mut format = format(false);
    format.encode(now(), &origin("shop"), &record(0, NOON, b"x"));
    let [(action, document)] = &pairs(&text_of(&format.finish()))[..] else { panic!("one pair") };
    assert_eq!(action, &serde_json::json!({ "create": {} }));
    assert_eq!(document["@timestamp"], "2026-11-22T10:15:00.000000000Z");
}

#[test]
fn json_laid_out_on_lines_stays_on_one() {
    let mut format = format(true);
    let mut it = record(0, NOON, b"{\n\"delete\":{\"_id\":\"1\"}\r\n}");
    it.processed = Some(it.body);
    format.encode(now(), &origin("shop"), &it);
    let [(action, document)] = &pairs(&text_of(&format.finish()))[..] else { panic!("one pair") };
    assert!(action.get("delete").is_none());
    assert_eq!(document["log_processed"]["delete"]["_id"], "1");
    assert_eq!(document["log"], "{\n\"delete\":{\"_id\":\"1\"}\r\n}");
}

#[test]
fn each_day_has_an_index_of_its_own() {
    let format = format(true);
    let key = format.key(&origin("shop"));
    assert_eq!(&*key.place, "logs-shop-%Y.%m.%d");
    assert_eq!(&*format.target(&key, NOON).place, "logs-shop-2026.11.22");
    assert_eq!(format.bucket(&key, NOON + DAY), format.bucket(&key, NOON) + 1);
    assert_eq!(format.bucket(&key, NOON + 1), format.bucket(&key, NOON));
}

#[test]
fn a_full_body_takes_no_more_and_loses_nothing() {
    let mut format = format(true);
    let origin = origin("shop");
    // Escaped six times as long: only after encoding is it clear that it does not fit.
    let body = vec![1u8; 200 << 10];
    let mut taken = 0;
    while format.encode(now(), &origin, &record(taken * 1_000_000, NOON, &body)) == (Encoded::Taken { items: 1 }) {
        taken += 1;
    }
    assert_eq!(taken, 4, "each is 1.2 MiB of 5 MiB");
    assert!(format.plain_len() <= 5 << 20);
    let finished = format.finish();
    assert_eq!(u64::from(finished.items), taken);
    assert_eq!(pairs(&text_of(&finished)).len() as u64, taken, "nothing is left of the one that did not fit");
    assert_eq!(format.plain_len(), 0);
}

#[test]
fn a_record_longer_than_a_body_goes_alone() {
    let mut format = format(true);
    let origin = origin("shop");
    let body = vec![1u8; 1 << 20];
    assert_eq!(format.encode(now(), &origin, &record(0, NOON, b"first")), Encoded::Taken { items: 1 });
    assert_eq!(format.encode(now(), &origin, &record(50, NOON, &body)), Encoded::Full);
    assert_eq!(format.finish().items, 1);
    assert_eq!(format.encode(now(), &origin, &record(50, NOON, &body)), Encoded::Taken { items: 1 });
    assert_eq!(format.encode(now(), &origin, &record(2 << 20, NOON, b"next")), Encoded::Full);
    assert_eq!(pairs(&text_of(&format.finish())).len(), 1);
}

#[test]
fn a_body_holds_ten_thousand_items() {
    let mut format = format(true);
    let origin = origin("shop");
    let all = (0..10_000)
        .all(|n| format.encode(now(), &origin, &record(n * 50, NOON, b"x")) == (Encoded::Taken { items: 1 }));
    assert!(all);
    assert_eq!(format.encode(now(), &origin, &record(500_050, NOON, b"x")), Encoded::Full);
    format.clear();
    assert_eq!(
        (format.plain_len(), format.encode(now(), &origin, &record(0, NOON, b"x"))),
        (0, Encoded::Taken { items: 1 })
    );
    assert_eq!(format.finish().items, 1);
}

#[test]
fn values_are_cut_to_what_an_index_name_may_hold() {
    let format = format(true);
    for (namespace, want) in [
        ("shop", "logs-shop-%Y.%m.%d"),
        ("Shop/../X", "logs-shop_.._x-%Y.%m.%d"),
        ("50%*\u{e9}", "logs-50___-%Y.%m.%d"),
        ("", "logs--%Y.%m.%d"),
    ] {
        assert_eq!(&*format.key(&origin(namespace)).place, want);
    }
}

#[test]
fn names_that_opensearch_refuses_are_told() {
    for name in ["logs-shop-2026.11.22", "a", "a+b", "caf\u{e9}"] {
        assert_eq!(index::fault(name), None, "{name}");
    }
    for name in
        ["", ".", "..", "_logs", "-logs", "+logs", "Logs", "a/b", "a b", "a\"", "a#", "a:b", "a*", &"x".repeat(256)]
    {
        assert!(index::fault(name).is_some(), "{name}");
    }
    assert_eq!(index::in_url("a+b\u{e9}"), "a%2Bb%C3%A9");
}

proptest! {
    #[test]
    fn any_value_makes_a_name_that_opensearch_takes(namespace in ".{0,400}", ns in any::<i64>()) {
        let pattern = format(true).key(&origin(&namespace)).place;
        let name = render(&pattern, ns);
        prop_assert_eq!(index::fault(&name), None, "{}", name);
        prop_assert_eq!(index::in_url(&name), name);
    }

    #[test]
    fn any_value_between_other_text_makes_a_name_that_opensearch_takes(
        value in ".{0,400}", before in "[a-z][a-z.-]{0,100}", after in "[a-z.-]{0,80}",
    ) {
        let template = Template::parse(&format!("{before}{{v}}{{v}}-%Y.%m.%d.%H{after}")).expect("a template");
        let fields = crate::origin::Fields::new(vec![("v".into(), value.as_str().into())]);
        let name = render(&index::pattern(&template, &fields), NOON);
        prop_assert_eq!(index::fault(&name), None, "{}", name);
        prop_assert!(name.starts_with(&before), "{}", name);
    }

    #[test]
    fn any_records_are_lines_of_json_with_ids_of_their_own(
        records in prop::collection::vec((any::<u128>(), any::<u64>(), any::<u64>(),
            prop::collection::vec(any::<u8>(), 0..200)), 1..30),
    ) {
        let origin = origin("shop");
        let mut unique = HashSet::new();
        let mut texts = Vec::new();
        for _ in 0..2 {
            let mut format = format(true);
            for (file, start, end, body) in &records {
                let mut it = record(0, NOON, body);
                it.id = RecordId { file: FileId(*file), start: *start, end: *end, piece: 0 };
                unique.insert(it.id);
                prop_assert_eq!(format.encode(now(), &origin, &it), Encoded::Taken { items: 1 });
            }
            texts.push(text_of(&format.finish()));
        }
        prop_assert_eq!(&texts[0], &texts[1], "a replay makes the same bytes");
        let pairs = pairs(&texts[0]);
        prop_assert_eq!(pairs.len(), records.len());
        let ids: HashSet<&str> = pairs.iter().filter_map(|(action, _)| action["create"]["_id"].as_str()).collect();
        prop_assert_eq!(ids.len(), unique.len(), "an id for each record");
        for ((_, document), (.., body)) in pairs.iter().zip(&records) {
            let want = String::from_utf8_lossy(body);
            prop_assert_eq!(document["log"].as_str(), Some(&*want));
        }
    }
}
