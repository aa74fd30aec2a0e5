//! One mistake in a configuration, and all of them, as a person reads them.
//!
//! `FILE:LINE:COLUMN: KEY: what is wrong; write … instead`. Checking never stops at the first mistake, so
//! [`Report`] is handed through all of it; past [`Report::MOST`] it only counts.

use std::cell::{Cell, RefCell};
use std::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Dotted key, e.g. `outputs.archive.key`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, after the key.
    pub what: String,
    /// What to write instead; may be empty.
    pub instead: String,
}

/// All mistakes of one file, in the order of the file; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// As it was named.
    pub file: String,
    /// At most `Report::MOST`.
    pub list: Vec<Problem>,
    /// Mistakes that did not fit into the list.
    pub more: usize,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            write!(f, "{}:{}:{}: ", self.file, problem.line, problem.column)?;
            if !problem.path.is_empty() {
                write!(f, "{}: ", problem.path)?;
            }
            f.write_str(&problem.what)?;
            if !problem.instead.is_empty() {
                write!(f, "; {}", problem.instead)?;
            }
            writeln!(f)?;
        }
        if self.more > 0 {
            writeln!(f, "{}: {} more problems are not shown", self.file, self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Why a value is refused, without the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub what: String,
    pub instead: String,
}

impl Wrong {
    pub fn new(what: impl Into<String>, instead: impl Into<String>) -> Wrong {
        Wrong { what: what.into(), instead: instead.into() }
    }
}

/// Collects mistakes while a file is checked.
#[derive(Debug, Default)]
pub(crate) struct Report {
    list: RefCell<Vec<Problem>>,
    more: Cell<usize>,
}

impl Report {
    /// So many are kept: enough for any honest file, and a bound on the work for any other.
    pub const MOST: usize = 200;

    pub fn push(&self, line: usize, column: usize, path: &str, wrong: Wrong) {
        let mut list = self.list.borrow_mut();
        if list.len() >= Self::MOST {
            self.more.set(self.more.get().saturating_add(1));
            return;
        }
        let (what, instead) = (one_line(&wrong.what), one_line(&wrong.instead));
        let problem = Problem { line, column, path: path.to_string(), what, instead };
        if !list.contains(&problem) {
            list.push(problem);
        }
    }

    /// No more will be kept: do not spend time on a good sentence.
    pub fn is_full(&self) -> bool {
        self.list.borrow().len() >= Self::MOST
    }

    /// `None` when nothing is wrong.
    pub fn into_problems(self, file: &str) -> Option<Problems> {
        let mut list = self.list.into_inner();
        if list.is_empty() {
            return None;
        }
        list.sort_by_key(|problem| (problem.line, problem.column));
        Some(Problems { file: file.to_string(), list, more: self.more.get() })
    }
}

/// A problem is one line of at most a few hundred characters, whatever was typed into it.
fn one_line(text: &str) -> String {
    escaped(text, 800)
}

/// Text that the user typed, fit for one line of an answer: in backticks, control characters escaped, cut at 60.
pub(crate) fn shown(text: &str) -> String {
    format!("`{}`", escaped(text, 60))
}

fn escaped(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == most {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// The candidate that was most likely meant: a small edit distance, or one contains the other.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase().replace(['-', ' '], "_");
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let lower = candidate.to_lowercase();
        let mut distance = edits(&word, &lower);
        let short = word.len().min(lower.len());
        if short >= 4 && (word.contains(&lower) || lower.contains(&word)) {
            distance = distance.min(2);
        }
        let allowed = if short >= 4 { (word.len().max(lower.len()) / 3).max(2) } else { 1 };
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (i, ca) in a.chars().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, cb) in b.iter().enumerate() {
            let cost = |rows: &[usize], at: usize| rows.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut least =
                (cost(&last, j) + usize::from(ca != *cb)).min(cost(&last, j + 1) + 1).min(cost(&row, j) + 1);
            if j > 0 && previous == Some(*cb) && b.get(j - 1) == Some(&ca) {
                least = least.min(cost(&before, j - 1) + 1);
            }
            row.push(least);
        }
        previous = Some(ca);
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_what_was_meant() {
        let names = ["max_age", "log_group", "log_stream", "inputs", "key", "index"];
        for (typed, want) in [
            ("max_aeg", Some("max_age")),
            ("max-age", Some("max_age")),
            ("MaxAge", Some("max_age")),
            ("log_group_name", Some("log_group")),
            ("input", Some("inputs")),
            ("kye", Some("key")),
            ("indices", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names), want, "{typed}");
        }
    }

    #[test]
    fn what_was_typed_is_shown_on_one_line() {
        assert_eq!(shown("a\nb\u{7}"), "`a\\nb\\u{7}`");
        assert_eq!(shown(&"x".repeat(99)).chars().count(), 63);
    }

    #[test]
    fn problems_past_the_most_are_counted() {
        let report = Report::default();
        for line in 0..Report::MOST + 3 {
            report.push(line, 1, "a", Wrong::new("is wrong", ""));
        }
        let problems = report.into_problems("f").unwrap();
        assert_eq!((problems.list.len(), problems.more), (Report::MOST, 3));
        assert!(problems.to_string().ends_with("f: 3 more problems are not shown\n"));
    }
}
