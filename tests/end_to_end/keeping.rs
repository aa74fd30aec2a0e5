//! What kubelet deletes before an output has it: kept as copies within a limit, over restarts; past it counted exactly.

use crate::logs::{append, container, cri};
use crate::stage::{Stage, bodies};
use crate::support::{SOON, now, until_or};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tailrace::record::Now;
use tailrace::standin::writer::{Options, Writer};
use tailrace::standin::{Fault, Rule};

/// So much faster than the clock is written and rotated.
const FASTER: u32 = 120;

fn refuse_everything(stage: &Stage) {
    for (_, standin) in stage.services.each() {
        let fault = Fault::Status { code: 503, error: "SlowDown".into(), retry_after: None };
        standin.control.fault(Rule::always(fault));
    }
}

fn files_below(dir: &Path, wanted: &impl Fn(&Path) -> bool) -> usize {
    let Ok(listed) = std::fs::read_dir(dir) else { return 0 };
    let paths = listed.filter_map(|entry| Some(entry.ok()?.path()));
    paths.map(|p| if p.is_dir() { files_below(&p, wanted) } else { usize::from(wanted(&p)) }).sum()
}

#[test]
fn an_hour_without_any_destination_and_a_kill_at_its_end_lose_nothing() {
    let mut stage = Stage::with("retain: {min_free: 1%}", |outputs| outputs);
    refuse_everything(&stage);
    let options = Options {
        pods: 2,
        lines_per_second: 8,
        // A hundred rotations in that hour; kubelet keeps five files.
        rotate_at: 14 << 10,
        rotate_every: Duration::from_secs(10),
        ..Options::default()
    };
    let begun = now();
    let fast = |now: Now| {
        let passed = (now.mono - begun.mono) * FASTER;
        Now { mono: begun.mono + passed, unix_ns: begun.unix_ns + passed.as_nanos() as i64 }
    };
    let mut writer = Writer::new(&stage.place.pods(), 33, options, begun).unwrap();
    while fast(now()).mono - begun.mono < Duration::from_secs(3600) {
        writer.step(fast(now())).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    writer.finish(fast(now())).unwrap();
    let on_disk = files_below(&stage.place.pods(), &|_| true);
    // What is held then is there as `.gz` too; everything that was deleted has a copy.
    let gz = files_below(&stage.place.pods(), &|p| p.extension().is_some_and(|e| e == "gz"));
    let metric = |stage: &Stage, name: &str| stage.agent.metrics().sum(name, &[]).unwrap_or(-1.0);
    let copied = || (0..=gz as u64).contains(&(metric(&stage, "tailrace_held_files") as u64));
    for _ in 0..3 {
        until_or("copies of what was deleted", SOON, copied, || stage.agent.log());
        std::thread::sleep(Duration::from_millis(1100));
    }
    let (copies, bytes) = (metric(&stage, "tailrace_retained_files"), metric(&stage, "tailrace_retained_bytes"));
    println!("{on_disk} files are there, {copies} copies of {bytes} bytes");
    assert!(on_disk <= 12 && copies >= 100.0, "{on_disk} files, {copies} copies");
    stage.agent.kill();
    stage.services.each().iter().for_each(|(_, standin)| standin.control.clear_faults());
    stage.start_again();
    let lost = || stage.services.audit(&writer).iter().map(|o| o.lost).sum::<u64>();
    let (mut left, mut moved) = (lost(), now().mono);
    while left > 0 {
        std::thread::sleep(Duration::from_millis(100));
        let still = lost();
        if std::mem::replace(&mut left, still) != still {
            moved = now().mono;
        }
        assert!(now().mono - moved < SOON, "{still} ids are missing and none comes: {}", stage.agent.log());
    }
    stage.until_settled();
    stage.assert_exactly_once(&writer);
    let left = || files_below(&stage.place.data_dir().join("retained"), &|_| true);
    until_or("the copies to go", SOON, || left() == 0, || format!("{} are there\n{}", left(), stage.agent.log()));
    assert_eq!(stage.agent.metrics().sum("tailrace_lost_bytes_total", &[]).unwrap_or(0.0), 0.0);
}

#[test]
fn past_the_limit_every_lost_byte_is_counted_by_pod_and_by_output() {
    const PODS: u64 = 24;
    let stage = Stage::with("retain: {max_bytes: 40KiB, min_free: 1%}", |outputs| outputs);
    refuse_everything(&stage);
    let known = |stage: &Stage| stage.agent.metrics().sum("tailrace_input_offered_files_total", &[]);
    let mut written: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for pod in 0..PODS {
        let file = container(&stage.place, "shop", &format!("pod-{pod}")).join("0.log");
        // Nothing that shrinks to nothing; what is written of each is a little more.
        let text = |n: u64| {
            (0..20u64)
                .map(|k| format!("{:016x}", (pod * 7919 + n * 104_729 + k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
                .collect::<String>()
        };
        let bodies: Vec<String> = (0..10 + pod).map(text).collect();
        append(&file, bodies.iter().map(cri).collect::<Vec<_>>().concat());
        written.insert(pod, bodies);
        until_or("the file to be known", SOON, || known(&stage) == Some((pod + 1) as f64), || stage.agent.log());
        std::fs::remove_dir_all(file.parent().unwrap().parent().unwrap()).unwrap();
    }
    let metric = |name: &str, labels: &[(&str, &str)]| stage.agent.metrics().sum(name, labels).unwrap_or(0.0) as u64;
    let within = || metric("tailrace_held_bytes", &[]) + metric("tailrace_retained_bytes", &[]) <= 40 << 10;
    let shed = || metric("tailrace_lost_bytes_total", &[]) > 0;
    until_or("the limit to be kept", SOON, || shed() && within(), || stage.agent.log());
    stage.services.each().iter().for_each(|(_, standin)| standin.control.clear_faults());
    stage.until_settled();
    for (output, standin) in stage.services.each() {
        let arrived = bodies(standin);
        let mut lost = 0;
        let records = metric("tailrace_output_delivered_records_total", &[("output", output)]);
        assert_eq!(records, arrived.len() as u64, "{output}");
        for (pod, bodies) in &written {
            let missing = bodies.iter().filter(|body| !arrived.contains(body));
            let truth: u64 = missing.map(|body| cri(body).len() as u64).sum();
            let name = format!("shop/pod-{pod}/main");
            let counted = metric("tailrace_output_lost_pod_bytes_total", &[("output", output), ("pod", &name)]);
            assert_eq!(counted, truth, "{output} {name}");
            // What was on its way when its file went may have arrived all the same.
            assert!(metric("tailrace_lost_bytes_total", &[("pod", &name)]) >= truth);
            lost += truth;
        }
        assert_eq!(metric("tailrace_output_lost_bytes_total", &[("output", output)]), lost, "{output}");
        assert!(lost > 0 && !arrived.is_empty());
    }
}
