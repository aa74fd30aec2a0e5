//! A test's whole world: stand-ins, a directory, the agent; and what tests ask of it again and again.

use crate::support::{Agent, Place, SOON, Services, now, until_or};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tailrace::standin::writer::{Options, Writer};
use tailrace::standin::{Standin, opensearch};

/// The agent first: it goes before what it talks to.
pub struct Stage {
    pub agent: Agent,
    pub services: Services,
    pub place: Place,
    pub config: PathBuf,
}

impl Stage {
    /// All three outputs as [`Services::outputs`] has them, the agent running.
    pub fn new() -> Stage {
        Stage::with("", |outputs| outputs)
    }
    /// With further top-level keys, and the outputs' text changed.
    pub fn with(top: &str, change: impl FnOnce(String) -> String) -> Stage {
        Stage::of(Services::start(), Place::new(), top, change)
    }
    /// Of these parts.
    pub fn of(services: Services, place: Place, top: &str, change: impl FnOnce(String) -> String) -> Stage {
        let config = place.config(top, &change(services.outputs()));
        let agent = place.run(&config, &[]);
        agent.until_ready();
        Stage { agent, services, place, config }
    }
    /// Starts the agent again, after its end.
    pub fn start_again(&mut self) {
        self.agent = self.place.run(&self.config, &[]);
        self.agent.until_ready();
    }
    /// The `lanes` entry of this output in `/api/lanes`; null while the agent does not answer.
    pub fn lane(&self, output: &str) -> Value {
        let page = self.agent.get("/api/lanes").map(|(_, body)| body).unwrap_or_default();
        let page: Value = serde_json::from_str(&page).unwrap_or_default();
        let lanes = page["lanes"].as_array().cloned().unwrap_or_default();
        lanes.into_iter().find(|lane| lane["output"] == output).unwrap_or_default()
    }
    /// Waits until these bodies, and no others, have arrived in every output.
    pub fn until_bodies(&self, want: &[&str]) {
        for (name, standin) in self.services.each() {
            until_bodies(name, standin, want, &self.agent);
        }
    }
    /// Waits until every id of the writer has arrived everywhere; files of ended pods go in their time meanwhile.
    pub fn until_all_arrived(&self, writer: &mut Writer) {
        let begun = now().mono;
        loop {
            let lost: u64 = self.services.audit(writer).iter().map(|o| o.lost).sum();
            if lost == 0 {
                return;
            }
            let say = || format!("{:#?}\n{}", self.services.audit(writer), self.agent.log());
            assert!(now().mono - begun < SOON, "{lost} ids are missing: {}", say());
            writer.clean_up(now()).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    /// Waits until every lane knows that nothing is left to settle.
    pub fn until_settled(&self) {
        self.until_settled_but("");
    }
    /// Waits until every lane but this one knows that nothing is left to settle and has delivered something.
    pub fn until_settled_but(&self, output: &str) {
        for (other, _) in self.services.each().into_iter().filter(|(name, _)| *name != output) {
            let settled = || self.lane(other)["lag"]["bytes"] == 0 && self.lane(other)["delivered"]["records"] != 0;
            until_or(&format!("{other} to settle"), SOON, settled, || {
                format!("{}\n{}", self.lane(other), self.agent.log())
            });
        }
    }
    /// Each id, nothing changed, nothing invented; twice only in CloudWatch Logs, and no more often than the agent says.
    pub fn assert_once_or_counted(&self, writer: &Writer) {
        let cloudwatch = [("output", "cloudwatch")];
        let counted = self.agent.metrics().sum("tailrace_output_possible_duplicates_total", &cloudwatch).unwrap();
        for outcome in self.services.audit(writer) {
            let allowed = if outcome.output == "cloudwatch" { counted as u64 } else { 0 };
            assert!(outcome.is_clean() && outcome.duplicates <= allowed, "{allowed} allowed: {outcome:#?}");
        }
    }
    /// Each id once, nothing changed, nothing invented, in each output.
    pub fn assert_exactly_once(&self, writer: &Writer) {
        for outcome in self.services.audit(writer) {
            assert!(outcome.is_clean() && outcome.duplicates == 0, "{outcome:#?}");
        }
    }
}

/// For a writer: lines without a pause, rotated again and again. What an output missed while it was away is still there.
pub fn busy() -> Options {
    Options {
        lines_per_second: 2_000,
        rotate_at: 256 << 10,
        rotate_every: Duration::from_secs(1),
        max_files: 1_000,
        ..Options::default()
    }
}

/// Waits until these bodies, and no others, have arrived at this stand-in, in any order.
pub fn until_bodies(name: &str, standin: &Standin, want: &[&str], agent: &Agent) {
    let mut want: Vec<&str> = want.to_vec();
    want.sort_unstable();
    let say = || format!("there are {:?}\n{}", bodies(standin), agent.log());
    until_or(&format!("{} bodies in {name}", want.len()), SOON, || bodies(standin).len() >= want.len(), say);
    assert_eq!(bodies(standin), want, "{name}: {}", agent.log());
}

/// `log` of every document here, sorted.
pub fn bodies(standin: &Standin) -> Vec<String> {
    let mut bodies: Vec<String> =
        documents(standin).iter().map(|d| d["log"].as_str().unwrap_or_default().to_owned()).collect();
    bodies.sort_unstable();
    bodies
}

/// The last 1,000 documents that arrived here.
pub fn documents(standin: &Standin) -> Vec<Value> {
    let kept = standin.control.receipts().kept();
    kept.iter().map(|k| serde_json::from_slice(&k.text).unwrap()).collect()
}

/// Stand-ins with other credentials than the agent has.
pub fn services_of_somebody_else() -> Services {
    let keys = tailrace::standin::Keys { access: "AKIDSOMEBODYELSE".into(), secret: "x".into(), token: None };
    let options = tailrace::standin::Options { keys: Some(keys), ..tailrace::standin::Options::default() };
    Services::with(options, opensearch::Options::default())
}
