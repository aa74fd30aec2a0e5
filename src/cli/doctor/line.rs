//! What the doctor says: a line a check. Pure.

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Ok,
    /// The agent gets on, at a price.
    Warn,
    /// The agent would not get on.
    Fail,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How it ended.
    pub grade: Grade,
    /// What was looked at: `output archive`.
    pub of: String,
    /// What was found and what to do, in one line.
    pub say: String,
}

impl Line {
    /// As it should be.
    pub fn ok(of: impl Into<String>, say: impl Into<String>) -> Line {
        Line { grade: Grade::Ok, of: of.into(), say: say.into() }
    }
    /// The agent gets on, at a price.
    pub fn warn(of: impl Into<String>, say: impl Into<String>) -> Line {
        Line { grade: Grade::Warn, ..Line::ok(of, say) }
    }
    /// The agent would not get on.
    pub fn fail(of: impl Into<String>, say: impl Into<String>) -> Line {
        Line { grade: Grade::Fail, ..Line::ok(of, say) }
    }
}

/// All of them, aligned, each on one line, whatever servers and names have put into it.
pub fn shown(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.of.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Line { grade, of, say } in lines {
        let grade = match grade {
            Grade::Ok => "ok",
            Grade::Warn => "warn",
            Grade::Fail => "FAIL",
        };
        let line: String = format!("{grade:<4}  {of:<width$}  {say}").chars().map(plain).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `1 file`, `2 files`.
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A terminal must not be told things by a file's name, such as to write backwards.
fn plain(c: char) -> char {
    if crate::telemetry::log::is_obeyed(c) { ' ' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aligned_and_one_each_whatever_is_in_them() {
        let lines = [
            Line::ok("data_dir", "/d"),
            Line::warn("output s", "two\nlines \u{1b}[31\u{202e}m"),
            Line::fail("clock", "off"),
        ];
        assert_eq!(shown(&lines), "ok    data_dir  /d\nwarn  output s  two lines  [31 m\nFAIL  clock     off\n");
        assert_eq!(shown(&[]), "");
    }
}
