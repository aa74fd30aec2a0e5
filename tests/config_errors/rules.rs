//! Mistakes in `namespaces`, `pods` and `pods_may` of an input.

use crate::assert_problems;

/// An input with these lines, which begin at line 4.
fn assert_input(lines: &str, want: &[&str]) {
    let outputs = "outputs: {s: {type: opensearch, inputs: [p], url: 'http://s:9200', index: i}}\n";
    let text =
        format!("data_dir: /d\ninputs:\n  p: {{type: kubernetes, metadata: {{source: api}},\n{lines}}}\n{outputs}");
    assert_problems(&text, want);
}

#[test]
fn selectors_and_what_pods_may() {
    assert_input(
        "namespaces: {includ: [a], exclude: [Shop, 'a b', kube-*]}",
        &[
            "4:14: inputs.p.namespaces.includ: there is no key `includ`; write `include`",
            "4:37: inputs.p.namespaces.exclude[0]: `Shop` cannot be a namespace; write small letters, digits and `-`, with `*` for any text and `?` for one character",
            "4:43: inputs.p.namespaces.exclude[1]: `a b` cannot be a namespace; write small letters, digits and `-`, with `*` for any text and `?` for one character",
        ],
    );
    assert_input(
        "namespaces: {include: []}",
        &["4:23: inputs.p.namespaces.include: is an empty list; write at least one item"],
    );
    assert_input(
        "pods: {label: 'app=web'}",
        &[
            "4:1: inputs.p.pods.labels: is missing; write `labels: 'app=web, tier!=cache'`",
            "4:8: inputs.p.pods.label: there is no key `label`; write `labels`",
        ],
    );
    assert_input(
        "pods: {labels: 'app=web tier=x'}",
        &[
            "4:16: inputs.p.pods.labels: is not a label selector: `tier=x` is not understood here (at character 9); write `,` between two requirements",
        ],
    );
    assert_input(
        "pods_may: [exclud, parser]",
        &["4:12: inputs.p.pods_may[0]: `exclud` is not allowed here; write `exclude` (allowed: exclude, parser)"],
    );
    assert_input("pods_may: exclude", &["4:11: inputs.p.pods_may: must be a list; write `[exclude]`"]);
}

#[test]
fn what_pods_are_needs_more_than_their_path() {
    assert_problems(
        "data_dir: /d\ninputs:\n  p: {type: kubernetes, pods: {labels: app}, pods_may: [exclude], namespaces: {exclude: [x]}}\n  \
         f: {type: file, include: [/a], pods_may: [exclude]}\n\
         outputs: {s: {type: opensearch, inputs: [p, f], url: 'http://s:9200', index: i}}\n",
        &[
            "3:25: inputs.p.pods: needs to know the pod, not only its path; write `metadata: {source: api}` for this input",
            "3:46: inputs.p.pods_may: needs to know the pod, not only its path; write `metadata: {source: api}` for this input",
            "4:34: inputs.f.pods_may: is not a key here; remove it: it belongs to inputs of `type: kubernetes`",
        ],
    );
}
