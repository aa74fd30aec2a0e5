//! The families of outputs.

use super::text::{Kind, Text};
use super::{bounded, codes};
use crate::lane::batch::{Code, Reason};
use crate::telemetry::report::{LaneReport, Quantiles, Read};
use std::collections::BTreeMap;
use std::sync::Arc;

type Lanes<'a> = &'a [Arc<LaneReport>];

pub(super) fn render(lanes: Lanes<'_>, t: &mut Text) {
    t.family(Kind::Gauge, "output_info", "Always 1; says of what kind an output is.");
    lanes.iter().for_each(|l| t.int(&[("output", &l.output), ("kind", l.kind)], 1));
    work(lanes, t);
    fates(lanes, t);
    by_code(lanes, t);
    behind(lanes, t);
    parked(lanes, t);
    latencies(lanes, t);
}

fn each(lanes: Lanes<'_>, t: &mut Text, kind: Kind, name: &str, help: &str, value: impl Fn(&LaneReport) -> u64) {
    t.family(kind, name, help);
    lanes.iter().for_each(|l| t.int(&[("output", &l.output)], value(l)));
}

fn work(lanes: Lanes<'_>, t: &mut Text) {
    use Kind::{Counter, Gauge};
    type Part = fn(&Read) -> u64;
    let families: [(&str, &str, Part); 3] = [
        ("output_lines_total", "Physical lines read, by input.", |r| r.lines),
        ("output_records_total", "Records decoded, by input; one that is read again counts again.", |r| r.records),
        ("output_read_bytes_total", "Plain bytes read, by input.", |r| r.bytes),
    ];
    for (name, help, of) in families {
        t.family(Counter, name, help);
        for lane in lanes {
            lane.read.iter().for_each(|(input, read)| t.int(&[("output", &lane.output), ("input", input)], of(read)));
        }
    }
    each(lanes, t, Counter, "output_sent_bytes_total", "Request body bytes on the wire, each attempt.", |l| {
        l.bytes_sent
    });
    each(lanes, t, Counter, "output_requests_total", "Requests sent, each attempt.", |l| l.requests);
    let in_flight = |l: &LaneReport| l.in_flight.0 as u64;
    each(lanes, t, Gauge, "output_requests_in_flight", "Requests without an answer.", in_flight);
    let limit = |l: &LaneReport| l.in_flight.1 as u64;
    each(lanes, t, Gauge, "output_requests_limit", "Requests that may be in flight now.", limit);
    each(lanes, t, Gauge, "output_sealed_bytes", "Bytes of batches in memory.", |l| l.sealed_bytes.0);
    each(lanes, t, Gauge, "output_sealed_bytes_limit", "Memory for batches.", |l| l.sealed_bytes.1);
}

fn fates(lanes: Lanes<'_>, t: &mut Text) {
    use Kind::Counter;
    let life = "over the output's life";
    let records = |l: &LaneReport| l.sums.delivered.0;
    each(lanes, t, Counter, "output_delivered_records_total", &format!("Records delivered, {life}."), records);
    let bytes = |l: &LaneReport| l.sums.delivered.1;
    each(lanes, t, Counter, "output_delivered_bytes_total", &format!("Log bytes delivered, {life}."), bytes);
    let dead = |l: &LaneReport| l.sums.dead_lettered.0;
    each(
        lanes,
        t,
        Counter,
        "output_dead_lettered_records_total",
        &format!("Records in the dead-letter file, {life}."),
        dead,
    );
    t.family(Counter, "output_dropped_records_total", &format!("Records dropped, by reason, {life}."));
    for lane in lanes {
        for (reason, (records, _)) in Reason::ALL.iter().zip(lane.sums.dropped) {
            t.int(&[("output", &lane.output), ("reason", reason.as_str())], records);
        }
    }
    let lost = |l: &LaneReport| l.sums.lost_bytes;
    each(
        lanes,
        t,
        Counter,
        "output_lost_bytes_total",
        &format!("Unread bytes that deleted files took with them, {life}."),
        lost,
    );
    t.family(Counter, "output_lost_pod_bytes_total", "The same by namespace/pod/container, in this process.");
    for lane in lanes {
        let pods = lane.lost.iter().map(|(pod, bytes)| (pod.as_str(), *bytes));
        bounded(pods, super::PODS_MAX, |pod, n, t| t.int(&[("output", &lane.output), ("pod", pod)], n), t);
    }
    let twice = |l: &LaneReport| l.sums.possible_duplicates;
    each(
        lanes,
        t,
        Counter,
        "output_possible_duplicates_total",
        &format!("Records possibly delivered twice, {life}."),
        twice,
    );
    let help = "Items that the service had already (409 on our id, 412 on our object): no duplicates were made.";
    each(lanes, t, Counter, "output_already_total", help, |l| l.already);
}

fn by_code(lanes: Lanes<'_>, t: &mut Text) {
    type Codes = fn(&LaneReport) -> &BTreeMap<Code, u64>;
    let families: [(&str, &str, Codes); 2] = [
        ("output_rejected_total", "Items that the service refused as bad, by its code.", |l| &l.rejected),
        ("output_retries_total", "Attempts and items to be tried again, by code.", |l| &l.retries),
    ];
    for (name, help, of) in families {
        t.family(Kind::Counter, name, help);
        for lane in lanes {
            codes(of(lane), |code, n, t| t.int(&[("output", &lane.output), ("code", code)], n), t);
        }
    }
}

fn behind(lanes: Lanes<'_>, t: &mut Text) {
    use Kind::Gauge;
    each(lanes, t, Gauge, "output_lag_bytes", "Bytes known and not settled.", |l| l.lag_bytes);
    let age = |l: &LaneReport| l.oldest_unsettled.map_or(0.0, |d| d.as_secs_f64());
    t.family(Gauge, "output_lag_seconds", "Age of the oldest byte that is not settled; 0 when all is.");
    lanes.iter().for_each(|l| t.float(&[("output", &l.output)], age(l)));
    t.family(Gauge, "output_oldest_unsettled_age_seconds", "The same, but no sample while all is settled.");
    for lane in lanes.iter().filter(|l| l.oldest_unsettled.is_some()) {
        t.float(&[("output", &lane.output)], age(lane));
    }
    each(lanes, t, Gauge, "output_files_behind", "Files with bytes that are not settled.", |l| l.files_behind);
    let help = "Files read no further for now because 1,024 settled spans lie above an unsettled one.";
    each(lanes, t, Gauge, "output_files_span_full", help, |l| l.files_span_full);
    let help = "1 while the output is behind and settled nothing for stall_after.";
    each(lanes, t, Gauge, "output_stalled", help, |l| u64::from(l.stalled));
    t.family(
        Gauge,
        "output_last_settled_timestamp_seconds",
        "When anything was settled last, Unix time; no sample before.",
    );
    for lane in lanes.iter().filter(|l| l.last_settled > 0) {
        t.float(&[("output", &lane.output)], lane.last_settled as f64 / 1e9);
    }
}

fn parked(lanes: Lanes<'_>, t: &mut Text) {
    use Kind::Gauge;
    t.family(Gauge, "output_parked_keys", "Log streams, object prefixes or indexes that wait after a failure.");
    lanes.iter().for_each(|l| t.int(&[("output", &l.output)], l.parked.len() as u64));
    t.family(Gauge, "output_parked_keys_by_code", "The same, by the service's code.");
    for lane in lanes {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        lane.parked.iter().for_each(|key| *sums.entry(key.code.as_str()).or_default() += 1);
        bounded(
            sums.into_iter(),
            super::CODES_MAX,
            |code, n, t| t.int(&[("output", &lane.output), ("code", code)], n),
            t,
        );
    }
    let waiting = |l: &LaneReport| l.parked.iter().map(|key| key.waiting_bytes).sum();
    each(lanes, t, Gauge, "output_parked_bytes", "Bytes that wait under parked keys.", waiting);
    t.family(Gauge, "output_parked", "1 while the whole output waits after a failure, with its code.");
    for lane in lanes {
        let code = lane.lane_parked.as_ref().map_or("", |(code, _)| code.as_str());
        t.int(&[("output", &lane.output), ("code", code)], u64::from(lane.lane_parked.is_some()));
    }
}

fn latencies(lanes: Lanes<'_>, t: &mut Text) {
    type Of = fn(&LaneReport) -> &Quantiles;
    let families: [(&str, &str, Of); 2] = [
        ("output_request_seconds", "One attempt, from sending to the answer.", |l| &l.request_seconds),
        ("output_delivery_seconds", "From the line's stamp to the answer that delivered it.", |l| &l.delivery_seconds),
    ];
    for (name, help, of) in families {
        t.family(Kind::Summary, name, help);
        for lane in lanes {
            let q = of(lane);
            for (quantile, value) in [("0.5", q.p50), ("0.9", q.p90), ("0.99", q.p99), ("1", q.max)] {
                // Without a sample there is no quantile; 0 would look like a fast answer.
                let value = if q.count == 0 { f64::NAN } else { value };
                t.float(&[("output", &lane.output), ("quantile", quantile)], value);
            }
            t.float_of("_sum", &[("output", &lane.output)], q.sum);
            t.int_of("_count", &[("output", &lane.output)], q.count);
        }
    }
}
