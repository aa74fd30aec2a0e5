//! JSON string escaping, once or twice (for a document that is itself a JSON string).
//!
//! Valid UTF-8 comes out byte for byte as `serde_json` writes it; invalid UTF-8 becomes U+FFFD by std's lossy rule.
//! Most of a document's cost before compression is here: eight bytes are looked at together, in a register, and
//! all hits of one mask are handled before the next load. UTF-8 is proved only where a byte above 0x7f was seen.
//! (0.09 us for 215 B with 24 escapes; SSE2 by intrinsics takes 0.05 to 0.06, but needs `unsafe`.)

use crate::decode::json::{HIGH, special};

/// What a byte is written as, padded; the last byte is the length. At most 7 bytes: `\\u001f`.
type Table = [[u8; 8]; 256];

static ONCE: Table = table(false);
static TWICE: Table = table(true);

/// Room for eight bytes at their worst, 7 each, and one word past the end.
const ROOM: usize = 8 * 8 + 8;

/// Appends `src` as the inside of a JSON string; invalid UTF-8 becomes U+FFFD.
pub fn escape(src: &[u8], out: &mut Vec<u8>) {
    checked(&ONCE, src, out);
}

/// Appends `src` escaped twice: the inside of a JSON string inside a JSON string.
pub fn escape_twice(src: &[u8], out: &mut Vec<u8>) {
    checked(&TWICE, src, out);
}

fn checked(table: &Table, src: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    if !append(table, src, out) && simdutf8::basic::from_utf8(src).is_err() {
        out.truncate(start);
        lossy(table, src, out);
    }
}

/// Rare, so not fast: valid stretches as they are, U+FFFD for each maximal invalid part between them.
#[cold]
fn lossy(table: &Table, src: &[u8], out: &mut Vec<u8>) {
    for chunk in src.utf8_chunks() {
        append(table, chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Appends with escapes, bytes above 0x7f as they are. True when there were none of those.
fn append(table: &Table, src: &[u8], out: &mut Vec<u8>) -> bool {
    let mut to = Writer::new(out, src.len());
    let (words, tail) = src.as_chunks::<8>();
    let mut high = 0;
    for word in words {
        high |= to.word(table, u64::from_le_bytes(*word), 8);
    }
    if !tail.is_empty() {
        // Filled up with spaces, which need no escape. The last eight bytes at once where there are eight.
        let bits = 8 * tail.len();
        let word = match src.last_chunk::<8>() {
            Some(last) => u64::from_le_bytes(*last) >> (64 - bits),
            None => tail.iter().rev().fold(0, |word, b| word << 8 | u64::from(*b)),
        };
        high |= to.word(table, word | (0x2020_2020_2020_2020 << bits), tail.len());
    }
    to.close();
    high & HIGH == 0
}

/// Writes into room that was zeroed for all of a text at once: to ask the vector for room at each write costs
/// more than the writing.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    end: usize,
}

impl<'o> Writer<'o> {
    fn new(out: &'o mut Vec<u8>, len: usize) -> Self {
        let end = out.len();
        // Enough for most texts; the others ask again.
        out.resize(end + len + len / 2 + 2 * ROOM, 0);
        Writer { out, end }
    }

    /// Appends the first `len` (1 to 8) bytes of the word. Returns the word, for its high bits.
    #[inline(always)]
    fn word(&mut self, table: &Table, word: u64, len: usize) -> u64 {
        if self.out.len() - self.end < ROOM {
            self.out.resize(self.end + 64 * ROOM, 0);
        }
        let Some(to) = self.out.get_mut(self.end..).and_then(|t| t.first_chunk_mut::<ROOM>()) else { return 0 };
        let (mut hits, mut rest) = (special(word), word);
        let (mut from, mut end) = (0, 0);
        while hits != 0 {
            // Perhaps a false one: the table writes that byte as it is.
            let hit = hits.trailing_zeros() as usize / 8;
            // Always a whole word: what is too much is written over.
            put(to, end, rest.to_le_bytes());
            end += hit - from;
            rest = word >> (8 * hit);
            let row = &table[usize::from(rest as u8)];
            put(to, end, *row);
            end += usize::from(row[7]);
            rest >>= 8;
            from = hit + 1;
            hits &= hits - 1;
        }
        put(to, end, rest.to_le_bytes());
        self.end += end + len - from;
        word
    }

    fn close(self) {
        self.out.truncate(self.end);
    }
}

/// A plain store: `copy_from_slice` of a constant length becomes a call (Rust 1.95), and doubles the time.
#[inline(always)]
fn put(to: &mut [u8; ROOM], at: usize, word: [u8; 8]) {
    if let Some(to) = to.get_mut(at..).and_then(|t| t.first_chunk_mut()) {
        *to = word;
    }
}

/// What every byte is written as.
const fn table(twice: bool) -> Table {
    let mut table = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let short = match byte as u8 {
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            b'"' => b'"',
            b'\\' => b'\\',
            _ => 0,
        };
        let mut row = [0; 8];
        let mut len = 0;
        if short == 0 && byte >= 0x20 {
            row[0] = byte as u8;
            len = 1;
        } else {
            row[0] = b'\\';
            len += 1;
            if twice {
                row[1] = b'\\';
                len += 1;
            }
            if short == 0 {
                let hex = *b"0123456789abcdef";
                let digits = [b'u', b'0', b'0', hex[byte >> 4], hex[byte & 15]];
                let mut i = 0;
                while i < 5 {
                    row[len] = digits[i];
                    len += 1;
                    i += 1;
                }
            } else {
                if twice && (short == b'"' || short == b'\\') {
                    row[len] = b'\\';
                    len += 1;
                }
                row[len] = short;
                len += 1;
            }
        }
        row[7] = len as u8;
        table[byte] = row;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn once(src: &[u8]) -> String {
        let mut out = b"x".to_vec();
        escape(src, &mut out);
        String::from_utf8(out).unwrap()[1..].to_owned()
    }

    fn twice(src: &[u8]) -> String {
        let mut out = b"x".to_vec();
        escape_twice(src, &mut out);
        String::from_utf8(out).unwrap()[1..].to_owned()
    }

    fn serde(text: &str) -> String {
        let quoted = serde_json::to_string(text).unwrap();
        quoted[1..quoted.len() - 1].to_owned()
    }

    /// Text in which every kind of byte is likely, at every place of a step.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let one = prop_oneof![
            4 => proptest::sample::select(&b"abc \x7f"[..]).prop_map(|b| vec![b]),
            2 => proptest::sample::select(&b"\"\\\n\r\t\x08\x0c\0\x1f\x0b"[..]).prop_map(|b| vec![b]),
            1 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
            1 => any::<u8>().prop_map(|b| vec![b]),
        ];
        proptest::collection::vec(one, 0..120).prop_map(|parts| parts.concat())
    }

    #[test]
    fn every_byte_is_written_as_serde_json_writes_it_at_every_place() {
        for byte in 0..=0x7f_u8 {
            for before in [0, 1, 15, 16, 17, 31, 32, 47, 48] {
                let text = format!("{}{}z", "a".repeat(before), char::from(byte));
                assert_eq!(once(text.as_bytes()), serde(&text));
                assert_eq!(twice(text.as_bytes()), serde(&serde(&text)));
            }
        }
    }

    #[test]
    fn a_step_of_nothing_but_the_longest_escapes_fits() {
        for n in [1, 15, 16, 17, 33, 64, 100] {
            let text = "\u{1f}".repeat(n);
            assert_eq!(once(text.as_bytes()), "\\u001f".repeat(n));
            assert_eq!(twice(text.as_bytes()), "\\\\u001f".repeat(n));
        }
    }

    #[test]
    fn invalid_utf8_becomes_the_replacement_character() {
        assert_eq!(once(b"a\xffb\xe2\x82"), "a\u{fffd}b\u{fffd}");
        assert_eq!(once(b"\xf0\x9f\x98\"\xed\xa0\x80"), "\u{fffd}\\\"\u{fffd}\u{fffd}\u{fffd}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn serde_json_writes_the_same(src in bytes()) {
            let text = String::from_utf8_lossy(&src);
            prop_assert_eq!(once(&src), serde(&text));
            prop_assert_eq!(twice(&src), serde(&serde(&text)));
        }
    }
}
