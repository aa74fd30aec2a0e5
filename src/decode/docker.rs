//! Docker's json-file: `{"log":"..\n","stream":"stdout","time":".."}`, perhaps with `attrs` between the last two.
//!
//! The daemon writes its members in this order; that is read without a general parser. Any other order, white
//! space and unknown members go the slow way. A `log` without newline at its end is a part of a line.

use super::json::{self, Reader};
use super::line::Line;
use super::stamp::{self, DateCache};
use crate::record::{Channel, Stamp};

/// `attrs` holds labels and environment, which are flat; deeper lines are not Docker's.
const DEPTH: usize = 16;

/// The raw members that matter, escapes as they stand.
#[derive(Default)]
struct Members<'a> {
    log: Option<&'a [u8]>,
    stream: &'a [u8],
    time: &'a [u8],
}

/// The parts of a line, or `None` where it is not one of Docker's: no object, neither `log` nor `time`, or no end.
pub fn parse<'a>(line: &'a [u8], scratch: &'a mut Vec<u8>, dates: &mut DateCache) -> Option<Line<'a>> {
    let members = in_order(line).or_else(|| in_any_order(line))?;
    let time = stamp::parse(members.time, dates).map(|unix_ns| Stamp { unix_ns, text: members.time });
    // The daemon leaves an empty `log` out; then the stamp has to prove whose line it is.
    let raw = members.log.or(time.map(|_| &b""[..]))?;
    let channel = match members.stream {
        b"stdout" => Some(Channel::Stdout),
        b"stderr" => Some(Channel::Stderr),
        _ => None,
    };
    let (raw, partial) = match raw.strip_suffix(b"\\n") {
        // `\\n` at the end is a backslash and an n when the backslashes before it pair up with this one.
        Some(rest) if rest.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0 => (rest, false),
        _ => (raw, true),
    };
    if memchr::memchr(b'\\', raw).is_none() {
        return Some(Line { stamp: time, channel, partial, body: raw });
    }
    scratch.clear();
    json::unescape(raw, scratch);
    // A newline may have been escaped in another way.
    let (body, partial) = match scratch.strip_suffix(b"\n") {
        Some(body) if partial => (body, false),
        _ => (scratch.as_slice(), partial),
    };
    Some(Line { stamp: time, channel, partial, body })
}

/// Members as the daemon orders them, without `attrs`.
fn in_order(line: &[u8]) -> Option<Members<'_>> {
    let mut reader = Reader::new(line.strip_prefix(br#"{"log":"#)?);
    let log = reader.string()?;
    let rest = reader.rest().strip_prefix(br#","stream":""#)?;
    let (stream, rest) = rest.split_at(memchr::memchr(b'"', rest)?);
    let time = rest.strip_prefix(br#"","time":""#)?.strip_suffix(br#""}"#)?;
    let plain = |text: &[u8]| {
        text.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'+' | b'.' | b':'))
    };
    (plain(stream) && plain(time)).then_some(Members { log: Some(log), stream, time })
}

/// Members wherever they stand; of two with one name the last counts.
fn in_any_order(line: &[u8]) -> Option<Members<'_>> {
    let mut reader = Reader::new(line);
    let mut members = Members::default();
    if !reader.take(b'{') {
        return None;
    }
    loop {
        let name = reader.string()?;
        if !reader.take(b':') {
            return None;
        }
        match name {
            b"log" => members.log = Some(reader.string()?),
            b"stream" => members.stream = reader.string()?,
            b"time" => members.time = reader.string()?,
            _ => reader.skip(DEPTH)?,
        }
        if reader.take(b'}') {
            return reader.peek().is_none().then_some(members);
        }
        if !reader.take(b',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: &str = "2026-11-22T10:15:00.5Z";

    fn read(line: &[u8]) -> Option<(Option<Channel>, bool, bool, String)> {
        let mut scratch = b"left over".to_vec();
        let line = parse(line, &mut scratch, &mut DateCache::default())?;
        Some((line.channel, line.stamp.is_some(), line.partial, line.body.escape_ascii().to_string()))
    }

    #[test]
    fn lines_of_the_daemon_are_taken_apart() {
        use Channel::{Stderr, Stdout};
        for (line, channel, partial, body) in [
            (format!(r#"{{"log":"hello\n","stream":"stdout","time":"{AT}"}}"#), Stdout, false, "hello"),
            (format!(r#"{{"log":"hello","stream":"stderr","time":"{AT}"}}"#), Stderr, true, "hello"),
            (format!(r#"{{"log":"\n","stream":"stdout","time":"{AT}"}}"#), Stdout, false, ""),
            (format!(r#"{{"log":"","stream":"stdout","time":"{AT}"}}"#), Stdout, true, ""),
            (format!(r#"{{"stream":"stdout","time":"{AT}"}}"#), Stdout, true, ""),
            (format!(r#"{{"log":"a\r\n","stream":"stdout","time":"{AT}"}}"#), Stdout, false, "a\\r"),
            (format!(r#"{{"log":"a\u000a","stream":"stdout","time":"{AT}"}}"#), Stdout, false, "a"),
            (format!(r#"{{"log":"a\n\n","stream":"stdout","time":"{AT}"}}"#), Stdout, false, "a\\n"),
            (format!(r#"{{"log":"C:\\n","stream":"stdout","time":"{AT}"}}"#), Stdout, true, "C:\\\\n"),
            (format!(r#"{{"log":"C:\\\n","stream":"stdout","time":"{AT}"}}"#), Stdout, false, "C:\\\\"),
            (
                format!(r#"{{"log":"\u003ca\u003e \ud800\n","stream":"stdout","time":"{AT}"}}"#),
                Stdout,
                false,
                "<a> \\xef\\xbf\\xbd",
            ),
            (
                format!(r#"{{"log":"a\n","stream":"stdout","attrs":{{"log":"no","x":"{{"}},"time":"{AT}"}}"#),
                Stdout,
                false,
                "a",
            ),
            (format!(r#"{{ "time":"{AT}", "other":[1,{{}}], "stream":"stdout", "log":"a\n" }} "#), Stdout, false, "a"),
        ] {
            assert_eq!(read(line.as_bytes()), Some((Some(channel), true, partial, body.to_owned())), "{line}");
        }
    }

    #[test]
    fn a_bad_stamp_or_stream_leaves_the_body() {
        let line = br#"{"log":"a\n","stream":"stdin","time":"yesterday"}"#;
        assert_eq!(read(line), Some((None, false, false, "a".to_owned())));
        assert_eq!(read(br#"{"log":"a\n"}"#), Some((None, false, false, "a".to_owned())));
    }

    #[test]
    fn invalid_utf8_in_a_line_passes_through() {
        let line =
            [&br#"{"log":"a"#[..], b"\xff", br#"\t\n","stream":"stdout","time":"2026-11-22T10:15:00Z"}"#].concat();
        assert_eq!(read(&line), Some((Some(Channel::Stdout), true, false, "a\\xff\\t".to_owned())));
    }

    #[test]
    fn what_is_not_the_daemons_is_not_taken_apart() {
        for line in [
            "",
            "{}",
            "[]",
            r#"{"msg":"a"}"#,
            r#"{"stream":"stdout"}"#,
            r#"{"log":1}"#,
            r#"{"log":"torn\n","stream":"std"#,
            r#"{"log":"torn"#,
            r#"{"log":"\x"}"#,
            r#"{"log":"a"} {"log":"b"}"#,
            "2026-11-22T10:15:00Z stdout F a",
        ] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_the_daemon_was_given_comes_back(text: String, newline: bool) {
            let log = if newline { format!("{text}\n") } else { text.clone() };
            let line = serde_json::json!({"log": log, "stream": "stdout", "time": AT}).to_string();
            let mut scratch = Vec::new();
            let got = parse(line.as_bytes(), &mut scratch, &mut DateCache::default()).unwrap();
            prop_assert_eq!(got.partial, !log.ends_with('\n'));
            prop_assert_eq!(got.body, log.strip_suffix('\n').unwrap_or(&log).as_bytes());
        }
    }
}
