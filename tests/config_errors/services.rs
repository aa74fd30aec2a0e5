//! Mistakes in what each service alone has.

use crate::assert_problems;
use crate::outputs::{cw, os, s3};

#[test]
fn mistakes_in_cloudwatch_logs_are_named() {
    for (typed, want) in [
        (
            r#"transforms: [{select: {keep: 'kubernetes.namespace == "a"'}}]"#,
            &[
                r#"10:34: outputs.o.transforms[0].select.keep: at character 1: no field `kubernetes.namespace`; did you mean `kubernetes.namespace_name`?; write a predicate such as `kubernetes.namespace_name != "kube-system"`"#,
            ][..],
        ),
        (
            r#"transforms: [{select: {keep: 'log =~ "("'}}]"#,
            &[
                r#"10:34: outputs.o.transforms[0].select.keep: at character 8: bad regular expression: unclosed group; write a predicate such as `kubernetes.namespace_name != "kube-system"`"#,
            ][..],
        ),
        (
            "transforms: [{select: {keep: 'stream'}}]",
            &[
                r#"10:34: outputs.o.transforms[0].select.keep: at character 7: expected `==`, `!=`, `=~` or `in`; write a predicate such as `kubernetes.namespace_name != "kube-system"`"#,
            ][..],
        ),
        (
            r#"transforms: [{select: {keep: 'kubernetes.annotations.owner == "a"'}}]"#,
            &[
                "10:34: outputs.o.transforms[0].select.keep: `kubernetes.annotations.owner` cannot exist: no input of this output reads it; write `metadata: {source: api, annotations: [owner]}` in the input, or another field",
            ][..],
        ),
        (
            r#"transforms: [{select: {keep: 'hots == "a"'}}]"#,
            &[
                r#"10:34: outputs.o.transforms[0].select.keep: at character 1: no field `hots`; did you mean `kubernetes.host`?; write a predicate such as `kubernetes.namespace_name != "kube-system"`"#,
            ][..],
        ),
        (
            "transforms: [{select: {keep: ''}}]",
            &["10:34: outputs.o.transforms[0].select.keep: has no value; write one, or remove the key"][..],
        ),
        (
            "retention_days: 31",
            &[
                "10:21: outputs.o.retention_days: CloudWatch does not take `31` days; write `60` (allowed: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)",
            ][..],
        ),
        (
            "retention_days: 30d",
            &["10:21: outputs.o.retention_days: is a number of days without a unit; write `30`"][..],
        ),
        ("create: no", &["10:13: outputs.o.create: must be true or false, not `no`; write `true` or `false`"][..]),
        (
            "log_class: standard",
            &[
                "10:16: outputs.o.log_class: `standard` is not allowed here; write `STANDARD` (allowed: STANDARD, INFREQUENT_ACCESS)",
            ][..],
        ),
        ("format: xml", &["10:13: outputs.o.format: `xml` is not allowed here; write one of json, text"][..]),
        (
            "out_of_window: clamp",
            &["10:20: outputs.o.out_of_window: `clamp` is not allowed here; write one of drop, dead_letter"][..],
        ),
        ("concurrency: 33", &["10:18: outputs.o.concurrency: 33 is too large; write a value from 1 to 32"][..]),
        ("max_age: 2h", &["10:14: outputs.o.max_age: 2h is too large; write a value from 100ms to 1h"][..]),
        (
            "create: false\n    kms_key_id: k",
            &[
                "11:5: outputs.o.kms_key_id: applies to groups that are created here, and `create: false` creates none; remove one of the two",
            ][..],
        ),
        (
            "format: text\n    transforms: [{merge_json: {}}]",
            &[
                "10:5: outputs.o.format: `text` sends the body alone, and `merge_json` changes only the document; remove one of the two",
            ][..],
        ),
        (
            "url: http://h",
            &["10:5: outputs.o.url: is not a key here; remove it: it belongs to outputs of `type: opensearch`"][..],
        ),
    ] {
        assert_problems(&cw(typed), want);
    }
}

#[test]
fn mistakes_in_s3_are_named() {
    for (typed, want) in [
        ("compression: gz", &["11:18: outputs.o.compression: `gz` is not allowed here; write one of zstd, gzip"][..]),
        (
            "object_size: 1MiB",
            &["11:18: outputs.o.object_size: 1MiB is too small; write a value from 5MiB to 4GiB"][..],
        ),
        (
            "storage_class: GLACIER_DEEP",
            &[
                "11:20: outputs.o.storage_class: `GLACIER_DEEP` is not allowed here; write `GLACIER` (allowed: STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING, GLACIER_IR, GLACIER, DEEP_ARCHIVE, REDUCED_REDUNDANCY)",
            ][..],
        ),
        (
            "sse: kms",
            &["11:10: outputs.o.sse: `kms` is not allowed here; write one of AES256, aws:kms, aws:kms:dsse"][..],
        ),
        (
            "kms_key_id: k",
            &[
                "11:5: outputs.o.kms_key_id: says nothing without `sse: aws:kms`; write `sse: aws:kms` beside it, or remove it",
            ][..],
        ),
        (
            "sse: AES256\n    kms_key_id: k",
            &[
                "12:5: outputs.o.kms_key_id: says nothing without `sse: aws:kms`; write `sse: aws:kms` beside it, or remove it",
            ][..],
        ),
        (
            "sign_payload: 1",
            &["11:19: outputs.o.sign_payload: must be true or false, not `1`; write `true` or `false`"][..],
        ),
    ] {
        assert_problems(&s3(typed), want);
    }
}

#[test]
fn mistakes_in_opensearch_are_named() {
    for (typed, want) in [
        (
            "auth: basic",
            &[
                r#"11:11: outputs.o.auth: must have keys below it; write `auth: {type: basic, username: NAME, password: "${PASSWORD}"}`"#,
            ][..],
        ),
        (
            "auth: {type: basic, username: u}",
            &[r#"11:5: outputs.o.auth.password: is missing; write `password: "${PASSWORD}"`"#][..],
        ),
        (
            "auth: {type: basic, username: u, password: (hidden)}",
            &[
                r#"11:48: outputs.o.auth.password: is what `print-config` writes in place of a password; write the password itself, or better `"${PASSWORD}"`"#,
            ][..],
        ),
        (
            r#"auth: {type: basic, username: 'u:v', password: "p\n"}"#,
            &[
                "11:35: outputs.o.auth.username: holds a colon, which basic authentication cannot send; write another name",
                "11:52: outputs.o.auth.password: ends in a line break, perhaps from the file that it came from; write it without",
            ][..],
        ),
        (
            "auth: {type: aws, service: s3}",
            &["11:32: outputs.o.auth.service: `s3` is not allowed here; write one of es, aoss"][..],
        ),
        (
            "auth: {type: aws, region: eu-west-1}",
            &["11:23: outputs.o.auth.region: is not a key here; write `region` beside `auth`, not below it"][..],
        ),
        (
            "auth: {type: none, username: u}",
            &["11:24: outputs.o.auth.username: is not a key here; remove it: it belongs to `type: basic`"][..],
        ),
        (
            "region: eu-west-1",
            &["11:5: outputs.o.region: is used only with `auth: {type: aws}`; write that, or remove the key"][..],
        ),
        (
            "document_id: yes",
            &["11:18: outputs.o.document_id: `yes` is not allowed here; write one of derived, none"][..],
        ),
        (
            "endpoint: http://h",
            &[
                "11:5: outputs.o.endpoint: is not a key here; remove it: it belongs to outputs of `type: cloudwatch_logs` or `s3`",
            ][..],
        ),
    ] {
        assert_problems(&os(typed), want);
    }
}
