//! One line by its file's grammar. Never fails: what a grammar does not know is a whole body.

use super::stamp::DateCache;
use super::{cri, docker};
use crate::record::{Channel, Grammar, Stamp};

/// One line, taken apart. Borrows the line, or `scratch` where escapes had to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it was written, if the line says so.
    pub stamp: Option<Stamp<'a>>,
    /// Standard output or error, if the line says so.
    pub channel: Option<Channel>,
    /// The body goes on in the next line of this channel.
    pub partial: bool,
    /// What the application wrote, without its newline.
    pub body: &'a [u8],
}

impl<'a> Line<'a> {
    /// A line that is all body.
    pub fn whole(body: &'a [u8]) -> Line<'a> {
        Line { stamp: None, channel: None, partial: false, body }
    }
}

/// Takes a line (without its newline) apart. `scratch` is overwritten.
pub fn parse<'a>(grammar: Grammar, line: &'a [u8], scratch: &'a mut Vec<u8>, dates: &mut DateCache) -> Line<'a> {
    let known = match grammar {
        Grammar::Cri => cri::parse(line, dates),
        Grammar::Docker => docker::parse(line, scratch, dates),
        // A letter is a record of its own (`letter::parse`); what is none is a body.
        Grammar::Plain | Grammar::Letter => None,
    };
    known.unwrap_or(Line::whole(line))
}

/// How to read a container's log, from its first line (or the first bytes of a long one): Docker's json-file when
/// the line is one of its objects, else CRI.
pub fn detect(first_line: &[u8]) -> Grammar {
    // The opening alone is enough: a first line of 16 KiB may not be here whole.
    let opens = first_line.starts_with(br#"{"log":""#);
    if opens || docker::parse(first_line, &mut Vec::new(), &mut DateCache::default()).is_some() {
        Grammar::Docker
    } else {
        Grammar::Cri
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn docker_is_told_by_its_object_and_everything_else_is_cri() {
        for (line, want) in [
            (&br#"{"log":"a\n","stream":"stdout","time":"2026-11-22T10:15:00Z"}"#[..], Grammar::Docker),
            (br#"{"log":"a first line that was cut he"#, Grammar::Docker),
            (br#" {"time":"2026-11-22T10:15:00Z", "stream":"stderr", "log":"a\n"}"#, Grammar::Docker),
            (br#"{"level":"info","msg":"json, but not Docker's"}"#, Grammar::Cri),
            (b"2026-11-22T10:15:00Z stdout F a", Grammar::Cri),
            (b"2026-11-22T10:15:00Z stdout F {\"log\":\"a\"}", Grammar::Cri),
            (b"failed to start", Grammar::Cri),
            (b"", Grammar::Cri),
        ] {
            assert_eq!(detect(line), want, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_plain_line_is_its_body_whatever_it_looks_like() {
        let line = b"2026-11-22T10:15:00Z stdout P a\r";
        assert_eq!(parse(Grammar::Plain, line, &mut Vec::new(), &mut DateCache::default()), Line::whole(line));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line_in_any_grammar(line: Vec<u8>, docker in any::<bool>()) {
            let grammar = if docker { Grammar::Docker } else { Grammar::Cri };
            let mut scratch = Vec::new();
            let got = parse(grammar, &line, &mut scratch, &mut DateCache::default());
            prop_assert!(got.body.len() <= line.len().saturating_mul(3));
        }
    }
}
