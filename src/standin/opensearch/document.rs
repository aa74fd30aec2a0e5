//! A document's shape: the dotted path and kind of every value, found while the JSON is checked as the node checks it
//! (no duplicate members, bounded depth, usable names).

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// `index.mapping.depth.limit`
const MOST_DEPTH: usize = 20;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object,
    /// Text, and what it could be taken for.
    Text { number: bool, truth: bool, date: bool },
    /// An integer.
    Long,
    /// A number with a fraction, or too large for an integer.
    Float,
    /// true or false.
    Truth,
}

/// Paths in the order of the document.
pub type Shape = Vec<(String, Kind)>;

/// The shape of a document, or why a node would not parse it.
pub(super) fn shape(document: &[u8]) -> Result<Shape, String> {
    let mut shape = Vec::new();
    let mut parser = serde_json::Deserializer::from_slice(document);
    let walk = Walk { path: "", depth: 0, shape: &mut shape };
    walk.deserialize(&mut parser).map_err(|e| e.to_string())?;
    parser.end().map_err(|e| e.to_string())?;
    Ok(shape)
}

struct Walk<'w> {
    path: &'w str,
    depth: usize,
    shape: &'w mut Shape,
}

impl Walk<'_> {
    fn leaf<E: Error>(self, kind: Kind) -> Result<(), E> {
        if self.path.is_empty() {
            return Err(E::custom("a document must be an object"));
        }
        self.shape.push((self.path.to_owned(), kind));
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.leaf(Kind::Truth)
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.leaf(Kind::Long)
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<(), E> {
        self.leaf(if i64::try_from(n).is_ok() { Kind::Long } else { Kind::Float })
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.leaf(Kind::Float)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let truth = matches!(text, "" | "true" | "false");
        self.leaf(Kind::Text { number: text.trim().parse::<f64>().is_ok(), truth, date: is_date(text) })
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.path.is_empty() {
            return Err(A::Error::custom("a document must be an object"));
        }
        loop {
            let walk = Walk { path: self.path, depth: self.depth, shape: self.shape };
            if list.next_element_seed(walk)?.is_none() {
                return Ok(());
            }
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.depth > MOST_DEPTH {
            return Err(A::Error::custom(format!("Limit of mapping depth [{MOST_DEPTH}] has been exceeded")));
        }
        if !self.path.is_empty() {
            self.shape.push((self.path.to_owned(), Kind::Object));
        }
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.split('.').any(|part| part.trim().is_empty()) {
                let reason = format!("field name [{name}] is empty, or begins or ends with a [.] or has two in a row");
                return Err(A::Error::custom(reason));
            }
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format!("Duplicate field '{name}'")));
            }
            map.next_value_seed(Walk { path: &path, depth: self.depth + 1, shape: self.shape })?;
        }
        Ok(())
    }
}

/// `strict_date_optional_time` as date detection uses it, and `yyyy/MM/dd` with or without a time.
fn is_date(text: &str) -> bool {
    let (day, time) = text.split_once(['T', ' ']).map_or((text, None), |(d, t)| (d, Some(t)));
    let slashes = day.contains('/');
    let parts: Vec<&str> = day.split(if slashes { '/' } else { '-' }).collect();
    let sized = |p: &str, n: usize| p.len() == n && p.bytes().all(|b| b.is_ascii_digit());
    let in_range = |p: &str, lo: u8, hi: u8| sized(p, 2) && p.parse::<u8>().is_ok_and(|n| (lo..=hi).contains(&n));
    let good = match parts[..] {
        [y, m] => !slashes && time.is_none() && sized(y, 4) && in_range(m, 1, 12),
        [y, m, d] => sized(y, 4) && in_range(m, 1, 12) && in_range(d, 1, 31),
        _ => false,
    };
    let parted = text.contains('T') != slashes || time.is_none();
    good && parted && time.is_none_or(|t| is_time(t, &in_range))
}

fn is_time(time: &str, in_range: &dyn Fn(&str, u8, u8) -> bool) -> bool {
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone);
    let zone_good = matches!(zone, "" | "Z")
        || zone
            .get(1..)
            .is_some_and(|z| z.replace(':', "").len() <= 4 && z.bytes().all(|b| b.is_ascii_digit() || b == b':'));
    let (clock, fraction) = clock.split_once(['.', ',']).map_or((clock, None), |(c, f)| (c, Some(f)));
    let parts: Vec<&str> = clock.split(':').collect();
    let clock_good = match parts[..] {
        [h] => in_range(h, 0, 23),
        [h, m] => in_range(h, 0, 23) && in_range(m, 0, 59),
        [h, m, s] => in_range(h, 0, 23) && in_range(m, 0, 59) && in_range(s, 0, 59),
        _ => false,
    };
    let digits = |f: &str| (1..=9).contains(&f.len()) && f.bytes().all(|b| b.is_ascii_digit());
    zone_good && clock_good && fraction.is_none_or(|f| parts.len() == 3 && digits(f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_told_from_text() {
        for text in
            ["2026-11-22", "2026-11", "2026-11-22T10:15:00.123456789Z", "2026-11-22T10:15:00+01:00", "2026/11/22"]
        {
            assert!(is_date(text), "{text}");
        }
        for text in
            ["", "2026", "2026-11-22 10:15:00", "2026-13-01", "x2026-11-22", "2026-11-22T25:00", "10.0.0.1", "a/b/c"]
        {
            assert!(!is_date(text), "{text}");
        }
    }

    #[test]
    fn a_shape_has_every_path_once_for_each_value() {
        let got = shape(br#"{"a":{"b":1,"c.d":"x"},"e":[1.5,{"f":true}],"g":null}"#).unwrap();
        let paths: Vec<&str> = got.iter().map(|(p, _)| p.as_str()).collect();
        assert_eq!(paths, ["a", "a.b", "a.c.d", "e", "e", "e.f"]);
    }

    #[test]
    fn what_a_node_would_not_parse_is_refused() {
        for (text, reason) in [
            (r#"{"a":1,"a":2}"#, "Duplicate field 'a'"),
            (r#"{"a":{"b":1,"b":2}}"#, "Duplicate field 'b'"),
            (r#"{"":1}"#, "is empty"),
            (r#"{"a..b":1}"#, "two in a row"),
            ("[1]", "must be an object"),
            (r#"{"a":1} {"#, "trailing"),
            (r#"{"a":"#, "EOF"),
        ] {
            let got = shape(text.as_bytes()).unwrap_err();
            assert!(got.contains(reason), "{text}: {got}");
        }
        let deep = format!("{}1{}", r#"{"a":"#.repeat(30), "}".repeat(30));
        assert!(shape(deep.as_bytes()).unwrap_err().contains("depth"));
    }
}
