use super::*;
use crate::origin::Meta;
use crate::record::Grammar;
use arc_swap::ArcSwap;
use proptest::prelude::*;
use std::borrow::Cow;

fn origin(path: &str, pairs: &[(&'static str, &str)]) -> Origin {
    let fields = pairs.iter().map(|(name, value)| (Cow::Borrowed(*name), (*value).into())).collect();
    let fields = Arc::new(Fields::new(fields));
    Origin {
        input: "in".into(),
        path: path.into(),
        grammar: Grammar::Cri,
        fields: Arc::clone(&fields),
        meta: ArcSwap::from_pointee(Meta::new(fields)),
    }
}

fn keys(group: &str, stream: Option<&str>) -> Keys {
    Keys {
        group: Template::parse(group).unwrap(),
        stream: stream.map(|text| Template::parse(text).unwrap()),
        node: "node-1".into(),
    }
}

const POD: [(&str, &str); 3] =
    [("kubernetes.pod_name", "web-0"), ("kubernetes.namespace_name", "shop"), ("kubernetes.container_name", "web")];

#[test]
fn the_default_stream_is_one_per_container_in_the_naming_of_aws() {
    let with_id = [POD.as_slice(), &[("kubernetes.host", "n7"), ("kubernetes.docker_id", "abc")]].concat();
    for (origin, expected) in [
        (origin("", &with_id), "n7-application.var.log.containers.web-0_shop_web-abc.log"),
        (origin("", &POD), "node-1-application.web-0_shop_web"),
        (origin("/var/log/messages", &[]), "node-1-var.log.messages"),
        (origin("/var/log/a:b*c", &[("kubernetes.pod_name", "web-0")]), "node-1-var.log.a_b_c"),
    ] {
        let key = keys("/g", None).of(&origin);
        assert_eq!((&*key.place, &*key.stream), ("/g", expected));
    }
}

#[test]
fn values_are_cut_to_what_the_service_takes() {
    let origin = origin("", &[("kubernetes.labels.app", "a/../b:c*d e%\u{e9}")]);
    let key = keys("/g/{kubernetes.labels.app}", Some("s/{kubernetes.labels.app}")).of(&origin);
    assert_eq!(&*key.place, "/g/a____b_c_d_e__");
    assert_eq!(&*key.stream, "s/a____b_c_d e%%\u{e9}");
    let key = keys("/g", Some("{kubernetes.labels.none}")).of(&origin);
    assert_eq!(&*key.stream, "-");
}

#[test]
fn long_names_are_cut_and_stay_apart() {
    let (one, other) = ("%".repeat(600), format!("{}x", "%".repeat(599)));
    let name = |value: &str| {
        let origin = origin("", &[("kubernetes.labels.app", value)]);
        keys("/g", Some("%Y{kubernetes.labels.app}")).of(&origin).stream
    };
    let rendered = crate::config::template::render(&name(&one), 0);
    assert_eq!(rendered.chars().count(), LONGEST);
    assert!(rendered.starts_with("1970%%%"));
    assert_ne!(name(&one), name(&other));
}

proptest! {
    #[test]
    fn any_value_makes_a_name_the_service_takes(value: String, path: String, pod: bool) {
        let mut pairs = vec![("kubernetes.labels.app", value.as_str())];
        if pod {
            pairs.extend(["kubernetes.pod_name", "kubernetes.namespace_name", "kubernetes.container_name"].map(|n| (n, value.as_str())));
        }
        let origin = origin(&path, &pairs);
        for stream in [None, Some("{kubernetes.labels.app}")] {
            let key = keys("/g/{kubernetes.labels.app}", stream).of(&origin);
            let render = |text: &str| crate::config::template::render(text, 0);
            let (group, stream) = (render(&key.place), render(&key.stream));
            prop_assert!((1..=512).contains(&group.len()));
            prop_assert!(group.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.#".contains(c)));
            prop_assert!((1..=512).contains(&stream.chars().count()));
            prop_assert!(!stream.contains([':', '*']));
        }
    }
}
