//! The last warnings and errors of our own log, for the status page. At most 50 lines of at most 1 KiB.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines kept.
const LINES_MAX: usize = 50;
/// Bytes kept of one line.
const LINE_BYTES_MAX: usize = 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When (unix ns).
    pub unix_ns: i64,
    /// It was an error, not a warning.
    pub error: bool,
    /// Message and fields as text.
    pub text: Arc<str>,
}

/// The last lines.
#[derive(Debug, Default)]
pub struct Recent {
    lines: Mutex<VecDeque<Line>>,
}

impl Recent {
    /// Adds a line; the oldest goes when there are too many.
    pub fn push(&self, unix_ns: i64, error: bool, text: &str) {
        let mut cut = text.len().min(LINE_BYTES_MAX);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let text = text.get(..cut).unwrap_or("").into();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(Line { unix_ns, error, text });
    }

    /// Newest first.
    pub fn newest_first(&self) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept_and_long_ones_are_cut_between_characters() {
        let recent = Recent::default();
        (0..60).for_each(|n| recent.push(n, false, "x"));
        recent.push(60, true, &"é".repeat(600).replacen('é', "x", 1));
        let lines = recent.newest_first();
        assert_eq!((lines.len(), lines[0].unix_ns, lines[49].unix_ns), (50, 60, 11));
        assert!(lines[0].error && lines[0].text.len() == 1023);
    }
}
