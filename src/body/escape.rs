//! JSON string escaping, once or twice (for a document that is itself a JSON string).
//!
//! Valid UTF-8 comes out byte for byte as `serde_json` writes it; invalid UTF-8 becomes U+FFFD by std's lossy rule.
//! The cost of a record is decided here: 16 bytes are looked at together, and all hits of one mask are handled
//! before the next load (measured twice as fast as loading again after each hit). UTF-8 is proved only where a
//! byte above 0x7f was seen.

/// What a byte is written as, padded; the last byte is the length. At most 7 bytes: `\\u001f`.
type Table = [[u8; 8]; 256];

static ONCE: Table = table(false);
static TWICE: Table = table(true);

/// Bytes looked at together.
const STEP: usize = 16;
/// Room for a step at its worst: 16 * 7, and one copy of 16 past the end.
const ROOM: usize = STEP * 8;

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
    out.reserve(src.len() + src.len() / 8 + ROOM);
    let (mut at, mut high) = (0, 0);
    // Each step sees the 16 bytes after its own, so that copies of 16 stay inside.
    while let Some(window) = src.get(at..).and_then(|s| s.first_chunk::<{ 2 * STEP }>()) {
        high |= step(table, window, STEP, out);
        at += STEP;
    }
    let tail = src.get(at..).unwrap_or_default();
    let mut last = [b' '; 3 * STEP];
    if let Some(to) = last.get_mut(..tail.len()) {
        to.copy_from_slice(tail);
    }
    let (mut at, mut left) = (0, tail.len());
    while let Some(window) = last.get(at..).and_then(|s| s.first_chunk::<{ 2 * STEP }>()).filter(|_| left > 0) {
        high |= step(table, window, left.min(STEP), out);
        at += STEP;
        left = left.saturating_sub(STEP);
    }
    high == 0
}

/// Appends the first `len` (1 to 16) bytes of the window; what follows them in the first 16 needs no escape.
/// Returns the mask of bytes above 0x7f.
#[inline(always)]
fn step(table: &Table, window: &[u8; 2 * STEP], len: usize, out: &mut Vec<u8>) -> u32 {
    let (chunk, _) = window.split_at(STEP);
    let Some(chunk) = chunk.first_chunk::<STEP>() else { return 0 };
    let (mut hits, high) = masks(chunk);
    if hits == 0 {
        if len == STEP {
            out.extend_from_slice(chunk);
        } else {
            out.extend_from_slice(&chunk[..len.min(STEP)]);
        }
        return high;
    }
    // A constant length, so eight plain stores: cheaper than asking for room at each hit.
    let start = out.len();
    out.extend_from_slice(&[0; ROOM]);
    let Some(to) = out.get_mut(start..).and_then(|t| t.first_chunk_mut::<ROOM>()) else { return high };
    let (mut from, mut end) = (0, 0);
    while hits != 0 {
        let hit = hits.trailing_zeros() as usize & (STEP - 1);
        copy(window, from, to, end);
        end += hit - from;
        let escaped = &table[usize::from(chunk[hit])];
        to[end..end + 8].copy_from_slice(escaped);
        end += usize::from(escaped[7]);
        from = hit + 1;
        hits &= hits - 1;
    }
    copy(window, from, to, end);
    end += len - from;
    out.truncate(start + end);
    high
}

/// 16 bytes, of which fewer may count.
#[inline(always)]
fn copy(window: &[u8; 2 * STEP], from: usize, to: &mut [u8; ROOM], end: usize) {
    to[end..end + STEP].copy_from_slice(&window[from..from + STEP]);
}

/// Bit i: byte i is escaped; bit i: byte i is above 0x7f. Eight bytes in a word at a time, and exact: no carry
/// leaves its byte. (SSE2's own compare and mask would need `unsafe`.)
#[inline(always)]
fn masks(chunk: &[u8; STEP]) -> (u32, u32) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let word = |bytes: u64| {
        let equal = |b: u8| {
            let x = bytes ^ (ONES * u64::from(b));
            !(((x & !HIGH) + !HIGH) | x) & HIGH
        };
        let control = !((bytes | HIGH) - ONES * 0x20) & !bytes & HIGH;
        (control | equal(b'"') | equal(b'\\'), bytes & HIGH)
    };
    // The high bits of eight bytes, gathered into one byte by a multiplication.
    let gather = |m: u64| ((m >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32;
    let bits = u128::from_le_bytes(*chunk);
    let ((hits0, high0), (hits1, high1)) = (word(bits as u64), word((bits >> 64) as u64));
    (gather(hits0) | gather(hits1) << 8, gather(high0) | gather(high1) << 8)
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

        #[test]
        fn masks_are_exact(chunk: [u8; 16], special in proptest::collection::vec((0usize..16, proptest::sample::select(&b"\"\\\n\0\x1f\x20\x7f\x80\xff!#[]"[..])), 0..16)) {
            let mut chunk = chunk;
            special.into_iter().for_each(|(at, byte)| chunk[at] = byte);
            let bit = |wanted: &dyn Fn(u8) -> bool| (0..16).filter(|i| wanted(chunk[*i])).fold(0u32, |m, i| m | 1 << i);
            let want = (bit(&|b| b < 0x20 || b == b'"' || b == b'\\'), bit(&|b| b > 0x7f));
            prop_assert_eq!(masks(&chunk), want);
        }
    }
}
