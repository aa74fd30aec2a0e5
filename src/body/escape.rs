//! JSON string escaping, once or twice (for a document that is itself a JSON string).
//!
//! Valid UTF-8 comes out byte for byte as `serde_json` writes it; invalid UTF-8 becomes U+FFFD by std's lossy rule.
//! Most of a document's cost before compression is here: 64 bytes are looked at together, and all hits of one mask
//! are handled before the next load. UTF-8 is proved only where a byte above 0x7f was seen.

mod special;

use special::{STEP, Special, special};

/// What a byte is written as, first byte lowest, at most 7: `\\u001f`. In the highest byte: the length (low half), and
/// how many bytes fewer there are to who undoes the escape once (high half).
type Table = [u64; 256];

static ONCE: Table = table(false);
static TWICE: Table = table(true);

/// Bytes copied together between two hits.
const COPY: usize = 32;
/// What is looked at for a step: hits are in its first [`STEP`] bytes, a copy from behind one may end later.
const WINDOW: usize = STEP + COPY;
/// What is written for a hit, with what is too much.
const ROOM: usize = COPY + 8;

/// Appends `src` as the inside of a JSON string; invalid UTF-8 becomes U+FFFD. Returns how many bytes fewer there are
/// to who reads the string.
pub fn escape(src: &[u8], out: &mut Vec<u8>) -> usize {
    checked(&ONCE, src, out)
}

/// Appends `src` escaped twice: the inside of a JSON string inside a JSON string. Returns how many bytes fewer there
/// are to who reads the outer one.
pub fn escape_twice(src: &[u8], out: &mut Vec<u8>) -> usize {
    checked(&TWICE, src, out)
}

fn checked(table: &Table, src: &[u8], out: &mut Vec<u8>) -> usize {
    let start = out.len();
    let done = append(table, src, out);
    if done.ascii || simdutf8::basic::from_utf8(src).is_ok() {
        return done.undone;
    }
    out.truncate(start);
    lossy(table, src, out)
}

/// Rare, so not fast: valid stretches as they are, U+FFFD for each maximal invalid part between them.
#[cold]
fn lossy(table: &Table, src: &[u8], out: &mut Vec<u8>) -> usize {
    let mut undone = 0;
    for chunk in src.utf8_chunks() {
        undone += append(table, chunk.valid().as_bytes(), out).undone;
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    undone
}

/// What was appended.
struct Done {
    /// No byte above 0x7f.
    ascii: bool,
    /// Bytes fewer when it is undone once.
    undone: usize,
}

/// Appends with escapes, bytes above 0x7f as they are.
fn append(table: &Table, src: &[u8], out: &mut Vec<u8>) -> Done {
    let mut to = Writer::new(table, out, src.len());
    let mut rest = src;
    while let Some(window) = rest.first_chunk() {
        to.step(window, STEP);
        rest = rest.get(STEP..).unwrap_or_default();
    }
    // Filled up with spaces, which need no escape.
    let mut last = [b' '; WINDOW + STEP];
    if let Some(last) = last.get_mut(..rest.len()) {
        last.copy_from_slice(rest);
    }
    let (mut last, mut len) = (&last[..], rest.len());
    while let (Some(window), 1..) = (last.first_chunk(), len) {
        to.step(window, len.min(STEP));
        (last, len) = (last.get(STEP..).unwrap_or_default(), len.saturating_sub(STEP));
    }
    to.close()
}

/// Room for what escapes add, at the most, before more is asked for.
const SPARE: usize = 64 * 1024;

/// Writes into room that was zeroed for all of a text at once: to ask the vector for room at each write costs
/// more than the writing.
struct Writer<'o> {
    table: &'o Table,
    out: &'o mut Vec<u8>,
    end: usize,
    high: u64,
    undone: u64,
}

impl<'o> Writer<'o> {
    fn new(table: &'o Table, out: &'o mut Vec<u8>, len: usize) -> Self {
        let end = out.len();
        // Enough for most texts; the others ask again. A long one is not to leave half of it behind as room.
        out.resize(end + len + (len / 2).min(SPARE) + WINDOW + ROOM, 0);
        Writer { table, out, end, high: 0, undone: 0 }
    }

    /// Appends the first `len` (1 to [`STEP`]) bytes of the window; those behind need no escape.
    #[inline(always)]
    fn step(&mut self, window: &[u8; WINDOW], len: usize) {
        let Some(bytes) = window.first_chunk() else { return };
        let Special { mut hits, high } = special(bytes);
        self.high |= high;
        let most = self.end + STEP + 6 * hits.count_ones() as usize + ROOM;
        if self.out.len() < most {
            self.out.resize(most + 16 * STEP, 0);
        }
        let to = self.out.get_mut(self.end..).unwrap_or_default();
        let (mut from, mut end) = (0, 0);
        loop {
            let hit = if hits == 0 { len } else { hits.trailing_zeros() as usize };
            // Always whole pieces: what is too much is written over.
            while hit - from > COPY {
                put(to.get_mut(end..), window.get(from..).and_then(|w| w.first_chunk::<COPY>()));
                (from, end) = (from + COPY, end + COPY);
            }
            let gap = hit - from;
            let Some(room) = to.get_mut(end..).and_then(|t| t.first_chunk_mut::<ROOM>()) else { break };
            put(Some(room), window.get(from..).and_then(|w| w.first_chunk::<COPY>()));
            end += gap;
            if hits == 0 {
                break;
            }
            let row = self.table[usize::from(window[hit])];
            put(room.get_mut(gap..), Some(&row.to_le_bytes()));
            end += (row >> 56 & 15) as usize;
            self.undone += row >> 60;
            from = hit + 1;
            hits &= hits - 1;
        }
        self.end += end;
    }

    fn close(self) -> Done {
        self.out.truncate(self.end);
        Done { ascii: self.high == 0, undone: self.undone as usize }
    }
}

/// A plain store: `copy_from_slice` of a constant length becomes a call (Rust 1.95), and doubles the time.
#[inline(always)]
fn put<const N: usize>(to: Option<&mut [u8]>, bytes: Option<&[u8; N]>) {
    if let (Some(to), Some(bytes)) = (to.and_then(|t| t.first_chunk_mut()), bytes) {
        *to = *bytes;
    }
}

/// What every byte is written as.
const fn table(twice: bool) -> Table {
    let mut table = [0; 256];
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
        let mut row = [0u8; 8];
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
        let undone = match short {
            _ if !twice || len == 1 => len - 1,
            b'"' | b'\\' => 2,
            _ => 1,
        };
        row[7] = (undone << 4 | len) as u8;
        table[byte] = u64::from_le_bytes(row);
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
        let undone = escape(src, &mut out);
        assert_eq!(out.len() - 1 - undone, String::from_utf8_lossy(src).len());
        String::from_utf8(out).unwrap()[1..].to_owned()
    }

    fn twice(src: &[u8]) -> String {
        let mut out = b"x".to_vec();
        let undone = escape_twice(src, &mut out);
        assert_eq!(out.len() - 1 - undone, once(src).len());
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
        proptest::collection::vec(one, 0..300).prop_map(|parts| parts.concat())
    }

    #[test]
    fn every_byte_is_written_as_serde_json_writes_it_at_every_place() {
        for byte in 0..=0x7f_u8 {
            for before in [0, 1, 31, 32, 33, 63, 64, 65, 95, 96, 97, 127, 128, 159, 160, 161] {
                let text = format!("{}{}z", "a".repeat(before), char::from(byte));
                assert_eq!(once(text.as_bytes()), serde(&text));
                assert_eq!(twice(text.as_bytes()), serde(&serde(&text)));
            }
        }
    }

    #[test]
    fn a_step_of_nothing_but_the_longest_escapes_fits() {
        for n in [1, 15, 16, 17, 33, 64, 65, 100, 1000] {
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
