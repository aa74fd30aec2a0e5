//! Another configuration for a running agent, as tests bring it about.

use crate::stage::Stage;
use crate::support::{SOON, until_or};
use rustix::process::Signal;
use std::path::Path;

/// Replaces the file as an editor does.
pub fn put(config: &Path, text: &str) {
    let new = config.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, config).unwrap();
}

/// A metric without labels, once the agent answers.
pub fn metric(stage: &Stage, name: &str) -> u64 {
    let value = || stage.agent.metrics().sum(name, &[]);
    until_or(name, SOON, || value().is_some(), || stage.agent.log());
    value().unwrap() as u64
}

/// Another text, and SIGHUP; then what this counter says has gone up.
pub fn change(stage: &Stage, counter: &str, with: impl FnOnce(&str) -> String) {
    let before = metric(stage, counter);
    let old = std::fs::read_to_string(&stage.config).unwrap();
    let new = with(&old);
    assert_ne!(old, new);
    put(&stage.config, &new);
    stage.agent.signal(Signal::HUP);
    until_or("the change to be judged", SOON, || metric(stage, counter) > before, || stage.agent.log());
}

/// Counts changes that are in effect.
pub const TAKEN_UP: &str = "tailrace_config_reloads_total";
/// Counts changes that were refused.
pub const REFUSED: &str = "tailrace_config_reload_failures_total";
