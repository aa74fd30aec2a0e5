use super::*;
use crate::origin::Fields;
use crate::record::{Channel, FileId, RecordId};
use proptest::prelude::*;
use std::sync::Arc;

fn record<'a>(text: &'a [u8], unix_ns: i64, body: &'a [u8]) -> Record<'a> {
    Record {
        id: RecordId { file: FileId(1), start: 0, end: 9, piece: 0 },
        time: Stamp { unix_ns, text },
        channel: Some(Channel::Stderr),
        body,
        cut: false,
        processed: None,
    }
}

fn no_meta() -> Meta {
    Meta::new(Arc::new(Fields::default()))
}

fn plain(lead: Lead, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    write_document(&mut out, Depth::Plain, lead, &no_meta(), record);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_fields_stand_in_their_order() {
    let mut it = record(b"2026-11-22T10:15:00.1+02:00", 0, b"{\"a\":1}");
    assert_eq!(plain(Lead::None, &it), r#"{"time":"2026-11-22T10:15:00.1+02:00","stream":"stderr","log":"{\"a\":1}"}"#);
    it.processed = Some(br#"{"a":1}"#);
    it.cut = true;
    it.channel = None;
    let time = "2026-11-22T10:15:00.1+02:00";
    assert_eq!(
        plain(Lead::Timestamp, &it),
        format!(
            r#"{{"@timestamp":"{time}","time":"{time}","log":"{{\"a\":1}}","log_processed":{{"a":1}},"partial":true}}"#
        )
    );
}

#[test]
fn a_record_without_a_stamp_gets_its_time_written_out() {
    for (ns, text) in [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (1_795_342_500_123_456_789, "2026-11-22T10:15:00.123456789Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
    ] {
        let mut scratch = [0; TIME_LEN];
        assert_eq!(time_text(&Stamp { unix_ns: ns, text: b"" }, &mut scratch), text.as_bytes());
    }
}

proptest! {
    #[test]
    fn any_time_is_written_as_jiff_reads_it(ns: i64) {
        let mut scratch = [0; TIME_LEN];
        let text = time_text(&Stamp { unix_ns: ns, text: b"" }, &mut scratch);
        let read: jiff::Timestamp = std::str::from_utf8(text).unwrap().parse().unwrap();
        prop_assert_eq!(read.as_nanosecond(), i128::from(ns));
    }

    #[test]
    fn any_body_is_found_again_in_both_depths(body: Vec<u8>, cut: bool) {
        let mut it = record(b"2026-11-22T10:15:00Z", 0, &body);
        it.cut = cut;
        it.processed = Some(br#"{"k":"\"\\"}"#);
        let once = plain(Lead::Timestamp, &it);
        let read: serde_json::Value = serde_json::from_str(&once).unwrap();
        prop_assert_eq!(read["log"].as_str().unwrap(), String::from_utf8_lossy(&body));
        prop_assert_eq!(read["log_processed"]["k"].as_str().unwrap(), "\"\\");
        let mut twice = vec![b'"'];
        write_document(&mut twice, Depth::InString, Lead::Timestamp, &no_meta(), &it);
        twice.push(b'"');
        prop_assert_eq!(serde_json::from_slice::<String>(&twice).unwrap(), once);
    }

    #[test]
    fn any_number_is_written_in_decimal(value: u64) {
        let mut out = Vec::new();
        number(&mut out, value);
        prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
    }
}
