//! Whose files are left out: from which byte on, also over a restart, in danger, while the pod is not known.

use super::rig::*;
use crate::catalog::spec::InputSpec;
use crate::metadata::pod::Pod;
use crate::metadata::rules::Rules;
use crate::record::FileId;
use crate::ruling::{self, Steps};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const OUT: &[(&str, &str)] = &[("tailrace.io/exclude", "true")];

fn ruled(wait: u64) -> InputSpec {
    let rules = Rules { may_exclude: true, ..Rules::default() };
    InputSpec { rules, ..waiting_input(Duration::from_secs(wait)) }
}
fn log(n: u32) -> String {
    format!("{POD}/{n}.log")
}
/// The API server says this of the pod.
fn tell(rig: &Rig, annotations: &[(&str, &str)]) {
    let annotations = annotations.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    let pod = Pod { uid: "uid1".into(), name: "web-1".into(), annotations, ..Pod::default() };
    rig.pods.0.lock().unwrap().pods.insert("uid1".into(), Arc::new(pod));
    rig.pods.know("uid1", &[]);
}
fn steps(rig: &Rig) -> Steps {
    rig.only().rulings.of("pods").to_vec()
}
fn marks(rig: &Rig) -> HashMap<FileId, Vec<crate::record::Mark>> {
    rig.views.keys().map(|id| (*id, Vec::new())).collect()
}

#[test]
fn a_change_holds_from_the_line_on_that_is_being_written_also_after_a_restart() {
    let mut rig = Rig::new(vec![ruled(10)]);
    tell(&rig, &[]);
    rig.disk.append(log(0), &line(1, "one"));
    rig.secs(1);
    assert!(steps(&rig).is_empty());
    // Nobody has looked since this was written; the second line is not complete.
    let at = 2 * line(1, "one").len() as u64;
    rig.disk.append(log(0), &line(2, "two"));
    rig.disk.append(log(0), b"2026-11-22T10:15:00.3Z stdout F ");
    tell(&rig, OUT);
    rig.tick();
    assert_eq!(ruling::until(&steps(&rig)), at);
    rig.disk.append(log(0), b"three\n");
    rig.secs(1);
    let marks = marks(&rig);
    let mut rig = rig.restart(vec![ruled(10)], Duration::from_secs(5), marks);
    rig.secs(2);
    assert_eq!(ruling::until(&steps(&rig)), at);
    let end = rig.only().size;
    tell(&rig, &[]);
    rig.secs(1);
    assert_eq!(ruling::holes(&steps(&rig)).collect::<Vec<_>>(), [(at, end)]);
    assert_eq!(ruling::until(&steps(&rig)), u64::MAX);
}

#[test]
fn a_file_in_danger_waits_for_its_pod_when_that_decides_whether_it_is_read() {
    for (input, offered) in [(waiting_input(Duration::from_secs(30)), 1), (ruled(30), 0)] {
        let mut rig = Rig::new(vec![input]);
        rig.disk.append(log(0), &line(1, "one"));
        rig.pods.0.lock().unwrap().going.push("uid1".into());
        rig.secs(3);
        assert_eq!(rig.views.len(), offered);
    }
    let mut rig = Rig::new(vec![ruled(30)]);
    rig.disk.append(log(0), &line(1, "one"));
    rig.pods.0.lock().unwrap().going.push("uid1".into());
    rig.secs(3);
    tell(&rig, OUT);
    rig.secs(1);
    assert_eq!(ruling::until(&steps(&rig)), 0);
    // Nor for ever.
    let mut rig = Rig::new(vec![ruled(30)]);
    rig.disk.append(log(0), &line(1, "one"));
    rig.secs(32);
    assert_eq!((rig.views.len(), ruling::until(&steps(&rig))), (1, u64::MAX));
    // What it says once it is known holds for all that is not read yet.
    tell(&rig, OUT);
    rig.secs(1);
    assert_eq!(ruling::until(&steps(&rig)), 0);
}

#[test]
fn a_file_that_is_left_out_is_not_held_and_is_wanted_again_when_its_pod_says_so() {
    let mut rig = Rig::new(vec![ruled(10)]);
    tell(&rig, OUT);
    rig.disk.append(log(0), &line(1, "one"));
    rig.secs(1);
    let id = rig.only().file.id;
    rig.settle(id, u64::MAX);
    // Deleted while nobody wants it: nothing is kept, nothing is lost.
    tell(&rig, &[]);
    rig.secs(1);
    assert_eq!(rig.catalog.progress().settled_by_all(id), 0);
    let report = rig.catalog.report();
    assert_eq!(report.inputs["pods"].left_out, [line(1, "one").len() as u64, 0, 0]);
}
