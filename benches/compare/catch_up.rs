//! Catch-up: files that are there already, read to their end as fast as it goes; agents take turns.

use crate::agents::World;
use crate::measure::{Cost, Row};
use crate::plan::Plan;
use crate::table::Table;
use crate::{agents, corpus, floor, measure, node};

const OUTPUTS: [&str; 5] = ["opensearch", "s3", "s3-gzip", "cloudwatch", "all"];

pub fn run(plan: &Plan) {
    let (lines, files) = (plan.lines.unwrap_or(1_500_000), plan.files.unwrap_or(10));
    let place = tempfile::Builder::new().prefix("compare-").tempdir().expect("a temporary directory");
    let corpus = corpus::write(&place.path().join("pods"), lines, files, plan.metadata);
    node::lay(place.path(), &corpus);
    println!(
        "{lines} lines in {files} files, {} B a line, metadata {} B, {}; {} runs in turns: medians (least..most); load {}\n",
        corpus.bytes / lines,
        corpus.metadata_bytes,
        if plan.tls { "TLS" } else { "plain HTTP" },
        plan.runs,
        measure::load()
    );
    let table = Table::new(&[
        "output",
        "agent",
        "CPU s per M records",
        "x tailrace",
        "B/record",
        "peak MiB",
        "steady MiB",
        "wall s",
        "lost",
    ]);
    let world = World { place: place.path(), corpus: &corpus, tls: plan.tls, cores: None };
    let all = OUTPUTS.map(String::from);
    let outputs = if plan.outputs.is_empty() { &all[..] } else { &plan.outputs[..] };
    for output in outputs {
        one(plan, output, &world, &table);
    }
}

fn one(plan: &Plan, output: &str, world: &World<'_>, table: &Table) {
    let agents: Vec<_> = plan.agents.iter().filter(|agent| agent.knows(output)).collect();
    let mut costs: Vec<Vec<Cost>> = agents.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.runs {
        for (agent, costs) in agents.iter().zip(&mut costs) {
            costs.push(agents::run(agent, output, &agents::targets(output), world));
        }
    }
    let rows: Vec<Row> = costs.iter().map(|costs| measure::row(costs)).collect();
    let ours = rows.first().map_or(f64::NAN, |row| row.cpu.0);
    for (agent, row) in agents.iter().zip(&rows) {
        let mut cells = vec![output.to_string(), agent.name().to_string()];
        cells.extend(row.cells());
        cells.insert(3, format!("{:.2}", row.cpu.0 / ours));
        table.row(&cells);
    }
    let floors: Vec<_> = agents::targets(output)
        .iter()
        .map(|target| floor::measure(&target.kind, world.corpus, &world.place.join("pods")))
        .collect();
    let mean = |of: &dyn Fn(&floor::Floor) -> f64| floors.iter().map(of).sum::<f64>() / floors.len() as f64;
    let cpu = mean(&|f| f.cpu_per_million);
    let bytes = mean(&|f| f.bytes_per_record);
    let cells = [output, "(floor)", &format!("{cpu:.2}"), &format!("{:.2}", cpu / ours), &format!("{bytes:.1}")];
    let cells = cells.map(String::from).into_iter().chain(["", "", "", ""].map(String::from));
    table.row(&cells.collect::<Vec<_>>());
}
