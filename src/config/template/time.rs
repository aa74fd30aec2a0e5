//! Record time in a pattern: `%Y %m %d %H %M %S` in UTC and `%%`. Pure arithmetic, no calendar library:
//! called once per record (`bucket_of`) and once per batch (`render`).

/// A part of time, coarsest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// `%Y`
    Year,
    /// `%m`
    Month,
    /// `%d`
    Day,
    /// `%H`
    Hour,
    /// `%M`
    Minute,
    /// `%S`
    Second,
}

impl Unit {
    /// The unit of the letter after a percent sign.
    pub fn of(letter: char) -> Option<Unit> {
        match letter {
            'Y' => Some(Unit::Year),
            'm' => Some(Unit::Month),
            'd' => Some(Unit::Day),
            'H' => Some(Unit::Hour),
            'M' => Some(Unit::Minute),
            'S' => Some(Unit::Second),
            _ => None,
        }
    }
}

/// The number of the bucket that `unix_ns` falls into: how many of the pattern's finest units have begun since
/// 1970 (months since year 0 for `%m`, the year for `%Y`). Equal numbers render alike, and later time never has a
/// smaller number. 0 where the pattern has no time.
pub fn bucket_of(pattern: &str, unix_ns: i64) -> i64 {
    bucket_in(finest(pattern), unix_ns)
}

/// The same by the pattern's finest unit.
#[inline]
pub fn bucket_in(finest: Option<Unit>, unix_ns: i64) -> i64 {
    let Some(finest) = finest else { return 0 };
    let seconds = unix_ns.div_euclid(1_000_000_000);
    match finest {
        Unit::Second => seconds,
        Unit::Minute => seconds.div_euclid(60),
        Unit::Hour => seconds.div_euclid(3600),
        Unit::Day => seconds.div_euclid(86_400),
        Unit::Month => {
            let (year, month, _) = civil(seconds.div_euclid(86_400));
            year.saturating_mul(12).saturating_add(month)
        }
        Unit::Year => civil(seconds.div_euclid(86_400)).0,
    }
}

/// The pattern with `unix_ns` put in. A percent sign before any other letter stays as it is.
pub fn render(pattern: &str, unix_ns: i64) -> String {
    let seconds = unix_ns.div_euclid(1_000_000_000);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        let (before, special) = rest.split_at(at);
        out.push_str(before);
        let mut after = special.chars();
        after.next();
        match after.next() {
            Some('Y') => out.push_str(&format!("{year:04}")),
            Some('m') => two(&mut out, month),
            Some('d') => two(&mut out, day),
            Some('H') => two(&mut out, of_day / 3600),
            Some('M') => two(&mut out, of_day / 60 % 60),
            Some('S') => two(&mut out, of_day % 60),
            Some('%') => out.push('%'),
            Some(other) => {
                out.push('%');
                out.push(other);
            }
            None => out.push('%'),
        }
        rest = after.as_str();
    }
    out.push_str(rest);
    out
}

fn finest(pattern: &str) -> Option<Unit> {
    let bytes = pattern.as_bytes();
    let mut found = None;
    let mut at = 0;
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr(b'%', rest)) {
        at += next + 2;
        if let Some(letter) = bytes.get(at - 1) {
            found = found.max(Unit::of(char::from(*letter)));
        }
    }
    found
}

fn two(out: &mut String, number: i64) {
    let digit = |n: i64| char::from(b'0' + (n % 10) as u8);
    out.push(digit(number / 10));
    out.push(digit(number));
}

/// Year, month (1..=12) and day (1..=31) of a number of days since 1970-01-01, in the Gregorian calendar.
/// The year begins in March here, so that the leap day is its last one; an era is 400 years of 146,097 days.
/// Days come from nanoseconds in an i64, so nothing can overflow.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 0000-03-01
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}
