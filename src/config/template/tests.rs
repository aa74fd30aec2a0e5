use super::*;
use proptest::prelude::*;

/// 2026-11-22T10:15:59.123456789Z
const NS: i64 = 1_795_342_559_123_456_789;

#[test]
fn time_is_put_in_as_utc() {
    for (pattern, want) in [
        ("logs-%Y.%m.%d", "logs-2026.11.22"),
        ("a/%Y/%m/%d/%H/", "a/2026/11/22/10/"),
        ("%H%M%S", "101559"),
        ("100%% %Y", "100% 2026"),
        ("%%Y", "%Y"),
        ("%q%", "%q%"),
        ("é%é%Y", "é%é2026"),
        ("", ""),
    ] {
        assert_eq!(render(pattern, NS), want, "{pattern}");
    }
}

#[test]
fn the_finest_unit_decides_the_bucket() {
    let hour = NS.div_euclid(3_600_000_000_000);
    for (pattern, want) in [
        ("logs", 0),
        ("%%H", 0),
        ("%", 0),
        ("%Y", 2026),
        ("%Y-%m", 2026 * 12 + 11),
        ("%d-%Y", hour / 24),
        ("%H/%Y", hour),
        ("%Y%%%H", hour),
        ("%M", NS / 60_000_000_000),
        ("%S%H", NS / 1_000_000_000),
    ] {
        assert_eq!(bucket_of(pattern, NS), want, "{pattern}");
    }
}

#[test]
fn a_second_before_1970_is_in_the_year_before() {
    assert_eq!(render("%Y-%m-%d %H:%M:%S", -1), "1969-12-31 23:59:59");
    assert_eq!(bucket_of("%d", -1), -1);
    assert_eq!(bucket_of("%Y", -1), 1969);
}

#[test]
fn a_template_is_read_part_by_part() {
    let template = Template::parse("a%%b/{kubernetes.namespace_name}-%Y/x").unwrap();
    assert_eq!(
        template.0,
        vec![
            Segment::Text("a%b/".into()),
            Segment::Field("kubernetes.namespace_name".into()),
            Segment::Text("-".into()),
            Segment::Time('Y'),
            Segment::Text("/x".into()),
        ]
    );
    assert_eq!(template.literal_prefix(), "a%b/");
    assert_eq!(template.fields().collect::<Vec<_>>(), ["kubernetes.namespace_name"]);
    assert!(template.has_time());
    assert_eq!(template.bucket(), Some(Unit::Year));
    assert!(!Template::parse("{path}").unwrap().has_time());
}

#[test]
fn the_file_part_keeps_time_and_doubles_percent_signs() {
    let template = Template::parse("50%%/{path}/{none}/%H").unwrap();
    let fields = Fields::new(vec![("path".into(), "a%Y/b".into())]);
    let part = template.file_part(&fields, |value| value.replace('/', "_"));
    assert_eq!(&*part, "50%%/a%%Y_b//%H");
    assert_eq!(render(&part, NS), "50%/a%Y_b//10");
}

#[test]
fn every_mistake_in_a_template_is_named() {
    for (text, want) in [
        ("a/%j/%", vec!["`%j` is not a part of time", "`%` is not a part of time"]),
        ("a/{path", vec!["`{path` has no closing brace"]),
        ("a}/%é", vec!["`}` without an opening brace", "`%é` is not a part of time"]),
    ] {
        let errors = Template::parse(text).unwrap_err();
        assert_eq!(errors.iter().map(|e| e.what.as_str()).collect::<Vec<_>>(), want, "{text}");
    }
}

#[test]
fn every_day_of_the_representable_years_agrees_with_jiff() {
    let mut date = jiff::civil::date(1678, 1, 1);
    let mut day = -106_650i64;
    while date.year() < 2262 {
        let want = format!("{:04}{:02}{:02}", date.year(), date.month(), date.day());
        assert_eq!(render("%Y%m%d", day * 86_400_000_000_000), want);
        date = date.tomorrow().unwrap();
        day += 1;
    }
}

proptest! {
    #[test]
    fn any_nanosecond_agrees_with_jiff(ns in any::<i64>()) {
        let at = jiff::Timestamp::from_nanosecond(i128::from(ns)).unwrap();
        prop_assert_eq!(
            render("%Y-%m-%d %H:%M:%S", ns),
            at.strftime("%Y-%m-%d %H:%M:%S").to_string()
        );
    }

    #[test]
    fn equal_buckets_render_alike_and_buckets_never_go_back(
        parts in proptest::collection::vec(prop::sample::select(vec!["%Y", "%m", "%d", "%H", "%M", "%S", "%%", "x", "%"]), 0..5),
        at in -4_000_000_000_000_000_000i64..4_000_000_000_000_000_000,
        later in 0i64..4_000_000_000_000,
    ) {
        let pattern = parts.concat();
        let (first, second) = (bucket_of(&pattern, at), bucket_of(&pattern, at + later));
        prop_assert!(first <= second);
        if first == second {
            prop_assert_eq!(render(&pattern, at), render(&pattern, at + later));
        }
    }

    #[test]
    fn any_text_is_read_or_refused_and_prints_back_to_itself(text in "[a%{}Y.H/é]{0,12}") {
        if let Ok(template) = Template::parse(&text) {
            let again = Template::parse(&template.to_string()).unwrap();
            prop_assert_eq!(again, template);
        }
    }

    #[test]
    fn any_value_stays_text_and_changes_no_bucket(value in any::<String>(), odd in "[%{}YmdHMS/]{0,12}") {
        let template = Template::parse("a%Y/{v}/%m{v}{none}%%").unwrap();
        for value in [value, odd] {
            let fields = Fields::new(vec![("v".into(), value.as_str().into())]);
            let part = template.file_part(&fields, str::to_owned);
            prop_assert_eq!(render(&part, NS), format!("a2026/{value}/11{value}%"));
            prop_assert_eq!(bucket_of(&part, NS), bucket_of("%Y%m", NS));
        }
    }

    #[test]
    fn any_pattern_renders(pattern in any::<String>(), ns in any::<i64>()) {
        let out = render(&pattern, ns);
        prop_assert!(out.len() <= pattern.len() * 2);
        bucket_of(&pattern, ns);
    }
}
