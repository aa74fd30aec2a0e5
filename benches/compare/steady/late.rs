//! How late records are: from the moment of the write, which the line carries, to the receipt of the request; with a
//! destination that is well, and with one that stalls again and again.

use super::Plan;
use super::agent;
use super::node::{Habits, Node, unix_ns};
use super::tap::Tap;
use crate::corpus;
use std::fmt::Write;
use std::time::Duration;

pub fn pause(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

/// A destination stalls so long, so often.
const STALL: u64 = 5;
const EVERY: u64 = 60;

pub fn latency(plan: &Plan) {
    println!(
        "latency: {} lines/s in {} files, max_age {} s, lines of {} s after {} s; seconds from write to receipt",
        plan.rate, plan.files, plan.max_age, plan.seconds, plan.warm
    );
    println!(
        "\n| agent | output | p50 | p99 | p99.9 | max | p99 - max_age | lost | twice |\n|---|---|---|---|---|---|---|---|---|"
    );
    for program in plan.agents.iter().filter(|p| agent::takes(p, &plan.outputs)) {
        for _ in 0..plan.runs {
            run(program, plan, |taps| {
                taps.iter().for_each(|tap| tap.measure(unix_ns(), i64::MAX));
                pause(plan.seconds);
            });
        }
    }
}

/// From a first line to the table; `steady` plays the part that is measured. What was received is for a closer look.
fn run(program: &crate::agents::Agent, plan: &Plan, steady: impl FnOnce(&[Tap])) -> Vec<Tap> {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("pods");
    let corpus = corpus::write(&logs, 0, plan.files, 900);
    std::fs::remove_dir_all(&logs).unwrap();
    std::fs::create_dir(&logs).unwrap();
    let taps = agent::taps(dir.path(), plan);
    let mut running = agent::start(program, dir.path(), &logs, &corpus, &taps, plan);
    let habits = Habits { rate: plan.rate, rotate_at: plan.rotate, life: None };
    let node = Node::start(&logs, &corpus.pods, plan.files as usize, habits);
    pause(plan.warm);
    steady(&taps);
    let written = node.end();
    pause(plan.max_age + 3);
    running.must_live();
    for tap in &taps {
        let (lost, twice) = tap.lost_and_twice(written);
        tap.with(|r| {
            let at = |q: f64| r.delays.value_at_quantile(q) as f64 / 1e6;
            let p99 = at(0.99);
            println!(
                "| {} | {} | {:.3} | {p99:.3} | {:.3} | {:.3} | {:+.3} | {lost} | {twice} |",
                program.name(),
                tap.name,
                at(0.5),
                at(0.999),
                r.delays.max() as f64 / 1e6,
                p99 - plan.max_age as f64
            );
        });
    }
    running.end();
    taps
}

pub fn stall(plan: &Plan) {
    println!(
        "stall: {} lines/s in {} files, max_age {} s, {} s; {} answers nothing for {STALL} s in every {EVERY} s",
        plan.rate,
        plan.files,
        plan.max_age,
        plan.seconds,
        plan.outputs.first().unwrap()
    );
    println!(
        "\n| agent | output | p50 | p99 | p99.9 | max | p99 - max_age | lost | twice |\n|---|---|---|---|---|---|---|---|---|"
    );
    for program in plan.agents.iter().filter(|p| agent::takes(p, &plan.outputs)) {
        let (mut began, mut stalls) = (0, Vec::new());
        let taps = run(program, plan, |taps| {
            began = unix_ns() / 1_000_000_000;
            taps.iter().for_each(|tap| tap.measure(unix_ns(), i64::MAX));
            let mut left = plan.seconds;
            while left > 0 {
                let calm = left.min(EVERY - STALL);
                pause(calm);
                left -= calm;
                if left == 0 {
                    break;
                }
                let from = unix_ns() / 1_000_000_000;
                taps[0].stall(true);
                pause(STALL);
                taps[0].stall(false);
                stalls.push((from, unix_ns() / 1_000_000_000));
                left = left.saturating_sub(STALL);
            }
        });
        let end = began + plan.seconds as i64;
        let series: Vec<Series> = taps.iter().map(|tap| Series::of(tap, began, end)).collect();
        recovery(&series, &stalls, plan.max_age as f64);
        if let Some(path) = &plan.chart {
            std::fs::write(path, svg(&series, &stalls, began, end)).unwrap();
            println!("chart: {}", path.display());
        }
    }
}

/// The greatest delay of what came in each second.
struct Series {
    name: String,
    points: Vec<(i64, f64)>,
}

impl Series {
    fn of(tap: &Tap, from: i64, to: i64) -> Series {
        let points = tap.with(|r| r.by_second.range(from..to).map(|(at, h)| (*at, h.max() as f64 / 1e6)).collect());
        Series { name: tap.name.clone(), points }
    }
}

/// Seconds from a stall's end until nothing comes later than is usual.
fn recovery(series: &[Series], stalls: &[(i64, i64)], max_age: f64) {
    let usual = max_age + 0.25;
    let Some(stalled) = series.first() else { return };
    let mut took: Vec<i64> = Vec::new();
    for (n, (_, end)) in stalls.iter().enumerate() {
        let next = stalls.get(n + 1).map_or(i64::MAX, |s| s.0);
        let late = stalled.points.iter().filter(|(at, delay)| (*end..next).contains(at) && *delay > usual).map(|p| p.0);
        took.push(late.max().map_or(0, |last| last + 1 - end));
    }
    println!("\nseconds after each stall until {} is within {usual} s again: {took:?}", stalled.name);
    for other in series.iter().skip(1) {
        let worst = other.points.iter().map(|p| p.1).fold(0.0, f64::max);
        println!("{}: the latest of all records came after {worst:.3} s", other.name);
    }
}

/// Time to the right, delay upwards; stalls are shaded.
fn svg(series: &[Series], stalls: &[(i64, i64)], from: i64, to: i64) -> String {
    let (wide, high, left, top) = (1_000.0, 300.0, 50.0, 20.0);
    let most = series.iter().flat_map(|s| &s.points).map(|p| p.1).fold(1.0, f64::max).ceil();
    let x = |at: i64| left + (at - from) as f64 / (to - from) as f64 * wide;
    let y = |delay: f64| top + high - delay / most * high;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        wide + left + 20.0,
        high + top + 60.0
    );
    for (begin, end) in stalls {
        let (a, b) = (x(*begin), x(*end));
        writeln!(out, "<rect x=\"{a:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{high}\" fill=\"#eee\"/>", b - a)
            .unwrap();
    }
    for delay in 0..=most as u64 {
        let at = y(delay as f64);
        writeln!(
            out,
            "<path d=\"M{left} {at:.1}h{wide}\" stroke=\"#ddd\"/><text x=\"10\" y=\"{:.1}\">{delay} s</text>",
            at + 4.0
        )
        .unwrap();
    }
    for (n, one) in series.iter().enumerate() {
        let color = ["#c0392b", "#2471a3", "#1e8449"][n % 3];
        let points: Vec<String> =
            one.points.iter().map(|(at, delay)| format!("{:.1},{:.1}", x(*at), y(*delay))).collect();
        writeln!(out, "<polyline fill=\"none\" stroke=\"{color}\" points=\"{}\"/>", points.join(" ")).unwrap();
        let at = left + n as f64 * 150.0;
        writeln!(out, "<text x=\"{at}\" y=\"{}\" fill=\"{color}\">{}</text>", high + top + 40.0, one.name).unwrap();
    }
    writeln!(out, "<text x=\"{left}\" y=\"{}\">0 s</text><text x=\"{}\" y=\"{}\">{} s: greatest delay of what came in each second</text>", high + top + 18.0, left + wide - 330.0, high + top + 18.0, to - from).unwrap();
    out.push_str("</svg>\n");
    out
}
