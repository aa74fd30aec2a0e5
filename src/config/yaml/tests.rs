use super::*;
use proptest::prelude::*;

/// The tree as one line, and the problems as `LINE:COLUMN PATH: WHAT`.
fn read(text: &str) -> (String, Vec<String>) {
    let report = Report::default();
    let shape = parse(text, &report).map_or("-".to_string(), |node| shape(&node));
    let problems = report.into_problems("f").map(|problems| problems.list).unwrap_or_default();
    (shape, problems.iter().map(|p| format!("{}:{} {}: {}", p.line, p.column, p.path, p.what)).collect())
}

fn shape(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Refused => "refused".into(),
        Value::Scalar(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(" ")),
        Value::Map(pairs) => {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{}={}", key.text, shape(value))).collect();
            format!("{{{}}}", pairs.join(" "))
        }
    }
}

#[test]
fn values_are_text_until_somebody_says_what_they_are() {
    for (text, want) in [
        ("a: 5\nb: yes\nc: 1e3\n", r#"{a="5" b="yes" c="1e3"}"#),
        ("a:\nb: ~\nc: null\nd: ''\ne: 'null'\n", r#"{a=null b=null c=null d="" e="null"}"#),
        ("a: [x, {y: z}]\n", r#"{a=["x" {y="z"}]}"#),
        ("---\na: \"\\u00e9\"\n...\n", r#"{a="é"}"#),
        ("a: |\n  x\n  y\n", r#"{a="x\ny\n"}"#),
        ("\u{feff}a: b\n", r#"{a="b"}"#),
        ("# only\na: b # comment\n", r#"{a="b"}"#),
        ("a: b\r\nc: d\r\n", r#"{a="b" c="d"}"#),
    ] {
        assert_eq!(read(text), (want.to_string(), vec![]), "{text}");
    }
}

#[test]
fn nodes_know_their_place() {
    let report = Report::default();
    let root = parse("a:\n  - x\n  - é: \"y\"\n", &report).unwrap();
    let Value::Map(pairs) = &root.value else { panic!("{root:?}") };
    let Value::List(items) = &pairs[0].1.value else { panic!("{root:?}") };
    assert_eq!((items[0].line, items[0].column), (2, 5));
    let Value::Map(inner) = &items[1].value else { panic!("{root:?}") };
    assert_eq!((inner[0].0.line, inner[0].0.column), (3, 5));
    assert_eq!((inner[0].1.line, inner[0].1.column), (3, 8));
}

#[test]
fn yaml_s_oddities_are_refused_where_they_stand_and_the_rest_is_read() {
    for (text, shape, want) in [
        ("a: 1\nb: 2\na: 3\n", r#"{a="1" b="2"}"#, vec!["3:1 a: is given twice, first in line 1"]),
        (
            "a: &x 1\nb: *x\n",
            "{a=refused b=refused}",
            vec!["1:7 a: has an anchor (`&`)", "2:4 b: refers to an anchor with `*`"],
        ),
        ("b: *x\n", "{b=refused}", vec!["1:4 b: refers to an anchor with `*`"]),
        ("a: &x {b: &y 1}\n", "{a=refused}", vec!["1:7 a: has an anchor (`&`)", "1:14 a.b: has an anchor (`&`)"]),
        ("a: !!str 5\n", "{a=refused}", vec!["1:10 a: has the tag `!!str`"]),
        ("a: !secret x\n", "{a=refused}", vec!["1:12 a: has the tag `!secret`"]),
        ("? [x]\n: y\nb: 1\n", r#"{b="1"}"#, vec!["1:3 : a key must be a name"]),
        (
            "? {x: y}\n: {a: 1, a: 2}\n",
            "{}",
            vec!["1:3 : a key must be a name", "2:10 ?.a: is given twice, first in line 2"],
        ),
    ] {
        let (got, problems) = read(text);
        assert_eq!((got.as_str(), problems), (shape, want.iter().map(ToString::to_string).collect()), "{text}");
    }
}

#[test]
fn what_is_not_one_document_is_said_in_words() {
    for (text, want) in [
        ("", "1:1 : the file is empty"),
        ("# nothing\n", "1:1 : the file is empty"),
        ("---\n---\n", "2:1 : a second document begins here"),
        ("a: 1\n---\nb: 2\n", "2:1 : a second document begins here"),
        ("a:\n\tb: 1\n", "2:2 : a tab where YAML wants spaces"),
        ("%YAML 1.2\n---\na: 1\n", "1:1 : a line that begins with `%` is a YAML directive"),
        ("a: b: c\n", "1:5 : not YAML: a second `: ` in one line, or a line that is indented too far"),
        ("a: \"x\n", "1:4 : not YAML: a quote is never closed"),
        ("a: @x\n", "1:4 : not YAML: a value cannot begin with `@`"),
    ] {
        assert_eq!(read(text), ("-".to_string(), vec![want.to_string()]), "{text:?}");
    }
}

#[test]
fn depth_is_bounded() {
    let (shape, problems) = read(&("[".repeat(100) + &"]".repeat(100)));
    assert_eq!(shape, "-");
    assert!(problems[0].ends_with("nested deeper than 32 levels"), "{problems:?}");
    let deep: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let (shape, problems) = read(&deep);
    assert_eq!(shape, "-");
    assert!(problems[0].ends_with("nested deeper than 32 levels"), "{problems:?}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_a_reason(text in "[-a:?&*!%@|>{}\\[\\], \"'#\n\t\r\u{feff}é\u{0}~<.]{0,40}") {
        let report = Report::default();
        let tree = parse(&text, &report);
        prop_assert!(tree.is_some() || report.into_problems("f").is_some());
    }
}
