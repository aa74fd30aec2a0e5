//! The API server, or kubelet, where an input wants more than paths say: whether it answers, which rule is missing, its clock.

use super::clock;
use super::line::Line;
use crate::cli::clock::Clock;
use crate::cli::run::followed;
use crate::config::checked::Config;
use crate::metadata::pods::Pods;
use crate::metadata::watch::Watch;
use crate::metadata::watch::plan::Timing;
use crate::metadata::watch::probe::Probe;
use crate::telemetry::board::{About, Board};
use crate::telemetry::recent::Recent;
use std::sync::Arc;
use std::time::Duration;

const OF: &str = "API server";
/// Of one request: the agent itself waits longer.
const PATIENCE: Duration = Duration::from_secs(6);

/// Nothing, where nobody asks it.
pub async fn look(config: &Config, time: Clock) -> Vec<Line> {
    if followed::wanted(config).is_empty() {
        return Vec::new();
    }
    let about = About { node: config.node.clone(), started_unix_ns: 0, ..About::default() };
    let board = Board::new(about, Arc::new(Recent::default()));
    let settings = followed::settings(config, Timing { answer: PATIENCE, ..Timing::default() });
    let by_kubelet = settings.kubelet.is_some();
    match Watch::new(settings, Arc::new(Pods::new()), Arc::new(board), move || time.now()) {
        Ok(watch) => lines(&watch.probe().await, by_kubelet, &config.node, time),
        Err(why) => vec![Line::fail(OF, why)],
    }
}

fn lines(probe: &Probe, by_kubelet: bool, node: &str, time: Clock) -> Vec<Line> {
    let mut lines = Vec::new();
    match &probe.refused {
        None if by_kubelet => lines.push(Line::ok(OF, format!("kubelet of node {node} tells of its pods"))),
        None => lines.push(Line::ok(OF, format!("pods of node {node} may be listed and watched"))),
        // Log files go on with what their path says.
        Some((what, code, say)) => {
            let first = match (*what, code.as_str()) {
                (_, "connect" | "config") => String::new(),
                (verb @ ("list" | "watch"), _) => format!("{verb} pods: "),
                (what, _) => format!("{what}: "),
            };
            lines.push(Line::fail(OF, format!("{first}{code}: {say}")));
        }
    }
    if let Some((at, date)) = &probe.heard {
        let now = time.now();
        let since = i64::try_from(now.mono.saturating_sub(*at).as_secs()).unwrap_or(0);
        let ours = now.unix_ns / 1_000_000_000 - since;
        lines.extend(clock::line(OF, *date, ours));
    }
    lines
}
