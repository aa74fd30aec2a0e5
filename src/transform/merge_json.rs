//! `merge_json`: a body that is a JSON object goes into the document as one, under `log_processed`.
//!
//! The text is embedded as it stands, so it must be beyond doubt: valid UTF-8, strict JSON (RFC 8259), no lone
//! surrogates, no name twice in one object, and no name or number that OpenSearch always refuses: a line that says so
//! would cost itself, and room in the dead-letter file that others need. Depth and names are capped, because each
//! becomes a field of an index. Nothing is parsed into values and nothing is allocated but for names with escapes.

use crate::decode::json::{Reader, unescape};
use std::borrow::Cow;

/// Objects and arrays inside each other, the outermost counted.
pub const MAX_DEPTH: usize = 20;
/// Names in all objects of a body.
pub const MAX_KEYS: usize = 256;
/// Bytes of a name. Parsers of services have limits of their own, far above.
const MAX_NAME: usize = 1024;
/// Bytes of a number; Jackson, which reads for OpenSearch, takes 1,000.
const MAX_NUMBER: usize = 100;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge<'a> {
    /// One JSON object: its text, without white space around it.
    Object(&'a [u8]),
    /// Anything else.
    NotObject,
    /// An object (as far as it was read) past [`MAX_DEPTH`] or [`MAX_KEYS`].
    TooDeep,
}

/// Judges a body.
pub fn object(body: &[u8]) -> Merge<'_> {
    let text = body.trim_ascii();
    // Most bodies are no objects: say so before anything else is looked at.
    if !text.starts_with(b"{") || !text.ends_with(b"}") || simdutf8::basic::from_utf8(text).is_err() {
        return Merge::NotObject;
    }
    let surrogates = memchr::memmem::find(text, b"\\u").is_some();
    let mut walk = Walk { reader: Reader::new(text), surrogates, names: [0; MAX_KEYS], n: 0 };
    match walk.value(MAX_DEPTH) {
        Ok(()) if walk.reader.peek().is_none() => Merge::Object(text),
        Ok(()) | Err(Stop::Invalid) => Merge::NotObject,
        Err(Stop::TooDeep) => Merge::TooDeep,
    }
}

enum Stop {
    Invalid,
    TooDeep,
}

struct Walk<'a> {
    reader: Reader<'a>,
    /// There are `\u` escapes, so strings have to be looked at again.
    surrogates: bool,
    /// Hashes of the names of all objects that are open, outermost first.
    names: [u64; MAX_KEYS],
    /// Names seen in all.
    n: usize,
}

impl Walk<'_> {
    fn value(&mut self, depth: usize) -> Result<(), Stop> {
        match self.reader.peek().ok_or(Stop::Invalid)? {
            b'{' => self.members(depth.checked_sub(1).ok_or(Stop::TooDeep)?),
            b'[' => self.elements(depth.checked_sub(1).ok_or(Stop::TooDeep)?),
            b'"' => self.string().map(drop),
            _ => self.scalar(),
        }
    }

    fn members(&mut self, depth: usize) -> Result<(), Stop> {
        // Mixed into each hash, so that only names of this very object are equal.
        let whose = (self.reader.at() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = self.n;
        self.take(b'{')?;
        if self.reader.take(b'}') {
            return Ok(());
        }
        loop {
            let name = match self.string()? {
                raw if memchr::memchr(b'\\', raw).is_none() => Cow::Borrowed(raw),
                raw => {
                    let mut plain = Vec::new();
                    unescape(raw, &mut plain);
                    Cow::Owned(plain)
                }
            };
            if !is_a_field(&name) {
                return Err(Stop::Invalid);
            }
            let name = hash(whose, &name);
            if self.names.get(first..self.n).is_some_and(|seen| seen.contains(&name)) {
                return Err(Stop::Invalid);
            }
            *self.names.get_mut(self.n).ok_or(Stop::TooDeep)? = name;
            self.n += 1;
            self.take(b':')?;
            self.value(depth)?;
            if self.reader.take(b'}') {
                return Ok(());
            }
            self.take(b',')?;
        }
    }

    fn elements(&mut self, depth: usize) -> Result<(), Stop> {
        self.take(b'[')?;
        if self.reader.take(b']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if self.reader.take(b']') {
                return Ok(());
            }
            self.take(b',')?;
        }
    }

    fn scalar(&mut self) -> Result<(), Stop> {
        let (text, start) = (self.reader.rest(), self.reader.at());
        self.reader.scalar().ok_or(Stop::Invalid)?;
        let text = text.get(..self.reader.at() - start).unwrap_or_default();
        if is_in_range(text) { Ok(()) } else { Err(Stop::Invalid) }
    }

    fn string(&mut self) -> Result<&[u8], Stop> {
        let raw = self.reader.string().ok_or(Stop::Invalid)?;
        if !self.surrogates || paired(raw) { Ok(raw) } else { Err(Stop::Invalid) }
    }

    fn take(&mut self, byte: u8) -> Result<(), Stop> {
        if self.reader.take(byte) { Ok(()) } else { Err(Stop::Invalid) }
    }
}

/// Names are paths there: `a.b` is `b` in `a`, and nothing on the way may be blank.
fn is_a_field(name: &[u8]) -> bool {
    let of = |name: &str| name.len() <= MAX_NAME && name.split('.').all(|part| !part.trim().is_empty());
    std::str::from_utf8(name).is_ok_and(of)
}

/// A number with a point is a `float` there unless somebody mapped it, and must be finite as one.
fn is_in_range(number: &[u8]) -> bool {
    // No short number is too large, and neither is a word.
    if number.len() <= 38 && memchr::memchr2(b'e', b'E', number).is_none_or(|_| !is_number(number)) {
        return true;
    }
    let value = std::str::from_utf8(number).ok().and_then(|text| text.parse::<f32>().ok());
    number.len() <= MAX_NUMBER && value.is_some_and(f32::is_finite)
}

fn is_number(scalar: &[u8]) -> bool {
    scalar.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
}

/// Whether each surrogate escape of a string has its other half.
fn paired(mut raw: &[u8]) -> bool {
    use crate::decode::json::hex4;
    while let Some(at) = memchr::memchr(b'\\', raw) {
        let escape = raw.get(at..).unwrap_or_default();
        let unit = |from: usize| escape.get(from..).and_then(|t| t.strip_prefix(b"\\u")).and_then(hex4);
        let len = match (unit(0), unit(6)) {
            (None, _) => 2,
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => return false,
            (Some(_), _) => 6,
        };
        raw = escape.get(len..).unwrap_or_default();
    }
    true
}

/// Any hash will do: two names with one hash leave a body unmerged, which is no loss.
fn hash(seed: u64, name: &[u8]) -> u64 {
    let mix = |h: u64, word: u64| (h ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(29);
    let (words, tail) = name.as_chunks::<8>();
    let h = words.iter().fold(seed, |h, word| mix(h, u64::from_le_bytes(*word)));
    let last = tail.iter().fold(tail.len() as u64, |word, b| word << 8 | u64::from(*b));
    mix(mix(h, last), name.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn objects_are_embedded_as_they_stand() {
        for body in [
            "{}",
            r#"{"a":1}"#,
            " \t{ \"a\" : [ 1 , -2.5e+3 , true , null , {} , [ ] ] }\r",
            r#"{"a":{"a":{"a":"ä\n\ud83d\ude00\\ud800"}},"b":{"a":0}}"#,
            r#"{"a":12345678901234567890123456789e9,"b":-3.4e38,"c":1e-999,"d":18446744073709551615}"#,
            r#"{"a.b":1,"a b":2,"\u00e4":3,"\"":4,"a\/b":5,"a\\/b":6,"_id":7,"@timestamp":8,"kubernetes":{"a":9}}"#,
        ] {
            assert_eq!(object(body.as_bytes()), Merge::Object(body.trim().as_bytes()), "{body}");
        }
    }

    #[test]
    fn everything_else_is_left_alone() {
        for body in [
            "",
            " ",
            "{",
            "}",
            "[]",
            "1",
            "\"{}\"",
            "{}{}",
            "{} x",
            "x {}",
            r#"{"a":1,}"#,
            r#"{"a":01}"#,
            r#"{'a':1}"#,
            r#"{"a":1} {"b":2}"#,
            r#"{"a":NaN}"#,
            "{\"a\":\"\t\"}",
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\ude00\ud800"}"#,
            r#"{"\ud800x":1}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"b":{"a":1,"a":2}}"#,
            "{[}]}",
            // One name, written in two ways.
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a/b":1,"a\/b":2}"#,
            r#"{"ä":1,"\u00e4":2}"#,
            // No name of a field.
            r#"{"":1}"#,
            r#"{"a":{"":1}}"#,
            r#"{" ":1}"#,
            r#"{"\u2003":1}"#,
            r#"{".":1}"#,
            r#"{"..":1}"#,
            r#"{".a":1}"#,
            r#"{"a.":1}"#,
            r#"{"a..b":1}"#,
            r#"{"a.\u0020.b":1}"#,
            r#"{"a\u002e":1}"#,
            // No number of a field.
            r#"{"a":12345678901234567890123456789e999}"#,
            r#"{"a":1e39}"#,
            r#"{"a":-1E+400}"#,
            r#"{"a":1.5e99999999999999999999}"#,
        ] {
            assert_eq!(object(body.as_bytes()), Merge::NotObject, "{body}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Merge::NotObject);
        assert_eq!(object(b"\xef\xbb\xbf{}"), Merge::NotObject);
    }

    #[test]
    fn depth_and_names_are_capped() {
        let nest = |n: usize| format!("{}1{}", r#"{"a":"#.repeat(n), "}".repeat(n));
        assert!(matches!(object(nest(MAX_DEPTH).as_bytes()), Merge::Object(_)));
        assert_eq!(object(nest(MAX_DEPTH + 1).as_bytes()), Merge::TooDeep);
        assert_eq!(object(format!("{{\"a\":{}}}", "[".repeat(1_000_000)).as_bytes()), Merge::TooDeep);
        let names = |n: usize| format!("{{{}}}", (0..n).map(|i| format!("\"{i}\":{i}")).collect::<Vec<_>>().join(","));
        assert!(matches!(object(names(MAX_KEYS).as_bytes()), Merge::Object(_)));
        assert_eq!(object(names(MAX_KEYS + 1).as_bytes()), Merge::TooDeep);
    }

    #[test]
    fn long_names_and_numbers_are_left_alone() {
        let name = |n: usize| object(format!("{{\"{}\":1}}", "k".repeat(n)).as_bytes()) == Merge::NotObject;
        assert_eq!((name(MAX_NAME), name(MAX_NAME + 1)), (false, true));
        let escaped = |n: usize| object(format!("{{\"{}\":1}}", "\\u006b".repeat(n)).as_bytes()) == Merge::NotObject;
        assert_eq!((escaped(MAX_NAME), escaped(MAX_NAME + 1)), (false, true));
        let digits = |n: usize| object(format!("{{\"n\":0.{}}}", "9".repeat(n)).as_bytes()) == Merge::NotObject;
        assert_eq!((digits(MAX_NUMBER - 2), digits(MAX_NUMBER - 1)), (false, true));
        let whole = |n: usize| object(format!("{{\"n\":{}}}", "9".repeat(n)).as_bytes()) == Merge::NotObject;
        assert_eq!((whole(38), whole(39), whole(300_000)), (false, true, true));
    }

    /// Objects with few names, so that some come twice.
    fn value() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("1".to_owned()),
            Just("null".to_owned()),
            "\"[a\\\\\"{}]{0,3}\"",
            Just("\"\\u00e4\"".to_owned())
        ];
        leaf.prop_recursive(5, 60, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(", "))),
                proptest::collection::vec(("[ab]{0,2}", inner), 0..4).prop_map(|v| format!(
                    "{{{}}}",
                    v.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect::<Vec<_>>().join(",")
                )),
            ]
        })
    }

    /// serde_json's judgement, with names counted once each.
    fn theirs(text: &str) -> bool {
        struct Unique(bool);
        impl<'de> serde::Deserialize<'de> for Unique {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct V;
                impl<'de> serde::de::Visitor<'de> for V {
                    type Value = Unique;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("json")
                    }
                    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
                        Ok(Unique(true))
                    }
                    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
                        Ok(Unique(true))
                    }
                    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
                        Ok(Unique(true))
                    }
                    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
                        Ok(Unique(true))
                    }
                    fn visit_unit<E>(self) -> Result<Unique, E> {
                        Ok(Unique(true))
                    }
                    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
                        Ok(Unique(true))
                    }
                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut a: A) -> Result<Unique, A::Error> {
                        let mut all = true;
                        while let Some(v) = a.next_element::<Unique>()? {
                            all &= v.0;
                        }
                        Ok(Unique(all))
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut a: A) -> Result<Unique, A::Error> {
                        let (mut all, mut seen) = (true, std::collections::BTreeSet::new());
                        while let Some((k, v)) = a.next_entry::<String, Unique>()? {
                            all &= v.0 & is_a_field(k.as_bytes()) & seen.insert(k);
                        }
                        Ok(Unique(all))
                    }
                }
                d.deserialize_any(V)
            }
        }
        text.starts_with('{') && serde_json::from_str::<Unique>(text).is_ok_and(|u| u.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn serde_json_agrees(text in value(), cut in any::<proptest::sample::Index>(), damage in proptest::option::weighted(0.3, any::<u8>())) {
            let mut text = text.into_bytes();
            if let Some(byte) = damage {
                let at = cut.index(text.len());
                text[at] = byte;
            }
            let want = std::str::from_utf8(&text).is_ok_and(|t| theirs(t.trim_ascii()));
            prop_assert_eq!(matches!(object(&text), Merge::Object(_)), want);
        }
    }
}
