//! How the cost grows: a table each over cores, files, bytes a record, bytes of metadata, and outputs.
//!
//! One thing changes at a time, the rest is catch-up of one corpus to one output (`--output`, else `opensearch`). Each
//! row writes its corpus anew; `--lines` is for the short records, longer ones are fewer so that a corpus stays below
//! [`MOST_BYTES`].

use crate::agents::{self, Agent, Target, World};
use crate::corpus::{self, Shape};
use crate::measure::{self, Cost};
use crate::plan::Plan;
use crate::table::Table;

const CORES: [usize; 4] = [1, 2, 3, 4];
const FILES: [u64; 8] = [1, 10, 50, 100, 500, 1_000, 2_000, 5_000];
const BODIES: [usize; 8] = [20, 100, 240, 1_000, 4_000, 16_000, 32_000, 100_000];
const METADATA: [usize; 6] = [100, 500, 900, 1_500, 2_500, 4_000];
const OUTPUTS: [usize; 6] = [1, 2, 3, 4, 6, 10];
const MOST_BYTES: u64 = 400_000_000;

/// What one row runs.
struct Point {
    name: String,
    shape: Shape,
    outputs: Vec<Target>,
    cores: Option<usize>,
}

pub fn run(plan: &Plan) {
    let output = plan.outputs.first().map_or("opensearch", String::as_str);
    let lines = plan.lines.unwrap_or(400_000);
    let shape = Shape { lines, files: plan.files.unwrap_or(10), metadata: plan.metadata, body: None };
    let point = |name: String, shape: Shape| Point { name, shape, outputs: agents::targets(output), cores: None };
    println!("{lines} lines in {} files to {output}, {} runs; load {}", shape.files, plan.runs, measure::load());

    let cores = CORES.iter().filter(|n| **n <= std::thread::available_parallelism().map_or(1, usize::from));
    let all = agents::targets("all");
    let three = |n: &usize| Point { outputs: all.clone(), cores: Some(*n), ..point(n.to_string(), shape) };
    table(plan, "cores", "one of each output", &cores.map(three).collect::<Vec<_>>());

    let files = FILES.map(|files| point(files.to_string(), Shape { files, ..shape }));
    table(plan, "files", "all lines are in so many", &files);

    let bodies = BODIES.map(|body| {
        let lines = lines.min(MOST_BYTES / (body as u64 + 50));
        point(body.to_string(), Shape { body: Some(body), lines, ..shape })
    });
    table(plan, "line", "bytes of a line", &bodies);

    let metadata = METADATA.map(|metadata| point(metadata.to_string(), Shape { metadata, ..shape }));
    table(plan, "metadata", "bytes of metadata", &metadata);

    let outputs = OUTPUTS.map(|n| {
        let name = |i: usize| Target { name: format!("to-{i}"), kind: output.into() };
        Point { outputs: (0..n).map(name).collect(), ..point(n.to_string(), shape) }
    });
    table(plan, "outputs", "of one kind", &outputs);
}

fn table(plan: &Plan, what: &str, note: &str, points: &[Point]) {
    if !plan.only.is_empty() && !plan.only.iter().any(|one| one == what) {
        return;
    }
    println!("\n{what} ({note})\n");
    let table = Table::new(&[
        what,
        "records",
        "CPU s per M records",
        "B/record",
        "peak MiB",
        "steady MiB",
        "wall s",
        "lost",
        "CPU s per GB read",
        "records/s",
    ]);
    for point in points {
        let place = tempfile::Builder::new().prefix("compare-").tempdir().expect("a temporary directory");
        let corpus = corpus::write_shape(&place.path().join("pods"), &point.shape);
        let world = World { place: place.path(), corpus: &corpus, tls: plan.tls, cores: point.cores };
        let agent = Agent::tailrace();
        let costs: Vec<Cost> = (0..plan.runs).map(|_| agents::run(&agent, "", &point.outputs, &world)).collect();
        let row = measure::row(&costs);
        let records = point.shape.lines as f64 * point.outputs.len() as f64;
        let read = corpus.bytes as f64 * point.outputs.len() as f64;
        let mut cells = vec![point.name.clone(), point.shape.lines.to_string()];
        cells.extend(row.cells());
        cells.push(format!("{:.2}", row.cpu.0 * records / 1e6 / (read / 1e9)));
        cells.push(format!("{:.0}", records / row.wall.0));
        table.row(&cells);
    }
}
