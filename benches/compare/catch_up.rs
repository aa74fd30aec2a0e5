//! Catch-up: files that are there already, read to their end as fast as it goes.

use crate::plan::Plan;
use crate::{agents, corpus, floor, measure};

pub fn run(plan: &Plan) {
    let (lines, files) = (plan.lines.unwrap_or(1_500_000), plan.files.unwrap_or(10));
    let place = tempfile::tempdir().expect("a temporary directory");
    let logs = place.path().join("pods");
    let corpus = corpus::write(&logs, lines, files, plan.metadata);
    println!(
        "{lines} lines, {files} files, {} B a line, metadata {} B, {}; medians of {} runs, min..max",
        corpus.bytes / lines,
        corpus.metadata_bytes,
        if plan.tls { "TLS" } else { "plain HTTP" },
        plan.runs
    );
    println!(
        "{:<12} {:<12} {:>22} {:>10} {:>9} {:>16} {:>9}",
        "output", "agent", "CPU s/M records", "B/record", "peak MiB", "wall s", "lost"
    );
    let all = ["opensearch", "s3", "s3-gzip", "cloudwatch", "all"].map(String::from);
    let outputs = if plan.outputs.is_empty() { &all[..] } else { &plan.outputs[..] };
    for output in outputs {
        for agent in &plan.agents {
            let results: Vec<_> = (0..plan.runs).map(|_| agents::run(agent, output, plan, &corpus, &logs)).collect();
            measure::row(output, agent.name(), &results);
        }
        if let Some(floor) = floor::measure(output, &corpus, &logs) {
            println!(
                "{output:<12} {:<12} {:>22} {:>10.1}",
                "(floor)",
                format!("{:.3}", floor.cpu_per_million),
                floor.bytes_per_record
            );
        }
    }
}
