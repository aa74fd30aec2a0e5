//! Stamps as Go's RFC3339Nano writes them: `2006-01-02T15:04:05[.1 to 9 digits](Z|±hh:mm)`, and nothing else.
//!
//! The text is passed through elsewhere; here it becomes nanoseconds. A date costs a calendar once per day and file:
//! [`DateCache`] keeps the last one. What is not a date, a time or an offset, or lies outside what 64 bits of
//! nanoseconds hold (1677 to 2262), is no stamp.

/// The last date seen and its midnight in UTC.
#[derive(Clone, Copy, Debug)]
pub struct DateCache {
    date: [u8; 10],
    /// Seconds since 1970-01-01T00:00:00Z.
    midnight: i64,
}

impl Default for DateCache {
    fn default() -> Self {
        DateCache { date: *b"1970-01-01", midnight: 0 }
    }
}

/// The longest text that can be a stamp: 9 fraction digits and an offset.
pub const LONGEST: usize = 35;

/// Nanoseconds since 1970-01-01T00:00:00Z of a whole text, or `None` when it is no stamp.
pub fn parse(text: &[u8], dates: &mut DateCache) -> Option<i64> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let (time, rest) = rest.split_first_chunk::<9>()?;
    let [b'T', h1, h0, b':', m1, m0, b':', s1, s0] = time else { return None };
    let (hour, minute, second) = (two(*h1, *h0, 23)?, two(*m1, *m0, 59)?, two(*s1, *s0, 59)?);
    let (nanos, rest) = fraction(rest)?;
    let offset = offset(rest)?;
    if dates.date != *date {
        *dates = DateCache { date: *date, midnight: midnight(date)? };
    }
    let seconds = dates.midnight + hour * 3600 + minute * 60 + second - offset;
    // By i128 because seconds * 10^9 may pass i64 where the sum with `nanos` does not.
    i64::try_from(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)).ok()
}

/// Two digits, at most `max`.
fn two(tens: u8, ones: u8, max: i64) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    let value = i64::from(tens) * 10 + i64::from(ones);
    (tens <= 9 && ones <= 9 && value <= max).then_some(value)
}

/// Nanoseconds of `.digits` (1 to 9 of them) or of nothing, and what follows.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else { return Some((0, text)) };
    let mut nanos: i64 = 0;
    let mut n = 0;
    while let Some(d) = digits.get(n).map(|b| b.wrapping_sub(b'0')).filter(|d| *d <= 9) {
        if n == 9 {
            return None;
        }
        nanos = nanos * 10 + i64::from(d);
        n += 1;
    }
    const SCALE: [i64; 10] = [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    if n == 0 {
        return None;
    }
    Some((nanos * SCALE.get(n)?, digits.get(n..)?))
}

/// Seconds east of UTC: `Z` or `±hh:mm`, and nothing after it.
fn offset(text: &[u8]) -> Option<i64> {
    match text {
        [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h0, b':', m1, m0] => {
            let seconds = two(*h1, *h0, 23)? * 3600 + two(*m1, *m0, 59)? * 60;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// Seconds of a date's midnight, by Howard Hinnant's `days_from_civil` (proleptic Gregorian, as Go's).
fn midnight(date: &[u8; 10]) -> Option<i64> {
    let [y3, y2, y1, y0, b'-', m1, m0, b'-', d1, d0] = date else { return None };
    let year = two(*y3, *y2, 99)? * 100 + two(*y1, *y0, 99)?;
    let (month, day) = (two(*m1, *m0, 12)?, two(*d1, *d0, 31)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if month == 0 || day == 0 || day > last {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ns(text: &str) -> Option<i64> {
        parse(text.as_bytes(), &mut DateCache::default())
    }

    #[test]
    fn stamps_of_every_length_and_offset_are_read() {
        for (text, want) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:00.000000001Z", 1),
            ("1969-12-31T23:59:59.9Z", -100_000_000),
            ("2026-11-22T10:15:00.123456789Z", 1_795_342_500_123_456_789),
            ("2026-11-22T10:15:00.12Z", 1_795_342_500_120_000_000),
            ("2026-11-22T12:15:00.12+02:00", 1_795_342_500_120_000_000),
            ("2026-11-21T22:45:00-11:30", 1_795_342_500_000_000_000),
            ("2024-02-29T00:00:00+00:00", 1_709_164_800_000_000_000),
            ("2262-04-11T23:47:16.854775807Z", i64::MAX),
            ("1677-09-21T00:12:43.145224192Z", i64::MIN),
        ] {
            assert_eq!(ns(text), Some(want), "{text}");
        }
    }

    #[test]
    fn what_is_out_of_range_or_out_of_form_is_no_stamp() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T10:15:00",
            "2026-11-22T10:15:00.Z",
            "2026-11-22T10:15:00.1234567890Z",
            "2026-11-22T10:15:00,1Z",
            "2026-11-22t10:15:00Z",
            "2026-11-22T10:15:00z",
            "2026-11-22 10:15:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T10:60:00Z",
            "2026-11-22T10:15:60Z",
            "2026-11-22T10:15:00ZZ",
            "2026-11-22T10:15:00+0200",
            "2026-11-22T10:15:00+24:00",
            "2026-11-22T10:15:00+02:60",
            "2026-11-22T10:15:00+02:00 ",
            "2026-00-22T10:15:00Z",
            "2026-13-22T10:15:00Z",
            "2026-11-00T10:15:00Z",
            "2026-11-31T10:15:00Z",
            "2026-02-29T10:15:00Z",
            "1900-02-29T10:15:00Z",
            "20a6-11-22T10:15:00Z",
            "2026-11-22T1:015:00Z",
            "0000-01-01T00:00:00Z",
            "2262-04-11T23:47:16.854775808Z",
            "9999-12-31T23:59:59Z",
        ] {
            assert_eq!(ns(text), None, "{text}");
        }
    }

    #[test]
    fn a_cached_date_does_not_outlive_its_day() {
        let mut dates = DateCache::default();
        let mut day = |d: u8| parse(format!("2026-11-{d:02}T00:00:00Z").as_bytes(), &mut dates);
        let (a, b, again) = (day(1).unwrap(), day(2).unwrap(), day(1).unwrap());
        assert_eq!((b - a, again), (86_400_000_000_000, a));
        assert_eq!(day(31), None);
        assert_eq!(day(2), Some(b));
    }

    proptest! {
        #[test]
        fn any_time_of_64_bits_is_read_as_jiff_writes_it(ns: i64, offset in -1439i32..1440) {
            let at = jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap();
            prop_assert_eq!(parse(at.to_string().as_bytes(), &mut DateCache::default()), Some(ns));
            let zone = jiff::tz::Offset::from_seconds(offset * 60).unwrap();
            let text = at.display_with_offset(zone).to_string();
            prop_assert!(text.len() <= LONGEST);
            prop_assert_eq!(parse(text.as_bytes(), &mut DateCache::default()), Some(ns));
        }

        #[test]
        fn any_bytes_are_a_stamp_or_not(text in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"0123456789-:.+TZ"[..])], 0..40)) {
            parse(&text, &mut DateCache::default());
        }
    }
}
