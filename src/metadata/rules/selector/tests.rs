use super::*;
use proptest::prelude::*;

fn labels(pairs: &[(&str, &str)]) -> Vec<(Box<str>, Box<str>)> {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

#[test]
fn selectors_mean_what_they_mean_to_kubectl() {
    let pod = labels(&[("app", "web"), ("app.kubernetes.io/name", "shop"), ("empty", ""), ("tier", "front")]);
    for (text, wanted) in [
        ("app=web", true),
        ("app==web", true),
        (" app = web ", true),
        ("app=api", false),
        ("app!=api", true),
        ("app!=web", false),
        ("missing!=web", true),
        ("missing=web", false),
        ("app", true),
        ("missing", false),
        ("!app", false),
        ("! missing", true),
        ("app in (web, api)", true),
        ("app in(api)", false),
        ("app notin (api,cache)", true),
        ("app notin (web)", false),
        ("missing notin (web)", true),
        ("missing in (web)", false),
        ("app=web,tier!=cache,!debug", true),
        ("app=web,tier=cache", false),
        ("app.kubernetes.io/name=shop", true),
        ("empty=", true),
        ("empty in (,x)", true),
        ("app=,tier", false),
        ("app in (web),tier in (front)", true),
        ("in=web", false),
        ("notin notin (x)", true),
    ] {
        let labels = Labels::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        assert_eq!(labels.match_pod(&pod), wanted, "{text}");
        assert_eq!(labels.text(), text);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_to_write() {
    for (text, at, what) in [
        ("", 1, "a label's name is missing"),
        ("app=web,", 9, "a label's name is missing"),
        ("app=web tier=x", 9, "`tier=x` is not understood here"),
        ("app ~ web", 5, "`~` is no operator"),
        ("app > 3", 5, "`>` is no operator"),
        ("app in web", 5, "`in` is no operator"),
        ("app in", 7, "a list is missing"),
        ("app in (web", 12, "the list is not closed"),
        ("-app=web", 1, "`-app` is not the name of a label"),
        ("a/b/c", 1, "`a/b/c` is not the name of a label"),
        ("/b", 1, "`/b` is not the name of a label"),
        ("app='web'", 5, "`'web'` is not the value of a label"),
        ("app=we*", 5, "`we*` is not the value of a label"),
        ("größe=1", 3, "`öße=1` is no operator"),
        ("app=größe", 5, "`größe` is not the value"),
        ("app in (web, -)", 14, "`-)` is not the value"),
    ] {
        let problem = Labels::parse(text).unwrap_err();
        assert!(problem.at == at && problem.what.contains(what), "{text}: {problem:?}");
        assert!(!problem.instead.is_empty(), "{text}");
    }
}

#[test]
fn namespaces_are_matched_whole() {
    for (pattern, name, wanted) in [
        ("kube-system", "kube-system", true),
        ("kube-system", "kube-systems", false),
        ("kube-*", "kube-system", true),
        ("kube-*", "kube-", true),
        ("*", "", true),
        ("*-prod", "shop-prod", true),
        ("*-prod", "shop-prod-2", false),
        ("a*b*c", "axxbyybzc", true),
        ("a*b*c", "axxbyybz", false),
        ("team-?", "team-1", true),
        ("team-?", "team-12", false),
        ("?", "", false),
    ] {
        assert_eq!(Glob::parse(pattern).unwrap().matches(name), wanted, "{pattern} {name}");
    }
    for bad in ["", "Shop", "a b", "a/b", "ä"] {
        assert!(Glob::parse(bad).is_none(), "{bad}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_place_inside_it(text in ".{0,40}|[a-c!=, ()in]{0,30}") {
        match Labels::parse(&text) {
            Ok(labels) => { labels.match_pod(&[]); }
            Err(problem) => prop_assert!(problem.at >= 1 && problem.at <= text.chars().count() + 1, "{problem:?}"),
        }
    }

    #[test]
    fn requirements_are_joined_by_and(
        all in proptest::collection::vec(("[a-c]", 0u8..6, "[x-z]"), 1..5),
        pod in proptest::collection::btree_map("[a-c]", "[x-z]", 0..3),
    ) {
        let written = |(key, test, value): &(String, u8, String)| match test {
            0 => format!("{key}={value}"),
            1 => format!("{key}!={value}"),
            2 => key.clone(),
            3 => format!("!{key}"),
            4 => format!("{key} in ({value},w)"),
            _ => format!("{key} notin ({value},w)"),
        };
        let holds = |(key, test, value): &(String, u8, String)| match test {
            0 | 4 => pod.get(key) == Some(value),
            1 | 5 => pod.get(key) != Some(value),
            2 => pod.contains_key(key),
            _ => !pod.contains_key(key),
        };
        let text = all.iter().map(written).collect::<Vec<_>>().join(", ");
        let labels: Vec<(Box<str>, Box<str>)> =
            pod.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())).collect();
        prop_assert_eq!(Labels::parse(&text).unwrap().match_pod(&labels), all.iter().all(holds), "{}", text);
    }

    #[test]
    fn a_pattern_matches_as_the_regex_it_stands_for(pattern in "[ab*?]{1,8}", name in "[ab]{0,10}") {
        let regex = format!("^{}$", pattern.replace('*', ".*").replace('?', "."));
        let wanted = regex::Regex::new(&regex).unwrap().is_match(&name);
        prop_assert_eq!(Glob::parse(&pattern).unwrap().matches(&name), wanted);
    }
}
