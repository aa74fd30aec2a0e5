//! Sizes, durations, shares, counts, choices: text to value and back. A number never stands without its unit.

use super::problem::{Wrong, nearest, shown};
use std::time::Duration;

/// One kibibyte.
pub(crate) const KIB: u64 = 1024;
/// One mebibyte.
pub(crate) const MIB: u64 = 1024 * KIB;
/// One gibibyte.
pub(crate) const GIB: u64 = 1024 * MIB;

/// Largest first, so that `show` finds the shortest form.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1024 * GIB),
    ("TB", 1_000_000_000_000),
    ("GiB", GIB),
    ("GB", 1_000_000_000),
    ("MiB", MIB),
    ("MB", 1_000_000),
    ("KiB", KIB),
    ("KB", 1000),
    ("B", 1),
];

/// In milliseconds; largest first.
const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// `64MiB`, `10 MB`, `512B`: bytes.
pub(crate) fn size(text: &str) -> Result<u64, Wrong> {
    let instead = "write a whole number and one of B, KiB, MiB, GiB, TiB, KB, MB, GB, TB, such as `64MiB`";
    let (digits, unit) = split(text).ok_or_else(|| Wrong::new(format!("{} is not a size", shown(text)), instead))?;
    if unit.is_empty() {
        return Err(Wrong::new("a size needs its unit", format!("write `{digits}B`, `{digits}KiB` or `{digits}MiB`")));
    }
    let Some((_, factor)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        let meant = meant_size(unit);
        let instead = meant.map_or(instead.to_string(), |name| format!("write `{digits}{name}`"));
        return Err(Wrong::new(format!("{} is not a unit of size", shown(unit)), instead));
    };
    number(digits)?.checked_mul(*factor).ok_or_else(|| too_large(text))
}

/// The unit that `mb`, `Mi`, `M` or `k` was meant to be.
fn meant_size(unit: &str) -> Option<&'static str> {
    let names = || SIZES.iter().map(|(name, _)| *name);
    let first = |text: &str| text.chars().next().map(|c| c.to_ascii_uppercase());
    names().find(|name| name.eq_ignore_ascii_case(unit)).or_else(|| names().find(|name| first(name) == first(unit)))
}

/// `5s`, `100ms`, `24h`.
pub(crate) fn duration(text: &str) -> Result<Duration, Wrong> {
    let instead = "write a whole number and one of ms, s, m, h, d, such as `5s`";
    let (digits, unit) =
        split(text).ok_or_else(|| Wrong::new(format!("{} is not a duration", shown(text)), instead))?;
    if unit.is_empty() {
        return Err(Wrong::new("a duration needs its unit", format!("write `{digits}s`, or with ms, m, h, d")));
    }
    let Some((_, factor)) = TIMES.iter().find(|(name, _)| *name == unit) else {
        let meant = match unit.to_ascii_lowercase().as_str() {
            "sec" | "secs" | "second" | "seconds" => Some("s"),
            "min" | "mins" | "minute" | "minutes" => Some("m"),
            "hr" | "hrs" | "hour" | "hours" => Some("h"),
            "day" | "days" => Some("d"),
            "msec" | "millis" | "milliseconds" => Some("ms"),
            other => TIMES.iter().map(|(name, _)| *name).find(|name| *name == other),
        };
        let instead = meant.map_or(instead.to_string(), |name| format!("write `{digits}{name}`"));
        return Err(Wrong::new(format!("{} is not a unit of time", shown(unit)), instead));
    };
    let millis = number(digits)?.checked_mul(*factor).ok_or_else(|| too_large(text))?;
    Ok(Duration::from_millis(millis))
}

/// `50%`: a whole number of per cent, at most 100.
pub(crate) fn percent(text: &str) -> Result<u8, Wrong> {
    let instead = "write a whole number from 0 to 100 and a percent sign, such as `50%`";
    let (digits, unit) = split(text).ok_or_else(|| Wrong::new(format!("{} is not a share", shown(text)), instead))?;
    match (number(digits)?, unit) {
        (n @ 0..=100, "%") => Ok(n as u8),
        (0..=100, "") => Err(Wrong::new("a share needs its percent sign", format!("write `{digits}%`"))),
        (_, _) => Err(Wrong::new(format!("{} is not a share", shown(text)), instead)),
    }
}

/// A whole number without a unit.
pub(crate) fn count(text: &str) -> Result<u64, Wrong> {
    match split(text) {
        Some((digits, "")) => number(digits),
        Some(_) | None => Err(Wrong::new(format!("{} is not a whole number", shown(text)), "write digits alone")),
    }
}

/// `true` or `false`.
pub(crate) fn boolean(text: &str) -> Result<bool, Wrong> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Wrong::new(format!("must be true or false, not {}", shown(text)), "write `true` or `false`")),
    }
}

/// One of a fixed set of words.
pub(crate) fn choice<T: Copy>(text: &str, allowed: &[(&str, T)]) -> Result<T, Wrong> {
    if let Some((_, value)) = allowed.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names = allowed.iter().map(|(name, _)| *name);
    let instead = match nearest(text, names.clone()) {
        Some(name) => format!("write `{name}` (allowed: {})", names.collect::<Vec<_>>().join(", ")),
        None => format!("write one of {}", names.collect::<Vec<_>>().join(", ")),
    };
    Err(Wrong::new(format!("{} is not allowed here", shown(text)), instead))
}

/// Refuses what is outside `least..=most`, and says the range.
pub(crate) fn within<T: PartialOrd>(value: T, least: T, most: T, show: impl Fn(&T) -> String) -> Result<T, Wrong> {
    let instead = format!("write a value from {} to {}", show(&least), show(&most));
    if value < least {
        Err(Wrong::new(format!("{} is too small", show(&value)), instead))
    } else if value > most {
        Err(Wrong::new(format!("{} is too large", show(&value)), instead))
    } else {
        Ok(value)
    }
}

/// The shortest text that `size` reads back to `bytes`.
pub(crate) fn show_size(bytes: &u64) -> String {
    let unit = SIZES.iter().find(|(_, factor)| *bytes >= *factor && bytes.is_multiple_of(*factor));
    let (name, factor) = unit.copied().unwrap_or(("B", 1));
    format!("{}{name}", bytes / factor)
}

/// The shortest text that `duration` reads back; whole milliseconds.
pub(crate) fn show_duration(time: &Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let unit = TIMES.iter().find(|(_, factor)| millis >= *factor && millis.is_multiple_of(*factor));
    let (name, factor) = unit.copied().unwrap_or(("s", 1000));
    format!("{}{name}", millis / factor)
}

/// More than the largest number has, so that an overlong one is still said to be too large.
const MOST_DIGITS: usize = 24;

/// Digits, then the unit with spaces around it cut; `None` when it does not begin with a number.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    (1..=MOST_DIGITS).contains(&digits.len()).then_some((digits, unit.trim_start()))
}

fn number(digits: &str) -> Result<u64, Wrong> {
    digits.parse().map_err(|_| too_large(digits))
}

fn too_large(text: &str) -> Wrong {
    Wrong::new(format!("{} is too large a number", shown(text)), "write a smaller one")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_and_durations_carry_units() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("10 MB"), Ok(10_000_000));
        assert_eq!(size("0B"), Ok(0));
        assert_eq!(duration("100ms"), Ok(Duration::from_millis(100)));
        assert_eq!(duration("1d"), Ok(Duration::from_secs(86_400)));
        assert_eq!(percent("50%"), Ok(50));
        assert_eq!(percent("50 %"), Ok(50));
    }

    #[test]
    fn a_wrong_unit_is_answered_with_the_right_one() {
        for (wrong, want) in [
            (size("64").unwrap_err(), "write `64B`, `64KiB` or `64MiB`"),
            (size("64M").unwrap_err(), "write `64MiB`"),
            (size("64Mi").unwrap_err(), "write `64MiB`"),
            (size("64mb").unwrap_err(), "write `64MB`"),
            (size("64k").unwrap_err(), "write `64KiB`"),
            (size("5b").unwrap_err(), "write `5B`"),
            (duration("5").unwrap_err(), "write `5s`, or with ms, m, h, d"),
            (duration("5 min").unwrap_err(), "write `5m`"),
            (duration("5S").unwrap_err(), "write `5s`"),
            (duration("1.5s").unwrap_err(), "write a whole number and one of ms, s, m, h, d, such as `5s`"),
            (percent("50").unwrap_err(), "write `50%`"),
            (size("99999999999TiB").unwrap_err(), "write a smaller one"),
            (size("99999999999999999999999B").unwrap_err(), "write a smaller one"),
            (boolean("yes").unwrap_err(), "write `true` or `false`"),
            (choice("gz", &[("zstd", 1), ("gzip", 2)]).unwrap_err(), "write one of zstd, gzip"),
            (choice("gzp", &[("zstd", 1), ("gzip", 2)]).unwrap_err(), "write `gzip` (allowed: zstd, gzip)"),
        ] {
            assert_eq!(wrong.instead, want, "{wrong:?}");
        }
    }

    #[test]
    fn percent_stops_at_a_hundred() {
        assert!(percent("101%").is_err());
        assert!(percent("256%").is_err());
        assert!(percent("-1%").is_err());
    }

    proptest! {
        #[test]
        fn sizes_and_durations_read_back(n in 0u64..1 << 50) {
            prop_assert_eq!(size(&show_size(&n)), Ok(n));
            let time = Duration::from_millis(n);
            prop_assert_eq!(duration(&show_duration(&time)), Ok(time));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9]{0,25}.{0,4}") {
            if let Ok(bytes) = size(&text) {
                prop_assert!(percent(&text).is_err());
                prop_assert_eq!(size(&show_size(&bytes)), Ok(bytes));
            }
            if let Ok(time) = duration(&text) {
                prop_assert!(size(&text).is_err());
                prop_assert_eq!(duration(&show_duration(&time)), Ok(time));
            }
        }
    }
}
