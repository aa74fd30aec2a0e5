//! The API server, where an input wants more than paths say: whether it answers, which rule is missing, its clock.

use super::clock;
use super::line::Line;
use crate::cli::clock::Clock;
use crate::config::checked::{Config, InputKind, MetadataSource};
use crate::metadata::pods::Pods;
use crate::metadata::watch::plan::Timing;
use crate::metadata::watch::probe::Probe;
use crate::metadata::watch::{Api, Settings, Watch};
use crate::telemetry::board::{About, Board};
use crate::telemetry::recent::Recent;
use std::sync::Arc;
use std::time::Duration;

const OF: &str = "API server";
/// Of one request: the agent itself waits longer.
const PATIENCE: Duration = Duration::from_secs(6);

/// Nothing, where nobody asks it.
pub async fn look(config: &Config, time: Clock) -> Vec<Line> {
    let asks = config.inputs.iter().any(|input| match &input.kind {
        InputKind::Kubernetes { metadata, .. } => metadata.source == MetadataSource::Api,
        InputKind::File { .. } => false,
    });
    if !asks {
        return Vec::new();
    }
    let board = Board::new(About { node: config.node.clone(), started_unix_ns: 0 }, Arc::new(Recent::default()));
    let timing = Timing { answer: PATIENCE, ..Timing::default() };
    let settings = Settings { api: Api::Infer, node: config.node.clone(), annotations: Vec::new(), timing };
    match Watch::new(settings, Arc::new(Pods::new()), Arc::new(board), move || time.now()) {
        Ok(watch) => lines(&watch.probe().await, &config.node, time),
        Err(why) => vec![Line::fail(OF, why)],
    }
}

fn lines(probe: &Probe, node: &str, time: Clock) -> Vec<Line> {
    let mut lines = Vec::new();
    match &probe.refused {
        None => lines.push(Line::ok(OF, format!("pods of node {node} may be listed and watched"))),
        // Log files go on with what their path says.
        Some((verb, code, say)) => {
            let first = if *verb == "connect" { String::new() } else { format!("{verb} pods: ") };
            lines.push(Line::fail(OF, format!("{first}{code}: {say}")));
        }
    }
    if let Some((at, date)) = &probe.heard {
        let now = time.now();
        let since = i64::try_from(now.mono.saturating_sub(*at).as_secs()).unwrap_or(0);
        let ours = now.unix_ns / 1_000_000_000 - since;
        lines.extend(clock::line(OF, date.as_deref(), ours));
    }
    lines
}
