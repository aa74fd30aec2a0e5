//! What lines say: bodies with an id, and a sum over the rest where the text will survive as it is.

use crate::standin::rng::Rng;

/// Kinds of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An access log's line.
    Text,
    /// A JSON object.
    Json,
    /// Letters of two to four bytes.
    MultiByte,
    /// Quotes, backslashes, tabs, colours, a carriage return at the end.
    Odd,
    /// NUL and bytes that are not UTF-8: no sum, because what is sent is not what was written.
    Bytes,
    /// Nothing at all: no id.
    Empty,
    /// 4 to 12 KiB of letters and digits by chance: compresses by a quarter, not more.
    Noise,
    /// 16 to 100 KiB: several parts; an id at its beginning and another one at its end.
    Long,
}

const PATHS: [&str; 6] = ["/", "/cart", "/cart/items?id=7", "/api/v1/orders", "/healthz", "/login?next=%2Fhome"];
const WORDS: [&str; 12] = [
    "connection",
    "accepted",
    "order",
    "stored",
    "retrying",
    "upstream",
    "timeout",
    "cache",
    "miss",
    "user",
    "session",
    "closed",
];
const LETTERS: [&str; 8] =
    ["\u{fc}", "\u{e9}", "\u{df}", "\u{65e5}\u{672c}", "\u{20ac}", "\u{1F680}", "\u{2028}", "\u{5d0}"];
const ODD: [&str; 8] = ["\"", "\\", "\t", "\u{1b}[31m", "{\"a\":", "\\u0041", "<b>&amp;</b>", "\u{7f}"];
const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Stands where the sum goes until the rest is known.
const UNKNOWN: &[u8] = b"sum=________";

/// A line's body; `id` yields a new one each time.
pub(super) fn make(shape: Shape, rng: &mut Rng, mut id: impl FnMut() -> u64) -> Vec<u8> {
    let mut text = match shape {
        Shape::Empty => return Vec::new(),
        Shape::Text => {
            let path = rng.pick(&PATHS).copied().unwrap_or("/");
            let (status, took) = (200 + rng.below(5) * 100, rng.below(900));
            let tail = words(rng, 3, 9);
            format!("INFO GET {path} {status} {took}ms tr={:016x} sum=________ {tail}", id())
        }
        Shape::Json => {
            let (level, n) = (if rng.chance(0.1) { "error" } else { "info" }, rng.below(10_000));
            let message = words(rng, 2, 8);
            format!("{{\"level\":\"{level}\",\"n\":{n},\"message\":\"{message} tr={:016x} sum=________\"}}", id())
        }
        Shape::MultiByte => {
            let tail: String = (0..rng.below(40) + 1).filter_map(|_| rng.pick(&LETTERS).copied()).collect();
            format!("\u{fc}n\u{ef} tr={:016x} sum=________ {tail}", id())
        }
        Shape::Odd => {
            let tail: String = (0..rng.below(20) + 1).filter_map(|_| rng.pick(&ODD).copied()).collect();
            format!("\tat tr={:016x} sum=________ {tail}\r", id())
        }
        Shape::Long => {
            // Sometimes exactly one or two parts long.
            let want = if rng.chance(0.3) { (16 << 10) * (1 + rng.below(2)) } else { (16 << 10) + rng.below(84 << 10) };
            let mut text = format!("tr={:016x} sum=________ ", id());
            while text.len() as u64 + 100 < want {
                text.push_str(&words(rng, 4, 6));
                text.push_str("\u{e9} ");
            }
            while text.len() as u64 + 19 < want {
                text.push('.');
            }
            text.push_str(&format!("tr={:016x}", id()));
            text
        }
        Shape::Noise => {
            let mut text = format!("tr={:016x} sum=________ ", id());
            while (text.len() as u64) < (4 << 10) + rng.below(8 << 10) {
                for byte in rng.bits().to_le_bytes() {
                    text.push(char::from(SIGNS.get(usize::from(byte & 63)).copied().unwrap_or(b'.')));
                }
            }
            text
        }
        Shape::Bytes => {
            let mut bytes = format!("raw tr={:016x} ", id()).into_bytes();
            bytes.extend((0..rng.below(60) + 1).map(|_| rng.bits().to_le_bytes()[0]).filter(|b| *b != b'\n'));
            bytes.extend(b"\0\xff\xc3");
            return bytes;
        }
    }
    .into_bytes();
    fill_sum(&mut text);
    text
}

fn words(rng: &mut Rng, least: u64, more: u64) -> String {
    let n = least + rng.below(more);
    let words: Vec<&str> = (0..n).filter_map(|_| rng.pick(&WORDS).copied()).collect();
    words.join(" ")
}

fn fill_sum(text: &mut [u8]) {
    let Some(at) = memchr::memmem::find(text, UNKNOWN).map(|at| at + 4) else { return };
    let (before, rest) = text.split_at(at);
    let sum = crc32c::crc32c_append(crc32c::crc32c(before), rest.get(8..).unwrap_or_default());
    if let Some(digits) = text.get_mut(at..at + 8) {
        digits.copy_from_slice(format!("{sum:08x}").as_bytes());
    }
}
