//! The kubelet's own format: `STAMP stdout|stderr TAG[:TAG...] BODY`, one space each; the first of F and P among
//! the tags says whether the line is complete. Unknown tags are passed over, as kubelet does.

use super::line::Line;
use super::stamp::{self, DateCache};
use crate::record::{Channel, Stamp};

/// The parts of a line, or `None` where it is not of this form.
pub fn parse<'a>(line: &'a [u8], dates: &mut DateCache) -> Option<Line<'a>> {
    let space = memchr::memchr(b' ', line.get(..=stamp::LONGEST).unwrap_or(line))?;
    let (text, rest) = (line.get(..space)?, line.get(space + 1..)?);
    let (channel, rest) = match rest.split_first_chunk::<7>()? {
        (b"stdout ", rest) => (Channel::Stdout, rest),
        (b"stderr ", rest) => (Channel::Stderr, rest),
        _ => return None,
    };
    let (partial, body) = match rest {
        [b'F', b' ', body @ ..] => (false, body),
        [b'P', b' ', body @ ..] => (true, body),
        _ => {
            let end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
            let (tags, body) = rest.split_at(end);
            (partial(tags)?, body.get(1..).unwrap_or_default())
        }
    };
    let unix_ns = stamp::parse(text, dates)?;
    Some(Line { stamp: Some(Stamp { unix_ns, text }), channel: Some(channel), partial, body })
}

/// Whether tags say P, or `None` when they say neither P nor F.
fn partial(tags: &[u8]) -> Option<bool> {
    tags.split(|b| *b == b':').find_map(|tag| match tag {
        b"F" => Some(false),
        b"P" => Some(true),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: &str = "2026-11-22T10:15:00.5+01:00";
    const NS: i64 = 1_795_338_900_500_000_000;

    fn read(rest: &str) -> Option<(Channel, bool, String)> {
        let line = format!("{AT}{rest}");
        let line = parse(line.as_bytes(), &mut DateCache::default())?;
        assert_eq!(line.stamp, Some(Stamp { unix_ns: NS, text: AT.as_bytes() }));
        Some((line.channel?, line.partial, line.body.escape_ascii().to_string()))
    }

    #[test]
    fn lines_of_the_form_are_taken_apart() {
        use Channel::{Stderr, Stdout};
        for (rest, channel, partial, body) in [
            (" stdout F hello", Stdout, false, "hello"),
            (" stderr P hello", Stderr, true, "hello"),
            (" stdout F ", Stdout, false, ""),
            (" stdout F", Stdout, false, ""),
            (" stdout P:x:y  two spaces ", Stdout, true, " two spaces "),
            (" stdout x:F a", Stdout, false, "a"),
            (" stdout F:P a", Stdout, false, "a"),
            (" stdout F crlf\r", Stdout, false, "crlf\\r"),
            (" stdout F \0", Stdout, false, "\\x00"),
        ] {
            assert_eq!(read(rest), Some((channel, partial, body.to_owned())), "{rest}");
        }
    }

    #[test]
    fn lines_of_another_form_are_not() {
        for rest in
            ["", " ", " stdout", " stdout ", " stdin F a", " stdout  F a", " stdout X a", " STDOUT F a", "  stdout F a"]
        {
            assert_eq!(read(rest), None, "{rest}");
        }
        for line in ["", " stdout F a", "yesterday stdout F a", "2026-02-30T10:15:00Z stdout F a"] {
            assert_eq!(parse(line.as_bytes(), &mut DateCache::default()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn the_body_is_what_was_written(body: Vec<u8>, partial: bool, stderr: bool) {
            let mut line = format!("{AT} {} {} ", if stderr { "stderr" } else { "stdout" }, if partial { "P" } else { "F" }).into_bytes();
            line.extend_from_slice(&body);
            let got = parse(&line, &mut DateCache::default()).unwrap();
            prop_assert_eq!(got.body, &body[..]);
            prop_assert_eq!((got.partial, got.channel), (partial, Some(if stderr { Channel::Stderr } else { Channel::Stdout })));
        }
    }
}
