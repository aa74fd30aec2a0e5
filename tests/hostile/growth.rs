//! A log that grows faster than anybody can send, and one that is cut while it is read.

use crate::logs::{append, container, cri, noise};
use crate::stage::Stage;
use crate::support::{SOON, until_or};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ids of the lines that matter begin here: far from those of the noise.
const FINE: u64 = 1 << 40;

#[test]
fn a_log_that_grows_without_end_keeps_nobody_else_waiting_and_memory_small() {
    let stage = Stage::new();
    let (evil, fine) = (container(&stage.place, "evil", "pod"), container(&stage.place, "shop", "cart"));
    let stop = AtomicBool::new(false);
    let block = noise(256);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = std::fs::File::options().create(true).append(true).open(evil.join("0.log")).unwrap();
            // At most 1 GiB, however long the others take.
            for _ in 0..4096 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                file.write_all(&block).unwrap();
            }
        });
        for n in 0..20 {
            append(&fine.join("0.log"), cri(format!("tr={:016x}", FINE + n)));
            for (name, standin) in stage.services.each() {
                let arrived = || standin.control.receipts().count(FINE + n) == 1;
                until_or(&format!("line {n} in {name}"), SOON, arrived, || stage.agent.log());
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let rss = stage.agent.metrics().sum("tailrace_process_resident_memory_peak_bytes", &[]).unwrap();
    println!("resident: {} MiB at most", rss as u64 >> 20);
    assert!(rss < (100 << 20) as f64, "{rss}");
}

#[test]
fn a_log_that_is_cut_again_and_again_while_it_is_read_disturbs_nobody() {
    let mut stage = Stage::new();
    let (evil, fine) = (container(&stage.place, "evil", "pod"), container(&stage.place, "shop", "cart"));
    let block = noise(512);
    for n in 0..15 {
        append(&evil.join("0.log"), &block);
        append(&fine.join("0.log"), cri(format!("tr={:016x}", FINE + n)));
        std::thread::sleep(std::time::Duration::from_millis(3 * n));
        std::fs::File::options().write(true).open(evil.join("0.log")).unwrap().set_len(n * 1000).unwrap();
    }
    append(&evil.join("0.log"), b"\n");
    append(&evil.join("0.log"), cri(format!("tr={:016x}", FINE + 100)));
    append(&fine.join("0.log"), cri(format!("tr={:016x}", FINE + 101)));
    let until = |stage: &Stage, ids: &[u64]| {
        for (name, standin) in stage.services.each() {
            for id in ids {
                let arrived = || standin.control.receipts().count(FINE + id) > 0;
                let say = || format!("{}\n{}", stage.lane(name), stage.agent.log());
                until_or(&format!("line {id} in {name}"), SOON, arrived, say);
            }
        }
    };
    until(&stage, &(0..15).chain([101]).collect::<Vec<u64>>());
    assert_eq!(stage.agent.get("/livez").unwrap().0, 200);
    // Its own last line waits for a minute for what was cut off, which may be somewhere else (`copytruncate`); another
    // process knows that it is not.
    assert!(stage.agent.stop(SOON).success());
    stage.start_again();
    until(&stage, &[100]);
    let log = stage.agent.log();
    assert!(!log.contains("panicked") && !log.contains("thread failed"), "{log}");
}
