//! Mistakes in outputs: keys that all share, and what they refer to.

use crate::assert_problems;

const INPUTS: &str = "inputs:\n  pods: {type: kubernetes, metadata: {source: api, annotations: [team]}}\n  files: {type: file, include: [/f]}\n  \
                      bare: {type: kubernetes, metadata: {source: path}}\n";

fn output(kind: &str, keys: &[&str], line: &str) -> String {
    format!("{INPUTS}outputs:\n  o:\n    type: {kind}\n    inputs: [pods]\n    {}\n    {line}\n", keys.join("\n    "))
}

/// `line` is line 11.
pub fn s3(line: &str) -> String {
    output("s3", &["bucket: abc", "key: k"], line)
}

/// `line` is line 10.
pub fn cw(line: &str) -> String {
    output("cloudwatch_logs", &["log_group: g"], line)
}

/// `line` is line 11.
pub fn os(line: &str) -> String {
    output("opensearch", &["url: http://h", "index: i"], line)
}

fn whole(text: &str) -> String {
    text.to_string()
}

#[test]
fn mistakes_in_all_outputs_are_named() {
    for (typed, want) in [
        ("max_age: 25h", &["11:14: outputs.o.max_age: 25h is too large; write a value from 100ms to 1d"][..]),
        (
            "max_age: 300",
            &["11:14: outputs.o.max_age: a duration needs its unit; write `300s`, or with ms, m, h, d"][..],
        ),
        ("concurrency: 16", &["11:18: outputs.o.concurrency: 16 is too large; write a value from 1 to 8"][..]),
        ("concurrency: many", &["11:18: outputs.o.concurrency: `many` is not a whole number; write digits alone"][..]),
        (
            "id: 'a/b'",
            &[
                "11:9: outputs.o.id: `a/b` cannot be a name; write 1 to 64 letters, digits, `_`, `-` or `.`, beginning with a letter or digit",
            ][..],
        ),
        (
            "dead_letter: {dir: dead, max_bytes: 1KiB}",
            &[
                "11:24: outputs.o.dead_letter.dir: `dead` is not an absolute path; write it from the root, beginning with `/`",
                "11:41: outputs.o.dead_letter.max_bytes: 1KiB is too small; write a value from 1MiB to 1TiB",
            ][..],
        ),
        (
            "dead_letter: /dead",
            &[
                "11:18: outputs.o.dead_letter: must have keys below it; write `dead_letter: {dir: /var/lib/tailrace/dead-letter, max_bytes: 256MiB}`",
            ][..],
        ),
        ("forget_after: 1s", &["11:19: outputs.o.forget_after: 1s is too small; write a value from 1m to 365d"][..]),
        ("stall_after: 1s", &["11:18: outputs.o.stall_after: 1s is too small; write a value from 10s to 1d"][..]),
        (
            "catch_up: {order: new, share: 0%}",
            &[
                "11:23: outputs.o.catch_up.order: `new` is not allowed here; write one of fair, oldest, newest",
                "11:35: outputs.o.catch_up.share: 0% is too small; write a value from 1% to 100%",
            ][..],
        ),
        (
            "catch_up: {share: 50}",
            &["11:23: outputs.o.catch_up.share: a share needs its percent sign; write `50%`"][..],
        ),
        (
            "ca_file: ca.pem",
            &["11:14: outputs.o.ca_file: `ca.pem` is not an absolute path; write it from the root, beginning with `/`"]
                [..],
        ),
        (
            "ca_file: /no/such.pem",
            &[
                "11:14: outputs.o.ca_file: the file cannot be read here: No such file or directory (os error 2); name a PEM file that is there wherever this configuration is read, or remove the key",
            ][..],
        ),
        (
            "ca_file: /dev/zero",
            &["11:14: outputs.o.ca_file: is not a file of certificates; name a PEM file of at most 1MiB"][..],
        ),
        (
            concat!("ca_file: ", env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            &[
                "11:14: outputs.o.ca_file: there is no certificate in the file; name a PEM file: it has a line `-----BEGIN CERTIFICATE-----`",
            ][..],
        ),
        (
            "format: text",
            &["11:5: outputs.o.format: is not a key here; remove it: it belongs to outputs of `type: cloudwatch_logs`"]
                [..],
        ),
        (
            "log_group: g",
            &[
                "11:5: outputs.o.log_group: is not a key here; remove it: it belongs to outputs of `type: cloudwatch_logs`",
            ][..],
        ),
        ("max_ages: 5s", &["11:5: outputs.o.max_ages: there is no key `max_ages`; write `max_age`"][..]),
        (
            "colour: red",
            &[
                "11:5: outputs.o.colour: there is no key `colour`; write one of bucket, ca_file, catch_up, compression, concurrency, dead_letter, endpoint, external_id, forget_after, id, inputs, key, kms_key_id, max_age, object_size, profile, region, role_arn, session_name, sign_payload, sse, stall_after, storage_class, transforms, type",
            ][..],
        ),
        ("region: US", &["11:13: outputs.o.region: `US` is not a region; write one such as `us-east-1`"][..]),
        (
            "endpoint: 127.0.0.1:9900",
            &["11:15: outputs.o.endpoint: must begin with `http://` or `https://`; write `https://HOST:PORT`"][..],
        ),
        ("endpoint: http://h/path", &["11:15: outputs.o.endpoint: holds a path; write `https://HOST:PORT`"][..]),
        (
            "role_arn: admin",
            &[
                "11:15: outputs.o.role_arn: `admin` is not a role; write `arn:aws:iam::ACCOUNT:role/NAME` with an account of 12 digits",
            ][..],
        ),
        (
            "session_name: abc",
            &[
                "11:5: outputs.o.session_name: says nothing without `role_arn`; write `role_arn: arn:aws:iam::ACCOUNT:role/NAME` beside it",
            ][..],
        ),
        (
            "external_id: abc",
            &[
                "11:5: outputs.o.external_id: says nothing without `role_arn`; write `role_arn: arn:aws:iam::ACCOUNT:role/NAME` beside it",
            ][..],
        ),
        ("profile:", &["11:12: outputs.o.profile: has no value; write one, or remove the key"][..]),
        (
            "transforms: {merge_json: {}}",
            &[
                "11:17: outputs.o.transforms: must be a list; write each item in a line of its own that begins with `- `",
            ][..],
        ),
        (
            "transforms: [merge_json]",
            &[
                "11:18: outputs.o.transforms[0]: must have keys below it; write `select: {keep: '…'}` or `merge_json: {}`",
            ][..],
        ),
        (
            "transforms: [{merge_json: {keep: true}}]",
            &["11:32: outputs.o.transforms[0].merge_json.keep: `merge_json` has no keys; remove it"][..],
        ),
        (
            "transforms: [{merge_json: {}}, {merge_json: {}}]",
            &["11:36: outputs.o.transforms[1]: `merge_json` is there already; remove one of the two"][..],
        ),
        (
            "transforms: [{select: {drop: 'a'}}]",
            &[
                r#"11:19: outputs.o.transforms[0].select.keep: is missing; write `keep: 'kubernetes.namespace_name != "kube-system"'`"#,
                "11:28: outputs.o.transforms[0].select.drop: there is no key `drop`; write one of keep",
            ][..],
        ),
        (
            "transforms: [{selekt: {}}]",
            &["11:19: outputs.o.transforms[0].selekt: there is no transform `selekt`; write `select`"][..],
        ),
        (
            r#"transforms: [{select: {keep: 'path == "a"'}, merge_json: {}}]"#,
            &[
                "11:18: outputs.o.transforms[0]: names several transforms; write each in an item of its own, beginning with `- `",
            ][..],
        ),
        (
            "transforms: [{parse_json: {}}, {redact: {}}, {throttle: {}}, {sample: {}}, {multiline: {}}]",
            &[
                "11:19: outputs.o.transforms[0].parse_json: not there yet: the transform `parse_json`; remove it",
                "11:37: outputs.o.transforms[1].redact: not there yet: the transform `redact`; remove it",
                "11:51: outputs.o.transforms[2].throttle: not there yet: the transform `throttle`; remove it",
                "11:67: outputs.o.transforms[3].sample: not there yet: the transform `sample`; remove it",
                "11:81: outputs.o.transforms[4].multiline: not there yet: the transform `multiline`; remove it",
            ][..],
        ),
    ] {
        assert_problems(&s3(typed), want);
    }
}

#[test]
fn mistakes_in_what_outputs_refer_to_are_named() {
    for (typed, want) in [
        (
            "inputs: {a: {type: file, include: [/f]}}\noutputs: {o: {type: s3, inputs: [b], bucket: abc, key: k}}\n",
            &["2:34: outputs.o.inputs[0]: there is no input `b`; write `a`"][..],
        ),
        (
            "inputs: {logs: {type: file, include: [/f]}}\noutputs: {o: {type: s3, inputs: [log, logs, logs], bucket: abc, key: k}}\n",
            &[
                "2:34: outputs.o.inputs[0]: there is no input `log`; write `logs`",
                "2:45: outputs.o.inputs[2]: input `logs` is listed twice; remove one of the two",
            ][..],
        ),
        (
            "inputs: {a: {type: file, include: [/f]}}\noutputs: {o: {type: s3, inputs: [], bucket: abc, key: k}}\n",
            &["2:33: outputs.o.inputs: is an empty list; write at least one item"][..],
        ),
        (
            "inputs: {a: {type: file, include: [/f]}}\noutputs: {o: {type: s3, bucket: abc, key: k}}\n",
            &["2:11: outputs.o.inputs: is missing; write `inputs: [a]`"][..],
        ),
        (
            "inputs: {a: {type: file, include: [/f]}}\noutputs: {o: {type: s3, inputs: [a], bucket: abc, key: k}, p: {type: s3, id: o, inputs: [a], bucket: abc, key: k}}\n",
            &[
                "2:78: outputs.p.id: output `o` has the id `o` already; write another `id`: it names the saved positions",
            ][..],
        ),
        (
            "inputs: {a: {type: file, include: [/f]}}\noutputs: {p: {type: s3, id: o, inputs: [a], bucket: abc, key: k}, o: {type: s3, inputs: [a], bucket: abc, key: k}}\n",
            &["2:67: outputs.o: output `p` has the id `o` already; write another `id`: it names the saved positions"][..],
        ),
        (
            "inputs: {a: {type: file, include: [/f]}}\noutputs: {o: {inputs: [a], bucket: abc, colour: red}}\n",
            &[
                "2:11: outputs.o.type: is missing; write `type: s3`",
                "2:41: outputs.o.colour: there is no key `colour`; write one of auth, bucket, ca_file, catch_up, compression, concurrency, create, dead_letter, document_id, endpoint, external_id, forget_after, format, id, index, inputs, key, kms_key_id, log_class, log_group, log_stream, max_age, object_size, out_of_window, profile, region, retention_days, role_arn, session_name, sign_payload, sse, stall_after, storage_class, transforms, type, url",
            ][..],
        ),
        (
            "inputs: {a: {type: file, include: [/f]}}\noutputs: {o: {type: S3, inputs: [a]}}\n",
            &["2:21: outputs.o.type: `S3` is not allowed here; write `s3` (allowed: cloudwatch_logs, s3, opensearch)"]
                [..],
        ),
        (
            "inputs: {a: {type: file, include: [/f]}}\noutputs: {o: {type: s3, inputs: [a]}, p: {type: opensearch, inputs: [a]}, q: {type: cloudwatch_logs, inputs: [a]}}\n",
            &[
                "2:11: outputs.o.bucket: is missing; write `bucket: my-logs`",
                "2:11: outputs.o.key: is missing; write `key: logs/{kubernetes.namespace_name}/%Y/%m/%d/%H/`",
                "2:39: outputs.p.url: is missing; write `url: https://HOST:9200`",
                r#"2:39: outputs.p.index: is missing; write `index: "logs-%Y.%m.%d"`"#,
                "2:75: outputs.q.log_group: is missing; write `log_group: /tailrace/application`",
            ][..],
        ),
        (
            "inputs: {}\noutputs: {}\n",
            &[
                "1:1: inputs: has no input; write inputs below it, such as `pods: {type: kubernetes}`",
                "2:1: outputs: has no output; write outputs below it, such as `archive: {type: s3, …}`",
            ][..],
        ),
        (
            "a: b\n",
            &[
                "1:1: inputs: is missing; write `inputs: {pods: {type: kubernetes}}`",
                "1:1: outputs: is missing; write `outputs: {archive: {type: s3, …}}`",
                "1:1: a: there is no key `a`; write one of admin, data_dir, exit_when, inputs, memory_limit, node, outputs, retain, sandbox, shutdown_timeout, spot_notice",
            ][..],
        ),
        (
            "just text\n",
            &["1:1: must have keys below it; write `inputs:` and `outputs:`, each with names below it"][..],
        ),
        (
            "inputs: {a b: {type: file, include: [/f]}}\noutputs: {-o: {type: s3, inputs: [a b], bucket: abc, key: k}}\n",
            &[
                "1:10: inputs.a b: `a b` cannot be a name; write 1 to 64 letters, digits, `_`, `-` or `.`, beginning with a letter or digit",
                "2:11: outputs.-o: `-o` cannot be a name; write 1 to 64 letters, digits, `_`, `-` or `.`, beginning with a letter or digit",
            ][..],
        ),
        (
            "inputs: {a: {type: file, include: [/f]}}\noutputs:\n  o0: {type: s3, inputs: [a], bucket: abc, key: k}\n  o1: {type: s3, inputs: [a], bucket: abc, key: k}\n  o2: {type: s3, inputs: [a], bucket: abc, key: k}\n",
            &[
                "1:1: memory_limit: the default of 40MiB cannot hold one batch for each output; write `memory_limit: 42MiB` or more",
            ][..],
        ),
    ] {
        assert_problems(&whole(typed), want);
    }
}
