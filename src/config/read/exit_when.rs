//! `exit_when`: the agent ends by itself, and with its files.

use crate::config::checked::ExitWhen;
use crate::config::problem::{Wrong, shown};
use crate::config::section::Section;
use crate::config::units::{duration, show_duration, within};
use crate::config::yaml::Value;
use std::time::Duration;

/// For an agent that only ends when it is told to.
const STOPPED: &str = "stopped";
const EXAMPLE: &str = "`exit_when: {file: /logs/done}`, `exit_when: {idle: 30s}` or `exit_when: stopped`";

pub(super) fn read(top: &Section<'_>) -> Option<ExitWhen> {
    let place = top.get("exit_when")?;
    if let Value::Scalar(text) = &place.node.value {
        if text == STOPPED {
            return Some(ExitWhen::default());
        }
        place.wrong(Wrong::new(format!("{} is none of what ends an agent", shown(text)), format!("write {EXAMPLE}")));
        return None;
    }
    let section = place.section(EXAMPLE)?;
    if section.is_empty() {
        place.wrong(Wrong::new("names nothing that ends the agent", format!("write {EXAMPLE}")));
    }
    let file = section.value("file", super::values::absolute);
    let idle = section.value("idle", |text| {
        within(duration(text)?, Duration::from_secs(1), Duration::from_secs(24 * 3600), show_duration)
    });
    section.done();
    Some(ExitWhen { file, idle })
}
