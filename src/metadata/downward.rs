//! The pod that we run in, as a sidecar: what the downward API tells, in the field names of [`super::pod`].
//!
//! Its name, namespace and UID are variables of the environment; labels and annotations the text of files of a `downwardAPI`
//! volume, which somebody else reads. There is no image and no container id, as the downward API knows none. Lines of
//! such a file that are not kubelet's are passed over.

use std::borrow::Cow;

/// Names and values.
pub type Pairs = Vec<(Cow<'static, str>, Box<str>)>;

/// What is said of our pod.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// metadata.name
    pub name: &'a str,
    /// metadata.namespace
    pub namespace: &'a str,
    /// metadata.uid
    pub uid: &'a str,
    /// Who writes the files; perhaps empty.
    pub container: &'a str,
    /// spec.nodeName
    pub node: &'a str,
    /// Annotations that are wanted, by exact name.
    pub annotations: &'a [String],
}

/// All fields; `labels` and `annotations` are the volume's files, perhaps empty.
pub fn fields(pod: &Own<'_>, labels: &str, annotations: &str) -> Pairs {
    let said = [
        ("kubernetes.pod_name", pod.name),
        ("kubernetes.namespace_name", pod.namespace),
        ("kubernetes.pod_id", pod.uid),
        ("kubernetes.host", pod.node),
        ("kubernetes.container_name", pod.container),
        ("tailrace.pod", "known"),
    ];
    let said = said.into_iter().filter(|(_, value)| !value.is_empty());
    let mut all: Pairs = said.map(|(name, value)| (Cow::Borrowed(name), value.into())).collect();
    all.extend(lines(labels).map(|(name, value)| (Cow::Owned(format!("kubernetes.labels.{name}")), value)));
    let listed = lines(annotations).filter(|(name, _)| pod.annotations.iter().any(|wanted| wanted == name));
    all.extend(listed.map(|(name, value)| (Cow::Owned(format!("kubernetes.annotations.{name}")), value)));
    all
}

/// kubelet writes `NAME="VALUE"`, the value as Go quotes it, so that there is no line break in it.
fn lines(text: &str) -> impl Iterator<Item = (&str, Box<str>)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        (!name.is_empty()).then(|| (name, unquoted(value).into()))
    })
}

/// What Go's `%q` made of a text; an escape that it never writes stays as it is.
fn unquoted(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.extend_from_slice(plain.as_bytes());
        let mut chars = escape.chars();
        let letter = chars.next();
        let (digits, byte) = match letter {
            Some('x') => (2, true),
            Some('u') => (4, false),
            Some('U') => (8, false),
            Some(_) | None => (0, false),
        };
        rest = chars.as_str();
        let number = rest.get(..digits).filter(|_| digits > 0).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match (number, number.and_then(char::from_u32), letter) {
            (Some(number), _, _) if byte => out.extend(u8::try_from(number)),
            (Some(_), Some(c), _) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            (_, _, letter) => {
                let plain = letter.and_then(simple);
                out.extend_from_slice(if plain.is_some() { b"" } else { b"\\" });
                out.extend_from_slice(plain.or(letter).map(String::from).unwrap_or_default().as_bytes());
                continue;
            }
        }
        rest = rest.get(digits..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

fn simple(letter: char) -> Option<char> {
    Some(match letter {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        '\\' | '"' | '\'' => letter,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    fn said(labels: &str, annotations: &str) -> Vec<String> {
        let team = ["team".to_owned()];
        let pod =
            Own { name: "cart-7", namespace: "shop", uid: "u-1", container: "app", node: "node-1", annotations: &team };
        fields(&pod, labels, annotations).iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_pod_has_the_names_that_the_api_servers_pods_have() {
        let always = [
            "kubernetes.pod_name=cart-7",
            "kubernetes.namespace_name=shop",
            "kubernetes.pod_id=u-1",
            "kubernetes.host=node-1",
            "kubernetes.container_name=app",
            "tailrace.pod=known",
        ];
        assert_eq!(said("", ""), always);
        let labels = "app=\"cart\"\napp.kubernetes.io/name=\"a=b\"";
        let annotations = "other=\"x\"\nteam=\"ops\"\nkubernetes.io/config.seen=\"2026\"\n";
        let further = [
            "kubernetes.labels.app=cart",
            "kubernetes.labels.app.kubernetes.io/name=a=b",
            "kubernetes.annotations.team=ops",
        ];
        assert_eq!(said(labels, annotations), [&always[..], &further[..]].concat());
    }

    #[test]
    fn values_are_what_go_quoted() {
        for (quoted, plain) in [
            (r#"a\"b\\c"#, "a\"b\\c"),
            (r"one\ntwo\tthree", "one\ntwo\tthree"),
            (r"caf\u00e9 \U0001f600 \x07\a", "café 😀 \u{7}\u{7}"),
            (r"\xc3\xa9", "é"),
            (r"\xff", "\u{fffd}"),
            (r"\q \u12 \", "\\q \\u12 \\"),
        ] {
            assert_eq!(unquoted(quoted), plain, "{quoted}");
        }
        assert!(lines("no equals\n=\"no name\"\nx=unquoted\ny=\"open").next().is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_what_needs_no_quotes_comes_back(any in ".{0,60}", plain in "[^\\\\\"\\n\\r]{0,40}") {
            lines(&any).for_each(drop);
            unquoted(&any);
            proptest::prop_assert_eq!(unquoted(&plain), plain);
        }
    }
}
