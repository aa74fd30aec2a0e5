//! Whether a server's clock agrees with ours: by the `Date` of its answers. Pure.

use super::line::Line;

/// `Date` has whole seconds, and an answer takes its time.
const AGREES: u64 = 5;
/// AWS refuses signatures that are 5 minutes off (S3: 15), and certificates and tokens run out too soon or too late.
const TOO_FAR: u64 = 300;

/// Both in seconds since 1970; ours when the answer came. No line where the server does not tell.
pub fn line(of: &str, theirs: Option<i64>, ours: i64) -> Option<Line> {
    let off = ours.saturating_sub(theirs?);
    if off.unsigned_abs() <= AGREES {
        return Some(Line::ok(of, format!("clocks agree within {AGREES} s")));
    }
    let way = if off > 0 { "ahead of" } else { "behind" };
    let say = format!("this machine's clock is {} s {way} the server's: set it (chrony, ntp)", off.unsigned_abs());
    Some(if off.unsigned_abs() < TOO_FAR {
        Line::warn(of, format!("{say}; times of plain lines are its times"))
    } else {
        Line::fail(of, format!("{say}; AWS refuses signatures that are {TOO_FAR} s off"))
    })
}

#[cfg(test)]
mod tests {
    use super::super::line::Grade;
    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let at = 1_795_342_500;
        let judged = |off: i64| line("o", Some(at), at + off).unwrap();
        for (off, grade, part) in [
            (0, Grade::Ok, "agree"),
            (5, Grade::Ok, "agree"),
            (-5, Grade::Ok, "agree"),
            (6, Grade::Warn, "6 s ahead of"),
            (-299, Grade::Warn, "299 s behind"),
            (-300, Grade::Fail, "300 s behind"),
            (600, Grade::Fail, "600 s ahead of"),
        ] {
            let line = judged(off);
            assert_eq!(line.grade, grade, "{off}: {}", line.say);
            assert!(line.say.contains(part), "{}", line.say);
        }
        assert_eq!(line("o", None, at), None);
    }
}
