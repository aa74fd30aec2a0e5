//! Everything that is published, as Prometheus metrics.
//!
//! Pure: a snapshot in, text out. Names begin with `tailrace_`. Counters of fates continue over restarts (the store keeps
//! them), the others start at 0 with the process. Labels are bounded: outputs and inputs by the configuration, codes by
//! [`CODES_MAX`], pods by [`PODS_MAX`]; the rest is counted under `other`.

mod lanes;
#[cfg(test)]
mod tests;
pub mod text;

use super::board::{Phase, Snapshot};
use super::report::{CatalogReport, MetadataReport, MetadataState, Written};
use crate::lane::batch::Code;
use crate::record::Now;
use crate::ruling::Why;
use std::collections::BTreeMap;
use text::{Kind, Text};

/// Codes of one family and output that get a series of their own, in the order of their names.
pub const CODES_MAX: usize = 32;
/// Pods that get a series of their own in `tailrace_lost_bytes_total`.
pub const PODS_MAX: usize = 1_000;

/// The whole exposition.
pub fn render(snapshot: &Snapshot, now: Now) -> String {
    let mut text = Text::default();
    process(snapshot, now, &mut text);
    own(snapshot, &mut text);
    lanes::render(&snapshot.lanes, &mut text);
    catalog(&snapshot.catalog, &mut text);
    if let Some(report) = &snapshot.metadata {
        metadata(report, &mut text);
    }
    text.finish()
}

fn process(s: &Snapshot, now: Now, t: &mut Text) {
    use Kind::{Counter, Gauge};
    let version = env!("CARGO_PKG_VERSION");
    t.family(Gauge, "build_info", "Always 1; says which build this is.")
        .int(&[("version", version), ("node", &s.about.node)], 1);
    let started = s.about.started_unix_ns as f64 / 1e9;
    t.family(Gauge, "start_time_seconds", "When the process started, Unix time.").float(&[], started);
    t.family(Gauge, "ready", "1 when started or standing by, as /readyz says.").int(&[], u64::from(s.ready()));
    let standing_by = matches!(s.phase, Phase::StandingBy);
    t.family(Gauge, "standing_by", "1 while another process holds data_dir.").int(&[], u64::from(standing_by));
    let draining = matches!(s.phase, Phase::Leaving | Phase::Draining);
    t.family(Gauge, "draining", "1 from the stop signal, or a spot notice, on.").int(&[], u64::from(draining));
    let healthy = s.lanes.iter().all(|lane| !lane.stalled);
    t.family(Gauge, "healthy", "0 while an output is behind and settled nothing for stall_after, as /healthz says.")
        .int(&[], u64::from(healthy));
    t.family(Gauge, "stuck_threads", "Own threads that did not beat for 60 s, as /livez says.")
        .int(&[], s.stuck(now).len() as u64);
    t.family(
        Gauge,
        "data_dir_unwritable",
        "1 while this part of data_dir cannot be written; reading goes on all the same.",
    );
    for what in Written::ALL {
        t.int(&[("what", what.as_str())], u64::from(s.unwritable.contains_key(&what)));
    }
    t.family(Gauge, "sandbox", "1 while this part of the sandbox is in effect.");
    t.int(&[("part", "landlock")], u64::from(s.about.landlock));
    t.int(&[("part", "seccomp")], u64::from(s.about.seccomp));
    t.family(Counter, "log_lines_left_out_total", "Lines of our own log that could not be written to stderr.")
        .int(&[], s.process.log_left_out);
    t.family(
        Gauge,
        "clock_skew_seconds",
        "How far services are ahead of this machine's clock, when one refused a request for it; they are signed so.",
    )
    .float(&[], s.process.clock_skew as f64);
    let mut known = |name: &str, help: &str, value: u64| {
        // No process has none of it: it could not be read.
        if value > 0 {
            t.family(Gauge, name, help).int(&[], value);
        }
    };
    known("process_resident_memory_bytes", "Resident memory.", s.process.rss);
    known("process_resident_memory_peak_bytes", "The most memory that was ever resident.", s.process.rss_peak);
    known("process_threads", "Threads.", s.process.threads);
    t.family(Counter, "process_cpu_seconds_total", "User and system time of all threads.")
        .float(&[], s.process.cpu.as_secs_f64());
}

/// Configuration and store.
fn own(s: &Snapshot, t: &mut Text) {
    use Kind::{Counter, Gauge};
    let c = &s.config;
    t.family(
        Gauge,
        "config_info",
        "Always 1; says which configuration is in effect, by the first 12 digits of its SHA-256.",
    )
    .int(&[("hash", &c.hash)], 1);
    t.family(Gauge, "config_since_seconds", "Since when it is in effect, Unix time.").float(&[], c.since as f64 / 1e9);
    t.family(Counter, "config_reloads_total", "Changed configurations that were taken up.").int(&[], c.reloads);
    t.family(Counter, "config_reload_failures_total", "Changed configurations that were refused; the old one runs on.")
        .int(&[], c.failures);
    t.family(Gauge, "config_last_reload_success", "0 while the configuration file is one that was refused.")
        .int(&[], u64::from(c.refused.is_none()));
    t.family(
        Gauge,
        "store_moved_aside",
        "1 when the checkpoint store could not be read at the start: positions began anew.",
    )
    .int(&[], u64::from(s.store.moved_aside));
    t.family(
        Gauge,
        "store_passed_over",
        "Records of the checkpoint store passed over at the start: damaged, or of kinds that this version does not know.",
    )
    .int(&[], s.store.passed_over);
}

fn catalog(c: &CatalogReport, t: &mut Text) {
    use Kind::{Counter, Gauge};
    let mut each = |kind, name, help, value: fn(&super::report::InputReport) -> u64| {
        t.family(kind, name, help);
        c.inputs.iter().for_each(|(input, report)| t.int(&[("input", input)], value(report)));
    };
    each(Gauge, "input_files", "Files known.", |i| i.files);
    each(Gauge, "input_hot_files", "Files that grew within the last seconds.", |i| i.hot);
    each(Counter, "input_bytes_total", "Plain bytes that appeared in the input's files.", |i| i.bytes);
    each(Counter, "input_offered_files_total", "Files offered to outputs.", |i| i.offered);
    t.family(Counter, "input_excluded_bytes_total", "Plain bytes that no output reads by this input, by who said so.");
    for (input, report) in &c.inputs {
        for (why, bytes) in Why::ALL.iter().zip(report.left_out) {
            t.int(&[("input", input), ("reason", why.as_str())], bytes);
        }
    }
    t.family(Counter, "unknown_parsers_total", "Containers whose pod asks for a parser that there is not.")
        .int(&[], c.strange_parsers.0);
    t.family(Gauge, "open_files", "Log files held open.").int(&[], c.open_files);
    t.family(Gauge, "held_files", "Deleted files held open because an output has not settled them.").int(&[], c.held.0);
    t.family(Gauge, "held_bytes", "Bytes of the deleted files held open.").int(&[], c.held.1);
    t.family(Gauge, "retained_files", "Copies in data_dir/retained of log files that an output has not settled.")
        .int(&[], c.copies.0);
    t.family(Gauge, "retained_bytes", "Bytes on disk of those copies.").int(&[], c.copies.1);
    t.family(Counter, "copies_total", "Copies of log files made in data_dir/retained.").int(&[], c.copied.0);
    t.family(Counter, "copied_bytes_total", "Bytes on disk of the copies made.").int(&[], c.copied.1);
    t.family(Counter, "copy_failures_total", "Copies that could not be made, by error.");
    codes(&c.not_copied, |code, n, t| t.int(&[("code", code)], n), t);
    t.family(
        Gauge,
        "unwatched_empty_files",
        "Empty files past the limit of 10,000: looked at once a minute until they have bytes.",
    )
    .int(&[], c.overlooked);
    t.family(Gauge, "polling", "1 while directories are scanned because inotify is not usable.")
        .int(&[], u64::from(c.polling));
    t.family(Counter, "watch_overflows_total", "Times the inotify queue overflowed.").int(&[], c.overflows);
    t.family(Counter, "unreadable_files_total", "Files that could not be read, by error.");
    codes(&c.unreadable, |code, n, t| t.int(&[("code", code)], n), t);
    t.family(Counter, "files_without_metadata_total", "Files whose pod stayed unknown for metadata.wait.")
        .int(&[], c.without_metadata);
    t.family(
        Counter,
        "lost_bytes_total",
        "Bytes of deleted files that an output had not settled, by namespace/pod/container; what was on its way may arrive.",
    );
    let pods = c.lost.iter().map(|(pod, bytes)| (pod.as_str(), *bytes));
    bounded(pods, PODS_MAX, |pod, n, t| t.int(&[("pod", pod)], n), t);
}

fn metadata(m: &MetadataReport, t: &mut Text) {
    use Kind::{Counter, Gauge};
    t.family(Gauge, "metadata_state", "1 for the state that the pod watch is in.");
    for state in MetadataState::ALL {
        t.int(&[("state", state.as_str())], u64::from(state == m.state));
    }
    t.family(Gauge, "metadata_pods", "Live pods known.").int(&[], m.pods);
    t.family(Gauge, "metadata_deleted_pods", "Deleted pods kept for files that are still read.").int(&[], m.deleted);
    t.family(Gauge, "metadata_bytes", "Memory that the pod table costs, roughly.").int(&[], m.bytes);
    t.family(Counter, "metadata_shed_pods_total", "Pods thrown away or refused because the table was full.")
        .int(&[], m.shed);
    t.family(Counter, "metadata_requests_total", "Requests to the API server or kubelet, by what was asked for.");
    for (what, n) in &m.requests {
        t.int(&[("what", what)], *n);
    }
    t.family(Counter, "metadata_received_bytes_total", "Bytes of their answers, without TLS and headers.")
        .int(&[], m.received);
    t.family(Counter, "metadata_lists_total", "Complete lists read from the API server or kubelet.").int(&[], m.lists);
    t.family(Counter, "metadata_watches_total", "Watches begun at the API server.").int(&[], m.watches);
    t.family(Counter, "metadata_events_total", "Pod events read.").int(&[], m.events);
    t.family(Counter, "metadata_unreadable_total", "Objects of the API server that could not be read, passed over.")
        .int(&[], m.unreadable);
    t.family(Counter, "metadata_failures_total", "Requests to the API server or kubelet that failed, by code.");
    codes(&m.failures, |code, n, t| t.int(&[("code", code)], n), t);
}

/// One series for each of the first [`CODES_MAX`] codes, one for the rest.
fn codes(all: &BTreeMap<Code, u64>, put: impl Fn(&str, u64, &mut Text), t: &mut Text) {
    bounded(all.iter().map(|(code, n)| (code.as_str(), *n)), CODES_MAX, put, t);
}

fn bounded<'a>(
    all: impl Iterator<Item = (&'a str, u64)>,
    most: usize,
    put: impl Fn(&str, u64, &mut Text),
    t: &mut Text,
) {
    let mut rest: Option<u64> = None;
    let mut room = most;
    for (name, n) in all {
        if room == 0 || name == "other" {
            rest = Some(rest.unwrap_or(0).saturating_add(n));
        } else {
            room -= 1;
            put(name, n, t);
        }
    }
    if let Some(n) = rest {
        put("other", n, t);
    }
}
