//! The scenarios in which memory has to stay below its bound, in any size.
//!
//! Each writes what its name says, waits until everything has arrived in every output, and gives the account.

use crate::support::now;
use crate::world::{Outcome, Shape, World, pause, pod_json, pod_json_in, text};
use std::io::Write;
use std::time::Duration;
use tailrace::standin::{Fault, Rule};

/// One output refuses everything while its files grow and are rotated; then it is back.
pub fn destination_down(output: &str, files: usize, seconds: u64) -> Outcome {
    let mut world = World::new(Shape::default(), |w| (0..files).for_each(|n| w.lines(n, "0.log", 5)));
    (0..files).for_each(|n| world.api.put(&pod_json(n)));
    let of = |name: &str| world.services.each().iter().position(|(n, _)| *n == name).unwrap();
    let (at, begun) = (of(output), now().mono);
    let fault = Fault::Status { code: 503, error: "ServiceUnavailable".into(), retry_after: None };
    world.services.each()[at].1.control.fault(Rule::always(fault));
    let mut round = 0;
    while now().mono - begun < Duration::from_secs(seconds) {
        world.write(|w| (0..files).for_each(|n| w.lines(n, "0.log", 2)));
        round += 1;
        // Fewer files in all than this process may hold open.
        if round % 20 == 0 {
            world.write(|w| (0..files).for_each(|n| rotate(&w.pod(n), round)));
        }
        pause(500);
    }
    world.services.each()[at].1.control.clear_faults();
    world.until_arrived();
    pause(2_000);
    world.end(format!("{output} down for {seconds} s, {files} files growing and rotated"))
}

/// Everything lies there already: each output reads, packs and sends as fast as it can, to so many keys, over TLS.
pub fn full_speed(files: usize, lines: usize, gzip: bool) -> Outcome {
    let shape = Shape { spaces: 50, gzip, tls: true, ..Shape::default() };
    let world = World::new(shape, |w| (0..files).for_each(|n| w.lines(n, "0.log", lines / files)));
    (0..files).for_each(|n| world.api.put(&pod_json_in(shape, n)));
    world.until_arrived();
    pause(2_000);
    let pack = if gzip { "gzip" } else { "zstd" };
    world.end(format!("{lines} lines at full speed, {files} files, 50 keys, S3 {pack}"))
}

/// Lines of 1 MiB of what JSON needs six characters for each, and JSON in JSON seven.
#[allow(dead_code, reason = "of the bench alone")]
pub fn control_characters(lines: usize) -> Outcome {
    let world = World::new(Shape { tls: true, ..Shape::default() }, |w| {
        (0..lines).for_each(|n| {
            let path = w.plain().join(format!("wide-{:02}.log", n % 20));
            w.wide_line(&path, 1 << 20);
        });
    });
    world.until_arrived();
    pause(2_000);
    world.end(format!("{lines} lines of 1 MiB of control characters"))
}

/// Nothing to read but a few lines in the beginning.
#[allow(dead_code, reason = "of the bench alone")]
pub fn at_rest(seconds: u64) -> Outcome {
    let mut world = World::new(Shape { tls: true, ..Shape::default() }, |w| w.lines(0, "0.log", 10));
    world.api.put(&pod_json(0));
    world.until_arrived();
    world.write(|w| w.lines(0, "0.log", 10));
    world.until_arrived();
    pause(seconds * 1_000);
    world.end(format!("at rest for {seconds} s"))
}

/// As kubelet: the live file gets a stamp, the newest four of those stay.
fn rotate(dir: &std::path::Path, round: u32) {
    std::fs::rename(dir.join("0.log"), dir.join(format!("0.log.20260101-{round:06}"))).unwrap();
    let mut rotated: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    rotated.sort();
    let surplus = rotated.len().saturating_sub(4);
    rotated.iter().take(surplus).for_each(|path| std::fs::remove_file(path).unwrap());
}

/// Pods come, say something, are delivered and go, directories and all; `alive` of them at a time.
pub fn pods_come_and_go(pods: usize, alive: usize) -> Outcome {
    let mut world = World::new(Shape::default(), |_| {});
    let mut first = 0.0;
    for wave in 0..pods.div_ceil(alive) {
        let these = wave * alive..((wave + 1) * alive).min(pods);
        for n in these.clone() {
            world.api.put(&pod_json(n));
            world.write(|w| w.lines(n, "0.log", 5));
        }
        world.until_arrived();
        for n in these {
            world.api.delete(&pod_json(n));
            world.write(|w| std::fs::remove_dir_all(w.pod(n).parent().unwrap()).unwrap());
        }
        if wave == 0 {
            first = world.resident_mib();
        }
    }
    world.until("the last pod to be forgotten", |w| w.figure("tailrace_input_files", &[]) == 0.0);
    pause(2_000);
    world.end(format!("{pods} pods come and go, {alive} at a time ({first:.0} MiB after the first)"))
}

/// One line of so many bytes, without an end for long.
pub fn long_line(mib: usize) -> Outcome {
    let mut world = World::new(Shape::default(), |w| w.lines(0, "0.log", 1));
    world.api.put(&pod_json(0));
    let path = world.place.path().join("files/long.log");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut n = 0;
    for _ in 0..mib {
        let mut piece = Vec::with_capacity(2 << 20);
        while piece.len() < 1 << 20 {
            n += 1;
            piece.extend_from_slice(text(n).as_bytes());
        }
        file.write_all(&piece[..1 << 20]).unwrap();
    }
    drop(file);
    world.write(|w| w.plain_line(&path));
    let bytes = (mib as f64) * f64::from(1 << 20);
    world.until("the whole line in every output", |w| {
        w.services
            .each()
            .iter()
            .all(|(name, _)| w.figure("tailrace_output_delivered_bytes_total", &[("output", name)]) > bytes)
    });
    world.until_arrived();
    std::fs::remove_file(path).unwrap();
    pause(2_000);
    world.end(format!("a line of {mib} MiB"))
}

/// Files in which there is nothing; then some of them are written to.
pub fn empty_files(files: usize, directories: usize) -> Outcome {
    let path = |w: &crate::world::Files, n: usize| w.plain().join(format!("{:04}/app-{n:06}.log", n % directories));
    let mut world = World::new(Shape::default(), |w| {
        for n in 0..files {
            let path = path(w, n);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::File::create(path).unwrap();
        }
    });
    world.until("all files to be seen", |w| w.seen() >= files as f64);
    // Past the time for which a new file is looked at closely.
    pause(8_000);
    world.write(|w| (0..files).step_by(files / 50).for_each(|n| w.plain_line(&path(w, n))));
    world.until_arrived();
    pause(2_000);
    world.end(format!("{files} empty files, 50 of them written to in the end"))
}

/// Each pod is a key of its own in every output, and all are written to at once, again and again.
pub fn many_keys(keys: usize, rounds: usize) -> Outcome {
    let mut world = World::new(Shape { key_per_pod: true, ..Shape::default() }, |_| {});
    (0..keys).for_each(|n| world.api.put(&pod_json(n)));
    for _ in 0..rounds {
        world.write(|w| (0..keys).for_each(|n| w.lines(n, "0.log", 10)));
        pause(1_000);
    }
    world.until_arrived();
    pause(2_000);
    world.end(format!("{keys} keys in each output, {rounds} bursts over all of them"))
}

/// Many lines at once in one file.
pub fn burst(lines: usize) -> Outcome {
    let mut world = World::new(Shape::default(), |w| w.lines(0, "0.log", 1));
    world.api.put(&pod_json(0));
    world.until_arrived();
    world.write(|w| w.lines(0, "0.log", lines));
    world.until_arrived();
    pause(2_000);
    world.end(format!("{lines} lines at once in one file"))
}

/// Files with content, delivered, at which nothing happens any more: `each` of them a container, rotated ones among
/// them. With one a container there are as many keys, and no API server has so many pods.
pub fn idle_files(files: usize, each: usize, restart: bool) -> Outcome {
    let (pods, shape) = (files / each, Shape { by_path: each == 1, ..Shape::default() });
    let mut world = World::new(shape, |w| {
        for n in 0..pods {
            (1..each).for_each(|at| w.lines(n, &format!("0.log.20260101-{at:06}"), 10));
            w.lines(n, "0.log", 10);
        }
    });
    if !shape.by_path {
        (0..pods).for_each(|n| world.api.put(&pod_json(n)));
    }
    world.until_arrived();
    // Past the time after which a file is cold.
    pause(10_000);
    if restart {
        world.restart();
        world.until("all files to be seen", |w| w.figure("tailrace_input_files", &[]) >= files as f64);
        pause(10_000);
    }
    world.write(|w| (0..pods).step_by(pods.div_ceil(50)).for_each(|n| w.lines(n, "0.log", 1)));
    world.until_arrived();
    pause(2_000);
    let restarted = if restart { ", and a restart" } else { "" };
    world.end(format!("{files} idle files with content of {pods} pods{restarted}"))
}
