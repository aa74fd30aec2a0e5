//! Names for stores that could not be read: each is kept under a name of its own, and only the newest few. Pure.

/// So many are kept.
const KEPT: usize = 5;

/// `NAME.bad-SECONDS`, or when that second had one already `NAME.bad-SECONDS-2` and so on: always the newest of all.
pub(super) fn free_name(store: &str, seconds: i64, names: &[String]) -> String {
    let newest = names.iter().filter_map(|name| age(store, name)).filter(|(at, _)| *at == seconds).map(|(_, nth)| nth);
    match newest.max() {
        None => format!("{store}.bad-{seconds}"),
        Some(nth) => format!("{store}.bad-{seconds}-{}", nth.saturating_add(1)),
    }
}

/// The oldest of those that were moved aside, past what is kept.
pub(super) fn too_many<'n>(store: &str, names: &'n [String]) -> Vec<&'n str> {
    let mut ours: Vec<_> = names.iter().filter_map(|name| Some((age(store, name)?, name.as_str()))).collect();
    ours.sort_unstable();
    let excess = ours.len().saturating_sub(KEPT);
    ours.into_iter().take(excess).map(|(_, name)| name).collect()
}

/// The second, and which within it.
fn age(store: &str, name: &str) -> Option<(i64, u64)> {
    let age = name.strip_prefix(store)?.strip_prefix(".bad-")?;
    let (seconds, nth) = age.split_once('-').unwrap_or((age, "1"));
    Some((seconds.parse().ok()?, nth.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn two_within_a_second_get_names_of_their_own() {
        let mut there = names(&["lock", "s"]);
        for want in ["s.bad-7", "s.bad-7-2", "s.bad-7-3"] {
            let name = free_name("s", 7, &there);
            assert_eq!(name, want);
            there.push(name);
        }
        assert_eq!(free_name("s", 8, &there), "s.bad-8");
        assert_eq!(free_name("s", 7, &names(&["s.bad-7-3"])), "s.bad-7-4", "an older one was removed");
    }

    #[test]
    fn only_the_newest_are_kept_and_what_is_not_ours_is_left_alone() {
        let there = names(&[
            "s.bad-10",
            "s.bad-9-2",
            "s.bad-9",
            "s.bad-9-10",
            "s.bad-11",
            "s.bad-12",
            "s.bad-13",
            "s.bad-",
            "s.bad-x",
            "s.bad-1-x",
            "t.bad-1",
            "s",
            "s.bad-1.gz",
        ]);
        assert_eq!(too_many("s", &there), ["s.bad-9", "s.bad-9-2"]);
        assert!(too_many("s", &there[3..7]).is_empty());
    }
}
