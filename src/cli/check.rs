//! `tailrace check`: all problems, or what is read and where it goes.

use super::{ConfigArgs, Exit, file, say};
use crate::config::checked::{Config, InputKind};

/// Says `FILE: ok` and the way of each input, or every problem.
pub fn check(args: &ConfigArgs) -> Exit {
    match file::config(&args.config) {
        Ok(config) => {
            say(&format!("{}: ok\n{}", args.config.display(), summary(&config)));
            Exit::Done
        }
        Err(exit) => exit,
    }
}

/// A line for each input: `  pods (kubernetes) → archive (s3), search (opensearch)`.
fn summary(config: &Config) -> String {
    let mut lines = String::new();
    for input in &config.inputs {
        let kind = match input.kind {
            InputKind::Kubernetes { .. } => "kubernetes",
            InputKind::File { .. } => "file",
        };
        let readers: Vec<String> = config
            .outputs
            .iter()
            .filter(|output| output.inputs.contains(&input.name))
            .map(|output| format!("{} ({})", output.name, output.kind.name()))
            .collect();
        let readers = if readers.is_empty() { "read by no output".to_string() } else { readers.join(", ") };
        lines.push_str(&format!("  {} ({kind}) → {readers}\n", input.name));
    }
    lines
}
