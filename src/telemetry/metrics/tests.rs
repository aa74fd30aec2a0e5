//! Reads the exposition back with a strict little parser and looks numbers up.

use super::*;
use crate::record::Now;
use crate::store::saved::Sums;
use crate::telemetry::report::{
    ConfigReport, InputReport, LaneReport, Parked, ProcessReport, Quantiles, Read, StoreReport,
};
use std::sync::Arc;
use std::time::Duration;

const NOW: Now = Now { mono: Duration::from_secs(100), unix_ns: 0 };

/// `name{labels}` as written -> value; panics on anything that the format does not allow.
struct Exposition(BTreeMap<String, f64>);

impl Exposition {
    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let (mut samples, mut seen, mut family) = (BTreeMap::new(), Vec::new(), (String::new(), String::new()));
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let name = help.split_once(' ').expect("help text").0.to_owned();
                assert!(!seen.contains(&name), "{name} has two headings");
                let kind =
                    lines.next().and_then(|l| l.strip_prefix(&format!("# TYPE {name} "))).expect("TYPE after HELP");
                assert!(["counter", "gauge", "summary"].contains(&kind));
                assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
                seen.push(name.clone());
                family = (name, kind.to_owned());
                continue;
            }
            let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
            let suffix = name.strip_prefix(family.0.as_str()).expect("a sample belongs to the heading above it");
            assert!(suffix.is_empty() || (family.1 == "summary" && ["_sum", "_count"].contains(&suffix)), "{name}");
            assert!(name.starts_with("tailrace_") && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            let value = Self::labels(rest);
            let key = line[..line.len() - value.len() - 1].to_owned();
            assert!(samples.insert(key, value.parse().expect("a number")).is_none(), "twice: {line}");
        }
        Exposition(samples)
    }

    /// Walks over `{name="text",...}` and gives what follows the blank.
    fn labels(mut rest: &str) -> &str {
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            loop {
                let (name, after) = rest.split_once("=\"").expect("a label");
                assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
                let mut at = 0;
                loop {
                    match after.as_bytes()[at] {
                        b'"' => break,
                        b'\\' => {
                            assert!(matches!(after.as_bytes()[at + 1], b'\\' | b'"' | b'n'));
                            at += 2;
                        }
                        _ => at += 1,
                    }
                }
                rest = &after[at + 1..];
                match rest.as_bytes()[0] {
                    b',' => rest = &rest[1..],
                    b'}' => break,
                    other => panic!("{other} after a label"),
                }
            }
            rest = &rest[1..];
        }
        rest.strip_prefix(' ').expect("a blank before the value")
    }

    fn get(&self, key: &str) -> f64 {
        *self.0.get(&format!("tailrace_{key}")).unwrap_or_else(|| panic!("no {key} in {:#?}", self.0.keys()))
    }
}

fn lane() -> LaneReport {
    let sums = Sums {
        delivered: (1000, 250_000),
        dead_lettered: (3, 30),
        dropped: [(1, 10), (2, 20), (0, 0), (4, 40), (0, 0), (0, 0)],
        lost_bytes: 77,
        possible_duplicates: 5,
        ..Sums::default()
    };
    let parked = |key: &str, code| Parked {
        key: key.into(),
        code: Code::new(code),
        say: String::new(),
        since: 0,
        waiting_bytes: 50,
    };
    LaneReport {
        output: "search".into(),
        kind: "opensearch",
        read: [("pods".into(), Read { lines: 11, records: 10, bytes: 2000 })].into(),
        bytes_sent: 300,
        requests: 4,
        sums,
        already: 6,
        rejected: [(Code::new("mapper_parsing_exception"), 3)].into(),
        retries: [(Code::new("429"), 8)].into(),
        lag_bytes: 123,
        oldest_unsettled: Some(Duration::from_millis(1500)),
        parked: vec![parked("a", "403"), parked("b", "403"), parked("c", "index_closed")],
        lane_parked: Some((Code::new("connect"), "start it".into())),
        in_flight: (2, 16),
        lost: [("prod/web-1/main".to_owned(), 70)].into(),
        last_settled: 1_700_000_000_000_000_000,
        request_seconds: Quantiles { p50: 0.01, p90: 0.02, p99: 0.5, max: 1.0, count: 4, sum: 1.25 },
        ..LaneReport::default()
    }
}

fn snapshot() -> Snapshot {
    let mut catalog = CatalogReport { open_files: 9, held: (1, 4096), without_metadata: 2, ..CatalogReport::default() };
    catalog
        .inputs
        .insert("pods".into(), InputReport { files: 20, hot: 3, bytes: 5000, offered: 21, left_out: [7, 8, 9] });
    catalog.lost.insert("prod/web-1/main".into(), 77);
    let metadata = MetadataReport { state: MetadataState::Failing, pods: 12, ..MetadataReport::default() };
    Snapshot {
        phase: Phase::Started,
        lanes: vec![Arc::new(lane())],
        catalog: Arc::new(catalog),
        metadata: Some(Arc::new(metadata)),
        config: Arc::new(ConfigReport {
            hash: "0123456789ab".into(),
            since: 1_700_000_000_500_000_000,
            reloads: 5,
            failures: 6,
            refused: Some((0, "why".into())),
        }),
        store: StoreReport { moved_aside: true, passed_over: 7 },
        process: ProcessReport { rss: 1 << 24, cpu: Duration::from_millis(2500), ..ProcessReport::default() },
        beats: vec![("catalog".into(), Duration::from_secs(10))],
        ..Snapshot::default()
    }
}

#[test]
fn every_published_number_is_found_under_its_name() {
    let e = Exposition::parse(&render(&snapshot(), NOW));
    let wants = [
        ("output_lines_total{output=\"search\",input=\"pods\"}", 11.0),
        ("output_records_total{output=\"search\",input=\"pods\"}", 10.0),
        ("output_read_bytes_total{output=\"search\",input=\"pods\"}", 2000.0),
        ("output_sent_bytes_total{output=\"search\"}", 300.0),
        ("output_delivered_records_total{output=\"search\"}", 1000.0),
        ("output_rejected_total{output=\"search\",code=\"mapper_parsing_exception\"}", 3.0),
        ("output_dropped_records_total{output=\"search\",reason=\"too_new\"}", 2.0),
        ("output_dropped_records_total{output=\"search\",reason=\"filtered\"}", 4.0),
        ("output_retries_total{output=\"search\",code=\"429\"}", 8.0),
        ("output_possible_duplicates_total{output=\"search\"}", 5.0),
        ("output_already_total{output=\"search\"}", 6.0),
        ("output_lost_bytes_total{output=\"search\"}", 77.0),
        ("output_lost_pod_bytes_total{output=\"search\",pod=\"prod/web-1/main\"}", 70.0),
        ("output_lag_bytes{output=\"search\"}", 123.0),
        ("output_lag_seconds{output=\"search\"}", 1.5),
        ("output_oldest_unsettled_age_seconds{output=\"search\"}", 1.5),
        ("output_parked_keys{output=\"search\"}", 3.0),
        ("output_parked_keys_by_code{output=\"search\",code=\"403\"}", 2.0),
        ("output_parked_bytes{output=\"search\"}", 150.0),
        ("output_parked{output=\"search\",code=\"connect\"}", 1.0),
        ("output_request_seconds{output=\"search\",quantile=\"0.99\"}", 0.5),
        ("output_request_seconds_sum{output=\"search\"}", 1.25),
        ("output_request_seconds_count{output=\"search\"}", 4.0),
        ("input_files{input=\"pods\"}", 20.0),
        ("open_files", 9.0),
        ("held_bytes", 4096.0),
        ("lost_bytes_total{pod=\"prod/web-1/main\"}", 77.0),
        ("metadata_state{state=\"failing\"}", 1.0),
        ("metadata_state{state=\"watching\"}", 0.0),
        ("config_info{hash=\"0123456789ab\"}", 1.0),
        ("config_since_seconds", 1_700_000_000.5),
        ("config_reloads_total", 5.0),
        ("config_reload_failures_total", 6.0),
        ("config_last_reload_success", 0.0),
        ("store_moved_aside", 1.0),
        ("store_passed_over", 7.0),
        ("process_resident_memory_bytes", 16_777_216.0),
        ("process_cpu_seconds_total", 2.5),
        ("ready", 1.0),
        ("healthy", 1.0),
        ("stuck_threads", 1.0),
    ];
    for (key, want) in wants {
        assert_eq!(e.get(key), want, "{key}");
    }
    assert!(e.get("output_delivery_seconds{output=\"search\",quantile=\"0.5\"}").is_nan(), "no sample yet");
}

#[test]
fn codes_and_pods_are_bounded_and_nothing_is_lost_to_the_bound() {
    let mut s = snapshot();
    let many = (0..100).map(|n| (Code::new(&format!("code{n}")), 2)).collect();
    s.lanes = vec![Arc::new(LaneReport { retries: many, ..lane() })];
    let mut lost: BTreeMap<String, u64> = (0..2000).map(|n| (format!("ns/pod{n}/c"), 1)).collect();
    lost.insert("other".into(), 10);
    s.catalog = Arc::new(CatalogReport { lost, ..CatalogReport::default() });
    let e = Exposition::parse(&render(&s, NOW));
    let sum = |prefix: &str| {
        let found: Vec<f64> = e.0.iter().filter(|(k, _)| k.starts_with(prefix)).map(|(_, v)| *v).collect();
        (found.len(), found.iter().sum::<f64>())
    };
    assert_eq!(sum("tailrace_output_retries_total"), (CODES_MAX + 1, 200.0));
    assert_eq!(sum("tailrace_lost_bytes_total"), (PODS_MAX + 1, 2010.0));
}

#[test]
fn memory_and_threads_that_could_not_be_read_are_left_out() {
    let text = render(&snapshot(), NOW);
    assert!(text.contains("tailrace_process_resident_memory_bytes 16777216"));
    assert!(!text.contains("process_threads") && !text.contains("process_resident_memory_peak_bytes"));
}

#[test]
fn an_agent_that_just_started_renders() {
    let e = Exposition::parse(&render(&Snapshot::default(), NOW));
    assert_eq!(e.get("ready"), 0.0);
    assert!(!e.0.keys().any(|k| k.starts_with("tailrace_metadata_")), "no watch, no numbers of it");
}

proptest::proptest! {
    #[test]
    fn any_label_text_is_escaped(name in ".{0,30}") {
        let mut s = snapshot();
        s.lanes = vec![Arc::new(LaneReport { output: name.as_str().into(), ..lane() })];
        Exposition::parse(&render(&s, NOW).replace('\r', " "));
    }
}
