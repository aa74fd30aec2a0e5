//! What a document says of its origin, rendered once per change: the `kubernetes` member, or where there is no pod
//! `host` and `path`.
//!
//! The member order is fixed, so that the same facts give the same bytes (they compress against each other). Fields
//! outside the document (`tailrace.*`, the deployment's name) are for keys and predicates and never appear.

use crate::origin::Fields;
use std::collections::BTreeMap;

/// Members that stand directly under `kubernetes`, in order.
const PLAIN: [&str; 12] = [
    "kubernetes.pod_name",
    "kubernetes.namespace_name",
    "kubernetes.pod_id",
    "kubernetes.host",
    "kubernetes.container_name",
    "kubernetes.container_image",
    "kubernetes.docker_id",
    "kubernetes.container_hash",
    "kubernetes.pod_ip",
    "kubernetes.owner_kind",
    "kubernetes.owner_name",
    RESTARTS,
];

/// The one member that is a number.
const RESTARTS: &str = "kubernetes.restart_count";

/// Objects under `kubernetes`, in order.
const MAPS: [&str; 4] =
    ["kubernetes.labels.", "kubernetes.annotations.", "kubernetes.namespace_labels.", "kubernetes.node_labels."];

/// What becomes of dots in the names of labels and annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dots {
    /// They stay.
    Keep,
    /// They become underscores: OpenSearch takes a dot for an object, so the labels `app` and
    /// `app.kubernetes.io/name` of one pod would refuse each other (Fluent Bit: `Replace_Dots`).
    Underscore,
}

/// What a file without a pod says of itself: the lines of many nodes' `/var/log/messages` lie in one index.
const PODLESS: [&str; 2] = ["host", "path"];

/// `,"kubernetes":{...}` with its leading comma; where none of its members is known `,"host":"..","path":".."`.
pub fn member(fields: &Fields, dots: Dots) -> Box<[u8]> {
    let mut inside = Vec::new();
    for name in PLAIN {
        let key = name.trim_start_matches("kubernetes.");
        match fields.get(name) {
            Some(digits) if name == RESTARTS && digits.parse::<u32>().is_ok_and(|n| n.to_string() == digits) => {
                comma(&mut inside);
                string(key, &mut inside);
                inside.push(b':');
                inside.extend_from_slice(digits.as_bytes());
            }
            Some(value) => pair(key, value, &mut inside),
            None => {}
        }
    }
    for prefix in MAPS {
        let mut map = Vec::new();
        let own = || fields.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
        let mut taken = own().filter(|(key, _)| !key.contains('.')).map(|(key, _)| (key.to_owned(), 1)).collect();
        for (key, value) in own() {
            if dots == Dots::Underscore && key.contains('.') {
                pair(&dotless(key, &mut taken), value, &mut map);
            } else {
                pair(key, value, &mut map);
            }
        }
        if !map.is_empty() {
            comma(&mut inside);
            string(prefix.trim_start_matches("kubernetes.").trim_end_matches('.'), &mut inside);
            inside.extend_from_slice(b":{");
            inside.append(&mut map);
            inside.push(b'}');
        }
    }
    if inside.is_empty() {
        return podless(fields);
    }
    let mut out = Vec::with_capacity(inside.len() + 16);
    out.extend_from_slice(b",\"kubernetes\":{");
    out.append(&mut inside);
    out.push(b'}');
    out.into_boxed_slice()
}

/// A name without dots that no other of these has: a name that comes twice makes OpenSearch refuse the document. `a_b`
/// stays what it is, and `a.b` beside it becomes `a_b_2`. With each name: how often it was wanted.
fn dotless(key: &str, taken: &mut BTreeMap<String, u32>) -> String {
    let name = key.replace('.', "_");
    let Some(wanted) = taken.get(&name) else {
        taken.insert(name.clone(), 1);
        return name;
    };
    let (mut wanted, mut other) = (*wanted, String::new());
    while other.is_empty() || taken.contains_key(&other) {
        wanted = wanted.saturating_add(1);
        other = format!("{name}_{wanted}");
    }
    taken.insert(name, wanted);
    taken.insert(other.clone(), 1);
    other
}

fn podless(fields: &Fields) -> Box<[u8]> {
    let mut out = Vec::new();
    for name in PODLESS {
        if let Some(value) = fields.get(name) {
            out.push(b',');
            string(name, &mut out);
            out.push(b':');
            string(value, &mut out);
        }
    }
    out.into_boxed_slice()
}

fn pair(key: &str, value: &str, out: &mut Vec<u8>) {
    comma(out);
    string(key, out);
    out.push(b':');
    string(value, out);
}

fn comma(out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    crate::body::escape::escape(text.as_bytes(), out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::new(pairs.iter().map(|(k, v)| (Cow::Owned((*k).to_owned()), Box::from(*v))).collect())
    }

    fn text(pairs: &[(&str, &str)]) -> String {
        String::from_utf8(member(&fields(pairs), Dots::Keep).into_vec()).unwrap()
    }

    #[test]
    fn dots_in_label_names_become_underscores_where_asked() {
        let pairs = [("kubernetes.labels.app", "a"), ("kubernetes.labels.app.kubernetes.io/name", "b.c")];
        let fields = Fields::new(pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect());
        let text = String::from_utf8(member(&fields, Dots::Underscore).into_vec()).unwrap();
        assert_eq!(text, r#","kubernetes":{"labels":{"app":"a","app_kubernetes_io/name":"b.c"}}"#);
    }

    #[test]
    fn label_names_that_differ_in_dots_alone_stay_apart() {
        let of = |names: &[&str]| {
            let pairs = names.iter().map(|n| (Cow::Owned(format!("kubernetes.labels.{n}")), Box::from(*n))).collect();
            let text = String::from_utf8(member(&Fields::new(pairs), Dots::Underscore).into_vec()).unwrap();
            text.trim_start_matches(r#","kubernetes":{"labels":"#).trim_end_matches('}').to_owned()
        };
        assert_eq!(of(&["a.b", "a_b"]), r#"{"a_b_2":"a.b","a_b":"a_b""#);
        assert_eq!(of(&["a.b.c", "a.b_c", "a_b.c"]), r#"{"a_b_c":"a.b.c","a_b_c_2":"a.b_c","a_b_c_3":"a_b.c""#);
        assert_eq!(of(&["a.b", "a_b", "a_b_2"]), r#"{"a_b_3":"a.b","a_b":"a_b","a_b_2":"a_b_2""#);
        // Every way to write one name: small, and without a square of their number.
        let many: Vec<String> = (0..4096u32)
            .map(|bits| (0..12).map(|n| if bits >> n & 1 == 1 { "a." } else { "a_" }).collect::<String>() + "a")
            .collect();
        let text = of(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let names: std::collections::BTreeSet<&str> = text.split(',').filter_map(|p| p.split(':').next()).collect();
        assert_eq!(names.len(), 4096);
        assert!(text.len() < 4096 * 70, "{}", text.len());
    }

    #[test]
    fn without_a_pod_a_document_says_where_its_file_is() {
        let pairs = [("path", "/a"), ("input", "x"), ("host", "node-1"), ("tailrace.pod", "known")];
        assert_eq!(text(&pairs), r#","host":"node-1","path":"/a""#);
        assert_eq!(text(&[("input", "x")]), "");
    }

    #[test]
    fn members_come_in_the_documented_order_and_only_when_present() {
        let all = text(&[
            ("kubernetes.annotations.a/b", "note"),
            ("kubernetes.labels.app", "web"),
            ("kubernetes.labels.app.kubernetes.io/name", "web"),
            ("kubernetes.docker_id", "c1"),
            ("kubernetes.container_image", "img:1"),
            ("kubernetes.container_name", "main"),
            ("kubernetes.host", "n1"),
            ("kubernetes.pod_id", "u"),
            ("kubernetes.namespace_name", "prod"),
            ("kubernetes.pod_name", "web-1"),
            ("kubernetes.deployment_name", "web"),
            ("tailrace.pod", "known"),
        ]);
        assert_eq!(
            all,
            concat!(
                r#","kubernetes":{"pod_name":"web-1","namespace_name":"prod","pod_id":"u","host":"n1","#,
                r#""container_name":"main","container_image":"img:1","docker_id":"c1","#,
                r#""labels":{"app":"web","app.kubernetes.io/name":"web"},"annotations":{"a/b":"note"}}"#
            )
        );
        assert_eq!(text(&[("kubernetes.labels.a", "b")]), r#","kubernetes":{"labels":{"a":"b"}}"#);
        assert_eq!(text(&[("kubernetes.pod_name", "p")]), r#","kubernetes":{"pod_name":"p"}"#);
    }

    #[test]
    fn facts_on_request_follow_those_of_every_document_and_the_count_is_a_number() {
        let pairs = [
            ("kubernetes.docker_id", "c1"),
            ("kubernetes.restart_count", "3"),
            ("kubernetes.owner_name", "web"),
            ("kubernetes.owner_kind", "Deployment"),
            ("kubernetes.pod_ip", "10.0.0.1"),
            ("kubernetes.container_hash", "i@sha256:a"),
            ("kubernetes.labels.a", "b"),
            ("kubernetes.node_labels.zone", "1a"),
            ("kubernetes.namespace_labels.team", "blue"),
        ];
        let want = concat!(
            r#","kubernetes":{"docker_id":"c1","container_hash":"i@sha256:a","pod_ip":"10.0.0.1","#,
            r#""owner_kind":"Deployment","owner_name":"web","restart_count":3,"labels":{"a":"b"},"#,
            r#""namespace_labels":{"team":"blue"},"node_labels":{"zone":"1a"}}"#
        );
        assert_eq!(text(&pairs), want);
        assert_eq!(text(&[("kubernetes.restart_count", "03")]), r#","kubernetes":{"restart_count":"03"}"#);
    }

    proptest::proptest! {
        #[test]
        fn any_keys_and_values_give_valid_json_that_reads_back(
            labels in proptest::collection::btree_map(".{1,20}", ".{0,40}", 0..8), pod in ".{0,40}")
        {
            let mut pairs: Vec<(String, String)> =
                labels.iter().map(|(k, v)| (format!("kubernetes.labels.{k}"), v.clone())).collect();
            pairs.push(("kubernetes.pod_name".to_owned(), pod.clone()));
            let borrowed: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let whole = format!("{{\"x\":1{}}}", text(&borrowed));
            let read: serde_json::Value = serde_json::from_str(&whole).unwrap();
            proptest::prop_assert_eq!(&read["kubernetes"]["pod_name"], &pod);
            for (k, v) in &labels {
                proptest::prop_assert_eq!(&read["kubernetes"]["labels"][k], v);
            }
        }
    }
}
