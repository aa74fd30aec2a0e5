//! Plain files as inputs, any outputs, and the four places in which the agent says how it is.

use crate::support::{Agent, Place, SOON, until_or};
use serde_json::Value;
use std::io::Write;

pub struct Rig {
    pub place: Place,
}

impl Rig {
    pub fn new() -> Rig {
        Rig { place: Place::new() }
    }
    /// These inputs and outputs, as they stand below `inputs:` and `outputs:`; `LOGS` stands for a directory.
    pub fn start(&self, inputs: &str, outputs: &str, env: &[(&str, &str)]) -> Agent {
        let place = &self.place;
        let config = place.path().join("tailrace.yaml");
        let text = format!(
            "data_dir: {}\nnode: n1\nadmin: {{listen: \"{}\"}}\ninputs:\n{}outputs:\n{outputs}",
            place.data_dir().display(),
            place.admin,
            inputs.replace("LOGS", &place.pods().display().to_string()),
        );
        std::fs::write(&config, text).unwrap();
        Agent::start_with(place.path(), &["run", "-c", config.to_str().unwrap()], place.admin, env)
    }
    /// Appends whole lines to a file.
    pub fn write(&self, name: &str, lines: &str) {
        let path = self.place.pods().join(name);
        let mut file = std::fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(lines.as_bytes()).unwrap();
    }
}

/// The report of an output in `/api/lanes`.
pub fn lane(agent: &Agent, output: &str) -> Option<Value> {
    let all: Value = serde_json::from_str(&agent.get("/api/lanes")?.1).ok()?;
    all["lanes"].as_array()?.iter().find(|lane| lane["output"] == output).cloned()
}

/// The page without its markup.
pub fn page(agent: &Agent) -> String {
    let html = agent.get("/").map(|(_, body)| body).unwrap_or_default();
    let mut text = String::new();
    for piece in html.split('<') {
        text.push_str(piece.split_once('>').map_or("", |(_, text)| text));
        text.push(' ');
    }
    text.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Waits until `/metrics` has this value.
pub fn until_metric(agent: &Agent, name: &str, labels: &[(&str, &str)], want: f64) {
    let good = || agent.metrics().sum(name, labels) == Some(want);
    let say = || format!("{:?}\n{}", agent.get("/metrics").map(|(_, body)| body), agent.log());
    until_or(&format!("{name}{labels:?} = {want}"), SOON, good, say);
}
