use super::*;
use crate::record::{Channel, FileId, RecordId, Stamp};
use proptest::prelude::*;
use std::borrow::Cow;

fn predicate(text: &str) -> Predicate {
    Predicate::parse(text).unwrap_or_else(|p| panic!("{text}: {p}"))
}

fn fields(pairs: &[(&'static str, &str)]) -> Fields {
    Fields::new(pairs.iter().map(|(n, v)| (Cow::Borrowed(*n), Box::from(*v))).collect())
}

fn pod() -> Fields {
    fields(&[
        ("kubernetes.namespace_name", "shop"),
        ("kubernetes.pod_name", "cart-7d9c"),
        ("kubernetes.labels.app.kubernetes.io/name", "cart"),
        ("input", "pods"),
        ("path", "/var/log/pods/shop_cart-7d9c_1/app/0.log"),
        ("tailrace.pod", "known"),
    ])
}

/// The same pod before anybody told us of it.
fn stranger() -> Fields {
    fields(&[("kubernetes.namespace_name", "shop"), ("kubernetes.pod_name", "cart-7d9c"), ("input", "pods")])
}

fn record(channel: Option<Channel>, body: &[u8]) -> Record<'_> {
    let id = RecordId { file: FileId(1), start: 0, end: 1, piece: 0 };
    Record { id, time: Stamp { unix_ns: 0, text: b"" }, channel, body, cut: false, processed: None }
}

/// What lifting says, as a word.
fn lifted(text: &str, fields: &Fields) -> String {
    match predicate(text).lift(fields) {
        Lifted::Keep => "keep".into(),
        Lifted::Skip => "skip".into(),
        Lifted::PerRecord(rest) => rest.fields().join(","),
    }
}

#[test]
fn comparisons_and_their_binding() {
    let out = record(Some(Channel::Stdout), b"hello world");
    for (text, want) in [
        (r#"kubernetes.namespace_name == "shop""#, true),
        (r#"kubernetes.namespace_name != 'shop'"#, false),
        (r#"kubernetes.pod_name =~ "^cart-[0-9a-f]+$""#, true),
        (r#"kubernetes.pod_name =~ "art""#, true),
        (r#"kubernetes.namespace_name in ["a", 'shop']"#, true),
        (r#"kubernetes.namespace_name in ["a"]"#, false),
        (r#"kubernetes.labels.app.kubernetes.io/name == "cart""#, true),
        (r#"kubernetes.labels.team == """#, true),
        (r#"kubernetes.labels.team in ["", "x"]"#, true),
        (r#"input == "pods" and path =~ "/app/""#, true),
        (r#"log == "hello world" and log =~ 'o w' and stream == "stdout""#, true),
        (r#"log == "a" and log == "b" or stream == "stdout""#, true),
        (r#"log == "a" and (log == "b" or stream == "stdout")"#, false),
        (r#"not log == "a" and not stream == "stderr""#, true),
        (r#"not (log == "a" or stream == "stdout")"#, false),
        (r#"not not stream == "stdout""#, true),
        ("stream==\"stdout\"and\tlog\n=~'hello'", true),
        (r#"log =~ "\d|\bworld""#, true),
        (r#"log != 'it\'s' and log != "\"""#, true),
    ] {
        assert_eq!(predicate(text).keeps(&pod(), &out), want, "{text}");
    }
    assert!(predicate(r#"stream == """#).keeps(&pod(), &record(None, b"")));
    assert!(predicate(r#"log =~ "(?-u:\xff)$""#).keeps(&pod(), &record(None, b"a\xff")));
}

#[test]
fn problems_say_where_and_what_is_right() {
    for (text, at, what) in [
        ("", 0, "expected a field"),
        (r#"kubernetes.namespace = "a""#, 0, "did you mean `kubernetes.namespace_name`?"),
        (r#"log == "a" and namespace_name == "a""#, 15, "did you mean `kubernetes.namespace_name`?"),
        (r#"labels.app == "a""#, 0, "did you mean `kubernetes.labels.app`?"),
        (r#"kubernetes.label.app == "a""#, 0, "did you mean `kubernetes.labels.NAME`?"),
        (r#"kubernetes.labels. == "a""#, 0, "no field"),
        (r#"streem == "a""#, 0, "did you mean `stream`?"),
        (r#"log = "a""#, 4, "unexpected `=`"),
        (r#"log == a"#, 7, "text in quotes"),
        (r#"log == "a"#, 7, "no closing quote"),
        (r#"log == "a" or"#, 13, "expected a field"),
        (r#"log == "a" stream"#, 11, "expected `and`"),
        (r#"(log == "a""#, 11, "expected `)`"),
        (r#"log == "a")"#, 10, "expected `and`"),
        (r#"log in "a""#, 7, "expected `[`"),
        (r#"log in ["a" "b"]"#, 12, "expected `,`"),
        (r#"log in []"#, 8, "text in quotes"),
        (r#"log =~ "(a""#, 7, "bad regular expression: unclosed group"),
        (r#"log =~ "\w{1000}{1000}""#, 7, "too large"),
        (r#"log ~ "a""#, 4, "unexpected `~`"),
        (r#"log like "a""#, 4, "expected `==`"),
        ("log == \"ä\" ü", 12, "unexpected `ü`"),
    ] {
        let problem = Predicate::parse(text).expect_err(text);
        assert!(problem.at == at && problem.what.contains(what), "{text}: {problem:?}");
    }
}

#[test]
fn size_and_depth_of_a_predicate_are_bounded() {
    let deep = |n: usize| format!("{}log == 'a'{}", "(".repeat(n), ")".repeat(n));
    assert!(Predicate::parse(&deep(31)).is_ok());
    assert!(Predicate::parse(&deep(32)).unwrap_err().what.contains("inside each other"));
    assert!(Predicate::parse(&format!("{}log == 'a'", "not ".repeat(1_000))).is_err());
    assert!(Predicate::parse(&"(".repeat(1_000_000)).unwrap_err().what.contains("at most"));
}

#[test]
fn fields_are_named_once_in_order() {
    let p = predicate(r#"path == "a" or (log == "b" and not path == "c") or kubernetes.labels.a == "d""#);
    assert_eq!(p.fields(), ["path", "log", "kubernetes.labels.a"]);
}

#[test]
fn what_a_file_fixes_is_lifted() {
    for (text, want) in [
        (r#"kubernetes.namespace_name == "shop""#, "keep"),
        (r#"kubernetes.namespace_name != "shop""#, "skip"),
        (r#"stream == "stderr""#, "stream"),
        (r#"kubernetes.namespace_name == "shop" and stream == "stderr""#, "stream"),
        (r#"kubernetes.namespace_name == "bank" and stream == "stderr""#, "skip"),
        (r#"kubernetes.namespace_name == "shop" or stream == "stderr""#, "keep"),
        (r#"kubernetes.namespace_name == "bank" or not stream == "stderr" or log == "a""#, "stream,log"),
        (r#"not (kubernetes.namespace_name == "shop" and log == "a")"#, "log"),
        (r#"kubernetes.labels.team == "a""#, "skip"),
        (r#"kubernetes.labels.team == """#, "keep"),
    ] {
        assert_eq!(lifted(text, &pod()), want, "{text}");
    }
}

#[test]
fn what_an_unknown_pod_would_say_keeps_its_file() {
    for (text, want) in [
        (r#"kubernetes.labels.team == "a""#, "keep"),
        (r#"not kubernetes.labels.team == "a""#, "keep"),
        (r#"kubernetes.labels.team != "a" and kubernetes.labels.team == "a""#, "keep"),
        (r#"kubernetes.annotations.x in ["a"]"#, "keep"),
        (r#"kubernetes.container_image =~ "nginx""#, "keep"),
        (r#"kubernetes.labels.team == "a" and stream == "stderr""#, "stream"),
        (r#"not (kubernetes.labels.team == "a" or stream == "stderr")"#, "stream"),
        (r#"kubernetes.labels.team == "a" or stream == "stderr""#, "keep"),
        // What the path says is known, and decides alone.
        (r#"kubernetes.labels.team == "a" and kubernetes.namespace_name == "bank""#, "skip"),
        (r#"kubernetes.namespace_name == "bank""#, "skip"),
    ] {
        assert_eq!(lifted(text, &stranger()), want, "{text}");
    }
}

#[test]
fn a_file_without_a_pod_has_empty_labels() {
    let file = fields(&[("input", "system"), ("path", "/var/log/messages")]);
    assert_eq!(lifted(r#"kubernetes.labels.team == "a""#, &file), "skip");
    assert_eq!(lifted(r#"kubernetes.namespace_name != "kube-system""#, &file), "keep");
}

/// Predicates over few names and values, so that comparisons are often true.
fn text() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(vec![
        "stream",
        "log",
        "path",
        "kubernetes.namespace_name",
        "kubernetes.labels.a",
        "kubernetes.host",
    ]);
    let value = proptest::sample::select(vec!["", "a", "stdout"]);
    let leaf = (name, 0..4, value).prop_map(|(n, op, v)| match op {
        0 => format!("{n} == \"{v}\""),
        1 => format!("{n} != '{v}'"),
        2 => format!("{n} =~ \"{v}\""),
        _ => format!("{n} in [\"{v}\", \"b\"]"),
    });
    leaf.prop_recursive(4, 20, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|e| format!("not ({e})")),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(|v| format!("({})", v.join(") and ("))),
            proptest::collection::vec(inner, 1..4).prop_map(|v| format!("({})", v.join(") or ("))),
        ]
    })
}

fn some_fields() -> impl Strategy<Value = Fields> {
    let value = || proptest::option::of(proptest::sample::select(vec!["", "a", "b"]));
    (value(), value(), value(), value(), any::<bool>()).prop_map(|(path, ns, label, host, known)| {
        let mut pairs = Vec::new();
        for (name, value) in [
            ("path", path),
            ("kubernetes.namespace_name", ns),
            ("kubernetes.labels.a", label),
            ("kubernetes.host", host),
        ] {
            pairs.extend(value.map(|v| (name, v)));
        }
        pairs.extend(known.then_some(("tailrace.pod", "known")));
        fields(&pairs)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn lifting_and_looking_agree(text in text(), fields in some_fields(), channel in proptest::option::of(any::<bool>()), body in proptest::sample::select(vec!["", "a", "b"])) {
        let channel = channel.map(|out| if out { Channel::Stdout } else { Channel::Stderr });
        let (p, r) = (predicate(&text), record(channel, body.as_bytes()));
        let full = p.keeps(&fields, &r);
        match p.lift(&fields) {
            Lifted::Keep => prop_assert!(full),
            Lifted::Skip => prop_assert!(!full),
            Lifted::PerRecord(rest) => {
                prop_assert!(rest.fields().iter().all(|f| ["stream", "log"].contains(f)));
                prop_assert_eq!(rest.keeps(&fields, &r), full);
                prop_assert_eq!(rest.keeps(&Fields::default(), &r), full);
            }
        }
    }

    /// Whatever the pod turns out to be: if its file would be kept then, it is kept now.
    #[test]
    fn an_unknown_pod_is_kept_if_any_label_could_keep_it(text in text(), label in proptest::sample::select(vec!["", "a", "b"]), body in proptest::sample::select(vec!["", "a", "b"])) {
        let r = record(Some(Channel::Stdout), body.as_bytes());
        let host = ("kubernetes.host", "h");
        let unknown = fields(&[("kubernetes.namespace_name", "a"), host]);
        let known = fields(&[("kubernetes.namespace_name", "a"), host, ("kubernetes.labels.a", label), ("tailrace.pod", "known")]);
        let p = predicate(&text);
        prop_assert!(!p.keeps(&known, &r) || p.keeps(&unknown, &r));
    }

    #[test]
    fn any_text_is_a_predicate_or_a_problem_inside_it(text in "[a-z.=~!()\\[\\],'\"\\\\ äand]{0,40}") {
        if let Err(problem) = Predicate::parse(&text) {
            prop_assert!(text.is_char_boundary(problem.at));
        }
    }
}
