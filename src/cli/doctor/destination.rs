//! Each output: whether it can be reached and written to, which right is missing, whether its clock agrees.
//!
//! The services try it themselves (`service/probe`), where the files that are there now would go.

use super::clock;
use super::credentials::{self, Around};
use super::files::Sample;
use super::line::Line;
use crate::cli::clock::Clock;
use crate::cli::output::destination;
use crate::config::checked::{self, Output, OutputKind};
use crate::config::template::render;
use crate::lane::batch::{Code, Target};
use crate::origin::Origin;
use crate::output::cloudwatch::keys::Keys;
use crate::output::cloudwatch::service::CloudWatchService;
use crate::output::http::Http;
use crate::output::opensearch::index;
use crate::output::opensearch::service::OpenSearchService;
use crate::output::probe::{Came, Probe, Tried};
use crate::output::s3::name;
use crate::output::s3::service::S3Service;
use crate::telemetry::advice;
use std::sync::Arc;
use std::time::Duration;

/// Of one request. A server that hangs says nothing later either.
const PATIENCE: Duration = Duration::from_secs(6);
/// Log groups, prefixes or indices of one output that are tried: rights often differ by namespace.
const PLACES: usize = 4;

/// The lines of one output.
pub async fn look(output: &Output, node: &Arc<str>, samples: &[Sample], clock: Clock) -> Vec<Line> {
    let of = format!("output {}", output.name);
    let service = match Service::new(output, node) {
        Ok(service) => Arc::new(service),
        Err(why) => return vec![Line::fail(of, why)],
    };
    let mine = |sample: &&Sample| output.inputs.iter().any(|input| sample.origin.listed_by(input));
    let now = clock.now().unix_ns;
    let mut places: Vec<Target> = Vec::new();
    for sample in samples.iter().filter(mine) {
        let target = service.target(&sample.origin, now);
        if places.len() < PLACES && places.iter().all(|place| place.place != target.place) {
            places.push(target);
        }
    }
    let example = places.is_empty();
    if example {
        places.push(service.target(&Sample::example(node).origin, now));
    }
    let more = if example { " (no log file yet: an example)" } else { "" };
    let shown: Vec<String> = places.iter().map(|target| format!("{}{more}", service.named(target))).collect();
    let mut tries = Vec::new();
    for target in places {
        let service = service.clone();
        tries.push(tokio::spawn(async move { service.probe(&target).await }));
    }
    let mut probes = Vec::new();
    for tried in tries {
        probes.push(tried.await.unwrap_or_default());
    }
    let mut lines = Vec::new();
    if let Some(first) = probes.first() {
        lines.extend(about_server(&of, &destination(&output.kind), first, clock));
    }
    lines.extend(all_written(&of, &shown, &probes));
    lines
}

/// Credentials, an answer, its time.
fn about_server(of: &str, server: &str, probe: &Probe, clock: Clock) -> Vec<Line> {
    let mut lines = Vec::new();
    let now = clock.now().unix_ns;
    let found = probe.found.as_ref();
    lines.extend(found.map(|found| credentials::line(of, found, now / 1_000_000_000, &Around::of_process())));
    if let Some(heard) = &probe.heard {
        let since = i64::try_from(heard.at.elapsed().as_nanos()).unwrap_or(0);
        lines.push(Line::ok(of, format!("{server} answers")));
        lines.extend(clock::line(of, heard.date, now.saturating_sub(since) / 1_000_000_000));
    }
    lines
}

/// One output's other half, to be tried.
enum Service {
    CloudWatch(Box<CloudWatchService>, Keys),
    S3(Box<S3Service>, checked::S3),
    OpenSearch(Box<OpenSearchService>, checked::OpenSearch),
}

impl Service {
    fn new(output: &Output, node: &Arc<str>) -> Result<Service, String> {
        let ca_file = output.ca_file.as_ref().map(|file| file.path.as_path());
        let http = Http::new(ca_file)?.patience(PATIENCE);
        Ok(match &output.kind {
            OutputKind::CloudWatch(config) => {
                Service::CloudWatch(Box::new(CloudWatchService::new(http, config)), Keys::new(config, node))
            }
            OutputKind::S3(config) => Service::S3(Box::new(S3Service::new(config, http)?), config.clone()),
            OutputKind::OpenSearch(config) => {
                Service::OpenSearch(Box::new(OpenSearchService::new(config, http)?), config.clone())
            }
        })
    }

    /// Where a file's records of now go.
    fn target(&self, origin: &Origin, now: i64) -> Target {
        let (place, stream) = match self {
            Service::CloudWatch(_, keys) => {
                let key = keys.of(origin);
                (key.place, key.stream)
            }
            Service::S3(_, config) => (name::prefix(&config.key, &origin.fields), "".into()),
            Service::OpenSearch(_, config) => (index::pattern(&config.index, &origin.fields), "".into()),
        };
        Target { place: render(&place, now).into(), stream: render(&stream, now).into() }
    }

    /// For people.
    fn named(&self, Target { place, .. }: &Target) -> String {
        match self {
            Service::CloudWatch(..) => format!("log group {place}"),
            Service::S3(_, config) => format!("bucket {} below {place}", config.bucket),
            Service::OpenSearch(..) => format!("index {place}"),
        }
    }

    async fn probe(&self, target: &Target) -> Probe {
        match self {
            Service::CloudWatch(service, _) => service.probe(target).await,
            Service::S3(service, _) => service.probe(&target.place).await,
            Service::OpenSearch(service, _) => service.probe(&target.place).await,
        }
    }
}

/// The first place in full; of the others what is wrong there and not at the first one. Pure.
fn all_written(of: &str, places: &[String], probes: &[Probe]) -> Vec<Line> {
    let mut lines = Vec::new();
    let wrong = |probe: &Probe| -> Vec<(&'static str, Code)> {
        let wrong = probe.tried.iter().filter_map(|tried| match &tried.came {
            Came::Refused(code, _) | Came::Wanted(code, _) => Some((tried.right, code.clone())),
            Came::Allowed | Came::Untried(_) => None,
        });
        wrong.collect()
    };
    let mut alike = Vec::new();
    for (at, (place, probe)) in places.iter().zip(probes).enumerate() {
        match probes.first() {
            Some(first) if at > 0 && wrong(first) == wrong(probe) => alike.push(place.as_str()),
            Some(_) | None => lines.extend(written(of, place, probe)),
        }
    }
    let well = probes.first().is_some_and(|first| wrong(first).is_empty());
    if well && !alike.is_empty() {
        lines.push(Line::ok(of, format!("nothing is wrong either with {}", alike.join(", "))));
    }
    lines
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
        lines.push(Line::ok(of, format!("{place}: allowed: {}{rest}", allowed.join(", "))));
    } else if !untried.is_empty() {
        lines.push(Line::ok(of, format!("{place}: not tried: {}", untried.join(", "))));
    }
    for Tried { right, came } in &probe.tried {
        // Not reached is worse than busy.
        let (wanted, code, say) = match came {
            Came::Refused(code, say) => (false, code, say),
            Came::Wanted(code, say) => (probe.heard.is_some(), code, say),
            Came::Allowed | Came::Untried(_) => continue,
        };
        let say = trouble(place, right, code, say, probe);
        lines.push(if wanted { Line::warn(of, say) } else { Line::fail(of, say) });
    }
    lines
}

/// A right that is missing is named first: it is what has to be asked for.
fn trouble(place: &str, right: &str, code: &Code, say: &str, probe: &Probe) -> String {
    let say = advice::say(code, say);
    if matches!(code.as_str(), "credentials" | "region") {
        return format!("{say}{}", credentials::there_is(&Around::of_process()));
    }
    if probe.heard.is_none() {
        return format!("cannot be reached: {code}: {say}");
    }
    if matches!(code.as_str(), "AccessDenied" | "AccessDeniedException" | "security_exception") {
        return format!("{place}: missing right {right}: {say}");
    }
    format!("{place}: {code}: {say}")
}

#[cfg(test)]
mod tests {
    use super::super::line::Grade::{self, Fail, Ok, Warn};
    use super::*;
    use crate::output::probe::Heard;
    use tokio::time::Instant;

    fn probe(heard: bool, tried: &[(&'static str, Came)]) -> Probe {
        let heard = heard.then(|| Heard { date: None, at: Instant::now() });
        let tried = tried.iter().map(|(right, came)| Tried { right, came: came.clone() }).collect();
        Probe { heard, tried, ..Probe::default() }
    }

    fn said(probes: &[Probe]) -> Vec<(Grade, String)> {
        let places: Vec<String> = (0..probes.len()).map(|at| format!("group {at}")).collect();
        all_written("o", &places, probes).into_iter().map(|line| (line.grade, line.say)).collect()
    }

    fn denied(say: &str) -> Came {
        Came::Refused(Code::new("AccessDenied"), say.to_owned())
    }

    #[test]
    fn each_outcome_has_its_grade_and_says_what_to_do() {
        let busy = Came::Wanted(Code::new("Slower"), "slower".to_owned());
        let gone = Came::Refused(Code::new("dns"), "no such name".to_owned());
        let untried = Came::Untried("it would leave a stream".to_owned());
        for (heard, came, grade, say) in [
            (true, Came::Allowed, Ok, "group 0: allowed: put"),
            (true, untried, Ok, "group 0: not tried: put (it would leave a stream)"),
            (true, denied("allow it"), Fail, "group 0: missing right put: allow it"),
            (true, busy.clone(), Warn, "group 0: Slower: slower"),
            (false, busy, Fail, "cannot be reached: Slower: slower"),
            (true, Came::Refused(Code::new("NoSuchBucket"), "make it".into()), Fail, "group 0: NoSuchBucket: make it"),
        ] {
            assert_eq!(said(&[probe(heard, &[("put", came)])]), [(grade, say.to_owned())]);
        }
        let (_, say) = said(&[probe(false, &[("put", gone)])]).remove(0);
        assert!(say.contains("check `url`, `endpoint` or `region`") && say.ends_with("(no such name)"), "{say}");
    }

    #[test]
    fn further_places_are_told_where_they_differ() {
        let (well, bad) = (probe(true, &[("put", Came::Allowed)]), probe(true, &[("put", denied("allow it"))]));
        let told = said(&[well.clone(), well.clone(), bad.clone(), well.clone()]);
        let want = [
            (Ok, "group 0: allowed: put"),
            (Fail, "group 2: missing right put: allow it"),
            (Ok, "nothing is wrong either with group 1, group 3"),
        ];
        assert_eq!(told, want.map(|(grade, say)| (grade, say.to_owned())));
        assert_eq!(said(&[bad.clone(), bad.clone()]).len(), 1, "the same trouble once");
        assert_eq!(said(&[bad, well]).len(), 2);
    }
}
