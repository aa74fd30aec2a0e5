//! Mistakes in names of destinations: templates, alphabets, addresses. All in line 5.

use crate::assert_problems;

const INPUTS: &str = "inputs:\n  pods: {type: kubernetes, metadata: {source: api, annotations: [team]}}\n  files: {type: file, include: [/f]}\n  \
                      bare: {type: kubernetes, metadata: {source: path}}\n";

fn line(input: &str, keys: &str) -> String {
    format!("{INPUTS}outputs: {{o: {{type: {keys}, inputs: [{input}]}}}}\n")
}

fn group(text: &str) -> String {
    line("pods", &format!("cloudwatch_logs, log_group: {text}"))
}

fn stream(text: &str) -> String {
    line("pods", &format!("cloudwatch_logs, log_group: g, log_stream: {text}"))
}

fn bstream(text: &str) -> String {
    line("bare", &format!("cloudwatch_logs, log_group: g, log_stream: {text}"))
}

fn fstream(text: &str) -> String {
    line("files", &format!("cloudwatch_logs, log_group: g, log_stream: {text}"))
}

fn key(text: &str) -> String {
    line("pods", &format!("s3, bucket: abc, key: {text}"))
}

fn index(text: &str) -> String {
    line("pods", &format!("opensearch, url: 'http://h', index: {text}"))
}

fn bucket(text: &str) -> String {
    line("pods", &format!("s3, key: k, bucket: {text}"))
}

fn url(text: &str) -> String {
    line("pods", &format!("opensearch, index: i, url: {text}"))
}

#[test]
fn mistakes_in_log_groups_are_named() {
    for (typed, want) in [
        (
            "'{kubernetes.namespace_name}'",
            &[
                "5:49: outputs.o.log_group: a log group must begin with literal text, so that no field can choose another one; write `logs-{kubernetes.namespace_name}`",
            ][..],
        ),
        (
            "'/{kubernetes.namespace_name}'",
            &[
                "5:49: outputs.o.log_group: a log group must begin with literal text, so that no field can choose another one; write `logs-{kubernetes.namespace_name}`",
            ][..],
        ),
        (
            "logs/%Y",
            &[
                "5:49: outputs.o.log_group: a log group cannot hold record time; remove the parts that begin with `%` (`%%` is a percent sign)",
            ][..],
        ),
        (
            "'a b'",
            &["5:49: outputs.o.log_group: a log group cannot hold ` `; write letters, digits and `. - _ / #`"][..],
        ),
        (
            "aws/lambda",
            &["5:49: outputs.o.log_group: CloudWatch keeps names that begin with `aws/` to itself; write `/aws/…`"][..],
        ),
        ("''", &["5:49: outputs.o.log_group: has no value; write one, or remove the key"][..]),
    ] {
        assert_problems(&group(typed), want);
    }
}

#[test]
fn mistakes_in_log_streams_are_named() {
    for (typed, want) in [
        (
            "'%H'",
            &[
                "5:64: outputs.o.log_stream: a log stream cannot hold record time; remove the parts that begin with `%` (`%%` is a percent sign)",
            ][..],
        ),
        (
            "'a:b'",
            &[
                "5:64: outputs.o.log_stream: a log stream cannot hold `:`; write anything but `:`, `*` and control characters",
            ][..],
        ),
        (
            "'{log}'",
            &[
                "5:64: outputs.o.log_stream: `log` changes from record to record, but the name is fixed for each file; write a field of the file, such as `{kubernetes.namespace_name}`",
            ][..],
        ),
        (
            "'{stream}-{kubernetes.namespace}'",
            &[
                "5:64: outputs.o.log_stream: `stream` changes from record to record, but the name is fixed for each file; write a field of the file, such as `{kubernetes.namespace_name}`",
                "5:64: outputs.o.log_stream: there is no field `{kubernetes.namespace}`; write `{kubernetes.namespace_name}`",
            ][..],
        ),
        (
            "'{kubernetes.annotations.owner}'",
            &[
                "5:64: outputs.o.log_stream: `kubernetes.annotations.owner` cannot exist: no input of this output reads it; write `metadata: {source: api, annotations: [owner]}` in the input, or another field",
            ][..],
        ),
        (
            "'{kubernetes.pod'",
            &[
                "5:64: outputs.o.log_stream: `{kubernetes.pod` has no closing brace; write a field as `{kubernetes.namespace_name}`",
            ][..],
        ),
        (
            "'}'",
            &[
                "5:64: outputs.o.log_stream: `}` without an opening brace; write a field as `{kubernetes.namespace_name}`; a brace cannot be literal text",
            ][..],
        ),
        (
            "'%'",
            &[
                "5:64: outputs.o.log_stream: `%` is not a part of time; write one of %Y %m %d %H %M %S, or %% for a percent sign",
            ][..],
        ),
        (
            "'{colour}'",
            &[
                "5:64: outputs.o.log_stream: there is no field `{colour}`; write one of path, input, host, kubernetes.namespace_name, kubernetes.pod_name, kubernetes.pod_id, kubernetes.host, kubernetes.container_name, kubernetes.docker_id, kubernetes.container_image, kubernetes.deployment_name, kubernetes.pod_ip, kubernetes.container_hash, kubernetes.owner_kind, kubernetes.owner_name, kubernetes.restart_count, kubernetes.labels.NAME, kubernetes.annotations.NAME",
            ][..],
        ),
    ] {
        assert_problems(&stream(typed), want);
    }
}

#[test]
fn mistakes_in_streams_of_pods_known_by_path_are_named() {
    for (typed, want) in [
        (
            "'{kubernetes.labels.app}'",
            &[
                "5:64: outputs.o.log_stream: `kubernetes.labels.app` cannot exist: no input of this output reads it; write `metadata: {source: api, labels: true}` in the input, or another field",
            ][..],
        ),
        (
            "'{kubernetes.container_image}'",
            &[
                "5:64: outputs.o.log_stream: `kubernetes.container_image` cannot exist: no input of this output reads it; write `metadata: {source: api}` in the input, or another field",
            ][..],
        ),
        (
            "'{kubernetes.annotations.team}'",
            &[
                "5:64: outputs.o.log_stream: `kubernetes.annotations.team` cannot exist: no input of this output reads it; write `metadata: {source: api, annotations: [team]}` in the input, or another field",
            ][..],
        ),
        (
            "'{kubernetes.owner_name}{kubernetes.node_labels.zone}'",
            &[
                "5:64: outputs.o.log_stream: `kubernetes.owner_name` cannot exist: no input of this output reads it; write `metadata: {source: api, fields: [owner_name]}` in the input, or another field",
                "5:64: outputs.o.log_stream: `kubernetes.node_labels.zone` cannot exist: no input of this output reads it; write `metadata: {source: api, node_labels: true}` in the input, or another field",
            ][..],
        ),
    ] {
        assert_problems(&bstream(typed), want);
    }
}

#[test]
fn mistakes_in_streams_of_files_are_named() {
    for (typed, want) in [
        (
            "'{kubernetes.pod_name}'",
            &[
                "5:64: outputs.o.log_stream: `kubernetes.pod_name` cannot exist: none of the inputs knows of pods; write one of {path}, {input}, {host}",
            ][..],
        ),
        (
            "'{kubernetes.labels.a}'",
            &[
                "5:64: outputs.o.log_stream: `kubernetes.labels.a` cannot exist: none of the inputs knows of pods; write one of {path}, {input}, {host}",
            ][..],
        ),
    ] {
        assert_problems(&fstream(typed), want);
    }
}

#[test]
fn mistakes_in_object_names_are_named() {
    for (typed, want) in [
        (
            "'%Y/'",
            &[
                "5:43: outputs.o.key: an object's name must begin with literal text, so that no field can choose another one; write `logs/%Y/`",
            ][..],
        ),
        (
            "/logs/",
            &[
                "5:43: outputs.o.key: an object's name that begins with `/` has a folder without a name; write it without the first `/`",
            ][..],
        ),
        (
            "a/../b",
            &["5:43: outputs.o.key: holds `.` or `..` as a folder, which clients fold away; write it without"][..],
        ),
        (
            "'{host}/a'",
            &[
                "5:43: outputs.o.key: an object's name must begin with literal text, so that no field can choose another one; write `logs/{host}/a`",
            ][..],
        ),
        (
            "'a/{time}/'",
            &[
                "5:43: outputs.o.key: `time` changes from record to record, but the name is fixed for each file; write a field of the file, such as `{kubernetes.namespace_name}`",
            ][..],
        ),
    ] {
        assert_problems(&key(typed), want);
    }
}

#[test]
fn mistakes_in_indices_are_named() {
    for (typed, want) in [
        ("Logs", &["5:57: outputs.o.index: an index has no capital letters; write `logs`"][..]),
        (
            "_logs",
            &["5:57: outputs.o.index: an index cannot begin with `-`, `_` or `+`; begin with a letter or digit"][..],
        ),
        (
            "'a b'",
            &[
                r#"5:57: outputs.o.index: an index cannot hold ` `; write anything but `\ / * ? " < > | , # :` and space"#,
            ][..],
        ),
        (
            "'{kubernetes.namespace_name}-%Y'",
            &[
                "5:57: outputs.o.index: an index must begin with literal text, so that no field can choose another one; write `logs-{kubernetes.namespace_name}-%Y`",
            ][..],
        ),
        (
            "'logs-%j'",
            &[
                "5:57: outputs.o.index: `%j` is not a part of time; write one of %Y %m %d %H %M %S, or %% for a percent sign",
            ][..],
        ),
    ] {
        assert_problems(&index(typed), want);
    }
}

#[test]
fn mistakes_in_buckets_are_named() {
    for (typed, want) in [
        (
            "My-Logs",
            &[
                "5:41: outputs.o.bucket: `My-Logs` cannot be a bucket; write 3 to 63 lower-case letters, digits, `-` and single `.`, beginning and ending with a letter or digit",
            ][..],
        ),
        (
            "ab",
            &[
                "5:41: outputs.o.bucket: `ab` cannot be a bucket; write 3 to 63 lower-case letters, digits, `-` and single `.`, beginning and ending with a letter or digit",
            ][..],
        ),
        ("'s3://abc'", &["5:41: outputs.o.bucket: must be a name, not an address; write `abc`"][..]),
        (
            "'arn:aws:s3:::abc'",
            &[
                "5:41: outputs.o.bucket: not there yet: access points by ARN; write the bucket's name or the access point's alias",
            ][..],
        ),
        (
            "a--x-s3",
            &["5:41: outputs.o.bucket: not there yet: directory buckets; write the name of a general purpose bucket"][..],
        ),
    ] {
        assert_problems(&bucket(typed), want);
    }
}

#[test]
fn mistakes_in_addresses_are_named() {
    for (typed, want) in [
        (
            "search:9200",
            &[
                "5:48: outputs.o.url: must begin with `http://` or `https://`; write `https://HOST:PORT` or `https://HOST:PORT/PATH`",
            ][..],
        ),
        (
            "'https://me:secret@h'",
            &[
                "5:48: outputs.o.url: holds a user name or password; write `https://HOST:PORT` or `https://HOST:PORT/PATH`",
            ][..],
        ),
        (
            "'https://h?q'",
            &[
                "5:48: outputs.o.url: holds a query or a fragment; write `https://HOST:PORT` or `https://HOST:PORT/PATH`",
            ][..],
        ),
        (
            "'https://h:99999'",
            &[
                "5:48: outputs.o.url: holds a port that is not a number from 1 to 65535; write `https://HOST:PORT` or `https://HOST:PORT/PATH`",
            ][..],
        ),
    ] {
        assert_problems(&url(typed), want);
    }
}
