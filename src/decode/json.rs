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
            self.at += plain_len(self.rest());
            let (stop, after) = self.rest().split_first()?;
            self.at += 1;
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

/// Bytes before the first quote, backslash or control character, or before the end.
fn plain_len(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(word) = text.get(at..).and_then(|t| t.first_chunk::<8>()) {
        let stops = special(u64::from_le_bytes(*word));
        if stops != 0 {
            // The first one is never a false one.
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tail = text.get(at..).unwrap_or_default();
    at + tail.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)).unwrap_or(tail.len())
}

const ONES: u64 = 0x0101_0101_0101_0101;
/// The high bit of each byte of a word.
pub const HIGH: u64 = 0x8080_8080_8080_8080;

/// Of eight bytes (the first one lowest): the high bit of each quote, backslash and control character, and perhaps
/// of bytes after the first of these that are none (a borrow).
#[inline(always)]
pub fn special(word: u64) -> u64 {
    // Swaps space and quote, so that quote and control characters are what is below 0x21.
    let quote_or_control = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * 0x5c)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !word & HIGH
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
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut end = out.len();
    // Text is never longer than what it was escaped to; a word past the end, because words are copied whole.
    out.resize(end + raw.len() + 8, 0);
    let mut at = 0;
    while let Some(rest) = raw.get(at..).filter(|r| !r.is_empty()) {
        let plain = match rest.first_chunk::<8>() {
            Some(word) => {
                // A plain store; `copy_from_slice` would be a call.
                if let Some(to) = out.get_mut(end..).and_then(|t| t.first_chunk_mut()) {
                    *to = *word;
                }
                let word = u64::from_le_bytes(*word) ^ (ONES * 0x5c);
                // 8 where the word has no backslash.
                (word.wrapping_sub(ONES) & !word & HIGH).trailing_zeros() as usize / 8
            }
            None => {
                let plain = rest.iter().position(|b| *b == b'\\').unwrap_or(rest.len());
                copy(&rest[..plain], out, end);
                plain
            }
        };
        (at, end) = (at + plain, end + plain);
        let escape = rest.get(plain..).unwrap_or_default();
        if escape.first() == Some(&b'\\') {
            let (c, len) = unescape_one(escape);
            match out.get_mut(end) {
                Some(to) if c.is_ascii() => *to = c as u8,
                _ => copy(c.encode_utf8(&mut [0; 4]).as_bytes(), out, end),
            }
            (at, end) = (at + len, end + c.len_utf8());
        }
    }
    out.truncate(end);
}

fn copy(from: &[u8], to: &mut [u8], at: usize) {
    if let Some(to) = to.get_mut(at..at + from.len()) {
        to.copy_from_slice(from);
    }
}

/// The character of the escape that `text` begins with, and its length. The backslash of what is no escape stays.
fn unescape_one(text: &[u8]) -> (char, usize) {
    let short = |c| (c, 2);
    let none = ('\\', 1);
    match text.get(1).copied().unwrap_or_default() {
        c @ (b'"' | b'\\' | b'/') => short(char::from(c)),
        b'b' => short('\u{8}'),
        b'f' => short('\u{c}'),
        b'n' => short('\n'),
        b'r' => short('\r'),
        b't' => short('\t'),
        b'u' => {
            let Some(first) = text.get(2..).and_then(hex4) else { return none };
            let second = text.get(6..).and_then(|t| t.strip_prefix(b"\\u")).and_then(hex4);
            let both = char::decode_utf16([Some(first), second].into_iter().flatten()).next();
            match both {
                Some(Ok(c)) if c.len_utf16() == 2 => (c, 12),
                Some(Ok(c)) => (c, 6),
                Some(Err(_)) | None => ('\u{fffd}', 6),
            }
        }
        _ => none,
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
            (r"\", "\\"),
            (r"\x\u12", r"\x\u12"),
            (r"12345678\n2345678\t", "12345678\n2345678\t"),
        ] {
            let mut out = Vec::new();
            unescape(raw.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), want, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_unescape_to_no_more_bytes(raw in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"\\und8"[..])], 0..60)) {
            let mut out = b"kept".to_vec();
            unescape(&raw, &mut out);
            prop_assert!(out.starts_with(b"kept") && out.len() <= 4 + raw.len());
            let plain: Vec<_> = raw.iter().copied().filter(|b| *b != b'\\').collect();
            out.truncate(4);
            unescape(&plain, &mut out);
            prop_assert_eq!(&out[4..], plain);
        }

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
