use super::*;
use proptest::prelude::*;

fn pairs(pairs: &[(&str, &str)]) -> Box<[(Box<str>, Box<str>)]> {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}
fn pod(annotations: &[(&str, &str)], labels: &[(&str, &str)]) -> Pod {
    Pod { annotations: pairs(annotations), labels: pairs(labels), ..Pod::default() }
}
fn allowed() -> Rules {
    Rules { may_exclude: true, may_parse: true, ..Rules::default() }
}
const NEITHER: &str = "";

/// Which streams of the container are left out.
fn left_out(annotations: &[(&str, &str)], container: &str) -> &'static str {
    let out = allowed().rule("ns", container, Some(&pod(annotations, &[]))).out;
    match (out.has(Some(Channel::Stdout)), out.has(Some(Channel::Stderr))) {
        (true, true) => "both",
        (true, false) => "stdout",
        (false, true) => "stderr",
        (false, false) => NEITHER,
    }
}

#[test]
fn a_pod_leaves_out_a_container_or_a_stream_of_it_in_fluent_bits_words() {
    for (name, app, proxy) in [
        ("fluentbit.io/exclude", "both", "both"),
        ("tailrace.io/exclude", "both", "both"),
        ("fluentbit.io/exclude_stderr", "stderr", "stderr"),
        ("fluentbit.io/exclude_stdout", "stdout", "stdout"),
        ("fluentbit.io/exclude-proxy", NEITHER, "both"),
        ("fluentbit.io/exclude_stderr-proxy", NEITHER, "stderr"),
        ("tailrace.io/exclude_stdout-app", "stdout", NEITHER),
        ("fluentbit.io/exclude_other", NEITHER, NEITHER),
        ("fluentbit.io/excluded", NEITHER, NEITHER),
        ("fluentbit.io/exclude_", NEITHER, NEITHER),
        ("fluentbit.io/exclude-", NEITHER, NEITHER),
        ("other.io/exclude", NEITHER, NEITHER),
        ("exclude", NEITHER, NEITHER),
    ] {
        assert_eq!(left_out(&[(name, "true")], "app"), app, "{name}");
        assert_eq!(left_out(&[(name, "true")], "proxy"), proxy, "{name}");
        assert_eq!(left_out(&[(name, "false")], "proxy"), NEITHER, "{name}");
    }
    for (value, wanted) in
        [("true", "both"), ("True", "both"), ("on", "both"), ("yes", "both"), ("1", NEITHER), ("", NEITHER)]
    {
        assert_eq!(left_out(&[("fluentbit.io/exclude", value)], "app"), wanted, "{value}");
    }
    // A container's name may have dashes and begin like a stream.
    assert_eq!(left_out(&[("fluentbit.io/exclude_stderr-a-b", "true")], "a-b"), "stderr");
    assert_eq!(left_out(&[("fluentbit.io/exclude-stdout", "true")], "stdout"), "both");
}

#[test]
fn the_most_specific_word_counts() {
    let all_but_proxy = [("fluentbit.io/exclude", "true"), ("fluentbit.io/exclude-proxy", "false")];
    assert_eq!((left_out(&all_but_proxy, "app"), left_out(&all_but_proxy, "proxy")), ("both", NEITHER));
    let all_but_errors = [("fluentbit.io/exclude", "true"), ("fluentbit.io/exclude_stderr", "false")];
    assert_eq!(left_out(&all_but_errors, "app"), "stdout");
    let errors_of_proxy = [("fluentbit.io/exclude-proxy", "true"), ("fluentbit.io/exclude_stderr-proxy", "false")];
    assert_eq!(left_out(&errors_of_proxy, "proxy"), "stdout");
}

#[test]
fn labels_say_the_same_and_what_is_not_allowed_changes_nothing() {
    let labelled = pod(&[], &[("tailrace.io/exclude", "true")]);
    assert!(allowed().rule("ns", "app", Some(&labelled)).all_out());
    let asking =
        pod(&[("fluentbit.io/exclude", "true"), ("fluentbit.io/parser", "json")], &[("tailrace.io/exclude", "true")]);
    assert_eq!(Rules::default().rule("ns", "app", Some(&asking)), Ruling::default());
    let may_parse = Rules { may_parse: true, ..Rules::default() };
    assert_eq!(may_parse.rule("ns", "app", Some(&asking)), Ruling { json: Streams::BOTH, ..Ruling::default() });
    let may_exclude = Rules { may_exclude: true, ..Rules::default() };
    assert_eq!(may_exclude.rule("ns", "app", Some(&asking)).json, Streams::NONE);
}

#[test]
fn json_is_honoured_by_stream_and_container_and_other_parsers_are_named() {
    let json =
        |annotations: &[(&str, &str)], container| allowed().rule("ns", container, Some(&pod(annotations, &[]))).json;
    assert_eq!(json(&[("fluentbit.io/parser", "json")], "app"), Streams::BOTH);
    assert_eq!(json(&[("fluentbit.io/parser_stdout-app", "json")], "app"), Streams::only(Channel::Stdout));
    assert_eq!(json(&[("fluentbit.io/parser_stdout-app", "json")], "proxy"), Streams::NONE);
    assert_eq!(
        json(&[("fluentbit.io/parser", "json"), ("fluentbit.io/parser-proxy", "nginx")], "proxy"),
        Streams::NONE
    );
    // Of two that say as much, ours.
    assert_eq!(json(&[("fluentbit.io/parser", "nginx"), ("tailrace.io/parser", "json")], "app"), Streams::BOTH);

    let strange = pod(&[("fluentbit.io/parser", "json"), ("fluentbit.io/parser_stderr-proxy", "nginx")], &[]);
    assert_eq!(allowed().unheard("app", &strange), None);
    let heard = allowed().unheard("proxy", &strange).unwrap();
    assert_eq!((&*heard.name, &*heard.parser), ("fluentbit.io/parser_stderr-proxy", "nginx"));
    assert_eq!(Rules::default().unheard("proxy", &strange), None);
}

#[test]
fn the_operators_selectors_come_first_and_an_unknown_pod_is_not_held_to_labels() {
    let glob = |text| Glob::parse(text).unwrap();
    let rules = Rules {
        include: vec![glob("shop"), glob("team-*")],
        exclude: vec![glob("team-x")],
        labels: Some(Labels::parse("tier!=cache").unwrap()),
        ..allowed()
    };
    let (cache, plain) = (pod(&[], &[("tier", "cache")]), Pod::default());
    let why = |namespace, pod| {
        let ruling = rules.rule(namespace, "app", pod);
        (ruling.all_out().then_some(ruling.why), ruling.unsure)
    };
    assert_eq!(why("kube-system", None), (Some(Why::Namespace), false));
    assert_eq!(why("team-x", Some(&cache)), (Some(Why::Namespace), false));
    assert_eq!(why("team-1", Some(&cache)), (Some(Why::Labels), false));
    assert_eq!(why("shop", Some(&plain)), (None, false));
    assert_eq!(why("shop", None), (None, true));
    let by_name = Rules { include: vec![glob("shop")], ..Rules::default() };
    assert_eq!(by_name.rule("shop", "app", None), Ruling::default());
    assert!(!by_name.need_pod() && rules.need_pod() && !by_name.is_empty() && Rules::default().is_empty());
}

proptest! {
    #[test]
    fn any_names_and_values_are_read_and_only_ours_count(
        annotations in proptest::collection::vec(("(fluentbit.io/|tailrace.io/|)(exclude|parser|)[-_]?.{0,12}", ".{0,8}"), 0..6),
        container in ".{0,8}",
    ) {
        let borrowed: Vec<(&str, &str)> = annotations.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let pod = pod(&borrowed, &borrowed);
        let ruling = allowed().rule("ns", &container, Some(&pod));
        allowed().unheard(&container, &pod);
        if !annotations.iter().any(|(name, _)| is_word(name)) {
            prop_assert_eq!(ruling, Ruling::default());
        }
    }
}
