//! What was decided or refused, and cannot be read any more: counted as lost in the sum and under the pod's name, and
//! not as delivered.

use crate::rig::Rig;
use crate::toy::Style;
use tailrace::lane::batch::{Code, Scope, Verdict};

const OLD: [&str; 2] =
    ["2023-11-14T22:13:20.000000001Z stdout F one\n", "2023-11-14T22:13:20.000000002Z stdout F two\n"];
const NEW: &str = "2023-11-14T22:13:20.000000003Z stdout F three\n";

fn busy() -> Verdict {
    Verdict::Hold { code: Code::new("busy"), scope: Scope::Key, say: String::new() }
}

/// An object of two files is decided and sent; nothing is known of its end.
fn decided() -> Rig {
    let mut rig = Rig::of(Style::Objects);
    rig.write(&OLD.concat());
    rig.follow(false);
    rig.write(NEW);
    rig.pass(6);
    assert_eq!(rig.records().len(), 3);
    rig
}

/// Records and bytes delivered, bytes lost, bytes lost of each pod, what waits.
fn fates(rig: &mut Rig) -> ((u64, u64), u64, Vec<u64>, u64) {
    let report = rig.lane.report();
    (report.sums.delivered, report.sums.lost_bytes, report.lost.values().copied().collect(), report.lag_bytes)
}

#[test]
fn what_a_decided_object_misses_is_lost_by_pod_and_not_delivered() {
    let (old, new) = (OLD.concat().len() as u64, NEW.len() as u64);
    let mut rig = decided();
    rig.answer(&busy());
    rig.delete(0, true);
    rig.pass(600);
    assert_eq!(rig.records().len(), 1, "what is left of it");
    rig.answer(&Verdict::Delivered { already: 0 });
    assert_eq!(fates(&mut rig), ((1, new), old, vec![old], 0));
    // The first attempt had all of it.
    let mut rig = decided();
    rig.answer(&Verdict::Unknown { code: Code::new("cut"), scope: Scope::Key, say: String::new() });
    rig.pass(60);
    rig.answer(&busy());
    rig.delete(0, true);
    rig.pass(600);
    rig.answer(&Verdict::Delivered { already: 1 });
    assert_eq!(fates(&mut rig), ((3, old + new), 0, vec![], 0));
}

#[test]
fn an_intent_is_settled_as_soon_as_the_catalog_says_that_its_file_is_gone() {
    let (old, new) = (OLD.concat().len() as u64, NEW.len() as u64);
    let mut rig = decided();
    rig.delete(0, false);
    rig.kill();
    assert_eq!(rig.records().len(), 1, "at once");
    rig.answer(&Verdict::Delivered { already: 0 });
    rig.answer(&Verdict::Delivered { already: 0 });
    assert_eq!(fates(&mut rig), ((1, new), old, vec![old], 0));
}

#[test]
fn a_refused_record_that_went_with_its_file_is_lost_by_pod() {
    let old = OLD.concat().len() as u64;
    let mut rig = Rig::new();
    rig.write(&OLD.concat());
    rig.pass(6);
    rig.delete(0, true);
    let reject = |record| {
        (record, tailrace::lane::batch::ItemVerdict::Reject { code: Code::new("mapping"), say: String::new() })
    };
    rig.answer(&Verdict::Items(vec![reject(0), reject(1)]));
    assert_eq!(fates(&mut rig), ((0, 0), old, vec![old], 0));
    assert_eq!(rig.lane.sums().dead_lettered, (0, 0));
}

#[test]
fn what_went_on_in_a_file_that_is_gone_does_not_go_on_behind_it() {
    let part = "2023-11-14T22:13:20.000000001Z stdout P half\n";
    let mut rig = Rig::of(Style::Objects);
    for text in [part, OLD[0], NEW] {
        rig.write(text);
        rig.follow(false);
    }
    rig.pass(6);
    assert_eq!(rig.records().len(), 2);
    rig.answer(&busy());
    rig.delete(1, true);
    rig.pass(600);
    let again = rig.records();
    assert!(again.len() == 2 && again[0].ends_with(" half") && again[1].ends_with(" three"), "{again:?}");
    rig.answer(&Verdict::Delivered { already: 0 });
    let (kept, gone) = ((part.len() + NEW.len()) as u64, OLD[0].len() as u64);
    assert_eq!(fates(&mut rig), ((2, kept), gone, vec![gone], 0));
}
