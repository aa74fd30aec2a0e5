//! A strict reader of JSON text (RFC 8259) that builds nothing: it says where values end. Used for Docker's lines
//! and to prove that a body is an object. Strings may hold any bytes from 0x20 on: UTF-8 is its caller's business.

/// Where a reader stands in a text.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning.
    pub fn new(text: &'a [u8]) -> Self {
        Reader { text, at: 0 }
    }
    /// Bytes read.
    pub fn at(&self) -> usize {
        self.at
    }
    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
    /// The next byte that is not white space, without taking it.
    pub fn peek(&mut self) -> Option<u8> {
        let skip = self.rest().iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += skip;
        self.text.get(self.at).copied()
    }
    /// Takes the byte if it is the next one after white space.
    pub fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }
    /// A string: what stands between its quotes, escapes as they are but checked.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        if !self.take(b'"') {
            return None;
        }
        let start = self.at;
        loop {
            let rest = self.rest();
            // Not memchr2: control characters have to be found as well.
            let plain = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))?;
            let (stop, after) = rest.get(plain..)?.split_first()?;
            self.at += plain + 1;
            match stop {
                b'"' => return self.text.get(start..self.at - 1),
                b'\\' => self.at += escape_len(after)?,
                _ => return None,
            }
        }
    }
    /// `true`, `false`, `null` or a number.
    pub fn scalar(&mut self) -> Option<()> {
        let first = self.peek()?;
        let word: &[u8] = match first {
            b't' => b"true",
            b'f' => b"false",
            b'n' => b"null",
            _ => return self.number(),
        };
        self.rest().starts_with(word).then(|| self.at += word.len())
    }
    fn number(&mut self) -> Option<()> {
        self.at += usize::from(self.rest().starts_with(b"-"));
        if self.rest().starts_with(b"0") {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.rest().starts_with(b".") {
            self.at += 1;
            self.digits()?;
        }
        if let [b'e' | b'E', sign, ..] = self.rest() {
            self.at += 1 + usize::from(matches!(sign, b'+' | b'-'));
            self.digits()?;
        }
        Some(())
    }
    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        let n = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        self.at += n;
        (n > 0).then_some(())
    }
    /// Passes over one value of any kind, at most `depth` objects and arrays deep.
    pub fn skip(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            open @ (b'{' | b'[') => {
                let depth = depth.checked_sub(1)?;
                self.at += 1;
                let close = open + 2;
                if self.take(close) {
                    return Some(());
                }
                loop {
                    if open == b'{' {
                        self.string()?;
                        if !self.take(b':') {
                            return None;
                        }
                    }
                    self.skip(depth)?;
                    if self.take(close) {
                        return Some(());
                    }
                    if !self.take(b',') {
                        return None;
                    }
                }
            }
            _ => self.scalar(),
        }
    }
}

/// Bytes of the escape after its backslash; surrogates are not paired here.
fn escape_len(after: &[u8]) -> Option<usize> {
    match after.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(1),
        b'u' => hex4(after.get(1..)?).map(|_| 5),
        _ => None,
    }
}

/// The value of four hex digits.
pub fn hex4(text: &[u8]) -> Option<u16> {
    text.first_chunk::<4>()?.iter().try_fold(0, |value: u16, b| {
        let digit = char::from(*b).to_digit(16)?;
        Some(value << 4 | digit as u16)
    })
}

/// Appends the text of a string as [`Reader::string`] gave it. A lone surrogate becomes U+FFFD.
pub fn unescape(mut raw: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', raw) {
        let (plain, escape) = raw.split_at(at);
        out.extend_from_slice(plain);
        let (text, len) = unescape_one(escape);
        out.extend_from_slice(text.encode_utf8(&mut [0; 4]).as_bytes());
        raw = escape.get(len..).unwrap_or_default();
    }
    out.extend_from_slice(raw);
}

/// The character of the escape that `text` begins with, and its length. What is no escape is U+FFFD.
fn unescape_one(text: &[u8]) -> (char, usize) {
    let short = |c| (c, 2);
    match text.get(1).copied().unwrap_or_default() {
        c @ (b'"' | b'\\' | b'/') => short(char::from(c)),
        b'b' => short('\u{8}'),
        b'f' => short('\u{c}'),
        b'n' => short('\n'),
        b'r' => short('\r'),
        b't' => short('\t'),
        b'u' => {
            let Some(first) = text.get(2..).and_then(hex4) else { return short('\u{fffd}') };
            let second = text.get(6..).and_then(|t| t.strip_prefix(b"\\u")).and_then(hex4);
            let both = char::decode_utf16([Some(first), second].into_iter().flatten()).next();
            match both {
                Some(Ok(c)) if c.len_utf16() == 2 => (c, 12),
                Some(Ok(c)) => (c, 6),
                Some(Err(_)) | None => ('\u{fffd}', 6),
            }
        }
        _ => short('\u{fffd}'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn valid(text: &[u8]) -> bool {
        let mut reader = Reader::new(text);
        reader.skip(64).is_some() && reader.peek().is_none()
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "}",
            "[1,]",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{a:1}"#,
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "nul",
            "True",
            r#""\x""#,
            r#""\u12g4""#,
            "\"a\nb\"",
            "\"open",
            "1 2",
            "[1 2]",
            "{\"a\" 1}",
            "'a'",
        ] {
            assert!(!valid(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nest = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(Reader::new(nest(5).as_bytes()).skip(5).is_some());
        assert!(Reader::new(nest(6).as_bytes()).skip(5).is_none());
        assert!(Reader::new("[".repeat(1_000_000).as_bytes()).skip(64).is_none());
    }

    #[test]
    fn escapes_become_text() {
        for (raw, want) in [
            (r#"a\"\\\/\b\f\n\r\tz"#, "a\"\\/\u{8}\u{c}\n\r\tz"),
            (r"\u0041\u00e4\u20AC", "Aä€"),
            (r"\ud83d\ude00", "😀"),
            (r"\ud83dx", "\u{fffd}x"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ude00\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud83d", "\u{fffd}"),
            (r"\", "\u{fffd}"),
        ] {
            let mut out = Vec::new();
            unescape(raw.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), want, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn serde_json_agrees_on_what_is_json(text in "[\\[\\]{}:,\"\\\\ 0-9.eE+\\-tfnu a]{0,24}") {
            // Lone surrogates are the only difference, and this alphabet has none.
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            prop_assert_eq!(valid(text.as_bytes()), theirs);
        }

        #[test]
        fn serde_json_strings_come_back(text: String) {
            let quoted = serde_json::to_string(&text).unwrap();
            let mut reader = Reader::new(quoted.as_bytes());
            let mut out = Vec::new();
            unescape(reader.string().unwrap(), &mut out);
            prop_assert_eq!(out, text.into_bytes());
        }
    }
}
