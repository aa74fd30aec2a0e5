use super::*;
use crate::config::template::Template;
use crate::origin::Fields;
use crate::output::cloudwatch::limits::{NEWEST, OLDEST};
use crate::record::{Channel, FileId, Grammar, RecordId, Stamp};
use arc_swap::ArcSwap;
use proptest::prelude::*;
use serde_json::Value;
use std::borrow::Cow;
use std::io::Read;
use std::time::Duration;

const NOW_MS: i64 = 1_795_342_500_000;
const NOW: Now = Now { mono: Duration::ZERO, unix_ns: NOW_MS * 1_000_000 };

fn output() -> checked::CloudWatch {
    checked::CloudWatch {
        aws: checked::Aws::default(),
        log_group: Template::parse("/app/{kubernetes.namespace_name}").unwrap(),
        log_stream: None,
        create: true,
        retention_days: None,
        kms_key_id: None,
        log_class: None,
        text: false,
        dead_letter_out_of_window: false,
    }
}

fn format_of(output: &checked::CloudWatch) -> CloudWatchFormat {
    CloudWatchFormat::new(output, &"node-1".into(), Pool::new(16 << 20))
}

fn origin() -> Origin {
    let pairs = [
        ("kubernetes.namespace_name", "shop"),
        ("kubernetes.pod_name", "web-0"),
        ("kubernetes.container_name", "web \"1\""),
        ("kubernetes.host", "n7"),
    ];
    let fields = pairs.into_iter().map(|(name, value)| (Cow::Borrowed(name), value.into())).collect();
    let fields = Arc::new(Fields::new(fields));
    Origin {
        input: "pods".into(),
        path: "/var/log/pods/x/0.log".into(),
        grammar: Grammar::Cri,
        fields: Arc::clone(&fields),
        meta: ArcSwap::from_pointee(Meta::new(fields)),
    }
}

fn record(ms: i64, body: &[u8]) -> Record<'_> {
    Record {
        id: RecordId { file: FileId(1), start: 0, end: 1, piece: 0 },
        time: Stamp { unix_ns: ms * 1_000_000 + 7, text: b"" },
        channel: Some(Channel::Stdout),
        body,
        cut: false,
        processed: None,
    }
}

/// Events of a body: time and message. Holds it against every limit of the service on the way.
fn events(body: &Sealed) -> Vec<(i64, String)> {
    let joined: Vec<u8> = body.chunks.concat();
    assert_eq!(joined.len(), body.len);
    let mut text = String::new();
    flate2::read::GzDecoder::new(joined.as_slice()).read_to_string(&mut text).unwrap();
    assert_eq!(text.len(), body.plain);
    let read: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["logGroupName"], "/app/shop");
    assert_eq!(read["logStreamName"], "n7-application.web-0_shop_web \"1\"");
    let events: Vec<_> = read["logEvents"].as_array().unwrap().iter().map(event).collect();
    assert!((1..=BATCH_EVENTS as usize).contains(&events.len()));
    assert!(events.iter().all(|(_, message)| (1..=MESSAGE_BYTES).contains(&message.len())));
    assert!(events.iter().map(|(_, message)| message.len() + EVENT_BYTES).sum::<usize>() <= BATCH_BYTES);
    assert!(events.is_sorted_by_key(|(ms, _)| *ms), "in order of time");
    assert!(events.last().unwrap().0 - events.first().unwrap().0 < BATCH_SPAN);
    events
}

fn event(event: &Value) -> (i64, String) {
    (event["timestamp"].as_i64().unwrap(), event["message"].as_str().unwrap().to_owned())
}

fn log_of(message: &str) -> String {
    serde_json::from_str::<Value>(message).unwrap()["log"].as_str().unwrap().to_owned()
}

#[test]
fn an_event_is_the_document_as_text() {
    let mut format = format_of(&output());
    let origin = origin();
    let mut it = record(NOW_MS - 5, b"say \"hi\" \\ \x01\xff \xc3\xa9");
    it.processed = Some(br#"{"k":"\"v\""}"#);
    it.cut = true;
    assert_eq!(format.encode(NOW, &origin, &it), Encoded::Taken { items: 1 });
    let done = format.finish();
    let (ms, message) = events(&done.bodies[0]).remove(0);
    assert_eq!(ms, NOW_MS - 5);
    let meta = String::from_utf8(origin.meta.load().plain().to_vec()).unwrap();
    let log = r#"say \"hi\" \\ \u0001"#;
    assert_eq!(
        message,
        format!(
            "{{\"time\":\"2026-11-22T10:14:59.995000007Z\",\"stream\":\"stdout\",\"log\":\"{log}\u{fffd} \u{e9}\",\
             \"log_processed\":{{\"k\":\"\\\"v\\\"\"}},\"partial\":true{meta}}}"
        )
    );
    assert_eq!((done.items, done.record_of_item), (1, vec![]));
}

#[test]
fn text_is_the_body_alone_and_an_empty_one_is_dropped() {
    let mut format = format_of(&checked::CloudWatch { text: true, ..output() });
    assert_eq!(format.encode(NOW, &origin(), &record(NOW_MS, b"")), Encoded::Drop(Reason::Empty));
    assert_eq!(format.encode(NOW, &origin(), &record(NOW_MS, b"a\"\xff")), Encoded::Taken { items: 1 });
    assert_eq!(format.plain_len(), 5 + EVENT_BYTES);
    assert_eq!(events(&format.finish().bodies[0]), [(NOW_MS, "a\"\u{fffd}".to_owned())]);
    assert_eq!(format.finish().items, 0);
}

#[test]
fn events_outside_the_window_of_the_service_are_not_sent() {
    let drop = format_of(&output());
    let dead = format_of(&checked::CloudWatch { dead_letter_out_of_window: true, ..output() });
    for (mut format, make) in [(drop, Encoded::Drop as fn(Reason) -> Encoded), (dead, Encoded::DeadLetter)] {
        for (ms, expected) in [
            (NOW_MS - OLDEST - 1, make(Reason::TooOld)),
            (-1, make(Reason::TooOld)),
            (NOW_MS + NEWEST + 1, make(Reason::TooNew)),
        ] {
            assert_eq!(format.encode(NOW, &origin(), &record(ms, b"x")), expected, "{ms}");
        }
        for ms in [NOW_MS - OLDEST, NOW_MS + NEWEST] {
            assert_eq!(format.encode(NOW, &origin(), &record(ms, b"x")), Encoded::Taken { items: 1 }, "{ms}");
            assert_eq!(format.finish().items, 1);
        }
    }
}

#[test]
fn a_record_that_would_span_24_hours_waits_for_another_batch() {
    let mut format = format_of(&output());
    let first = NOW_MS - 2 * BATCH_SPAN;
    for (ms, expected) in [
        (first, Encoded::Taken { items: 1 }),
        (first + BATCH_SPAN, Encoded::Stray),
        (first + BATCH_SPAN - 1, Encoded::Taken { items: 1 }),
        (first - 1, Encoded::Stray),
        (first + 1, Encoded::Taken { items: 1 }),
    ] {
        assert_eq!(format.encode(NOW, &origin(), &record(ms, b"x")), expected, "{ms}");
    }
    let done = format.finish();
    assert_eq!(events(&done.bodies[0]).len(), 3);
    assert_eq!(done.record_of_item, [0, 2, 1]);
}

#[test]
fn records_of_one_millisecond_stay_in_the_order_in_which_they_came() {
    let mut format = format_of(&output());
    for (ms, body) in [(5, "a"), (3, "b"), (5, "c"), (3, "d"), (4, "e")] {
        format.encode(NOW, &origin(), &record(NOW_MS + ms, body.as_bytes()));
    }
    let done = format.finish();
    let logs: Vec<_> = events(&done.bodies[0]).iter().map(|(_, message)| log_of(message)).collect();
    assert_eq!(logs, ["b", "d", "e", "a", "c"]);
    assert_eq!(done.record_of_item, [1, 3, 4, 0, 2]);
}

#[test]
fn a_stream_named_by_time_holds_one_bucket() {
    let stream = Some(Template::parse("a%%b-%H").unwrap());
    let mut format = format_of(&checked::CloudWatch { log_stream: stream, ..output() });
    let (origin, hour) = (origin(), NOW_MS - NOW_MS % 3_600_000);
    let key = format.key(&origin);
    assert_eq!(&*key.stream, "a%%b-%H");
    assert_ne!(format.bucket(&key, hour * 1_000_000), format.bucket(&key, (hour - 1) * 1_000_000));
    assert_eq!(format.encode(NOW, &origin, &record(hour, b"x")), Encoded::Taken { items: 1 });
    assert_eq!(format.encode(NOW, &origin, &record(hour - 1, b"x")), Encoded::Stray);
    let body: Vec<u8> = format.finish().bodies[0].chunks.concat();
    let mut text = String::new();
    flate2::read::GzDecoder::new(body.as_slice()).read_to_string(&mut text).unwrap();
    assert!(text.contains(r#""logStreamName":"a%b-10""#), "{text}");
}

#[test]
fn ten_thousand_events_fill_a_batch() {
    let mut format = format_of(&checked::CloudWatch { text: true, ..output() });
    let origin = origin();
    for _ in 0..BATCH_EVENTS {
        assert_eq!(format.encode(NOW, &origin, &record(NOW_MS, b"x")), Encoded::Taken { items: 1 });
    }
    assert_eq!(format.encode(NOW, &origin, &record(NOW_MS, b"x")), Encoded::Full);
    assert_eq!(events(&format.finish().bodies[0]).len(), BATCH_EVENTS as usize);
}

#[test]
fn a_batch_is_filled_to_the_last_byte_and_not_one_more() {
    let mut format = format_of(&checked::CloudWatch { text: true, ..output() });
    let (large, rest) = (vec![b'"'; MESSAGE_BYTES], vec![b'\\'; BATCH_BYTES - MESSAGE_BYTES - 2 * EVENT_BYTES]);
    assert_eq!(format.encode(NOW, &origin(), &record(NOW_MS, &large)), Encoded::Taken { items: 1 });
    let one_more = [rest.as_slice(), b"x"].concat();
    assert_eq!(format.encode(NOW, &origin(), &record(NOW_MS, &one_more)), Encoded::Full);
    assert_eq!(format.encode(NOW, &origin(), &record(NOW_MS, &rest)), Encoded::Taken { items: 1 });
    assert_eq!(format.plain_len(), BATCH_BYTES);
    assert_eq!(events(&format.finish().bodies[0]).len(), 2);
}

#[test]
fn an_oversized_record_becomes_several_events_alone_in_its_batch() {
    let body = "\u{e9}\"\u{1}x".repeat(400_000);
    let mut format = format_of(&output());
    let origin = origin();
    assert_eq!(format.encode(NOW, &origin, &record(NOW_MS, b"small")), Encoded::Taken { items: 1 });
    let mut large = record(NOW_MS, body.as_bytes());
    large.processed = Some(br#"{"k":1}"#);
    assert_eq!(format.encode(NOW, &origin, &large), Encoded::Full);
    assert_eq!(events(&format.finish().bodies[0]).len(), 1);
    let Encoded::Taken { items } = format.encode(NOW, &origin, &large) else { panic!("an empty body takes it") };
    assert_eq!(format.encode(NOW, &origin, &record(NOW_MS, b"small")), Encoded::Full);
    let done = format.finish();
    assert_eq!((done.items, done.record_of_item), (items, vec![0; items as usize]));
    assert!(done.bodies.len() > 4, "{}", done.bodies.len());
    let mut joined = String::new();
    for (nth, (ms, message)) in done.bodies.iter().flat_map(events).enumerate() {
        let read: Value = serde_json::from_str(&message).unwrap();
        assert_eq!((ms, &read["part"]), (NOW_MS, &Value::from(nth + 1)));
        assert_eq!(read.get("log_processed"), None);
        joined += read["log"].as_str().unwrap();
    }
    assert!(joined == body);
    assert_eq!(format.encode(NOW, &origin, &record(NOW_MS, b"small")), Encoded::Taken { items: 1 });
    assert_eq!(format.finish().items, 1);
}

#[test]
fn a_record_that_is_only_too_long_with_its_parsed_copy_goes_without_it() {
    let body = format!(r#"{{"k":"{}"}}"#, "x".repeat(600_000));
    let mut it = record(NOW_MS, body.as_bytes());
    it.processed = Some(body.as_bytes());
    let mut format = format_of(&output());
    assert_eq!(format.encode(NOW, &origin(), &it), Encoded::Taken { items: 1 });
    assert_eq!(format.encode(NOW, &origin(), &record(NOW_MS, b"x")), Encoded::Taken { items: 1 });
    let message = events(&format.finish().bodies[0]).remove(0).1;
    let read: Value = serde_json::from_str(&message).unwrap();
    assert_eq!((read.get("log_processed"), read.get("part")), (None, None));
    assert_eq!(read["log"].as_str().unwrap(), body);
}

/// Bodies short and long, plain and full of escapes.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let unit = prop_oneof![
        Just(b"x".to_vec()),
        Just(b"\"\\".to_vec()),
        Just(b"\x01\xff".to_vec()),
        Just("\u{20ac}\u{1f600}".as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 1..40),
    ];
    let times = prop_oneof![8 => 0..60_usize, 3 => 0..20_000_usize, 1 => 0..400_000_usize];
    (unit, times).prop_map(|(unit, times)| unit.repeat(times))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_record_is_in_exactly_one_place_and_no_limit_is_passed(
        records in proptest::collection::vec((bodies(), 0..3 * BATCH_SPAN, any::<bool>()), 1..40),
        text: bool,
    ) {
        let mut format = format_of(&checked::CloudWatch { text, ..output() });
        let origin = origin();
        let mut waiting: Vec<_> = records.iter().map(|(body, ago, cut)| {
            Record { cut: *cut, ..record(NOW_MS - ago, body) }
        }).collect();
        while !waiting.is_empty() {
            let (mut taken, mut strays, mut full) = (Vec::new(), Vec::new(), false);
            let mut items = 0;
            for it in std::mem::take(&mut waiting) {
                if full { strays.push(it); continue; }
                match format.encode(NOW, &origin, &it) {
                    Encoded::Taken { items: n } => { items += n; taken.push(it); }
                    Encoded::Full => { full = true; strays.push(it); }
                    Encoded::Stray => strays.push(it),
                    Encoded::Drop(reason) => prop_assert!(reason == Reason::Empty && text && it.body.is_empty()),
                    Encoded::DeadLetter(_) => prop_assert!(false, "none is out of the window"),
                }
            }
            prop_assert!(!taken.is_empty() || strays.is_empty(), "an empty body always takes or drops");
            let done = format.finish();
            prop_assert_eq!(done.items, items);
            let sent: Vec<_> = done.bodies.iter().flat_map(events).collect();
            prop_assert_eq!(sent.len() as u32, items);
            prop_assert!(done.bodies.len() < 2 || taken.len() == 1);
            let mut found = vec![String::new(); taken.len()];
            for (nth, (ms, message)) in sent.iter().enumerate() {
                let of = if done.record_of_item.is_empty() { nth } else { done.record_of_item[nth] as usize };
                prop_assert_eq!(*ms, taken[of].time.unix_ns / 1_000_000);
                found[of] += &if text { message.clone() } else { log_of(message) };
            }
            for (it, log) in taken.iter().zip(&found) {
                prop_assert!(String::from_utf8_lossy(it.body) == log.as_str());
            }
            waiting = strays;
        }
    }

    #[test]
    fn the_message_is_counted_as_the_service_counts_it(body: Vec<u8>, text: bool, cut: bool) {
        prop_assume!(!(text && body.is_empty()));
        let mut format = format_of(&checked::CloudWatch { text, ..output() });
        let it = Record { cut, processed: Some(br#"{"\"":"\\"}"#), ..record(NOW_MS, &body) };
        format.encode(NOW, &origin(), &it);
        let counted = format.plain_len();
        let message = events(&format.finish().bodies[0]).remove(0).1;
        prop_assert_eq!(counted, message.len() + EVENT_BYTES);
    }
}
