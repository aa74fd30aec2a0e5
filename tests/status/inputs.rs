//! Which input's lines an output has read.

use crate::rig::{Rig, lane, until_metric};
use crate::support::Services;

const INPUTS: &str = "  all:\n    type: file\n    include: [\"LOGS/*.log\"]\n  some:\n    type: file\n    \
                      include: [\"LOGS/b*\"]\n  none:\n    type: file\n    include: [\"LOGS/c*\"]\n";

fn search(name: &str, inputs: &str, url: &str) -> String {
    format!(
        "  {name}:\n    type: opensearch\n    inputs: [{inputs}]\n    url: {url}\n    index: {name}\n    max_age: 200ms\n"
    )
}

#[test]
fn an_output_reads_what_any_of_its_inputs_lists_and_counts_by_input() {
    let (rig, services) = (Rig::new(), Services::start());
    let url = &services.opensearch.url;
    rig.write("a.log", "one\ntwo\nthree\n");
    rig.write("b.log", "four\nfive\n");
    let outputs = search("wide", "all, none", url) + &search("narrow", "some", url);
    let agent = rig.start(INPUTS, &outputs, &[]);
    // Both inputs list b.log: it is one file, read by each output that lists either.
    let cases = [("wide", "all", 5.0, 24.0), ("wide", "none", 0.0, 0.0), ("narrow", "some", 2.0, 10.0)];
    for (output, input, lines, bytes) in cases {
        let labels = [("output", output), ("input", input)];
        until_metric(&agent, "tailrace_output_lines_total", &labels, lines);
        until_metric(&agent, "tailrace_output_records_total", &labels, lines);
        until_metric(&agent, "tailrace_output_read_bytes_total", &labels, bytes);
    }
    until_metric(&agent, "tailrace_output_delivered_records_total", &[("output", "narrow")], 2.0);
    until_metric(&agent, "tailrace_output_lag_seconds", &[("output", "narrow")], 0.0);
    let narrow = lane(&agent, "narrow").unwrap();
    assert_eq!(narrow["read_by_input"], serde_json::json!({"some": {"lines": 2, "records": 2, "bytes": 10}}));
    assert_eq!(narrow["read"]["lines"], 2);
}
