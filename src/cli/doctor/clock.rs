//! Whether a server's clock agrees with ours: by the `Date` of its answers. Pure.

use super::line::Line;
use jiff::Timestamp;

/// `Date` has whole seconds, and an answer takes its time.
const AGREES: i64 = 5;
/// AWS refuses signatures that are 5 minutes off (S3: 15).
const REFUSED: i64 = 300;

/// `ours`: seconds since 1970, when the answer came. `signed`: its requests carry our time.
pub fn line(of: &str, date: Option<&str>, ours: i64, signed: bool) -> Option<Line> {
    let theirs = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date?).ok().map(Timestamp::as_second)?;
    let off = ours.saturating_sub(theirs);
    let way = if off > 0 { "ahead of" } else { "behind" };
    let say = || format!("this machine's clock is {} s {way} the server's", off.unsigned_abs());
    Some(match off.unsigned_abs() {
        0..=5 => Line::ok(of, format!("clocks agree (within {AGREES} s)")),
        6..300 => Line::warn(of, format!("{}: set it (chrony, ntp); records carry it", say())),
        _ if signed => Line::fail(of, format!("{}: set it (chrony, ntp); AWS refuses signatures {REFUSED} s off", say())),
        _ => Line::warn(of, format!("{}: set it (chrony, ntp), unless it is the server's that is wrong", say())),
    })
}

#[cfg(test)]
mod tests {
    use super::super::line::Grade;
    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off_and_what_depends_on_it() {
        let date = Some("Sun, 22 Nov 2026 10:15:00 GMT");
        let at = 1_795_342_500;
        let judged = |off: i64, signed| line("o", date, at + off, signed).unwrap();
        for (off, signed, grade, part) in [
            (0, true, Grade::Ok, "agree"),
            (5, true, Grade::Ok, "agree"),
            (-5, false, Grade::Ok, "agree"),
            (6, true, Grade::Warn, "6 s ahead of"),
            (-299, true, Grade::Warn, "299 s behind"),
            (-300, true, Grade::Fail, "300 s behind"),
            (600, true, Grade::Fail, "600 s ahead of"),
            (600, false, Grade::Warn, "600 s ahead of"),
        ] {
            let line = judged(off, signed);
            assert_eq!(line.grade, grade, "{off} {signed}: {}", line.say);
            assert!(line.say.contains(part), "{}", line.say);
        }
        assert_eq!(line("o", None, at, true), None);
        assert_eq!(line("o", Some("yesterday"), at, true), None);
    }
}
