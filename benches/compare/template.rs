//! Another agent's configuration: a text in which places, ports and certificates of this run are filled in.

use std::path::Path;

/// What is filled in, by name: `{name}` in the text.
pub struct Values(pub Vec<(String, String)>);

impl Values {
    pub fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }
    pub fn path(&mut self, name: &str, path: &Path) {
        self.add(name, path.display().to_string());
    }
}

/// Lines from `#only OUTPUT OUTPUT ...` to `#end` stay for these outputs only; then `{name}` becomes its value.
pub fn fill(text: &str, output: &str, values: &Values) -> String {
    let (mut filled, mut keep) = (String::new(), true);
    for line in text.lines() {
        let word = line.trim();
        if let Some(outputs) = word.strip_prefix("#only ") {
            keep = outputs.split_whitespace().any(|one| one == output);
        } else if word == "#end" {
            keep = true;
        } else if keep {
            filled.push_str(line);
            filled.push('\n');
        }
    }
    values.0.iter().fold(filled, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Whether the template has anything for this output: one without `#only` has.
pub fn knows(text: &str, output: &str) -> bool {
    let mut only = text.lines().filter_map(|line| line.trim().strip_prefix("#only ")).peekable();
    only.peek().is_none() || only.any(|outputs| outputs.split_whitespace().any(|one| one == output))
}
