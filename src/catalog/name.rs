//! What names say: pod directories, kubelet's log names, and the rotation suffixes of plain files. Pure.
//!
//! A name is evidence of order among siblings, and of which path is the live one; it is never identity.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// `namespace_pod_uid`, the name of a directory below /var/log/pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodDir<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Pod name.
    pub pod: &'a str,
    /// Pod UID; for static pods the hash of their configuration.
    pub uid: &'a str,
}

/// Reads a pod directory's name; `None` for anything else (no part of it may contain `_`).
pub fn pod_dir(name: &str) -> Option<PodDir<'_>> {
    let mut parts = name.split('_');
    let (namespace, pod, uid) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && ![namespace, pod, uid].contains(&"");
    whole.then_some(PodDir { namespace, pod, uid })
}

/// The suffix that rotation gives; orders the siblings of one live path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// Rotated at a time: greater is later.
    Stamp(Box<[u8]>),
    /// logrotate's count: greater is older.
    Count(u64),
    /// The live name.
    Live,
}

impl Suffix {
    /// Oldest first.
    pub fn age_order(&self, other: &Suffix) -> Ordering {
        let class = |s: &Suffix| match s {
            Suffix::Stamp(_) => 0,
            Suffix::Count(_) => 1,
            Suffix::Live => 2,
        };
        match (self, other) {
            (Suffix::Stamp(a), Suffix::Stamp(b)) => a.cmp(b),
            (Suffix::Count(a), Suffix::Count(b)) => b.cmp(a),
            (a, b) => class(a).cmp(&class(b)),
        }
    }
}

/// A file name taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogName<'a> {
    /// The live name: all siblings that rotation makes of one path share it.
    pub stem: &'a [u8],
    /// Kubernetes restart number; 0 for others.
    pub restart: u32,
    /// Place among the siblings.
    pub suffix: Suffix,
    /// Ends in `.gz`.
    pub gz: bool,
}

/// `N.log`, `N.log.STAMP`, `N.log.STAMP.gz`, and in Docker mode `N.log.1`, `N.log.2.gz`. `None` for anything else: kubelet's `.tmp` is never opened.
pub fn kubelet(name: &OsStr) -> Option<LogName<'_>> {
    let bytes = name.as_bytes();
    let dot = bytes.iter().position(|b| *b == b'.')?;
    let number = std::str::from_utf8(bytes.get(..dot)?).ok()?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let restart = number.parse().ok()?;
    let rest = bytes.get(dot..)?.strip_prefix(b".log")?;
    let stem = bytes.get(..dot + 4)?;
    let (rest, gz) = rest.strip_suffix(b".gz").map_or((rest, false), |rest| (rest, true));
    let suffix = match rest.strip_prefix(b".") {
        None if rest.is_empty() => Suffix::Live,
        // Docker's, behind a link.
        Some(count) if count.len() <= 5 && count.iter().all(u8::is_ascii_digit) && !count.is_empty() => {
            Suffix::Count(std::str::from_utf8(count).ok()?.parse().ok()?)
        }
        Some(stamp) if is_stamp(stamp) => Suffix::Stamp(stamp.into()),
        None | Some(_) => return None,
    };
    Some(LogName { stem, restart, suffix, gz })
}

/// `app.log`, `app.log.3`, `app.log.3.gz`, `app.log-20261122`, `messages.1`, ... Every name has a stem.
pub fn plain(name: &OsStr) -> LogName<'_> {
    let whole = name.as_bytes();
    let (bare, gz) = whole.strip_suffix(b".gz").map_or((whole, false), |bare| (bare, true));
    let cut = bare.iter().rposition(|b| !(b.is_ascii_digit() || b"-.:TZ+_".contains(b))).map_or(0, |p| p + 1);
    let tail = bare.get(cut..).unwrap_or_default();
    let at = tail.iter().position(|b| matches!(b, b'.' | b'-' | b'_')).filter(|_| cut > 0);
    let found = at.and_then(|at| {
        let number = tail.get(at + 1..)?;
        let stem = bare.get(..cut + at)?;
        let digits = number.iter().filter(|b| b.is_ascii_digit()).count();
        let suffix = if digits == number.len() && (1..=5).contains(&digits) {
            Suffix::Count(std::str::from_utf8(number).ok()?.parse().ok()?)
        } else if digits >= 6 {
            Suffix::Stamp(number.into())
        } else {
            return None;
        };
        Some(LogName { stem, restart: 0, suffix, gz })
    });
    found.unwrap_or(LogName { stem: bare, restart: 0, suffix: Suffix::Live, gz })
}

fn is_stamp(text: &[u8]) -> bool {
    !text.is_empty() && text.len() <= 64 && text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'T' | b'Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_directory_has_exactly_three_parts() {
        let parsed = pod_dir("kube-system_coredns-5d78c_0f1e2d3c").unwrap();
        assert_eq!((parsed.namespace, parsed.pod, parsed.uid), ("kube-system", "coredns-5d78c", "0f1e2d3c"));
        for wrong in ["", "a_b", "a_b_c_d", "_b_c", "a__c", "a_b_", "lost+found"] {
            assert_eq!(pod_dir(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn kubelets_names_are_told_from_all_others() {
        let of = |name: &'static str| kubelet(OsStr::new(name));
        assert_eq!(of("0.log").unwrap().suffix, Suffix::Live);
        let rotated = of("12.log.20261122-101500").unwrap();
        assert_eq!((rotated.restart, rotated.stem, rotated.gz), (12, b"12.log".as_slice(), false));
        assert_eq!(rotated.suffix, Suffix::Stamp(b"20261122-101500".as_slice().into()));
        assert!(of("12.log.20261122-101500.gz").unwrap().gz);
        let dockers = of("3.log.2.gz").unwrap();
        assert_eq!((dockers.restart, dockers.suffix, dockers.gz), (3, Suffix::Count(2), true));
        let wrong = [
            "0.log.20261122-101500.tmp",
            "0.log.tmp",
            "0.log.",
            "0.log.gz.gz",
            "x.log",
            ".log",
            "0.logs",
            "-1.log",
            "99999999999.log",
            "0.log.20261122-101500.gz.tmp",
            "",
        ];
        for name in wrong {
            assert_eq!(of(name), None, "{name}");
        }
        assert!(of("0.log.gz").is_some_and(|n| n.gz && n.suffix == Suffix::Live));
    }

    #[test]
    fn rotation_suffixes_of_plain_files_are_taken_off() {
        let cases: [(&str, &str, Suffix, bool); 11] = [
            ("app.log", "app.log", Suffix::Live, false),
            ("messages", "messages", Suffix::Live, false),
            ("messages.1", "messages", Suffix::Count(1), false),
            ("app.log.12.gz", "app.log", Suffix::Count(12), true),
            ("messages-20261122", "messages", Suffix::Stamp(b"20261122".as_slice().into()), false),
            (
                "app.log-20261122-1763800000.gz",
                "app.log",
                Suffix::Stamp(b"20261122-1763800000".as_slice().into()),
                true,
            ),
            (
                "app.log.2026-11-22T10:15:00Z",
                "app.log",
                Suffix::Stamp(b"2026-11-22T10:15:00Z".as_slice().into()),
                false,
            ),
            ("app-1.log", "app-1.log", Suffix::Live, false),
            ("20261122", "20261122", Suffix::Live, false),
            ("app.", "app.", Suffix::Live, false),
            (
                "app.log.99999999999999999999999",
                "app.log",
                Suffix::Stamp(b"99999999999999999999999".as_slice().into()),
                false,
            ),
        ];
        for (name, stem, suffix, gz) in cases {
            let want = LogName { stem: stem.as_bytes(), restart: 0, suffix, gz };
            assert_eq!(plain(OsStr::new(name)), want, "{name}");
        }
    }

    #[test]
    fn siblings_sort_oldest_first() {
        let mut names = ["a.log", "a.log.1", "a.log.10.gz", "a.log.2"];
        names.sort_by(|a, b| plain(OsStr::new(a)).suffix.age_order(&plain(OsStr::new(b)).suffix));
        assert_eq!(names, ["a.log.10.gz", "a.log.2", "a.log.1", "a.log"]);
        let mut names = ["0.log", "0.log.20261122-101501", "0.log.20261122-101500.gz"];
        names.sort_by(|a, b| kubelet(OsStr::new(a)).unwrap().suffix.age_order(&kubelet(OsStr::new(b)).unwrap().suffix));
        assert_eq!(names, ["0.log.20261122-101500.gz", "0.log.20261122-101501", "0.log"]);
    }

    proptest::proptest! {
        #[test]
        fn any_name_has_a_stem_that_begins_it(name in proptest::collection::vec(1u8..=255, 0..40)) {
            let name = OsStr::from_bytes(&name);
            proptest::prop_assert!(name.as_bytes().starts_with(plain(name).stem));
            if let Some(parsed) = kubelet(name) {
                proptest::prop_assert!(name.as_bytes().starts_with(parsed.stem));
            }
        }
    }
}
