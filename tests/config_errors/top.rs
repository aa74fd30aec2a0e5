//! Mistakes at the top, in inputs, and in what is not YAML.

use crate::assert_problems;

/// `line` above what is right: line 1.
fn top(line: &str) -> String {
    format!(
        "{line}\ninputs: {{f: {{type: file, include: [/f]}}}}\noutputs: {{o: {{type: s3, inputs: [f], bucket: abc, key: k}}}}\n"
    )
}

/// An input that is `line`: line 2.
fn inp(line: &str) -> String {
    format!("inputs:\n  i: {line}\noutputs: {{o: {{type: s3, inputs: [i], bucket: abc, key: k}}}}\n")
}

fn whole(text: &str) -> String {
    text.to_string()
}

#[test]
fn mistakes_in_keys_at_the_top_are_named() {
    for (typed, want) in [
        (
            "data_dir: lib",
            &["1:11: data_dir: `lib` is not an absolute path; write it from the root, beginning with `/`"][..],
        ),
        ("memory_limit: 40", &["1:15: memory_limit: a size needs its unit; write `40B`, `40KiB` or `40MiB`"][..]),
        (
            "memory_limit: 21MiB",
            &["1:15: memory_limit: 21MiB cannot hold one batch for each output; write `22MiB` or more"][..],
        ),
        ("memory_limit: 64M", &["1:15: memory_limit: `M` is not a unit of size; write `64MiB`"][..]),
        ("shutdown_timeout: 5s", &["1:19: shutdown_timeout: 5s is too small; write a value from 10s to 1h"][..]),
        ("shutdown_timeout: 25 sec", &["1:19: shutdown_timeout: `sec` is not a unit of time; write `25s`"][..]),
        (
            "admin: {listen: 'localhost:9780'}",
            &[
                r#"1:17: admin.listen: `localhost:9780` is not an address and a port; write an IP address and a port, such as `"127.0.0.1:9780"`, or `none`"#,
            ][..],
        ),
        ("admin: {port: 9780}", &["1:9: admin.port: there is no key `port`; write one of listen"][..]),
        ("admin: none", &[r#"1:8: admin: must have keys below it; write `admin: {listen: "127.0.0.1:9780"}`"#][..]),
        (
            "node: 'a b'",
            &["1:7: node: `a b` cannot be the name of a node; write 1 to 253 letters, digits, `-`, `_` or `.`"][..],
        ),
        ("node:", &["1:5: node: has no value; write one, or remove the key"][..]),
        (
            "retain: {max_bytes: 1GiB, min_free: 20}",
            &["1:37: retain.min_free: a share needs its percent sign; write `20%`"][..],
        ),
        ("retain: {min_free: 99%}", &["1:20: retain.min_free: 99% is too large; write a value from 0% to 95%"][..]),
        (
            "exit_when: done",
            &[
                "1:12: exit_when: `done` is none of what ends an agent; write `exit_when: {file: /logs/done}`, `exit_when: {idle: 30s}` or `exit_when: stopped`",
            ][..],
        ),
        (
            "exit_when: {file: done, idle: 10ms, signal: true}",
            &[
                "1:19: exit_when.file: `done` is not an absolute path; write it from the root, beginning with `/`",
                "1:31: exit_when.idle: 10ms is too small; write a value from 1s to 1d",
                "1:37: exit_when.signal: there is no key `signal`; write one of file, idle",
            ][..],
        ),
        (
            "exit_when: {}",
            &[
                "1:12: exit_when: names nothing that ends the agent; write `exit_when: {file: /logs/done}`, `exit_when: {idle: 30s}` or `exit_when: stopped`",
            ][..],
        ),
        ("threads: 4", &["1:1: threads: not there yet: each output has one thread of its own; remove the key"][..]),
        (
            "thread: 4",
            &[
                "1:1: thread: there is no key `thread`; write one of admin, data_dir, exit_when, inputs, memory_limit, node, outputs, retain, sandbox, shutdown_timeout, spot_notice",
            ][..],
        ),
        ("datadir: /d", &["1:1: datadir: there is no key `datadir`; write `data_dir`"][..]),
        ("<<: {a: b}", &["1:1: <<: is a merge key; write the keys out: anchors are not read"][..]),
        (
            "outputs: {}",
            &[
                "1:1: outputs: has no output; write outputs below it, such as `archive: {type: s3, …}`",
                "3:1: outputs: is given twice, first in line 1; remove one of the two",
            ][..],
        ),
        (
            "retain: {copies: 1}",
            &["1:10: retain.copies: there is no key `copies`; write one of max_bytes, min_free"][..],
        ),
        ("data_dir: /a/../b", &["1:11: data_dir: `/a/../b` holds `..`; write the path without it"][..]),
    ] {
        assert_problems(&top(typed), want);
    }
}

#[test]
fn mistakes_in_inputs_are_named() {
    for (typed, want) in [
        ("{}", &["2:3: inputs.i.type: is missing; write `type: kubernetes`"][..]),
        (
            "{type: kubernets}",
            &["2:13: inputs.i.type: `kubernets` is not allowed here; write `kubernetes` (allowed: kubernetes, file)"][..],
        ),
        (
            "{type: journald}",
            &["2:13: inputs.i.type: not there yet: inputs of type `journald`; write `kubernetes` or `file`"][..],
        ),
        (
            "{type: forward}",
            &["2:13: inputs.i.type: not there yet: inputs of type `forward`; write `kubernetes` or `file`"][..],
        ),
        (
            "{type: host_metrics}",
            &["2:13: inputs.i.type: not there yet: inputs of type `host_metrics`; write `kubernetes` or `file`"][..],
        ),
        ("{include: [/f]}", &["2:3: inputs.i.type: is missing; write `type: kubernetes`"][..]),
        ("{type: file}", &["2:3: inputs.i.include: is missing; write `include: [/var/log/messages]`"][..]),
        ("{type: file, include: /f}", &["2:28: inputs.i.include: must be a list; write `[/f]`"][..]),
        (r#"{type: file, include: "a\nb"}"#, &[r"2:28: inputs.i.include: must be a list; write `[a\nb]`"][..]),
        ("{type: file, include: []}", &["2:28: inputs.i.include: is an empty list; write at least one item"][..]),
        (
            "{type: file, include: [f, /a/../b, 5]}",
            &[
                "2:29: inputs.i.include[0]: `f` is not an absolute path; write it from the root, beginning with `/`",
                "2:32: inputs.i.include[1]: `/a/../b` holds `..`; write the path without it",
                "2:41: inputs.i.include[2]: `5` is not an absolute path; write it from the root, beginning with `/`",
            ][..],
        ),
        (
            "{type: file, include: [/f], metadata: {source: api, pod_name: a, namespace_name: a, pod_id: a}}",
            &[
                "2:53: inputs.i.metadata.source: `api` is for inputs of `type: kubernetes`; write `downward`: these files are those of the pod that the agent runs in",
            ][..],
        ),
        (
            "{type: file, include: [/f], metadata: {source: downward, pod_name: 'a b', pod_id: a, container: c}}",
            &[
                "2:34: inputs.i.metadata.namespace_name: is not known: the environment has no variable POD_NAMESPACE; set it with `fieldRef: {fieldPath: metadata.namespace}`",
                "2:73: inputs.i.metadata.pod_name: `a b` is not a name of Kubernetes; write letters, digits, `-` and `.` alone",
                "2:91: inputs.i.metadata.container: there is no key `container`; write `container_name`",
            ][..],
        ),
        (
            "{type: file, include: [/f], path: /p}",
            &["2:34: inputs.i.path: is not a key here; remove it: it belongs to inputs of `type: kubernetes`"][..],
        ),
        (
            "{type: file, include: [/f], multiline: {}}",
            &["2:34: inputs.i.multiline: not there yet: records of several lines; remove the key"][..],
        ),
        (
            "{type: kubernetes, start: now}",
            &["2:32: inputs.i.start: `now` is not allowed here; write one of beginning, end"][..],
        ),
        (
            "{type: kubernetes, max_record: 2MiB}",
            &["2:37: inputs.i.max_record: 2MiB is too large; write a value from 1KiB to 1MiB"][..],
        ),
        (
            "{type: kubernetes, max_record: 1000}",
            &["2:37: inputs.i.max_record: a size needs its unit; write `1000B`, `1000KiB` or `1000MiB`"][..],
        ),
        (
            "{type: kubernetes, metadata: {source: kubelet, kubelet: {url: 'https://n1/pods'}}}",
            &[
                "2:68: inputs.i.metadata.kubelet.url: `https://n1/pods` is not kubelet's address; write `https://HOST:10250`, with the node's name or address",
            ][..],
        ),
        (
            "{type: kubernetes, metadata: {source: path, node_labels: true, kubelet: {verify: false}}}",
            &[
                "2:50: inputs.i.metadata.node_labels: is not for this source of metadata; write `source: api` beside it, or remove it",
                "2:69: inputs.i.metadata.kubelet: is not for this source of metadata; write `source: kubelet` beside it, or remove it",
            ][..],
        ),
        (
            "{type: kubernetes, metadata: {sourc: api}}",
            &["2:36: inputs.i.metadata.sourc: there is no key `sourc`; write `source`"][..],
        ),
        (
            "{type: kubernetes, metadata: {source: api, fields: [pod_ips, uid]}}",
            &[
                "2:58: inputs.i.metadata.fields[0]: there is no fact `pod_ips` to ask for; write `pod_ip`",
                "2:67: inputs.i.metadata.fields[1]: there is no fact `uid` to ask for; write some of pod_ip, container_hash, owner_kind, owner_name, restart_count",
            ][..],
        ),
        (
            "{type: kubernetes, metadata: {labels: yes, annotations: ['*'], wait: 10}}",
            &[
                "2:44: inputs.i.metadata.labels: must be true or false, not `yes`; write `true` or `false`",
                "2:63: inputs.i.metadata.annotations[0]: `*` is not the name of an annotation; write its exact name, such as `prometheus.io/port` (there are no patterns)",
                "2:75: inputs.i.metadata.wait: a duration needs its unit; write `10s`, or with ms, m, h, d",
            ][..],
        ),
        (
            "{type: kubernetes, docker_roots: [docker]}",
            &[
                "2:40: inputs.i.docker_roots[0]: `docker` is not an absolute path; write it from the root, beginning with `/`",
            ][..],
        ),
        (
            "{type: kubernetes, exclude: [pods/*]}",
            &[
                "2:35: inputs.i.exclude[0]: `pods/*` is not an absolute path; write it from the root, beginning with `/`",
            ][..],
        ),
        ("file", &["2:6: inputs.i: must have keys below it; write `type: kubernetes` or `type: file`"][..]),
    ] {
        assert_problems(&inp(typed), want);
    }
}

#[test]
fn two_sources_of_the_same_pods_are_refused() {
    let text = "inputs:\n  a: {type: kubernetes, metadata: {source: api}}\n  b: {type: kubernetes, metadata: {source: kubelet}}\n\
                outputs: {o: {type: s3, inputs: [a, b], bucket: abc, key: k}}\n";
    let want = "1:1: inputs: ask the API server and kubelet for the same pods; write the same `metadata: {source: ...}` in all of them";
    assert_problems(text, &[want]);
}

#[test]
fn mistakes_in_what_is_not_plain_yaml_are_named() {
    for (typed, want) in [
        ("", &["1:1: the file is empty; write `inputs:` and `outputs:`"][..]),
        ("# nothing\n", &["1:1: the file is empty; write `inputs:` and `outputs:`"][..]),
        (
            "a: 1\n---\nb: 2\n",
            &[
                "2:1: a second document begins here; write the whole configuration in one document, without `---` between its parts",
            ][..],
        ),
        ("a:\n\tb: 1\n", &["2:2: a tab where YAML wants spaces; write spaces"][..]),
        (
            "a: b: c\n",
            &[
                "1:5: not YAML: a second `: ` in one line, or a line that is indented too far; write a value that holds `: ` in quotes, and keys of one level in one column",
            ][..],
        ),
        ("a: 'b\n", &["1:4: not YAML: a quote is never closed; write the closing quote"][..]),
        (
            "inputs: &x {}\noutputs: *x\n",
            &[
                "1:12: inputs: has an anchor (`&`); write the value without it, once in each place: anchors are not read",
                "2:10: outputs: refers to an anchor with `*`; write the value out: aliases are not read",
            ][..],
        ),
        (
            "inputs: !set {}\noutputs: {}\n",
            &[
                "1:14: inputs: has the tag `!set`; write the value without it: tags are not read",
                "2:1: outputs: has no output; write outputs below it, such as `archive: {type: s3, …}`",
            ][..],
        ),
        (
            "? [a]\n: b\n",
            &[
                "1:1: inputs: is missing; write `inputs: {pods: {type: kubernetes}}`",
                "1:1: outputs: is missing; write `outputs: {archive: {type: s3, …}}`",
                "1:3: a key must be a name; write `name: value`",
            ][..],
        ),
    ] {
        assert_problems(&whole(typed), want);
    }
}

#[test]
fn mistakes_in_keys_and_variables_are_named() {
    for (typed, want) in [
        ("data_dir: /d\ndata_dir: /e", &["2:1: data_dir: is given twice, first in line 1; remove one of the two"][..]),
        (
            "data_dir: ${DATA}",
            &["1:11: data_dir: the environment has no variable `DATA`; set it, or write `${DATA:-default}`"][..],
        ),
        (
            "data_dir: /${DATA}/${MORE:-x}/${MORE}",
            &[
                "1:11: data_dir: the environment has no variable `DATA`; set it, or write `${DATA:-default}`",
                "1:11: data_dir: the environment has no variable `MORE`; set it, or write `${MORE:-default}`",
            ][..],
        ),
        (
            "data_dir: '${DATA'",
            &[
                "1:11: data_dir: `${DATA` has no closing brace; write `${NAME}`, or `$${` for the two characters as they are",
            ][..],
        ),
        (
            "data_dir: ${1}",
            &[
                "1:11: data_dir: `${1}` names no variable; write `${NAME}` or `${NAME:-default}`, or `$${` for the two characters as they are",
            ][..],
        ),
        (
            "data_dir: ${DATA:-${MORE}}",
            &["1:11: data_dir: the default of `${DATA}` holds another variable; write plain text as the default"][..],
        ),
        ("data_dir: [/d]", &["1:11: data_dir: is a list; write one value"][..]),
        ("data_dir: {a: b}", &["1:11: data_dir: has keys below it; write one value"][..]),
        ("data_dir: ''", &["1:11: data_dir: has no value; write one, or remove the key"][..]),
        ("data_dir: ${DATA:-}", &["1:11: data_dir: has no value; write one, or remove the key"][..]),
        (
            "data_dir: ${RELATIVE}",
            &["1:11: data_dir: `lib` is not an absolute path; write it from the root, beginning with `/`"][..],
        ),
        ("data_dir: ${LINES}", &["1:11: data_dir: holds a control character; write it without"][..]),
    ] {
        assert_problems(&top(typed), want);
    }
}
