//! A pod whose rotated files are about to be deleted goes first, but not alone.

use crate::logs::{append, container, cri, noise};
use crate::stage::Stage;
use crate::support::{Place, SOON, Services, until_or};
use tailrace::standin::{Fault, Rule};

#[test]
fn a_pod_with_more_in_danger_than_can_be_sent_keeps_nobody_else_waiting() {
    let (place, services) = (Place::new(), Services::start());
    let evil = container(&place, "evil", "pod");
    let block = noise(4 << 10);
    // The oldest of as many as kubelet keeps, and by far the largest.
    for n in 0..4 {
        let name = evil.join(format!("0.log.20261122-10101{n}"));
        (0..if n == 0 { 24 } else { 1 }).for_each(|_| append(&name, &block));
    }
    append(&evil.join("0.log"), cri("live"));
    // Each answer takes its time: what is in danger will be read for far longer than this test waits.
    let slow = Rule::always(Fault::Slow { millis: 1_000 });
    services.opensearch.control.fault(slow);
    let stage = Stage::of(services, place, "", |outputs| outputs);
    let fine = container(&stage.place, "shop", "cart");
    append(&fine.join("0.log"), cri(format!("tr={:016x}", 1u64 << 40)));
    let control = &stage.services.opensearch.control;
    until_or("the line", SOON, || control.receipts().count(1 << 40) == 1, || stage.agent.log());
    let left = stage.lane("search")["lag"]["bytes"].as_u64().unwrap();
    println!("{left} bytes of the other pod wait");
    assert!(left > 30 << 20, "{left}: it was last");
}
