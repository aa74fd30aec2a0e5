use super::*;
use crate::config::load;
use crate::config::problem::Report;
use crate::config::yaml::{Value, parse};
use proptest::prelude::*;

const PASSWORD: &str = "p\"a: ${s}s\\é";

fn env(name: &str) -> Option<String> {
    match name {
        "PASSWORD" => Some(PASSWORD.into()),
        "NODE_NAME" => Some("node-1".into()),
        "POD_NAME" => Some("cart-7".into()),
        "POD_NAMESPACE" => Some("shop".into()),
        "POD_UID" => Some("7-8".into()),
        _ => None,
    }
}

fn passwords(config: &Config) -> Vec<String> {
    let password = |output: &Output| match &output.kind {
        OutputKind::OpenSearch(own) => match &own.auth {
            Auth::Basic { password, .. } => Some(password.0.clone()),
            Auth::None | Auth::Aws { .. } => None,
        },
        OutputKind::CloudWatch(_) | OutputKind::S3(_) => None,
    };
    config.outputs.iter().filter_map(password).collect()
}

/// Checks that what is printed checks again, without the environment, to the same configuration.
fn there_and_back(text: &str) -> Result<(), TestCaseError> {
    let first = match load(text, "first", &env) {
        Ok(config) => config,
        Err(problems) => return Err(TestCaseError::fail(format!("{problems}\n{text}"))),
    };
    let printed = yaml(&first);
    prop_assert!(!printed.contains("p\\\"a"), "the password is in {}", printed);
    let known = printed.replace(&quoted(HIDDEN), &quoted(PASSWORD));
    let second = match load(&known, "second", &|_| None) {
        Ok(config) => config,
        Err(problems) => return Err(TestCaseError::fail(format!("{problems}\n{known}"))),
    };
    prop_assert_eq!(format!("{:#?}", first), format!("{:#?}", second));
    prop_assert_eq!(passwords(&first), passwords(&second));
    prop_assert_eq!(printed, yaml(&second));
    Ok(())
}

/// Any subset of these lines, each with any of its values, is a configuration.
fn lines(depth: usize, keys: &'static [(&'static str, &'static [&'static str])]) -> impl Strategy<Value = String> {
    let line = move |(key, values): &(&'static str, &'static [&'static str])| {
        let key = *key;
        let value = prop::sample::select(*values);
        prop::option::of(value).prop_map(move |value| {
            value.map(|value| format!("{:indent$}{key}: {value}\n", "", indent = depth)).unwrap_or_default()
        })
    };
    keys.iter().map(line).collect::<Vec<_>>().prop_map(|lines| lines.concat())
}

const TOP: &[(&str, &[&str])] = &[
    ("data_dir", &["/d", "'/d ${X:-x}/$${Y}'"]),
    ("memory_limit", &["64MiB", "100000001B", "1GiB"]),
    ("shutdown_timeout", &["10s", "90s", "10500ms"]),
    ("admin", &["{listen: none}", "{listen: '[::1]:9'}", "{}"]),
    ("node", &["n"]),
    ("retain", &["{max_bytes: 0B}", "{min_free: 5%}"]),
    ("spot_notice", &["auto", "on", "off"]),
    ("exit_when", &["stopped", "{idle: 90s}", "{file: '/a b', idle: 1h}"]),
];
const FILES: &[(&str, &[&str])] = &[(
    "metadata",
    &[
        "{source: downward}",
        "{source: downward, pod_name: p, container_name: c, dir: '/a b', labels: false, annotations: [a/b]}",
    ],
)];
const PODS: &[(&str, &[&str])] = &[
    ("path", &["/p", "'/p \"q\" é\\'"]),
    ("start", &["beginning", "end"]),
    ("exclude", &["[]", "[/a*, '/b[0-9]']"]),
    ("max_record", &["1KiB", "1000KB", "1MiB"]),
    ("include_self", &["true", "false"]),
    ("docker_roots", &["[/var/lib/docker/containers]"]),
    (
        "metadata",
        &[
            "{source: path, wait: 0s}",
            "{source: api, labels: false, annotations: [a.b/c]}",
            "{wait: 1ms}",
            "{source: api, fields: [owner_name, pod_ip], namespace_labels: true, node_labels: true}",
            "{source: kubelet}",
            "{source: kubelet, kubelet: {url: 'https://n1:1', verify: false}}",
        ],
    ),
];
const COMMON: &[(&str, &[&str])] = &[
    ("max_age", &["100ms", "1h", "61s"]),
    ("concurrency", &["1", "8"]),
    ("ca_file", &[concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/print/ca.pem")]),
    ("dead_letter", &["{dir: /dl}", "{max_bytes: 1MiB}"]),
    ("forget_after", &["1m", "365d", "24h"]),
    ("stall_after", &["10s"]),
    ("catch_up", &["{order: newest}", "{share: 100%}"]),
    ("transforms", &["[select: {keep: 'path != \"a\\b\"'}, select: {keep: 'input == \"x\"'}]", "[{merge_json: {}}]"]),
];
const AWS: &[(&str, &[&str])] = &[
    ("region", &["us-east-1"]),
    ("profile", &["'my profile'"]),
    ("role_arn", &["arn:aws:iam::123456789012:role/r\n    external_id: ab\n    session_name: node-1"]),
];
const CLOUDWATCH: &[(&str, &[&str])] = &[
    ("endpoint", &["http://127.0.0.1:9900/"]),
    ("log_stream", &["s", "'{host}{kubernetes.pod_name} 100%%'"]),
    ("create", &["true"]),
    ("retention_days", &["1", "3653"]),
    ("kms_key_id", &["arn:aws:kms:x:1:key/k"]),
    ("log_class", &["STANDARD", "INFREQUENT_ACCESS"]),
    ("format", &["json"]),
    ("out_of_window", &["drop", "dead_letter"]),
];
const S3_KEYS: &[(&str, &[&str])] = &[
    ("compression", &["zstd", "gzip"]),
    ("object_size", &["5MiB", "4GiB", "5242881B"]),
    ("storage_class", &["GLACIER_IR"]),
    ("sse", &["aws:kms\n    kms_key_id: k", "AES256"]),
    ("sign_payload", &["true", "false"]),
];
const OPENSEARCH: &[(&str, &[&str])] = &[
    ("document_id", &["derived", "none"]),
    (
        "auth",
        &[
            "{type: none}",
            "{type: basic, username: 'a b', password: \"${PASSWORD}\"}",
            "{type: aws, service: aoss}\n    region: eu-west-1",
            "{type: aws}",
        ],
    ),
];

proptest! {
    #[test]
    fn what_is_printed_checks_again_to_the_same(
        top in lines(0, TOP),
        pods in lines(4, PODS),
        files in lines(4, FILES),
        common in proptest::array::uniform3(lines(4, COMMON)),
        aws in proptest::array::uniform2(lines(4, AWS)),
        cloudwatch in lines(4, CLOUDWATCH),
        s3 in lines(4, S3_KEYS),
        opensearch in lines(4, OPENSEARCH),
    ) {
        let text = format!(
            "{top}inputs:\n  pods:\n    type: kubernetes\n{pods}  f-1.x:\n    type: file\n    include: ['/l/*']\n{files}outputs:\n\
             \x20 cw:\n    type: cloudwatch_logs\n    inputs: [pods, f-1.x]\n    log_group: '/g/{{path}}'\n{}{}{cloudwatch}\
             \x20 s:\n    type: s3\n    id: old\n    inputs: [f-1.x]\n    bucket: abc\n    key: 'a%%b/{{input}}/%Y%m%d%H%M%S'\n{}{}{s3}\
             \x20 o:\n    type: opensearch\n    inputs: [pods]\n    url: https://h/p\n    index: 'i-%Y'\n{}{opensearch}",
            common[0], aws[0], common[1], aws[1], common[2],
        );
        there_and_back(&text)?;
    }

    #[test]
    fn quoted_text_reads_back(text in any::<String>()) {
        let report = Report::default();
        let mut node = parse(&quoted(&text), &report).unwrap();
        expand::tree(&mut node, &|_| None, &report);
        prop_assert_eq!(node.value, Value::Scalar(text));
    }
}
