//! What the user typed, to checked configuration: every problem at once, with line and column.
//!
//! [`load`] is pure: text and environment in, [`checked::Config`] or [`Problems`] out (two
//! exceptions: a node without a name asks the kernel for the host's, and a `ca_file` is opened). [`print::yaml`] is its inverse, with secrets hidden.

pub mod checked;
mod expand;
pub mod memory;
pub mod print;
mod problem;
mod read;
mod section;
pub mod template;
mod units;
pub(crate) mod yaml;

pub use expand::Env;
pub use problem::{Problem, Problems};

/// Largest configuration that is read, in bytes.
pub const MOST_BYTES: usize = 1024 * 1024;

/// Reads and checks a whole configuration. `file_name` only names it in problems; `env` reads one variable.
pub fn load(text: &str, file_name: &str, env: Env<'_>) -> Result<checked::Config, Problems> {
    let report = problem::Report::default();
    let config = read(text, env, &report);
    match (report.into_problems(file_name), config) {
        (None, Some(config)) => Ok(config),
        (Some(problems), _) => Err(problems),
        // Not reached: who gives no configuration says why. Said anyway rather than trusted.
        (None, None) => Err(Problems { file: file_name.to_string(), list: Vec::new(), more: 1 }),
    }
}

/// A duration as in a configuration, for the command line.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    units::duration(text).map_err(|wrong| format!("{}; {}", wrong.what, wrong.instead))
}

fn read(text: &str, env: Env<'_>, report: &problem::Report) -> Option<checked::Config> {
    if text.len() > MOST_BYTES {
        let what = format!("the file is larger than {}", units::show_size(&(MOST_BYTES as u64)));
        report.push(1, 1, "", problem::Wrong::new(what, "write a configuration, not a log"));
        return None;
    }
    let mut root = yaml::parse(text, report)?;
    expand::tree(&mut root, env, report);
    read::config(&root, env, report)
}
