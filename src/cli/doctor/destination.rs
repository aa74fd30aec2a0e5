//! Each output: whether it can be reached and written to, which right is missing, whether its clock agrees.
//!
//! The services try it themselves (`service/probe`), where the files that are there now would go.

use super::clock;
use super::credentials::{self, Around};
use super::files::Sample;
use super::line::Line;
use crate::cli::clock::Clock;
use crate::cli::output::destination;
use crate::config::checked::{Output, OutputKind};
use crate::config::template::render;
use crate::lane::batch::Target;
use crate::origin::Origin;
use crate::output::cloudwatch::keys::Keys;
use crate::output::cloudwatch::service::CloudWatchService;
use crate::output::http::Http;
use crate::output::opensearch::index;
use crate::output::opensearch::service::OpenSearchService;
use crate::output::probe::{Came, Probe};
use crate::output::s3::name;
use crate::output::s3::service::S3Service;
use std::sync::Arc;
use std::time::Duration;

/// Of one request. A server that hangs says nothing later either.
const PATIENCE: Duration = Duration::from_secs(6);

/// The lines of one output.
pub async fn look(output: &Output, node: &Arc<str>, samples: &[Sample], clock: Clock) -> Vec<Line> {
    let of = format!("output {}", output.name);
    let sample = samples.iter().find(|sample| output.inputs.iter().any(|input| sample.origin.listed_by(input)));
    let example = Sample::example(node);
    let origin = &sample.unwrap_or(&example).origin;
    let tried = match probe(output, node, origin, clock).await {
        Ok(tried) => tried,
        Err(why) => return vec![Line::fail(of, why)],
    };
    let heard_at = tried.probe.heard.as_ref().map(|heard| heard.at.elapsed()).unwrap_or_default();
    let ours = clock.now().unix_ns.saturating_sub(i64::try_from(heard_at.as_nanos()).unwrap_or(0)) / 1_000_000_000;
    let place =
        if sample.is_some() { tried.place.clone() } else { format!("{} (no log file yet: an example)", tried.place) };
    let mut lines = Vec::new();
    let now = clock.now().unix_ns / 1_000_000_000;
    let around = Around::of_process();
    lines.extend(tried.probe.found.as_ref().map(|found| credentials::line(&of, found, now, &around)));
    if tried.probe.heard.is_some() {
        lines.push(Line::ok(&of, format!("{} answers", destination(&output.kind))));
    }
    lines.extend(written(&of, &place, &tried.probe));
    let date = tried.probe.heard.as_ref().and_then(|heard| heard.date.as_deref());
    lines.extend(clock::line(&of, date, ours));
    lines
}

struct TriedOut {
    /// For people.
    place: String,
    probe: Probe,
}

async fn probe(output: &Output, node: &Arc<str>, origin: &Origin, clock: Clock) -> Result<TriedOut, String> {
    let ca_file = output.ca_file.as_ref().map(|file| file.path.as_path());
    let http = Http::new(ca_file)?.patience(PATIENCE);
    let now = clock.now().unix_ns;
    Ok(match &output.kind {
        OutputKind::CloudWatch(config) => {
            let key = Keys::new(config, node).of(origin);
            let at = |pattern: &str| Arc::from(render(pattern, now));
            let target = Target { place: at(&key.place), stream: at(&key.stream) };
            let probe = CloudWatchService::new(http, config).probe(&target).await;
            TriedOut { place: format!("log group {}", target.place), probe }
        }
        OutputKind::S3(config) => {
            let prefix = render(&name::prefix(&config.key, &origin.fields), now);
            let probe = S3Service::new(config, http)?.probe(&prefix).await;
            TriedOut { place: format!("bucket {} below {prefix}", config.bucket), probe }
        }
        OutputKind::OpenSearch(config) => {
            let index = render(&index::pattern(&config.index, &origin.fields), now);
            let probe = OpenSearchService::new(config, http)?.probe(&index).await;
            TriedOut { place: format!("index {index}"), probe }
        }
    })
}

/// What may be done there. Pure.
fn written(of: &str, place: &str, probe: &Probe) -> Vec<Line> {
    let mut lines = Vec::new();
    let all = |pick: fn(&Came) -> bool| -> Vec<&str> {
        probe.tried.iter().filter(|tried| pick(&tried.came)).map(|tried| tried.right).collect()
    };
    let allowed = all(|came| matches!(came, Came::Allowed));
    let untried = probe.tried.iter().filter_map(|tried| match &tried.came {
        Came::Untried(why) => Some(format!("{} ({why})", tried.right)),
        Came::Allowed | Came::Refused(..) | Came::Wanted(..) => None,
    });
    let untried: Vec<String> = untried.collect();
    if !allowed.is_empty() {
        let rest = if untried.is_empty() { String::new() } else { format!("; not tried: {}", untried.join(", ")) };
        lines.push(Line::ok(of, format!("{place}: may be written to ({}){rest}", allowed.join(", "))));
    } else if !untried.is_empty() {
        lines.push(Line::ok(of, format!("{place}: not tried: {}", untried.join(", "))));
    }
    for tried in &probe.tried {
        match &tried.came {
            Came::Refused(code, say) => {
                lines.push(Line::fail(of, trouble(place, tried.right, code.as_str(), say, probe)))
            }
            Came::Wanted(code, say) => {
                lines.push(Line::warn(of, trouble(place, tried.right, code.as_str(), say, probe)))
            }
            Came::Allowed | Came::Untried(_) => {}
        }
    }
    lines
}

/// A right that is missing is named first: it is what has to be asked for.
fn trouble(place: &str, right: &str, code: &str, say: &str, probe: &Probe) -> String {
    if matches!(code, "credentials" | "region") {
        return format!("{say}{}", credentials::looked_at(&Around::of_process()));
    }
    if probe.heard.is_none() {
        return format!("cannot be reached: {code}: {say}");
    }
    if matches!(code, "AccessDenied" | "AccessDeniedException" | "security_exception") {
        return format!("{place}: missing right {right}: {say}");
    }
    format!("{place}: {code}: {say}")
}
