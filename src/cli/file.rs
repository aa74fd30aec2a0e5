//! Reading the configuration's file: what can be wrong before there is text to check.

use super::{Exit, complain};
use crate::config::{self, MOST_BYTES, checked::Config};
use std::io::Read;
use std::path::Path;

/// The checked configuration, or all that is wrong with it on stderr.
pub(super) fn config(path: &Path) -> Result<Config, Exit> {
    read(path).and_then(|text| check(path, &text)).map_err(|complaint| {
        complain(&complaint);
        Exit::Wrong
    })
}

/// What the text says, or all that is wrong with it, a line each.
pub(super) fn check(path: &Path, text: &str) -> Result<Config, String> {
    config::load(text, &path.display().to_string(), &variable).map_err(|problems| problems.to_string())
}

/// The text of the file, or why there is none.
pub(super) fn read(path: &Path) -> Result<String, String> {
    let name = path.display();
    let cannot = |error: std::io::Error| format!("{name}: cannot be read: {error}\n");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that `load` sees that there is more; /dev/zero ends here too.
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..good).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count() + 1;
        format!("{name}:{line}:{column}: a byte that is not UTF-8; write the file in UTF-8\n")
    })
}

/// A variable that is not UTF-8 counts as not set: no value of the configuration could hold it.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
