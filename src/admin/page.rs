//! `/`: what a person wants to know: does it arrive, what is behind, what waits and what to do about it. Pure.
//!
//! Plain HTML that renews itself every 5 s; no script. Every text that comes from elsewhere is escaped.

use super::api::time;
use crate::record::Now;
use crate::telemetry::advice;
use crate::telemetry::board::Snapshot;
use crate::telemetry::log::is_obeyed;
use crate::telemetry::report::{LaneReport, MetadataState};
use std::time::Duration;

/// Rows of a table; the rest is only counted.
const ROWS_MAX: usize = 100;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:1.5em;max-width:75em;color:#222;background:#fff}\
    h1{font-size:1.3em;margin:0}h2{font-size:1.05em;margin:1.6em 0 .4em}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25em .8em .25em 0;border-bottom:1px solid #ddd;\
    vertical-align:top}td.n,th.n{text-align:right}td.n{white-space:nowrap}p{margin:.3em 0}table.narrow{width:auto}\
    .bad{color:#a40000;font-weight:600}.warn{color:#8a5a00;font-weight:600}.good{color:#1a6b1a}.dim{color:#666}.error{color:#a40000}.warning{color:#8a5a00}";

pub(super) fn render(s: &Snapshot, now: Now) -> String {
    let mut p = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    p.push_str("<meta http-equiv=\"refresh\" content=\"5\"><title>Tailrace</title><style>");
    p.push_str(STYLE);
    p.push_str("</style></head><body>\n");
    head(s, now, &mut p);
    outputs(s, &mut p);
    parked(s, now, &mut p);
    inputs(s, &mut p);
    pods(s, &mut p);
    trouble(s, &mut p);
    p.push_str("<p class=\"dim\"><a href=\"/metrics\">metrics</a> · <a href=\"/api/lanes\">outputs as JSON</a></p>\n");
    p.push_str("</body></html>\n");
    p
}

fn head(s: &Snapshot, now: Now, p: &mut String) {
    let version = env!("CARGO_PKG_VERSION");
    let up = Duration::from_nanos(u64::try_from(now.unix_ns.saturating_sub(s.about.started_unix_ns)).unwrap_or(0));
    p.push_str(&format!("<h1>Tailrace {version} on {}</h1>\n", escape(&s.about.node)));
    let (memory, cpu) = (bytes(s.process.rss), s.process.cpu.as_secs_f64());
    p.push_str(&format!(
        "<p>{}, for {}; {memory} of memory, {cpu:.1} s of processor time.</p>\n",
        escape(s.phase.as_str()),
        span(up)
    ));
    p.push_str(&format!(
        "<p class=\"dim\">Configuration {}, since {}.</p>\n",
        escape(&s.config.hash),
        time(s.config.since)
    ));
    if let Some((at, why)) = &s.config.refused {
        p.push_str(&format!(
            "<p class=\"bad\">A changed configuration was refused {} ago; the one before runs on:</p>\n<pre>{}</pre>\n",
            since(now, *at),
            escape(why)
        ));
    }
    let (class, verdict) = in_a_word(s);
    p.push_str(&format!("<p class=\"{class}\">{verdict}</p>\n"));
    s.stalled().iter().for_each(|text| p.push_str(&format!("<p class=\"bad\">{}</p>\n", escape(text))));
    for (what, why) in &s.unwritable {
        let text = format!("data_dir cannot be written ({why}): {}.", what.meaning());
        p.push_str(&format!("<p class=\"bad\">{}</p>\n", escape(&text)));
    }
    for (name, age) in s.stuck(now) {
        p.push_str(&format!("<p class=\"bad\">Thread {} did nothing for {}.</p>\n", escape(name), span(age)));
    }
}

/// Does it arrive?
fn in_a_word(s: &Snapshot) -> (&'static str, String) {
    let count = |bad: fn(&LaneReport) -> bool| s.lanes.iter().filter(|l| bad(l)).count();
    let (all, waiting) = (s.lanes.len(), count(|l| l.lane_parked.is_some()));
    let (partly, late) = (count(|l| !l.parked.is_empty()), count(is_late));
    if waiting > 0 {
        (
            "bad",
            format!(
                "{waiting} of {all} outputs wait after a failure. Nothing is lost while their log files are there."
            ),
        )
    } else if partly > 0 {
        ("warn", format!("{partly} of {all} outputs cannot deliver to some of their destinations."))
    } else if late > 0 {
        ("warn", format!("{late} of {all} outputs are more than a minute behind."))
    } else {
        ("good", "All outputs deliver.".to_owned())
    }
}

fn is_late(lane: &LaneReport) -> bool {
    // What is due every few minutes is not late before that.
    lane.oldest_unsettled.is_some_and(|age| age > lane.max_age.saturating_add(Duration::from_secs(60)))
}

fn outputs(s: &Snapshot, p: &mut String) {
    p.push_str("<h2>Outputs</h2>\n<table><tr><th>output</th><th>state</th><th class=\"n\">delivered</th>");
    p.push_str("<th class=\"n\">dropped</th><th class=\"n\">dead letters</th><th class=\"n\">behind</th><th class=\"n\">oldest</th>");
    p.push_str("<th class=\"n\">on the wire</th><th class=\"n\">requests</th><th class=\"n\">to delivery (p50, p99)</th></tr>\n");
    for lane in &s.lanes {
        let (class, state) = state(lane);
        let dropped: u64 = lane.sums.dropped.iter().map(|(records, _)| records).sum();
        let oldest = lane.oldest_unsettled.map_or_else(|| "–".to_owned(), span);
        let q = &lane.delivery_seconds;
        let took = if q.count == 0 { "–".to_owned() } else { format!("{:.2} s, {:.2} s", q.p50, q.p99) };
        p.push_str(&format!(
            "<tr><td>{}<br><span class=\"dim\">{}</span></td><td class=\"{class}\">{}</td><td class=\"n\">{}</td>\
             <td class=\"n\">{dropped}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{oldest}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{took}</td></tr>\n",
            escape(&lane.output),
            escape(&lane.to),
            escape(&state),
            grouped(lane.sums.delivered.0),
            grouped(lane.sums.dead_lettered.0),
            bytes(lane.lag_bytes),
            bytes(lane.bytes_sent),
            grouped(lane.requests),
        ));
    }
    p.push_str("</table>\n");
}

fn state(lane: &LaneReport) -> (&'static str, String) {
    if lane.lane_parked.is_some() {
        ("bad", "waits: see below".to_owned())
    } else if lane.stalled {
        ("bad", "stalled".to_owned())
    } else if !lane.parked.is_empty() {
        ("warn", format!("{} waiting: see below", lane.parked.len()))
    } else if is_late(lane) {
        ("warn", "catching up".to_owned())
    } else {
        ("good", "ok".to_owned())
    }
}

fn parked(s: &Snapshot, now: Now, p: &mut String) {
    if s.lanes.iter().all(|l| l.parked.is_empty() && l.lane_parked.is_none()) {
        return;
    }
    p.push_str(
        "<h2>Waiting after a failure</h2>\n<p class=\"dim\">Each is tried again at least every 5 minutes.</p>\n",
    );
    p.push_str("<table><tr><th>output</th><th>where to</th><th>reason</th><th>what to do</th>");
    p.push_str("<th class=\"n\">waiting</th><th class=\"n\">since</th></tr>\n");
    for lane in &s.lanes {
        let output = escape(&lane.output);
        if let Some((code, say)) = &lane.lane_parked {
            let what = escape(&advice::say(code, say));
            let (to, lag, since) = (escape(&lane.to), bytes(lane.lag_bytes), since(now, lane.lane_parked_since));
            p.push_str(&format!("<tr><td>{output}</td><td>all of {to}</td><td>{code}</td><td>{what}</td><td class=\"n\">{lag}</td><td class=\"n\">{since}</td></tr>\n"));
        }
        for key in lane.parked.iter().take(ROWS_MAX) {
            let (to, say, waiting) =
                (escape(&key.key), escape(&advice::say(&key.code, &key.say)), bytes(key.waiting_bytes));
            let (code, since) = (&key.code, since(now, key.since));
            p.push_str(&format!("<tr><td>{output}</td><td>{to}</td><td>{code}</td><td>{say}</td><td class=\"n\">{waiting}</td><td class=\"n\">{since}</td></tr>\n"));
        }
        if lane.parked.len() > ROWS_MAX {
            let more = lane.parked.len() - ROWS_MAX;
            p.push_str(&format!("<tr><td>{output}</td><td colspan=\"5\">and {more} more</td></tr>\n"));
        }
    }
    p.push_str("</table>\n");
}

fn inputs(s: &Snapshot, p: &mut String) {
    let c = &s.catalog;
    p.push_str("<h2>Inputs</h2>\n<table class=\"narrow\"><tr><th>input</th><th class=\"n\">files</th><th class=\"n\">growing</th><th class=\"n\">bytes since the start</th></tr>\n");
    for (name, input) in &c.inputs {
        let (name, grown) = (escape(name), bytes(input.bytes));
        p.push_str(&format!(
            "<tr><td>{name}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{grown}</td></tr>\n",
            input.files, input.hot
        ));
    }
    p.push_str("</table>\n");
    p.push_str(&format!(
        "<p class=\"dim\">Open files: {}. Deleted ones held until they are delivered: {} ({}).</p>\n",
        c.open_files,
        c.held.0,
        bytes(c.held.1)
    ));
    if c.without_metadata > 0 {
        let n = c.without_metadata;
        p.push_str(&format!(
            "<p class=\"warn\">Files whose pod nobody knew in time: {n}. Their documents say what the path says.</p>\n"
        ));
    }
    if c.polling {
        p.push_str("<p class=\"warn\">inotify is not usable: directories are scanned every second instead. Raise fs.inotify.max_user_watches or max_user_instances.</p>\n");
    }
    for (code, n) in &c.unreadable {
        p.push_str(&format!("<p class=\"warn\">Files that could not be read: {n} ({code}).</p>\n"));
    }
    let mut lost: Vec<(&String, &u64)> = c.lost.iter().collect();
    lost.sort_by(|a, b| b.1.cmp(a.1));
    for (pod, n) in lost.iter().take(ROWS_MAX) {
        let (pod, n) = (escape(pod), bytes(**n));
        p.push_str(&format!("<p class=\"bad\">{n} of {pod} were deleted before they were read.</p>\n"));
    }
}

fn pods(s: &Snapshot, p: &mut String) {
    let Some(m) = &s.metadata else { return };
    p.push_str(&format!(
        "<h2>Pods</h2>\n<p>Known: {}. Deleted ones kept for their files: {}.</p>\n",
        m.pods, m.deleted
    ));
    match m.state {
        MetadataState::Starting => p.push_str("<p class=\"warn\">Nothing was heard of this node's pods yet.</p>\n"),
        MetadataState::Watching => {}
        MetadataState::Failing => {
            let (code, say) = m.trouble.as_ref().map_or(("", ""), |(code, say)| (code.as_str(), say.as_str()));
            p.push_str(&format!(
                "<p class=\"warn\">This node's pods cannot be watched since {}: {}: {}. What is known stays known; new pods' logs \
                 go out with what their path says.</p>\n",
                time(m.since),
                escape(code),
                escape(say)
            ));
        }
    }
}

fn trouble(s: &Snapshot, p: &mut String) {
    if s.recent.is_empty() {
        return;
    }
    p.push_str("<h2>Last warnings</h2>\n<table>\n");
    for line in &s.recent {
        let class = if line.error { "error" } else { "warning" };
        let (at, text) = (time(line.unix_ns), escape(&line.text));
        p.push_str(&format!("<tr><td class=\"n dim\">{at}</td><td class=\"{class}\">{text}</td></tr>\n"));
    }
    p.push_str("</table>\n");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Such as what turns the direction of writing.
            c if is_obeyed(c) && !c.is_whitespace() => out.push(char::REPLACEMENT_CHARACTER),
            other => out.push(other),
        }
    }
    out
}

fn bytes(n: u64) -> String {
    let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.iter().find(|(_, size)| n >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", n as f64 / *size as f64),
        None => format!("{n} B"),
    }
}

/// `1,234,567`
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn since(now: Now, unix_ns: i64) -> String {
    span(Duration::from_nanos(u64::try_from(now.unix_ns.saturating_sub(unix_ns)).unwrap_or(0)))
}

fn span(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..60 => format!("{:.1} s", d.as_secs_f64()),
        60..3_600 => format!("{} min {} s", s / 60, s % 60),
        3_600..172_800 => format!("{} h {} min", s / 3_600, s % 3_600 / 60),
        172_800.. => format!("{} days", s / 86_400),
    }
}
